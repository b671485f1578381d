"""Devices as the office keeps them: who has which, what they say of themselves, and what is to be done about them.

What a device reports comes with its heartbeats and is as old as `seen_at`; the age of unsent work grows meanwhile. Codes and ages
only: what lies on a device is never known here. Enrolling gives out one code and one link, shown once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from case_system.audit import Deed
from case_system.enrolment import link
from case_system.grants import Duty, has_duty, manages
from case_system.office.entry import Entry, asking
from case_system.record import User
from case_system.storage import AgencyFacts, Docket, NotSo
from referral.lifecycle import Role
from referral.model import OpId, UserId
from referral.port import Receipt, Refused
from referral.problems import ProblemCode
from referral.programme import Programme, Timers

SILENT = timedelta(days=3)  # a device in use is heard daily
LEASE_ENDS = timedelta(days=7)
CODE_HOURS = (1, 24, 72)


class Warn(StrEnum):
    """What somebody has to look at, the worst first."""

    UNSENT_TOO_LONG = "unsent_too_long"  # an administrator's business
    UNSENT_LONG = "unsent_long"  # a sergeant's business
    NEEDS_ATTENTION = "needs_attention"
    LEASE_ENDS = "lease_ends"
    SILENT = "silent"
    NOT_WIPED_YET = "not_wiped_yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRow:
    """A device as kept. oldest_unsent_s: at `seen_at`, None when nothing waited. locked: its app was shut then, as it mostly is."""

    device_id: str
    user_id: UserId
    role: Role
    active: bool
    wipe: bool
    release: bool
    app: str
    platform: str
    enrolled_at: datetime
    revoked_at: datetime | None
    lease_until: datetime
    seen_at: datetime | None
    waiting: int
    needs_attention: int
    oldest_unsent_s: int | None
    locked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceLine:
    """A device on the page. unsent_for: the age of its oldest unsent operation now. yours: the reader may act on it."""

    row: DeviceRow
    user: str
    unsent_for: timedelta | None
    warnings: tuple[Warn, ...]
    yours: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRow:
    """An operation of a revoked device that waits for a supervisor. kept_by: who decided to leave it where it is."""

    device_id: str
    op_id: OpId
    user_id: UserId
    op: str | None
    referral_id: str | None
    received_at: datetime
    kept_by: str | None
    kept_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Devices (those with a warning first), what is held, whom a device may be given to, and what the reader may do."""

    devices: tuple[DeviceLine, ...]
    held: tuple[HeldRow, ...]
    people: tuple[User, ...]
    names: dict[UserId, str]
    may_decide: bool

    @property
    def unsent(self) -> int:
        """Operations that wait on devices in service."""
        return sum(line.row.waiting for line in self.devices if line.row.active)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """What enrols one device, once: a code, and a link that holds the code and the address. Shown once."""

    user: User
    code: str = field(repr=False)
    link: str = field(repr=False)
    expires_at: datetime


class FreshCode(Protocol):
    """A code and its end."""

    @property
    def code(self) -> str: ...
    @property
    def expires_at(self) -> datetime: ...


class FleetRows(Protocol):
    """What is read (`store/fleet.py`)."""

    def devices(self) -> tuple[DeviceRow, ...]: ...
    def held(self) -> tuple[HeldRow, ...]: ...


class FleetChanges(Protocol):
    """What is changed, each in a transaction of its own and audited (`store/accounts.py`)."""

    def new_code(self, user_id: str, role: Role, *, lasts: timedelta, by: str = "administrator") -> FreshCode: ...
    def revoke(self, device_id: str, *, wipe: bool = False, by: str = "administrator") -> None: ...
    def release(self, device_id: str, *, by: str = "administrator") -> None: ...


class Decides(Protocol):
    """Lets a held operation pass (`service.CaseService`)."""

    def decide_held(self, actor: UserId, device_id: str, op_id: OpId) -> Receipt: ...


