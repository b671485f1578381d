"""The duty rota: who is rung now and next, in which order, who is away and who covers, and who may stand on each post."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Protocol

from case_system.assignment import Absence, Post, Shift, posts
from case_system.grants import Duty, has_duty
from case_system.office.entry import Entry, asking
from case_system.record import User
from case_system.storage import NotSo
from referral.lifecycle import Role
from referral.model import UserId

POST_ROLES: Mapping[Post, tuple[Role, ...]] = MappingProxyType({
    Post.DUTY: (Role.CASE_MANAGER, Role.PEER),
    Post.ON_CALL: (Role.CASE_MANAGER, Role.PEER),
    Post.SUPERVISOR: (Role.SUPERVISOR,),
    Post.SAO: (Role.SAO_REVIEWER,),
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class PostLine:
    """One post. rung: who is rung now, in order, with covers in place of who is away. shifts: running and coming ones, in order.

    standing: the list that counts where no shift runs. may_stand: everyone whose role fits, by name.
    """

    post: Post
    rung: tuple[User, ...]
    shifts: tuple[Shift, ...]
    standing: tuple[User, ...]
    may_stand: tuple[User, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RotaView:
    """Every post, and who is away now or soon. may_change: the reader sets it."""

    posts: tuple[PostLine, ...]
    absences: tuple[Absence, ...]
    names: Mapping[UserId, str]
    staff: tuple[User, ...]
    may_change: bool


class RotaChanges(Protocol):
    """Sets the list of a post (`store/accounts.py`)."""

    def set_post(self, post: Post, users: Sequence[str], *, by: str = "administrator") -> None: ...


class RosterChanges(Protocol):
    """Shifts and absences, each change in a transaction of its own and audited (`store/roster.py`)."""

    def add_shift(self, post: Post, user_id: str, starts_at: datetime, ends_at: datetime, *, weeks: int = 1, by: str = "administrator") -> tuple[str, ...]: ...  # fmt: skip
    def remove_shift(self, shift_id: str, *, by: str = "administrator") -> None: ...
    def set_away(self, user_id: str, starts_at: datetime, ends_at: datetime, *, cover: str | None = None, by: str = "administrator") -> None: ...  # fmt: skip
    def clear_away(self, user_id: str, *, by: str = "administrator") -> int: ...


class DutyRota:
    """The rota as the office keeps it."""

    def __init__(self, entry: Entry, changes: RotaChanges, roster: RosterChanges) -> None:
        self._entry, self._changes, self._roster = entry, changes, roster

    def view(self, actor: UserId) -> RotaView:
        """Who is rung now and next, and who is away."""
        user, now = self._entry.let(actor, Duty.SEE_ROTA), self._entry.clock()
        with self._entry.transactions.reading() as reading:
            users, rota = reading.users(), reading.rota()
        standing = posts(rota, users.values(), now)
        rung = {
            Post.DUTY: standing.duty, Post.ON_CALL: standing.on_call, Post.SUPERVISOR: standing.supervisors, Post.SAO: standing.sao,
        }  # fmt: skip
        by_name = sorted((u for u in users.values() if u.active), key=lambda u: (u.name.casefold(), u.user_id))
        lines = tuple(
            PostLine(
                post=post,
                rung=tuple(users[who] for who in rung[post] if who in users),
                shifts=tuple(
                    sorted((s for s in rota.shifts if s.post is post and s.ends_at > now), key=lambda s: (s.starts_at, s.shift_id))
                ),
                standing=tuple(users[who] for who in rota.lists.get(post, ()) if who in users),
                may_stand=tuple(u for u in by_name if u.role in POST_ROLES[post]),
            )
            for post in Post
        )  # fmt: skip
        return RotaView(
            posts=lines,
            absences=tuple(sorted((a for a in rota.absences if a.ends_at > now), key=lambda a: (a.starts_at, a.user_id))),
            names={who.user_id: who.name for who in users.values()},
            staff=tuple(u for u in by_name if any(u.role in roles for roles in POST_ROLES.values())),
            may_change=has_duty(Duty.CHANGE_ROTA, user.role),
        )  # fmt: skip

    def set(self, actor: UserId, post: Post, users: Sequence[UserId]) -> None:
        """The list of a post from now on, in the order of ringing; nobody is an answer too."""
        self._entry.let(actor, Duty.CHANGE_ROTA)
        self._active(*users)
        with asking():
            self._changes.set_post(post, users, by=actor)

    def add_shift(self, actor: UserId, post: Post, user_id: UserId, starts_at: datetime, ends_at: datetime, weeks: int) -> None:  # fmt: skip
        """Somebody stands on a post for a time, and again in the weeks after it."""
        self._entry.let(actor, Duty.CHANGE_ROTA)
        self._active(user_id)
        with asking():
            self._roster.add_shift(post, user_id, starts_at, ends_at, weeks=weeks, by=actor)

    def remove_shift(self, actor: UserId, shift_id: str) -> None:
        """A shift goes."""
        self._entry.let(actor, Duty.CHANGE_ROTA)
        with asking():
            self._roster.remove_shift(shift_id, by=actor)

    def set_away(self, actor: UserId, user_id: UserId, starts_at: datetime, ends_at: datetime, cover: UserId | None) -> None:  # fmt: skip
        """Somebody is away, and who is rung in their place (None: nobody)."""
        self._entry.let(actor, Duty.CHANGE_ROTA)
        self._active(*([cover] if cover is not None else []))
        with asking():
            self._roster.set_away(user_id, starts_at, ends_at, cover=cover, by=actor)

    def back(self, actor: UserId, user_id: UserId) -> None:
        """Somebody is back, or does not go."""
        self._entry.let(actor, Duty.CHANGE_ROTA)
        with asking():
            self._roster.clear_away(user_id, by=actor)

    def _active(self, *users: UserId) -> None:
        with self._entry.transactions.reading() as reading:
            known = reading.users()
        if any(who in known and not known[who].active for who in users):
            raise NotSo("somebody there may not sign in", "not_active")
