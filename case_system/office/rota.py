"""The duty rota: who is rung, in which order, and the people who may stand on each post."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from case_system.assignment import Post
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
    """One post. standing: who is listed, in the order of ringing. may_stand: everyone whose role fits, by name."""

    post: Post
    standing: tuple[User, ...]
    may_stand: tuple[User, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RotaView:
    """Every post. may_change: the reader sets it."""

    posts: tuple[PostLine, ...]
    may_change: bool


class RotaChanges(Protocol):
    """Sets a post (`store/accounts.py`)."""

    def set_post(self, post: Post, users: Sequence[str], *, by: str = "administrator") -> None: ...


class DutyRota:
    """The rota as the office keeps it."""

    def __init__(self, entry: Entry, changes: RotaChanges) -> None:
        self._entry, self._changes = entry, changes

    def view(self, actor: UserId) -> RotaView:
        """Who stands where."""
        user = self._entry.let(actor, Duty.SEE_ROTA)
        with self._entry.transactions.reading() as reading:
            users, rota = reading.users(), reading.rota()
        by_name = sorted((u for u in users.values() if u.active), key=lambda u: (u.name.casefold(), u.user_id))
        lines = tuple(
            PostLine(
                post=post,
                standing=tuple(users[who] for who in rota.lists.get(post, ()) if who in users),
                may_stand=tuple(u for u in by_name if u.role in POST_ROLES[post]),
            )
            for post in Post
        )
        return RotaView(posts=lines, may_change=has_duty(Duty.CHANGE_ROTA, user.role))

    def set(self, actor: UserId, post: Post, users: Sequence[UserId]) -> None:
        """Who stands on a post from now on, in the order of ringing; nobody is an answer too."""
        self._entry.let(actor, Duty.CHANGE_ROTA)
        with self._entry.transactions.reading() as reading:
            known = reading.users()
        if any(who in known and not known[who].active for who in users):
            raise NotSo("somebody there may not sign in", "not_active")
        with asking():
            self._changes.set_post(post, users, by=actor)
