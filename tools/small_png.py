"""Makes a screenshot small: an RGB PNG becomes one with a palette of 256 colours, which is all that a flat screen uses.

Pure standard library. Only what a browser writes is read: 8 bits, RGB or RGBA, not interlaced.
"""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOURS = 256
Colour = bytes  # three bytes: red, green, blue


def shrink(path: Path) -> None:
    """Rewrite the picture with a palette; ValueError for a picture of another kind."""
    width, height, rows = read_rows(path.read_bytes())
    counted: Counter[Colour] = Counter()
    split = [[row[i : i + 3] for i in range(0, len(row), 3)] for row in rows]
    for row in split:
        counted.update(row)
    palette = [colour for colour, _ in counted.most_common(COLOURS)]
    number = {colour: i for i, colour in enumerate(palette)}
    for colour in counted:
        if colour not in number:
            number[colour] = _nearest(colour, palette)
    data = b"".join(b"\0" + bytes(number[colour] for colour in row) for row in split)
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"PLTE", b"".join(palette)), (b"IDAT", zlib.compress(data, 9)), (b"IEND", b""))
    path.write_bytes(SIGNATURE + b"".join(_chunk(kind, body) for kind, body in chunks))


def _nearest(colour: Colour, palette: list[Colour]) -> int:
    red, green, blue = colour
    return min(
        range(len(palette)),
        key=lambda i: (palette[i][0] - red) ** 2 + (palette[i][1] - green) ** 2 + (palette[i][2] - blue) ** 2,
    )


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while at < len(data):
        (size,) = struct.unpack(">I", data[at : at + 4])
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        at += 12 + size


def read_rows(data: bytes) -> tuple[int, int, list[bytes]]:
    """Width, height and the rows of a PNG as RGB bytes."""
    found = list(_chunks(data))
    width, height, depth, kind, _, _, interlaced = struct.unpack(">IIBBBBB", dict(found)[b"IHDR"])
    if (depth, interlaced) != (8, 0) or kind not in (2, 6):
        raise ValueError("not a plain RGB picture")
    step = 3 if kind == 2 else 4
    raw = zlib.decompress(b"".join(body for name, body in found if name == b"IDAT"))
    length = width * step
    before = bytearray(length)
    rows: list[bytes] = []
    for y in range(height):
        start = y * (length + 1)
        row = _unfiltered(raw[start], bytearray(raw[start + 1 : start + 1 + length]), before, step)
        before = row
        rows.append(bytes(row) if step == 3 else b"".join(bytes(row[i : i + 3]) for i in range(0, length, 4)))
    return width, height, rows


def _unfiltered(how: int, row: bytearray, above: bytearray, step: int) -> bytearray:
    """Undo one of PNG's five row filters (RFC 2083, 6)."""
    if how == 1:
        for i in range(step, len(row)):
            row[i] = (row[i] + row[i - step]) & 255
    elif how == 2:
        for i, up in enumerate(above):
            row[i] = (row[i] + up) & 255
    elif how == 3:
        for i, up in enumerate(above):
            left = row[i - step] if i >= step else 0
            row[i] = (row[i] + (left + up) // 2) & 255
    elif how == 4:
        for i, up in enumerate(above):
            left = row[i - step] if i >= step else 0
            corner = above[i - step] if i >= step else 0
            guess = left + up - corner
            far_left, far_up, far_corner = abs(guess - left), abs(guess - up), abs(guess - corner)
            best = left if far_left <= far_up and far_left <= far_corner else up if far_up <= far_corner else corner
            row[i] = (row[i] + best) & 255
    return row
