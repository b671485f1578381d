"""One whole trip in a process of its own, with canaries in every answer that a person can type. Leaves what a scan looks at.

    python -m tests.faults.canary.trip OUT [DATABASE-URL]

OUT/stages/NAME   the officer's and the case manager's data folders as they lay at that moment, log and shared index included
OUT/requests answers notices exports central     what left the client, the server, and what the database holds
The caller sets HOME and TMPDIR below OUT and keeps standard output and error, where all logging goes at DEBUG.

LEAK in the environment seeds a defect, for the test that the scan sees: see leaks.py; several with commas.
"""

from __future__ import annotations

import json
import logging
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from case_system.app import System
from case_system.logs import set_up
from case_system.store import backup, exports
from field_app.actions import Actions
from field_app.compose import HttpTransport, assemble
from field_app.device import Device, Surroundings
from field_app.outcomes import Enrolled, Opened, Saved, Trouble
from field_app.vault.keystores import FileKeys
from referral.lifecycle import Role
from referral.model import Kind, ReferralId
from referral.problems import FieldError
from tests.faults.canary import leaks
from tests.faults.canary.canaries import CANARIES, PIN, arrest, social
from tests.faults.canary.server import Ear, dump, laid, serving, sinking

log = logging.getLogger("trip")


@dataclass
class Clock:
    """The trip's clock, on both sides."""

    at: datetime = datetime(2026, 3, 3, 7, 10, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    now = __call__

    def mono_ms(self) -> int:
        return int(self.at.timestamp() * 1000) % 10**9


@dataclass
class Trip:
    """The parts, and where everything is left."""

    out: Path
    system: System
    address: str
    ear: Ear
    clock: Clock
    folders: dict[str, Path] = field(default_factory=dict)
    open: dict[str, Actions] = field(default_factory=dict)

    def enrol(self, user: str, role: Role) -> Actions:
        """A new device of this person, unlocked."""
        folder = self.folders[user] = self.out / f"device-{user}"
        actions = self.open[user] = assemble(folder, self._machine(folder), HttpTransport())
        code = self.system.accounts.new_code(user, role).code
        enrolled = actions.enrol(self.address, code, PIN, unattended=True)
        assert isinstance(enrolled, Enrolled), enrolled
        assert isinstance(actions.unlock(PIN), Opened)
        return actions

    def inside(self, user: str) -> Device:
        """The device of a person."""
        device = self.open[user]._device
        assert device is not None
        return device

    def stage(self, name: str) -> None:
        """Keep the device folders as they lie now."""
        for user, folder in self.folders.items():
            shutil.copytree(folder, self.out / "stages" / name / user, ignore=shutil.ignore_patterns("programme"))

    def _machine(self, folder: Path) -> Surroundings:
        keys = [FileKeys(folder / "keys")]
        return Surroundings(keystores=keys, clock=self.clock, random_bytes=os.urandom, scrypt_n=2, minimum_n=2, app="lead-field/test", platform="test")  # fmt: skip


def main(out: Path, url: str) -> None:
    """The whole trip. Errors: AssertionError where a step did not go as it should."""
    set_up("DEBUG")
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "sqlalchemy", "alembic", "apprise", "asyncio", "urllib3", "requests", "httpx"):  # fmt: skip
        logging.getLogger(name).setLevel(logging.DEBUG)
    clock = Clock()
    leaks.seed(os.environ.get("LEAK", ""))
    with sinking(out / "notices") as sinks:
        system = laid(url or f"sqlite:///{out / 'central.db'}", out, clock, sinks)
        with serving(system, out) as (address, ear):
            trip = Trip(out, system, address, ear, clock)
            _work(trip)
            _refused(trip)
            _asked_badly(trip)
            _end(trip)
        dump(system, out / "central")
        system.engine.dispose()


def _work(trip: Trip) -> None:
    officer = trip.enrol("o1", Role.OFFICER)
    manager = trip.enrol("cm1", Role.CASE_MANAGER)
    first, second = _saved(officer, arrest("trip-1")), _saved(officer, social("trip-2"))
    _saved(officer, arrest("trip-3", CANARIES["accented"]))
    form = officer.start(Kind.ARREST).referral_id
    for path, value in (("willing", "yes"), ("whereabouts", "coming_in"), ("person.name", CANARIES["draft_name"]), ("person.descriptor", CANARIES["draft_descriptor"])):  # fmt: skip
        officer.answer(form, path, value)
    gone = officer.start(Kind.SOCIAL).referral_id
    officer.answer(gone, "person.name", CANARIES["discarded"])
    officer.discard(gone)
    trip.stage("saved")
    waiting = officer.snapshot().outbox[0].op_id
    officer.export(waiting, trip.out / "exports" / "carried")
    officer.sync_now()
    trip.system.dispatcher.run_once()
    manager.sync_now()
    assert isinstance(manager.accept(first), Saved)
    manager.sync_now()
    assert isinstance(officer.amend(second, {"note": CANARIES["amended"]}), Saved)
    officer.sync_now()
    trip.clock.at += timedelta(minutes=30)
    trip.system.dispatcher.run_once()
    trip.stage("synced")
    _spoken(trip, officer, manager, first)
    trip.system.dispatcher.run_once()


