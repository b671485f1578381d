"""The manifest: one short record that notices a missing, added, swapped or older row. Updating costs the same at any
n.

    stored  0x01 | key_epoch u32 | generation u64 | n u64 | sum 32 | mac 32        (85 bytes, big-endian)
    sum     of HMAC-SHA256(K, canonical("vault/manifest/row/v1", book, id, rev, tag)) over all rows, mod 2^256
    mac     HMAC-SHA256(K, canonical("vault/manifest/v1", vault_id, book, the first 53 bytes))

`book` names what is counted, so that one book's manifest never passes for another's. K is the K_manifest of
key_epoch. The sum is an incremental multiset hash (Clarke et al., Asiacrypt 2003, MSet-Add-Hash); it may lie open
because only the holder of K can authenticate a sum. Functions of bytes and a key; `Vault.manifest` is the door.
"""

import hmac
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from field_app.vault.errors import DamagedManifest, NewerFormat, RolledBack, RowsDiffer
from field_app.vault.keys import canonical

_FIXED = struct.Struct(">BIQQ32s")
_MODULUS = 1 << 256
_EIGHT = (8).to_bytes(4)  # the length of an integer
Key = bytes | bytearray


class Member(Protocol):
    """What the manifest counts: `Sealed`, or `Entry` for a row that is not sealed here."""

    @property
    def id(self) -> bytes: ...
    @property
    def rev(self) -> int: ...
    @property
    def tag(self) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A row that the vault did not seal; `tag` commits to its content (an envelope's fingerprint, a SHA-256)."""

    id: bytes
    rev: int
    tag: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestState:
    """An authentic manifest: its generation (one more per write) and the number of rows."""

    key_epoch: int
    generation: int
    n: int
    total: int


def seal(key: Key, vault_id: bytes, book: str, state: ManifestState) -> bytes:
    """Return the stored bytes of `state`."""
    fixed = _FIXED.pack(1, state.key_epoch, state.generation, state.n, state.total.to_bytes(32))
    return fixed + _mac(key, vault_id, book, fixed)


def epoch_of(stored: bytes) -> int:
    """Return which epoch's key these bytes ask for. Errors: NewerFormat, DamagedManifest."""
    if stored[:1] > b"\x01":
        raise NewerFormat("this manifest was written by a newer version of the app")
    if len(stored) != _FIXED.size + 32 or stored[:1] != b"\x01":
        raise DamagedManifest("the manifest is damaged")
    return int.from_bytes(stored[1:5])


def generation_of(made: bytes) -> int:
    """Return the generation of a manifest that was made or read here a moment ago; of any other it is a mere claim."""
    return int.from_bytes(made[5:13])


def read(key: Key, vault_id: bytes, book: str, stored: bytes) -> ManifestState:
    """Return the state. Errors: DamagedManifest unless this key made these bytes for this book."""
    fixed, mac = stored[: _FIXED.size], stored[_FIXED.size :]
    if not hmac.compare_digest(mac, _mac(key, vault_id, book, fixed)):
        raise DamagedManifest("the manifest is damaged")
    _, key_epoch, generation, n, total = _FIXED.unpack(fixed)
    return ManifestState(key_epoch=key_epoch, generation=generation, n=n, total=int.from_bytes(total))


def advance(
    key: Key, book: str, state: ManifestState, removed: Iterable[Member], added: Iterable[Member]
) -> ManifestState:
    """Return the state after one write. Errors: ValueError if more rows go than there are."""
    n, total = state.n, state.total
    for step, rows in ((-1, removed), (1, added)):
        for row in rows:
            n += step
            total += step * _hash(key, book, row)
    if n < 0:
        raise ValueError("more rows removed than the manifest counts")
    return ManifestState(key_epoch=state.key_epoch, generation=state.generation + 1, n=n, total=total % _MODULUS)


def compare(key: Key, book: str, state: ManifestState, rows: Iterable[Member], mirror: int) -> None:
    """Return if `rows` are exactly the rows counted and no mirror is ahead. Errors: RowsDiffer, then RolledBack."""
    empty = ManifestState(key_epoch=state.key_epoch, generation=0, n=0, total=0)
    try:
        seen = advance(key, book, empty, (), rows)
    except (OverflowError, TypeError) as error:
        raise RowsDiffer("a row's columns are not what was written") from error
    if (seen.n, seen.total) != (state.n, state.total):
        raise RowsDiffer(f"the manifest counts {state.n} rows; the {seen.n} found are not these")
    if state.generation < mirror:
        raise RolledBack(state.generation, mirror)


def _hash(key: Key, book: str, row: Member) -> int:
    size, rev, tag = len(row.id).to_bytes(4), row.rev.to_bytes(8), row.tag
    message = b"".join((_row_start(book), size, row.id, _EIGHT, rev, len(tag).to_bytes(4), tag))
    return int.from_bytes(hmac.digest(key, message, "sha256"))


@lru_cache(maxsize=8)
def _row_start(book: str) -> bytes:
    """What `canonical` begins with for every row of a book; `_hash` writes the rest as it does."""
    return canonical("vault/manifest/row/v1", book)


def _mac(key: Key, vault_id: bytes, book: str, fixed: bytes) -> bytes:
    return hmac.digest(key, canonical("vault/manifest/v1", vault_id, book, fixed), "sha256")
