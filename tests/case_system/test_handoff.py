"""The ladder and the notices: who is rung, when, and that only a named person answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from case_system.handoff import (
    NOTICE_TABLE,
    Climb,
    IllegalNoticeStep,
    Ladder,
    NoticeState,
    NoticeStep,
    Posts,
    advance_notice,
    climb,
    due_for,
)
from referral.model import Urgency, UserId
from referral.views import NoticeKind
from tests.support.packs import baltimore

NOW = datetime(2026, 3, 3, 7, 10, tzinfo=UTC)
CM, PEER, ONCALL, SUP, SAO1, SAO2 = map(UserId, ("cm", "peer", "oncall", "sup", "sao1", "sao2"))
POSTS = Posts(duty=(CM, PEER), on_call=(ONCALL,), supervisors=(SUP,), sao=(SAO1, SAO2))


@pytest.mark.parametrize("state", NoticeState)
@pytest.mark.parametrize("step", NoticeStep)
def test_a_notice_moves_only_where_its_table_says(state: NoticeState, step: NoticeStep) -> None:
    if (state, step) in NOTICE_TABLE:
        assert advance_notice(state, step) is NOTICE_TABLE[state, step]
    else:
        with pytest.raises(IllegalNoticeStep):
            advance_notice(state, step)


def test_an_acknowledged_notice_never_comes_back() -> None:
    assert not [step for state, step in NOTICE_TABLE if state is NoticeState.ACKNOWLEDGED]


def rung(after: float, posts: Posts = POSTS, ladder: Ladder = Ladder.HANDOFF) -> list[tuple[str, str]]:
    """Everyone who is rung when somebody looks for the first time `after` minutes."""
    offer = Climb(ladder=ladder, round=1, started_at=NOW)
    up = climb(offer, NOW + timedelta(minutes=after), posts, baltimore().timers)
    return [(r.recipient, r.kind.value) for r in up.rings]


def test_the_handoff_ladder_rings_at_0_3_and_6_minutes() -> None:
    pair = [("cm", "handoff_offered"), ("peer", "handoff_offered")]
    assert rung(0) == pair
    assert rung(2.99) == pair
    assert rung(3) == [*pair, ("oncall", "handoff_escalated")]
    assert rung(6) == [*pair, ("oncall", "handoff_escalated"), ("sup", "handoff_escalated")]
    assert rung(6000) == rung(6)


def test_the_reviewers_are_rung_at_0_5_and_10_minutes() -> None:
    assert rung(0, ladder=Ladder.SAO) == [("sao1", "sao_review")]
    assert rung(5, ladder=Ladder.SAO) == [("sao1", "sao_review"), ("sao2", "sao_review")]
    assert len(rung(10, ladder=Ladder.SAO)) == 4  # the third is missing: both again


def test_a_rung_with_nobody_on_it_takes_no_time() -> None:
    without_duty = Posts(on_call=(ONCALL,), supervisors=(SUP,))
    assert rung(0, without_duty) == [("oncall", "handoff_escalated")]
    assert rung(3, without_duty) == [("oncall", "handoff_escalated"), ("sup", "handoff_escalated")]
    assert rung(0, Posts(supervisors=(SUP,))) == [("sup", "handoff_escalated")]
    assert rung(0, Posts()) == []


def test_nobody_is_rung_twice_in_a_round_and_time_unanswered_shows() -> None:
    offer = Climb(ladder=Ladder.HANDOFF, round=1, started_at=NOW)
    first = climb(offer, NOW, POSTS, baltimore().timers)
    assert not first.unanswered
    assert first.climb.wake_at == NOW + timedelta(minutes=3)
    both = Posts(duty=(CM,), on_call=(CM, ONCALL), supervisors=(SUP,))
    again = climb(
        first.climb, NOW + timedelta(minutes=3), both, baltimore().timers,
        rung_already=frozenset({(CM, NoticeKind.HANDOFF_OFFERED, 1)}),
    )  # fmt: skip
    assert [r.recipient for r in again.rings] == [ONCALL]
    assert again.unanswered
    last = climb(again.climb, NOW + timedelta(minutes=6), both, baltimore().timers)
    assert (last.climb.wake_at, last.climb.rungs) == (None, 3)


def test_what_does_not_ring_at_night_waits_for_hours_or_for_the_digest() -> None:
    hours = baltimore().hours
    tuesday_night = NOW  # 02:10 in Baltimore
    assert due_for(Urgency.TODAY, tuesday_night, hours) == datetime(2026, 3, 3, 14, 0, tzinfo=UTC)
    assert due_for(Urgency.ROUTINE, tuesday_night, hours) == datetime(2026, 3, 3, 13, 0, tzinfo=UTC)
    midday = datetime(2026, 3, 3, 17, 0, tzinfo=UTC)
    assert due_for(Urgency.TODAY, midday, hours) == midday
    assert due_for(None, midday, hours) == datetime(2026, 3, 4, 13, 0, tzinfo=UTC)
    friday_evening = datetime(2026, 3, 6, 23, 0, tzinfo=UTC)
    assert due_for(Urgency.TODAY, friday_evening, hours) == datetime(2026, 3, 9, 13, 0, tzinfo=UTC)  # summer time began
