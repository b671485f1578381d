"""What lies on the desk: the lists of work of one person at one moment, each with the clock that runs on it.

    incoming     handoffs that wait for someone          with_you     accepted or met, still to be finished
    reviews      arrests that the State's Attorney       charges      decided arrests whose charge is still held
                 has to answer
    unassigned   agreed to meet LEAD, and nobody has it  ready        approved and taken in: to join LEAD, and who waits for a pair
    attention    needs a decision                        overdue      past a goal, a window or a deadline
    unsent       devices that still hold work

Each role has its own lists (`LISTS`) and no others. Ids, codes, states, times and colleagues only: no record is opened for a list. Opening one is `CaseService.sheet`, which is audited. Pure: a function of what was read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from case_system.audience import stands
from case_system.casefile import ATTENTION_FLAGS
from case_system.grants import Relation
from case_system.handoff import Climb, Ladder
from case_system.record import Record, User
from case_system.storage import Unsent
from case_system.turn import UNDECIDED, WAITS_FOR_SOMEONE, World
from referral.lifecycle import Charge, Episode, Handoff, Review, Role
from referral.model import Kind, ReferralId, UserId, Willing
from referral.views import Flag


class Late(StrEnum):
    """What is past its time."""

    HANDOFF_GOAL = "handoff_goal"  # accepted, and not met within the programme's goal
    INTAKE_WINDOW = "intake_window"  # met, and no intake within the window
    INTAKE_SOON = "intake_soon"  # the last warning of the window has passed


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One referral on a list.

    since: when its clock began, None where none runs. late_s: after so many seconds the clock is late. relations: how the reader
    stands to it. next_ring_at: when more people are rung. what: why it is overdue.
    """

    record: Record
    relations: frozenset[Relation]
    since: datetime | None = None
    late_s: int | None = None
    rung: frozenset[UserId] = frozenset()
    next_ring_at: datetime | None = None
    what: Late | None = None

    @property
    def waits(self) -> bool:
        """True while its handoff waits for someone."""
        return self.record.handoff in WAITS_FOR_SOMEONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """One person's desk at one moment. lists: by name, in the order of the page; in each, the oldest first."""

    now: datetime
    lists: Mapping[str, tuple[Item, ...]]
    unsent: tuple[Unsent, ...] | None = None  # None: not this person's list
    names: Mapping[UserId, str]

    def has(self, name: str) -> bool:
        """True when this person has such a list."""
        return name in self.lists

    def records(self, *names: str) -> tuple[Record, ...]:
        """The referrals of some lists."""
        return tuple(item.record for name in names for item in self.lists.get(name, ()))


LISTS: Mapping[Role, tuple[str, ...]] = MappingProxyType({
    Role.CASE_MANAGER: ("incoming", "overdue", "with_you", "unassigned", "attention"),
    Role.PEER: ("incoming", "overdue", "with_you", "attention"),
    Role.SAO_REVIEWER: ("reviews", "charges"),
    Role.SUPERVISOR: ("incoming", "overdue", "attention", "unassigned", "ready", "with_you", "reviews"),
})  # fmt: skip


def lay_out(
    reader: User,
    records: Sequence[Record],
    climbs: Mapping[ReferralId, Collection[Climb]],
    rung: Mapping[ReferralId, frozenset[UserId]],
    world: World,
    unsent: Sequence[Unsent] = (),
) -> Board:
    """The board of `reader`: supervisors see all, case managers and peers what waits or is theirs, reviewers the reviews."""
    lists: dict[str, list[Item]] = {name: [] for name in LISTS.get(reader.role, ())}
    for record in records:
        who = rung.get(record.referral_id, frozenset())
        related = stands(reader, record, who, world)
        item = Item(
            record=record, relations=related, rung=who, next_ring_at=_next_ring(climbs.get(record.referral_id, ()))
        )
        for name, placed in _places(item, world, yours=reader.role is Role.SUPERVISOR or Relation.HOLDS in related):
            if name in lists:
                lists[name].append(placed)
    return Board(
        now=world.now,
        lists=MappingProxyType({name: tuple(items) for name, items in lists.items()}),
        unsent=tuple(unsent) if reader.role is Role.SUPERVISOR else None,
        names={user.user_id: user.name for user in world.users.values()},
    )


def _next_ring(climbs: Collection[Climb]) -> datetime | None:
    return next((c.wake_at for c in climbs if c.ladder is Ladder.HANDOFF), None)


def _places(item: Item, world: World, *, yours: bool) -> Iterator[tuple[str, Item]]:
    """The lists that a referral belongs on, with the clock that runs on it there."""
    record, timers = item.record, world.pack.timers
    goal_s = timers.warm_handoff_goal_minutes * 60 if record.kind is Kind.ARREST else None
    named_arrest = record.kind is Kind.ARREST and record.willing is Willing.YES
    late = _late(record, world)
    if late is not None and yours:
        yield "overdue", replace(item, what=late[0], since=late[1], late_s=0)
    if item.waits:
        yield "incoming", replace(item, since=record.offered_at, late_s=timers.supervisor_rings_minutes * 60)
    elif record.handoff in (Handoff.ACCEPTED, Handoff.MET) and yours and late is None:
        runs = record.handoff is Handoff.ACCEPTED
        yield "with_you", replace(item, since=record.offered_at if runs else None, late_s=goal_s)
    if named_arrest and record.review in UNDECIDED:
        yield "reviews", replace(item, since=record.received_at, late_s=max(timers.sao_reviewer_rings_minutes) * 60)
    elif named_arrest and record.charge is Charge.HELD:
        yield "charges", item
    agreed = record.willing in (Willing.YES, Willing.LATER)
    if (
        agreed
        and record.episode is Episode.OPEN
        and record.handoff is Handoff.NONE
        and (yours or Relation.FREE in item.relations)
    ):
        yield "unassigned", replace(item, since=record.received_at)
    taken_in = record.handoff is Handoff.INTAKE_COMPLETE and record.review is Review.APPROVED
    if record.episode is Episode.OPEN and (taken_in or Flag.WAIT_LIST in record.flags):
        yield "ready", item
    if record.flags & ATTENTION_FLAGS and yours:
        yield "attention", item


def _late(record: Record, world: World) -> tuple[Late, datetime] | None:
    """What is past its time on a record, and when it should have been done; the programme's timers decide."""
    timers, now = world.pack.timers, world.now
    if record.handoff is Handoff.ACCEPTED and record.kind is Kind.ARREST and record.offered_at is not None:
        goal = record.offered_at + timedelta(minutes=timers.warm_handoff_goal_minutes)
        return (Late.HANDOFF_GOAL, goal) if goal <= now else None
    if record.handoff is Handoff.MET and record.intake_on is None:
        end = record.received_at + timedelta(days=timers.intake_days)
        soon = record.received_at + timedelta(days=max(timers.intake_warning_days, default=timers.intake_days))
        if end <= now:
            return Late.INTAKE_WINDOW, end
        return (Late.INTAKE_SOON, soon) if soon <= now else None
    return None
