"""One case system for a stretch of API cases: real SQLite, real keys, a real device and session of every role, and referrals.

A template is laid once per process and copied for every stretch. The application is one ASGI callable for the whole process, so that
what is generated from its published contract is made once; `Town.here` says which copy answers.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

from sqlalchemy import event
from starlette.types import ASGIApp, Receive, Scope, Send

from case_system.http import create_app
from case_system.keyfolder import KeyFolder
from case_system.store.engine import open_engine
from case_system.streams import Streams
from referral.lifecycle import Role
from referral.operations import Op
from tests.faults.api.desk import Counter, Laid, alarmed, lay, opened
from tests.support.agency import Agency, StillClock
from tests.support.device import Device, arrest, social

ROLES: Final = tuple(role for role in Role if role is not Role.SYSTEM)
NOBODY: Final = "nobody"
FORGED: Final = "forged"
REVOKED: Final = "revoked"
CREDENTIALS: Final = (*(f"{role}:{kind}" for role in ROLES for kind in ("read", "append")), REVOKED, FORGED, NOBODY)
OF: Final = {
    Role.OFFICER: "o1", Role.CASE_MANAGER: "cm1", Role.PEER: "p1", Role.SAO_REVIEWER: "sao1", Role.DEFENDER: "def",
    Role.SUPERVISOR: "sup", Role.EVALUATOR: "eva", Role.ADMINISTRATOR: "adm",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """What every stretch begins with. referrals: name -> id. compiled: what is made of the pages' templates once."""

    folder: Path
    compiled: Path
    laid: Laid
    devices: dict[str, Device] = field(repr=False)
    referrals: dict[str, str]


@dataclass(slots=True)
class Town:
    """The copy that answers now, and who may speak to it."""

    agency: Agency
    desk: Counter
    devices: dict[str, Device]
    referrals: dict[str, str]
    cursors: dict[str, str] = field(default_factory=dict)

    def headers(self, credential: str) -> dict[str, str]:
        """What a request of this credential carries."""
        if credential == NOBODY:
            return {}
        if credential == FORGED:
            return {"Authorization": "Bearer " + "x" * 43}
        role, _, kind = credential.partition(":")
        enrolment = self.devices[role].enrolment
        return {"Authorization": f"Bearer {enrolment.append_token if kind == 'append' else enrolment.read_token}"}


class Switch:
    """One ASGI application that is whichever copy answers now."""

    here: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.here(scope, receive, send)


def _base() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


@cache
def template() -> Template:
    """Lay the template: staff, a device for each role, and referrals in different states."""
    folder, compiled = (Path(tempfile.mkdtemp(prefix="lead-api-", dir=_base())) for _ in range(2))
    for made in (folder, compiled):
        atexit.register(shutil.rmtree, made, ignore_errors=True)
    agency = Agency.found(f"sqlite:///{folder / 'case.db'}", folder)
    for user, role in (("def", Role.DEFENDER), ("adm", Role.ADMINISTRATOR)):
        agency.accounts.add_user(user, role, name=user.upper())
    devices = {role.value: enrolled(agency, OF[role], role) for role in ROLES}
    devices["other"] = enrolled(agency, "o2", Role.OFFICER)
    devices[REVOKED] = enrolled(agency, "o1", Role.OFFICER)
    devices["lost"] = enrolled(agency, "o2", Role.OFFICER)
    for name in (REVOKED, "lost"):
        agency.accounts.revoke(devices[name].device_id)
    alarmed(agency, devices["other"])
    own, waits, talk, foreign = arrest("own"), arrest("waits"), social("talk"), arrest("foreign")
    officer, other, manager = devices["officer"], devices["other"], devices["case_manager"]
    officer.send(*(officer.create(told) for told in (own, waits, talk)))
    other.send(other.create(foreign))
    manager.send(manager.reason(Op.ACCEPT, "own"))
    laid = lay(agency, devices, OF)
    agency.engine.dispose()
    names = {name: name for name in ("own", "waits", "talk", "foreign", "unknown")}
    return Template(folder=folder, compiled=compiled, laid=laid, devices=devices, referrals=names)


@contextmanager
def town(switch: Switch) -> Iterator[Town]:
    """A fresh copy that answers while the block lasts."""
    made = template()
    # a last stream's thread may still be closing its file when the folder goes
    with tempfile.TemporaryDirectory(prefix="lead-api-", dir=_base(), ignore_cleanup_errors=True) as place:
        shutil.copytree(made.folder, place, dirs_exist_ok=True)
        engine = open_engine(f"sqlite:///{place}/case.db")

        @event.listens_for(engine, "connect")
        def _fast(raw: Any, _: object) -> None:  # what is asked here is not what a power cut leaves
            raw.execute("PRAGMA synchronous=OFF")

        agency = Agency.over(str(engine.url), engine, KeyFolder(Path(place) / "keys"), StillClock())
        streams = Streams()
        streams.close()  # a stream that is let in ends at once
        desk = opened(agency, streams, made.laid, made.compiled)
        switch.here = create_app(agency.service, streams, routers=(desk.router,))
        devices = {name: replace(device, system=agency.service) for name, device in made.devices.items()}
        try:
            yield Town(agency, desk, devices, dict(made.referrals))
        finally:
            engine.dispose()


def enrolled(agency: Agency, user: str, role: Role) -> Device:
    """A newly enrolled device of that person."""
    return Device.enrol(agency.service, agency.accounts.new_code(user, role).code, agency.clock)
