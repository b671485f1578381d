"""The custody clock, and the sentence of a referral that came late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from referral import custody, late
from referral.custody import CustodyClock
from referral.lifecycle import Handoff
from referral.model import Whereabouts, Willing
from tests.support.device import arrest, social

NOW = datetime(2026, 3, 3, 7, 10, tzinfo=UTC)


def test_the_clock_starts_when_the_arrest_happened_and_never_after_it_was_received() -> None:
    before = NOW - timedelta(minutes=20)
    assert custody.started(arrest(), NOW, NOW) == NOW
    assert custody.started(arrest(occurred_at=before), NOW, NOW) == before
    ahead = arrest(occurred_at=NOW + timedelta(days=400))  # a clock that is wrong by years
    assert custody.started(ahead, NOW, NOW) == NOW
    assert custody.started(social(), NOW, NOW) is None
    assert custody.started(arrest(willing=Willing.NO), NOW, NOW) is None


@pytest.mark.parametrize("where", [Whereabouts.BOOKED, Whereabouts.TRANSFERRED, Whereabouts.RELEASED])
def test_nobody_waits_who_is_booked_moved_on_or_let_go(where: Whereabouts) -> None:
    assert custody.clock(arrest(whereabouts=where), NOW, NOW) is None


def test_a_clock_tells_how_long_and_whether_that_is_past_the_goal() -> None:
    clock = custody.clock(arrest(), NOW, NOW + timedelta(minutes=31))
    assert clock == CustodyClock(started_at=NOW)
    assert clock.runs
    assert clock.lasted(NOW + timedelta(minutes=31)) == timedelta(minutes=31)
    assert clock.past(NOW + timedelta(minutes=31), 30)
    assert not clock.past(NOW + timedelta(minutes=30), 30)
    over = CustodyClock(started_at=NOW, ended_at=NOW + timedelta(minutes=5))
    assert over.lasted(NOW + timedelta(days=9)) == timedelta(minutes=5)
    assert CustodyClock(started_at=NOW).lasted(NOW - timedelta(hours=1)) == timedelta(0)


def test_a_late_referral_says_so_in_the_programmes_time() -> None:
    received = NOW + timedelta(hours=4, minutes=30)
    assert late.sentence(NOW, received, "America/New_York") == (
        "Recorded 02:10, received 06:40. Check whether they were met."
    )
    assert late.sentence(NOW, received, "America/New_York", "es").startswith("Registrado 02:10, recibido 06:40.")
    assert late.sentence(NOW, NOW + timedelta(days=1), "America/New_York").startswith("Recorded 2026-03-03 02:10,")


def test_nobody_is_asked_once_it_is_known_how_it_ended() -> None:
    asked = {handoff for handoff in Handoff if late.asks(late=True, handoff=handoff)}
    assert asked == {Handoff.NONE, Handoff.OFFERED, Handoff.ACCEPTED, Handoff.REDIRECTED}
    assert not late.asks(late=False, handoff=Handoff.OFFERED)
