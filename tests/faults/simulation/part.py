"""T1 and T14: whole devices and the real case system under every fault at every step, until all is healed and at rest."""

from __future__ import annotations

from collections import Counter
from typing import Final

from tests.faults.simulation.case import play, workshop
from tests.faults.simulation.faults import CELLS
from tests.faults.simulation.schedule import draw
from tests.proof.part import Part, Tally, Violation

WANTED: Final = 100  # hits of each fault at each step, in a release


def run(first: int, count: int) -> Tally:
    """Play these cases."""
    counts: Counter[str] = Counter()
    violations: list[Violation] = []
    with workshop():
        for number in range(first, first + count):
            outcome = play(draw(number))
            counts.update(outcome.counts)
            violations += [Violation(case=number, sentence=sentence) for sentence in outcome.violations]
    return Tally(cases=count, counts=dict(counts), violations=tuple(violations))


def _demand(tally: Tally) -> list[str]:
    wanted = max(1, WANTED * tally.cases // PART.release)
    return [
        f"'{name}' was met {tally.counts.get(name, 0)} times; {wanted} are asked for"
        for name in CELLS
        if tally.counts.get(name, 0) < wanted
    ]


PART: Final = Part(
    name="T1",
    title="simulation of devices and case system, with T14 restore drill",
    unit="schedules",
    holds_when="0 lost, 0 duplicated, 0 stuck, 0 double notices, every picture the truth; every fault at every step met",
    ci=1_000,
    release=100_000,
    chunk=500,
    run=run,
    demand=_demand,
)
