"""A part that proves nothing, for the tests of the programme itself: case 7 breaks a promise."""

from __future__ import annotations

from tests.proof.part import Part, Tally, Violation


def run(first: int, count: int) -> Tally:
    """Count the cases; the seventh is a violation."""
    cases = range(first, first + count)
    told = tuple(Violation(case=case, sentence="seven is not allowed") for case in cases if case == 7)
    return Tally(cases=count, counts={"even": sum(case % 2 == 0 for case in cases)}, violations=told)


PART = Part(
    name="T0",
    title="an example",
    unit="numbers",
    holds_when="no number is seven",
    ci=4,
    release=20,
    chunk=5,
    run=run,
    demand=lambda tally: () if tally.counts.get("even", 0) >= 10 else ("fewer than ten even numbers",),
)
