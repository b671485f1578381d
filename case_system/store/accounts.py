"""People, pairs, the rota, devices and channels, as a supervisor or administrator sets them: each change audited.

Every function is one transaction of its own. Who is acting is named by the caller (the command line acts as
"administrator"); nothing here decides a referral.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Engine, delete, insert, update

from case_system import enrolment
from case_system.assignment import Post
from case_system.audit import Deed
from case_system.office.rota import POST_ROLES
from case_system.ports import Clock, Keys, RandomBytes
from case_system.storage import NotSo
from case_system.store import schema, staff
from case_system.store.engine import transaction
from case_system.store.ledger import close
from referral.lifecycle import Role
from referral.model import UserId
from referral.port import ChangeKind

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,39}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A fresh enrolment code; shown once."""

    code: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """Changes to people and devices over one engine."""

    engine: Engine
    clock: Clock
    rng: RandomBytes
    keys: Keys

    def add_user(
        self, user_id: str, role: Role, *, name: str | None = None, unit: str | None = None, pair: str | None = None,
        language: str = "en", by: str = "administrator",
    ) -> UserId:  # fmt: skip
        """Add a person; `pair` puts a case manager or a peer into the pair of that name (made if it is new)."""
        if role is Role.SYSTEM or not _NAME.match(user_id) or user_id in ("system", "desk", "administrator"):
            raise NotSo("a user name is 1 to 40 small letters, digits, _ . -", "user_name")
        if pair is not None and role not in (Role.CASE_MANAGER, Role.PEER):
            raise NotSo("only case managers and peers work in pairs", "no_pair_role")
        now = self.clock()
        with transaction(self.engine, write=True) as db:
            if staff.role_of(db, user_id) is not None:
                raise NotSo(f"there is a user {user_id} already", "user_taken")
            db.execute(
                insert(schema.users).values(
                    user_id=user_id, name=name or user_id, role=role.value, unit=unit, language=language, created_at=now
                )
            )
            feed = []
            if pair is not None:
                staff.join_pair(db, pair, user_id, role)
                feed = [{"user_id": user_id, "device_id": None, "kind": ChangeKind.CASELOAD.value, "object_id": pair}]
            close(db, feed, [Deed(actor=by, action="user_add", object_id=user_id, outcome=role.value)], now)
        return UserId(user_id)

    def set_active(self, user_id: str, active: bool, *, by: str = "administrator") -> None:
        """Let a person in or out: their devices count as revoked while they are out."""
        now = self.clock()
        with transaction(self.engine, write=True) as db:
            staff.need(db, user_id)
            db.execute(update(schema.users).where(schema.users.c.user_id == user_id).values(active=active))
            close(db, [], [Deed(actor=by, action="user_active", object_id=user_id, outcome=str(active).lower())], now)

    def set_post(self, post: Post, users: Sequence[str], *, by: str = "administrator") -> None:
        """Who stands on a post from now on, in the order in which they are rung; an empty list clears it."""
        now = self.clock()
        if len(set(users)) != len(users):
            raise NotSo("somebody is named twice", "named_twice")
        with transaction(self.engine, write=True) as db:
            for user_id in users:
                if staff.need(db, user_id) not in POST_ROLES[post]:
                    raise NotSo(f"{user_id} cannot stand there: their role is another", "wrong_post")
            t = schema.rota
            db.execute(delete(t).where(t.c.post == post.value))
            if users:
                db.execute(
                    insert(t),
                    [
                        {"post": post.value, "rank": rank, "user_id": user, "set_at": now, "set_by": by}
                        for rank, user in enumerate(users)
                    ],
                )
            close(db, [], [Deed(actor=by, action="rota_set", object_id=post.value, outcome="done")], now)

    def new_code(self, user_id: str, role: Role, *, lasts: timedelta = enrolment.CODE_LASTS, by: str = "administrator") -> Code:  # fmt: skip
        """A one-time enrolment code for a person's device; the role is the person's."""
        now = self.clock()
        code = enrolment.new_code(self.rng)
        with transaction(self.engine, write=True) as db:
            if staff.need(db, user_id) is not role:
                raise NotSo(f"{user_id} is not a {role.value}", "other_role")
            db.execute(
                insert(schema.enrol_codes).values(
                    code_hash=enrolment.code_hash(code), user_id=user_id, role=role.value, created_by=by, created_at=now,
                    expires_at=now + lasts,
                )
            )  # fmt: skip
            close(db, [], [Deed(actor=by, action="enrol_code", object_id=user_id, outcome="done")], now)
        return Code(code=code, expires_at=now + lasts)

    def revoke(self, device_id: str, *, wipe: bool = False, by: str = "administrator") -> None:
        """Take a device out of service; what it still sends is held for a supervisor. wipe: order it to forget."""
        now = self.clock()
        t = schema.devices
        with transaction(self.engine, write=True) as db:
            done = db.execute(
                update(t).where(t.c.device_id == device_id).values(state="revoked", wipe=wipe, revoked_at=now)
            )
            if done.rowcount != 1:
                raise NotSo("there is no such device", "no_device")
            outcome = "wipe" if wipe else "done"
            close(db, [], [Deed(actor=by, action="device_revoke", object_id=device_id, outcome=outcome)], now)

    def release(self, device_id: str, *, by: str = "administrator") -> None:
        """Lift the attempt lock of a device at its next sync."""
        now = self.clock()
        t = schema.devices
        with transaction(self.engine, write=True) as db:
            if db.execute(update(t).where(t.c.device_id == device_id).values(release=True)).rowcount != 1:
                raise NotSo("there is no such device", "no_device")
            close(db, [], [Deed(actor=by, action="device_release", object_id=device_id, outcome="done")], now)
