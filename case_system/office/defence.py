"""What a client's defender reads, and nothing else: who saw the referral, the reasons of eligibility, and the prosecutor's decline.

Only under the client's signed release that names the defender, while it is in force; without one there is nothing here, not even
that there is such a referral. The answers themselves, the case manager's notes and the participant's reach are never part of it.
Each look is audited, and so is each one that was refused.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from case_system.audit import Deed
from case_system.grants import Duty
from case_system.office.consent import DEFENDER, Consent
from case_system.office.entry import Entry, asking
from case_system.office.trail import TrailLine
from referral.eligibility import Facts, Outlook, assess
from referral.lifecycle import Charge, Review, Role
from referral.model import Kind, ReferralId, UserId, is_referral_id
from referral.port import Refused
from referral.problems import ProblemCode
from referral.views import Happening, TimelineEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A referral whose release names the defender: what is on paper."""

    referral_id: ReferralId
    receipt: str
    kind: Kind
    received_at: datetime
    until: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Somebody who saw it. how: what they did (`look`, `found`, `export` ...), or `device` for who had it on a device."""

    name: str
    role: Role | None
    how: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Defence:
    """What the defender reads of one client. decline: when and with which code of the pack the prosecutor declined."""

    client: Client
    review: Review
    charge: Charge
    readers: tuple[Reader, ...]
    outlook: Outlook | None
    decline: TimelineEntry | None


class ConsentRows(Protocol):
    """Releases in force (`store/consent.py`)."""

    def signed(self, referral_ids: Collection[ReferralId] | None = None) -> Mapping[ReferralId, Consent]: ...


class ReaderRows(Protocol):
    """Who saw a referral (`store/trail.py`)."""

    def looks(self, referral_id: ReferralId) -> Sequence[TrailLine]:
        """The rows of the trail in which it was read, the oldest first."""
        ...

    def sent_to(self, referral_id: ReferralId) -> Mapping[UserId, datetime]:
        """On whose devices it was, and when it was sent there last."""
        ...


class Defenders:
    """The list and the page of one client."""

    def __init__(self, entry: Entry, consents: ConsentRows, readers: ReaderRows) -> None:
        self._entry, self._consents, self._readers = entry, consents, readers

    def clients(self, actor: UserId) -> tuple[Client, ...]:
        """Every client whose release names the defender now, the newest first."""
        self._entry.let(actor, Duty.SEE_DEFENCE)
        today = self._today()
        with asking():
            named = {i: c for i, c in self._consents.signed().items() if c.names({DEFENDER}, today)}
        with self._entry.transactions.reading() as reading:
            records = reading.records(list(named), opened=False)
        found = [
            Client(referral_id=i, receipt=r.receipt, kind=r.kind, received_at=r.received_at, until=named[i].until)
            for i, r in records.items()
        ]
        return tuple(sorted(found, key=lambda client: client.received_at, reverse=True))

    def one(self, actor: UserId, referral_id: ReferralId) -> Defence:
        """One client, audited; Refused(not_found) without a release."""
        self._entry.let(actor, Duty.SEE_DEFENCE)
        if not is_referral_id(referral_id):
            raise Refused(ProblemCode.NOT_FOUND)
        now, pack = self._entry.clock(), self._entry.transactions.pack()
        with asking():
            consent = self._consents.signed([referral_id]).get(referral_id)
        allowed = consent is not None and consent.names({DEFENDER}, self._today())
        outcome = "defence" if allowed else "refused"
        self._entry.note(now, Deed(actor=actor, action="look", object_id=referral_id, outcome=outcome))
        if consent is None or not allowed:
            raise Refused(ProblemCode.NOT_FOUND)
        with asking():
            looks, sent = self._readers.looks(referral_id), self._readers.sent_to(referral_id)
        with self._entry.transactions.reading() as reading:
            record = reading.records([referral_id], opened=True)[referral_id]
            lines = reading.timelines([referral_id]).get(referral_id, ())
            users = reading.users()
        told = record.referral

        def reader(who: str, how: str, at: datetime) -> Reader:
            user = users.get(UserId(who))
            return Reader(name=user.name if user else who, role=user.role if user else None, how=how, at=at)

        seen = [reader(row.actor, row.outcome if row.action == "look" else row.action, row.at) for row in looks]
        seen += [reader(who, "device", at) for who, at in sent.items()]
        return Defence(
            client=Client(
                referral_id=referral_id, receipt=record.receipt, kind=record.kind, received_at=record.received_at, until=consent.until
            ),
            review=record.review,
            charge=record.charge,
            readers=tuple(sorted(seen, key=lambda r: r.at)),
            outlook=assess(Facts.of(told, pack, on=pack.day(record.received_at)), pack) if told is not None else None,
            decline=next((x for x in reversed(lines) if x.what is Happening.SAO_DECLINED), None),
        )  # fmt: skip

    def _today(self) -> date:
        return self._entry.transactions.pack().day(self._entry.clock())
