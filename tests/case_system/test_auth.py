"""Signing in at the desk: what opens a session, what locks a sign-in, and when a session is over."""

from __future__ import annotations

import os

import pyotp
import pytest
from argon2 import PasswordHasher
from sqlalchemy import select

from case_system.auth import Denied, Session, Sessions, SignedIn, Why
from case_system.store import schema
from case_system.store.sign_ins import SignInRows
from referral.lifecycle import Role
from referral.model import UserId
from tests.support.agency import Agency

PASSWORD = "correct horse battery"


@pytest.fixture
def sessions(agency: Agency) -> Sessions:
    """Sessions with a cheap password hash, and a password for `sup`."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    made = Sessions(SignInRows(agency.engine), clock=agency.clock, rng=os.urandom, keys=agency.keys, hasher=cheap)
    made.set_password(UserId("sup"), PASSWORD)
    return made


def signed_in(sessions: Sessions, user: str = "sup", code: str = "") -> SignedIn:
    """A session that must work."""
    found = sessions.sign_in(user, PASSWORD, code)
    assert isinstance(found, SignedIn)
    return found


def test_the_right_password_opens_a_session_and_its_id_is_not_kept(agency: Agency, sessions: Sessions) -> None:
    opened = signed_in(sessions)
    session = sessions.check(opened.token)
    assert isinstance(session, Session)
    assert (session.user_id, session.role, session.csrf) == ("sup", Role.SUPERVISOR, opened.session.csrf)
    assert opened.token not in str(agency.rows(select(schema.sessions)))
    assert PASSWORD not in str(agency.rows(select(schema.users)))
    assert sessions.check("another") is None


def test_a_session_ends_when_idle_when_old_at_sign_out_and_with_its_person(agency: Agency, sessions: Sessions) -> None:
    idle = signed_in(sessions).token
    agency.clock.go(minutes=31)
    assert sessions.check(idle) is None
    old = signed_in(sessions).token
    for _ in range(25):
        assert sessions.check(old) is not None
        agency.clock.go(minutes=29)
    assert sessions.check(old) is None
    out, other = signed_in(sessions).token, signed_in(sessions).token
    sessions.end(out)
    assert sessions.check(out) is None
    assert sessions.check(other) is not None, "one sign-out ends one session"
    theirs = signed_in(sessions).token
    agency.accounts.set_active("sup", False)
    assert sessions.check(theirs) is None
    assert sessions.sign_in("sup", PASSWORD) == Denied(why=Why.WRONG)


def test_five_failures_lock_even_the_right_password_for_a_while(agency: Agency, sessions: Sessions) -> None:
    for _ in range(5):
        assert sessions.sign_in("sup", "wrong") == Denied(why=Why.WRONG)
    locked = sessions.sign_in("sup", PASSWORD)
    assert isinstance(locked, Denied)
    assert locked.why is Why.LOCKED
    agency.clock.go(minutes=15, seconds=1)
    assert isinstance(sessions.sign_in("sup", PASSWORD), SignedIn)


def test_four_failures_and_a_success_begin_the_count_anew(sessions: Sessions) -> None:
    for _ in range(2):
        for _ in range(4):
            sessions.sign_in("sup", "wrong")
        signed_in(sessions)


def test_nobody_and_who_has_no_password_are_refused_alike_and_lock_alike(agency: Agency, sessions: Sessions) -> None:
    for user in ("nobody at all", "cm1"):
        answers = [sessions.sign_in(user, PASSWORD) for _ in range(6)]
        assert [a.why for a in answers if isinstance(a, Denied)] == [Why.WRONG] * 5 + [Why.LOCKED]
    assert "nobody at all" not in str(agency.rows(select(schema.audit)))
    assert "nobody at all" not in str(agency.rows(select(schema.sign_in_failures)))


def test_a_one_time_code_is_needed_and_works_once(agency: Agency, sessions: Sessions) -> None:
    totp = pyotp.TOTP(sessions.new_totp(UserId("sup")))
    assert isinstance(sessions.sign_in("sup", PASSWORD), Denied)
    code = totp.at(agency.clock())
    signed_in(sessions, code=code)
    assert isinstance(sessions.sign_in("sup", PASSWORD, code), Denied)
    agency.clock.go(seconds=30)
    signed_in(sessions, code=totp.at(agency.clock()))
    assert isinstance(sessions.sign_in("sup", PASSWORD, "000000"), Denied)


def test_a_new_password_ends_open_sessions_and_is_long(sessions: Sessions) -> None:
    opened = signed_in(sessions).token
    with pytest.raises(ValueError, match="12"):
        sessions.set_password(UserId("sup"), "short")
    sessions.set_password(UserId("sup"), PASSWORD)
    assert sessions.check(opened) is None
