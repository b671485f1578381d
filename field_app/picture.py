"""Puts the one frozen snapshot together, and remembers lines that have not changed.

A line depends on rows of the vault and on its delivery only, so that a save among ten thousand referrals makes one new line.
The caller holds the device's turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final

from field_app.device import Device
from field_app.holdings import Holdings
from field_app.projection import DELIVERY_OF, RECEIVED, Standing, row, standings
from field_app.session import Session
from field_app.snapshot import (
    Alarm,
    AlarmKind,
    Delivery,
    DeliveryLine,
    DraftRow,
    Me,
    NoticeRow,
    OutboxRow,
    ReferralRow,
)
from field_app.store.incidents import Incident
from field_app.store.outbox import Counts, Entry
from referral.lifecycle import Episode, Handoff, Role
from referral.model import ReferralId
from referral.operations import Acknowledge, Op
from referral.programme import Programme

_STAFF: Final = (Role.CASE_MANAGER, Role.PEER, Role.SUPERVISOR)


class Lines:
    """The referrals' lines of one open session."""

    def __init__(self, session: Session, me: Me, programme: Programme) -> None:
        self._session, self._me, self.programme = session, me, programme
        self._rows: dict[ReferralId, tuple[Standing, ReferralRow]] = {}

    def named(self, entries: Iterable[Entry]) -> tuple[Entry, ...]:
        """The entries, each with what the open vault knows of it: one that came back from its file alone has lost its note."""
        listed = tuple(entries)
        if all(entry.referral_id is not None for entry in listed):
            return listed
        holdings = self._session.holdings
        known = {record.op_id: (name, Op.CREATE) for name, record in holdings.records.items()}
        for name, steps in holdings.steps.items():
            known |= {step.op_id: (name, step.operation.op) for step in steps}
        return tuple(
            replace(entry, referral_id=known[entry.op_id][0], operation=known[entry.op_id][1])
            if entry.referral_id is None and entry.op_id in known
            else entry
            for entry in listed
        )

    def all(self, entries: tuple[Entry, ...]) -> dict[ReferralId, ReferralRow]:
        """Every line, by id."""
        holdings = self._session.holdings
        touched, holdings.touched = holdings.touched, set()
        for referral_id in touched:
            self._rows.pop(referral_id, None)
        standing = standings(entries)
        found: dict[ReferralId, ReferralRow] = {}
        for referral_id in (*holdings.records, *(name for name in holdings.views if name not in holdings.records)):
            now = standing.get(referral_id, RECEIVED)
            known = self._rows.get(referral_id)
            if known is None or known[0] != now:
                known = self._rows[referral_id] = (now, self._line(referral_id, now))
            found[referral_id] = known[1]
        self._rows = {name: known for name, known in self._rows.items() if name in found}
        return found

    def one(self, referral_id: ReferralId, entries: Iterable[Entry]) -> ReferralRow | None:
        """One line as it stands now, from the operations of that referral; None when nothing is known of it."""
        holdings = self._session.holdings
        if referral_id not in holdings.records and referral_id not in holdings.views:
            return None
        return self._line(referral_id, standings(self.named(entries)).get(referral_id, RECEIVED))

    def _line(self, referral_id: ReferralId, standing: Standing) -> ReferralRow:
        holdings = self._session.holdings
        steps = holdings.steps.get(referral_id, ())
        return row(
            referral_id,
            record=holdings.records.get(referral_id),
            view=holdings.view(referral_id),
            operations=[step.operation for step in steps if step.op_id not in standing.troubled],
            standing=standing,
            me=self._me,
            programme=self.programme,
        )


def me_of(device: Device) -> Me:
    """Whose device this is."""
    binding = device.binding
    return Me(
        user=binding.user,
        name=binding.name,
        role=binding.role,
        unit=binding.unit,
        agency=binding.agency_name,
        server=binding.server,
        device_id=binding.device_id,
    )


def alarm_of(incident: Incident) -> Alarm:
    """What a person is told of it."""
    return Alarm(
        kind=AlarmKind(incident.kind.value), at=incident.at, kept=incident.kept, lost=incident.lost, copy=incident.copy
    )


