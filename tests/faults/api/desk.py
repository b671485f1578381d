"""The town's desk: its pages over the copy that answers, everybody's session there, and what the pages speak of.

Who is signed in, and the devices, channels and packs that forms name, are laid with the template; `KNOWN` names among them are how a
form says "the lost device" where the real value is another one in every run.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

import pyotp
from fastapi import APIRouter
from jinja2 import FileSystemBytecodeCache

from case_system.assignment import Post
from case_system.auth import Session, Sessions, SignedIn
from case_system.desk.pages import Desk
from case_system.desk.push import Push
from case_system.desk.rooms import rooms
from case_system.notify.webpush import PushServices, WebPush
from case_system.streams import Streams
from referral.lifecycle import Role
from referral.model import Birth, Person, UserId
from referral.operations import Intake, Met, Op, ReleaseEvent, ReleaseOfInformation
from referral.port import Heartbeat
from tests.support.agency import Agency
from tests.support.device import Device, arrest, op_id_of
from tests.support.office import office_of, sessions_of
from tests.support.packs import baltimore, baltimore_files

PASSWORD: Final = "a long enough demonstration secret"
WITH_CODE: Final = ("sup", "sao1")  # whose sign-in asks for a one-time code too
LEAVING: Final = " who leaves"  # a second session of everybody, to sign out of


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """The template's side of the desk. signed: role, or role and LEAVING -> session. known: what a form may name -> its value."""

    signed: Mapping[str, SignedIn] = field(repr=False)
    known: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """The desk of the copy that answers now."""

    router: APIRouter
    sessions: Sessions
    laid: Laid

    def token(self, asker: str) -> str | None:
        """The cookie that this asker sends: a role's, or none."""
        signed = self.laid.signed.get(asker)
        return None if signed is None else signed.token

    def session(self, asker: str) -> Session | None:
        """The session behind the asker's cookie, while it lasts."""
        token = self.token(asker)
        return None if token is None else self.sessions.check(token, by_hand=False)


def opened(agency: Agency, streams: Streams, laid: Laid, compiled: Path) -> Counter:
    """The pages over an agency. compiled: a folder for what is made of the templates once."""
    sessions = sessions_of(agency)
    office = office_of(agency, sessions)
    push = WebPush(agency.keys.push_key, PushServices(), contact="mailto:desk@example.org")
    desk = Desk(
        service=agency.service, sessions=sessions, streams=streams, pack=lambda: office.pack.listed(UserId("adm"))[1],
        clock=agency.clock, rng=os.urandom,
        areas=(*rooms(office, agency.service), Push(push, push.services.subscription, agency.channels)),
    )  # fmt: skip
    desk.frame.templates.bytecode_cache = FileSystemBytecodeCache(str(compiled))
    return Counter(router=desk.router(), sessions=sessions, laid=laid)


def lay(agency: Agency, devices: Mapping[str, Device], of: Mapping[Role, str]) -> Laid:
    """Sign everybody in, and lay what only pages show."""
    sessions = sessions_of(agency)
    signed = {}
    for role, user in of.items():
        sessions.set_password(UserId(user), PASSWORD)
        for asker in (role.value, f"{role}{LEAVING}"):
            code = pyotp.TOTP(sessions.new_totp(UserId(user))).at(agency.clock()) if user in WITH_CODE else ""
            got = sessions.sign_in(user, PASSWORD, code)
            if not isinstance(got, SignedIn):
                raise RuntimeError(f"{user} could not sign in")
            signed[asker] = got
    _referrals(agency, devices["officer"])
    return Laid(signed=signed, known=_known(agency, devices, of))


def alarmed(agency: Agency, device: Device) -> None:
    """An alarm about the device lies on the supervisor's desk, as in office hours; before there are referrals that would climb too."""
    device.sync(heartbeat=Heartbeat(waiting=3, stored=0, needs_attention=0, oldest_unsent_s=9000, app="test/1"))
    agency.service.climb(agency.clock() + timedelta(hours=8))


def _referrals(agency: Agency, officer: Device) -> None:
    """Two of one person, one whose defender may read, and one who may join LEAD."""
    person = Person(name="Testa Sample", birth=Birth(date=date(1990, 5, 2)))
    officer.send(*(officer.create(arrest(name, person=person)) for name in ("twin-1", "twin-2")))
    officer.send(*(officer.create(arrest(name)) for name in ("client", "ready")))
    now = agency.clock()
    for name in ("client", "ready"):
        agency.desk("cm1", Op.ACCEPT, name)
        agency.desk("cm1", Op.MET, name, Met(at=now))
        agency.desk("cm1", Op.INTAKE, name, Intake(on=now.date()))
    signed = ReleaseOfInformation(
        event=ReleaseEvent.SIGNED, parties=("police", "opd"), scope=("status",), expires_on=date(2026, 12, 31)
    )
    agency.desk("cm1", Op.RELEASE, "client", signed)
    agency.admit("ready")


def _known(agency: Agency, devices: Mapping[str, Device], of: Mapping[Role, str]) -> dict[str, str]:
    lost = devices["lost"]
    held = lost.create(arrest("held"))
    lost.sync([held], locked=True)
    office, now = office_of(agency), agency.clock()
    roster = office.rota
    roster.add_shift(UserId("sup"), Post.ON_CALL, UserId("cm2"), now, now + timedelta(hours=8), 1)
    shift = next(line for line in roster.view(UserId("sup")).posts if line.post is Post.ON_CALL).shifts[0].shift_id
    channels = {
        f"channel of {role}": agency.channels.add(user, f"json://{user}.example.org/wake") for role, user in of.items()
    }
    return {
        "other device": devices["other"].device_id,
        "lost device": lost.device_id,
        "held": op_id_of(held),
        "alarm": agency.service.open_alarms(UserId("sup"))[0].notice_id,
        "shift": shift,
        "pack in force": baltimore().digest,
        "other pack": office.pack.take(UserId("adm"), pack_of("2")),
        **channels,
    }


@cache
def pack_of(version: str) -> bytes:
    """The Baltimore pack with another version, as it is uploaded."""
    files: dict[str, Any] = baltimore_files()
    files["programme.json"] = json.dumps(json.loads(files["programme.json"]) | {"version": version}).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(f"baltimore/{name}", data)
    return out.getvalue()
