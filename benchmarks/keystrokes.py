"""suggest: the places that are offered at each keystroke, typed letter by letter, beside one frame of a 60 Hz screen."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from benchmarks.figures import Figure, middle, percentile, spread
from benchmarks.watch import timed
from referral.place import locate, suggest
from tools.synthetic import baltimore

BENCH = "suggest"
FRAME_MS = 1000 / 60


def run(*, n: int = 60) -> Iterator[Figure]:
    """Type `n` blocks and corners of the pack."""
    pack, rng = baltimore(), Random(9)
    places = rng.sample([*(block.text for block in pack.blocks), *(corner.text for corner in pack.corners)], n)
    suggest("a", pack)  # the index is made once
    typed = [text[:end] for text in places for end in range(1, len(text) + 1)]
    offered = [1e3 * timed(lambda said=said: suggest(said, pack, 6)).wall for said in typed]  # type: ignore[misc]
    whole = [1e3 * timed(lambda said=said: (locate(said, pack), suggest(said, pack, 6))).wall for said in typed]  # type: ignore[misc]
    beside = "one frame at 60 Hz"
    yield Figure(
        bench=BENCH,
        what=f"suggest(), p50 of {len(typed):,} keystrokes",
        value=middle(offered),
        unit="ms",
        spread=spread(offered),
        against=FRAME_MS,
        beside=beside,
    )
    yield Figure(
        bench=BENCH,
        what="suggest() and locate(), as the form asks, p50",
        value=middle(whole),
        unit="ms",
        spread=spread(whole),
        against=FRAME_MS,
        beside=beside,
    )
    yield Figure(
        bench=BENCH,
        what="the same, p99",
        value=percentile(whole, 0.99),
        unit="ms",
        against=FRAME_MS,
        beside=beside,
        ratio_at_most=1.0,
    )
