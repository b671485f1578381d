"""A desk with work on it: a real case system served on loopback, invented people, and a clock that the test moves.

    with served(folder) as desk:
        desk.enter(context, "cm1")      that person's browser is signed in
        page.goto(desk.address + "/desk")

The night of the scene: one handoff waits, one is under way and past its goal, one was met, one person is in LEAD, one social contact
has nobody yet, one referral arrived late, one step needs a decision, one call code is open, and a device holds unsent work.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import uvicorn
from argon2 import PasswordHasher
from playwright.sync_api import BrowserContext
from sqlalchemy import update

from case_system.auth import Sessions, SignedIn
from case_system.desk.frame import COOKIE, Area
from case_system.desk.pages import Desk
from case_system.desk.rooms import rooms
from case_system.http import create_app
from case_system.store import schema
from case_system.store.sign_ins import SignInRows
from case_system.streams import Streams
from referral.model import (
    Answer,
    Basis,
    Birth,
    Exclusions,
    Permission,
    Person,
    Place,
    PlaceSource,
    Quantity,
    Reach,
    ReachHow,
    Referral,
    Urgency,
    UserId,
    Zone,
)
from referral.operations import (
    Contact,
    Enrol,
    Intake,
    Met,
    Op,
    ReleaseEvent,
    ReleaseOfInformation,
    SaoAnswer,
    SaoCall,
    Vote,
)
from referral.port import Heartbeat
from tests.support.agency import STAFF, Agency
from tests.support.device import Device, arrest, social
from tests.support.office import MORE_STAFF, office_of
from tests.support.packs import baltimore
from tests.support.waiting import until

PASSWORD = "a long enough demonstration secret"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
NAMES = {
    "o1": "Officer Sample", "o2": "Officer Placeholt", "cm1": "Casey Example", "p1": "Petra Example", "cm2": "Morgan Specimen",
    "p2": "Pat Specimen", "sup": "Sue Synthetic", "sao1": "Rae Placeholt", "sao2": "Robin Invented", "eva": "Eve Madeup", "adm": "Ada Invented", "def": "Dee Placeholt",
}  # fmt: skip
AREAS: list[Callable[[Agency], Area]] = []  # further areas of pages, as the composition root adds them


@dataclass(slots=True)
class ServedDesk:
    """The desk, what lies on it, and who works at it. ids: the referrals of the scene by their story."""

    agency: Agency
    sessions: Sessions
    streams: Streams
    address: str
    ids: dict[str, str] = field(default_factory=dict)
    devices: dict[str, Device] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict, repr=False)

    def keep(self, *users: str) -> None:
        """Sign these in once and for all, and give them one-time codes afterwards: their pages are those of every day."""
        for user in users:
            self.kept[user] = self._token(user)
            self.sessions.new_totp(UserId(user))

    def _token(self, user: str) -> str:
        got = self.sessions.sign_in(user, PASSWORD)
        assert isinstance(got, SignedIn)
        return got.token

    def enter(self, context: BrowserContext, user: str) -> None:
        """Sign a browser in, as its sign-in page would."""
        token = self.kept.get(user) or self._token(user)
        context.add_cookies([{"name": COOKIE, "value": token, "url": f"{self.address}/desk", "httpOnly": True, "sameSite": "Strict"}])  # fmt: skip

    def look(self, context: BrowserContext, language: str = "en", theme: str = "auto") -> None:
        """Choose a language and a theme for a browser."""
        context.add_cookies([{"name": "lead_look", "value": f"{language}.{theme}", "url": f"{self.address}/desk"}])


@contextmanager
def served(folder: Path, url: str | None = None, *, stories: bool = True) -> Iterator[ServedDesk]:
    """The desk over a fresh database, for the length of a `with` block."""
    agency = Agency.copied(folder) if url is None else Agency.found(url, folder)
    sessions = Sessions(SignInRows(agency.engine), clock=agency.clock, rng=os.urandom, keys=agency.keys, hasher=CHEAP)
    office = office_of(agency, sessions)
    for user in (*(name for name, _, _ in STAFF), *(name for name, _ in MORE_STAFF)):
        sessions.set_password(UserId(user), PASSWORD)
    with agency.engine.begin() as db:
        for user, name in NAMES.items():
            db.execute(update(schema.users).where(schema.users.c.user_id == user).values(name=name))
    streams = Streams()
    desk = Desk(
        service=agency.service, sessions=sessions, streams=streams, pack=baltimore, clock=agency.clock, rng=os.urandom,
        areas=[*rooms(office, agency.service), *(make(agency) for make in AREAS)],
    )  # fmt: skip
    app = create_app(agency.service, streams, routers=(desk.router(),))
    with _serving(app) as address:
        made = ServedDesk(agency=agency, sessions=sessions, streams=streams, address=address)
        if stories:
            lay(made)
        yield made
    agency.engine.dispose()


@contextmanager
def _serving(app: Any) -> Iterator[str]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = int(listening.getsockname()[1])
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="critical", access_log=False, timeout_graceful_shutdown=1)
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            until(lambda: server.started, what="the server's start")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join()


def lay(desk: ServedDesk) -> None:
    """Let the night happen."""
    agency, clock = desk.agency, desk.agency.clock
    night = clock()
    clock.go(days=-26)
    officer, second = agency.device("o1"), agency.device("o2")
    desk.devices |= {"o1": officer, "o2": second}
    desk.ids["met"] = _met_long_ago(agency, officer)
    clock.at = night - timedelta(days=9)
    desk.ids["enrolled"] = _in_lead(agency, officer)
    clock.at = night - timedelta(hours=5)
    desk.ids["talk"] = _send(second, social(person=Person(descriptor="red scarf, by the fountain"), basis=Basis.ASKED_FOR_HELP, urgency=Urgency.TODAY, reason="no_safe_place", place=_place("Howard St & Lexington St")))  # fmt: skip
    late = arrest(person=Person(name="Lena Lateby", birth=Birth(age=31)), offence_codes=("4 3550",), quantity=Quantity.PERSONAL, place=_place("300 W Lexington St"), exclusions=_no())  # fmt: skip
    envelope = second.create(late)  # sealed hours before it is sent
    clock.at = night - timedelta(minutes=41)
    desk.ids["under_way"] = _send(officer, arrest(person=Person(name="Ulric Underway", birth=Birth(date=date(1988, 4, 1))), offence_codes=("4 3550",), quantity=Quantity.UNKNOWN, place=_place("400 W Saratoga St")))  # fmt: skip
    agency.desk("cm1", Op.ACCEPT, desk.ids["under_way"])
    desk.ids["late"] = late.referral_id
    clock.at = night - timedelta(minutes=12)
    second.send(envelope)
    clock.go(minutes=1)
    agency.service.open_provisional(UserId("cm1"), "K7-42", UserId("o2"))
    clock.at = night - timedelta(minutes=2, seconds=5)
    desk.ids["waits"] = _send(officer, _waiting())
    call = SaoCall(at=clock(), answer=SaoAnswer.APPROVED, who="Rae")
    officer.send(officer.seal(officer.operation(Op.SAO_CALL, desk.ids["waits"], call, base=1)))
    agency.desk("cm1", Op.INTAKE, desk.ids["under_way"], Intake(on=clock().date()))  # before they met: kept and flagged
    second.sync(heartbeat=Heartbeat(waiting=3, stored=0, needs_attention=0, oldest_unsent_s=9000, app="test/1"))  # fmt: skip
    clock.at = night
    agency.service.climb(clock())


def _send(device: Device, made: Referral) -> str:
    device.send(device.create(made))
    return made.referral_id


def _waiting() -> Referral:
    return arrest(
        person=Person(name="Testa Sample", descriptor="green coat", birth=Birth(date=date(1990, 5, 2))),
        reach=Reach(how=ReachHow.PHONE, detail="443-555-0199", permission=Permission.OK_NO_MESSAGE), offence_codes=("4 3550",),
        quantity=Quantity.PERSONAL, place=_place("300 W Lexington St"), exclusions=_no(), destination="central_district",
        incident_number="26-0001", language="es", interpreter=True,
    )  # fmt: skip


def _place(text: str) -> Place:
    return Place(text=text, lat=39.2915, lon=-76.6203, accuracy_m=9.0, source=PlaceSource.PICKED, zone=Zone.INSIDE)


def _no() -> Exclusions:
    return Exclusions(open_warrant=Answer.NO, safety_threat=Answer.NO)


def _met_long_ago(agency: Agency, officer: Device) -> str:
    made = arrest(person=Person(name="Mervin Metby", birth=Birth(age=44)), offence_codes=("4 3550",), quantity=Quantity.PERSONAL)  # fmt: skip
    here = _send(officer, made)
    agency.desk("cm1", Op.ACCEPT, here)
    agency.desk("cm1", Op.MET, here, Met(at=agency.clock()))
    agency.desk("sao1", Op.SAO_APPROVE, here)
    return here


def _in_lead(agency: Agency, officer: Device) -> str:
    made = arrest(
        person=Person(name="Enola Inlead", birth=Birth(date=date(1979, 11, 23))), offence_codes=("4 3550",), quantity=Quantity.PERSONAL,
        place=_place("500 W Fayette St"), exclusions=_no(), reach=Reach(how=ReachHow.PLACE, detail="day shelter, mornings", permission=Permission.OK),
    )  # fmt: skip
    here = _send(officer, made)
    agency.clock.go(minutes=1)
    agency.desk("cm1", Op.ACCEPT, here)
    agency.clock.go(minutes=19)
    steps: Sequence[tuple[str, Op, Any]] = (
        ("cm1", Op.MET, Met(at=agency.clock())),
        ("sao1", Op.SAO_APPROVE, None),
        ("cm1", Op.INTAKE, Intake(on=agency.clock().date())),
        ("cm1", Op.RELEASE, ReleaseOfInformation(event=ReleaseEvent.SIGNED, parties=("police", "opd"), scope=("status",), expires_on=date(2026, 12, 31))),
        *(("sup", Op.PARTNER_VOTE, Vote(partner=p.id, approve=True)) for p in baltimore().partners if p.votes),
        ("sup", Op.ENROL, Enrol()),
        ("p1", Op.CONTACT, Contact(at=agency.clock(), reached=True)),
    )  # fmt: skip
    for user, op, body in steps:
        agency.clock.go(minutes=7)
        agency.desk(user, op, here, body)
    return here
