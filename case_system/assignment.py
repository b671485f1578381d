"""Who is rung, and which pair a person joins: pure choices, each with its reason.

Invariants. 28 (a pack value) is a hard cap per pair, counted over enrolled people, and is checked here at enrolment under
the lock of all pairs; an arriving person is always met, whatever the caseload. When every pair is full, the person waits
for a pair after intake. With an unset rota nobody is forgotten: the lists fall back to everyone of the role.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from case_system.handoff import Posts
from case_system.record import Pair, User
from referral.lifecycle import Role
from referral.model import UserId


class Post(StrEnum):
    DUTY = "duty"
    ON_CALL = "on_call"
    SUPERVISOR = "supervisor"
    SAO = "sao"


def posts(rota: Mapping[Post, Sequence[UserId]], users: Collection[User]) -> Posts:
    """Who stands on each post now: the rota's active people; an empty list means everyone of the role.

    The duty post has no such fallback (its rung is skipped). Who is on duty is not on the on-call list too.
    """
    active = {user.user_id: user for user in sorted(users, key=lambda u: u.user_id) if user.active}

    def of(post: Post, *roles: Role, but: Collection[UserId] = ()) -> tuple[UserId, ...]:
        listed = tuple(u for u in rota.get(post, ()) if u in active)
        everyone = tuple(u for u, user in active.items() if user.role in roles)
        return tuple(u for u in listed or everyone if u not in but)

    duty = of(Post.DUTY)
    return Posts(
        duty=duty,
        on_call=of(Post.ON_CALL, Role.CASE_MANAGER, Role.PEER, but=duty),
        supervisors=of(Post.SUPERVISOR, Role.SUPERVISOR),
        sao=of(Post.SAO, Role.SAO_REVIEWER),
    )


class Why(StrEnum):
    """The reason of a choice, for the timeline and the weekly meeting."""

    OWN_PAIR = "own_pair"  # the person is enrolled with this pair already and is not counted twice
    ASKED_FOR = "asked_for"
    HOLDS_IT = "holds_it"  # the pair of who accepted the handoff
    FEWEST_PEOPLE = "fewest_people"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The pair, why, whether it grows by one, and whether that crosses the soft line."""

    pair: str
    why: Why
    counts: bool
    over_soft_line: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Full:
    """No place: `pair` when one was asked for, None when all pairs are full."""

    pair: str | None


def choose(
    pairs: Collection[Pair],
    *,
    cap: int,
    soft: int,
    wanted: str | None = None,
    own: str | None = None,
    holding: str | None = None,
) -> Chosen | Full:
    """The pair that a person joins at enrolment.

    pairs: all, with their present counts. wanted: named by the supervisor; only that pair will do. own: where the same
    person is enrolled already. holding: the pair of who accepted the handoff; taken while it has a place.
    Otherwise the active pair with the fewest people, by name where equal.
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
    for pair in free:
        if pair.pair == holding:
            return chosen(pair, Why.HOLDS_IT)
    return chosen(free[0], Why.FEWEST_PEOPLE) if free else Full(pair=None)