def _spoken(trip: Trip, *open_: Any) -> None:
    """What a careless developer would log, and what leaves by command."""
    officer, manager, first = open_
    for actions in (officer, manager):
        shot = actions.snapshot()
        log.debug("%r %r", shot, [actions.detail(row.referral_id) for row in (*shot.referrals, *shot.inbox)])
    session = trip.inside("o1").session
    assert session is not None
    held = session.holdings
    log.debug("%r %r %r %r", session.sealer, held.records, held.drafts, [step.operation for steps in held.steps.values() for step in steps])  # fmt: skip
    log.debug("%r %r", held.records[first].referral, held.view(first, whole=True))
    log.debug("%r", trip.inside("o1").binding)
    engine, keys = trip.system.engine, trip.system.keys
    left = trip.out / "exports"
    pack = trip.system.programme()
    said = {
        "referrals": exports.referrals(engine),
        "notices": exports.notices(engine),
        "devices": exports.devices(engine),
        "de-identified": exports.export_referrals(engine, keys, pack, clock=trip.clock, identified=False),
        "waits": exports.export_notices(engine, keys, identified=True),
        "figures": dict(trip.system.service.figures()),
    }
    for name, document in said.items():
        (left / f"{name}.json").write_text(json.dumps(document, default=str, ensure_ascii=False))
    backup.write(engine, left / "backup.gz", clock=trip.clock)
    for finding in officer.doctor():
        print(finding)
    for path in ("/metrics", "/healthz", "/openapi.json"):
        httpx.get(trip.address + path, timeout=60)


def _refused(trip: Trip) -> None:
    """Answers that are no answers, a full disk, a rule that breaks: all of it logged with its traceback."""
    officer = trip.open["o1"]
    bad = CANARIES["refused"]
    for wire in (
        arrest("trip-9") | {"kind": bad},
        arrest("trip-9") | {"offence_codes": [bad]},
        arrest("trip-9") | {"note": bad},
        arrest("trip-9") | {"person": {"birth": {"date": bad}}},
        arrest("trip-9") | {"person": {"name": bad * 40}},
        arrest("trip-9") | {"place": {"text": bad, "lat": bad, "lon": 1}},
        arrest(f"{bad} !"),
    ):
        _logged(partial(officer.submit_referral, wire))
    device = trip.inside("o1")
    pages = device.store.database.execute("PRAGMA page_count").fetchone()[0]
    device.store.database.execute(f"PRAGMA max_page_count = {pages}")
    for n in range(12):
        _logged(partial(officer.submit_referral, arrest(f"full-{n}")))
    device.store.database.execute("PRAGMA max_page_count = 1000000")
    _logged(lambda: officer.change_pin(PIN + "x", PIN + "yz"))

    def breaking(*args: Any, **more: Any) -> Any:
        raise ValueError("a rule broke")

    from case_system import door

    whole, door.__dict__["judge"] = door.__dict__["judge"], breaking
    try:
        _saved(officer, arrest("trip-4"))
        officer.sync_now()
    finally:
        door.__dict__["judge"] = whole
    officer.sync_now()


def _asked_badly(trip: Trip) -> None:
    """Requests that hold canaries where none belong; what comes back must not repeat them."""
    trip.ear.listening = False
    bad = CANARIES["refused"]
    token = trip.inside("o1").binding.append_token
    with httpx.Client(base_url=trip.address, headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
        for body in (
            {"nonce": bad},
            {"nonce": "0" * 32, "cursor": bad, "pull": True},
            {"nonce": "0" * 32, "envelopes": [bad]},
            {"nonce": "0" * 32, "heartbeat": {"waiting": bad}},
            {"nonce": "0" * 32, bad: bad},
            [bad],
            bad,
        ):
            client.post("/v1/sync", json=body)
            client.post("/v1/enrol", json=body)
        client.post("/v1/enrol", json={"code": bad, "device_id": bad, "device_key": bad, "proof": bad})
        client.post("/v1/sync", content=bad.encode(), headers={"Content-Type": "application/json"})
        client.get("/v1/sync", headers={"X-Canary": bad})
        client.post("/desk/sign-in", data={"user": bad, "password": bad})
    trip.ear.listening = True


def _end(trip: Trip) -> None:
    """A day later: shrunk, withdrawn, locked, wiped."""
    officer = trip.open["o1"]
    assert isinstance(officer.withdraw(ReferralId("trip-3")), Saved | Trouble)
    officer.sync_now()
    trip.clock.at += timedelta(hours=25)
    officer.sync_now()
    shown = {row.referral_id: row.shrunk for row in officer.snapshot().referrals}
    assert shown[ReferralId("trip-2")], shown
    trip.stage("shrunk")
    officer.lock()
    trip.open["cm1"].lock()
    trip.stage("locked")
    for n in range(3):
        _logged(partial(officer.unlock, f"{CANARIES['refused']} {n}"))
    trip.system.accounts.revoke(trip.inside("o1").binding.device_id, wipe=True)
    officer.sync_now()
    assert trip.inside("o1").binding.wiped
    trip.stage("wiped")
    for actions in trip.open.values():
        actions.close()
    trip.stage("closed")


def _saved(actions: Actions, wire: dict[str, Any]) -> ReferralId:
    outcome = actions.submit_referral(wire)
    assert isinstance(outcome, Saved), outcome
    return outcome.referral_id


def _logged(act: Callable[[], Any]) -> None:
    try:
        log.debug("%r", act())
    except FieldError:
        log.exception("refused")


if __name__ == "__main__":
    random.seed(0)
    tempfile.gettempdir()
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "")
