"""T9 in continuous integration, and that it sees: seeded defects of the door, the table and the contract are found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from structlog.testing import capture_logs

from case_system import auth, effects
from case_system.desk import frame, referral
from case_system.desk.frame import Visit
from case_system.grants import DESK_ROUTES
from case_system.service import CaseService
from case_system.store import lookups
from referral.lifecycle import Role
from referral.operations import Op
from referral.port import SyncRequest, SyncResponse
from tests.faults.api.forms import FORMS
from tests.faults.api.pages import ROUTES, missing
from tests.faults.api.part import BLOCK, PART, api, run
from tests.proof.part import in_ci, require_clean


@pytest.fixture(autouse=True)
def laid() -> None:
    """The town is laid by the code as it is, whatever a test then breaks."""
    api()


@pytest.mark.parametrize(("first", "count"), in_ci(PART, 4))
def test_the_api_keeps_its_word(first: int, count: int) -> None:
    require_clean(PART, run(first, count))


def seen(sentence: str) -> bool:
    """Whether one of the first five blocks of cases gives it away."""
    blocks = (run(first, BLOCK) for first in range(0, 5 * BLOCK, BLOCK))
    return any(sentence in violation.sentence for block in blocks for violation in block.violations)


def test_the_same_cases_are_the_same() -> None:
    assert run(0, BLOCK).counts == run(0, BLOCK).counts


def test_a_server_error_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    right = CaseService.sync

    def breaks(self: CaseService, token: str, request: SyncRequest) -> SyncResponse:
        if request.generation is not None:
            raise OverflowError
        return right(self, token, request)

    monkeypatch.setattr(CaseService, "sync", breaks)
    assert seen("server error 500")


def test_an_answer_that_is_not_as_published_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    right = CaseService.sync

    def other(self: CaseService, token: str, request: SyncRequest) -> SyncResponse:
        return replace(right(self, token, request), epoch=7)  # type: ignore[arg-type]

    monkeypatch.setattr(CaseService, "sync", other)
    assert seen("violates schema")


def test_a_role_that_does_what_it_may_not_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "may", lambda *_: True)
    monkeypatch.setattr(effects, "may_act", lambda *_: True)
    assert seen("authorisation bypass")


def test_an_append_token_that_reads_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    real = lookups.device_of
    monkeypatch.setattr(lookups, "device_of", lambda row, *, may_pull: real(row, may_pull=True))
    assert seen("authorisation bypass: changes for")


def test_a_page_that_breaks_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(visit: Visit) -> datetime:
        return datetime.fromtimestamp(int(visit.text("seen") or "0"), UTC)  # milliseconds taken for seconds

    monkeypatch.setattr(referral, "_since", breaks)
    assert seen("server error 500: POST /desk/do")


def test_a_page_that_opens_for_everybody_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame, "DESK_ROUTES", dict.fromkeys(DESK_ROUTES, frozenset(Role)))
    assert seen("authorisation bypass: answered")


def test_a_form_that_no_page_made_and_is_taken_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "_csrf", lambda token: "0" * 64)
    assert seen("a form without the session's token was taken")


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[Any]:
    """Faults are logged, which is right, and many."""
    with caplog.at_level("CRITICAL"), capture_logs():  # what nobody has set up is drawn in colours, half a second each
        yield


def test_most_operations_and_pages_are_in_reach() -> None:
    """Half of what is sealed is what the role may do, so that rules behind the door are met."""
    counts = run(0, 1000).counts
    met = {op for op in Op if any(counts.get(f"{op} {outcome}") for outcome in ("accepted", "needs_attention"))}
    assert len(met) > 8
    assert len(missing(counts)) < 20


def test_every_form_of_the_desk_is_filled_in() -> None:
    assert set(FORMS) == {route for route in ROUTES if route.startswith("POST")}
