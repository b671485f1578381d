"""Keeping and forgetting: who is forgotten when, that it cannot be undone with any key, and that the rest goes on."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import LargeBinary, select, update

from case_system import sealing
from case_system.keeping import FEED_KEPT
from case_system.sealing import SealBroken
from case_system.store import backup, exports, schema
from case_system.store.upkeep import Upkeep, Upkept
from referral.model import Birth, Person, Reach, ReachHow, Willing
from referral.operations import (
    Close,
    CloseReason,
    NotCompleted,
    NotCompletedReason,
    Op,
    ReleaseEvent,
    ReleaseOfInformation,
)
from referral.port import Outcome
from referral.problems import ProblemCode
from tests.support.agency import Agency
from tests.support.device import Device, arrest, social
from tests.support.packs import baltimore

NAME, PHONE = "Robin Invented-Sample", "410-555-0142"
DAYS = baltimore().timers


def upkeep(agency: Agency) -> Upkept:
    """One run of the clock's housework."""
    return Upkeep(engine=agency.engine, keys=agency.keys, rng=os.urandom).run(agency.clock(), baltimore())


def why(agency: Agency) -> dict[str, str]:
    """What one run forgets, and why."""
    return dict(upkeep(agency).forgotten)


def named(**fields: Any) -> dict[str, Any]:
    """Answers that identify someone invented."""
    reach = Reach(how=ReachHow.PHONE, detail=PHONE)
    return {"person": Person(name=NAME, birth=Birth(age=34)), "reach": reach} | fields


def opened(agency: Agency) -> Iterator[bytes]:
    """Every sealed value of the database that opens with what the key folder and the database hold together."""
    keys = agency.keys
    data_keys = [
        sealing.unwrap(keys.storage_key, row["data_key"], row["referral_id"])
        for row in agency.rows(select(schema.referrals))
        if row["data_key"] is not None
    ]
    for table in schema.metadata.sorted_tables:
        sealed = [column.name for column in table.columns if isinstance(column.type, LargeBinary)]
        for row in agency.rows(select(table)) if sealed else []:
            places = {("referral", row.get("referral_id")), ("operation", f"{row.get('device_id')}/{row.get('op_id')}")}
            for box in (row[name] for name in sealed if row[name] is not None):
                yield box
                for key in data_keys:
                    for domain, place in places:
                        try:
                            yield sealing.open_(key, box, domain, str(place))
                        except SealBroken:
                            continue


def readable(agency: Agency) -> bool:
    """True when the invented name or telephone can be read by who has the database and all keys."""
    return any(NAME.encode() in text or PHONE.encode() in text for text in opened(agency))


def test_each_kind_is_forgotten_after_the_packs_days_and_not_before(agency: Agency) -> None:
    officer, manager = agency.device("o1"), agency.device("cm1")
    declined, withdrawn, refused, left, copy, kept = (arrest(**named()) for _ in range(6))
    not_asked = social(**named(willing=Willing.NOT_ASKED))
    everyone = (declined, withdrawn, refused, left, copy, kept, not_asked)
    officer.send(*(officer.create(told) for told in everyone))
    agency.desk("sao1", Op.SAO_DECLINE, declined.referral_id, base=1)
    officer.send(officer.reason(Op.WITHDRAW, withdrawn.referral_id))
    agency.desk("sup", Op.CLOSE, refused.referral_id, Close(reason=CloseReason.DECLINED), base=1)
    agency.desk("sup", Op.CLOSE, copy.referral_id, Close(reason=CloseReason.DUPLICATE), base=1)
    manager.send(manager.reason(Op.ACCEPT, left.referral_id))
    said = NotCompleted(reason=NotCompletedReason.CHANGED_MIND)
    manager.send(manager.seal(manager.operation(Op.NOT_COMPLETED, left.referral_id, said, base=2)))
    agency.clock.go(days=30, seconds=-1)
    assert why(agency) == {}
    assert readable(agency)
    agency.clock.go(seconds=1)
    assert why(agency) == {
        declined.referral_id: "declined", withdrawn.referral_id: "withdrawn", refused.referral_id: "refused",
        left.referral_id: "refused", copy.referral_id: "duplicate", not_asked.referral_id: "not_asked",
    }  # fmt: skip
    assert why(agency) == {}  # again: nothing to do
    held = {row["referral_id"] for row in agency.rows(select(schema.referrals)) if row["data_key"] is not None}
    assert held == {kept.referral_id, not_asked.referral_id}
    assert exports.audit_verdict(agency.engine).bad_row is None
    trail = [row["object_id"] for row in agency.rows(select(schema.audit)) if row["action"] == "forget"]
    assert sorted(trail) == sorted(told.referral_id for told in everyone if told is not kept)


