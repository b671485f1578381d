"""One sync at a time on a data folder: an operating system's lock on `sync.lock`, so that the app and the command line may run
side by side. A process that dies lets go of it by itself; the file's content and age mean nothing.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from field_app.vault.errors import NotWritten

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


class FolderLock:
    """The lock of one data folder; also between threads of one process."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the lock for the block; wait while another holds it, which is as long as its round takes at most.

        Errors: NotWritten when the folder does not allow it.
        """
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            raise NotWritten(f"{self._path.name}: {error.strerror}", disk_full=full) from error
        try:
            _lock(descriptor)
            yield
        finally:
            os.close(descriptor)


def _lock(descriptor: int) -> None:
    try:
        if sys.platform == "win32":
            msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)  # tries for ten seconds
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as error:
        raise NotWritten(f"the lock of the data folder is not to be had: {error.strerror}") from error
