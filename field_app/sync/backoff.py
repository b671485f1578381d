"""When to try again: full jitter under a ceiling that doubles, Retry-After honoured, and no trust in the wall clock (S9).

    ceiling(n) = min(15 min, 2^n s)      after the n-th failure in a row the wait is drawn from [0, ceiling(n)]
    Retry-After: never before it (capped at 1 h), plus up to a tenth, so that many devices do not return at one moment

A wait remembers when it was set. If the wall clock stands before that moment, it was put back, and the wait is over rather
than longer by the jump. Pure: the moment and the source of chance are arguments. The source of the scheme: "Exponential
Backoff And Jitter", AWS Architecture Blog (full jitter); RFC 9110, 10.2.3 for Retry-After.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

CEILING_S = 15 * 60.0
RETRY_AFTER_CAP_S = 3600.0
Uniform = Callable[[float, float], float]  # random.Random().uniform, or a test's


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How often in a row it failed, and the wait that follows; as persisted."""

    failures: int = 0
    set_at: datetime | None = None
    next_at: datetime | None = None

    def __post_init__(self) -> None:
        if self.failures < 0 or (self.set_at is None) != (self.next_at is None):
            raise ValueError("a back-off needs a count from 0, and both moments or none")


FRESH = Backoff()


def ceiling_s(failures: int) -> float:
    """The longest wait after this many failures in a row, in seconds."""
    return min(CEILING_S, 2.0 ** min(failures, 30))


def after_failure(backoff: Backoff, now: datetime, uniform: Uniform, retry_after_s: float | None = None) -> Backoff:
    """The back-off after one more failure at `now`; `retry_after_s` is what the other side asked for, in seconds."""
    failures = backoff.failures + 1
    wait = uniform(0.0, ceiling_s(failures))
    if retry_after_s is not None:
        asked = min(max(retry_after_s, 0.0), RETRY_AFTER_CAP_S)
        wait = max(wait, asked + uniform(0.0, asked / 10))
    return Backoff(failures=failures, set_at=now, next_at=now + timedelta(seconds=wait))


def due(backoff: Backoff, now: datetime) -> bool:
    """True when it may be tried at `now`: the wait is over, there is none, or the clock was put back behind its start."""
    if backoff.set_at is None or backoff.next_at is None:
        return True
    return not backoff.set_at <= now < backoff.next_at


def parse_retry_after(value: str | None, answered_at: datetime) -> float | None:
    """The seconds that a Retry-After header asks for, or None when it says nothing usable.

    Both forms of RFC 9110: a number of seconds, or a date, which counts from `answered_at`: the answer's own Date where it
    has one, so that a wrong clock on the device does not matter.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:12]), RETRY_AFTER_CAP_S)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - answered_at).total_seconds(), 0.0), RETRY_AFTER_CAP_S)
