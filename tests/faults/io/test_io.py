"""T4 in continuous integration, and that it sees: a store that takes a full disk for a success."""

from __future__ import annotations

import pytest

from tests.faults.disk.needs import need_compiler
from tests.faults.io.child import CARELESS
from tests.faults.io.part import PART, calls, run
from tests.proof.part import in_ci, require_clean


@pytest.fixture(autouse=True)
def compiler() -> None:
    need_compiler()


@pytest.mark.parametrize(("first", "count"), in_ci(PART, 3))
def test_no_fault_of_the_disk_breaks_a_promise(first: int, count: int) -> None:
    tally = run(first, count)
    require_clean(PART, tally)
    assert tally.counts.get("not met", 0) <= count // 20


def test_the_figures_reach_every_call() -> None:
    assert calls() <= PART.ci


def test_a_store_that_hopes_for_room_is_found() -> None:
    tally = run(27, 27, CARELESS)  # full disks at saves
    assert any("called saved and is not there" in violation.sentence for violation in tally.violations)
