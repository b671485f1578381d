"""Writes whole small files so that a power cut leaves the old content or the new, never a mixture.

Used for headers, key files, attempt counters and, by the store, for envelope files. Files are readable by their owner
only. Knows nothing of what it writes.
"""

import contextlib
import errno
import itertools
import os
from pathlib import Path
from typing import Final

from field_app.vault.errors import NotRead, NotWritten

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment,unused-ignore]


WINDOWS: Final = os.name == "nt"
_NUMBER: Final = itertools.count()
_NEW_FILE: Final = (
    os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
)  # Windows would end lines its own way


def write_durably(path: Path, data: bytes) -> None:
    """Return only once `data` is the content of `path` on the disk: temporary file, fsync, rename, fsync folder.

    A crash leaves at most one stray `.NAME.*.tmp` beside the file. Errors: NotWritten; the file then holds the old
    content or the new, whole.
    """
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}.{os.getpid()}-{next(_NUMBER)}.tmp")  # nobody else's
    try:
        descriptor = os.open(temporary, _NEW_FILE, 0o600)
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(descriptor, left) :]
            _reach_disk(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
        sync_folder(folder or os.curdir)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise _not_written(name, error) from error


def read_whole(path: Path) -> bytes | None:
    """Return the content of `path`, or None if there is no such file. Errors: NotRead."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise NotRead(f"{path.name}: {error.strerror}") from error


def make_folder(folder: Path) -> None:
    """Return only once `folder` is there, for its owner only, and its name is on the disk, with every folder made above it.

    Without this a power cut may take away a new folder with all that was durably written in it. Errors: NotWritten.
    """
    name, missing = folder.name, []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    try:
        for path in reversed(missing):
            path.mkdir(mode=0o700, exist_ok=True)
            with contextlib.suppress(PermissionError):  # a parent that we may pass through and not read
                sync_folder(path.parent)
    except OSError as error:
        raise _not_written(name, error) from error


def sync_folder(folder: Path | str) -> None:
    """Make renames and deletions in `folder` durable. Windows has no such call and journals them itself."""
    if WINDOWS:
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _reach_disk(descriptor)
    finally:
        os.close(descriptor)


def _not_written(name: str, error: OSError) -> NotWritten:
    return NotWritten(f"{name}: {error.strerror}", disk_full=error.errno in (errno.ENOSPC, errno.EDQUOT))


def _reach_disk(descriptor: int) -> None:
    full_fsync = getattr(fcntl, "F_FULLFSYNC", None)  # Apple: fsync alone stops at the drive's cache
    if full_fsync is not None:
        with contextlib.suppress(OSError):  # not every file system offers it
            fcntl.fcntl(descriptor, full_fsync)
            return
    os.fsync(descriptor)
