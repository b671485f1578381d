"""The open vault: seals and opens rows, keeps manifests, forgets its keys at lock.

    row   id = 16 random bytes | rev | key_epoch | box        box  0x01 | schema u16 | nonce 12 | ct | tag 16
    ct    AES-256-GCM(HKDF(K_rec, salt = id, "vault/row/v1"), nonce, plaintext || 0x80 || zeros to a multiple of 256,
                      aad = canonical("vault/row-aad/v1", 1, vault_id, table, id, rev, key_epoch, schema))
    K_rec, K_manifest = HKDF(VMK, salt = vault_id, "vault/record/v1" | "vault/manifest-key/v1", epoch), per epoch
    blob  key_epoch u32 | box      a row of table "blob:NAME" with id = vault_id and rev 0, for single small secrets

A row holds only for its vault, table, id, rev, epoch and schema. New rows use the header's epoch; old epochs stay
readable until their rows are rewritten. There is no algorithm, nonce or mode to choose.

Keys live in bytearrays, overwritten by `lock`. Not promised: that no copy is left, since Python and OpenSSL make
their own, and that a plaintext handed out is gone. Any thread may lock; a seal or open that overlaps it raises
VaultLocked rather than use an overwritten key.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from field_app.vault import manifest
from field_app.vault.errors import DamagedManifest, DamagedRow, NewerFormat, VaultLocked
from field_app.vault.keys import RandomBytes, canonical, derive_key, wipe
from field_app.vault.manifest import ManifestState, Member

ROW_FORMAT: Final = 1
_PAD: Final = 256
_CLEAR: Final = 15  # box: format, schema, nonce
_AAD_END: Final = struct.Struct(
    ">I16sIQIQIQ"
)  # id, rev, key_epoch and schema, each after its length, as `canonical` writes them


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """One sealed row as it is stored; its four fields are the columns. Errors: DamagedRow for columns no seal makes."""

    id: bytes
    rev: int
    key_epoch: int
    box: bytes = field(repr=False)

    def __post_init__(self) -> None:
        rev, epoch = self.rev, self.key_epoch
        numbers = type(rev) is int and 0 <= rev < 2**63 and type(epoch) is int and 0 <= epoch < 2**63
        if not (numbers and type(self.id) is bytes and len(self.id) == 16 and type(self.box) is bytes and self.box):
            raise DamagedRow("a row's columns are not what was written")

    @property
    def schema(self) -> int:
        """The schema version of the plaintext; authentic once the row has opened."""
        return int.from_bytes(self.box[1:3])

    @property
    def tag(self) -> bytes:
        """The 16 bytes that the manifest counts."""
        return self.box[-16:]


class _Epoch:
    __slots__ = ("manifest", "record")

    def __init__(self, vault_id: bytes, epoch: int, master: bytearray) -> None:
        self.record = derive_key(master, vault_id, "vault/record/v1", epoch)
        self.manifest = derive_key(master, vault_id, "vault/manifest-key/v1", epoch)


class Vault:
    """The readable records' keys, open from unlock to `lock`. Made by `VaultDoor`."""

    def __init__(self, vault_id: bytes, masters: Mapping[int, bytearray], random_bytes: RandomBytes) -> None:
        """Take the master keys by epoch; they are overwritten here once the working keys are derived."""
        self._epochs = {epoch: _Epoch(vault_id, epoch, master) for epoch, master in masters.items()}
        self._current = max(masters)
        self._random_bytes = random_bytes
        self._locked = False
        self._aad_starts: dict[str, bytes] = {}  # by table: what the aad of all its rows begins with
        self.vault_id: Final = vault_id
        wipe(*masters.values())

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'locked' if self._locked else 'open'}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an open vault is neither copied nor pickled")

    @property
    def key_epoch(self) -> int:
        """The epoch of new rows; a row of an earlier one is due to be rewritten."""
        return self._current

    @property
    def locked(self) -> bool:
        """Whether `lock` was called."""
        return self._locked

    def lock(self) -> None:
        """Overwrite and drop the keys. Every later use raises VaultLocked. May be called twice, from any thread."""
        self._locked = True  # first: an overlapping use sees this before its key can have changed
        for epoch in self._epochs.values():
            wipe(epoch.record, epoch.manifest)

    def new_id(self) -> bytes:
        """Return 16 random bytes for a new row."""
        return self._random(16)

    def seal_row(self, table: str, row_id: bytes, rev: int, schema: int, plaintext: bytes) -> Sealed:
        """Return `plaintext` sealed for this table, id, revision and schema (0 to 65,535)."""
        if len(row_id) != 16 or not 0 <= rev < 2**63 or not 0 <= schema < 2**16:
            raise ValueError("a row needs an id of 16 bytes, a revision from 0 and a schema up to 65535")
        clear = bytes((ROW_FORMAT,)) + schema.to_bytes(2) + self._random(12)
        padded = plaintext + b"\x80" + bytes(-(len(plaintext) + 1) % _PAD)
        with self._keys_of(self._current) as keys:
            cipher = _row_cipher(keys, row_id)
            ct = cipher.encrypt(clear[3:], padded, self._aad(table, row_id, rev, self._current, schema))
        return Sealed(id=row_id, rev=rev, key_epoch=self._current, box=clear + ct)

    def open_row(self, table: str, row: Sealed) -> bytes:
        """Return the plaintext. Errors: DamagedRow unless every bit is as sealed for this table; NewerFormat."""
        if row.box[:1] > bytes((ROW_FORMAT,)):
            raise NewerFormat(f"row {row.id.hex()} was written by a newer version of the app")
        with self._keys_of(row.key_epoch) as keys:
            try:
                cipher = _row_cipher(keys, row.id)
                aad = self._aad(table, row.id, row.rev, row.key_epoch, row.schema)
                padded = cipher.decrypt(row.box[3:_CLEAR], row.box[_CLEAR:], aad)
            except (InvalidTag, ValueError) as error:
                raise DamagedRow(f"row {row.id.hex()} does not open") from error
        if row.box[:1] != bytes((ROW_FORMAT,)):
            raise DamagedRow(f"row {row.id.hex()} does not open")
        return padded[: padded.rindex(b"\x80")]

    def seal_blob(self, name: str, plaintext: bytes) -> bytes:
        """Return one small secret (a token, a signing key) sealed under its name."""
        sealed = self.seal_row(f"blob:{name}", self.vault_id, 0, 0, plaintext)
        return sealed.key_epoch.to_bytes(4) + sealed.box

    def open_blob(self, name: str, blob: bytes) -> bytes:
        """Return what `seal_blob` sealed under this name. Errors: DamagedRow, NewerFormat."""
        epoch = int.from_bytes(blob[:4])
        return self.open_row(f"blob:{name}", Sealed(id=self.vault_id, rev=0, key_epoch=epoch, box=blob[4:]))

    def manifest(self, book: str) -> "Manifest":
        """Return the keeper of one book's manifest."""
        return Manifest(self, book)

    def _aad(self, table: str, row_id: bytes, rev: int, epoch: int, schema: int) -> bytes:
        if (start := self._aad_starts.get(table)) is None:
            start = self._aad_starts[table] = canonical("vault/row-aad/v1", ROW_FORMAT, self.vault_id, table)
        return start + _AAD_END.pack(16, row_id, 8, rev, 8, epoch, 8, schema)

    def _random(self, size: int) -> bytes:
        data = self._random_bytes(size)
        if len(data) != size:
            raise RuntimeError("the source of randomness is broken")
        return data

    @contextmanager
    def _keys_of(self, epoch: int) -> Iterator[_Epoch]:
        """Lend the keys of one epoch; whatever was made of them counts only if no lock came in between."""
        self._refuse_if_locked()
        try:
            if (keys := self._epochs.get(epoch)) is None:
                raise DamagedRow(f"no key of epoch {epoch}")
            yield keys
        finally:
            self._refuse_if_locked()

    def _refuse_if_locked(self) -> None:
        if self._locked:
            raise VaultLocked("the vault is locked")


