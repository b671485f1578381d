"""T7: the trip is clean, and the scan sees what it is there for."""

from __future__ import annotations

import pytest

from tests.faults.canary import part
from tests.faults.canary.canaries import CANARIES, CORES
from tests.faults.canary.part import CASES, PART, run
from tests.proof.part import require_clean
from tests.support.postgres import PostgresServer


def test_nothing_that_was_typed_got_out() -> None:
    tally = run(0, 1)
    require_clean(PART, tally)
    assert tally.counts["trip on SQLite"] == 1


@pytest.mark.postgres
def test_nothing_that_was_typed_got_out_on_postgresql(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part, "server", lambda: postgres_server)
    tally = run(1, 1)
    require_clean(PART, tally)
    assert not part.unseen(tally)


def test_the_scan_sees_each_leak() -> None:
    require_clean(PART, run(2, 1))


@pytest.mark.parametrize("number", range(3, CASES))
def test_the_scan_sees_each_form_of_each_canary(number: int) -> None:
    require_clean(PART, run(number, 1))


def test_each_core_is_in_its_canary_and_in_no_other() -> None:
    typed = [core for name, core in CORES.items() if name not in ("latitude", "longitude", "birth", "pin")]
    for core in typed:
        assert sum(core in canary for canary in CANARIES.values()) == 1
