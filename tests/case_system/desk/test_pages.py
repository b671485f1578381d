"""The desk's pages over the real service and a real database: who gets in, who sees what, and what a button does."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI

from case_system.auth import Sessions
from case_system.desk.pages import Desk
from case_system.desk.steps import BUTTONS, possible
from case_system.grants import GRANTS, Relation
from case_system.record import Record
from case_system.store.sign_ins import SignInRows
from case_system.streams import Streams
from referral.lifecycle import Role
from referral.model import Person, Reach, ReachHow, Referral, UserId
from referral.numbers import call_code
from referral.operations import Op, SaoAnswer, SaoCall
from tests.support.agency import Agency
from tests.support.device import arrest
from tests.support.packs import baltimore

PASSWORD = "a long enough demonstration secret"
CANARY = "Testa Canarysample"
WHERE = "under the clock, canary place"
LOOK = "canary green coat"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture
def agency(tmp_path: Path) -> Iterator[Agency]:
    founded = Agency.copied(tmp_path)
    yield founded
    founded.engine.dispose()


@pytest.fixture
def app(agency: Agency) -> FastAPI:
    return made(agency)


def made(agency: Agency, *, code_first: bool = False) -> FastAPI:
    """The pages over an agency."""
    sessions = Sessions(SignInRows(agency.engine), clock=agency.clock, rng=os.urandom, keys=agency.keys, hasher=CHEAP)
    for user in ("cm1", "cm2", "sup", "sao1", "o1", "eva"):
        sessions.set_password(UserId(user), PASSWORD)
    desk = Desk(
        service=agency.service, sessions=sessions, streams=Streams(), pack=baltimore, clock=agency.clock, rng=os.urandom, code_first=code_first
    )  # fmt: skip
    app = FastAPI()
    app.include_router(desk.router())
    return app


def browser(app: FastAPI) -> httpx.AsyncClient:
    """Someone's browser, not signed in."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://desk.test", follow_redirects=True)


async def sign_in(app: FastAPI, user: str) -> httpx.AsyncClient:
    client = browser(app)
    answer = await client.post("/desk/in", data={"user": user, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return client


async def csrf(client: httpx.AsyncClient) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', (await client.get("/desk")).text)
    assert found is not None
    return found[1]


def told(agency: Agency) -> Referral:
    """A referral of an arrest whose person is on the way, received a moment ago."""
    made = arrest(person=Person(name=CANARY, descriptor=LOOK), reach=Reach(how=ReachHow.PLACE, detail=WHERE))
    device = agency.device("o1")
    device.send(device.create(made))
    return made


def form_of(page: str, button: str) -> dict[str, str]:
    """The hidden fields of a button's form on a page."""
    for form in re.findall(r'<form method="post" action="/desk/do">.*?</form>', page, re.DOTALL):
        fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))
        if fields.get("button") == button:
            return fields
    raise AssertionError(f"there is no button {button}")


async def press(client: httpx.AsyncClient, button: str, referral_id: str, **more: str) -> str:
    """Press a button of the referral's page, as a browser does."""
    fields = form_of((await client.get(f"/desk/r/{referral_id}")).text, button)
    return str((await client.post("/desk/do", data=fields | more)).text)


async def test_the_sign_in_page_is_all_that_a_stranger_gets(app: FastAPI, agency: Agency) -> None:
    made = told(agency)
    client = browser(app)
    page = await client.get("/desk")
    assert 'action="/desk/in"' in page.text
    assert page.headers["cache-control"] == "no-store"
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert (await client.get("/desk/board")).status_code == 401
    assert (await client.get("/desk/stream")).status_code == 401
    assert CANARY not in (await client.get(f"/desk/r/{made.referral_id}")).text


@pytest.mark.parametrize("user", ["cm1", "nobody", "o1"])
async def test_a_wrong_password_and_a_role_without_desk_work_see_nothing(
    app: FastAPI, agency: Agency, user: str
) -> None:
    told(agency)
    client = browser(app)
    wrong = PASSWORD if user == "o1" else "wrong, whoever it is"
    await client.post("/desk/in", data={"user": user, "password": wrong})
    assert 'action="/desk/in"' in (await client.get("/desk")).text


async def test_five_wrong_tries_lock_and_say_so(app: FastAPI) -> None:
    client = browser(app)
    for _ in range(5):
        await client.post("/desk/in", data={"user": "cm1", "password": "wrong, whoever it is"})
    assert "Too many tries" in (await client.post("/desk/in", data={"user": "cm1", "password": PASSWORD})).text


async def test_the_board_shows_the_clock_and_accepting_reaches_the_officer(app: FastAPI, agency: Agency) -> None:
    made = told(agency)
    agency.clock.go(minutes=2, seconds=5)
    client = await sign_in(app, "cm1")
    board = (await client.get("/desk")).text
    assert ">2:05<" in board
    assert CANARY not in board  # a list opens no record
    assert CANARY in (await client.get(f"/desk/r/{made.referral_id}")).text
    assert "The officer is told your name" in await press(client, "accept", made.referral_id)
    view = agency.device("o1").pull().referrals[made.referral_id]
    assert (view.handoff, view.case_manager) == ("accepted", "CM1")
    assert "We met" in (await client.get("/desk/board")).text


