"""Where is it, and is that in the zone? Offline, over the pack's blocks, corners and landmarks.

    locate("315 W Lexington St", programme) -> PlaceAnswer              what was typed, once it is whole
    locate_point(39.2915, -76.6203, programme, accuracy_m=12) -> PlaceAnswer
    suggest("300 w lex", programme, limit=8) -> tuple[Match, ...]      while it is typed; a Match is ready to use
    place_index(programme)                                             made once; call it early to warm it up
    PlaceAnswer: zone, edge_m, lat, lon, text, nearest, matches, ask, directions; .to_wire()

Rules
- Only what the pack lists is answered: a block that is not in it is `unknown`, never `outside`.
- A direction is part of an address. Left out on a street with an E/W or N/S twin (the pack's `needs_direction`), the
  is `unknown` and asks, whichever side the pack lists. At a corner it may be left out.
- House numbers fall into blocks by the block's own numbers, else by their hundred.
- More than one place fits: `unknown`, with all of them. One that fits only loosely (another type, "St Paul St" for
  St Paul Pl, a direction too many) is offered in `matches` and never answered.
- A block or corner has the pack's zone (for a block: where most of it lies); a point or a landmark is judged by the line.

Knows no referral, no network and no position service.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

from referral.address import DIRECTIONS, BlockAddress, Crossing, Street, plain, read, read_street
from referral.model import Zone
from referral.programme import Block, Corner, Landmark, Programme
from referral.zone import distance_m, judge

NEAREST_M = 400.0  # a street name farther away than this tells nobody where they are
SAME_PLACE_M = 60.0  # two corners of a divided street, with one zone, are one place
_POINT = re.compile(r"\s*\(?\s*(-?\d{1,2}\.\d+)\s*°?\s*[,;\s]\s*(-?\d{1,3}\.\d+)\s*°?\s*\)?\s*\Z")


class Ask(StrEnum):
    """What would settle an unknown place: the direction, the block's number, or a choice among the matches."""

    DIRECTION = "direction"
    BLOCK = "block"
    PICK = "pick"


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


@dataclass(frozen=True, slots=True)
class _Road:
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

    roads: tuple[_Road, ...]
    by_name: Mapping[str, tuple[_Road, ...]]
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
        _Road(street, _spoken(street, nicknames[street.title]), blocks[street], tuple(meets[street]))
        for street in sorted(set(streets.values()), key=lambda s: (s.name, s.type or "", s.direction or ""))
    )
    by_name: dict[str, list[_Road]] = defaultdict(list)
    for road in roads:
        by_name[road.street.name].append(road)
    return PlaceIndex(
        roads=roads,
        by_name={name: tuple(found) for name, found in by_name.items()},
        crossings={names: tuple(found) for names, found in crossings.items()},
        corners=programme.corners,
        landmarks={_landmark_key(name): mark for mark in programme.landmarks for name in (mark.text, *mark.names)},
    )


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
    index = place_index(programme)
    if (mark := index.landmarks.get(_landmark_key(text))) is not None:
        return _answer(_of_landmark(mark, programme), programme)
    if (point := _POINT.match(text)) is not None and abs(float(point[1])) <= 90 and abs(float(point[2])) <= 180:
        return locate_point(float(point[1]), float(point[2]), programme)
    match read(text, programme.addresses.spellings):
        case BlockAddress() as address:
            return _locate_block(text, address, index, programme)
        case Crossing() as crossing:
            return _locate_crossing(text, crossing, index, programme)
        case Street() as street:
            roads = [road for road in index.by_name.get(street.name, ()) if _says(street, road.street)]
            found = [_of_block(block) for road in roads for _, block in sorted(road.blocks.items())]
            return _unknown(text, found, Ask.BLOCK if found else None)
        case None:
            return _unknown(text)


