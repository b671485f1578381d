"""T1 and T14 at the CI figure, and that the simulator is deterministic, meets every fault, and sees what is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter

import pytest

from field_app.store.outbox import Outbox
from tests.faults.simulation.case import play, workshop
from tests.faults.simulation.faults import CELLS, TABLE, Fault
from tests.faults.simulation.part import PART, run
from tests.faults.simulation.schedule import Schedule, draw
from tests.faults.simulation.shrink import same_kind, shrunk
from tests.faults.simulation.strike import STRIKES
from tests.proof.part import in_ci, require_clean
from tests.support.repository import ROOT


@pytest.mark.parametrize(("first", "count"), in_ci(PART, 10))
def test_nothing_is_lost_doubled_or_stuck(first: int, count: int) -> None:
    require_clean(PART, run(first, count))


def test_every_fault_has_an_effect() -> None:
    assert TABLE.keys() == STRIKES.keys() == set(Fault)


def test_two_rounds_of_the_table_meet_every_fault_at_every_step() -> None:
    planned = Counter(
        f"{e.what.value} x {e.step.value}" for seed in range(2 * len(CELLS)) for e in draw(seed).entries if isinstance(e.what, Fault)
    )  # fmt: skip
    assert set(CELLS) <= planned.keys()


def test_the_same_case_twice_has_the_same_log_also_in_another_process() -> None:
    cases = range(40)
    with workshop():
        first = [play(draw(case)).digest for case in cases]
        assert [play(draw(case)).digest for case in cases] == first
    asked = "from tests.faults.simulation.case import *; from tests.faults.simulation.schedule import draw\n"
    asked += "with workshop():\n print(*(play(draw(case)).digest for case in range(40)))"
    told = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, check=True, cwd=ROOT, text=True, env=os.environ | {"PYTHONHASHSEED": "7"}
    )  # fmt: skip
    assert told.stdout.split() == first


def test_a_lost_row_is_seen_and_made_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control run: bytes that go at once are missed after a restore, in a schedule of a save, a backup and a restore."""

    def pruned(self: Outbox, tx: object, before: object) -> int:
        tx.conn.execute("UPDATE outbox SET envelope = NULL WHERE state = 'accepted'")  # type: ignore[attr-defined]
        return 0

    monkeypatch.setattr(Outbox, "prune", pruned)
    with workshop():
        found = next(
            o for case in range(200) if _restores(draw(case)) and (o := (case, play(draw(case))))[1].violations
        )
        case, outcome = found
        short = shrunk(draw(case), same_kind(outcome.violations, lambda tried: play(tried).violations))
        assert play(short).violations
    assert len(short.entries) < len(draw(case).entries)
    assert len(short.entries) <= 5


def _restores(schedule: Schedule) -> bool:
    return any(entry.what is Fault.RESTORE for entry in schedule.entries)
