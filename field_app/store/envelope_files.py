"""The envelopes as files, one each: `OPID.env` holds exactly the bytes that travel.

Written after COMMIT and before "Saved" (S1), so that an operation outlives the database and can be carried by hand. Only the
machine's own files are touched; a file whose name is not 32 hex digits and `.env` is somebody else's.

Must not know: the database, receipts, what an envelope means.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from field_app.vault.errors import NotRead, NotWritten
from field_app.vault.files import make_folder, read_whole, write_durably
from referral.model import OpId

_OURS: Final = re.compile(r"[0-9a-f]{32}\.env")


class EnvelopeFiles:
    """The folder `outbox/`; it is made when the first envelope comes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, op_id: OpId, envelope: bytes) -> None:
        """Return once the file is on the disk, whole. Errors: NotWritten."""
        path = self._path(op_id)
        try:
            write_durably(path, envelope)
        except NotWritten:
            if self.folder.is_dir():
                raise
            make_folder(self.folder)
            write_durably(path, envelope)

    def read(self, op_id: OpId) -> bytes | None:
        """The envelope, or None when there is no such file. Errors: NotRead."""
        return read_whole(self._path(op_id))

    def remove(self, op_ids: Iterable[OpId]) -> None:
        """Remove these files where they exist. What a crash or a busy file leaves behind goes at the next start."""
        for op_id in op_ids:
            with suppress(OSError):
                self._path(op_id).unlink(missing_ok=True)

    def present(self) -> frozenset[OpId]:
        """The operations that have a file. Errors: NotRead."""
        try:
            names = [entry.name for entry in self.folder.iterdir()] if self.folder.is_dir() else []
        except OSError as error:
            raise NotRead(f"{self.folder.name}: {error.strerror}") from error
        return frozenset(OpId(name[:32]) for name in names if len(name) == 36 and _is_ours(name))

    def _path(self, op_id: OpId) -> Path:
        if not _is_ours(f"{op_id}.env"):
            raise ValueError("an operation's id is 32 hex digits")
        return self.folder / f"{op_id}.env"


def _is_ours(name: str) -> bool:
    return _OURS.fullmatch(name) is not None