@pytest.mark.parametrize("vacuum", [False, True])
def test_what_was_forgotten_opens_with_no_key_and_lies_in_no_file(agency: Agency, tmp_path: Path, vacuum: bool) -> None:
    officer = agency.device("o1")
    told = arrest(**named())
    create = officer.create(told)
    officer.send(create, officer.amend(told.referral_id, incident_number="26C01234"))
    officer.send(officer.amend(told.referral_id, base=7, person={"name": NAME}))  # waits for earlier ones
    officer.send(officer.seal_bytes(b"other", op_id=create[17:33]))  # other bytes under the same number
    assert len(agency.rows(select(schema.quarantine))) == 1
    before = agency.rows(select(schema.referrals).where(schema.referrals.c.referral_id == told.referral_id))[0]
    secrets = [before["data_key"], before["body"]] + [
        row[name] for row in agency.rows(select(schema.operations)) for name in ("body", "raw") if row[name] is not None
    ]
    old_backup = tmp_path / "before.gz"
    backup.write(agency.engine, old_backup, clock=agency.clock)
    officer.send(officer.reason(Op.WITHDRAW, told.referral_id, base=2))
    agency.clock.go(days=DAYS.retention_withdrawn_days)
    assert readable(agency)
    assert why(agency) == {told.referral_id: "withdrawn"}
    assert not readable(agency)
    assert agency.rows(select(schema.quarantine)) == []
    assert {row["raw"] for row in agency.rows(select(schema.operations))} == {None}
    waited = [row for row in agency.rows(select(schema.operations)) if row["outcome"] == Outcome.STORED.value]
    assert waited == []
    if agency.engine.dialect.name == "sqlite":
        if vacuum:
            with sqlite3.connect(tmp_path / "case.db", isolation_level=None) as db:
                db.execute("VACUUM")
        for file in tmp_path.glob("case.db*"):  # the database and its write-ahead log
            data = file.read_bytes()
            assert not [secret for secret in (*secrets, NAME.encode()) if secret in data]
    else:
        dumped = str([agency.rows(select(table)) for table in schema.metadata.sorted_tables])
        assert not [secret for secret in secrets if str(secret) in dumped]


def test_a_backup_from_before_keeps_what_was_forgotten_since(agency: Agency, tmp_path: Path) -> None:
    """Why backups must be destroyed after their days (docs/operations.md)."""
    officer = agency.device("o1")
    told = arrest(**named())
    officer.send(officer.create(told))
    backup.write(agency.engine, tmp_path / "old.gz", clock=agency.clock)
    officer.send(officer.reason(Op.WITHDRAW, told.referral_id))
    agency.clock.go(days=31)
    upkeep(agency)
    backup.write(agency.engine, tmp_path / "new.gz", clock=agency.clock)
    backup.restore(agency.engine, tmp_path / "new.gz", clock=agency.clock, rng=os.urandom, replace=True)
    assert not readable(agency)
    backup.restore(agency.engine, tmp_path / "old.gz", clock=agency.clock, rng=os.urandom, replace=True)
    assert readable(agency)


def test_devices_are_told_and_the_officer_keeps_the_process(agency: Agency) -> None:
    officer, manager = agency.device("o1"), agency.device("cm1")
    told = arrest(**named())
    officer.send(officer.create(told))
    manager.send(manager.reason(Op.ACCEPT, told.referral_id))
    agency.desk("sao1", Op.SAO_DECLINE, told.referral_id, base=2)
    assert NAME in str(manager.pull().referrals[told.referral_id].referral.person.name)  # type: ignore[union-attr]
    officer.pull()
    agency.clock.go(days=DAYS.retention_declined_days)
    upkeep(agency)
    assert told.referral_id in manager.pull().gone
    assert officer.pull().referrals[told.referral_id].review == "declined"


