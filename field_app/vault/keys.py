"""Keys and the header file: how a PIN and a device key become the vault's master keys.

    KP   scrypt(PIN, salt16, cost)                                  empty for a slot that has no PIN
    KEK  HKDF-SHA256(KP || DK, salt = vault_id, info = canonical("vault/kek/v1", key_epoch, slot))
    slot AES-256-GCM(KEK, nonce12, one or more of (epoch u64 || VMK 32), the current epoch first,
                     aad = canonical("vault/slot/v1", format, vault_id, store, key_epoch, slot's name, KDF's name,
                                     number of costs, (cost's name, value)..., salt, device_check))
    file line 1: the header as JSON (sorted keys, no spaces, lower-case hex)   line 2: SHA-256 of line 1 in hex

`canonical(label, ...)` = for the label and each field: length u32 || bytes; integers as i64 (one below 0 is damage); all big-endian.
`device_check` (HKDF of DK, 16 bytes) tells a foreign device key from a wrong PIN; the second line tells damage from a
wrong PIN. Without both, a bad sector or a restored phone would count as guesses. A slot's aad is all of the header's
clear text but the other slots, so that changing the PIN rewraps one slot only. A new field anywhere is a new `format`;
new slot and KDF names are not.

Must not know: files, key stores, attempts.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from field_app.vault.errors import DamagedHeader, NewerFormat, SlotShut

RandomBytes = Callable[[int], bytes]
FORMAT: Final = 1
PIN_SLOT: Final = "pin+device"
DEVICE_SLOT: Final = "device"
_EIGHT: Final = (8).to_bytes(4)


class StoreName(StrEnum):
    """Where the device key of a header lives; chosen once, at creation."""

    SECURE_STORAGE = "secure_storage"
    KEYRING = "keyring"
    FILE = "file"


def canonical(label: str, *fields: bytes | str | int) -> bytes:
    """Return the one encoding of these fields: no two different field lists under one label share it."""
    parts = [_labelled(label)]
    for item in fields:
        if isinstance(item, int):
            parts += (_EIGHT, item.to_bytes(8, signed=True))  # a damaged row may hold any integer of SQLite
        else:
            data = item.encode() if isinstance(item, str) else item
            parts += (len(data).to_bytes(4), data)
    return b"".join(parts)


@lru_cache(maxsize=64)  # the labels of this package
def _labelled(label: str) -> bytes:
    data = label.encode()
    return len(data).to_bytes(4) + data


def derive_key(secret: bytes | bytearray, salt: bytes, label: str, *fields: bytes | str | int) -> bytearray:
    """Return 32 bytes of HKDF-SHA256 (RFC 5869) in memory that can be overwritten."""
    key = bytearray(32)
    HKDF(SHA256(), 32, salt, canonical(label, *fields)).derive_into(secret, key)
    return key


def wipe(*secrets: bytearray) -> None:
    """Overwrite these bytes. Copies that Python or a library made earlier are out of reach."""
    for secret in secrets:
        secret[:] = bytes(len(secret))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kdf:
    """How a slot stretches its PIN: a name, named integer costs, and 16 bytes of salt."""

    name: str
    cost: Mapping[str, int]
    salt: bytes = field(repr=False)

    @staticmethod
    def scrypt(n: int, salt: bytes) -> "Kdf":
        """Return scrypt (RFC 7914) at r = 8, p = 1; `n` is a power of two, 128 * 8 * n bytes of memory."""
        return Kdf(name="scrypt", cost={"n": n, "p": 1, "r": 8}, salt=salt)

    def check(self) -> None:
        """Return if `stretch` can work. Errors: NewerFormat for a KDF this app does not know or costs beyond reason."""
        n, r, p = (self.cost.get(name, 0) for name in "nrp")
        scrypt = self.name == "scrypt" and 2 <= n <= 2**20 and n & (n - 1) == 0 and 1 <= r <= 16 and 1 <= p <= 16
        if not scrypt and self.name != "none":
            raise NewerFormat("this vault's key derivation is not known to this version of the app")

    def stretch(self, pin: bytes) -> bytearray:
        """Return KP; the slow step. Errors: as `check`."""
        self.check()
        if self.name == "none":
            return bytearray()
        n, r, p = (self.cost[name] for name in "nrp")
        stretched = bytearray(32)
        Scrypt(self.salt, 32, n, r, p).derive_into(pin, stretched)
        return stretched


NO_KDF: Final = Kdf(name="none", cost={}, salt=b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """The master keys, wrapped for one way in."""

    name: str
    kdf: Kdf
    device_check: bytes = field(repr=False)
    nonce: bytes = field(repr=False)
    ct: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The clear description of one vault. No slots: destroyed."""

    vault_id: bytes
    store: StoreName
    key_epoch: int
    slots: tuple[Slot, ...]

    def slot(self, name: str) -> Slot | None:
        """Return the slot of this name."""
        return next((slot for slot in self.slots if slot.name == name), None)

    def with_slot(self, slot: Slot) -> "Header":
        """Return this header with `slot` in place of its namesake; the other slots stay as they are."""
        slots = sorted([slot, *(other for other in self.slots if other.name != slot.name)], key=lambda slot: slot.name)
        return Header(vault_id=self.vault_id, store=self.store, key_epoch=self.key_epoch, slots=tuple(slots))

    def to_bytes(self) -> bytes:
        """Return the header file's content."""
        slots = {
            slot.name: {
                "kdf": {"name": slot.kdf.name, "cost": dict(slot.kdf.cost), "salt": slot.kdf.salt.hex()},
                "device_check": slot.device_check.hex(),
                "nonce": slot.nonce.hex(),
                "ct": slot.ct.hex(),
            }
            for slot in self.slots
        }
        document = {
            "format": FORMAT,
            "vault_id": self.vault_id.hex(),
            "store": self.store.value,
            "key_epoch": self.key_epoch,
            "slots": slots,
        }
        line = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
        return line + b"\n" + hashlib.sha256(line).hexdigest().encode() + b"\n"

    @staticmethod
    def from_bytes(data: bytes) -> "Header":
        """Read a header file back. Errors: DamagedHeader for any changed byte, NewerFormat for a later format."""
        line, _, rest = data.partition(b"\n")
        if rest != hashlib.sha256(line).hexdigest().encode() + b"\n":
            raise DamagedHeader("the vault's header is damaged")
        try:
            document = json.loads(line)
            if document["format"] > FORMAT:
                raise NewerFormat(f"the vault's header has format {document['format']}; this app knows {FORMAT}")
            header = Header(
                vault_id=bytes.fromhex(document["vault_id"]),
                store=StoreName(document["store"]),
                key_epoch=document["key_epoch"],
                slots=tuple(_read_slot(name, value) for name, value in document["slots"].items()),
            )
            numbers = [header.key_epoch, *(cost for slot in header.slots for cost in slot.kdf.cost.values())]
            whole = header.to_bytes() == data and all(type(n) is int and 0 <= n < 2**63 for n in numbers)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DamagedHeader("the vault's header does not follow its format") from error
        if not whole:
            raise DamagedHeader("the vault's header does not follow its format")
        return header


