"""What is kept of signing in: password hashes, sealed one-time-code secrets, failures and sessions. No rule is here.

Each `with rows.change() as change` is one transaction with its audit rows; `auth.py` decides what goes into it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from case_system.audit import Deed
from case_system.store import schema
from case_system.store.engine import transaction
from case_system.store.ledger import close
from referral.lifecycle import Role
from referral.model import UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What signing in needs to know of a user."""

    user_id: UserId
    name: str
    role: Role
    language: str
    active: bool
    password_hash: str | None = field(repr=False)
    totp: bytes | None = field(repr=False)
    totp_step: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """A session as kept, with its person."""

    person: Person
    created_at: datetime
    seen_at: datetime
    ended: bool


class SignInRows:
    """Reads and changes over one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def change(self, now: datetime) -> Iterator[Change]:
        """One write transaction at the moment `now`."""
        with transaction(self._engine, write=True) as db:
            made = Change(db, now)
            yield made
            close(db, [], made.deeds, now)

    def session(self, token_hash: str) -> SessionRow | None:
        """The session of a token's hash."""
        s, u = schema.sessions, schema.users
        found = select(u, s.c.created_at.label("began"), s.c.seen_at, s.c.ended_at).join(s, s.c.user_id == u.c.user_id)
        with transaction(self._engine, write=False) as db:
            row = db.execute(found.where(s.c.token_hash == token_hash)).one_or_none()
        if row is None:
            return None
        return SessionRow(
            person=_person(row), created_at=row.began, seen_at=row.seen_at, ended=row.ended_at is not None
        )


class Change:
    """What one transaction of signing in reads and writes."""

    def __init__(self, db: Connection, now: datetime) -> None:
        self._db, self._now = db, now
        self.deeds: list[Deed] = []

    def person(self, user_id: str) -> Person | None:
        """The user, locked."""
        t = schema.users
        row = self._db.execute(select(t).where(t.c.user_id == user_id).with_for_update()).one_or_none()
        return None if row is None else _person(row)

    def failures(self, tried: str, since: datetime) -> tuple[int, datetime | None]:
        """How many failures since then, and when the last one was."""
        t = schema.sign_in_failures
        found = select(func.count(), func.max(t.c.at)).where(t.c.user_id == tried, t.c.at > since)
        count, last = self._db.execute(found).one()
        return int(count), last

    def failed(self, tried: str, since: datetime) -> None:
        """One more failure; those before `since` count no more and go, so that no flood of names is kept."""
        self._db.execute(delete(schema.sign_in_failures).where(schema.sign_in_failures.c.at <= since))
        self._db.execute(insert(schema.sign_in_failures).values(user_id=tried, at=self._now))

    def opened(self, user_id: str, tried: str, token_hash: str, totp_step: int | None) -> None:
        """A new session; the failures before it are forgotten, the code's step is used up."""
        t = schema.users
        if totp_step is not None:
            self._db.execute(update(t).where(t.c.user_id == user_id).values(totp_step=totp_step))
        self._db.execute(delete(schema.sign_in_failures).where(schema.sign_in_failures.c.user_id == tried))
        self._db.execute(
            insert(schema.sessions).values(
                token_hash=token_hash, user_id=user_id, created_at=self._now, seen_at=self._now
            )
        )

    def password(self, user_id: str, hashed: str) -> bool:
        """Set a password's hash and end the sessions; False when there is no such user."""
        t, s = schema.users, schema.sessions
        if self._db.execute(update(t).where(t.c.user_id == user_id).values(password_hash=hashed)).rowcount != 1:
            return False
        self._db.execute(update(s).where(s.c.user_id == user_id, s.c.ended_at.is_(None)).values(ended_at=self._now))
        return True

    def totp(self, user_id: str, box: bytes, step: int | None = None) -> bool:
        """Set a sealed secret, and the step of a code of it that was used; False when there is no such user."""
        t = schema.users
        done = self._db.execute(update(t).where(t.c.user_id == user_id).values(totp=box, totp_step=step))
        return done.rowcount == 1

    def seen(self, token_hash: str) -> None:
        """The session was used now."""
        s = schema.sessions
        self._db.execute(update(s).where(s.c.token_hash == token_hash).values(seen_at=self._now))

    def ended(self, token_hash: str) -> str | None:
        """End a session; whose it was, None when it was over already."""
        s = schema.sessions
        open_ = (s.c.token_hash == token_hash) & s.c.ended_at.is_(None)
        who = self._db.execute(select(s.c.user_id).where(open_)).scalar()
        if who is not None:
            self._db.execute(update(s).where(open_).values(ended_at=self._now))
        return who

    def audit(self, actor: str, action: str, outcome: str, object_id: str | None = None) -> None:
        """A row of the audit trail."""
        self.deeds.append(Deed(actor=actor, action=action, outcome=outcome, object_id=object_id))


def _person(row: object) -> Person:
    names = ("user_id", "name", "language", "active", "password_hash", "totp", "totp_step")
    return Person(role=Role(getattr(row, "role")), **{name: getattr(row, name) for name in names})  # noqa: B009
