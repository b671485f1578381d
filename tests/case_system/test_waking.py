"""Hours: how they are written, when they are open, and what rings in spite of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from case_system.waking import DAYS, BadHours, at_night, next_open, spans, written
from referral.model import Whereabouts
from referral.views import NoticeKind

ZONE = "America/New_York"
TUESDAY_NIGHT = datetime(2026, 3, 3, 7, 10, tzinfo=UTC)  # 02:10 in Baltimore

_TIMES = st.times().map(lambda t: f"{t:%H:%M}")
_TEXTS = st.lists(
    st.builds(lambda a, b, t, u: f"{a}-{b} {t}-{u}", st.sampled_from(DAYS), st.sampled_from(DAYS), _TIMES, _TIMES),
    max_size=5,
).map(", ".join)


def opens(text: str, now: datetime = TUESDAY_NIGHT) -> datetime:
    return next_open(spans(text), now, ZONE)


def test_a_channel_without_hours_is_always_open() -> None:
    assert spans("") == ()
    assert opens("") == TUESDAY_NIGHT


def test_hours_are_the_programmes_own() -> None:
    assert opens("mon-fri 07:00-22:00") == datetime(2026, 3, 3, 12, 0, tzinfo=UTC)
    midday = datetime(2026, 3, 3, 17, 0, tzinfo=UTC)
    assert opens("mon-fri 07:00-22:00", midday) == midday
    assert opens("sat 09:00-12:00", midday) == datetime(2026, 3, 7, 14, 0, tzinfo=UTC)
    assert opens("sun 09:00-12:00", midday) == datetime(2026, 3, 8, 13, 0, tzinfo=UTC)  # summer time began


def test_a_night_goes_over_midnight_and_a_week_over_its_end() -> None:
    assert opens("mon 22:00-06:00") == TUESDAY_NIGHT
    assert opens("tue 22:00-06:00") == datetime(2026, 3, 4, 3, 0, tzinfo=UTC)
    assert [span.days for span in spans("sat-mon 08:00-09:00")] == [(5, 6, 0)]
    assert opens("mon-sun 00:00-00:00") == TUESDAY_NIGHT


@pytest.mark.parametrize("text", ["always", "mon 7:00-8:00", "mon 07:00", "xyz 07:00-08:00", "mon 25:00-26:00", "mon-tue", "mon 07:00-08:00," * 15])  # fmt: skip
def test_what_is_not_hours_is_refused(text: str) -> None:
    with pytest.raises(BadHours):
        spans(text)


@given(_TEXTS, st.timedeltas(timedelta(0), timedelta(days=365)).map(lambda d: TUESDAY_NIGHT + d))
def test_hours_open_within_eight_days_and_are_open_then(text: str, now: datetime) -> None:
    hours = spans(text)
    assert spans(written(hours)) == hours
    at = next_open(hours, now, ZONE)
    assert now <= at <= now + timedelta(days=8)
    assert next_open(hours, at, ZONE) == at


def test_only_somebody_on_the_way_rings_at_night() -> None:
    ringing = {w for w in Whereabouts if at_night(NoticeKind.HANDOFF_OFFERED, w)}
    assert ringing == {Whereabouts.COMING_IN, Whereabouts.CASE_MANAGER_COMING}
    assert not at_night(NoticeKind.NEW_SOCIAL_CONTACT, Whereabouts.COMING_IN)
    assert not at_night(NoticeKind.HANDOFF_OFFERED, None)
