"""The desk's routes as each person, and people of this agency who speak of or to another one."""

from __future__ import annotations

import asyncio
import atexit
import os
import shutil
import tempfile
from collections.abc import Coroutine
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import httpx
from argon2 import PasswordHasher
from sqlalchemy import select

from case_system.auth import Sessions, SignedIn
from case_system.desk.frame import DESK_ROLES
from case_system.desk.pages import COOKIE, Desk
from case_system.desk.push import Push
from case_system.desk.rooms import rooms
from case_system.grants import DESK_ROUTES, Channel, Sight, sight
from case_system.http import create_app
from case_system.notify.webpush import PushServices, WebPush
from case_system.store import schema
from case_system.store.sign_ins import SignInRows
from case_system.streams import Streams
from referral.model import UserId
from referral.operations import Op, Reason
from referral.port import Outcome, Refused, SyncRequest
from referral.problems import ProblemCode
from tests.faults.authorisation.cells import Elsewhere, Route
from tests.faults.authorisation.scene import ACTORS, GONE, Scene, related, scene
from tests.support.agency import Agency
from tests.support.device import arrest
from tests.support.office import office_of
from tests.support.packs import baltimore

PASSWORD: Final = "a long enough demonstration secret"
CHEAP: Final = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
_NAMED: Final = "waits"
_NOBODY_THERE: Final = (
    "GET /desk/duplicates/{referral_id}",
    "GET /desk/defence/{referral_id}",
)  # no double, no release


class Pages:
    """The desk over a service, and who is signed in there."""

    def __init__(self, agency: Agency, service: Any, people: list[str]) -> None:
        sessions = Sessions(
            SignInRows(agency.engine), clock=agency.clock, rng=os.urandom, keys=agency.keys, hasher=CHEAP
        )
        streams = Streams()
        streams.close()
        push = WebPush(agency.keys.push_key, PushServices(), contact="mailto:desk@example.org")
        desk = Desk(
            service=service, sessions=sessions, streams=streams, pack=baltimore, clock=agency.clock, rng=os.urandom,
            areas=(*rooms(office_of(agency, sessions), service), Push(push, push.services.subscription, agency.channels)),
        )  # fmt: skip
        self.app = create_app(service, streams, routers=(desk.router(),))
        self.signed: dict[str, SignedIn] = {}
        for user in people:
            sessions.set_password(UserId(user), PASSWORD)
            got = sessions.sign_in(user, PASSWORD)
            if isinstance(got, SignedIn):
                self.signed[user] = got

    def ask(self, route: str, who: SignedIn | None, referral_id: str) -> httpx.Response:
        """Use a route with somebody's session. What the form asks for makes no sense but for one referral."""
        parts = {"{referral_id}": referral_id, "{user_id}": "cm1", "{digest}": baltimore().digest}
        method, path = route.split()
        for name, value in parts.items():
            path = path.replace(name, value)
        cookies = {} if who is None else {COOKIE: who.token}
        form = {
            "csrf": "" if who is None else who.session.csrf,
            "button": "accept",
            "referral_id": referral_id,
            "base": "0",
            "once": "0" * 24,
            "code": "K7-43",
            "user_id": "" if who is None else who.session.user_id,
            "url": "no address",
            "what": "off",
        }

        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://desk.test", cookies=cookies) as client:
                return await client.request(method, path, data=form if method == "POST" else None)

        return _run(asked())


def _run(work: Coroutine[Any, Any, httpx.Response]) -> httpx.Response:
    return asyncio.run(work)


@cache
def _pages() -> Pages:
    return Pages(scene().agency, scene().service, [*ACTORS, GONE])


