"""Keeping and forgetting: whose identifiers the clock takes away, and when. Pure.

    declined       the State's Attorney said no, or the referral was closed as ineligible     retention_declined_days
    refused        the person changed their mind: no intake, or closed as declined            retention_refused_days
    withdrawn      taken back by the officer                                                  retention_withdrawn_days
    duplicate      closed as a copy of another referral                                       retention_withdrawn_days
    not_asked      a social contact that nobody has asked                                     not_asked_name_days

Of the first four everything that was recorded goes (the data key is destroyed); a contact that was not asked loses its name, its
birth date, its free note and the earlier versions of all answers, and can still be found and asked. States, ids and times
stay. The days run by the server's clock from the act that decided it; what a late device adds afterwards goes after as many days.

People who are or were in LEAD, and what closed for another reason, are records of the programme: the clock does not touch them. Meeting LEAD,
a spoken or signed release and an intake are agreement. Unnamed tallies never held a name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from case_system.record import Record
from referral.lifecycle import Episode, Handoff, Release, Review
from referral.model import Birth, Kind, Referral, Willing
from referral.operations import CloseReason, NotCompletedReason
from referral.programme import Timers
from referral.views import Happening, TimelineEntry

FEED_KEPT = timedelta(days=90)  # a device that was away for longer fetches everything anew
SESSIONS_KEPT = timedelta(days=1)
CODES_KEPT = timedelta(days=30)


class Why(StrEnum):
    """Why identifiers go."""

    DECLINED = "declined"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    DUPLICATE = "duplicate"
    NOT_ASKED = "not_asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What becomes of a referral's identifiers at `due_at`."""

    why: Why
    due_at: datetime

    @property
    def whole(self) -> bool:
        """True when everything goes; False when the name does."""
        return self.why is not Why.NOT_ASKED


_CLOSED = {
    CloseReason.WITHDREW.value: Why.WITHDRAWN,
    CloseReason.DECLINED.value: Why.REFUSED,
    CloseReason.INELIGIBLE.value: Why.DECLINED,
    CloseReason.DUPLICATE.value: Why.DUPLICATE,
}
_DECIDED = {
    Why.DECLINED: (Happening.SAO_DECLINED, Happening.CLOSED),
    Why.REFUSED: (Happening.NOT_COMPLETED, Happening.CLOSED),
    Why.WITHDRAWN: (Happening.WITHDRAWN, Happening.CLOSED),
    Why.DUPLICATE: (Happening.CLOSED,),
    Why.NOT_ASKED: (),
}


def fate(record: Record, lines: Sequence[TimelineEntry], timers: Timers, again: datetime | None = None) -> Fate | None:
    """What becomes of the referral, None where the clock takes nothing.

    lines: its timeline. again: it was forgotten before, and this is when something was added last.
    """
    why = _why(record, lines)
    if why is None:
        return None
    decided = [line.at for line in lines if line.what in _DECIDED[why]]
    since = again or max(decided, default=record.received_at)
    return Fate(why=why, due_at=since + timedelta(days=_days(why, timers)))


def _why(record: Record, lines: Sequence[TimelineEntry]) -> Why | None:
    if record.tally or record.provisional or record.merged_into is not None:
        return None
    if record.episode is Episode.ENROLLED or record.pair is not None:  # who is or was in LEAD
        return None
    if record.episode is Episode.CLOSED:
        why = _CLOSED.get(record.close_reason or "")
        if why is not None:
            return why
    if record.review is Review.DECLINED:
        return Why.DECLINED
    if record.episode is Episode.CLOSED:
        return None
    if record.handoff is Handoff.NOT_COMPLETED:
        last = [line.code for line in lines if line.what is Happening.NOT_COMPLETED]
        return Why.REFUSED if last and last[-1] == NotCompletedReason.CHANGED_MIND.value else None
    asked = record.kind is not Kind.SOCIAL or record.willing is not Willing.NOT_ASKED
    return None if asked or _agreed(record) else Why.NOT_ASKED


def _agreed(record: Record) -> bool:
    return record.handoff in (Handoff.MET, Handoff.INTAKE_COMPLETE) or record.release in (
        Release.VERBAL,
        Release.SIGNED,
    )


def _days(why: Why, timers: Timers) -> int:
    return {
        Why.DECLINED: timers.retention_declined_days,
        Why.REFUSED: timers.retention_refused_days,
        Why.WITHDRAWN: timers.retention_withdrawn_days,
        Why.DUPLICATE: timers.retention_withdrawn_days,
        Why.NOT_ASKED: timers.not_asked_name_days,
    }[why]


def without_name(referral: Referral, on: date) -> Referral:
    """The same referral without name, birth date and free note; an age in years stays."""
    birth = referral.person.birth
    age = birth.age_on(on) if birth is not None else None
    kept = Birth(age=max(age, 0)) if age is not None else birth
    return replace(referral, note=None, person=replace(referral.person, name=None, birth=kept), extra={})
