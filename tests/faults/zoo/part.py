"""T1b: the bug zoo. Each case is one seeded defect, which the simulator or its own test must find."""

from __future__ import annotations

from collections import Counter
from typing import Final

from tests.faults.zoo.hunt import DEFECTS, hunt
from tests.proof.part import Part, Tally, Violation


def run(first: int, count: int) -> Tally:
    """Hunt these defects."""
    counts: Counter[str] = Counter()
    violations: list[Violation] = []
    for case in range(first, first + count):
        defect = DEFECTS[case]
        found = hunt(defect)
        if found is None:
            violations.append(
                Violation(case=case, sentence=f"the defect '{defect.name}' ({defect.breaks}) was not found")
            )
            continue
        counts["found"] += 1
        counts["schedules"] += found.schedules
        counts[f"{defect.name}: schedules"] = found.schedules
    return Tally(cases=count, counts=dict(counts), violations=tuple(violations))


PART: Final = Part(
    name="T1b",
    title="bug zoo",
    unit="seeded defects",
    holds_when="each is found within 1,000 schedules of the simulator, or by its own test",
    ci=len(DEFECTS),
    release=len(DEFECTS),
    chunk=4,
    run=run,
)
