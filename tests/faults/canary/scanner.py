"""Looks for canaries in bytes, however they were encoded on the way.

    text       UTF-8, UTF-16 and UTF-32 of both byte orders, upper and lower case, letters reversed
    escapes    JSON's and Python's \\u, XML's &#;, percent, quoted-printable
    base64     standard and URL-safe, of UTF-8 and UTF-16, at each of its three offsets; hex; base64 of base64 is looked into too
    packed     zlib, gzip and raw deflate, with and without the envelope's preset dictionary, wherever such a stream begins

A stream that opens is looked through like the rest, three deep. A hit names the canary, the form and the place, never more.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from quopri import encodestring
from typing import Final
from urllib.parse import quote

from referral.dictionary import DICTIONARIES

_DEPTH: Final = 3
_LEAST: Final = 12  # a stream that gives less than a core holds none
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/_-]{24,}={0,2}")


@dataclass(frozen=True, slots=True, order=True)
class Hit:
    """One canary found. where: the name of what was scanned, and what had to be opened on the way."""

    where: str
    canary: str
    form: str


class Scanner:
    """Knows all forms of some canaries."""

    def __init__(self, cores: Mapping[str, str]) -> None:
        self.forms: dict[bytes, tuple[str, str]] = {}
        for canary, core in cores.items():
            for form, data in forms(core):
                self.forms.setdefault(data.lower(), (canary, form))

    def scan(self, where: str, data: bytes, *, deflate: bool = True) -> set[Hit]:
        """All canaries in `data`. deflate: try a raw deflate stream at every byte, which is slow for much data."""
        found = self._plain(where, data)
        opened = list(_opened(data, deflate=deflate, depth=_DEPTH))
        if self._plain(where, b"\0".join(inner for _, inner in opened)):  # seldom: then one by one
            for name, inner in opened:
                found |= self._plain(f"{where} > {name}", inner)
        return found

    def _plain(self, where: str, data: bytes) -> set[Hit]:
        lower = data.lower()
        return {Hit(where, *said) for form, said in self.forms.items() if form in lower}


def forms(core: str) -> Iterator[tuple[str, bytes]]:
    """What `core` looks like in each encoding."""
    for case in dict.fromkeys((core, core.upper(), core.lower(), core.swapcase(), core[::-1])):
        for encoding in ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
            data = case.encode(encoding)
            yield encoding, data
            yield f"hex of {encoding}", data.hex().encode()
            for shift in range(3):
                yield f"base64 of {encoding}", _inner_base64(data, shift)
                yield f"URL-safe base64 of {encoding}", _inner_base64(data, shift).translate(_URL_SAFE)
    if not core.isascii():
        yield "JSON", "".join(c if c.isascii() else f"\\u{ord(c):04x}" for c in core).encode()
        yield "Python", core.encode("ascii", "backslashreplace")
        yield "XML", core.encode("ascii", "xmlcharrefreplace")
        yield "Latin-1", core.encode("latin-1", "ignore")
    yield "HTML", escape(core).encode()
    yield "percent", quote(core, safe="").encode()
    yield "every letter percent", "".join(f"%{byte:02x}" for byte in core.encode()).encode()
    yield "quoted-printable", encodestring(core.encode())
    yield "repr of bytes", repr(core.encode())[2:-1].encode()


_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")


def _inner_base64(data: bytes, shift: int) -> bytes:
    """The characters of base64 that depend on `data` alone, where `shift` bytes stand before it in its group of three."""
    coded = base64.b64encode(bytes(shift) + data)
    start = (0, 2, 3)[shift]
    whole = (shift + len(data)) // 3 * 4
    return coded[start:whole]


def _opened(data: bytes, *, deflate: bool, depth: int) -> Iterator[tuple[str, bytes]]:
    """What can be unpacked from `data`, and from that."""
    if depth == 0:
        return
    for name, inner in _layers(data, deflate=deflate):
        yield name, inner
        for deeper, innermost in _opened(inner, deflate=False, depth=depth - 1):
            yield f"{name} > {deeper}", innermost


def _layers(data: bytes, *, deflate: bool) -> Iterator[tuple[str, bytes]]:
    for match in re.finditer(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]|\x78[\x20\x7d\xbb\xf9]", data):
        for dictionary in (b"", *DICTIONARIES.values()):
            inner = _inflated(data[match.start() :], 47, dictionary)
            if inner is not None:
                yield f"packed at {match.start()}", inner
                break
    for match in _BASE64.finditer(data):
        for shift in range(4):  # a stretch may begin in the middle of a group
            text = match[0].translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")[shift:]
            inner = base64.b64decode(text[: len(text) // 4 * 4])
            yield f"base64 at {match.start() + shift}", inner
    if deflate:
        for at in range(max(0, len(data) - 8)):
            if data[at] & 6 in (2, 4):  # a block that is packed, with a fixed or its own table
                for opener in _RAW:
                    inner = _began(opener, data[at : at + _STRETCH])
                    if inner is not None:
                        yield f"deflated at {at}", inner


def _inflated(data: bytes, bits: int, dictionary: bytes) -> bytes | None:
    """What a stream at the beginning of `data` unpacks to, or None when there is none worth looking into."""
    opener = zlib.decompressobj(bits, zdict=dictionary) if dictionary else zlib.decompressobj(bits)
    try:
        inner = opener.decompress(data, 1 << 24)
    except zlib.error:
        return None
    return inner if len(inner) >= _LEAST else None


_STRETCH: Final = 1024
_RAW: Final = (zlib.decompressobj(-15), *(zlib.decompressobj(-15, zdict=known) for known in DICTIONARIES.values()))


def _began(opener: zlib._Decompress, data: bytes) -> bytes | None:
    """What a raw stream at the beginning of `data` unpacks to: a whole one, or one that goes on."""
    try:
        inner = opener.copy().decompress(data, 1 << 16)
    except zlib.error:
        return None
    return inner if len(inner) >= _LEAST else None
