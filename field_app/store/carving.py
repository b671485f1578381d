"""Reads what can still be read of a damaged SQLite file, page by page, without SQLite: records, from whatever leaf they lie in.

SQLite refuses a file whose first page is damaged, and stops at an inner page that is. The leaves behind it are whole. Here every page
is looked at by itself; the log's newest image of a page counts, up to the last frame that ends a transaction. Records come
without the name of their table, and may be anything: whoever takes them must know his own by their seal.

    leaf    0x0D | free u16 | cells u16 | content u16 | fragments u8 | a u16 offset for each cell          sqlite.org/fileformat2.html
    cell    payload length | rowid | payload, the end of a long one on overflow pages: next u32 | content
    record  header length | a serial type for each column | the columns

Must not know: what the records mean. Numbers that cannot be right end the cell, never the reading.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

Value: TypeAlias = bytes | str | int | float | None
Record: TypeAlias = tuple[Value, ...]

_MAGIC: Final = b"SQLite format 3\0"
_PAGE: Final = 4096  # what this app's files have; asked of the headers first
_SIZES: Final = frozenset(1 << n for n in range(9, 17))
_LEAF: Final = 0x0D
_LONGEST: Final = 1 << 24  # bytes of one record; ours are far shorter
_INTEGERS: Final = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
_LOG_HEADER: Final = 32
_FRAME: Final = 24


def pages(database: bytes, log: bytes = b"") -> dict[int, bytes]:
    """The newest image of each page, by its number from 1."""
    size = _page_size(database, log)
    found = {at // size + 1: database[at : at + size] for at in range(0, len(database), size)}
    frames: list[tuple[int, bytes]] = []
    salts = log[_LOG_HEADER + 8 : _LOG_HEADER + 16]  # of the present life: it began with the first frame
    for at in range(_LOG_HEADER, len(log) - _FRAME, _FRAME + size):
        if log[at + 8 : at + 16] != salts:
            break
        number, ends = int.from_bytes(log[at : at + 4]), any(log[at + 4 : at + 8])
        frames.append((number, log[at + _FRAME : at + _FRAME + size]))
        if ends:
            found.update(frames)
            frames = []
    return found


def records(images: Mapping[int, bytes]) -> Iterator[Record]:
    """Every record that can be read on any leaf, in the order of pages."""
    for number in sorted(images):
        page = images[number]
        start = 100 if number == 1 else 0
        if page[start : start + 1] != bytes((_LEAF,)):
            continue
        cells = int.from_bytes(page[start + 3 : start + 5])
        for at in range(start + 8, min(start + 8 + 2 * cells, len(page) - 1), 2):
            try:
                yield _record(_payload(page, int.from_bytes(page[at : at + 2]), images))
            except (ValueError, IndexError):
                continue


def _page_size(database: bytes, log: bytes) -> int:
    for told in (int.from_bytes(database[16:18]) if database[:16] == _MAGIC else 0, int.from_bytes(log[8:12])):
        size = 65536 if told == 1 else told
        if size in _SIZES:
            return size
    return _PAGE


def _payload(page: bytes, at: int, images: Mapping[int, bytes]) -> bytes:
    length, at = _varint(page, at)
    _, at = _varint(page, at)  # the rowid
    if not 0 < length < _LONGEST:
        raise ValueError("no record is that long")
    usable = len(page)
    most, least = usable - 35, (usable - 12) * 32 // 255 - 23
    if length <= most:
        return _cut(page, at, length)
    here = least + (length - least) % (usable - 4)
    here = least if here > most else here
    parts, next_page = [_cut(page, at, here)], int.from_bytes(_cut(page, at + here, 4))
    left = length - here
    while left > 0:
        over = images.get(next_page, b"")
        part = _cut(over, 4, min(left, usable - 4))
        parts.append(part)
        left -= len(part)
        next_page = int.from_bytes(over[:4])
    return b"".join(parts)


def _record(payload: bytes) -> Record:
    end, at = _varint(payload, 0)
    if not 0 < end <= len(payload):
        raise ValueError("a header that is longer than its record")
    types = []
    while at < end:
        kind, at = _varint(payload, at)
        types.append(kind)
    at = end
    values: list[Value] = []
    for kind in types:
        value, at = _value(payload, at, kind)
        values.append(value)
    return tuple(values)


def _value(payload: bytes, at: int, kind: int) -> tuple[Value, int]:
    if kind == 0:
        return None, at
    if kind in (8, 9):
        return kind - 8, at
    if kind in _INTEGERS:
        size = _INTEGERS[kind]
        return int.from_bytes(_cut(payload, at, size), signed=True), at + size
    if kind < 12:  # a float, or a type of the future: nothing of ours
        raise ValueError("not a type that is written here")
    size = (kind - 12) // 2
    data = _cut(payload, at, size)
    return (data if kind % 2 == 0 else data.decode()), at + size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = 0
    for n in range(9):
        byte = data[at + n]
        if n == 8:
            return number << 8 | byte, at + 9
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            return number, at + n + 1
    raise ValueError("a number without an end")


def _cut(data: bytes, at: int, size: int) -> bytes:
    part = data[at : at + size]
    if len(part) != size:
        raise ValueError("the page ends first")
    return part
