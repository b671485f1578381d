"""Caseloads: how full each pair is, who waits for one, and the list of the weekly meeting.

28 is the hard cap and 25 the soft line (pack values), counted over enrolled people. The meeting is not LEAD alone: police and
prosecutors sit there, so a person is named on its list only under a signed release that names both (42 CFR Part 2); everybody
else is a receipt number. Each named person is a look, and is audited.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from case_system.audit import Deed
from case_system.grants import Duty
from case_system.office.consent import MEETING, Consent
from case_system.office.entry import Entry, asking
from case_system.record import Record, User
from case_system.storage import Reading
from referral.lifecycle import Episode, Handoff, Review
from referral.model import ReferralId, UserId
from referral.views import Flag


@dataclass(frozen=True, slots=True, kw_only=True)
class PairLine:
    """One pair on the board. people: its case manager and its peer, those that it has."""

    pair: str
    people: tuple[User, ...]
    enrolled: int
    active: bool
    over_soft: bool
    full: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseloadBoard:
    """Every pair by name, who waits for one (the first comes first), and who may be enrolled now."""

    pairs: tuple[PairLine, ...]
    soft: int
    cap: int
    waiting: tuple[Record, ...]
    ready: tuple[Record, ...]
    names: Mapping[UserId, str]

    @property
    def free(self) -> int:
        """Places left in all active pairs."""
        return sum(max(0, self.cap - line.enrolled) for line in self.pairs if line.active and line.people)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Someone on the meeting's list. name: None without a release that names everybody there."""

    record: Record
    name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """The list: people enrolled, by pair, and those who are not enrolled yet."""

    on: date
    pairs: tuple[tuple[PairLine, tuple[Member, ...]], ...]
    others: tuple[Member, ...]
    named: int
    unnamed: int


class ConsentRows(Protocol):
    """Releases in force (`store/consent.py`)."""

    def signed(self, referral_ids: Collection[ReferralId]) -> Mapping[ReferralId, Consent]: ...


class Caseloads:
    """The board and the list."""

    def __init__(self, entry: Entry, consents: ConsentRows) -> None:
        self._entry, self._consents = entry, consents

    def board(self, actor: UserId) -> CaseloadBoard:
        """How full every pair is; ids and states only."""
        self._entry.let(actor, Duty.SEE_CASELOADS)
        with self._entry.transactions.reading() as reading:
            lines = self._lines(reading)
            work = reading.open_work()
            order = {waiting.referral_id: n for n, waiting in enumerate(reading.line())}
            names = {user.user_id: user.name for user in reading.users().values()}
        caps = self._entry.transactions.pack().caps
        ready = [r for r in work if waits_for_a_pair(r)]
        waiting = sorted((r for r in ready if Flag.WAIT_LIST in r.flags), key=lambda r: order.get(r.referral_id, 0))
        return CaseloadBoard(
            pairs=lines, soft=caps.caseload_soft, cap=caps.caseload_hard, waiting=tuple(waiting),
            ready=tuple(sorted((r for r in ready if Flag.WAIT_LIST not in r.flags), key=_turn)), names=names,
        )  # fmt: skip

    def meeting(self, actor: UserId) -> Meeting:
        """The weekly meeting's list; whoever is named on it was looked at by the actor."""
        self._entry.let(actor, Duty.SEE_MEETING)
        now, pack = self._entry.clock(), self._entry.transactions.pack()
        today = pack.day(now)
        with self._entry.transactions.reading() as reading:
            lines = self._lines(reading)
            here = [r for r in reading.open_work() if r.episode is Episode.ENROLLED or waits_for_a_pair(r)]
        with asking():
            consents = self._consents.signed([r.referral_id for r in here])
        shown = [i for i, consent in consents.items() if consent.names(MEETING, today)]
        with self._entry.transactions.reading() as reading:
            opened = reading.records(shown, opened=True)
        self._entry.note(
            now,
            Deed(actor=actor, action="meeting_list", outcome="done"),
            *(Deed(actor=actor, action="look", object_id=i, outcome="meeting") for i in sorted(opened)),
        )
        members = [Member(record=r, name=_name(opened.get(r.referral_id))) for r in here]
        enrolled = [m for m in members if m.record.episode is Episode.ENROLLED]
        return Meeting(
            on=today,
            pairs=tuple((line, tuple(m for m in enrolled if m.record.pair == line.pair)) for line in lines),
            others=tuple(m for m in members if m.record.episode is not Episode.ENROLLED),
            named=sum(m.name is not None for m in members),
            unnamed=sum(m.name is None for m in members),
        )

    def _lines(self, reading: Reading) -> tuple[PairLine, ...]:
        users, caps = reading.users(), self._entry.transactions.pack().caps
        return tuple(
            PairLine(
                pair=pair.pair,
                people=tuple(users[who] for who in (pair.case_manager, pair.peer) if who is not None and who in users),
                enrolled=pair.enrolled,
                active=pair.active,
                over_soft=pair.enrolled > caps.caseload_soft,
                full=pair.enrolled >= caps.caseload_hard,
            )
            for pair in reading.pairs().values()
        )


def waits_for_a_pair(record: Record) -> bool:
    """True when everything is there that enrolment needs, but the pair."""
    approved = record.review is Review.APPROVED and record.handoff is Handoff.INTAKE_COMPLETE
    return approved and record.episode is Episode.OPEN


def _turn(record: Record) -> tuple[date, str]:
    return (record.intake_on or record.received_at.date(), record.receipt)


def _name(record: Record | None) -> str | None:
    return None if record is None or record.referral is None else record.referral.person.name
