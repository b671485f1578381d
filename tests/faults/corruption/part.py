"""T6: every byte, sector and page of what is stored is damaged, cut, exchanged, or put back from an earlier moment; nothing wrong is
ever shown, and nothing is lost without a word.

The CI figure is a beginning of every kind, spread over all positions; the release figure goes on until every list is done and fills up
with mixtures. The mix is `_SHARES`; what it takes to finish every list is asked by `demand`.
"""

from __future__ import annotations

import atexit
import shutil
from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Final

from tests.faults.corruption import folders, pieces
from tests.faults.corruption.folders import Gallery
from tests.faults.corruption.images import fast_folder, template
from tests.faults.corruption.pieces import Piece
from tests.proof.part import Part, Tally, Violation

CI, RELEASE = 100_000, 1_000_000
# how many of 500 cases of the CI figure are of each kind; the first six see a whole device and cost milliseconds
_SHARES: Final[Mapping[str, int]] = {
    "database": 5,
    "log": 3,
    "small files": 2,
    "rows": 3,
    "old copies": 1,
    "mixtures": 1,
    "envelope": 255,
    "envelope splice": 20,
    "header": 150,
    "attempts": 25,
    "key store": 35,
}


@cache
def kinds() -> Mapping[str, Piece]:
    """All kinds of cases, over the images of this process."""
    made, place = template(), fast_folder()
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    for name in ("device", "counters", "secrets", "rows"):
        (place / name).mkdir()
    gallery = Gallery.hung(made, place / "device")
    found = (
        folders.database(gallery),
        folders.log(gallery),
        folders.small_files(gallery),
        folders.tampered(gallery, place / "rows"),
        folders.old_copies(gallery),
        folders.mixtures(gallery),
        pieces.envelopes(made),
        pieces.spliced(made),
        pieces.headers(made),
        pieces.counters(place / "counters"),
        pieces.secrets(made, place / "secrets"),
    )
    return {piece.name: piece for piece in found}


@cache
def _order() -> tuple[str, ...]:
    """The kinds of 500 cases in a row, each spread evenly."""
    places = [((n + 0.5) / share, name) for name, share in _SHARES.items() for n in range(share)]
    return tuple(name for _, name in sorted(places))


@cache
def _places() -> tuple[Mapping[str, int], ...]:
    """For each of the 500, how many of its kind came before."""
    seen: Counter[str] = Counter()
    found = []
    for name in _order():
        found.append({name: seen[name]})
        seen[name] += 1
    return tuple(found)


def which(number: int) -> tuple[Piece, int]:
    """The kind of a case, and its number among that kind."""
    order = _order()
    if number < CI:
        name = order[number % len(order)]
        return kinds()[name], number // len(order) * _SHARES[name] + _places()[number % len(order)][name]
    left = number - CI
    for name, piece in kinds().items():
        done = CI // len(order) * _SHARES[name]
        if left < (open_ := max(0, piece.every - done)):
            return piece, done + left
        left -= open_
    done = CI // len(order) * _SHARES["mixtures"]
    return kinds()["mixtures"], done + left


def run(first: int, count: int) -> Tally:
    """See `tests.proof.part.Part`."""
    seen: Counter[str] = Counter()
    violations = []
    for number in range(first, first + count):
        piece, n = which(number)
        how, sentence = piece.case(n)
        seen[f"{piece.name}: {how}"] += 1
        if sentence is not None:
            violations.append(Violation(case=number, sentence=f"{piece.name} {n}, {how}: {sentence}"))
    return Tally(cases=count, counts=dict(seen), violations=tuple(violations))


def unfinished(tally: Tally) -> tuple[str, ...]:
    """The kinds whose list was not done to its end."""
    done: Counter[str] = Counter()
    for name, n in tally.counts.items():
        done[name.partition(":")[0]] += n
    return tuple(
        f"{name}: {done[name]} of {piece.every}" for name, piece in kinds().items() if done[name] < piece.every
    )


PART = Part(
    name="T6",
    title="corruption",
    unit="damages",
    holds_when="nothing wrong is shown, nothing is missing without a word, nothing is deleted",
    ci=CI,
    release=RELEASE,
    chunk=5_000,
    run=run,
    demand=unfinished,
)
