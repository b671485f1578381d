"""How people are rung until a named person answers: the notice's table, the two ladders, and when work waits for the day.

Theory. A notice is staged with what caused it, sent after that is committed, and stays open until its recipient
acknowledges it or it expires (its time is over, or somebody else has answered). A ladder is a list of rungs; each rings more
people at a fixed time after the first; silence climbs and never accepts. A rung with nobody on it takes no time: with no
duty pair set, the on-call list is rung at once.

    handoff   0 duty pair   3 on-call list   6 supervisors      (minutes are pack values)
    sao       0 first       5 second         10 third reviewer; a reviewer that is missing is replaced by all

Pure: what comes out depends on the arguments alone. Knows no database and sends nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from zoneinfo import ZoneInfo

from referral.model import Urgency, UserId
from referral.programme import Hours, Timers
from referral.views import NoticeKind


class NoticeState(StrEnum):
    STAGED = "staged"
    SENT = "sent"
    ACKNOWLEDGED = "acknowledged"
    EXPIRED = "expired"


class NoticeStep(StrEnum):
    SEND = "send"
    ACKNOWLEDGE = "acknowledge"
    EXPIRE = "expire"


NOTICE_TABLE: Mapping[tuple[NoticeState, NoticeStep], NoticeState] = MappingProxyType({
    (NoticeState.STAGED, NoticeStep.SEND): NoticeState.SENT,
    (NoticeState.STAGED, NoticeStep.ACKNOWLEDGE): NoticeState.ACKNOWLEDGED,
    (NoticeState.STAGED, NoticeStep.EXPIRE): NoticeState.EXPIRED,
    (NoticeState.SENT, NoticeStep.ACKNOWLEDGE): NoticeState.ACKNOWLEDGED,
    (NoticeState.SENT, NoticeStep.EXPIRE): NoticeState.EXPIRED,
    (NoticeState.EXPIRED, NoticeStep.ACKNOWLEDGE): NoticeState.ACKNOWLEDGED,  # seen late is still seen
})  # fmt: skip


class IllegalNoticeStep(RuntimeError):
    """The table has no such row; nothing was changed."""


def advance_notice(state: NoticeState, step: NoticeStep) -> NoticeState:
    """The state that `step` leads to; raises IllegalNoticeStep when the table has no such row."""
    try:
        return NOTICE_TABLE[state, step]
    except KeyError:
        raise IllegalNoticeStep(f"notice: {step} is not possible in state {state}") from None


def can_notice(state: NoticeState, step: NoticeStep) -> bool:
    """True when the table allows it."""
    return (state, step) in NOTICE_TABLE


class Ladder(StrEnum):
    HANDOFF = "handoff"
    SAO = "sao"


@dataclass(frozen=True, slots=True, kw_only=True)
class Posts:
    """Who stands where now, in the order in which they are rung. The first of `duty` is the case manager on duty."""

    duty: tuple[UserId, ...] = ()
    on_call: tuple[UserId, ...] = ()
    supervisors: tuple[UserId, ...] = ()
    sao: tuple[UserId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Climb:
    """One open climb. `first`: the rung it began with; `rungs`: the next rung to ring; `round`: 1 for the first offer."""

    ladder: Ladder
    round: int
    started_at: datetime
    first: int = 0
    rungs: int = 0
    wake_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """A notice to stage. `rings` false: in the inbox only. `due_at`: not before."""

    recipient: UserId
    kind: NoticeKind
    round: int
    due_at: datetime
    rings: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Climbed:
    """What is due: the notices, the climb as it stands now, and whether time passed without an answer."""

    rings: tuple[Ring, ...]
    climb: Climb
    unanswered: bool


@dataclass(frozen=True, slots=True)
class _Rung:
    minutes: int
    people: tuple[UserId, ...]
    kind: NoticeKind
    round: int


def rungs(climb: Climb, posts: Posts, timers: Timers) -> tuple[_Rung, ...]:
    """The whole ladder of this climb, with who stands on each rung now."""
    if climb.ladder is Ladder.HANDOFF:
        return (
            _Rung(timers.duty_pair_rings_minutes, posts.duty, NoticeKind.HANDOFF_OFFERED, climb.round),
            _Rung(timers.on_call_list_rings_minutes, posts.on_call, NoticeKind.HANDOFF_ESCALATED, climb.round),
            _Rung(timers.supervisor_rings_minutes, posts.supervisors, NoticeKind.HANDOFF_ESCALATED, climb.round),
        )
    minutes = timers.sao_reviewer_rings_minutes
    return tuple(
        _Rung(
            m,
            posts.sao[i : i + 1] if len(posts.sao) > i else posts.sao,
            NoticeKind.SAO_REVIEW,
            (climb.round - 1) * len(minutes) + i + 1,
        )
        for i, m in enumerate(minutes)
    )


def climb(
    offer: Climb,
    now: datetime,
    posts: Posts,
    timers: Timers,
    *,
    rung_already: frozenset[tuple[UserId, NoticeKind, int]] = frozenset(),
    not_to: frozenset[UserId] = frozenset(),
    quiet: bool = False,
) -> Climbed:
    """Everything that is due at `now` on an open climb.

    rung_already: (recipient, kind, round) of notices that exist; nobody is rung twice in one round. not_to: who has just
    said no. quiet: a person of the same scene is being rung for already (one scene, one ring).
    """
    ladder = rungs(offer, posts, timers)
    begin = next((r.minutes for r in ladder[offer.first :] if r.people), 0)
    in_round = {(who, number) for who, kind, number in rung_already if kind in {rung.kind for rung in ladder}}
    rings: list[Ring] = []
    index, wake_at, unanswered = offer.rungs, None, False
    while index < len(ladder):
        rung = ladder[index]
        due = offer.started_at + timedelta(minutes=max(0, rung.minutes - begin))
        if rung.people and due > now:
            wake_at = due
            break
        for who in rung.people:
            if (who, rung.round) in in_round or who in not_to:
                continue
            in_round.add((who, rung.round))
            rings.append(Ring(recipient=who, kind=rung.kind, round=rung.round, due_at=now, rings=not quiet))
        unanswered = unanswered or bool(rung.people and due > offer.started_at)
        index += 1
    return Climbed(rings=tuple(rings), climb=replace(offer, rungs=index, wake_at=wake_at), unanswered=unanswered)


def due_for(urgency: Urgency | None, now: datetime, hours: Hours) -> datetime:
    """When a referral that does not ring at night is told: `today` in the next office hour, the rest in the next digest."""
    zone = ZoneInfo(hours.time_zone)
    local = now.astimezone(zone)
    for days in range(8):
        day = local.date() + timedelta(days=days)
        if urgency is not Urgency.TODAY:
            moment = datetime.combine(day, hours.digest_at, zone)
            if moment >= local and any(day.weekday() in span.days for span in hours.open):
                return moment.astimezone(now.tzinfo)
            continue
        spans: Sequence[tuple[datetime, datetime]] = sorted(
            (datetime.combine(day, span.opens, zone), datetime.combine(day, span.closes, zone))
            for span in hours.open
            if day.weekday() in span.days
        )
        for opens, closes in spans:
            if local < closes:
                return max(opens, local).astimezone(now.tzinfo)
    return now