def alarms(device: Device, happened: Iterable[Incident], *, revoked: bool) -> tuple[Alarm, ...]:
    """All that a person must hear of. revoked: by the case system's word."""
    stands = (
        (AlarmKind.REVOKED, revoked),
        (AlarmKind.ROLLED_BACK, device.rolled_back),
        (AlarmKind.DISK_FULL, not device.ballast.whole),
    )
    standing = [Alarm(kind=kind, passes=True) for kind, so in stands if so]
    return (*standing, *(alarm_of(incident) for incident in happened))


def delivery_line(counts: Counts) -> DeliveryLine:
    """The honest figures; the connection is the courier's to say."""
    return DeliveryLine(
        waiting=counts.waiting,
        stored=counts.stored,
        accepted=counts.accepted,
        needs_attention=counts.needs_attention,
        oldest_unsent_s=counts.oldest_unsent_s,
    )


def in_order(
    rows: dict[ReferralId, ReferralRow], role: Role
) -> tuple[tuple[ReferralRow, ...], tuple[ReferralRow, ...]]:
    """The list and the inbox, newest first. The inbox of staff holds what is offered and not yet accepted."""
    newest: Callable[[ReferralRow], datetime] = lambda r: r.offered_at or r.created_at  # noqa: E731 - two sorts share it
    offered = [
        r for r in rows.values() if role in _STAFF and r.handoff is Handoff.OFFERED and r.episode is not Episode.CLOSED
    ]
    inbox = {r.referral_id for r in offered}
    rest = [r for r in rows.values() if r.referral_id not in inbox]
    return (
        tuple(sorted(rest, key=lambda r: r.created_at, reverse=True)),
        tuple(sorted(offered, key=newest, reverse=True)),
    )


def notices(holdings: Holdings) -> tuple[NoticeRow, ...]:
    """The inbox entries, newest first; one that was acknowledged here counts as seen."""
    seen = {
        step.operation.body.notice_id
        for steps in holdings.steps.values()
        for step in steps
        if isinstance(step.operation.body, Acknowledge)
    }
    found = [
        NoticeRow(
            notice_id=notice.notice_id,
            referral_id=notice.referral_id,
            kind=notice.kind,
            created_at=notice.created_at,
            acknowledged=notice.acknowledged_at is not None or notice.notice_id in seen,
        )
        for _, notice in holdings.notices.values()
        if not notice.expired
    ]
    return tuple(sorted(found, key=lambda n: n.created_at, reverse=True))


def outbox_rows(
    entries: tuple[Entry, ...], rows: dict[ReferralId, ReferralRow], now: datetime
) -> tuple[OutboxRow, ...]:
    """The operations that have not arrived whole, oldest first. Titles only where the vault is open."""
    return tuple(
        OutboxRow(
            op_id=entry.op_id,
            referral_id=entry.referral_id or ReferralId(""),
            operation=entry.operation or Op.CREATE,
            state=DELIVERY_OF.get(entry.state, Delivery.WAITING),
            attempts=entry.attempts,
            age_s=0 if entry.made_at is None else max(0, int((now - entry.made_at).total_seconds())),
            reason=entry.reason,
            title=rows[entry.referral_id].title if entry.referral_id in rows else "",
        )
        for entry in entries
        if entry.state in DELIVERY_OF
    )


def drafts(holdings: Holdings) -> tuple[DraftRow, ...]:
    """The live forms, latest first."""
    found = [
        DraftRow(referral_id=draft.referral_id, kind=draft.kind, title=draft.title, saved_at=draft.saved_at)
        for _, draft in holdings.drafts.values()
    ]
    return tuple(sorted(found, key=lambda d: d.saved_at, reverse=True))


def with_connection(line: DeliveryLine, courier: DeliveryLine) -> DeliveryLine:
    """The figures with what the courier says of the connection."""
    return replace(
        line, connection=courier.connection, last_sync=courier.last_sync or line.last_sync, next_try=courier.next_try
    )
