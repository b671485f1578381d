"""Switching web push on and off at the desk: the person's own session, a known service, and nothing else."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from case_system.auth import Sessions
from case_system.desk.pages import Desk
from case_system.desk.push import Push
from case_system.notify.webpush import PushServices, WebPush
from case_system.store.sign_ins import SignInRows
from case_system.streams import Streams
from referral.model import UserId
from tests.case_system.desk.test_pages import CHEAP, PASSWORD
from tests.support.agency import Agency
from tests.support.packs import baltimore
from tests.support.push_service import PushService, push_service


@pytest.fixture
def agency(tmp_path: Path) -> Iterator[Agency]:
    founded = Agency.copied(tmp_path)
    yield founded
    founded.engine.dispose()


@pytest.fixture
def service() -> Iterator[PushService]:
    with push_service() as running:
        yield running


@pytest.fixture
def app(agency: Agency, service: PushService) -> FastAPI:
    sessions = Sessions(SignInRows(agency.engine), clock=agency.clock, rng=os.urandom, keys=agency.keys, hasher=CHEAP)
    for user in ("cm1", "cm2"):
        sessions.set_password(UserId(user), PASSWORD)
    push = WebPush(agency.keys.push_key, PushServices([service.origin]), contact="mailto:desk@example.org")
    service.public_key = push.public_key
    desk = Desk(
        service=agency.service, sessions=sessions, streams=Streams(), pack=baltimore, clock=agency.clock, rng=os.urandom,
        areas=(Push(push, push.services.subscription, agency.channels),),
    )  # fmt: skip
    made = FastAPI()
    made.include_router(desk.router())
    return made


@asynccontextmanager
async def closing(client: httpx.AsyncClient) -> AsyncIterator[None]:
    """The client is closed at the end of the block."""
    try:
        yield
    finally:
        await client.aclose()


async def signed_in(app: FastAPI, user: str) -> tuple[httpx.AsyncClient, str]:
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://desk.test")
    await client.post("/desk/in", data={"user": user, "password": PASSWORD})
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', (await client.get("/desk")).text)
    assert found is not None
    return client, found[1]


async def test_a_browser_is_switched_on_and_off_by_who_is_signed_in(app: FastAPI, agency: Agency, service: PushService) -> None:  # fmt: skip
    client, csrf = await signed_in(app, "cm1")
    async with closing(client):
        assert (await client.get("/desk/push/key")).json() == {"key": service.public_key}
        form = service.subscribe().form | {"csrf": csrf, "what": "on", "back": "/desk"}
        for _ in range(2):
            answer = await client.post("/desk/push", data=form)
            assert answer.headers["location"] == "/desk?said=push_on"
        (channel,) = agency.channels.listed()
        assert (channel.user_id, channel.kind) == ("cm1", "webpush")
        answer = await client.post("/desk/push", data=form | {"what": "off"})
        assert answer.headers["location"] == "/desk?said=push_off"
        assert agency.channels.listed() == ()


async def test_what_is_wrong_changes_nothing(app: FastAPI, agency: Agency, service: PushService) -> None:
    client, csrf = await signed_in(app, "cm1")
    form = service.subscribe().form | {"csrf": csrf, "what": "on", "back": "/desk"}
    async with closing(client):
        for wrong, said in (
            ({"csrf": "0"}, "form_not_yours"),
            ({"what": "sideways"}, "invalid_value"),
            ({"endpoint": "http://169.254.169.254/latest"}, "no_push"),
            ({"p256dh": "AAAA"}, "no_push"),
        ):
            answer = await client.post("/desk/push", data=form | wrong)
            assert answer.headers["location"].endswith(f"said={said}")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://desk.test") as nobody:
        assert (await nobody.get("/desk/push/key")).status_code == 303
        assert "/desk/in" in (await nobody.post("/desk/push", data=form)).headers["location"]
    assert agency.channels.listed() == ()


async def test_the_workers_scripts_are_served(app: FastAPI) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://desk.test") as nobody:
        for name in ("push.js", "push-worker.js"):
            answer = await nobody.get(f"/desk/static/{name}")
            assert answer.status_code == 200
            assert "javascript" in answer.headers["content-type"]
