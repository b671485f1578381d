"""What lies on the desk for one person: incoming handoffs with their clocks, reviews to answer, work that needs a decision.

Ids, codes, states, times and colleagues only: no record is opened for a list. Opening one is `CaseService.look`, which is
audited. Pure: a function of what was read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from case_system.audience import readers
from case_system.handoff import Climb, Ladder
from case_system.record import Record, User
from case_system.turn import UNDECIDED, WAITS_FOR_SOMEONE, World
from referral.lifecycle import Handoff, Role
from referral.model import Kind, ReferralId, UserId, Willing
from referral.views import Flag

ATTENTION = frozenset({
    Flag.NEEDS_ATTENTION, Flag.PARALLEL_UPDATE, Flag.POSSIBLE_DUPLICATE, Flag.WITHDRAWAL_ASKED, Flag.WAIT_LIST,
    Flag.DEVICE_REVOKED, Flag.INCOMPLETE,
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A handoff that waits for someone, or runs. offered_at starts its clock; next_ring_at: when more people are rung."""

    record: Record
    waits: bool
    yours: bool
    rung: frozenset[UserId]
    next_ring_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """One person's desk at one moment; every list oldest first."""

    now: datetime
    handoffs: tuple[Incoming, ...]
    reviews: tuple[Record, ...]
    attention: tuple[Record, ...]
    names: Mapping[UserId, str]


def lay_out(
    reader: User,
    records: Sequence[Record],
    climbs: Mapping[ReferralId, Collection[Climb]],
    rung: Mapping[ReferralId, frozenset[UserId]],
    world: World,
) -> Board:
    """The board of `reader`: supervisors see all, case managers and peers what waits or is theirs, reviewers the reviews."""
    staff = reader.role in (Role.CASE_MANAGER, Role.PEER)
    whole = reader.role is Role.SUPERVISOR
    handoffs, reviews, attention = [], [], []
    for record in records:
        who = rung.get(record.referral_id, frozenset())
        yours = reader.user_id in readers(record, who, world)
        waits = record.handoff in WAITS_FOR_SOMEONE
        if (waits or record.handoff in (Handoff.ACCEPTED, Handoff.MET)) and (whole or (staff and (waits or yours))):
            next_ring = next(
                (c.wake_at for c in climbs.get(record.referral_id, ()) if c.ladder is Ladder.HANDOFF), None
            )
            handoffs.append(Incoming(record=record, waits=waits, yours=yours, rung=who, next_ring_at=next_ring))
        asks = record.kind is Kind.ARREST and record.willing is Willing.YES and record.review in UNDECIDED
        if asks and (whole or reader.role is Role.SAO_REVIEWER):
            reviews.append(record)
        if record.flags & ATTENTION and (whole or (staff and yours)):
            attention.append(record)
    return Board(
        now=world.now,
        handoffs=tuple(handoffs),
        reviews=tuple(reviews),
        attention=tuple(attention),
        names={user.user_id: user.name for user in world.users.values()},
    )
