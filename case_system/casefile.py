"""What is told of one referral, or of many that need a person: pure over what was looked up.

Lists hold ids, codes, states and colleagues' names only. Who may see an opened record was decided before it comes here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from case_system.admission import SAO_PARTNER, votes_missing, voting
from case_system.audience import readers
from case_system.matters import ADVICE, FLAG_ADVICE, Attention, Matter, decisions_on
from case_system.record import Record, User
from case_system.rulings import SUPERVISORS
from case_system.sheet import Sheet
from case_system.turn import World
from case_system.views import name_of
from referral import late
from referral.lifecycle import Episode, Handoff, Role
from referral.model import Kind, ReferralId, UserId
from referral.programme import Text
from referral.views import Flag, TimelineEntry

ATTENTION_FLAGS = frozenset({
    Flag.NEEDS_ATTENTION, Flag.PARALLEL_UPDATE, Flag.POSSIBLE_DUPLICATE, Flag.WITHDRAWAL_ASKED, Flag.WAIT_LIST, Flag.DEVICE_REVOKED,
    Flag.INCOMPLETE, Flag.LATE_SYNC, Flag.OUT_OF_TOUCH,
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerVote:
    """A voting partner and what it said: True, False, or None while its vote is pending. needed: enrolment waits for its yes."""

    partner: str
    name: Text
    said: bool | None
    needed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFile:
    """Everything about one referral, for one reader: its sheet, and what is still to do.

    votes: every voting partner; votes_missing: whose yes enrolment waits for; may_vote: the partners whose vote the reader may
    record. attention: what needs a person here. alike: referrals that look like the same person's, undecided. late: the sentence of a
    referral that came late, while nobody has said whether they were met. intake_due: the last day of the intake window. in_line: the
    place on the list for a pair, from 1.
    """

    sheet: Sheet
    votes: tuple[PartnerVote, ...]
    votes_missing: tuple[str, ...]
    may_vote: tuple[str, ...]
    attention: tuple[Attention, ...]
    alike: tuple[ReferralId, ...]
    late: str | None
    intake_due: datetime | None
    in_line: int | None

    @property
    def record(self) -> Record:
        return self.sheet.record

    @property
    def timeline(self) -> tuple[TimelineEntry, ...]:
        return self.sheet.beside.lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """Two referrals that look like one person's; `later` carries the flag."""

    later: ReferralId
    earlier: ReferralId
    later_receipt: str
    earlier_receipt: str
    earlier_enrolled: bool
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SideBySide:
    """Both records as the role may see them; None for one that it may not open."""

    later: Record | None
    earlier: Record | None


def partner_votes(record: Record, votes: Mapping[str, bool], world: World) -> tuple[PartnerVote, ...]:
    """Each voting partner of the pack with what it said."""
    lacking = votes_missing(votes, world.pack)
    names = {partner.id: partner.name for partner in world.pack.partners}
    return tuple(
        PartnerVote(partner=p, name=names[p], said=votes.get(p), needed=p in lacking) for p in voting(world.pack)
    )


def intake_due(record: Record, world: World) -> datetime | None:
    """The end of the intake window; None where no intake is expected."""
    waits = record.episode is Episode.OPEN and record.handoff is not Handoff.INTAKE_COMPLETE and not record.tally
    return record.received_at + timedelta(days=world.pack.timers.intake_days) if waits else None


def late_sentence(record: Record, world: World, language: str = "en") -> str | None:
    """ "Recorded 02:10, received 06:40. Check whether they were met." while nobody has said so."""
    if not late.asks(late=Flag.LATE_SYNC in record.flags, handoff=record.handoff):
        return None
    return late.sentence(record.recorded_at, record.received_at, world.pack.hours.time_zone, language)


def _may_resolve(reader: User, flag: Flag) -> bool:
    return reader.role is Role.SUPERVISOR or (reader.role is Role.CASE_MANAGER and flag not in SUPERVISORS)


