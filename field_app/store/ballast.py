"""Room kept for a full disk: a file that is given up so that the referral at hand still saves (S18).

It holds random bytes, because a file system may keep zeros in no space at all. It is made anew once there is room for it and a margin,
so that it never takes the last of the disk itself. Must not know: what the room is needed for.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from field_app.store.database import DiskFull
from field_app.vault.errors import NotWritten
from field_app.vault.files import sync_folder, write_durably


def free_space(folder: Path) -> int:
    """The bytes that this program may still write where `folder` is. Errors: OSError."""
    return shutil.disk_usage(folder).free


T = TypeVar("T")


class Ballast:
    """The file at `path`, of `size` bytes; 0: none is kept. free: the bytes that are left where a folder is."""

    def __init__(
        self,
        path: Path,
        size: int,
        random_bytes: Callable[[int], bytes],
        free: Callable[[Path], int] = free_space,
    ) -> None:
        self.path, self.size = path, size
        self._random_bytes, self._free = random_bytes, free

    @property
    def whole(self) -> bool:
        """Whether the room is there."""
        try:
            return self.size == 0 or self.path.stat().st_size >= self.size
        except OSError:
            return False

    def release(self) -> bool:
        """Give the room up; whether there was any."""
        try:
            room = self.path.stat().st_size > 0
            self.path.unlink()
            sync_folder(self.path.parent)
        except OSError:
            return False
        return room

    def keep(self) -> bool:
        """Make the room again where there is enough; whether it is there now."""
        if self.whole:
            return True
        with suppress(NotWritten, OSError):
            if self._free(self.path.parent) >= 4 * self.size:
                write_durably(self.path, self._random_bytes(self.size))
        return self.whole


def with_room(ballast: Ballast, act: Callable[[], T]) -> T:
    """What `act` gives; if the disk is full, with the room given up for it. Call it only with what may be begun again.

    Errors: those of `act`; DiskFull or NotWritten when the room was not enough or not there.
    """
    try:
        return act()
    except (DiskFull, NotWritten) as error:
        if (isinstance(error, NotWritten) and not error.disk_full) or not ballast.release():
            raise
    return act()