class Devices:
    """The list of devices and every change of it."""

    def __init__(self, entry: Entry, rows: FleetRows, changes: FleetChanges, decides: Decides) -> None:
        self._entry, self._rows, self._changes, self._decides = entry, rows, changes, decides

    def view(self, actor: UserId) -> Fleet:
        """Every device."""
        user = self._entry.let(actor, Duty.SEE_DEVICES)
        now, timers = self._entry.clock(), self._entry.transactions.pack().timers
        with self._entry.transactions.reading() as reading:
            users = reading.users()
        with asking():
            rows, held = self._rows.devices(), self._rows.held()
        lines = [
            DeviceLine(
                row=row,
                user=users[row.user_id].name if row.user_id in users else row.user_id,
                unsent_for=unsent_for(row, now),
                warnings=warnings(row, now, timers),
                yours=manages(user.role, row.role),
            )
            for row in rows
        ]
        lines.sort(key=lambda line: (not line.warnings, not line.row.active, line.user.casefold(), line.row.device_id))
        return Fleet(
            devices=tuple(lines),
            held=held if has_duty(Duty.DECIDE_HELD, user.role) else (),
            people=tuple(
                sorted((u for u in users.values() if u.active and manages(user.role, u.role)), key=lambda u: u.name.casefold())
            ),
            names={who.user_id: who.name for who in users.values()},
            may_decide=has_duty(Duty.DECIDE_HELD, user.role),
        )  # fmt: skip

    def invite(self, actor: UserId, user_id: UserId, server: str, hours: int) -> Invitation:
        """A one-time code for a device of that person. server: the address that phones reach."""
        _, whom = self._entry.over(actor, Duty.CHANGE_DEVICES, user_id)
        if not whom.active:
            raise NotSo("this person may not sign in", "not_active")
        if hours not in CODE_HOURS:
            raise Refused(ProblemCode.INVALID_VALUE)
        if not server.startswith(("https://", "http://")) or len(server) > 200 or not server.isascii() or " " in server:
            raise NotSo("the address of the case system begins with https://", "no_address")
        with asking():
            made = self._changes.new_code(user_id, whom.role, lasts=timedelta(hours=hours), by=actor)
        return Invitation(
            user=whom, code=made.code, link=link(server.rstrip("/"), made.code), expires_at=made.expires_at
        )

    def revoke(self, actor: UserId, device_id: str, *, wipe: bool) -> None:
        """Take a device out of service; wipe: and let it destroy its readable records at its next contact."""
        self._may(actor, device_id)
        with asking():
            self._changes.revoke(device_id, wipe=wipe, by=actor)

    def release(self, actor: UserId, device_id: str) -> None:
        """Lift the attempt lock at the next contact."""
        row = self._may(actor, device_id)
        if not row.active:
            raise NotSo("this device is out of service", "device_revoked")
        with asking():
            self._changes.release(device_id, by=actor)

    def let_pass(self, actor: UserId, device_id: str, op_id: OpId) -> Receipt:
        """A held operation is judged now, as its maker's."""
        self._entry.let(actor, Duty.DECIDE_HELD)
        return self._decides.decide_held(actor, device_id, op_id)

    def keep(self, actor: UserId, device_id: str, op_id: OpId) -> None:
        """A held operation stays where it is and changes nothing; somebody said so. It may still be let pass."""
        self._entry.let(actor, Duty.DECIDE_HELD)

        def work(docket: Docket, facts: AgencyFacts, pack: Programme) -> None:
            if docket.held(device_id, op_id) is None:
                raise Refused(ProblemCode.NOT_FOUND)
            docket.audit(Deed(actor=actor, device_id=device_id, action="decide_held", object_id=op_id, outcome="kept"))

        self._entry.transactions.write(self._entry.clock(), work)

    def _may(self, actor: UserId, device_id: str) -> DeviceRow:
        user = self._entry.let(actor, Duty.CHANGE_DEVICES)
        with asking():
            row = next((r for r in self._rows.devices() if r.device_id == device_id), None)
        if row is None:
            raise Refused(ProblemCode.NOT_FOUND)
        self._entry.may_have(user, Duty.CHANGE_DEVICES, row.role)
        return row


def unsent_for(row: DeviceRow, now: datetime) -> timedelta | None:
    """How long the oldest unsent operation waits by now; None when the device said that nothing waits."""
    if row.oldest_unsent_s is None or not row.waiting:
        return None
    since = now - row.seen_at if row.seen_at is not None else timedelta()
    return timedelta(seconds=row.oldest_unsent_s) + max(since, timedelta())


def warnings(row: DeviceRow, now: datetime, timers: Timers) -> tuple[Warn, ...]:
    """What somebody has to look at, the worst first."""
    age = unsent_for(row, now) or timedelta()
    found = {
        Warn.UNSENT_TOO_LONG: age >= timedelta(hours=timers.unsent_administrator_hours),
        Warn.UNSENT_LONG: timedelta(minutes=timers.unsent_sergeant_minutes) <= age < timedelta(hours=timers.unsent_administrator_hours),
        Warn.NEEDS_ATTENTION: row.active and row.needs_attention > 0,
        Warn.LEASE_ENDS: row.active and row.lease_until - now < LEASE_ENDS,
        Warn.SILENT: row.active and now - (row.seen_at or row.enrolled_at) > SILENT,
        Warn.NOT_WIPED_YET: row.wipe and (row.seen_at is None or (row.revoked_at is not None and row.seen_at < row.revoked_at)),
    }  # fmt: skip
    return tuple(warn for warn in Warn if found[warn])
