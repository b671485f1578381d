"""A disk with a cache that forgets: what is surely on it after each recorded operation, and what only may be.

A file's bytes are sure after an fsync of the file; a name (made, moved, taken away) after an fsync of its folder. Everything
else is pending, in the order in which it was done. This is what POSIX promises and no more: most file systems do better.
SQLite's index of its log (`-shm`), which is made anew after a cut whatever is in it, is left out.

Must not know: what a power cut makes of what is pending, what the files mean.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final, TypeAlias

from tests.faults.disk.log import (
    O_CREAT,
    O_TRUNC,
    Close,
    MakeFolder,
    Mark,
    Open,
    RemoveFolder,
    Rename,
    Resize,
    Step,
    Sync,
    Unlink,
    Write,
)

MEMORY: Final = "-shm"


@dataclass(slots=True, eq=False)
class File:
    """`sure` is on the disk; `pending` are writes (offset, bytes) and sizes since, in order."""

    sure: bytes = b""
    pending: list[tuple[int, bytes] | int] = field(default_factory=list)

    def settle(self) -> None:
        """Everything pending is on the disk."""
        if self.pending:
            self.sure, self.pending = bytes(applied(self.sure, self.pending)), []


@dataclass(slots=True, eq=False)
class Folder:
    """`sure` are the names on the disk, `now` those that a program sees; `pending` the changes between, in order."""

    sure: dict[str, Node] = field(default_factory=dict)
    now: dict[str, Node] = field(default_factory=dict)
    pending: list[Change] = field(default_factory=list)

    def change(self, change: Change) -> None:
        """Do it, for programs to see."""
        change.apply(self.now)
        self.pending.append(change)

    def settle(self) -> None:
        """Every name is on the disk."""
        self.sure, self.pending = dict(self.now), []


Node: TypeAlias = File | Folder


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """In one folder: `gone` is no longer a name, and `name` (if any) is `node`; both or neither."""

    gone: str | None = None
    name: str | None = None
    node: Node | None = None

    def apply(self, names: dict[str, Node]) -> None:
        """Change these names."""
        if self.gone is not None:
            names.pop(self.gone, None)
        if self.name is not None and self.node is not None:
            names[self.name] = self.node


class Disk:
    """The watched folder, operation by operation."""

    def __init__(self, root: PurePosixPath) -> None:
        self.top = Folder()
        self._root = root
        self._open: dict[int, Node] = {}

    def do(self, step: Step) -> None:
        """One recorded operation. Errors: RuntimeError for one that this model does not know."""
        match step:
            case Open(fd, path, flags):
                self._open[fd] = self._opened(path, flags)
            case Close(fd):
                self._open.pop(fd, None)
            case Write(fd, at, data):
                self._file(fd).pending.append((at, data))
            case Resize(fd, size):
                self._file(fd).pending.append(size)
            case Sync(fd):
                if fd in self._open:
                    self._open[fd].settle()
            case Rename(old, new):
                source, target = self._folder(old.parent), self._folder(new.parent)
                if source is not target:
                    raise RuntimeError("nothing is moved from folder to folder here")
                source.change(Change(gone=old.name, name=new.name, node=source.now[old.name]))
            case Unlink(path) | RemoveFolder(path):
                if not path.name.endswith(MEMORY):
                    self._folder(path.parent).change(Change(gone=path.name))
            case MakeFolder(path):
                self._folder(path.parent).change(Change(name=path.name, node=Folder()))
            case Mark():
                return

    def _opened(self, path: PurePosixPath, flags: int) -> Node:
        if path == self._root:
            return self.top
        if path.name.endswith(MEMORY):
            return File()
        folder = self._folder(path.parent)
        node = folder.now.get(path.name)
        if node is None:
            if not flags & O_CREAT:
                raise RuntimeError("the log does not begin with an empty folder")
            node = File()
            folder.change(Change(name=path.name, node=node))
        elif isinstance(node, File) and flags & O_TRUNC:
            node.pending.append(0)
        return node

    def _file(self, fd: int) -> File:
        node = self._open[fd]
        assert isinstance(node, File)
        return node

    def _folder(self, path: PurePosixPath) -> Folder:
        node: Node = self.top
        for name in path.relative_to(self._root).parts:
            assert isinstance(node, Folder)
            node = node.now[name]
        assert isinstance(node, Folder)
        return node


def applied(content: bytes, pending: Iterable[tuple[int, bytes] | int]) -> bytearray:
    """The content after these writes and sizes."""
    after = bytearray(content)
    for change in pending:
        match change:
            case int(size):
                del after[size:]
                after.extend(bytes(size - len(after)))
            case (at, data):
                after.extend(bytes(max(0, at - len(after))))
                after[at : at + len(data)] = data
    return after


def anything_pending(node: Node, seen: set[int] | None = None) -> int:
    """How many changes a power cut now could undo, in what can be reached by any name."""
    seen = set() if seen is None else seen
    if id(node) in seen:
        return 0
    seen.add(id(node))
    if isinstance(node, File):
        return len(node.pending)
    reachable = [*node.sure.values(), *(c.node for c in node.pending if c.node is not None)]
    return len(node.pending) + sum(anything_pending(below, seen) for below in reachable)
