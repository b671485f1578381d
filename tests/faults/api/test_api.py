"""T9 in continuous integration, and that it sees: seeded defects of the door, the table and the contract are found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from case_system import effects
from case_system.service import CaseService
from case_system.store import lookups
from referral.operations import Op
from referral.port import SyncRequest, SyncResponse
from tests.faults.api.part import PART, run
from tests.proof.part import in_ci, require_clean


@pytest.mark.parametrize(("first", "count"), in_ci(PART, 10))
def test_the_api_keeps_its_word(first: int, count: int) -> None:
    require_clean(PART, run(first, count))


def sentences(first: int = 0, count: int = 200) -> str:
    return "\n".join(violation.sentence for violation in run(first, count).violations)


def test_the_same_cases_are_the_same() -> None:
    assert run(0, 100).counts == run(0, 100).counts


def test_a_server_error_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    right = CaseService.sync

    def breaks(self: CaseService, token: str, request: SyncRequest) -> SyncResponse:
        if request.generation is not None:
            raise OverflowError
        return right(self, token, request)

    monkeypatch.setattr(CaseService, "sync", breaks)
    assert "server error 500" in sentences()


def test_an_answer_that_is_not_as_published_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    right = CaseService.sync

    def other(self: CaseService, token: str, request: SyncRequest) -> SyncResponse:
        return replace(right(self, token, request), epoch=7)  # type: ignore[arg-type]

    monkeypatch.setattr(CaseService, "sync", other)
    assert "violates schema" in sentences()


def test_a_role_that_does_what_it_may_not_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "may", lambda *_: True)
    monkeypatch.setattr(effects, "may_act", lambda *_: True)
    assert "authorisation bypass" in sentences()


def test_an_append_token_that_reads_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    real = lookups.device_of
    monkeypatch.setattr(lookups, "device_of", lambda row, *, may_pull: real(row, may_pull=True))
    assert "authorisation bypass: changes for" in sentences()


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[Any]:
    """Faults are logged, which is right, and many."""
    with caplog.at_level("CRITICAL"), capture_logs():  # what nobody has set up is drawn in colours, half a second each
        yield


def test_every_operation_is_in_reach() -> None:
    """Half of what is sealed is what the role may do, so that rules behind the door are met."""
    counts = run(0, 300).counts
    met = {op for op in Op if any(counts.get(f"{op} {outcome}") for outcome in ("accepted", "needs_attention"))}
    assert len(met) > 8
