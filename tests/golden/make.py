"""The recipe of the golden files: what a release leaves on disks and on wires, made once by its own code and kept for ever.

    python -m tests.golden.make VERSION        makes tests/golden/VERSION; refuses where there is one

    device/                  an officer's data folder, shut: header, chain, counters, key files, database, envelope files, pack
    central.before.db.gz     the case system's database after the enrolments, before the recorded requests
    central.db.gz  keys/     the same after them; the key folder of both (a reader makes the files private again)
    backup.gz  exports/      a backup, de-identified lists, operations carried by hand
    pack/                    the programme pack
    wire/NN-NAME.json        {at, path, token, request, status, answer} of each request, as they went over the wire
    expected.json            what must be read again: PIN, referrals, drafts, operations, records
    SHA256SUMS               of all the above

People are invented. The clock stands where it is put, so that a replay has the times of the recording.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from case_system.store import backup, exports
from field_app.actions import Actions
from field_app.compose import assemble
from field_app.config import APP
from field_app.device import Surroundings
from field_app.outcomes import Enrolled, Opened, Saved
from field_app.sync.listener import Listener
from field_app.sync.worker import Worker
from field_app.vault.keystores import FileKeys
from referral.codec import canonical, parse, to_wire
from referral.lifecycle import Role
from referral.model import Kind, ReferralId
from referral.port import CaseSystem, Enrolment, EnrolRequest, SyncRequest, SyncResponse
from tests.support.agency import Agency, StillClock
from tests.support.device import Device
from tests.support.packs import baltimore_files
from tests.support.station import ARREST, SOCIAL, StationClock

ROOT: Final = Path(__file__).parent
PIN: Final = "473920"
SCRYPT_N: Final = 2**15  # the floor, as a small phone of this release has it
START: Final = datetime(2026, 3, 3, 7, 10, tzinfo=UTC)


class Wire:
    """A case system behind which every request is written down."""

    def __init__(self, inner: CaseSystem, clock: StillClock, folder: Path) -> None:
        self.inner, self.clock, self.folder, self.name, self.n = inner, clock, folder, "", 0

    def enrol(self, request: EnrolRequest) -> Enrolment:
        """See the port."""
        answer = self.inner.enrol(request)
        self._keep("/v1/enrol", "", to_wire(request), to_wire(answer))
        return answer

    def sync(self, token: str, request: SyncRequest) -> SyncResponse:
        """See the port."""
        answer = self.inner.sync(token, request)
        self._keep("/v1/sync", token, to_wire(request), to_wire(answer))
        return answer

    def case_system(self, server: str) -> CaseSystem:
        """Itself, whatever the address."""
        return self

    def listener(self, server: str, token: Callable[[], str | None], worker: Worker) -> Listener | None:
        """There is no stream."""
        return None

    def _keep(self, path: str, token: str, request: Any, answer: Any) -> None:
        if self.name:
            self.n += 1
            pair = {"at": to_wire(self.clock.at), "path": path, "token": token, "request": request, "status": 200, "answer": answer}  # fmt: skip
            (self.folder / f"{self.n:02}-{self.name}.json").write_bytes(canonical(pair) + b"\n")


def make(version: str) -> Path:
    """Make the files of a release. Errors: FileExistsError when there are some: golden bytes are never written over."""
    target = ROOT / version
    target.mkdir()
    for name in ("wire", "exports"):
        (target / name).mkdir()
    with tempfile.TemporaryDirectory() as folder:
        _fill(target, Path(folder))
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(target)}" for path in files(target)]
    (target / "SHA256SUMS").write_text("\n".join(sums) + "\n", encoding="ascii")
    return target


def files(folder: Path) -> list[Path]:
    """The golden files of a release but their list."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "SHA256SUMS")


def small_pack() -> dict[str, bytes]:
    """The Baltimore pack with a few streets."""
    pack = dict(baltimore_files())
    for name in ("blocks.csv", "corners.csv"):
        head, *rows = pack[name].splitlines(keepends=True)
        pack[name] = head + b"".join(row for row in rows if b"Lexington" in row or b"Fayette" in row)
    return pack


