"""Shifts, absences and languages of people, as a supervisor or administrator sets them: each change audited.

A shift puts somebody on a post from one moment to another; where no shift runs, the lists of `Accounts.set_post` stand. Who is
away is not rung, and their cover is rung in their place. Errors: `NotSo`, which says why in a sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, delete, insert, select, update

from case_system.assignment import Post
from case_system.audit import Deed
from case_system.office.rota import POST_ROLES
from case_system.ports import Clock, RandomBytes
from case_system.storage import NotSo
from case_system.store import schema
from case_system.store.engine import transaction
from case_system.store.ledger import close
from case_system.store.staff import need
from referral.lifecycle import Role

LONGEST_SHIFT = timedelta(days=31)
WEEKS = 52
FIRST_YEAR, LAST_YEAR = 1900, 2200


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """Changes over one engine."""

    engine: Engine
    clock: Clock
    rng: RandomBytes

    def add_shift(
        self, post: Post, user_id: str, starts_at: datetime, ends_at: datetime, *, weeks: int = 1, by: str = "administrator"
    ) -> tuple[str, ...]:  # fmt: skip
        """Put somebody on a post for a time, and again in the following weeks at the same hour of the moments' zone. The new ids."""
        _span(starts_at, ends_at, LONGEST_SHIFT)
        if not 1 <= weeks <= WEEKS:
            raise NotSo(f"a shift is repeated for 1 to {WEEKS} weeks", "weeks")
        now = self.clock()
        ids = tuple(self.rng(8).hex() for _ in range(weeks))
        with transaction(self.engine, write=True) as db:
            if need(db, user_id) not in POST_ROLES[post]:
                raise NotSo(f"{user_id} cannot stand there: their role is another", "wrong_post")
            rows = [
                {
                    "shift_id": shift_id, "post": post.value, "user_id": user_id, "starts_at": starts_at + timedelta(weeks=n),
                    "ends_at": ends_at + timedelta(weeks=n), "set_at": now, "set_by": by,
                }
                for n, shift_id in enumerate(ids)
            ]  # fmt: skip
            db.execute(insert(schema.shifts), rows)
            close(db, [], [Deed(actor=by, action="shift_add", object_id=i, outcome=post.value) for i in ids], now)
        return ids

    def remove_shift(self, shift_id: str, *, by: str = "administrator") -> None:
        """Take a shift off the rota."""
        now = self.clock()
        with transaction(self.engine, write=True) as db:
            if db.execute(delete(schema.shifts).where(schema.shifts.c.shift_id == shift_id)).rowcount != 1:
                raise NotSo("there is no such shift", "no_shift")
            close(db, [], [Deed(actor=by, action="shift_remove", object_id=shift_id, outcome="done")], now)

    def shifts(self) -> list[dict[str, Any]]:
        """Shifts that are not over, in order."""
        s = schema.shifts
        with transaction(self.engine, write=False) as db:
            rows = db.execute(
                select(s).where(s.c.ends_at > self.clock()).order_by(s.c.starts_at, s.c.post, s.c.shift_id)
            )
            return [
                {
                    "shift_id": row.shift_id, "post": row.post, "user": row.user_id, "starts_at": row.starts_at, "ends_at": row.ends_at,
                }
                for row in rows
            ]  # fmt: skip

    def set_away(
        self, user_id: str, starts_at: datetime, ends_at: datetime, *, cover: str | None = None, by: str = "administrator"
    ) -> None:  # fmt: skip
        """Somebody is away; `cover`, of the same kind of work, is rung in their place. Takes the place of what overlaps."""
        _span(starts_at, ends_at, timedelta(days=366))
        now = self.clock()
        a = schema.absences
        with transaction(self.engine, write=True) as db:
            role = need(db, user_id)
            if cover is not None and (cover == user_id or not _same_work(role, need(db, cover))):
                raise NotSo("the cover is somebody else who does the same work", "wrong_cover")
            overlap = (a.c.user_id == user_id) & (a.c.starts_at < ends_at) & (a.c.ends_at > starts_at)
            db.execute(delete(a).where(overlap))
            db.execute(
                insert(a).values(
                    absence_id=self.rng(8).hex(), user_id=user_id, starts_at=starts_at, ends_at=ends_at, cover=cover, set_at=now, set_by=by
                )
            )  # fmt: skip
            outcome = "covered" if cover is not None else "uncovered"
            close(db, [], [Deed(actor=by, action="away_set", object_id=user_id, outcome=outcome)], now)

    def clear_away(self, user_id: str, *, by: str = "administrator") -> int:
        """Somebody is back, or does not go: their absences that are not over are taken away. How many."""
        now = self.clock()
        a = schema.absences
        with transaction(self.engine, write=True) as db:
            need(db, user_id)
            gone = db.execute(delete(a).where(a.c.user_id == user_id, a.c.ends_at > now)).rowcount
            close(db, [], [Deed(actor=by, action="away_clear", object_id=user_id, outcome=str(gone))], now)
        return int(gone)

    def absences(self) -> list[dict[str, Any]]:
        """Absences that are not over, in order."""
        a = schema.absences
        with transaction(self.engine, write=False) as db:
            rows = db.execute(select(a).where(a.c.ends_at > self.clock()).order_by(a.c.starts_at, a.c.user_id))
            return [
                {"user": row.user_id, "starts_at": row.starts_at, "ends_at": row.ends_at, "cover": row.cover} for row in rows
            ]  # fmt: skip

    def set_languages(self, user_id: str, languages: Sequence[str], *, known: Sequence[str], by: str = "administrator") -> None:  # fmt: skip
        """The languages that somebody speaks, as codes of the pack (`known`)."""
        now = self.clock()
        if strange := [code for code in languages if code not in known]:
            raise NotSo(f"the programme has no language {strange[0]}", "no_language")
        with transaction(self.engine, write=True) as db:
            need(db, user_id)
            t = schema.users
            db.execute(update(t).where(t.c.user_id == user_id).values(languages=" ".join(sorted(set(languages)))))
            close(db, [], [Deed(actor=by, action="user_languages", object_id=user_id, outcome="done")], now)


def _span(starts_at: datetime, ends_at: datetime, longest: timedelta) -> None:
    known = (
        starts_at.year >= FIRST_YEAR and ends_at.year <= LAST_YEAR
    )  # beyond, other clocks and weeks later have no date
    if not known or not starts_at < ends_at or ends_at - starts_at > longest:
        raise NotSo(f"it ends after it begins, and lasts at most {longest.days} days", "wrong_span")


def _same_work(one: Role, other: Role) -> bool:
    staff = {Role.CASE_MANAGER, Role.PEER}
    return one is other or {one, other} <= staff
