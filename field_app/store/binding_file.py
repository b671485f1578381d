"""The binding once more, in a small file beside the database, so that a device that lost its database still sends.

    binding   0x01 | check 8 | n u32 | n bytes: blob "binding.file" of the device chain | the rest: blob "own.file" of the vault, or nothing
    check     the first 8 bytes of SHA-256 of all others, in every format, so that damage is told from novelty

The first blob is what `binding.py` keeps in the database: whose device this is, which case system, its receipt key, and the append
token, which sends and reads nothing. The second holds what an open vault cannot do without (signing key, read token): with it a new
book of rows can be started under the same PIN. Each is sealed under the key of its part, so the file tells a thief nothing.

The database's binding is the newer one where both open. The file is written after COMMIT, and brought in step at the next start.
Must not know: rows, the outbox.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from field_app.store.binding import Binding
from field_app.vault.errors import Damaged, DamagedRow, NewerFormat
from field_app.vault.files import read_whole, write_durably
from field_app.vault.header_file import set_aside
from field_app.vault.vault import DeviceChain, Vault
from referral.codec import canonical, from_wire, parse, to_wire
from referral.problems import FieldError

NAME: Final = "binding"
_BINDING, _OWN = "binding.file", "own.file"
_FORMAT: Final = b"\x01"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnKeys:
    """What an open vault cannot do without. signing_key: hex."""

    signing_key: str = field(repr=False)
    read_token: str = field(repr=False)


class BindingFile:
    """The file `binding` of one data folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME

    def readable(self) -> bool:
        """Whether there is a file, whole and with both parts; needs no key. Errors: DamagedRow, NewerFormat, NotRead."""
        parts = self._parts()
        return parts is not None and bool(parts[1])

    def binding(self, chain: DeviceChain) -> Binding | None:
        """What the file says of the device; None if there is no file. Errors: DamagedRow, NewerFormat, NotRead."""
        if (parts := self._parts()) is None:
            return None
        try:
            return from_wire(Binding, parse(chain.open_blob(_BINDING, parts[0])), keep_unknown=True)
        except (FieldError, Damaged) as error:
            raise DamagedRow("the binding file is damaged") from error

    def own_keys(self, vault: Vault) -> OwnKeys | None:
        """The open vault's own keys; None if the file does not have them. Errors: DamagedRow, NewerFormat, NotRead."""
        if (parts := self._parts()) is None or not parts[1]:
            return None
        try:
            return from_wire(OwnKeys, parse(vault.open_blob(_OWN, parts[1])), keep_unknown=True)
        except (FieldError, Damaged) as error:
            raise DamagedRow("the binding file's own keys are damaged") from error

    def keep(self, chain: DeviceChain, binding: Binding) -> None:
        """Return once the file says this; nothing is written where it does already. Errors: NewerFormat, NotRead, NotWritten."""
        try:
            known, whole = self.binding(chain), True
        except Damaged:
            known, whole = None, False
        if known != binding:
            self._write(chain.seal_blob(_BINDING, canonical(to_wire(binding))), self._part(1), whole=whole)

    def keep_own(self, vault: Vault, keys: OwnKeys) -> None:
        """Return once the file holds these keys; as `keep`. There is no file without a binding: nothing happens then."""
        try:
            known, whole = self.own_keys(vault), True
        except Damaged:
            known, whole = None, False
        if known != keys and (bound := self._part(0)):
            self._write(bound, vault.seal_blob(_OWN, canonical(to_wire(keys))), whole=whole)

    def _parts(self) -> tuple[bytes, bytes] | None:
        if (data := read_whole(self.path)) is None:
            return None
        form, check, rest = data[:1], data[1:9], data[9:]
        length = int.from_bytes(rest[:4])
        if check != _check(form, rest) or not 0 < length <= len(rest) - 4:
            raise DamagedRow("the binding file is damaged")
        if form != _FORMAT:
            raise NewerFormat("the binding file was written by a newer version of the app")
        return rest[4 : 4 + length], rest[4 + length :]

    def _part(self, which: int) -> bytes:
        try:
            parts = self._parts()
        except Damaged:
            return b""
        return b"" if parts is None else parts[which]

    def _write(self, bound: bytes, own: bytes, *, whole: bool) -> None:
        if not whole:
            set_aside(self.path, read_whole(self.path) or b"")
        rest = len(bound).to_bytes(4) + bound + own
        write_durably(self.path, _FORMAT + _check(_FORMAT, rest) + rest)


def _check(form: bytes, rest: bytes) -> bytes:
    return hashlib.sha256(form + rest).digest()[:8]