async def test_a_form_without_the_sessions_token_changes_nothing(app: FastAPI, agency: Agency) -> None:
    made = told(agency)
    client = await sign_in(app, "cm1")
    for token in ("", "0" * 64):
        await client.post("/desk/do", data={"csrf": token, "button": "accept", "referral_id": made.referral_id})
    assert agency.device("o1").pull().referrals[made.referral_id].handoff == "offered"


async def test_passing_on_needs_a_reason_of_the_pack(app: FastAPI, agency: Agency) -> None:
    made = told(agency)
    client = await sign_in(app, "cm1")
    assert "missing" in await press(client, "redirect", made.referral_id)
    assert "missing" in await press(client, "redirect", made.referral_id, reason="because")
    reason = baltimore().choices["redirect_reason"][0].code
    assert "Someone else is being called" in await press(client, "redirect", made.referral_id, reason=reason)
    assert agency.device("o1").pull().referrals[made.referral_id].handoff == "redirected"


async def test_the_reviewer_answers_and_never_reads_note_descriptor_or_reach(app: FastAPI, agency: Agency) -> None:
    made = told(agency)
    client = await sign_in(app, "sao1")
    page = (await client.get(f"/desk/r/{made.referral_id}")).text
    assert CANARY in page
    for text in (WHERE, LOOK):
        assert text not in page
        assert text not in (await client.get("/desk")).text
    assert "Accept" not in (await client.get("/desk")).text
    reason = baltimore().choices["sao_decline_reason"][0].code
    assert "Declined. The officer and LEAD are told." in await press(client, "decline", made.referral_id, reason=reason)
    assert agency.device("cm1").pull().referrals[made.referral_id].review == "declined"


async def test_the_officers_call_is_confirmed_at_the_desk(app: FastAPI, agency: Agency) -> None:
    made = told(agency)
    device = agency.device("o1")
    call = SaoCall(at=agency.clock(), answer=SaoAnswer.APPROVED)
    device.send(device.seal(device.operation(Op.SAO_CALL, made.referral_id, call, base=1)))
    client = await sign_in(app, "sao1")
    assert "By phone, not confirmed: approved" in (await client.get("/desk")).text
    assert "The call is confirmed" in await press(client, "confirm_call", made.referral_id)
    assert agency.device("cm1").pull().referrals[made.referral_id].review == "approved"


async def test_a_call_code_opens_a_handoff_that_the_referral_takes_over(app: FastAPI, agency: Agency) -> None:
    made = arrest()
    client = await sign_in(app, "cm1")
    code = call_code(made.referral_id)
    said = (
        await client.post("/desk/provisional", data={"csrf": await csrf(client), "code": code.lower(), "officer": "o1"})
    ).text
    assert "duty pair is being rung" in said
    assert f"Call code {code}" in said
    device = agency.device("o1")
    device.send(device.create(made))
    board = (await client.get("/desk")).text
    assert f"Call code {code}" not in board
    assert board.count("data-since=") == 1
    assert (
        "not one of the possible"
        in (await client.post("/desk/provisional", data={"csrf": await csrf(client), "code": "77"})).text
    )


async def test_signing_out_ends_the_session(app: FastAPI) -> None:
    client = await sign_in(app, "sup")
    cookie = client.cookies["lead_desk"]
    await client.post("/desk/out", data={"csrf": await csrf(client)})
    client.cookies.set("lead_desk", cookie, domain="desk.test", path="/desk")
    assert 'action="/desk/in"' in (await client.get("/desk")).text


async def test_nothing_from_outside_is_put_on_a_page(app: FastAPI) -> None:
    client = await sign_in(app, "sup")
    assert "script>alert" not in (await client.get("/desk?said=<script>alert(1)</script>")).text
    assert (await client.get("/desk/static/desk.js")).status_code == 200
    assert "<script>" not in (await client.get("/desk")).text


HERE = frozenset({Relation.ANY, Relation.HOLDS, Relation.WAITS, Relation.FREE, Relation.REVIEWS})


@pytest.mark.parametrize("role", list(Role))
def test_no_role_gets_a_button_that_its_operation_refuses(role: Role, agency: Agency) -> None:
    made = told(agency)
    record: Record = agency.service.look(UserId("sup"), made.referral_id)
    names = {button.name for button in possible(record, role, HERE)}
    expected = {
        Role.CASE_MANAGER: {"accept", "redirect", "records_check", "send_to_sao", "not_completed"},
        Role.PEER: {"accept", "redirect", "not_completed"},
        Role.SUPERVISOR: {"accept", "redirect", "records_check", "send_to_sao", "not_completed", "vote"},
        Role.SAO_REVIEWER: {"approve", "decline", "ask", "not_filed", "returned", "vote"},
    }
    assert names == expected.get(role, set())
    assert not possible(record, role, frozenset())
    assert len({button.name for button in BUTTONS}) == len(BUTTONS)


@pytest.mark.parametrize("role", list(Role))
def test_the_keys_of_a_role_press_one_button_each(role: Role) -> None:
    keys = [button.key for button in BUTTONS if role in GRANTS[button.op]]
    assert len(set(keys)) == len(keys)
    assert not {"j", "k", "g"} & set(keys)
