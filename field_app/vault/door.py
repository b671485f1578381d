"""The one way in: creates, unlocks, re-keys and destroys a vault, and opens the device chain.

Order of an unlock, each step durable before the next: header -> device key (present, and the right one) -> ten wrong?
-> locked? -> *started* + 1 -> key derivation -> *wrong* + 1 or both cleared. Hence a missing key, a damaged header or
a kill is never a wrong PIN. There is no stored PIN to compare with: the right one is the one that opens the slot.
Order of a creation: device key stored and read back -> counters -> header. The header's existence is what makes a
vault exist. Names in the key store: `vault.ID.key`, `vault.ID.attempts`, `vault.ID.generation` with ID in hex.

Must not know: rows, referrals, screens. Not safe for two threads at once; the caller serialises unlocks.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from field_app.vault import attempts
from field_app.vault.attempts import DESTROYED_AT, LOCKED_AT, AttemptPlace, Attempts
from field_app.vault.errors import (
    DamagedHeader,
    KeyStoreLost,
    KeyStoreUnavailable,
    NewerFormat,
    SlotShut,
    VaultError,
)
from field_app.vault.header_file import HeaderFile, secret_name
from field_app.vault.keys import (
    DEVICE_SLOT,
    NO_KDF,
    PIN_SLOT,
    Header,
    Kdf,
    RandomBytes,
    Slot,
    StoreName,
    device_check,
    unwrap,
)
from field_app.vault.keystores import KeyStore
from field_app.vault.pin import Origin, judge_pin, pin_bytes
from field_app.vault.vault import DeviceChain, Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlocked:
    """The PIN was right; the counters are clear."""

    vault: Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongPin:
    """Confirmed wrong. `remaining` tries until the lock, `before_destruction` until the records are gone."""

    remaining: int
    before_destruction: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedByAttempts:
    """Nothing was tried. Released online, or at `until` if the agency allows a timed release."""

    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NeverCreated:
    """There is no header: first run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUnavailable:
    """The key store does not answer, or does not find the key. Wait or unlock the device; nothing was counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLost:
    """The key store holds something else under the key's name. The records are unreadable; enrol anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Destroyed:
    """Ten wrong answers in a row, or a wipe. The outbox is not touched."""


Unlocking = Unlocked | WrongPin | LockedByAttempts | NeverCreated | KeyUnavailable | KeyLost | Destroyed


class KeyState(StrEnum):
    """What is known of a device key without any PIN."""

    NEVER_CREATED = "never_created"
    PRESENT = "present"
    UNAVAILABLE = "unavailable"
    LOST = "lost"
    DESTROYED = "destroyed"


def device_key_of(file: HeaderFile, header: Header, slot: Slot) -> bytes | KeyUnavailable | KeyLost:
    """Return the device key that this slot was made with, or why not."""
    try:
        found = file.store_of(header).get(secret_name(header, "key"))
    except KeyStoreUnavailable:
        return KeyUnavailable()
    except KeyStoreLost:
        return KeyLost()
    if found is None:
        return KeyUnavailable()
    return found if device_check(found, header.vault_id) == slot.device_check else KeyLost()


