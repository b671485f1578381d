"""How long a person under arrest has been waiting: the custody clock, for pages and devices alike.

It starts when the arrest happened as the officer said, else when it was recorded, never later than it was received. It stops
when the person is met, or is known to be booked, handed to another agency or let go, or when the handoff or the referral
ends. A clock of a device decides nothing (S12): the clock is shown to people, who do.

Pure; knows no store and no screen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from referral.model import Kind, Referral, Whereabouts, Willing


class CustodyEnd(StrEnum):
    MET = "met"
    BOOKED = "booked"
    TRANSFERRED = "transferred"
    RELEASED = "released"
    NOT_COMPLETED = "not_completed"
    CLOSED = "closed"


ENDS: Mapping[Whereabouts, CustodyEnd] = MappingProxyType({
    Whereabouts.BOOKED: CustodyEnd.BOOKED,
    Whereabouts.TRANSFERRED: CustodyEnd.TRANSFERRED,
    Whereabouts.RELEASED: CustodyEnd.RELEASED,
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class CustodyClock:
    """Runs from `started_at` until `ended_at` (None: it runs), with what ended it."""

    started_at: datetime
    ended_at: datetime | None = None
    end: CustodyEnd | None = None

    @property
    def runs(self) -> bool:
        return self.ended_at is None

    def lasted(self, now: datetime) -> timedelta:
        """How long it has run, or ran; never less than nothing."""
        return max(timedelta(0), (self.ended_at or now) - self.started_at)

    def past(self, now: datetime, minutes: int) -> bool:
        """True when it has run longer than the goal of so many minutes."""
        return self.lasted(now) > timedelta(minutes=minutes)


def started(referral: Referral, recorded_at: datetime, received_at: datetime | None = None) -> datetime | None:
    """When the clock of this referral started; None for who is not under arrest or said no."""
    if referral.kind is not Kind.ARREST or referral.willing is Willing.NO:
        return None
    began = referral.occurred_at or recorded_at
    return began if received_at is None else min(began, received_at)


def clock(referral: Referral, recorded_at: datetime, now: datetime) -> CustodyClock | None:
    """The clock as a device knows it by itself, before the case system has told of one; None where none runs."""
    began = started(referral, recorded_at)
    if began is None or referral.whereabouts in ENDS:
        return None
    return CustodyClock(started_at=min(began, now))
