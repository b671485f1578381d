"""T7: the trip is clean, and the scan sees what it is there for."""

from __future__ import annotations

import pytest

from referral.dictionary import DICTIONARIES
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


@pytest.mark.parametrize("core", CORES.values(), ids=CORES)
def test_no_core_is_nearly_in_the_dictionary(core: str) -> None:
    """Sealed bytes that happen to look like a packed stream may refer to the dictionary; one more letter was once enough for a hit."""
    for text in (core.lower().encode(), core[::-1].lower().encode()):
        for dictionary in DICTIONARIES.values():
            known = max(
                b - a for a in range(len(text)) for b in range(a, len(text) + 1) if text[a:b] in dictionary.lower()
            )
            assert len(text) - known >= 5


def test_each_core_is_in_its_canary_and_in_no_other() -> None:
    typed = [core for name, core in CORES.items() if name not in ("latitude", "longitude", "birth", "pin")]
    for core in typed:
        assert sum(core in canary for canary in CANARIES.values()) == 1