class VaultDoor:
    """The door of one officer's vault.

    `header`: path of the header file. `keystores`: those this machine may use, best first; creation takes the first
    that works and names it in the header for good. `place`: the second place of the counters, beside the key store.
    `scrypt_n`: cost of new PINs, refused under `minimum_n` (the composition root says 2**15, tests less).
    """

    def __init__(
        self,
        *,
        header: Path,
        keystores: Sequence[KeyStore],
        place: AttemptPlace,
        random_bytes: RandomBytes,
        scrypt_n: int,
        minimum_n: int,
    ) -> None:
        if scrypt_n < minimum_n or scrypt_n & (scrypt_n - 1):
            raise ValueError(f"scrypt N is a power of two and at least {minimum_n}")
        self._file = HeaderFile(header, keystores, random_bytes)
        self._place, self._random_bytes, self._scrypt_n = place, random_bytes, scrypt_n

    def choose_store(self) -> KeyStore:
        """Return where a vault made now would keep its device key; ask `judge_pin` and show `warning` before
        `create`.

        Errors: KeyStoreUnavailable if the best store exists and does not answer: wait, do not settle for less.
        """
        return self._file.choose_store()

    def create(self, pin: str, *, origin: Origin) -> Vault:
        """Return a new, open vault once everything is durable. Errors: KeyStoreUnavailable, NotWritten.

        Misuse: RuntimeError over an existing vault (a destroyed one may be followed), ValueError for a PIN against
        the policy.
        """
        keys = self._file.choose_store()
        _require(pin, keys.name, origin)
        header, device_key = self._file.draft(keys)
        attempts.save(self._places(header, keys), Attempts())
        masters = {header.key_epoch: bytearray(self._random_bytes(32))}
        self._file.save(self._file.wrapped(header, PIN_SLOT, self._kdf(), masters, pin_bytes(pin), device_key))
        return Vault(header.vault_id, masters, self._random_bytes)

    def unlock(self, pin: str, *, now: datetime, release_after: timedelta | None) -> Unlocking:
        """Try `pin`. `release_after`: the agency's timed release, None for online only.

        Errors: DamagedHeader, NewerFormat, NotRead; NotWritten or KeyStoreUnavailable if it could be counted nowhere.
        """
        return self._try(pin, now, release_after, new_pin=None)

    def change_pin(
        self, old: str, new: str, *, origin: Origin, now: datetime, release_after: timedelta | None
    ) -> Unlocking:
        """Replace the PIN; Unlocked means done and durable. After NotWritten either PIN may be the valid one.

        Counts like an unlock. Misuse: ValueError for a new PIN against the policy.
        """
        if (header := self._file.load()) is not None:
            _require(new, header.store, origin)
        return self._try(old, now, release_after, new_pin=new)

    def locked(self, *, now: datetime, release_after: timedelta | None) -> LockedByAttempts | None:
        """Return the lock that stands now, if any. Needs no PIN."""
        header = self._file.load()
        if header is None or not header.slots:
            return None
        return self._lock_of(attempts.load(self._places(header), now), now, release_after)

    def release(self, *, now: datetime) -> None:
        """End a lock by attempts on the agency's word. Wrong answers stay counted."""
        if (header := self._file.load()) is not None and header.slots:
            places = self._places(header)
            attempts.save(places, attempts.load(places, now).released())

    def destroy(self) -> None:
        """Make the records unreadable for ever: slots first, then the device key. Safe to repeat; needs no PIN.

        A key store that does not answer now is asked again at each later unlock.
        """
        if (header := self._file.load()) is not None:
            self._destroy(header)

    def state(self) -> KeyState:
        """Return what is known of the device key. Errors: DamagedHeader, NewerFormat."""
        header = self._file.load()
        if header is None:
            return KeyState.NEVER_CREATED
        if (slot := header.slot(PIN_SLOT)) is None:
            return KeyState.DESTROYED
        match device_key_of(self._file, header, slot):
            case KeyUnavailable():
                return KeyState.UNAVAILABLE
            case KeyLost():
                return KeyState.LOST
            case _:
                return KeyState.PRESENT

    def mirrored_generation(self) -> int:
        """Return the generation that the key store remembers, 0 if none. Errors: KeyStoreUnavailable,
        KeyStoreLost."""
        header = self._file.load()
        value = None if header is None else self._file.store_of(header).get(secret_name(header, "generation"))
        return 0 if value is None else int.from_bytes(value[1:])

    def mirror_generation(self, generation: int) -> None:
        """Remember the vault's generation outside its file, after COMMIT; never backwards. Errors: as above."""
        if (header := self._file.load()) is not None and generation > self.mirrored_generation():
            self._file.store_of(header).set(secret_name(header, "generation"), b"\x01" + generation.to_bytes(8))

    def _try(self, pin: str, now: datetime, release_after: timedelta | None, new_pin: str | None) -> Unlocking:
        if not pin:
            raise ValueError("no PIN was given")
        header = self._file.load()
        if header is None:
            return NeverCreated()
        if not header.slots:
            self._destroy(header)
            return Destroyed()
        if (slot := header.slot(PIN_SLOT)) is None:
            raise NewerFormat("this vault has no PIN; a newer version of the app made it")
        slot.kdf.check()
        device_key = device_key_of(self._file, header, slot)
        if not isinstance(device_key, bytes):
            return device_key
        places = self._places(header)
        count = attempts.load(places, now)
        if count.destroyed:  # a kill came between the tenth answer and its consequence
            self._destroy(header)
            return Destroyed()
        if (lock := self._lock_of(count, now, release_after)) is not None:
            return lock
        count = (count.released() if count.locked else count).start(now)
        attempts.save(places, count)
        try:
            masters = unwrap(header, slot, pin_bytes(pin), device_key)
        except SlotShut:
            return self._wrong(header, count.fail(), release_after)
        with contextlib.suppress(VaultError):  # an officer with the right PIN is let in; the next success clears
            attempts.save(places, Attempts())
        if new_pin is not None:
            self._file.save(self._file.wrapped(header, PIN_SLOT, self._kdf(), masters, pin_bytes(new_pin), device_key))
        return Unlocked(vault=Vault(header.vault_id, masters, self._random_bytes))

    def _wrong(self, header: Header, count: Attempts, release_after: timedelta | None) -> Unlocking:
        attempts.save(self._places(header), count)
        if count.destroyed:
            self._destroy(header)
            return Destroyed()
        if count.locked:
            return LockedByAttempts(until=count.until(release_after))
        return WrongPin(remaining=LOCKED_AT - count.started, before_destruction=DESTROYED_AT - count.wrong)

    def _lock_of(self, count: Attempts, now: datetime, release_after: timedelta | None) -> LockedByAttempts | None:
        until = count.until(release_after)
        if not count.locked or (until is not None and now >= until):
            return None
        return LockedByAttempts(until=until)

    def _destroy(self, header: Header) -> None:
        if header.slots:
            self._file.save(Header(vault_id=header.vault_id, store=header.store, key_epoch=header.key_epoch, slots=()))
        with contextlib.suppress(KeyStoreUnavailable):
            for what in ("key", "attempts", "generation"):
                self._file.store_of(header).delete(secret_name(header, what))

    def _kdf(self) -> Kdf:
        return Kdf.scrypt(self._scrypt_n, self._random_bytes(16))

    def _places(self, header: Header, keys: KeyStore | None = None) -> tuple[AttemptPlace, ...]:
        try:
            return (_KeyStorePlace(keys or self._file.store_of(header), secret_name(header, "attempts")), self._place)
        except KeyStoreUnavailable:
            return (self._place,)