def attention_of(record: Record, matters: Sequence[Matter], reader: User, world: World) -> tuple[Attention, ...]:  # fmt: skip
    """What needs a person on one referral: each open matter, and each flag that stands by itself; oldest first."""
    found: list[Attention] = []
    for matter in matters:
        decisions = decisions_on(matter.flag) if _may_resolve(reader, matter.flag) else ()
        found.append(
            Attention(
                referral_id=record.referral_id,
                receipt=record.receipt,
                flag=matter.flag,
                advice=ADVICE[matter.why],
                why=matter.why,
                op=matter.op,
                by=name_of(world.users, matter.by),
                at=matter.at,
                stood=matter.stood,
                decisions=decisions,
            )
        )
    told = {matter.flag for matter in matters}
    for flag in sorted(record.flags & ATTENTION_FLAGS - told):
        if flag is Flag.LATE_SYNC and not late.asks(late=True, handoff=record.handoff):
            continue
        found.append(
            Attention(
                referral_id=record.referral_id,
                receipt=record.receipt,
                flag=flag,
                advice=FLAG_ADVICE[flag],
                decisions=decisions_on(flag) if _may_resolve(reader, flag) else (),
            )
        )
    return tuple(found)


def attention(
    reader: User,
    records: Sequence[Record],
    matters: Sequence[Matter],
    rung: Mapping[ReferralId, frozenset[UserId]],
    world: World,
) -> tuple[Attention, ...]:
    """Everything that needs a person, for one who may act on it: supervisors all, case managers what is theirs; oldest first."""
    if reader.role not in (Role.SUPERVISOR, Role.CASE_MANAGER):
        return ()
    by_record: dict[ReferralId, list[Matter]] = {}
    for matter in matters:
        by_record.setdefault(matter.referral_id, []).append(matter)
    found: list[Attention] = []
    for record in records:
        mine = reader.user_id in readers(record, rung.get(record.referral_id, frozenset()), world)
        if record.merged_into is None and (reader.role is Role.SUPERVISOR or mine):
            found += attention_of(record, by_record.get(record.referral_id, ()), reader, world)
    return tuple(found)


def likenesses(records: Collection[Record], judged: Collection[frozenset[ReferralId]]) -> tuple[Likeness, ...]:
    """Pairs of open referrals with one blind index of which the later is flagged and nobody has decided; oldest first."""
    by_person: dict[str, list[Record]] = {}
    for record in sorted(records, key=lambda r: (r.received_at, r.referral_id)):
        if record.person_index is not None and record.episode is not Episode.CLOSED and record.merged_into is None:
            by_person.setdefault(record.person_index, []).append(record)
    found = []
    for same in by_person.values():
        for n, later in enumerate(same):
            for earlier in same[:n]:
                flagged = Flag.POSSIBLE_DUPLICATE in (later.flags | earlier.flags)
                if not flagged or frozenset({later.referral_id, earlier.referral_id}) in judged:
                    continue
                one, other = (later, earlier) if Flag.POSSIBLE_DUPLICATE in later.flags else (earlier, later)
                found.append(
                    Likeness(
                        later=one.referral_id,
                        earlier=other.referral_id,
                        later_receipt=one.receipt,
                        earlier_receipt=other.receipt,
                        earlier_enrolled=other.episode is Episode.ENROLLED,
                        since=one.received_at,
                    )
                )
    return tuple(sorted(found, key=lambda pair: (pair.since, pair.later, pair.earlier)))


def asked_of(reader: User, record: Record, votes: Sequence[PartnerVote]) -> tuple[str, ...]:
    """The partners whose vote this person may record on this referral."""
    own = reader.role is Role.SAO_REVIEWER
    if reader.role not in (Role.SAO_REVIEWER, Role.SUPERVISOR):
        return ()
    arrest = record.kind is Kind.ARREST
    return tuple(
        v.partner for v in votes if (v.partner == SAO_PARTNER if own else not (v.partner == SAO_PARTNER and arrest))
    )
