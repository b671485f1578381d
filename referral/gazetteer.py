"""The pack's streets, corners and landmarks, arranged for looking up: what place.py answers from and typeahead.py offers.

Made once from a programme. Knows how the pack's names are read, and nothing of what was asked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from referral.address import TYPES, Street, plain, read_street
from referral.model import Zone
from referral.programme import Block, Corner, Landmark, Programme
from referral.zone import judge


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A place of the pack, ready to be used: its text, WGS84 degrees and zone."""

    text: str
    lat: float
    lon: float
    zone: Zone

    def to_wire(self) -> dict[str, Any]:
        """The match as JSON."""
        return {"text": self.text, "lat": self.lat, "lon": self.lon, "zone": self.zone.value}


@dataclass(frozen=True, slots=True)
class Road:
    """One street of the pack with what lies on it. `spoken`: the word lists people may start to type."""

    street: Street
    spoken: tuple[tuple[str, ...], ...]
    blocks: Mapping[int, Block]
    corners: tuple[int, ...]

    def block_at(self, number: int) -> Block | None:
        """The block that holds a house number, or the hundred block itself."""
        hundred = self.blocks.get(number // 100 * 100)
        if hundred is not None and (number == hundred.number or hundred.low <= number <= hundred.high):
            return hundred
        holding = [block for block in self.blocks.values() if block.low <= number <= block.high]
        return holding[0] if len(holding) == 1 else hundred


@dataclass(frozen=True, slots=True)
class PlaceIndex:
    """A pack's streets, corners and landmarks, arranged for looking up."""

    roads: tuple[Road, ...]
    by_name: Mapping[str, tuple[Road, ...]]
    crossings: Mapping[frozenset[str], tuple[tuple[Corner, Street, Street], ...]]
    corners: tuple[Corner, ...]
    landmarks: Mapping[str, Landmark]


@lru_cache(maxsize=4)
def place_index(programme: Programme) -> PlaceIndex:
    """The index of a programme's places: made once, then remembered."""
    streets = {name: _known(name) for name in _street_names(programme)}
    blocks: dict[Street, dict[int, Block]] = defaultdict(dict)
    for block in programme.blocks:
        blocks[streets[block.street]][block.number] = block
    meets: dict[Street, list[int]] = defaultdict(list)
    crossings: dict[frozenset[str], list[tuple[Corner, Street, Street]]] = defaultdict(list)
    for i, corner in enumerate(programme.corners):
        a, b = streets[corner.street_a], streets[corner.street_b]
        meets[a].append(i)
        meets[b].append(i)
        crossings[frozenset((a.name, b.name))].append((corner, a, b))
    nicknames: dict[str, list[str]] = defaultdict(list)
    for said, meant in programme.addresses.spellings.items():
        nicknames[_known(meant).title].append(said)
    roads = tuple(
        Road(street, _spoken(street, nicknames[street.title]), blocks[street], tuple(meets[street]))
        for street in sorted(set(streets.values()), key=lambda s: (s.name, s.type or "", s.direction or ""))
    )
    by_name: dict[str, list[Road]] = defaultdict(list)
    for road in roads:
        by_name[road.street.name].append(road)
    return PlaceIndex(
        roads=roads,
        by_name={name: tuple(found) for name, found in by_name.items()},
        crossings={names: tuple(found) for names, found in crossings.items()},
        corners=programme.corners,
        landmarks={landmark_key(name): mark for mark in programme.landmarks for name in (mark.text, *mark.names)},
    )


def match_block(block: Block) -> Match:
    return Match(text=block.text, lat=block.lat, lon=block.lon, zone=block.zone)


def match_corner(corner: Corner) -> Match:
    return Match(text=corner.text, lat=corner.lat, lon=corner.lon, zone=corner.zone)


def match_landmark(mark: Landmark, programme: Programme) -> Match:
    zone = mark.block.zone if mark.block else judge(mark.lat, mark.lon, programme.zone).zone
    return Match(text=mark.text, lat=mark.lat, lon=mark.lon, zone=zone)


def landmark_key(text: str) -> str:
    said = plain(text)
    return said.removeprefix("THE ")


def _street_names(programme: Programme) -> Iterable[str]:
    for block in programme.blocks:
        yield block.street
    for corner in programme.corners:
        yield corner.street_a
        yield corner.street_b


def _known(name: str) -> Street:
    street = read_street(name, {})
    if street is None:
        raise ValueError(f"the pack's street {name!r} has no name")
    return street


def _spoken(street: Street, nicknames: list[str]) -> tuple[tuple[str, ...], ...]:
    """The ways to say a street: each with the short and the long forms of its type, so that any beginning of them fits."""
    names = [street.name]
    if street.name.startswith("ST "):
        names.append("SAINT " + street.name.removeprefix("ST "))
    types = [form for form, short in TYPES.items() if short == street.type] or [""]
    ways = [f"{name} {form}" for name in names for form in _longest(types)] + nicknames
    return tuple(tuple(way.split()) for way in ways)


def _longest(forms: list[str]) -> list[str]:
    """Without the forms that only begin another one."""
    return [form for form in forms if not any(other != form and other.startswith(form) for other in forms)]
