"""Alarms about devices: work that has lain unsent for too long, told to who can do something about it (S17).

Theory. A device says in each heartbeat how old its oldest unsent operation is; from then on that work only gets older. After the
pack's sergeant time (2 h) the supervisors are told, after the administrator's (24 h) the administrators too: once per device,
recipient and day of the programme, in office hours, and no more once the device has sent. An alarm is a notice about a device
instead of a referral: it lies on the desk, wakes people through their channels, and never goes to a phone.

Pure: what comes out depends on the arguments alone. Knows no database.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from case_system.handoff import due_for
from case_system.record import User
from referral.lifecycle import Role
from referral.model import DeviceId, Urgency, UserId
from referral.programme import Programme
from referral.views import NoticeKind


class AlarmKind(StrEnum):
    UNSENT_WORK = "unsent_work"


Kind = NoticeKind | AlarmKind


def kind_of(word: str) -> Kind:
    """The kind of a notice by its word."""
    return AlarmKind(word) if word in set(AlarmKind) else NoticeKind(word)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A device in service that said it holds unsent work: how old the oldest was, when it said so."""

    device_id: DeviceId
    oldest_unsent_s: int
    seen_at: datetime

    def age(self, now: datetime) -> timedelta:
        """How old that work is by now, as far as anyone knows."""
        return timedelta(seconds=self.oldest_unsent_s) + max(timedelta(0), now - self.seen_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One to raise. round: the programme's day, so that there is one per device, recipient and day."""

    device_id: DeviceId
    recipient: UserId
    kind: AlarmKind
    round: int
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAlarm:
    """One that its recipient has not acknowledged, as it lies on the desk. user_id: whose device it is; waiting: operations."""

    notice_id: str
    kind: AlarmKind
    holder: Holder
    user_id: UserId
    waiting: int


Raised = frozenset[tuple[DeviceId, UserId, int]]


def due(holders: Collection[Holder], supervisors: Collection[UserId], users: Collection[User], raised: Raised, now: datetime, pack: Programme) -> tuple[Alarm, ...]:  # fmt: skip
    """The alarms to raise now. raised: (device, recipient, day) of those that exist."""
    sergeant = timedelta(minutes=pack.timers.unsent_sergeant_minutes)
    highest = timedelta(hours=pack.timers.unsent_administrator_hours)
    administrators = [u.user_id for u in users if u.role is Role.ADMINISTRATOR and u.active]
    day = pack.day(now).toordinal()
    when = due_for(Urgency.TODAY, now, pack.hours)
    found = []
    for holder in holders:
        age = holder.age(now)
        told = (*(supervisors if age >= sergeant else ()), *(administrators if age >= highest else ()))
        found += [
            Alarm(device_id=holder.device_id, recipient=who, kind=AlarmKind.UNSENT_WORK, round=day, due_at=when)
            for who in dict.fromkeys(told)
            if (holder.device_id, who, day) not in raised
        ]
    return tuple(found)
