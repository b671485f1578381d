"""S9: full jitter under a doubling ceiling, Retry-After, and clocks that jump."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from field_app.sync.backoff import CEILING_S, FRESH, Backoff, after_failure, ceiling_s, due, parse_retry_after

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def longest(low: float, high: float) -> float:
    return high


def shortest(low: float, high: float) -> float:
    return low


def waited(backoff: Backoff) -> float:
    assert backoff.set_at is not None
    assert backoff.next_at is not None
    return (backoff.next_at - backoff.set_at).total_seconds()


def test_the_ceiling_doubles_up_to_a_quarter_of_an_hour() -> None:
    backoff, waits = FRESH, []
    for _ in range(12):
        backoff = after_failure(backoff, NOON, longest)
        waits.append(waited(backoff))
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]
    assert ceiling_s(10_000) == CEILING_S


def test_jitter_is_full() -> None:
    assert waited(after_failure(Backoff(failures=8), NOON, shortest)) == 0
    drawn = [waited(after_failure(Backoff(failures=8), NOON, random.Random(n).uniform)) for n in range(400)]
    assert min(drawn) < 40
    assert max(drawn) > 470
    assert 230 < sum(drawn) / len(drawn) < 282


def test_retry_after_is_a_floor_capped_at_an_hour() -> None:
    assert waited(after_failure(FRESH, NOON, shortest, 120)) == 120
    assert waited(after_failure(FRESH, NOON, longest, 120)) == 132
    assert waited(after_failure(FRESH, NOON, shortest, 86_400)) == 3600
    assert waited(after_failure(Backoff(failures=9), NOON, longest, 1)) == 900
    assert waited(after_failure(FRESH, NOON, shortest, -5)) == 0


def test_a_wait_ends_when_its_time_has_come() -> None:
    backoff = after_failure(FRESH, NOON, longest)
    assert not due(backoff, NOON)
    assert not due(backoff, NOON + timedelta(seconds=1.9))
    assert due(backoff, NOON + timedelta(seconds=2))
    assert due(FRESH, NOON)


@given(st.floats(1, 10**9))
def test_a_clock_that_was_put_back_ends_the_wait(back: float) -> None:
    assert due(after_failure(Backoff(failures=9), NOON, longest), NOON - timedelta(seconds=back))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("99999", 3600.0),
        ("9" * 5000, 3600.0),
        ("Mon, 02 Mar 2026 12:00:30 GMT", 30.0),
        ("Mon, 02 Mar 2026 11:00:00 GMT", 0.0),
        ("Tue, 03 Mar 2026 12:00:00 GMT", 3600.0),
        ("Mon, 02 Mar 2026 12:00:30 -0000", 30.0),
        ("", None),
        (None, None),
        ("soon", None),
        ("-3", None),
        ("1.5", None),
        ("٣", None),
        ("Mon, 99 Mar 2026 12:00:30 GMT", None),
    ],
)
def test_retry_after_is_read_in_both_forms(text: str | None, seconds: float | None) -> None:
    assert parse_retry_after(text, NOON) == seconds


def test_a_half_set_wait_cannot_be_built() -> None:
    with pytest.raises(ValueError, match=r"^a back-off needs a count from 0, and both moments or none$"):
        Backoff(failures=1, set_at=NOON)
    with pytest.raises(ValueError, match="count"):
        Backoff(failures=-1)
