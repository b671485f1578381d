"""T11: PostgreSQL's feed keeps commit order: six writers that commit late, three followers that read by a cursor meanwhile.

A case is a row of the feed. A stretch is one race over a database of its own, in heats; who writes what and how long each transaction
holds is the same for the same numbers, who is first is the machine's.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from tests.faults.feed.numberings import ledger
from tests.faults.feed.race import judge, plan, run_race
from tests.proof.part import Part, Tally, Violation, stretches

HEAT: Final = 5_000


def run(first: int, count: int) -> Tally:
    """Race for the rows from `first` on."""
    counts: Counter[str] = Counter()
    violations: list[Violation] = []
    for start, n in stretches(count, HEAT, first=first):
        work = plan(start, n)
        with ledger() as numbering:
            seen = run_race(numbering, work)
        violations += judge(work, seen)
        counts["transactions"] += sum(map(len, work))
        counts["held back before the commit"] += sum(step.held_ms > 0 for steps in work for step in steps)
        counts["pages read meanwhile"] += sum(one.pages for one in seen.values())
        counts["rows seen"] += sum(len(one.rows) for one in seen.values())
    return Tally(cases=count, counts=dict(counts), violations=tuple(violations))


def _demand(tally: Tally) -> list[str]:
    seen = tally.counts.get("rows seen", 0)
    return [] if seen == tally.cases else [f"{seen} rows were seen of {tally.cases}"]


PART: Final = Part(
    name="T11",
    title="PostgreSQL feed order",
    unit="rows",
    holds_when="every follower sees each of its rows once, in order, whenever the writers commit",
    ci=20_000,
    release=100_000,
    chunk=10_000,
    run=run,
    demand=_demand,
)