def route(cell: Route, here: Scene) -> str | None:
    """Use the route; what is wrong with the answer, if anything."""
    pages = _pages()
    who = None if cell.actor is None else pages.signed.get(cell.actor)
    role = ACTORS.get(cell.actor or "")
    here.database.watch(here.ids[_NAMED])
    answer = pages.ask(cell.route, who, here.ids[_NAMED])
    allowed = role is not None and role in DESK_ROUTES[cell.route]
    signed = role in DESK_ROLES
    where = answer.headers.get("location", "")
    moved = here.database.after not in (None, here.base[_NAMED])
    live = cell.route in ("GET /desk/board", "GET /desk/stream", "GET /desk/r/{referral_id}/now")
    method = cell.route.split()[0]
    if not signed:
        ok = answer.status_code == 401 if live else answer.status_code == 303 and where.startswith("/desk/in")
    elif not allowed:
        elsewhere_ = answer.status_code == 303 and (where.partition("?")[0] != "/desk" or "said=not_permitted" in where)
        ok = elsewhere_ if method == "POST" or cell.route == "GET /desk" else answer.status_code == 403
    elif cell.route in ("GET /desk/r/{referral_id}", "GET /desk/r/{referral_id}/now"):
        seen = sight(Channel.PAGE, ACTORS[cell.actor or ""], related(cell.actor or "", _NAMED))
        ok = answer.status_code == (404 if seen is Sight.NOTHING else 200)
        ok = ok and ("Quillfeather" in answer.text) is (answer.status_code == 200)
    elif cell.route == "POST /desk/provisional":
        ok = answer.status_code == 303 and "said=opened" in where
    elif method == "GET":
        ok = answer.status_code == (404 if cell.route in _NOBODY_THERE else 200)
    else:
        ok = (
            answer.status_code in (200, 303, 422)
            and ("not_permitted" not in where or cell.route == "POST /desk/do")
            and not where.startswith("/desk/in?back")
        )
    ok = ok and (allowed or not moved)
    if cell.route == "POST /desk/out" and cell.actor is not None:
        _pages.cache_clear()
    return None if ok else f"{answer.status_code} {where}"


@cache
def _other() -> tuple[Agency, Pages]:
    folder = Path(tempfile.mkdtemp(prefix="lead-auth-other-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    agency = Agency.found(f"sqlite:///{folder / 'case.db'}", folder)
    return agency, Pages(agency, agency.service, [])


def elsewhere(cell: Elsewhere, here: Scene) -> str | None:
    """Speak of, or to, another agency; what is wrong with the answer, if anything."""
    other, pages = _other()
    device = here.devices[cell.actor]
    match cell.way:
        case "envelope":  # a referral for another agency does not enter here
            theirs = bytearray(device.create(arrest()))
            told = device.operation(Op.ASK_WITHDRAWAL, here.ids[_NAMED], Reason(), base=1)
            receipts = [_sealed_for(device, other, told), bytes(theirs[:1]) + os.urandom(8) + bytes(theirs[9:])]
            results = device.sync(receipts, locked=True).results
            codes = [r.code for r in results]
            good = codes == [ProblemCode.NOT_THE_AGENCY, ProblemCode.BAD_SIGNATURE]
            return None if good and all(r.outcome is Outcome.REFUSED for r in results) else f"answered {codes}"
        case "token":
            try:
                other.service.sync(device.enrolment.read_token, SyncRequest(nonce="00" * 16, pull=True))
            except Refused as refused:
                return None if refused.code is ProblemCode.NOT_SIGNED_IN else f"refused with {refused.code}"
            return "another agency's token was taken"
        case _:
            mine = _pages().signed.get(cell.actor)
            answer = pages.ask("GET /desk/board", mine, here.ids[_NAMED])
            return None if answer.status_code == 401 else f"another agency's session: {answer.status_code}"


def _sealed_for(device: Any, other: Agency, operation: Any) -> bytes:
    """The same device, but its envelope names the other agency, validly signed."""
    (row,) = other.rows(select(schema.agency.c.agency_id))
    there = replace(device, enrolment=replace(device.enrolment, agency=row["agency_id"]))
    sealed: bytes = there.seal(operation)
    return sealed
