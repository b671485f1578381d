"""Signing in at the desk: argon2id passwords, a one-time code, and sessions that end by themselves.

Invariants. A password and a session id are kept as hashes only; the TOTP secret is sealed under the storage key. Five
failures within fifteen minutes lock a person's sign-in until they are past; a locked sign-in does not even look at the
password. A TOTP code works once. A session ends after 30 idle minutes, 12 hours after it began, at sign-out, and when its
person is no longer active. Whoever does not exist takes as long to refuse as whoever does.

    SignedIn | Denied        the outcomes of signing in
    Session                  who is at the desk; `csrf` belongs into every form
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from case_system import sealing
from case_system.audit import Deed
from case_system.enrolment import new_token
from case_system.ports import Clock, Keys, RandomBytes
from case_system.refusals import UNKNOWN, Refusals
from case_system.store.sign_ins import Change, Person, SignInRows
from referral.lifecycle import Role
from referral.model import UserId

IDLE = timedelta(minutes=30)
LONGEST = timedelta(hours=12)
FAILURES = 5
WITHIN = timedelta(minutes=15)
SHORTEST_PASSWORD = 12
OFFER_LASTS = timedelta(minutes=15)  # between seeing a new secret and proving that it is in the app
STEP_S = 30  # seconds of one TOTP step (RFC 6238)
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
    """Who is at the desk. ends_at: whatever is done; idle_at: if nothing more is done.

    has_code: a one-time code is asked for when they sign in."""

    user_id: UserId
    name: str
    role: Role
    language: str
    ends_at: datetime
    idle_at: datetime
    has_code: bool
    csrf: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeOffer:
    """A one-time-code secret that is not set up yet. sealed: goes into the form that proves it."""

    secret: str = field(repr=False)
    sealed: str = field(repr=False)


class Sessions:
    """Sign-in, sessions and sign-out. `hasher` sets the cost of a password (the default is RFC 9106's)."""

    def __init__(
        self, rows: SignInRows, *, clock: Clock, rng: RandomBytes, keys: Keys, hasher: PasswordHasher | None = None
    ) -> None:
        self._rows, self._clock, self._rng, self._keys = rows, clock, rng, keys
        self._refusals = Refusals()
        self._hasher = hasher or PasswordHasher()
        self._nobody = self._hasher.hash("nobody has this password")

    # ------------------------------------------------------------------------------------------------ secrets
    def set_password(self, user_id: UserId, password: str, *, by: str = "administrator") -> None:
        """Give a person a password of at least 12 characters; ends their sessions. ValueError when it is too short."""
        if len(password) < SHORTEST_PASSWORD:
            raise ValueError(f"a password has at least {SHORTEST_PASSWORD} characters")
        hashed = self._hasher.hash(password)
        with self._rows.change(self._clock()) as change:
            if not change.password(user_id, hashed):
                raise ValueError("there is no such user")
            change.audit(by, "password_set", "done", user_id)

    def new_totp(self, user_id: UserId, *, by: str = "administrator") -> str:
        """Give a person a fresh one-time-code secret (base32), shown once: from now on a code is asked for."""
        secret = base64.b32encode(self._rng(20)).decode()
        box = sealing.seal(self._keys.storage_key, secret.encode(), "totp", user_id, self._rng)
        with self._rows.change(self._clock()) as change:
            if not change.totp(user_id, box):
                raise ValueError("there is no such user")
            change.audit(by, "totp_set", "done", user_id)
        return secret

    def offer_code(self, user_id: UserId) -> CodeOffer:
        """A secret for somebody who has none yet. Nothing is kept: it comes back sealed, with a code that proves it is in their app."""
        secret = base64.b32encode(self._rng(20)).decode()
        until = int((self._clock() + OFFER_LASTS).timestamp())
        box = sealing.seal(self._keys.storage_key, f"{until} {secret}".encode(), "totp_offer", user_id, self._rng)
        return CodeOffer(secret=secret, sealed=box.hex())

    def take_code(self, user_id: UserId, sealed: str, code: str) -> bool:
        """Set up the offered secret when `code` is one of its codes; False for a wrong code, an old offer, or where one is set up."""
        now = self._clock()
        try:
            opened = sealing.open_(self._keys.storage_key, bytes.fromhex(sealed), "totp_offer", user_id).decode()
        except (ValueError, sealing.SealBroken):
            return False
        until, _, secret = opened.partition(" ")
        step = _step_of(secret, code, now)
        if now.timestamp() > int(until) or step is None:
            return False
        box = sealing.seal(self._keys.storage_key, secret.encode(), "totp", user_id, self._rng)
        with self._rows.change(now) as change:
            person = change.person(user_id)
            if person is None or person.totp is not None or not change.totp(user_id, box, step):
                return False
            change.audit(user_id, "totp_set", "done", user_id)
        return True

    # ------------------------------------------------------------------------------------------------ sign-in
    def sign_in(self, user_id: str, password: str, code: str = "") -> SignedIn | Denied:
        """A session for who knows the password and, where one is set up, the one-time code."""
        now, tried = self._clock(), _tried(user_id)
        with self._rows.change(now) as change:
            count, last = change.failures(tried, now - WITHIN)
            if count >= FAILURES and last is not None:
                self._refused(change, UNKNOWN, "locked", now)
                return Denied(why=Why.LOCKED, until=last + WITHIN)
            person = change.person(user_id)
            step = self._proven(person, password, code, now)
            if person is None or step is None:
                change.failed(tried, now - WITHIN)
                self._refused(change, user_id if person is not None else UNKNOWN, "refused", now)
                return Denied(why=Why.WRONG)
            token = new_token(self._rng)
            change.opened(user_id, tried, _hash(token), step or None)
            change.audit(user_id, "sign_in", "done")
        return SignedIn(token=token, session=_session(person, token, now, now))

    def _refused(self, change: Change, actor: str, outcome: str, now: datetime) -> None:
        for deed in self._refusals.heard(Deed(actor=actor, action="sign_in", outcome=outcome), now):
            change.audit(deed.actor, deed.action, deed.outcome, deed.object_id)

    def _proven(self, person: Person | None, password: str, code: str, now: datetime) -> int | None:
        """None when it is not this person; else the time step of the code that was used, 0 where none is asked for."""
        hashed = person.password_hash if person is not None else None
        try:
            self._hasher.verify(hashed or self._nobody, password)
        except (VerifyMismatchError, InvalidHashError):
            return None
        if person is None or hashed is None or not person.active:
            return None
        if person.totp is None:
            return 0
        secret = sealing.open_(self._keys.storage_key, person.totp, "totp", person.user_id).decode()
        return _step_of(secret, code, now, after=person.totp_step)

    # ------------------------------------------------------------------------------------------------ sessions
    def check(self, token: str, *, by_hand: bool = True) -> Session | None:
        """The session of a cookie while it lasts; seen now, if it was `by_hand` and not an open page that looks again."""
        now = self._clock()
        row = self._rows.session(_hash(token))
        if row is None or row.ended or not row.person.active:
            return None
        if now - row.seen_at > IDLE or now - row.created_at > LONGEST:
            return None
        seen_at = row.seen_at
        if by_hand and now - row.seen_at >= _SEEN_EVERY:
            with self._rows.change(now) as change:
                change.seen(_hash(token))
            seen_at = now
        return _session(row.person, token, row.created_at, seen_at)

    def end(self, token: str) -> None:
        """Sign out."""
        with self._rows.change(self._clock()) as change:
            who = change.ended(_hash(token))
            if who is not None:
                change.audit(who, "sign_out", "done")


def _session(person: Person, token: str, began: datetime, seen_at: datetime) -> Session:
    return Session(
        user_id=person.user_id,
        name=person.name,
        role=person.role,
        language=person.language,
        ends_at=began + LONGEST,
        idle_at=min(seen_at + IDLE, began + LONGEST),
        has_code=person.totp is not None,
        csrf=_csrf(token),
    )


def _step_of(secret: str, code: str, now: datetime, *, after: int | None = None) -> int | None:
    """The time step whose code it is, now or one beside it and later than `after`; None when it is none of them."""
    at = int(now.timestamp()) // STEP_S
    for step in (at, at - 1, at + 1):
        right = hmac.compare_digest(pyotp.TOTP(secret).at(step * STEP_S).encode(), code.strip().encode())
        if right and (after is None or step > after):
            return step
    return None


def _hash(token: str) -> str:
    return hashlib.sha256(b"lead/session/v1" + token.encode(errors="replace")).hexdigest()


def _tried(user_id: str) -> str:
    """What failures are counted under: what people type into a name field is not kept."""
    return hashlib.sha256(b"lead/tried/v1" + user_id.encode(errors="replace")).hexdigest()[:40]


def _csrf(token: str) -> str:
    return hmac.digest(token.encode(errors="replace"), b"lead/csrf/v1", "sha256").hex()
