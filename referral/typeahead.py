"""Places while they are typed: every word may be a beginning, and the likeliest place comes first.

Streets are matched first (about 150), then their blocks and corners: well under a millisecond a keystroke on a desktop.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

from referral.address import DIRECTIONS, TYPES, plain
from referral.gazetteer import Match, PlaceIndex, Road, match_block, match_corner, match_landmark, place_index
from referral.model import Zone
from referral.programme import Block, Programme


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
            scored.append(((0, rank), mark.text, match_landmark(mark, programme)))
    number, words = _leading_number(words)
    if number is not None:
        for rank, road in _roads_for(words, index):
            for block in road.blocks.values():
                if (nearness := _number_fits(number, block, road)) is not None:
                    scored.append(
                        ((1, rank, nearness, _distance_rank(block.zone), block.number), block.text, match_block(block))
                    )
    else:
        whole = _roads_for(words, index)  # the words may all belong to one street: then its blocks come first
        scored += _suggest_corners(said, words, index, 3 if whole else 2)
        for rank, road in whole:
            for block in road.blocks.values():
                scored.append(((2, rank, _distance_rank(block.zone), block.number), block.text, match_block(block)))
    scored.sort(key=lambda entry: entry[:2])
    return tuple(dict.fromkeys(match for _, _, match in scored))[:limit]


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


def _number_fits(typed: str, block: Block, road: Road) -> int | None:
    """0 when the number is this block, 1 when it may become it, 2 when it is a house in it, None when it cannot be."""
    if typed == "":
        return 0 if block.number == 0 else None
    number = int(typed[:6])
    if number == block.number:
        return 0
    if block.number and str(block.number).startswith(typed):
        return 1
    return 2 if road.block_at(number) is block else None


def _roads_for(words: list[str], index: PlaceIndex) -> list[tuple[int, Road]]:
    """The streets that the words may become, each with a rank (0 is best)."""
    found: list[tuple[int, Road]] = []
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
        if at == len(spoken) or (i == 0 and at > 0 and at == len(spoken) - 1 and spoken[at] in TYPES):
            return 9  # nobody begins with "street"
        if i == 0:
            rank = 2 if at else int(spoken[at] != word)
        at += 1
    return rank


def _suggest_corners(
    said: str, words: list[str], index: PlaceIndex, kind: int
) -> list[tuple[tuple[int, ...], str, Match]]:
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
        second: dict[int, list[tuple[int, Road]]] = defaultdict(list)
        for rank, road in _roads_for(right, index):
            for i in road.corners:
                second[i].append((rank, road))
        for rank, road in _roads_for(left, index):
            for i in road.corners:
                others = [
                    other_rank
                    for other_rank, other in second.get(i, ())
                    if other is not road and (len(parts) == 2 or other.street.name != road.street.name)
                ]
                if others:
                    corner = index.corners[i]
                    order = (kind, rank + min(others), int(corner.alley), _distance_rank(corner.zone))
                    scored.append((order, corner.text, match_corner(corner)))
    return scored


def _distance_rank(zone: Zone) -> int:
    return (Zone.INSIDE, Zone.BOUNDARY, Zone.OUTSIDE, Zone.UNKNOWN).index(zone)
