"""Where is it, and is that in the zone? Offline, over the pack's blocks, corners and landmarks.

    locate("315 W Lexington St", programme) -> PlaceAnswer              what was typed, once it is whole
    locate_point(39.2915, -76.6203, programme, accuracy_m=12) -> PlaceAnswer
    suggest("300 w lex", programme, limit=8) -> tuple[Match, ...]      while it is typed; a Match is ready to use
    zone_of(referral.place, programme) -> Zone
    place_index(programme)                                             made once; call it early to warm it up
    PlaceAnswer: zone, edge_m, lat, lon, text, nearest, matches, ask, directions; .to_wire()

Rules
- Only what the pack lists is answered: a block that is not in it is `unknown`, never `outside`.
- A direction is part of an address. Left out on a street with an E/W or N/S twin (the pack's `needs_direction`) it
  makes the place `unknown` and asks, whichever side the pack lists. At a corner it may be left out.
- House numbers fall into blocks by the block's own numbers, else by their hundred.
- More than one place fits: `unknown`, with all of them. One that fits only loosely (another type, "St Paul St" for
  St Paul Pl, a direction too many) is offered in `matches` and never answered.
- A block or corner has the pack's zone (for a block: where most of it lies); a point or a landmark is judged by the line.

Knows no referral, no network and no position service.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from referral.address import BlockAddress, Crossing, Street, read
from referral.gazetteer import Match, PlaceIndex, landmark_key, match_block, match_corner, match_landmark
from referral.gazetteer import place_index as place_index
from referral.model import Place, PlaceSource, Zone
from referral.programme import Block, Corner, Programme
from referral.typeahead import suggest as suggest
from referral.zone import distance_m, edge_of, judge

NEAREST_M = 400.0  # a street name farther away than this tells nobody where they are
SAME_PLACE_M = 60.0  # two corners of a divided street, with one zone, are one place
_POINT = re.compile(r"\s*\(?\s*(-?\d{1,2}\.\d+)\s*°?\s*[,;\s]\s*(-?\d{1,3}\.\d+)\s*°?\s*\)?\s*\Z")


class Ask(StrEnum):
    """What would settle an unknown place: the direction, the block's number, or a choice among the matches."""

    DIRECTION = "direction"
    BLOCK = "block"
    PICK = "pick"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceAnswer:
    """Where it is. Unknown: no coordinates, and `ask` (with `directions`, such as ("E", "W")) says what would settle it.

    `edge_m` is the distance from the zone's line in metres, `nearest` the nearest corner or block, if any is near.
    """

    zone: Zone
    edge_m: float | None
    lat: float | None
    lon: float | None
    text: str
    nearest: str | None
    matches: tuple[Match, ...] = ()
    ask: Ask | None = None
    directions: tuple[str, ...] = ()

    def to_wire(self) -> dict[str, Any]:
        """The answer of `field-app place`."""
        return {
            "zone": self.zone.value,
            "edge_m": None if self.edge_m is None else round(self.edge_m, 1),
            "lat": self.lat,
            "lon": self.lon,
            "text": self.text,
            "nearest": self.nearest,
            "matches": [match.to_wire() for match in self.matches],
            "ask": None if self.ask is None else self.ask.value,
            "directions": list(self.directions),
        }


def locate_point(lat: float, lon: float, programme: Programme, accuracy_m: float | None = None) -> PlaceAnswer:
    """Where a point lies; a fix whose accuracy circle (metres) touches the line is on the boundary.

    Raises ValueError for what is not a point on the map.
    """
    verdict = judge(lat, lon, programme.zone, accuracy_m)
    return PlaceAnswer(
        zone=verdict.zone,
        edge_m=verdict.edge_m,
        lat=lat,
        lon=lon,
        text=f"{lat:.6f}, {lon:.6f}",
        nearest=_nearest(lat, lon, programme),
    )


def locate(text: str, programme: Programme) -> PlaceAnswer:
    """Where an address, block, corner, landmark or typed "latitude, longitude" lies, or `unknown` with what was found."""
    answer = _find(text, programme)
    if answer.lat is None or answer.lon is None or answer.nearest is not None:
        return answer
    edge_m = edge_of(answer.lat, answer.lon, programme.zone) if answer.edge_m is None else answer.edge_m
    return replace(answer, edge_m=edge_m, nearest=_nearest(answer.lat, answer.lon, programme))


def _find(text: str, programme: Programme) -> PlaceAnswer:
    """As `locate`, without the distance from the line and the name of the nearest place, which cost more than all the rest."""
    index = place_index(programme)
    if (mark := index.landmarks.get(landmark_key(text))) is not None:
        return _answer(match_landmark(mark, programme))
    if (point := _POINT.match(text)) is not None and abs(float(point[1])) <= 90 and abs(float(point[2])) <= 180:
        return locate_point(float(point[1]), float(point[2]), programme)
    match read(text, programme.addresses.spellings):
        case BlockAddress() as address:
            return _locate_block(text, address, index, programme)
        case Crossing() as crossing:
            return _locate_crossing(text, crossing, index, programme)
        case Street() as street:
            roads = [road for road in index.by_name.get(street.name, ()) if _says(street, road.street)]
            found = [match_block(block) for road in roads for _, block in sorted(road.blocks.items())]
            return _unknown(text, found, Ask.BLOCK if found else None)
        case None:
            return _unknown(text)


