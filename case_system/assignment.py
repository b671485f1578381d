"""Who is rung, and which pair a person joins: pure choices, each with its reason (`reasons.py`).

Invariants. 28 (a pack value) is a hard cap per pair, counted over enrolled people, and is checked here at enrolment under
the lock of all pairs; an arriving person is always met, whatever the caseload. When every pair is full, the person waits
for a pair after intake, in the order of the list. With an unset rota nobody is forgotten: a post without a shift falls back
to its list, a list without anybody to everyone of the role. Who is away is skipped, and their cover stands in.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from case_system.handoff import Posts
from case_system.reasons import Why
from case_system.record import Pair, User
from referral.lifecycle import Role
from referral.model import ReferralId, UserId

UNSAID = frozenset({None, "en", "other"})  # languages that prefer nobody


class Post(StrEnum):
    DUTY = "duty"
    ON_CALL = "on_call"
    SUPERVISOR = "supervisor"
    SAO = "sao"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """Somebody stands on a post from `starts_at` until before `ends_at`."""

    shift_id: str
    post: Post
    user_id: UserId
    starts_at: datetime
    ends_at: datetime

    def at(self, now: datetime) -> bool:
        """True while it runs."""
        return self.starts_at <= now < self.ends_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """Somebody is away from `starts_at` until before `ends_at`; `cover` is rung in their place, None: nobody."""

    user_id: UserId
    starts_at: datetime
    ends_at: datetime
    cover: UserId | None = None

    def at(self, now: datetime) -> bool:
        """True while they are away."""
        return self.starts_at <= now < self.ends_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Rota:
    """Shifts, the lists that stand where no shift runs, and who is away when."""

    lists: Mapping[Post, Sequence[UserId]] = field(default_factory=dict)
    shifts: Sequence[Shift] = ()
    absences: Sequence[Absence] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Somebody on the list for a pair. The order is that of the intakes, then that of the list."""

    referral_id: ReferralId
    since: datetime
    intake_on: date | None = None
    told: bool = False  # the supervisors know that a place is free

    @property
    def turn(self) -> tuple[date, datetime, ReferralId]:
        """Smaller comes first."""
        return self.intake_on or self.since.date(), self.since, self.referral_id


def stand_ins(rota: Rota, users: Collection[User], now: datetime) -> dict[UserId, UserId | None]:
    """Who is away now, and who stands in for them; a cover who is away is stood in for by their own cover."""
    active = {user.user_id for user in users if user.active}
    away = {a.user_id: a.cover for a in rota.absences if a.at(now)}

    def cover(user_id: UserId) -> UserId | None:
        seen = {user_id}
        found = away[user_id]
        while found is not None and found in away:
            if found in seen:
                return None
            seen.add(found)
            found = away[found]
        return found if found in active else None

    return {user_id: cover(user_id) for user_id in away}


def present(people: Collection[UserId], away: Mapping[UserId, UserId | None]) -> tuple[UserId, ...]:
    """These people, with covers in place of those who are away; nobody twice."""
    found = (away.get(u, u) for u in people)
    return tuple(dict.fromkeys(u for u in found if u is not None))


def posts(rota: Rota, users: Collection[User], now: datetime) -> Posts:
    """Who stands on each post now: who has a shift, else the list's active people, else everyone of the role.

    The duty post has no everyone (its rung is skipped). Who is on duty is not on the on-call list too. When all supervisors (or
    all reviewers) are away, they are rung all the same: nobody is left without a human.
    """
    active = {user.user_id: user for user in sorted(users, key=lambda u: u.user_id) if user.active}
    away = stand_ins(rota, users, now)
    first = {Role.CASE_MANAGER: 0}  # of a pair on duty the case manager is named first

    def of(post: Post, *roles: Role, but: Collection[UserId] = ()) -> tuple[UserId, ...]:
        running = sorted(
            (s for s in rota.shifts if s.post is post and s.at(now) and s.user_id in active),
            key=lambda s: (first.get(active[s.user_id].role, 1), s.starts_at, s.shift_id),
        )
        listed = tuple(u for u in rota.lists.get(post, ()) if u in active)
        everyone = tuple(u for u, user in active.items() if user.role in roles)
        for chosen in (tuple(s.user_id for s in running), listed):
            if here := tuple(u for u in present(chosen, away) if u not in but):
                return here
        here = tuple(u for u in everyone if u not in but and u not in away)
        return here if post is Post.ON_CALL else here or everyone

    duty = of(Post.DUTY)
    return Posts(
        duty=duty,
        on_call=of(Post.ON_CALL, Role.CASE_MANAGER, Role.PEER, but=duty),
        supervisors=of(Post.SUPERVISOR, Role.SUPERVISOR),
        sao=of(Post.SAO, Role.SAO_REVIEWER),
    )


def speaking(language: str | None, people: Collection[UserId], users: Mapping[UserId, User]) -> tuple[UserId, ...]:
    """Those of the people who speak a language; nobody where the language asks for nobody."""
    if language in UNSAID:
        return ()
    return tuple(u for u in people if u in users and language in users[u].languages)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The pair, why, whether it grows by one, and whether that crosses the soft line."""

    pair: str
    why: Why
    counts: bool
    over_soft_line: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Full:
    """No place: `pair` when one was asked for, None when all pairs are full or others wait longer for what is free."""

    pair: str | None


def free_places(pairs: Collection[Pair], cap: int) -> int:
    """How many people the active pairs can still take."""
    return sum(max(0, cap - pair.enrolled) for pair in pairs if pair.active and pair.members)


def choose(
    pairs: Collection[Pair],
    *,
    cap: int,
    soft: int,
    wanted: str | None = None,
    own: str | None = None,
    holding: str | None = None,
    speakers: Collection[UserId] = (),
    ahead: int = 0,
) -> Chosen | Full:
    """The pair that a person joins at enrolment.

    pairs: all, with their present counts. wanted: named by the supervisor; only that pair will do. own: where the same
    person is enrolled already. holding: the pair of who accepted the handoff; taken while it has a place. speakers: who speaks
    the person's language. ahead: how many people wait longer for the places that are free; an unnamed choice leaves these to them.
    Otherwise the active pair with the fewest people, by name where equal: of those that speak the language, then of those that
    have a peer, then of all.
    """
    by_name = {pair.pair: pair for pair in pairs if pair.active and pair.members}
    if own is not None and own in by_name and wanted in (None, own):
        return Chosen(pair=own, why=Why.OWN_PAIR, counts=False, over_soft_line=by_name[own].enrolled > soft)

    def chosen(pair: Pair, why: Why) -> Chosen:
        return Chosen(pair=pair.pair, why=why, counts=True, over_soft_line=pair.enrolled + 1 > soft)

    if wanted is not None:
        pair = by_name.get(wanted)
        return chosen(pair, Why.ASKED_FOR) if pair is not None and pair.enrolled < cap else Full(pair=wanted)
    free = sorted((pair for pair in by_name.values() if pair.enrolled < cap), key=lambda p: (p.enrolled, p.pair))
    if free_places(pairs, cap) <= ahead:
        return Full(pair=None)
    for pair in free:
        if pair.pair == holding:
            return chosen(pair, Why.HOLDS_IT)
    whole = [pair for pair in free if pair.case_manager is not None and pair.peer is not None]
    for pair in whole:
        if not pair.members.isdisjoint(speakers):
            return chosen(pair, Why.SPEAKS_LANGUAGE)
    return chosen(whole[0], Why.FEWEST_PEOPLE) if whole else chosen(free[0], Why.NO_PEER_YET)
