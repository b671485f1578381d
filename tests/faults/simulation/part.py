"""T1 and T14: whole devices and the real case system under every fault at every step, until all is healed and at rest."""

from __future__ import annotations

from collections import Counter
from typing import Final

from case_system.desk.steps import BUTTONS
from referral.operations import OPERATIONS
from tests.faults.simulation.case import play, workshop
from tests.faults.simulation.decisions import done_by
from tests.faults.simulation.desk import DEEDS
from tests.faults.simulation.faults import CELLS
from tests.faults.simulation.schedule import draw
from tests.proof.part import Part, Tally, Violation

WANTED: Final = 100  # hits of each fault at each step, in a release
ONCE: Final = 10  # of each operation accepted, and of each deed of the desk


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


# Everything that may be done, by whom it can be: each accepted at least so often, and each other deed of the desk done.
ACCEPTED: Final = tuple(done_by(op, desk=not rule.from_device) for op, rule in OPERATIONS.items()) + tuple(
    dict.fromkeys(done_by(b.op, desk=True) for b in BUTTONS if OPERATIONS[b.op].from_device)
)


def _demand(tally: Tally) -> list[str]:
    wanted = dict.fromkeys(CELLS, WANTED) | dict.fromkeys((*ACCEPTED, *DEEDS), ONCE)
    least = {name: max(1, many * tally.cases // PART.release) for name, many in wanted.items()}
    return [
        f"'{name}' was met {tally.counts.get(name, 0)} times; {many} are asked for"
        for name, many in least.items()
        if tally.counts.get(name, 0) < many
    ]


PART: Final = Part(
    name="T1",
    title="simulation of devices and case system, with T14 restore drill",
    unit="schedules",
    holds_when="0 lost, 0 duplicated, 0 stuck, 0 double notices, every picture the truth; every fault at every step met, every operation accepted",
    ci=2_000,
    release=100_000,
    chunk=500,
    run=run,
    demand=_demand,
)
