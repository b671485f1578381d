"""What people type or say, read as a street, a block or a corner. Text only: whether it exists is referral/place.py's.

    "315 W Lexington St."       Block(315, Street(W, LEXINGTON, ST))     a house number or a hundred block
    "UNIT BLK E PRATT"          Block(0, Street(E, PRATT, no type))      the 1-99 block
    "howard and lexington"      Crossing(Street(HOWARD), Street(LEXINGTON))
    "Saint Paul Street"         Street(ST PAUL, ST)

Names are in upper case without marks; types and directions are short; SAINT is ST. What a pack knows to be the same street
(MLK) is its `spellings`. A part that was not said is None: nothing is guessed here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

LONGEST = 300  # characters read of a text: no address is longer
DIRECTIONS = {
    "N": "N", "NORTH": "N", "NO": "N", "NORTE": "N",
    "S": "S", "SOUTH": "S", "SO": "S", "SUR": "S",
    "E": "E", "EAST": "E", "ESTE": "E",
    "W": "W", "WEST": "W", "OESTE": "W",
}  # fmt: skip
TYPES = {
    "ST": "ST", "STREET": "ST", "STR": "ST", "AVE": "AVE", "AV": "AVE", "AVENUE": "AVE", "RD": "RD", "ROAD": "RD",
    "CT": "CT", "COURT": "CT", "BLVD": "BLVD", "BOULEVARD": "BLVD", "BL": "BLVD", "LN": "LN", "LANE": "LN",
    "DR": "DR", "DRIVE": "DR", "PKWY": "PKWY", "PARKWAY": "PKWY", "HWY": "HWY", "HIGHWAY": "HWY",
    "PL": "PL", "PLACE": "PL", "WAY": "WAY", "TER": "TER", "TERRACE": "TER", "AL": "AL", "ALY": "AL", "ALLEY": "AL",
    "PLZ": "PLZ", "PLZA": "PLZ", "PLAZA": "PLZ", "MEWS": "MEWS", "SQ": "SQ", "SQUARE": "SQ", "CIR": "CIR",
}  # fmt: skip
_WORDS = {"SAINT": "ST", "MT": "MOUNT", "JUNIOR": "JR", "DOCTOR": "DR"}
_BLOCK_WORD = r"(?:BLOCK|BLK|BLCK|CUADRA)"
_TAIL = re.compile(
    r"[\s,]+(?:BALTIMORE[\s,]+(?:CITY[\s,]+)?(?:MD|MARYLAND)\b.*|(?:MD|MARYLAND)(?:[\s,]+\d{5}(?:-\d{4})?)?|\d{5}(?:-\d{4})?)$"
)
_CITY = re.compile(r",\s*BALTIMORE(?:\s+CITY)?$")
_ROOM = re.compile(
    r"[\s,]+(?:(?:APT|APARTMENT|UNIT|STE|SUITE|FLOOR|FL|RM|ROOM)\s+|#\s*)(?!BLOCK|BLK|BLCK)[A-Z0-9-]{1,6}$"
)
_FRACTION = re.compile(r"(?<=\d)\s+\d/\d\b")
_BLOCK_LAST = re.compile(rf"^(?P<street>\D.*?)[\s,]+(?P<number>UNIT|\d{{1,5}})[\s-]+{_BLOCK_WORD}$")
_CORNER_OF = re.compile(r"^(?:(?:THE\s+)?(?:CORNER|INTERSECTION)\s+OF|(?:LA\s+)?ESQUINA\s+DE)\s+")
_MEETS = re.compile(r"\s*[&/+@]\s*|\s+(?:AND|AT|Y|CON)\s+")
_NUMBERED = re.compile(
    rf"^(?:(?P<unit>UNIT|0+)|(?P<number>\d{{1,5}})(?:\s*-\s*\d{{1,5}})?[A-D]?)(?:[\s-]*{_BLOCK_WORD}\b)?\s+(?:OF\s+|DE\s+)?(?P<street>\S.*)$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Street:
    """A street as said: direction (N, S, E, W) and type (ST, AVE, ...) are None when they were left out."""

    direction: str | None
    name: str
    type: str | None

    @property
    def title(self) -> str:
        """Name and type: "LEXINGTON ST"; the same for E and W."""
        return f"{self.name} {self.type}" if self.type else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockAddress:
    """A number on a street: a house, a hundred block, or 0 for the unit block."""

    number: int
    street: Street


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """Two streets that meet."""

    first: Street
    second: Street


def plain(text: str) -> str:
    """Upper case, no accents, no dots or apostrophes, single blanks, and without the city's name, zip code or room."""
    bare = text[:LONGEST]
    if not bare.isascii():
        bare = "".join(c for c in unicodedata.normalize("NFKD", bare) if not unicodedata.combining(c))
    bare = re.sub(r"['’`´]", "", bare.upper().replace(".", " "))
    bare = " ".join(bare.split()).strip(" ,;")
    for pattern in (_TAIL, _CITY, _ROOM):
        bare = pattern.sub("", bare)
    return bare.strip(" ,;")


def read(text: str, spellings: Mapping[str, str]) -> Street | BlockAddress | Crossing | None:
    """What `text` says, or None when it is no address. `spellings` are the pack's (what people write -> street)."""
    said = _FRACTION.sub("", plain(text))
    parts = [part for part in _MEETS.split(_CORNER_OF.sub("", said)) if part]
    if len(parts) == 2:
        first, second = (read_street(part, spellings) for part in parts)
        return Crossing(first=first, second=second) if first and second else None
    if len(parts) != 1:
        return None
    if last := _BLOCK_LAST.match(said):
        said = f"{last['number']} {last['street']}"
    if numbered := _NUMBERED.match(said):
        street = read_street(numbered["street"], spellings)
        return BlockAddress(number=int(numbered["number"] or 0), street=street) if street else None
    return read_street(said, spellings)


def read_street(text: str, spellings: Mapping[str, str]) -> Street | None:
    """The street that `text` names, or None: "w. lexington street" is Street(W, LEXINGTON, ST)."""
    words = plain(text).replace(",", " ").replace("-", " ").split()
    if not words or any(character.isdigit() for character in words[0]):
        return None
    direction: str | None = None
    if words[0] in DIRECTIONS and not (len(words) == 1 or (len(words) == 2 and words[1] in TYPES)):
        direction = DIRECTIONS[words.pop(0)]
    elif words[-1] in DIRECTIONS and len(words) > 1:
        direction = DIRECTIONS[words.pop()]
    kind = TYPES[words.pop()] if len(words) > 1 and words[-1] in TYPES else None
    name = " ".join(_WORDS.get(word, word) for word in words)
    said = Street(direction=direction, name=name, type=kind)
    if said.title in spellings or name in spellings:
        known = read_street(spellings.get(said.title) or spellings[name], {})
        if known is not None:  # another type than the known one was said on purpose, unless the spelling holds it
            keeps_type = kind is not None and said.title not in spellings
            return Street(direction=direction, name=known.name, type=kind if keeps_type else known.type)
    return said
