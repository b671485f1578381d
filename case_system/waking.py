"""When a person may be woken outside the app: the hours that they set for a channel, and what goes through in spite of them.

Theory. A channel without hours may be used at any time. With hours, it is used inside them and waits for them otherwise; the
inbox in the app has the notice at once all the same. One thing goes through: a handoff for somebody who is on the way rings
whoever stands on a post (duty, on call, supervisor, State's Attorney) whatever the hour (product rules: only `coming_in` and
`case_manager_coming` ring at night); and the officer who stands with that person hears that nobody has answered. Nothing that a participant asked for about messages to them has a say here.

    hours    "mon-fri 07:00-22:00, sat 09:00-12:00"     local to the programme; 22:00-06:00 goes over midnight

Pure: what comes out depends on the arguments alone. Knows no channel, no database and no clock.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from referral.model import Whereabouts
from referral.views import NoticeKind

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MOST_SPANS = 14
RINGS_AT_NIGHT = frozenset({Whereabouts.COMING_IN, Whereabouts.CASE_MANAGER_COMING})
_ABOUT_THE_WAY = frozenset({
    NoticeKind.HANDOFF_OFFERED, NoticeKind.HANDOFF_ESCALATED, NoticeKind.SAO_REVIEW, NoticeKind.NOBODY_ANSWERED,
})  # fmt: skip
_SPAN = re.compile(r"([a-z]{3})(?:-([a-z]{3}))? (\d\d):(\d\d)-(\d\d):(\d\d)\Z")


class BadHours(ValueError):
    """The text is not hours; the sentence says how they are written."""

    def __init__(self) -> None:
        super().__init__('hours are written like "mon-fri 07:00-22:00, sat 09:00-12:00"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Some days of the week (0 = Monday), from a local time on, to one of the same day or (`closes` not later) of the next."""

    days: tuple[int, ...]
    opens: time
    closes: time


def at_night(kind: NoticeKind, whereabouts: Whereabouts | None) -> bool:
    """True when a notice rings whatever the hour: it is about someone who is on the way."""
    return kind in _ABOUT_THE_WAY and whereabouts in RINGS_AT_NIGHT


def spans(text: str) -> tuple[Span, ...]:
    """The hours that the text says; empty for an empty text. Raises BadHours."""
    parts = [part for part in (" ".join(piece.lower().split()) for piece in text.split(",")) if part]
    if len(parts) > MOST_SPANS:
        raise BadHours
    return tuple(_span(part) for part in parts)


def _span(part: str) -> Span:
    found = _SPAN.match(part)
    if found is None:
        raise BadHours
    first, last, *numbers = found.groups()
    try:
        a, b = DAYS.index(first), DAYS.index(last or first)
        opens, closes = time(int(numbers[0]), int(numbers[1])), time(int(numbers[2]), int(numbers[3]))
    except ValueError:
        raise BadHours from None
    return Span(days=tuple((a + n) % 7 for n in range((b - a) % 7 + 1)), opens=opens, closes=closes)


def written(hours: Sequence[Span]) -> str:
    """The hours as text, in one form."""
    return ", ".join(f"{_days(span.days)} {span.opens:%H:%M}-{span.closes:%H:%M}" for span in hours)


def _days(days: tuple[int, ...]) -> str:
    return DAYS[days[0]] if len(days) == 1 else f"{DAYS[days[0]]}-{DAYS[days[-1]]}"


def next_open(hours: Sequence[Span], now: datetime, time_zone: str) -> datetime:
    """`now` when the hours are open or there are none, else when they open next."""
    if not hours:
        return now
    zone = ZoneInfo(time_zone)
    local = now.astimezone(zone)
    coming: list[datetime] = []
    for ahead in range(-1, 9):
        day = local.date() + timedelta(days=ahead)
        for span in hours:
            if day.weekday() not in span.days:
                continue
            opens = datetime.combine(day, span.opens, zone)
            ends = day if span.closes > span.opens else day + timedelta(days=1)
            if opens <= local < datetime.combine(ends, span.closes, zone):
                return now
            if opens > local:
                coming.append(opens)
    return min(coming).astimezone(now.tzinfo)
