"""Setting up a one-time code at the first sign-in: shown once, kept only when it is proven, asked for from then on."""

from __future__ import annotations

import re
from datetime import datetime

import httpx
import pyotp
from fastapi import FastAPI
from sqlalchemy import select

from case_system.store import schema
from tests.case_system.desk.test_pages import PASSWORD, agency, app, browser, made, sign_in
from tests.support.agency import Agency

__all__ = ["agency", "app"]  # the fixtures


def form_of(page: str) -> dict[str, str]:
    form = page.split('action="/desk/code"')[1]
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))


def secret_of(page: str) -> str:
    found = re.search(r'class="letters">([A-Z2-7 ]+)<', page)
    assert found is not None
    return found[1].replace(" ", "")


def code_at(secret: str, at: datetime) -> str:
    return pyotp.TOTP(secret).at(int(at.timestamp()))


async def prove(client: httpx.AsyncClient, page: str, code: str) -> str:
    return (await client.post("/desk/code", data=form_of(page) | {"code": code})).text


async def test_the_first_sign_in_leads_to_the_code_and_the_next_one_asks_for_it(app: FastAPI, agency: Agency) -> None:
    client = browser(app)
    page = (await client.post("/desk/in", data={"user": "cm1", "password": PASSWORD})).text
    assert "<svg" in page
    secret = secret_of(page)
    assert "does not fit" in await prove(client, page, "000000" if code_at(secret, agency.clock()) != "000000" else "1")
    assert agency.rows(select(schema.users.c.totp).where(schema.users.c.user_id == "cm1"))[0]["totp"] is None
    page = (await client.get("/desk/code")).text
    used = code_at(secret_of(page), agency.clock())
    told = await prove(client, page, used)
    assert ("is set up" in told, "does not fit" in told) == (True, False)
    assert secret_of(page) not in (await client.get("/desk/code")).text
    fresh = browser(app)
    assert (await fresh.post("/desk/in", data={"user": "cm1", "password": PASSWORD})).status_code == 403
    again = {"user": "cm1", "password": PASSWORD, "code": used}
    assert (await fresh.post("/desk/in", data=again)).status_code == 403  # it was used to set up
    agency.clock.go(seconds=31)
    again["code"] = code_at(secret_of(page), agency.clock())
    assert "My work" in (await fresh.post("/desk/in", data=again)).text


async def test_where_a_code_is_required_a_password_alone_opens_no_page_and_presses_no_button(agency: Agency) -> None:
    client = browser(made(agency, code_first=True))
    page = (await client.post("/desk/in", data={"user": "cm1", "password": PASSWORD})).text
    assert "<svg" in page
    assert "Later" not in page
    opened = await client.get("/desk/r/some-referral")
    assert (opened.url.path, "password alone opens nothing" in opened.text) == ("/desk/code", True)
    assert (await client.get("/desk/board")).status_code == 401
    answer = await client.post("/desk/do", data=form_of(page) | {"name": "accept", "referral_id": "r1"})
    assert answer.url.path == "/desk/code"
    assert "does not fit" not in await prove(client, page, code_at(secret_of(page), agency.clock()))
    assert "My work" in (await client.get("/desk")).text


async def test_who_wants_no_code_may_leave(agency: Agency) -> None:
    client = browser(made(agency, code_first=True))
    page = (await client.post("/desk/in", data={"user": "cm1", "password": PASSWORD})).text
    assert (await client.post("/desk/out", data=form_of(page))).url.path == "/desk/in"


async def test_an_old_offer_another_persons_and_a_second_one_set_nothing_up(app: FastAPI, agency: Agency) -> None:
    client, other = await sign_in(app, "cm1"), await sign_in(app, "cm2")
    page, theirs = (await client.get("/desk/code")).text, (await other.get("/desk/code")).text
    stolen = form_of(page) | {"sealed": form_of(theirs)["sealed"], "code": code_at(secret_of(theirs), agency.clock())}
    assert "does not fit" in (await client.post("/desk/code", data=stolen)).text
    for odd in ("", "00", "zz"):
        assert (
            "does not fit" in (await client.post("/desk/code", data=form_of(page) | {"sealed": odd, "code": "1"})).text
        )
    agency.clock.go(minutes=16)
    assert "does not fit" in await prove(client, page, code_at(secret_of(page), agency.clock()))
    page = (await client.get("/desk/code")).text
    second = (await client.get("/desk/code")).text
    assert "is set up" in await prove(client, page, code_at(secret_of(page), agency.clock()))
    assert "does not fit" in await prove(client, second, code_at(secret_of(second), agency.clock()))
