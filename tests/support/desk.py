"""The whole desk over a test's agency: real pages, real sessions, one password for everybody, no network."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from fastapi import FastAPI

from case_system.auth import Sessions, SignedIn
from case_system.desk.frame import COOKIE
from case_system.desk.pages import Desk
from case_system.desk.rooms import rooms
from case_system.http import create_app
from case_system.office.building import Office
from case_system.streams import Streams
from referral.model import UserId
from referral.programme import Programme
from tests.support.agency import Agency
from tests.support.office import office_of, sessions_of

PASSWORD = "a long enough demonstration secret"


@dataclass(slots=True)
class DeskUnderTest:
    """The pages, and browsers that are signed in."""

    agency: Agency
    office: Office
    app: FastAPI
    sessions: Sessions
    signed: dict[str, SignedIn] = field(default_factory=dict)

    @classmethod
    def over(cls, agency: Agency, service: Any = None) -> DeskUnderTest:
        """The desk of an agency; `service` in place of the agency's own."""
        sessions, streams = sessions_of(agency), Streams()
        streams.close()
        office = office_of(agency, sessions)

        def pack() -> Programme:
            return office.pack.listed(UserId("adm"))[1]

        desk = Desk(
            service=service or agency.service, sessions=sessions, streams=streams, pack=pack, clock=agency.clock, rng=os.urandom,
            areas=rooms(office, service or agency.service),
        )  # fmt: skip
        return cls(agency, office, create_app(agency.service, streams, routers=(desk.router(),)), sessions)

    def session(self, user: str) -> SignedIn:
        """A session of that person."""
        if user not in self.signed:
            self.sessions.set_password(UserId(user), PASSWORD)
            got = self.sessions.sign_in(user, PASSWORD)
            assert isinstance(got, SignedIn)
            self.signed[user] = got
        return self.signed[user]

    def browser(self, user: str) -> httpx.AsyncClient:
        """That person's browser, signed in."""
        transport = httpx.ASGITransport(self.app)
        cookies = {COOKIE: self.session(user).token}
        return httpx.AsyncClient(transport=transport, base_url="http://desk.test", cookies=cookies, follow_redirects=True)  # fmt: skip

    async def get(self, user: str, path: str) -> httpx.Response:
        """A page."""
        async with self.browser(user) as web:
            return await web.get(path)

    async def post(self, user: str, path: str, form: Mapping[str, Any] = {}, **more: Any) -> httpx.Response:
        """A form of that person's session, and where it leads."""
        async with self.browser(user) as web:
            return await web.post(path, data={"csrf": self.session(user).session.csrf, "back": "/desk"} | dict(form), **more)  # fmt: skip


def said(answer: httpx.Response) -> str:
    """The code of what a page says, or empty."""
    found = re.search(r'data-code="([a-z_]+)"', answer.text)
    return found[1] if found else ""
