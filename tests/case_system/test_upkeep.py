"""Audit, backup, keys, migrations and exports: what keeps a case system honest and alive."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import delete, select, update

from case_system import audit
from case_system.audit import Verdict
from case_system.keyfolder import KeyFolder, KeyFolderError
from case_system.store import backup, exports, migrate, schema
from case_system.store.engine import open_engine, transaction
from referral.model import Birth, Person, Place, PlaceSource
from referral.operations import Op
from referral.port import Outcome
from tests.support.agency import Agency
from tests.support.device import arrest
from tests.support.packs import baltimore


def verdict(agency: Agency) -> Verdict:
    """What `audit verify` finds."""
    (head,) = agency.rows(select(schema.ledger))
    return audit.verify(
        agency.rows(select(schema.audit).order_by(schema.audit.c.n)), head["audit_n"], head["audit_hash"]
    )


def test_every_act_is_in_the_chain(agency: Agency) -> None:
    officer, manager = agency.device("o1"), agency.device("cm1")
    told = arrest(person=Person(name="Robin Sample"))
    officer.send(officer.create(told))
    manager.send(manager.reason(Op.ACCEPT, told.referral_id))
    found = verdict(agency)
    assert found.bad_row is None
    rows = agency.rows(select(schema.audit).order_by(schema.audit.c.n))
    assert found.rows == len(rows)
    assert [(r["actor"], r["action"], r["outcome"]) for r in rows if r["object_id"] == told.referral_id] == [
        ("o1", "create", "accepted"), ("cm1", "accept", "accepted"), ("cm1", "deliver", "done"),
    ]  # fmt: skip
    assert "Robin" not in str(rows)


@pytest.mark.parametrize("column", ["actor", "action", "object_id", "outcome", "device_id", "at", "prev", "hash"])
def test_a_changed_row_is_named(agency: Agency, column: str) -> None:
    officer = agency.device("o1")
    officer.send(officer.create(arrest()), officer.create(arrest()))
    last = verdict(agency).rows
    t = schema.audit
    value: Any = agency.clock.go(seconds=1) if column == "at" else "0" * 32
    with agency.engine.begin() as db:
        db.execute(update(t).where(t.c.n == last - 1).values({column: value}))
    assert verdict(agency).bad_row == last - 1


def test_a_missing_row_and_a_cut_off_end_are_named(agency: Agency) -> None:
    last = verdict(agency).rows
    t = schema.audit
    with agency.engine.begin() as db:
        db.execute(delete(t).where(t.c.n == last))
    assert verdict(agency).bad_row == last
    with agency.engine.begin() as db:
        db.execute(delete(t).where(t.c.n == 3))
    assert verdict(agency).bad_row == 3


def test_a_backup_comes_back_whole_under_a_new_epoch(agency: Agency, tmp_path: Path) -> None:
    officer, manager = agency.device("o1"), agency.device("cm1")
    kept, lost = arrest(), arrest()
    officer.send(officer.create(kept))
    officer.pull()
    file = tmp_path / "backup.gz"
    rows = backup.write(agency.engine, file, clock=agency.clock)
    assert backup.check(file)["rows"] == rows
    if os.name == "posix":
        assert file.stat().st_mode & 0o077 == 0
    envelope = officer.create(lost)
    officer.send(envelope)
    officer.pull()

    restored = Agency.over("", open_engine(f"sqlite:///{tmp_path / 'restored.db'}"), agency.keys, agency.clock)
    assert backup.restore(restored.engine, file, clock=agency.clock, rng=os.urandom) == rows
    with pytest.raises(backup.BackupError):
        backup.restore(restored.engine, file, clock=agency.clock, rng=os.urandom)
    officer.system = manager.system = restored.service
    answer = officer.sync()
    assert answer.reset
    assert answer.epoch != officer.enrolment.epoch
    assert set(officer.pull().referrals) == {kept.referral_id}
    assert officer.send(envelope)[0].outcome is Outcome.ACCEPTED  # offered again, with the same bytes
    assert set(manager.pull().referrals) == {kept.referral_id, lost.referral_id}
    assert verdict(restored).bad_row is None
    restored.engine.dispose()


def test_a_backup_is_restored_over_what_is_there_when_asked(agency: Agency, tmp_path: Path) -> None:
    officer = agency.device("o1")
    file = tmp_path / "backup.gz"
    backup.write(agency.engine, file, clock=agency.clock)
    officer.send(officer.create(arrest()))
    backup.restore(agency.engine, file, clock=agency.clock, rng=os.urandom, replace=True)
    assert agency.rows(select(schema.referrals)) == []
    assert officer.send(officer.create(arrest()))[0].outcome is Outcome.ACCEPTED  # its counters go on


def test_a_damaged_backup_is_refused_and_changes_nothing(agency: Agency, tmp_path: Path) -> None:
    file, bad = tmp_path / "backup.gz", tmp_path / "bad.gz"
    backup.write(agency.engine, file, clock=agency.clock)
    whole = gzip.decompress(file.read_bytes())
    lines = whole.splitlines(keepends=True)
    for damaged in (
        file.read_bytes()[:-20],
        gzip.compress(b"".join(lines[:-1])),
        gzip.compress(b"".join([*lines[:5], *lines[6:]])),
        gzip.compress(whole.replace(b"cm1", b"cm9", 1)),
        gzip.compress(b'{"format":"other"}\n'),
        b"no backup",
    ):
        bad.write_bytes(damaged)
        with pytest.raises(backup.BackupError):
            backup.restore(agency.engine, bad, clock=agency.clock, rng=os.urandom, replace=True)
    assert len(agency.rows(select(schema.users))) == 10


def test_the_migrations_make_exactly_the_schema(agency: Agency) -> None:
    with transaction(agency.engine, write=False) as db:
        context = MigrationContext.configure(db, opts={"compare_type": True})
        differences = compare_metadata(context, schema.metadata)
    assert differences == []
    assert migrate.is_current(agency.engine)
    migrate.upgrade(agency.engine)  # again: nothing to do


def test_keys_are_for_their_owner_and_complete(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    made = KeyFolder.create(folder, os.urandom)
    assert made.newest.key_id in KeyFolder(folder).agency_keys
    with pytest.raises(KeyFolderError):
        KeyFolder.create(folder, os.urandom)
    if os.name == "posix":
        (folder / "storage.key").chmod(0o644)
        with pytest.raises(KeyFolderError, match="read by others"):
            KeyFolder(folder)
        (folder / "storage.key").chmod(0o600)
    (folder / "index.key").unlink()
    with pytest.raises(KeyFolderError, match="missing"):
        KeyFolder(folder)


def test_rotated_keys_stay_readable_until_they_are_retired(tmp_path: Path) -> None:
    keys = KeyFolder.create(tmp_path / "keys", os.urandom)
    first = keys.newest.key_id
    assert keys.rotate() == keys.newest.key_id.hex() != first.hex()
    assert set(KeyFolder(tmp_path / "keys").agency_keys) == {first, keys.newest.key_id}
    with pytest.raises(KeyFolderError):
        keys.retire(keys.newest.key_id.hex())
    keys.retire(first.hex())
    again = KeyFolder(tmp_path / "keys")
    assert (again.retired, set(again.agency_keys)) == (frozenset({first}), {keys.newest.key_id})
    assert [row["state"] for row in again.listed()] == ["newest", "retired", "newest"]


def test_an_export_names_nobody_unless_asked_and_then_says_who_was_named(agency: Agency) -> None:
    officer = agency.device("o1")
    told = arrest(
        person=Person(name="Robin Sample", birth=Birth(age=34)),
        offence_codes=("4 3550",),
        place=Place(text="300 W LEXINGTON ST", source=PlaceSource.TYPED),
    )
    officer.send(officer.create(told))
    plain = exports.export_referrals(agency.engine, agency.keys, baltimore(), clock=agency.clock, identified=False)
    (row,) = plain
    assert (row["age_band"], row["zone"], row["offence_codes"]) == ("25_34", "inside", "4_3550")
    assert not [s for s in ("Robin", "LEXINGTON", told.referral_id, "o1", officer.device_id) if s in str(plain)]
    named = exports.export_referrals(agency.engine, agency.keys, baltimore(), clock=agency.clock, identified=True)
    assert (named[0]["person.name"], named[0]["place.text"]) == ("Robin Sample", "300 W LEXINGTON ST")
    exported = [r for r in agency.rows(select(schema.audit)) if r["action"] == "export"]
    assert [(r["object_id"], r["outcome"]) for r in exported] == [
        (None, "de_identified"), (told.referral_id, "identified"),
    ]  # fmt: skip
    waits = exports.export_notices(agency.engine, agency.keys, identified=False)
    assert {r["case"] for r in waits} == {row["case"]}
    assert "recipient" not in waits[0]