def suggest(text: str, programme: Programme, limit: int = 8) -> tuple[Match, ...]:
    """The places that what was typed so far may become, the likeliest first.

    Every word may be a beginning: "300 w lex", "how lex", "how & lex", "mlk", "lexington m". Raises ValueError for a limit
    below 1.
    """
    if limit < 1:
        raise ValueError("a limit below 1")
    index = place_index(programme)
    said = plain(text)
    scored: list[tuple[tuple[int, ...], str, Match]] = []
    words = said.replace(",", " ").split()
    if not words:
        return ()
    for mark in {id(m): m for m in index.landmarks.values()}.values():
        if (rank := min((_begins(words, tuple(plain(n).split())) for n in (mark.text, *mark.names)), default=9)) < 9:
            scored.append(((0, rank), mark.text, _of_landmark(mark, programme)))
    number, words = _leading_number(words)
    if number is not None:
        for rank, road in _roads_for(words, index):
            for block in road.blocks.values():
                if (nearness := _number_fits(number, block, road)) is not None:
                    scored.append(
                        ((1, rank, nearness, _distance_rank(block.zone), block.number), block.text, _of_block(block))
                    )
    else:
        scored += _suggest_corners(said, words, index)
        for rank, road in _roads_for(words, index):
            for block in road.blocks.values():
                scored.append(((3, rank, _distance_rank(block.zone), block.number), block.text, _of_block(block)))
    scored.sort(key=lambda entry: entry[:2])
    return tuple(dict.fromkeys(match for _, _, match in scored))[:limit]


# --- blocks -----------------------------------------------------------------------------------------------------------


def _locate_block(text: str, address: BlockAddress, index: PlaceIndex, programme: Programme) -> PlaceAnswer:
    said = address.street
    named = index.by_name.get(said.name, ())
    fitting = [road for road in named if _says(said, road.street)]
    found = [(road, block) for road in fitting if (block := road.block_at(address.number)) is not None]
    matches = [_of_block(block) for _, block in found]
    if said.direction is None:
        twins = [road for road in fitting if road.street.direction is not None]
        plain_ones = [block for road, block in found if road.street.direction is None]
        if said.type is not None and len(plain_ones) == 1:  # the city writes this block without a direction
            return _answer(_of_block(plain_ones[0]), programme)
        if twins or any(road.street.title in programme.addresses.needs_direction for road in fitting):
            sides = ("E", "W") if any(road.street.direction in ("E", "W") for road in twins) else ("N", "S")
            return _unknown(text, matches, Ask.DIRECTION, sides)
    if len(matches) == 1:
        return _answer(matches[0], programme)
    if matches:
        return _unknown(text, matches, Ask.PICK)
    loose = [road for road in named if said.direction in (None, road.street.direction) or road.street.direction is None]
    matches = [_of_block(block) for road in loose if (block := road.block_at(address.number)) is not None]
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
                sure.append(_of_corner(corner))
            elif ways or (types and _no_twin(crossing.first, first) and _no_twin(crossing.second, second)):
                loose.append(_of_corner(corner))
    sure = _merged(sure)
    if len(sure) == 1:
        return _answer(sure[0], programme)
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


# --- while typing -----------------------------------------------------------------------------------------------------


def _leading_number(words: list[str]) -> tuple[str | None, list[str]]:
    """The digits typed first ("" for the unit block) or None, and the words after them."""
    head = words[0]
    if not (head.isascii() and head.isdigit()) and not (len(head) >= 3 and "UNIT".startswith(head)):
        return None, words
    rest = words[1:]
    if rest and rest[0] in ("BLOCK", "BLK"):
        rest = rest[1:]
    if rest and rest[0] == "OF":
        rest = rest[1:]
    return (head.lstrip("0") if head.isdigit() else ""), rest


def _number_fits(typed: str, block: Block, road: _Road) -> int | None:
    """0 when the number is this block or in it, 1 when it may become it, None when it cannot."""
    if typed == "":
        return 0 if block.number == 0 else None
    if road.block_at(int(typed[:6])) is block:
        return 0
    return 1 if str(block.number).startswith(typed) else None


