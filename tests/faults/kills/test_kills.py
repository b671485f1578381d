"""T3 in continuous integration, and that it sees: a store that commits later than it says, a dispatcher that records what it has not sent."""

from __future__ import annotations

import pytest

from tests.faults.disk.needs import need_compiler
from tests.faults.kills.nursery import CARELESS, HASTY
from tests.faults.kills.part import PART, run
from tests.proof.part import in_ci, require_clean


@pytest.fixture(autouse=True)
def compiler() -> None:
    need_compiler()


@pytest.mark.parametrize(("first", "count"), in_ci(PART, 3))
def test_no_kill_breaks_a_promise(first: int, count: int) -> None:
    tally = run(first, count)
    require_clean(PART, tally)
    assert tally.counts.get("too late", 0) < count / 2


def test_a_store_that_commits_later_than_it_says_is_found() -> None:
    tally = run(0, 10, CARELESS)
    assert any("is not there" in v.sentence or "is lost" in v.sentence for v in tally.violations)


def test_a_dispatcher_that_records_before_it_sends_is_found() -> None:
    found = (any("forgotten" in v.sentence for v in run(case, 1, HASTY).violations) for case in range(15, 400, 50))
    assert any(found), "one case can miss it: the process may die at a notice that goes to nobody's telephone"