def zone_of(place: Place | None, programme: Programme) -> Zone:
    """The zone of a referral's place by this pack: a fix by its point and accuracy, else its text, else its point."""
    if place is None:
        return Zone.UNKNOWN
    if place.text is not None and place.source is not PlaceSource.GPS:
        answer = _find(place.text, programme)
        if answer.zone is not Zone.UNKNOWN:
            return answer.zone
    if place.lat is not None and place.lon is not None:
        return judge(place.lat, place.lon, programme.zone, place.accuracy_m).zone
    return _find(place.text, programme).zone if place.text is not None else Zone.UNKNOWN


# --- blocks -----------------------------------------------------------------------------------------------------------


def _locate_block(text: str, address: BlockAddress, index: PlaceIndex, programme: Programme) -> PlaceAnswer:
    said = address.street
    named = index.by_name.get(said.name, ())
    fitting = [road for road in named if _says(said, road.street)]
    found = [(road, block) for road in fitting if (block := road.block_at(address.number)) is not None]
    matches = [match_block(block) for _, block in found]
    if said.direction is None:
        twins = [road for road in fitting if road.street.direction is not None]
        plain_ones = [block for road, block in found if road.street.direction is None]
        if said.type is not None and len(plain_ones) == 1:  # the city writes this block without a direction
            return _answer(match_block(plain_ones[0]))
        if twins or any(road.street.title in programme.addresses.needs_direction for road in fitting):
            sides = ("E", "W") if any(road.street.direction in ("E", "W") for road in twins) else ("N", "S")
            return _unknown(text, matches, Ask.DIRECTION, sides)
    if len(matches) == 1:
        return _answer(matches[0])
    if matches:
        return _unknown(text, matches, Ask.PICK)
    loose = [road for road in named if said.direction in (None, road.street.direction) or road.street.direction is None]
    matches = [match_block(block) for road in loose if (block := road.block_at(address.number)) is not None]
    return _unknown(text, matches, Ask.PICK if matches else None)


def _says(said: Street, real: Street) -> bool:
    """True when nothing that was said about the street contradicts the real one."""
    return said.type in (None, real.type) and said.direction in (None, real.direction)


# --- corners ----------------------------------------------------------------------------------------------------------


def _locate_crossing(text: str, crossing: Crossing, index: PlaceIndex, programme: Programme) -> PlaceAnswer:
    sure: list[Match] = []
    loose: list[Match] = []
    for corner, a, b in index.crossings.get(frozenset((crossing.first.name, crossing.second.name)), ()):
        for first, second in ((a, b), (b, a)):
            if (first.name, second.name) != (crossing.first.name, crossing.second.name):
                continue
            ways = _way_fits(crossing.first, first, second, programme) and _way_fits(
                crossing.second, second, first, programme
            )
            types = crossing.first.type in (None, first.type) and crossing.second.type in (None, second.type)
            if ways and types:
                sure.append(match_corner(corner))
            elif ways or (types and _no_twin(crossing.first, first) and _no_twin(crossing.second, second)):
                loose.append(match_corner(corner))
    sure = _merged(sure)
    if len(sure) == 1:
        return _answer(sure[0])
    matches = sure or _merged(loose)
    return _unknown(text, matches, Ask.PICK if matches else None)


def _way_fits(said: Street, real: Street, other: Street, programme: Programme) -> bool:
    """True when the direction was left out, is right, or changes at this very crossing (W Baltimore St at Charles St)."""
    if said.direction in (None, real.direction):
        return True
    if real.direction is None:
        return False
    rules = programme.addresses
    changes_at = rules.north_south_changes_at if real.direction in ("N", "S") else rules.east_west_changes_at
    same_axis = (said.direction in ("N", "S")) == (real.direction in ("N", "S"))
    return same_axis and other.title == changes_at


def _no_twin(said: Street, real: Street) -> bool:
    return said.direction in (None, real.direction) or real.direction is None


def _merged(matches: Iterable[Match]) -> list[Match]:
    """Without those that are the same place: one zone and a few steps apart."""
    kept: list[Match] = []
    for match in matches:
        if not any(
            match.zone is other.zone and distance_m(match.lat, match.lon, other.lat, other.lon) <= SAME_PLACE_M
            for other in kept
        ):
            kept.append(match)
    return kept


# --- shared -----------------------------------------------------------------------------------------------------------


def _answer(match: Match) -> PlaceAnswer:
    return PlaceAnswer(
        zone=match.zone,
        edge_m=None,
        lat=match.lat,
        lon=match.lon,
        text=match.text,
        nearest=None,
        matches=(match,),
    )


def _unknown(
    text: str, matches: Iterable[Match] = (), ask: Ask | None = None, directions: tuple[str, ...] = ()
) -> PlaceAnswer:
    return PlaceAnswer(
        zone=Zone.UNKNOWN,
        edge_m=None,
        lat=None,
        lon=None,
        text=" ".join(text.split())[:200],
        nearest=None,
        matches=tuple(matches),
        ask=ask,
        directions=directions,
    )


def _nearest(lat: float, lon: float, programme: Programme) -> str | None:
    """The text of the corner or block nearest to a point; alleys name a place only when nothing else does."""
    best: tuple[float, str] | None = None
    places: tuple[Block | Corner, ...] = (*programme.blocks, *programme.corners)
    for place in places:
        if isinstance(place, Corner) and place.alley:
            continue
        if abs(place.lat - lat) > 0.01 or abs(place.lon - lon) > 0.01:
            continue
        distance = distance_m(lat, lon, place.lat, place.lon)
        if distance <= NEAREST_M and (best is None or distance < best[0]):
            best = (distance, place.text)
    return best[1] if best else None