def _roads_for(words: list[str], index: PlaceIndex) -> list[tuple[int, _Road]]:
    """The streets that the words may become, each with a rank (0 is best)."""
    found: list[tuple[int, _Road]] = []
    way = DIRECTIONS.get(words[0]) if words else None
    for road in index.roads:
        ranks = [_begins(words, spoken) for spoken in road.spoken]
        if way is not None and way == road.street.direction:
            ranks += [_begins(words[1:], spoken) for spoken in road.spoken]
        if (rank := min(ranks)) < 9:
            found.append((rank, road))
    return found


def _begins(words: Iterable[str], spoken: tuple[str, ...]) -> int:
    """How well the words, in order, begin words of `spoken`: 0 whole first word, 1 its beginning, 2 later ones, 9 not."""
    at, rank = 0, 0
    for i, word in enumerate(words):
        while at < len(spoken) and not spoken[at].startswith(word):
            at += 1
        if at == len(spoken):
            return 9
        if i == 0:
            rank = 2 if at else int(spoken[at] != word)
        at += 1
    return rank


def _suggest_corners(said: str, words: list[str], index: PlaceIndex) -> list[tuple[tuple[int, ...], str, Match]]:
    """Corners of two streets that the words name, with "&" or with nothing between; of one street, its corners."""
    parts = [part.split() for part in re.split(r"\s*[&/+@]\s*|\s+(?:AND|AT|Y)(?:\s+|$)", said)]
    if len(parts) == 1:
        splits = [(words[:n], words[n:]) for n in range(1, len(words))]
    else:
        splits = [(parts[0], parts[1])] if len(parts) == 2 else []
    scored: list[tuple[tuple[int, ...], str, Match]] = []
    for left, right in splits:
        if not left or not {*left} - {*DIRECTIONS} or (right and not {*right} - {*DIRECTIONS} and len(parts) == 1):
            continue
        second: dict[int, int] = {}
        for rank, road in _roads_for(right, index):
            for i in road.corners:
                second[i] = min(rank, second.get(i, 9))
        for rank, road in _roads_for(left, index):
            for i in road.corners:
                if i in second:
                    corner = index.corners[i]
                    order = (2, rank + second[i], int(corner.alley), _distance_rank(corner.zone))
                    scored.append((order, corner.text, _of_corner(corner)))
    return scored


def _distance_rank(zone: Zone) -> int:
    return (Zone.INSIDE, Zone.BOUNDARY, Zone.OUTSIDE, Zone.UNKNOWN).index(zone)


# --- shared -----------------------------------------------------------------------------------------------------------


def _answer(match: Match, programme: Programme) -> PlaceAnswer:
    return PlaceAnswer(
        zone=match.zone,
        edge_m=judge(match.lat, match.lon, programme.zone).edge_m,
        lat=match.lat,
        lon=match.lon,
        text=match.text,
        nearest=_nearest(match.lat, match.lon, programme),
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


def _of_block(block: Block) -> Match:
    return Match(text=block.text, lat=block.lat, lon=block.lon, zone=block.zone)


def _of_corner(corner: Corner) -> Match:
    return Match(text=corner.text, lat=corner.lat, lon=corner.lon, zone=corner.zone)


def _of_landmark(mark: Landmark, programme: Programme) -> Match:
    zone = mark.block.zone if mark.block else judge(mark.lat, mark.lon, programme.zone).zone
    return Match(text=mark.text, lat=mark.lat, lon=mark.lon, zone=zone)


def _landmark_key(text: str) -> str:
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
    words = tuple(street.title.split())
    if words[0] == "ST":  # people begin with "saint" or with the name itself
        nicknames = [*nicknames, "SAINT " + " ".join(words[1:])]
    return (words, *(tuple(name.split()) for name in nicknames))
