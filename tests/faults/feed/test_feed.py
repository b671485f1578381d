"""T11 in continuous integration, and that it sees: a cursor over a BIGSERIAL column is found to miss rows."""

from __future__ import annotations

import pytest

from tests.faults.feed import numberings
from tests.faults.feed.part import PART, run
from tests.faults.feed.race import READERS, Seen, Step, judge, plan, run_race
from tests.proof.part import in_ci, require_clean


@pytest.fixture(autouse=True)
def _server(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("postgres"):
        numberings.use(request.getfixturevalue("postgres_server"))


@pytest.mark.postgres
@pytest.mark.parametrize(("first", "count"), in_ci(PART, 4))
def test_no_follower_misses_a_row(first: int, count: int) -> None:
    tally = run(first, count)
    require_clean(PART, tally)
    assert not PART.demand(tally)


@pytest.mark.postgres
def test_the_control_misses_rows() -> None:
    """A number that is given before the commit becomes visible after higher ones."""
    missed: list[str] = []
    for first in range(0, 20_000, 2_000):
        work = plan(first, 2_000)
        with numberings.serial() as numbering:
            missed += [v.sentence for v in judge(work, run_race(numbering, work)) if "never got it" in v.sentence]
        if missed:
            break
    assert missed


def test_the_judge_sees_each_fault() -> None:
    names = [f"{n:032x}" for n in range(4)]
    work = [[Step(tuple((READERS[0], name) for name in names), 0, 0)]]
    seen = {reader: Seen() for reader in READERS}
    seen[READERS[0]].rows = [(1, names[0]), (3, names[2]), (2, names[1]), (2, names[1])]
    seen[READERS[1]].rows = [(1, names[0])]
    told = sorted({(v.case, v.sentence) for v in judge(work, seen)})
    assert told == [
        (0, "r1 was given somebody else's row"),
        (1, "r0 got it out of order"),
        (1, "r0 was given it 2 times"),
        (3, "r0 never got it"),
    ]


def test_the_same_rows_have_the_same_plan() -> None:
    assert plan(5_000, 300) == plan(5_000, 300)
    assert plan(5_000, 300) != plan(0, 300)
