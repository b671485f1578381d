"""What a crash left in the write-ahead log and SQLite will not replay: looked at, and kept, before it is written over.

SQLite replays a log up to its first frame that does not check, and says nothing of what lies behind. After a power cut that is right:
what lies behind was never committed. After a bad sector it is a whole stretch of saved work. The difference is on the disk: a frame of
the log's present life that ends a transaction, or bytes that no log holds. Then the log is copied aside as it is, once.

    log    header 32: magic u32 | version | page size u32 | sequence | salts 8 | checksum 8;   then frames of 24 + page
    frame  page number u32 | size of the file after a commit, else 0, u32 | salts 8 | checksum 8 | page      (sqlite.org/walformat.html)

A log that was cut off between two transactions looks like the log of an earlier moment. Nothing here can tell; the envelope files and
the mirrored generation can. Must not know: what is in the pages.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import struct
from contextlib import suppress
from pathlib import Path
from typing import Final

from field_app.vault.errors import NotRead, NotWritten
from field_app.vault.files import read_whole, write_durably

_HEADER: Final = 32
_FRAME: Final = 24
_AGES: Final = 1 << 20  # how many lives of a log may lie in one file; its first salt counts them
_REPLAYED: Final = struct.Struct("=I")
_REPLAYED_AT: Final = 16  # mxFrame, in the byte order of the machine
KEPT: Final = ".unread-"


def keep_unread(database: Path, connection: sqlite3.Connection) -> int | None:
    """Copy the log aside if it holds what SQLite will not replay. Call it before the first write.

    Returns a descriptor of the index beside the log that must stay open as long as the connection: where locks belong to a process,
    closing any descriptor of a file lets go of all its locks on it, SQLite's too, and the next process would begin the index anew under
    this one. The copy is named after its content, so that the same log is kept once. Errors: sqlite3.Error, VaultError.
    """
    log = database.with_name(f"{database.name}-wal")
    if not (log.exists() and log.stat().st_size):
        return None
    connection.execute("BEGIN IMMEDIATE")  # no other process is in the middle of a transaction now
    try:
        data = read_whole(log) or b""
        descriptor, index = _begin_of(database.with_name(f"{database.name}-shm"))
    finally:
        connection.execute("ROLLBACK")
    try:
        _keep(database, log, data, index)
    except BaseException:
        if descriptor is not None:
            os.close(descriptor)  # the connection is given up as well
        raise
    return descriptor


def _begin_of(index: Path) -> tuple[int | None, bytes]:
    """An open descriptor of the index, and its first bytes. Errors: NotRead."""
    try:
        descriptor = os.open(index, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0))
    except FileNotFoundError:
        return None, b""
    except OSError as error:
        raise NotRead(f"{index.name}: {error.strerror}") from error
    try:
        return descriptor, os.read(descriptor, _REPLAYED_AT + _REPLAYED.size)
    except OSError as error:
        os.close(descriptor)
        raise NotRead(f"{index.name}: {error.strerror}") from error


def _keep(database: Path, log: Path, data: bytes, index: bytes) -> None:
    if len(index) < _REPLAYED_AT + _REPLAYED.size or not unread(data, _REPLAYED.unpack_from(index, _REPLAYED_AT)[0]):
        return
    copy = database.with_name(f"{log.name}{KEPT}{hashlib.sha256(data).hexdigest()[:16]}")
    if not copy.exists():
        try:
            write_durably(copy, data)
        except NotWritten:
            with suppress(OSError):
                os.link(log, copy)  # needs no room, and outlives the name that SQLite removes when it closes
            raise


def kept(database: Path) -> tuple[Path, ...]:
    """The copies that were made."""
    return tuple(sorted(database.parent.glob(f"{database.name}-wal{KEPT}*")))


def unread(log: bytes, replayed: int) -> bool:
    """Whether behind `replayed` frames there is more than the leavings of older logs and of a transaction that never ended."""
    if not log:
        return False
    if len(log) < _HEADER or not _header_checks(log):
        return True
    page = int.from_bytes(log[8:12])
    salts = log[16:24]
    for at in range(_HEADER + replayed * (_FRAME + page), len(log), _FRAME + page):
        frame = log[at : at + _FRAME]
        mine = [frame[8:12] == salts[:4], frame[12:16] == salts[4:]]
        if any(mine):
            if any(frame[4:8]):
                return True
        elif len(frame) >= 12 and not 0 < int.from_bytes(salts[:4]) - int.from_bytes(frame[8:12]) < _AGES:
            return True
    return False


def _header_checks(log: bytes) -> bool:
    """Whether the log's header is as SQLite wrote it; its magic number says the byte order of the checksum."""
    order = {0x377F0682: "<", 0x377F0683: ">"}.get(int.from_bytes(log[:4]))
    if order is None:
        return False
    first = second = 0
    words = struct.unpack(f"{order}6I", log[:24])
    for one, other in zip(words[::2], words[1::2], strict=True):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + other + first) & 0xFFFFFFFF
    return struct.pack(">2I", first, second) == log[24:32]
