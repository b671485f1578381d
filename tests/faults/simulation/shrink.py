"""Makes a failing schedule short: leaves out entries, many at a time and then one by one, as long as the same promise still breaks.

Delta debugging over a list (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002). Each entry has its
own dice, so what stays behaves as before. Must not know: what an entry means.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tests.faults.simulation.schedule import Schedule

Fails = Callable[[Schedule], bool]


def shrunk(schedule: Schedule, fails: Fails, *, plays: int = 200) -> Schedule:
    """A shorter schedule that fails too; none of its entries can be left out alone, if `plays` sufficed to find that."""
    best, size = schedule, max(1, len(schedule.entries) // 2)
    while size and plays:
        for at in range(0, len(best.entries), size):
            plays -= 1
            tried = replace(best, entries=best.entries[:at] + best.entries[at + size :])
            if len(tried.entries) < len(best.entries) and fails(tried):
                best = tried
                break
            if not plays:
                break
        else:
            size //= 2
    for phones in range(1, best.phones):
        fewer = replace(best, phones=phones)
        if fails(fewer):
            return fewer
    return best


def same_kind(first: tuple[str, ...], play: Callable[[Schedule], tuple[str, ...]]) -> Fails:
    """Fails like `first`: the same promise is broken, whichever device it is."""
    kind = _kind(first[0])
    return lambda schedule: any(_kind(sentence) == kind for sentence in play(schedule))


def _kind(sentence: str) -> str:
    return "".join(c for c in sentence if not c.isdigit())
