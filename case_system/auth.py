"""Signing in at the desk: argon2id passwords, a one-time code, and sessions that end by themselves.

Invariants. A password and a session id are kept as hashes only; the TOTP secret is sealed under the storage key. Five
failures within fifteen minutes lock a person's sign-in until they are past; a locked sign-in does not even look at the
password. A TOTP code works once. A session ends after 30 idle minutes, 12 hours after it began, at sign-out, and when its
person is no longer active. Whoever does not exist takes as long to refuse as whoever does.

    SignedIn | Denied        the outcomes of signing in
    Session                  who is at the desk; `csrf` belongs into every form
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from case_system import sealing
from case_system.audit import Deed
from case_system.enrolment import new_token
from case_system.ports import Clock, Keys, RandomBytes
from case_system.store import schema
from case_system.store.engine import transaction
from case_system.store.ledger import close
from referral.lifecycle import Role
from referral.model import UserId

IDLE = timedelta(minutes=30)
LONGEST = timedelta(hours=12)
FAILURES = 5
WITHIN = timedelta(minutes=15)
SHORTEST_PASSWORD = 12
_SEEN_EVERY = timedelta(minutes=1)  # a page view does not cost a write each


class Why(StrEnum):
    """Why a sign-in was denied; WRONG does not say which part."""

    WRONG = "wrong"
    LOCKED = "locked"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """A new session; `token` goes into the cookie and is not kept."""

    token: str = field(repr=False)
    session: Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """`until`: when a locked sign-in may be tried again."""

    why: Why
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Who is at the desk."""

    user_id: UserId
    name: str
    role: Role
    language: str
    ends_at: datetime
    csrf: str = field(repr=False)


