"""What today's code must still do with the files of a release: open, read, go on, answer, understand. One function a promise.

Each takes the golden folder of a release and a folder to work in (the golden files are copied there first), and returns sentences of what
it failed to do. Requests and answers that were recorded stand for the other side of that release: its clients meet today's case system,
its case system meets today's client.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import httpx

from case_system.keyfolder import KeyFolder
from case_system.store import backup, exports, migrate
from case_system.store.engine import open_engine
from case_system.streams import Streams
from field_app.actions import Actions
from field_app.compose import assemble
from field_app.device import Surroundings
from field_app.outcomes import Done, Opened, Saved, Trouble
from field_app.vault.keystores import FileKeys
from referral.codec import canonical, from_wire
from referral.envelope import DevicePublicKey, ServerPublicKey, open_, verify
from referral.model import ReferralId
from referral.operations import decode
from referral.port import SIGNATURE_DOMAIN, Enrolment, SyncResponse, signed_bytes
from referral.programme import PACK_FILES, load
from tests.golden.make import files, seen
from tests.support.agency import Agency, StillClock
from tests.support.loopback import loopback
from tests.support.station import Line, StationClock

Json = Any
# made by chance, or with a key that makes another signature each time
_VOLATILE: Final = frozenset({"signature", "receipt", "append_token", "read_token", "notice_id"})


def expected(golden: Path) -> dict[str, Json]:
    """What the recipe wrote down."""
    document: dict[str, Json] = json.loads((golden / "expected.json").read_text(encoding="utf-8"))
    return document


def pairs(golden: Path) -> list[dict[str, Json]]:
    """The recorded requests and answers, in their order."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted((golden / "wire").iterdir())]


