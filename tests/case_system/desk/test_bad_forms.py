"""Bad input at the desk: strange paths, forms that are too long or broken, and text that no database keeps."""

from __future__ import annotations

import os

import httpx
import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI
from sqlalchemy import select

from case_system.auth import Sessions, SignedIn
from case_system.desk.pages import COOKIE, Desk
from case_system.http import BODY_LIMIT, create_app
from case_system.store import schema
from case_system.store.sign_ins import SignInRows
from case_system.streams import Streams
from referral.model import UserId
from tests.support.agency import Agency
from tests.support.packs import baltimore

PASSWORD = "a long enough demonstration secret"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture
def sessions(agency: Agency) -> Sessions:
    made = Sessions(SignInRows(agency.engine), clock=agency.clock, rng=os.urandom, keys=agency.keys, hasher=CHEAP)
    made.set_password(UserId("sup"), PASSWORD)
    return made


@pytest.fixture
def app(agency: Agency, sessions: Sessions) -> FastAPI:
    streams = Streams()
    desk = Desk(
        service=agency.service, sessions=sessions, streams=streams, pack=baltimore, clock=agency.clock, rng=os.urandom
    )
    return create_app(agency.service, streams, routers=(desk.router(),))


async def test_nothing_that_is_typed_or_sent_breaks_the_desk(app: FastAPI, sessions: Sessions, agency: Agency) -> None:
    signed = sessions.sign_in("sup", PASSWORD)
    assert isinstance(signed, SignedIn)
    csrf = signed.session.csrf
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    broken = {"Content-Type": "multipart/form-data; boundary=x"}
    odd = "%00", "a%20b", "..%2f..", "%ff", "x" * 300, "Testa%20Sample"
    tries = [
        *(("GET", f"/desk/r/{path}", b"", {}, {404}) for path in odd),
        *(("GET", f"/desk/static/{path}", b"", {}, {404}) for path in odd),
        ("POST", "/desk/do", f"csrf={csrf}&button=accept&referral_id=%00".encode(), form, {303}),
        ("POST", "/desk/do", f"csrf={csrf}&button=%00&referral_id=x".encode(), form, {303}),
        ("POST", "/desk/provisional", f"csrf={csrf}&code=K7-42&officer=%00".encode(), form, {303}),
        ("POST", "/desk/provisional", f"csrf={csrf}&code=K7-42&officer=nobody".encode(), form, {303}),
        ("POST", "/desk/provisional", f"csrf={csrf}&code=K7-42&officer={'o' * 99}".encode(), form, {303}),
        ("POST", "/desk/in", b"user=%00&password=%00&code=%00", form, {403}),
        ("POST", "/desk/in", b"a" * (BODY_LIMIT + 1), form, {413}),
        ("POST", "/desk/in", b"--x\r\nbroken", broken, {400, 403}),
        ("POST", "/desk/in", b"\xff\xfe", form, {403}),
        ("DELETE", "/desk/in", b"", {}, {405}),
    ]
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://desk.test", cookies={COOKIE: signed.token}
    ) as web:
        for method, path, body, headers, statuses in tries:
            answer = await web.request(method, path, content=body, headers=headers)
            assert answer.status_code in statuses, (method, path, answer.status_code)
            assert "Traceback" not in answer.text
    kept = str(agency.rows(select(schema.audit)))
    assert "Testa" not in kept