def create_device_chain(header: Path, keystores: Sequence[KeyStore], random_bytes: RandomBytes) -> DeviceChain:
    """Return a new device chain: the same header file, with one slot that needs the device key and no PIN.

    Errors: KeyStoreUnavailable, NotWritten. Misuse: RuntimeError over an existing one.
    """
    file = HeaderFile(header, keystores, random_bytes)
    fresh, device_key = file.draft(file.choose_store())
    masters = {fresh.key_epoch: bytearray(random_bytes(32))}
    file.save(file.wrapped(fresh, DEVICE_SLOT, NO_KDF, masters, b"", device_key))
    return DeviceChain(fresh.vault_id, masters, random_bytes)


def open_device_chain(
    header: Path, keystores: Sequence[KeyStore], random_bytes: RandomBytes
) -> DeviceChain | NeverCreated | KeyUnavailable | KeyLost:
    """Return the device chain, or why not. Errors: DamagedHeader, NewerFormat."""
    file = HeaderFile(header, keystores, random_bytes)
    if (found := file.load()) is None:
        return NeverCreated()
    if (slot := found.slot(DEVICE_SLOT)) is None:
        raise DamagedHeader("this header is not a device chain's")
    device_key = device_key_of(file, found, slot)
    if not isinstance(device_key, bytes):
        return device_key
    try:
        masters = unwrap(found, slot, b"", device_key)
    except SlotShut as error:  # the key is the right one, so the slot is not
        raise DamagedHeader("the device chain's slot does not open") from error
    return DeviceChain(found.vault_id, masters, random_bytes)


class _KeyStorePlace:
    """The counters' place in the key store."""

    def __init__(self, keys: KeyStore, name: str) -> None:
        self._keys, self._name = keys, name

    def load(self) -> bytes | None:
        return self._keys.get(self._name)

    def save(self, record: bytes) -> None:
        self._keys.set(self._name, record)


def _require(pin: str, store: StoreName, origin: Origin) -> None:
    verdict = judge_pin(pin, store=store, origin=origin)
    if not verdict.allowed:
        raise ValueError(f"this PIN is against the policy: {verdict}")