def _fill(target: Path, work: Path) -> None:
    clock = StillClock(START)
    agency = Agency.found(f"sqlite:///{work / 'central.db'}", work, clock, small_pack())
    wire = Wire(agency.service, clock, target / "wire")
    machine = Surroundings(
        keystores=[FileKeys(target / "device" / "keys")], clock=StationClock(clock), random_bytes=os.urandom,
        scrypt_n=SCRYPT_N, minimum_n=SCRYPT_N, app=APP, platform="golden",
    )  # fmt: skip
    (target / "device").mkdir()
    officer = assemble(target / "device", machine, wire)
    code = agency.accounts.new_code("o1", Role.OFFICER).code
    assert isinstance(officer.enrol("https://lead.example", code, PIN, unattended=True), Enrolled)
    assert isinstance(officer.unlock(PIN), Opened)
    manager = Device.enrol(wire, agency.accounts.new_code("cm1", Role.CASE_MANAGER).code, clock)
    spare = agency.accounts.new_code("o2", Role.OFFICER).code
    _gzip(work / "central.db", target / "central.before.db.gz", agency)
    _recorded(officer, manager, agency, wire, clock)
    wire.name = "enrol"
    Device.enrol(wire, spare, clock)
    wire.name = ""
    _gzip(work / "central.db", target / "central.db.gz", agency)
    shutil.copytree(agency.keys.folder, target / "keys")
    _left(target, agency, clock)
    _unsent(officer)
    (target / "expected.json").write_text(json.dumps(_expected(officer, agency), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")  # fmt: skip
    first = next(row.op_id for row in officer.snapshot().outbox)
    officer.export(first, target / "exports")
    officer.close()
    (target / "pack").mkdir()
    for name, data in small_pack().items():
        (target / "pack" / name).write_bytes(data)
    for lock in target.rglob("sync.lock"):
        lock.unlink()
    agency.engine.dispose()


def _recorded(officer: Actions, manager: Device, agency: Agency, wire: Wire, clock: StillClock) -> None:
    def go(name: str, actions: Callable[[], Any]) -> None:
        clock.go(minutes=3)
        wire.name = name
        actions()

    _saved(officer, {**ARREST, "referral_id": "golden-arrest"})
    _saved(officer, {**SOCIAL, "referral_id": "golden-social", "note": "Asked for a bed, invented"})
    go("creates", officer.sync_now)
    go("manager-pulls", manager.pull)
    accept = manager.reason(_op("accept"), "golden-arrest", base=1)
    go("accept", lambda: manager.send(accept))
    go("accept-again", lambda: manager.send(accept))
    go("officer-pulls", officer.sync_now)
    assert isinstance(officer.amend(ReferralId("golden-arrest"), {"incident_number": "26C09999"}), Saved)
    assert isinstance(officer.withdraw(ReferralId("golden-social")), Saved)
    go("amend-and-withdraw", officer.sync_now)
    officer.lock()
    go("locked", officer.sync_now)
    assert isinstance(officer.unlock(PIN), Opened)
    go("news", officer.sync_now)
    wire.name = ""


def _left(target: Path, agency: Agency, clock: StillClock) -> None:
    backup.write(agency.engine, target / "backup.gz", clock=clock)
    with agency.engine.connect():
        listed = exports.export_referrals(agency.engine, agency.keys, _programme(), clock=clock, identified=False)
    (target / "exports" / "referrals.json").write_text(json.dumps(listed, indent=1) + "\n", encoding="utf-8")


def _unsent(officer: Actions) -> None:
    _saved(officer, {**ARREST, "referral_id": "golden-waiting", "person": {"name": "Bo Waiting"}})
    form = officer.start(Kind.ARREST).referral_id
    for path, value in (("willing", "yes"), ("whereabouts", "coming_in"), ("person.name", "Cy Unfinished")):
        officer.answer(form, path, value)


def _expected(officer: Actions, agency: Agency) -> dict[str, Any]:
    shot = officer.snapshot()
    identified = exports.export_referrals(agency.engine, agency.keys, _programme(), clock=agency.clock, identified=True)
    return {
        "pin": PIN,
        "referrals": {row.referral_id: seen(officer, row.referral_id) for row in shot.referrals},
        "drafts": {
            draft.referral_id: parse(canonical(to_wire(officer.resume(draft.referral_id)))) for draft in shot.drafts
        },
        "outbox": {row.op_id: [row.referral_id, row.operation.value, row.state.value] for row in shot.outbox},
        "central": exports.referrals(agency.engine),
        "identified": json.loads(json.dumps(identified, default=str)),
        "pack": _programme().digest,
    }


def seen(actions: Actions, referral_id: ReferralId) -> dict[str, Any]:
    """What a person sees of a referral, in wire form."""
    detail = actions.detail(referral_id)
    row = detail.row
    return {
        "title": row.title,
        "delivery": row.delivery.value,
        "handoff": None if row.handoff is None else row.handoff.value,
        "receipt": row.receipt,
        "referral": None if detail.referral is None else parse(canonical(to_wire(detail.referral))),
    }


def _programme() -> Any:
    from referral.programme import load

    return load(small_pack())


def _op(name: str) -> Any:
    from referral.operations import Op

    return Op(name)


def _saved(officer: Actions, wire: dict[str, Any]) -> None:
    outcome = officer.submit_referral(wire)
    assert isinstance(outcome, Saved), outcome


def _gzip(database: Path, target: Path, agency: Agency) -> None:
    with agency.engine.connect() as db:
        db.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    target.write_bytes(gzip.compress(database.read_bytes(), 9, mtime=0))


if __name__ == "__main__":
    print(make(sys.argv[1]))
