"""A header file with its copy, beside the key stores it may name.

The header wraps the master keys: one bad sector in it would end the vault. So it is kept twice, `NAME.EXT` and
`NAME.copy.EXT`, and read from the copy when the first is damaged or gone. The first decides: its existence makes the
vault, a newer format in it is never overruled, and `mend` brings the copy in step with it.

    creation, change of PIN   first the header, then the copy: a crash between leaves a copy with the old PIN's slot,
                              which counts only until the next start mends it
    destruction               first the copy: a crash between leaves the vault as it was, and destroyed again

Nothing is written over but what reads as a whole header or was set aside before, under `NAME.EXT.damaged-DIGEST`.
Must not know: PINs, attempts, what the keys open.
"""

import contextlib
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from field_app.vault.errors import (
    DamagedHeader,
    KeyStoreAbsent,
    KeyStoreUnavailable,
    NotRead,
    NotWritten,
)
from field_app.vault.files import read_whole, write_durably
from field_app.vault.keys import Header, Kdf, RandomBytes, wrap
from field_app.vault.keystores import KeyStore


class HeaderFile:
    """One header, its copy, and the key stores of this machine, best first."""

    def __init__(self, path: Path, keystores: Sequence[KeyStore], random_bytes: RandomBytes) -> None:
        self._path, self._keystores, self._random_bytes = path, tuple(keystores), random_bytes

    def load(self) -> Header | None:
        """The header, from its copy if need be, or None. Errors: DamagedHeader, NewerFormat, NotRead."""
        return read_header(self._path)

    def save(self, header: Header) -> None:
        """Make this the header. Errors: NotWritten, and then the old header or the new one counts."""
        if not header.slots:
            write_durably(copy_of(self._path), header.to_bytes())
        write_durably(self._path, header.to_bytes())
        if header.slots:
            with contextlib.suppress(NotWritten):  # done all the same; the next start mends the copy
                write_durably(copy_of(self._path), header.to_bytes())

    def store_of(self, header: Header) -> KeyStore:
        """Return the store that the header names, never another. Errors: KeyStoreUnavailable."""
        for keys in self._keystores:
            if keys.name is header.store:
                return keys
        raise KeyStoreUnavailable("the key store named in the header is not offered here")

    def choose_store(self) -> KeyStore:
        """Return the first store that keeps what it is given. Only *absent* moves on to the next."""
        probe, value = f"probe.{self._random_bytes(8).hex()}", b"lead field"
        for keys in self._keystores:
            try:
                keys.set(probe, value)
                kept = keys.get(probe) == value
                keys.delete(probe)
            except KeyStoreAbsent:
                continue
            if kept:
                return keys
        raise KeyStoreAbsent("there is no place to keep the device key")

    def draft(self, keys: KeyStore) -> tuple[Header, bytes]:
        """Return a header without slots for a new vault and its device key, the latter stored and read back."""
        if (existing := self.load()) is not None and existing.slots:
            raise RuntimeError("a vault exists here; its device key is never replaced")
        header = Header(vault_id=self._random_bytes(16), store=keys.name, key_epoch=1, slots=())
        device_key = self._random_bytes(32)
        keys.set(secret_name(header, "key"), device_key)
        if keys.get(secret_name(header, "key")) != device_key:
            raise KeyStoreUnavailable("the key store did not keep the device key")
        return header, device_key

    def wrapped(
        self, header: Header, name: str, kdf: Kdf, masters: Mapping[int, bytearray], pin: bytes, device_key: bytes
    ) -> Header:
        """Return `header` with this slot made anew."""
        return wrap(header, name, kdf, masters, pin, device_key, self._random_bytes)


def copy_of(path: Path) -> Path:
    """Where the copy of this header is."""
    return path.with_name(f"{path.stem}.copy{path.suffix}")


def read_header(path: Path) -> Header | None:
    """The header at `path`, or else its copy; None if there is neither. Errors: DamagedHeader, NewerFormat, NotRead."""
    return _first_whole(path, read_whole)


def mend(path: Path) -> bool:
    """Make header and copy whole and alike; whether the header itself had to be mended. Changes nothing without need.

    What is damaged is set aside first. One that cannot be read now may be whole and newer than the other: then nothing is written, and
    what can be read is used. Errors: DamagedHeader if neither is whole, NewerFormat, NotWritten.
    """
    try:
        found = {place: read_whole(place) for place in (path, copy_of(path))}
    except NotRead:
        return False
    if (header := _first_whole(path, found.__getitem__)) is None:
        return False
    mended = False
    for place, data in found.items():
        if data == header.to_bytes():
            continue
        if data is not None and not _whole(data):
            set_aside(place, data)
        write_durably(place, header.to_bytes())
        mended = mended or place == path
    return mended


def set_aside(path: Path, data: bytes) -> Path:
    """Keep `data`, the damaged content of `path`, beside it, named after itself; once. Errors: NotWritten."""
    aside = path.with_name(f"{path.name}.damaged-{hashlib.sha256(data).hexdigest()[:16]}")
    if not aside.exists():
        write_durably(aside, data)
    return aside


def secret_name(header: Header, what: str) -> str:
    """The name in the key store of one of this vault's secrets."""
    return f"vault.{header.vault_id.hex()}.{what}"


def _first_whole(path: Path, read: Callable[[Path], bytes | None]) -> Header | None:
    trouble: DamagedHeader | NotRead | None = None
    for place in (path, copy_of(path)):
        try:
            if (data := read(place)) is not None:
                return Header.from_bytes(data)
        except (DamagedHeader, NotRead) as error:
            trouble = trouble or error
    if trouble is not None:
        raise trouble
    return None


def _whole(data: bytes) -> bool:
    try:
        Header.from_bytes(data)
    except DamagedHeader:
        return False
    return True