def unchanged(golden: Path, work: Path) -> list[str]:
    """No byte of a release was ever written over."""
    listed = dict(
        line.split("  ", 1)[::-1] for line in (golden / "SHA256SUMS").read_text(encoding="ascii").splitlines()
    )
    found = {str(path.relative_to(golden)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files(golden)}
    return [f"{name} is not what was frozen" for name in listed.keys() | found.keys() if listed.get(name) != found.get(name)]  # fmt: skip


def device_opens(golden: Path, work: Path) -> list[str]:
    """The folder opens with its PIN, and all of it is read as it was."""
    actions, told = _device(golden, work, Line(inner=_nobody(), up=False)), expected(golden)
    shot = actions.snapshot()
    wrong = [] if not actions.trouble else [f"the folder does not open: {actions.trouble}"]
    shown = {row.referral_id: seen(actions, row.referral_id) for row in shot.referrals}
    wrong += [f"referral {name} reads otherwise" for name, what in told["referrals"].items() if _lacks(what, shown.get(ReferralId(name)))]  # fmt: skip
    wrong += [
        f"form {name} is not there" for name in told["drafts"] if name not in {d.referral_id for d in shot.drafts}
    ]
    outbox = {str(row.op_id): [row.referral_id, row.operation.value, row.state.value] for row in shot.outbox}
    wrong += [f"operation {name} is otherwise" for name, what in told["outbox"].items() if outbox.get(name) != what]
    wrong += [
        f"the doctor says of {f.check}: {f.found}" for f in actions.doctor(ask_server=False) if f.health == "broken"
    ]
    actions.close()
    return wrong


def device_goes_on(golden: Path, work: Path) -> list[str]:
    """What waited is delivered to today's case system over the golden database; forms are finished; new ones are saved; the PIN is changed."""
    agency, told = _central(golden, work, "central.db.gz"), expected(golden)
    actions = _device(golden, work, Line(inner=agency.service))
    wrong = []
    for name in told["drafts"]:
        if not isinstance(actions.submit(ReferralId(name)), Saved):
            wrong.append("a form that could be saved cannot be saved now")
    new = actions.submit_referral({"kind": "social", "willing": "yes", "person": {"name": "Di Later"}})
    if not isinstance(new, Saved):
        return [*wrong, "nothing new can be saved"]
    actions.sync_now()
    shot = actions.snapshot()
    if shot.outbox:
        wrong.append(f"{len(shot.outbox)} operations are not accepted")
    there = {row["referral_id"] for row in exports.referrals(agency.engine)}
    sent = (
        {name for name, what in told["referrals"].items() if what["referral"]} | set(told["drafts"]) | {new.referral_id}
    )
    wrong += [f"{name} is not there" for name in sent if name not in there]
    if not isinstance(actions.change_pin(told["pin"], "correct horse battery 9"), Done | Trouble):
        wrong.append("the PIN cannot be changed")
    actions.close()
    agency.engine.dispose()
    return wrong


def central_opens(golden: Path, work: Path) -> list[str]:
    """The database is brought up to date and says what it said; its audit trail holds; its records open with their keys."""
    agency, told = _central(golden, work, "central.db.gz"), expected(golden)
    wrong = _lacks(told["central"], exports.referrals(agency.engine), "referrals")
    pack = load({name: (golden / "pack" / name).read_bytes() for name in PACK_FILES})
    again = exports.export_referrals(agency.engine, agency.keys, pack, clock=agency.clock, identified=True)
    wrong += _lacks(told["identified"], json.loads(json.dumps(again, default=str)), "records")
    if exports.audit_verdict(agency.engine).bad_row is not None:
        wrong.append("the audit trail does not hold")
    agency.engine.dispose()
    return wrong


def backup_restores(golden: Path, work: Path) -> list[str]:
    """The backup becomes a case system that says the same."""
    shutil.copy(golden / "backup.gz", work / "backup.gz")
    engine = open_engine(f"sqlite:///{work / 'restored.db'}")
    backup.restore(engine, work / "backup.gz", clock=StillClock(), rng=os.urandom)
    wrong = _lacks(expected(golden)["central"], exports.referrals(engine), "referrals")
    engine.dispose()
    return wrong


def bundle_opens(golden: Path, work: Path) -> list[str]:
    """What was exported to be carried by hand is verified and read."""
    keys, told = _keys(golden, work), expected(golden)
    actions = _device(golden, work, Line(inner=_nobody(), up=False))
    assert actions.binding is not None
    signer = DevicePublicKey.from_bytes(actions.binding.device_key)
    actions.close()
    wrong = []
    for path in (golden / "exports").glob("*.env"):
        raw = path.read_bytes()
        verify(raw, signer)
        operation = decode(open_(raw, keys.agency_keys))
        if [operation.referral_id, operation.op.value] != told["outbox"][path.stem][:2]:
            wrong.append(f"{path.name} says something else")
    return wrong


def pack_loads(golden: Path, work: Path) -> list[str]:
    """The pack is read, and is the same pack."""
    pack = load({name: (golden / "pack" / name).read_bytes() for name in PACK_FILES})
    return [] if pack.digest == expected(golden)["pack"] else ["the pack has another digest"]


def requests_are_answered(golden: Path, work: Path) -> list[str]:
    """Each recorded request of that release's clients gets from today's case system what it got, over HTTP."""
    agency = _central(golden, work, "central.before.db.gz")
    wrong = []
    with loopback(agency.service, Streams()) as url, httpx.Client(base_url=url, timeout=60) as client:
        for n, pair in enumerate(pairs(golden), 1):
            agency.clock.at = datetime.fromisoformat(pair["at"])
            headers = {"Content-Type": "application/json"}
            if pair["token"]:
                headers["Authorization"] = f"Bearer {pair['token']}"
            answer = client.post(pair["path"], content=canonical(pair["request"]), headers=headers)
            if answer.status_code != pair["status"]:
                wrong.append(f"request {n}: {answer.status_code} {answer.text[:200]}")
            else:
                wrong += _lacks(pair["answer"], answer.json(), f"answer {n}")
    agency.engine.dispose()
    return wrong


def answers_are_understood(golden: Path, work: Path) -> list[str]:
    """Each recorded answer of that release's case system is read by today's client code, and its signature holds."""
    server = _keys(golden, work).server_key.public().to_bytes()
    wrong = []
    for n, pair in enumerate(pairs(golden), 1):
        if pair["path"] == "/v1/enrol":
            enrolment = from_wire(Enrolment, pair["answer"], keep_unknown=True)
            if enrolment.server_key != server:
                wrong.append(f"answer {n} has another server key")
            continue
        answer = from_wire(SyncResponse, pair["answer"], keep_unknown=True)
        ServerPublicKey.from_bytes(server).verify(SIGNATURE_DOMAIN, signed_bytes(answer), answer.signature)
        if answer.nonce != pair["request"]["nonce"]:
            wrong.append(f"answer {n} is to another request")
    return wrong


CHECKS: Final[tuple[Callable[[Path, Path], list[str]], ...]] = (
    unchanged,
    device_opens,
    device_goes_on,
    central_opens,
    backup_restores,
    bundle_opens,
    pack_loads,
    requests_are_answered,
    answers_are_understood,
)


def _device(golden: Path, work: Path, line: Line) -> Actions:
    folder = work / "device"
    if not folder.exists():
        shutil.copytree(golden / "device", folder)
    machine = Surroundings(
        keystores=[FileKeys(folder / "keys")], clock=StationClock(StillClock(_last(golden))), random_bytes=os.urandom,
        scrypt_n=2, minimum_n=2, app="lead-field/test", platform="test",
    )  # fmt: skip
    actions = assemble(folder, machine, line)
    outcome = actions.unlock(expected(golden)["pin"])
    assert isinstance(outcome, Opened), outcome
    return actions


def _central(golden: Path, work: Path, name: str) -> Agency:
    (work / "central.db").write_bytes(gzip.decompress((golden / name).read_bytes()))
    url = f"sqlite:///{work / 'central.db'}"
    engine = open_engine(url)
    migrate.upgrade(engine)
    return Agency.over(url, engine, _keys(golden, work), StillClock(_last(golden)))


def _keys(golden: Path, work: Path) -> KeyFolder:
    folder = work / "keys"
    if not folder.exists():
        shutil.copytree(golden / "keys", folder)
        folder.chmod(0o700)
        for path in folder.iterdir():
            path.chmod(0o600)
    return KeyFolder(folder)


def _nobody() -> Any:
    return None


def _last(golden: Path) -> datetime:
    return datetime.fromisoformat(pairs(golden)[-1]["at"])


def _lacks(was: Json, now: Json, path: str = "it") -> list[str]:
    """Where `now` has not what `was` had. More may be said; what is made by chance may differ, but not be missing."""
    match was:
        case dict():
            if not isinstance(now, dict):
                return [f"{path} is no object any more"]
            missing = [f"{path}.{key} is gone" for key in was if key not in now]
            return missing + [line for key in was.keys() & now.keys() if key not in _VOLATILE for line in _lacks(was[key], now[key], f"{path}.{key}")]  # fmt: skip
        case list():
            if not isinstance(now, list) or len(was) != len(now):
                return [f"{path} has another length"]
            return [line for n, (one, other) in enumerate(zip(was, now, strict=True)) for line in _lacks(one, other, f"{path}[{n}]")]  # fmt: skip
        case _:
            return [] if was == now else [f"{path} differs"]