def test_a_contact_that_was_not_asked_loses_its_name_and_can_still_be_found(agency: Agency) -> None:
    officer, manager = agency.device("o1"), agency.device("cm1")
    fields = named(willing=Willing.NOT_ASKED, note=f"{NAME} asked for a bed")
    told = social(**fields)
    agreed = social(**named(willing=Willing.NOT_ASKED))
    officer.send(officer.create(told), officer.create(agreed))
    officer.send(officer.amend(told.referral_id, person={"name": f"{NAME} Junior"}))
    manager.send(*(manager.reason(Op.ACCEPT, r.referral_id, base=n) for r, n in ((told, 2), (agreed, 1))))
    spoken = ReleaseOfInformation(event=ReleaseEvent.VERBAL)
    manager.send(manager.seal(manager.operation(Op.RELEASE, agreed.referral_id, spoken, base=2)))
    agency.clock.go(days=DAYS.not_asked_name_days)
    assert why(agency) == {told.referral_id: "not_asked"}
    seen = manager.pull().referrals
    assert seen[told.referral_id].referral.person == Person(birth=Birth(age=34))  # type: ignore[union-attr]
    assert seen[told.referral_id].referral.reach.detail == PHONE  # type: ignore[union-attr]
    assert seen[agreed.referral_id].referral.person.name == NAME  # type: ignore[union-attr]
    with agency.engine.begin() as db:  # of the other one, so that only this one is looked at
        db.execute(
            update(schema.referrals).where(schema.referrals.c.referral_id == agreed.referral_id).values(data_key=None)
        )
    assert not any(NAME.encode() in text for text in opened(agency))


def test_what_a_late_device_adds_goes_after_as_many_days(agency: Agency) -> None:
    officer = agency.device("o1")
    told = arrest(**named())
    officer.send(officer.create(told), officer.reason(Op.WITHDRAW, told.referral_id))
    agency.clock.go(days=30)
    assert why(agency) == {told.referral_id: "withdrawn"}
    (late,) = officer.send(officer.amend(told.referral_id, person={"name": NAME}))
    assert (late.outcome, late.code) == (Outcome.NEEDS_ATTENTION, ProblemCode.NOT_POSSIBLE_NOW)
    assert readable(agency)
    assert why(agency) == {}
    agency.clock.go(days=30)
    assert why(agency) == {told.referral_id: "withdrawn"}
    assert not readable(agency)


def test_someone_in_lead_and_an_unnamed_tally_are_left_alone(agency: Agency) -> None:
    officer = agency.device("o1")
    tally, enrolled = arrest(willing=Willing.NO), arrest(**named())
    officer.send(officer.create(tally), officer.create(enrolled))
    with agency.engine.begin() as db:
        t = schema.referrals
        db.execute(
            update(t)
            .where(t.c.referral_id == enrolled.referral_id)
            .values(pair="west", close_reason="withdrew", episode="closed")
        )
    agency.clock.go(days=365)
    assert why(agency) == {}
    assert readable(agency)


def test_two_runs_at_once_forget_once(agency: Agency) -> None:
    officer = agency.device("o1")
    told = [arrest(**named()) for _ in range(3)]
    officer.send(*(officer.create(r) for r in told), *(officer.reason(Op.WITHDRAW, r.referral_id) for r in told))
    agency.clock.go(days=30)
    run = Upkeep(engine=agency.engine, keys=agency.keys, rng=os.urandom)
    ids = [r.referral_id for r in told]
    assert len(run._forget(ids, agency.clock(), baltimore())) == 3
    assert run._forget(ids, agency.clock(), baltimore()) == []


def test_the_feed_is_shortened_and_old_cursors_begin_anew(agency: Agency) -> None:
    officer, away = agency.device("o1"), agency.device("o1")
    told = arrest()
    officer.send(officer.create(told))
    away.pull()
    for n in range(5):
        officer.send(officer.amend(told.referral_id, base=n + 1, incident_number=f"26C0000{n}"))
    agency.clock.go(seconds=FEED_KEPT.total_seconds() - 1)
    assert upkeep(agency).feed_rows == 0
    assert agency.rows(select(schema.ledger.c.feed_floor))[0]["feed_floor"] == 0, "what is young enough stays whole"
    agency.clock.go(seconds=2)
    officer.send(officer.amend(told.referral_id, base=6, incident_number="26C99999"))
    rows = len(agency.rows(select(schema.feed)))
    assert upkeep(agency).feed_rows > 0
    assert len(agency.rows(select(schema.feed))) < rows
    assert upkeep(agency).feed_rows == 0
    assert away.sync().reset
    assert set(away.pull().referrals) == {told.referral_id}
    assert not officer.sync().reset or officer.cursor is None


def test_old_sessions_and_codes_go(agency: Agency) -> None:
    agency.device("o1")
    agency.accounts.new_code("o2", agency.device("o2").enrolment.role)
    now = agency.clock()
    with agency.engine.begin() as db:
        values = {"user_id": "sup", "created_at": now, "seen_at": now}
        db.execute(schema.sessions.insert(), [values | {"token_hash": "a" * 64}])
    assert (upkeep(agency).sessions, upkeep(agency).codes) == (0, 0)
    agency.clock.at += timedelta(days=40)
    done = upkeep(agency)
    assert done.sessions == 1
    assert done.codes == len(agency.rows(select(schema.devices))) + 1
    assert isinstance(agency.device("o1"), Device)
