"""Commands to the shim, through the file that both map: what to record, which call fails and how, how full the disk is.

The layout is `struct control` of shim.c. A command holds for every process that maps the file unless it names one process.
Must not know: which program runs, what its files mean.
"""

from __future__ import annotations

import mmap
import os
import struct
from enum import IntEnum, IntFlag
from pathlib import Path
from typing import Final

SIZE: Final = 256
_COMMAND: Final = struct.Struct("=8I2Qq")
_SEEN: Final = struct.Struct("=9Q")


class Calls(IntFlag):
    """Classes of calls."""

    OPEN = 1
    WRITE = 2
    RESIZE = 4
    SYNC = 8
    RENAME = 16
    REMOVE = 32
    FOLDER = 64
    LOCK = 128
    READ = 256


CHANGING: Final = Calls.OPEN | Calls.WRITE | Calls.RESIZE | Calls.SYNC | Calls.RENAME | Calls.REMOVE | Calls.FOLDER


class Action(IntEnum):
    """What happens to the chosen call. DIE_*: kill -9 before it, after it, or when half of its bytes are written."""

    NONE = 0
    FAIL = 1
    SHORT = 2
    DIE_BEFORE = 3
    DIE_AFTER = 4
    DIE_HALF = 5


class Control:
    """The shared file; made here for a child, opened by its path in the child itself."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(SIZE))
        with path.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), SIZE)
        self.path = path
        self.calm()

    def calm(self) -> None:
        """No fault, room without end, nothing recorded, all counts at nought."""
        self._page[:SIZE] = bytes(SIZE)
        self._set(room=-1)

    def arm(
        self,
        action: Action,
        *,
        at: int,
        calls: Calls,
        error: int = 0,
        sticky: bool = False,
        pid: int | None = None,
    ) -> None:
        """Let the `at`-th call (from 1) of these classes from now on fail; sticky: and all of them after it."""
        self.calm()
        self._set(
            pid=(os.getpid() if pid is None else pid), action=action, error=error, sticky=sticky, mask=calls, at=at
        )

    def count(self) -> None:
        """Count this process's calls by class, from nought, and let all of them pass."""
        self.calm()
        self._set(pid=os.getpid())

    def leave_room(self, size: int) -> None:
        """Let the disk take so many bytes more, and no file beside them when it is nought."""
        self.calm()
        self._set(room=size)

    def record(self, *, on: bool) -> None:
        """Record or not."""
        struct.pack_into("=I", self._page, 0, on)

    @property
    def hits(self) -> int:
        """How many calls were made to fail."""
        return int(_COMMAND.unpack_from(self._page)[6])

    @property
    def seen(self) -> dict[Calls, int]:
        """How many calls there were of each class."""
        return dict(zip(Calls, _SEEN.unpack_from(self._page, _COMMAND.size), strict=True))

    def _set(
        self,
        *,
        pid: int = 0,
        action: Action = Action.NONE,
        error: int = 0,
        sticky: bool = False,
        mask: int = 0,
        at: int = 0,
        room: int = -1,
    ) -> None:
        _COMMAND.pack_into(self._page, 0, 0, pid, action, error, sticky, mask, 0, 0, at, 0, room)