class DeviceChain(Vault):
    """The same craft under the device key: outbox, receipts and device token, usable while the vault is locked."""


class Manifest:
    """Keeps the manifest of one book: bytes in, bytes out. The caller stores them in the transaction of the rows."""

    def __init__(self, vault: Vault, book: str) -> None:
        self._vault, self._book = vault, book

    def start(self, rows: Iterable[Member] = (), generation: int = 0) -> bytes:
        """Return the first manifest of a book, or a new one over `rows` after a key rotation or a salvage."""
        epoch = self._vault.key_epoch
        empty = ManifestState(key_epoch=epoch, generation=generation - 1, n=0, total=0)
        with self._vault._keys_of(epoch) as keys:
            state = manifest.advance(keys.manifest, self._book, empty, (), rows)
            return manifest.seal(keys.manifest, self._vault.vault_id, self._book, state)

    def update(self, stored: bytes, *, removed: Iterable[Member] = (), added: Iterable[Member] = ()) -> bytes:
        """Return the manifest after one write, a generation later. `removed` holds the old forms of changed rows.

        The caller has opened or verified the old forms. Errors: DamagedManifest, NewerFormat.
        """
        with self._opened(stored) as (key, state):
            after = manifest.advance(key, self._book, state, removed, added)
            return manifest.seal(key, self._vault.vault_id, self._book, after)

    def read(self, stored: bytes) -> ManifestState:
        """Return generation and count. Errors: DamagedManifest, NewerFormat."""
        with self._opened(stored) as (_, state):
            return state

    def verify(self, stored: bytes, rows: Iterable[Member], mirror: int = 0) -> ManifestState:
        """Return the state if `rows` are all the rows and none else, as last written, and `mirror` is not ahead.

        Errors: DamagedManifest; RowsDiffer; RolledBack last, so that it means: whole, but old.
        """
        with self._opened(stored) as (key, state):
            manifest.compare(key, self._book, state, rows, mirror)
            return state

    @contextmanager
    def _opened(self, stored: bytes) -> Iterator[tuple[bytearray, ManifestState]]:
        epoch = manifest.epoch_of(stored)
        if epoch not in self._vault._epochs:
            raise DamagedManifest(f"no key of epoch {epoch}")
        with self._vault._keys_of(epoch) as keys:
            yield keys.manifest, manifest.read(keys.manifest, self._vault.vault_id, self._book, stored)


def _row_cipher(keys: _Epoch, row_id: bytes) -> AESGCM:
    key = derive_key(keys.record, row_id, "vault/row/v1")
    cipher = AESGCM(key)
    wipe(key)
    return cipher