class Sessions:
    """Sign-in, sessions and sign-out over one engine. `hasher` sets the cost of a password (the default is RFC 9106's)."""

    def __init__(
        self, engine: Engine, *, clock: Clock, rng: RandomBytes, keys: Keys, hasher: PasswordHasher | None = None
    ) -> None:
        self._engine, self._clock, self._rng, self._keys = engine, clock, rng, keys
        self._hasher = hasher or PasswordHasher()
        self._nobody = self._hasher.hash("nobody has this password")

    # ------------------------------------------------------------------------------------------------ secrets
    def set_password(self, user_id: UserId, password: str, *, by: str = "administrator") -> None:
        """Give a person a password of at least 12 characters; ends their sessions. ValueError when it is too short."""
        if len(password) < SHORTEST_PASSWORD:
            raise ValueError(f"a password has at least {SHORTEST_PASSWORD} characters")
        now, hashed = self._clock(), self._hasher.hash(password)
        with transaction(self._engine, write=True) as db:
            t, s = schema.users, schema.sessions
            if db.execute(update(t).where(t.c.user_id == user_id).values(password_hash=hashed)).rowcount != 1:
                raise ValueError("there is no such user")
            db.execute(update(s).where(s.c.user_id == user_id, s.c.ended_at.is_(None)).values(ended_at=now))
            close(db, [], [Deed(actor=by, action="password_set", object_id=user_id, outcome="done")], now)

    def new_totp(self, user_id: UserId, *, by: str = "administrator") -> str:
        """Give a person a fresh one-time-code secret (base32), shown once: from now on a code is asked for."""
        now = self._clock()
        secret = pyotp.random_base32()
        box = sealing.seal(self._keys.storage_key, secret.encode(), "totp", user_id, self._rng)
        with transaction(self._engine, write=True) as db:
            t = schema.users
            if db.execute(update(t).where(t.c.user_id == user_id).values(totp=box, totp_step=None)).rowcount != 1:
                raise ValueError("there is no such user")
            close(db, [], [Deed(actor=by, action="totp_set", object_id=user_id, outcome="done")], now)
        return secret

    # ------------------------------------------------------------------------------------------------ sign-in
    def sign_in(self, user_id: str, password: str, code: str = "") -> SignedIn | Denied:
        """A session for who knows the password and, where one is set up, the one-time code."""
        now = self._clock()
        with transaction(self._engine, write=True) as db:
            until = self._locked_until(db, user_id, now)
            if until is not None:
                close(db, [], [Deed(actor="unknown", action="sign_in", outcome="locked")], now)
                return Denied(why=Why.LOCKED, until=until)
            t = schema.users
            row = db.execute(select(t).where(t.c.user_id == user_id).with_for_update()).one_or_none()
            right = self._right(row.password_hash if row is not None else None, password)
            step = self._step(row.totp, user_id, code, row.totp_step, now) if row is not None and right else None
            if row is None or not right or not row.active or (row.totp is not None and step is None):
                db.execute(insert(schema.sign_in_failures).values(user_id=_tried(user_id), at=now))
                known = user_id if row is not None else "unknown"
                close(db, [], [Deed(actor=known, action="sign_in", outcome="refused")], now)
                return Denied(why=Why.WRONG)
            if step is not None:
                db.execute(update(t).where(t.c.user_id == user_id).values(totp_step=step))
            db.execute(delete(schema.sign_in_failures).where(schema.sign_in_failures.c.user_id == _tried(user_id)))
            token = new_token(self._rng)
            db.execute(
                insert(schema.sessions).values(token_hash=_hash(token), user_id=user_id, created_at=now, seen_at=now)
            )
            close(db, [], [Deed(actor=user_id, action="sign_in", outcome="done")], now)
            session = Session(
                user_id=UserId(user_id),
                name=row.name,
                role=Role(row.role),
                language=row.language,
                ends_at=now + LONGEST,
                csrf=_csrf(token),
            )
        return SignedIn(token=token, session=session)

    def _locked_until(self, db: Connection, user_id: str, now: datetime) -> datetime | None:
        t = schema.sign_in_failures
        recent = select(func.count(), func.max(t.c.at)).where(t.c.user_id == _tried(user_id), t.c.at > now - WITHIN)
        count, last = db.execute(recent).one()
        return last + WITHIN if count >= FAILURES else None

    def _right(self, hashed: str | None, password: str) -> bool:
        try:
            self._hasher.verify(hashed or self._nobody, password)
        except (VerifyMismatchError, InvalidHashError):
            return False
        return hashed is not None

    def _step(self, box: bytes | None, user_id: str, code: str, used: int | None, now: datetime) -> int | None:
        """The time step of a right and unused code, else None."""
        if box is None:
            return None
        totp = pyotp.TOTP(sealing.open_(self._keys.storage_key, box, "totp", user_id).decode())
        at = int(now.timestamp()) // 30
        for step in (at, at - 1, at + 1):
            if hmac.compare_digest(totp.at(step * 30), code.strip()) and (used is None or step > used):
                return step
        return None

    # ------------------------------------------------------------------------------------------------ sessions
    def check(self, token: str) -> Session | None:
        """The session of a cookie while it lasts, seen now."""
        now = self._clock()
        s, u = schema.sessions, schema.users
        with transaction(self._engine, write=False) as db:
            row = db.execute(
                select(
                    s.c.created_at, s.c.seen_at, s.c.ended_at, u.c.user_id, u.c.name, u.c.role, u.c.language, u.c.active
                )
                .join(u, u.c.user_id == s.c.user_id)
                .where(s.c.token_hash == _hash(token))
            ).one_or_none()
        if row is None or row.ended_at is not None or not row.active:
            return None
        if now - row.seen_at > IDLE or now - row.created_at > LONGEST:
            return None
        if now - row.seen_at >= _SEEN_EVERY:
            with transaction(self._engine, write=True) as db:
                db.execute(update(s).where(s.c.token_hash == _hash(token)).values(seen_at=now))
        return Session(
            user_id=UserId(row.user_id),
            name=row.name,
            role=Role(row.role),
            language=row.language,
            ends_at=row.created_at + LONGEST,
            csrf=_csrf(token),
        )

    def end(self, token: str) -> None:
        """Sign out."""
        now = self._clock()
        s = schema.sessions
        with transaction(self._engine, write=True) as db:
            who = db.execute(select(s.c.user_id).where(s.c.token_hash == _hash(token), s.c.ended_at.is_(None))).scalar()
            if who is not None:
                db.execute(update(s).where(s.c.token_hash == _hash(token)).values(ended_at=now))
                close(db, [], [Deed(actor=who, action="sign_out", outcome="done")], now)


def _hash(token: str) -> str:
    return hashlib.sha256(b"lead/session/v1" + token.encode(errors="replace")).hexdigest()


def _tried(user_id: str) -> str:
    """What failures are counted under: what people type into a name field is not kept."""
    return hashlib.sha256(b"lead/tried/v1" + user_id.encode(errors="replace")).hexdigest()[:40]


def _csrf(token: str) -> str:
    return hmac.digest(token.encode(errors="replace"), b"lead/csrf/v1", "sha256").hex()
