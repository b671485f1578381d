"""The recorder's log, read: each operation on the disk in the order in which it was done, and the program's own marks.

Must not know: what the files mean; which of the operations a power cut would leave.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final, TypeAlias

_ENTRY: Final = struct.Struct("=Iiq4I")
O_CREAT: Final = 0o100
O_TRUNC: Final = 0o1000


@dataclass(frozen=True, slots=True)
class Open:
    """A file or folder was opened; created or emptied if the flags say so."""

    fd: int
    path: PurePosixPath
    flags: int


@dataclass(frozen=True, slots=True)
class Close:
    """The descriptor is no more."""

    fd: int


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes at an offset."""

    fd: int
    at: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Resize:
    """The file has this size now."""

    fd: int
    size: int


@dataclass(frozen=True, slots=True)
class Sync:
    """What was written through any descriptor of this file, or done in this folder, is on the disk."""

    fd: int


@dataclass(frozen=True, slots=True)
class Rename:
    """One name for another, over whatever had it."""

    old: PurePosixPath
    new: PurePosixPath


@dataclass(frozen=True, slots=True)
class Unlink:
    """A name is gone."""

    path: PurePosixPath


@dataclass(frozen=True, slots=True)
class MakeFolder:
    """A folder was made."""

    path: PurePosixPath


@dataclass(frozen=True, slots=True)
class RemoveFolder:
    """A folder is gone."""

    path: PurePosixPath


@dataclass(frozen=True, slots=True)
class Mark:
    """The program's own words."""

    text: str = field(repr=False)


Step: TypeAlias = Open | Close | Write | Resize | Sync | Rename | Unlink | MakeFolder | RemoveFolder | Mark


def steps(log: bytes) -> Iterator[Step]:
    """All that was recorded, in order. Errors: ValueError for what no recorder writes."""
    at = 0
    while at < len(log):
        kind, fd, offset, size, path_size, other_size, flags = _ENTRY.unpack_from(log, at)
        at += _ENTRY.size
        path = log[at : at + path_size].decode()
        at += path_size
        other = log[at : at + other_size].decode()
        at += other_size
        data = log[at : at + size]
        at += size
        yield _step(kind, fd, offset, path, other, data, flags)


def _step(kind: int, fd: int, offset: int, path: str, other: str, data: bytes, flags: int) -> Step:
    where = PurePosixPath(path)
    made: dict[int, Callable[[], Step]] = {
        1: lambda: Open(fd, where, flags),
        2: lambda: Close(fd),
        3: lambda: Write(fd, offset, data),
        4: lambda: Resize(fd, offset),
        5: lambda: Sync(fd),
        6: lambda: Rename(where, PurePosixPath(other)),
        7: lambda: Unlink(where),
        8: lambda: MakeFolder(where),
        9: lambda: RemoveFolder(where),
        10: lambda: Mark(data.decode()),
    }
    if kind not in made:
        raise ValueError(f"no recorder writes an entry of kind {kind}")
    return made[kind]()
