"""What the desk asks about many referrals, or everything about one: needs attention, likenesses, the waiting line, the whole file.

Lists open no record. `case_file` and `side_by_side` do, through the service's look, which is audited and shows what the table of
`grants.py` lets the role see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from case_system import casefile
from case_system.admission import votes_missing
from case_system.assignment import Waiting
from case_system.audience import readers
from case_system.casefile import CaseFile, Likeness, SideBySide
from case_system.matters import Attention
from case_system.packs import Packs
from case_system.ports import Clock
from case_system.record import Record, User
from case_system.sheet import Sheet
from case_system.storage import Reading
from case_system.transactions import Transactions
from case_system.turn import World, world_of
from referral.lifecycle import Role
from referral.model import ReferralId, UserId
from referral.port import Refused
from referral.problems import ProblemCode
from referral.views import Flag

OpenSheet = Callable[[UserId, ReferralId], Sheet]


class Inquiry:
    """Over the service's transactions. `sheet` opens a record for somebody, audited."""

    def __init__(self, transactions: Transactions, packs: Packs, clock: Clock, sheet: OpenSheet) -> None:
        self._transactions, self._packs, self._clock, self._sheet = transactions, packs, clock, sheet

    @contextmanager
    def reading(self, actor: UserId) -> Iterator[tuple[Reading, User, World]]:
        """A read transaction for one person at the desk; raises Refused(not_signed_in) for who may not be there."""
        now = self._clock()
        with self._transactions.reading() as reading:
            users = reading.users()
            reader = users.get(actor)
            if reader is None or not reader.active:
                raise Refused(ProblemCode.NOT_SIGNED_IN)
            pack = self._packs.programme(reading.agency().pack_digest)
            yield reading, reader, world_of(now, pack, users, reading.rota(), reading.pairs(), reading.line())

    def attention(self, actor: UserId) -> tuple[Attention, ...]:
        """Everything that needs a person, each with its reason and what to do; for supervisors and case managers."""
        with self.reading(actor) as (reading, reader, world):
            flagged = reading.flagged(casefile.ATTENTION_FLAGS)
            return casefile.attention(reader, flagged, reading.matters(), reading.rung(), world)

    def likenesses(self, actor: UserId) -> tuple[Likeness, ...]:
        """Referrals that look like one person's and wait for a decision; a case manager sees those of which one is theirs."""
        with self.reading(actor) as (reading, reader, world):
            if reader.role not in (Role.SUPERVISOR, Role.CASE_MANAGER):
                return ()
            persons = {r.person_index for r in reading.flagged({Flag.POSSIBLE_DUPLICATE}) if r.person_index is not None}
            alike = {record.referral_id: record for record in reading.alike(persons)}
            found = casefile.likenesses(alike.values(), reading.judged())
            if reader.role is Role.SUPERVISOR:
                return found
            rung = reading.rung()
            mine = {i for i, r in alike.items() if actor in readers(r, rung.get(i, frozenset()), world)}
            return tuple(pair for pair in found if {pair.later, pair.earlier} & mine)

    def side_by_side(self, actor: UserId, later: ReferralId, earlier: ReferralId) -> SideBySide:
        """Both referrals of a likeness as the actor may read them; each look is audited."""
        seen: list[Record | None] = []
        for referral_id in (later, earlier):
            try:
                seen.append(self._sheet(actor, referral_id).record)
            except Refused as refused:
                if refused.code is not ProblemCode.NOT_FOUND:
                    raise
                seen.append(None)
        return SideBySide(later=seen[0], earlier=seen[1])

    def waiting_line(self, actor: UserId) -> tuple[Waiting, ...]:
        """Who waits for a pair, in order; for supervisors."""
        with self.reading(actor) as (reading, reader, _):
            return reading.line() if reader.role is Role.SUPERVISOR else ()

    def case_file(self, actor: UserId, referral_id: ReferralId, language: str = "en") -> CaseFile:
        """Everything about one referral as the actor may read it, audited as a look; raises Refused(not_found)."""
        sheet = self._sheet(actor, referral_id)
        record, votes = sheet.record, {cast.partner: cast.approve for cast in sheet.beside.votes}
        with self.reading(actor) as (reading, reader, world):
            acts = reader.role in (Role.SUPERVISOR, Role.CASE_MANAGER)
            matters = [m for m in reading.matters() if m.referral_id == record.referral_id] if acts else []
            line = [waiting.referral_id for waiting in world.line] if acts else []
            partners = casefile.partner_votes(record, votes, world)
            return CaseFile(
                sheet=sheet,
                votes=partners,
                may_vote=casefile.asked_of(reader, record, partners),
                votes_missing=votes_missing(votes, world.pack),
                attention=casefile.attention_of(record, matters, reader, world) if acts else (),
                alike=self._alike(reading, record) if acts else (),
                late=casefile.late_sentence(record, world, language),
                intake_due=casefile.intake_due(record, world),
                in_line=line.index(record.referral_id) + 1 if record.referral_id in line else None,
            )

    @staticmethod
    def _alike(reading: Reading, record: Record) -> tuple[ReferralId, ...]:
        if record.person_index is None or Flag.POSSIBLE_DUPLICATE not in record.flags:
            return ()
        judged = reading.judged()
        others = (r.referral_id for r in reading.alike([record.person_index]) if r.referral_id != record.referral_id)
        return tuple(other for other in others if frozenset({other, record.referral_id}) not in judged)
