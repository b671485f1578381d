"""T7: nothing that a person typed is readable anywhere it should not be, in whatever encoding, after save, sync, shrink, lock and wipe.

case 0      the trip against a case system on SQLite        case 1      the same on PostgreSQL
case 2      the trip with every leak of leaks.py: each must be found
case 3 ...  one canary each, planted in every form and container: the scanner must find each
"""

from __future__ import annotations

import base64
import gzip
import os
import random
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from referral.dictionary import DICTIONARIES
from tests.faults.canary.canaries import CORES
from tests.faults.canary.leaks import LEAKS
from tests.faults.canary.look import complete, hits, travel
from tests.faults.canary.scanner import Scanner
from tests.proof.part import Part, Tally, Violation
from tests.support.postgres import PostgresServer, find_server

_TRIPS: Final = ("SQLite", "PostgreSQL", "leaks")
_TOGETHER: Final = 12  # forms planted in one container
CASES: Final = len(_TRIPS) + len(CORES)
# where each leak must be seen, and what of it
SEEN: Final = {"log": "said/err", "temp": "tmp/", "column": "stages/", "header": "requests/", "repr": "said/err"}


def _own_server() -> PostgresServer:
    return find_server(Path(tempfile.mkdtemp(prefix="lead-canary-")), os.getpid())


server: Callable[[], PostgresServer] = _own_server


def run(first: int, count: int) -> Tally:
    """See `tests.proof.part.Part`."""
    tally = Tally(cases=0)
    for number in range(first, first + count):
        counts, sentences = _trip(number) if number < len(_TRIPS) else _planted(number)
        tally += Tally(
            cases=1, counts=counts, violations=tuple(Violation(case=number, sentence=text) for text in sentences)
        )
    return tally


def _trip(number: int) -> tuple[dict[str, int], list[str]]:
    kind = _TRIPS[number]
    with tempfile.TemporaryDirectory(prefix="lead-t7-") as folder:
        out = Path(folder)
        if kind == "PostgreSQL":
            try:
                found = server()
            except pytest.skip.Exception:
                return {"PostgreSQL is not on this machine": 1}, []
            with found.database() as url:
                travel(out, url)
        else:
            travel(out, leak=",".join(LEAKS) if kind == "leaks" else "")
        seen, counts = hits(out)
        sentences = [f"the trip left no {name}" for name in complete(out)]
    if kind == "leaks":
        got_out = {name for name, place in SEEN.items() if any(hit.where.startswith(place) for hit in seen)}
        sentences += [f"the scan did not see the leak {name!r}" for name in LEAKS.keys() - got_out]
        return {f"leak found: {name}": 1 for name in got_out}, sentences
    sentences += [f"{hit.canary} got out as {hit.form}: {hit.where}" for hit in sorted(seen)]
    return {f"trip on {kind}": 1} | counts | {"canaries out": len(seen)}, sentences


def _planted(number: int) -> tuple[dict[str, int], list[str]]:
    canary = list(CORES)[number - len(_TRIPS)]
    dice, scanner = random.Random(number), Scanner({canary: CORES[canary]})
    found: Counter[str] = Counter()
    missed = []
    every = list(scanner.forms.items())
    for group in (every[at : at + _TOGETHER] for at in range(0, len(every), _TOGETHER)):
        wanted = {said for _, said in group}
        data = b" ".join(form for form, _ in group)
        for name, planted in _containers(data, dice):
            seen = {(hit.canary, hit.form) for hit in scanner.scan("planted", planted)}
            found[f"forms found in {name}"] += len(wanted & seen)
            missed += [f"the scan did not see {canary} as {form} in {name}" for _, form in sorted(wanted - seen)]
    return dict(found), missed


def _containers(data: bytes, dice: random.Random) -> Iterator[tuple[str, bytes]]:
    def noise() -> bytes:
        return dice.randbytes(dice.randint(50, 120))

    yield "noise", noise() + data + noise()
    yield "gzip", noise() + gzip.compress(noise() + data + noise()) + noise()
    yield "zlib", noise() + zlib.compress(data + noise()) + noise()
    for words in (b"", *DICTIONARIES.values()):
        packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, words)
        text = b'{"op":"create","person":{"name":"' + data + b'"}}'
        yield "raw deflate", noise() + packer.compress(text) + packer.flush() + noise()
    shift = dice.randint(0, 2)
    yield "base64", noise() + b" " + base64.b64encode(bytes(shift) + data + noise()) + b" " + noise()


def unseen(tally: Tally) -> tuple[str, ...]:
    """The trip on PostgreSQL belongs to the release figure."""
    return () if tally.counts.get("trip on PostgreSQL") else ("the trip on PostgreSQL was not made",)


PART = Part(
    name="T7",
    title="canary scan",
    unit="scenarios",
    holds_when="no canary is found where it should not be, and each planted one is",
    ci=CASES,
    release=CASES,
    chunk=4,
    run=run,
    demand=unseen,
)