def _read_slot(name: str, value: dict[str, Any]) -> Slot:
    kdf = value["kdf"]
    return Slot(
        name=name,
        kdf=Kdf(name=kdf["name"], cost=kdf["cost"], salt=bytes.fromhex(kdf["salt"])),
        device_check=bytes.fromhex(value["device_check"]),
        nonce=bytes.fromhex(value["nonce"]),
        ct=bytes.fromhex(value["ct"]),
    )


def device_check(device_key: bytes, vault_id: bytes) -> bytes:
    """Return 16 bytes that tell whether this is the device key, and nothing about it."""
    return bytes(derive_key(device_key, vault_id, "vault/device-check/v1"))[:16]


def derive_kek(pin: bytes, device_key: bytes, header: Header, name: str, kdf: Kdf) -> bytearray:
    """Return the key-encryption key of one slot. `pin` is ignored by a slot without KDF."""
    stretched = kdf.stretch(pin)
    secret = stretched + device_key
    key = derive_key(secret, header.vault_id, "vault/kek/v1", header.key_epoch, name)
    wipe(stretched, secret)
    return key


def wrap(
    header: Header,
    name: str,
    kdf: Kdf,
    masters: Mapping[int, bytearray],
    pin: bytes,
    device_key: bytes,
    random_bytes: RandomBytes,
) -> Header:
    """Return `header` with slot `name` holding `masters` (epoch -> VMK), openable with this PIN and device key."""
    epochs = sorted(masters, reverse=True)
    if not epochs or epochs[0] != header.key_epoch:
        raise ValueError("the newest master key must be the one of the header's epoch")
    plain = bytearray().join(epoch.to_bytes(8) + masters[epoch] for epoch in epochs)
    check = device_check(device_key, header.vault_id)
    kek, nonce = derive_kek(pin, device_key, header, name, kdf), random_bytes(12)
    if len(nonce) != 12:
        raise RuntimeError("the source of randomness is broken")
    ct = AESGCM(kek).encrypt(nonce, plain, _slot_aad(header, name, kdf, check))
    wipe(kek, plain)
    return header.with_slot(Slot(name=name, kdf=kdf, device_check=check, nonce=nonce, ct=ct))


def unwrap(header: Header, slot: Slot, pin: bytes, device_key: bytes) -> dict[int, bytearray]:
    """Return epoch -> VMK. Errors: SlotShut if this PIN and device key do not open the slot."""
    kek = derive_kek(pin, device_key, header, slot.name, slot.kdf)
    plain = bytearray(max(0, len(slot.ct) - 16))
    try:
        AESGCM(kek).decrypt_into(slot.nonce, slot.ct, _slot_aad(header, slot.name, slot.kdf, slot.device_check), plain)
    except (InvalidTag, ValueError) as error:
        raise SlotShut("the slot does not open") from error
    finally:
        wipe(kek)
    masters = {int.from_bytes(plain[at : at + 8]): plain[at + 8 : at + 40] for at in range(0, len(plain), 40)}
    wipe(plain)
    return masters


def _slot_aad(header: Header, name: str, kdf: Kdf, check: bytes) -> bytes:
    costs = [part for cost in sorted(kdf.cost.items()) for part in cost]
    return canonical(
        "vault/slot/v1",
        FORMAT,
        header.vault_id,
        header.store,
        header.key_epoch,
        name,
        kdf.name,
        len(kdf.cost),
        *costs,
        kdf.salt,
        check,
    )
