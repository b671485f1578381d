"""Damage and loss: what can be read is taken over, what was saved is still sent, nothing is deleted, and the person is told."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select

from case_system.store import schema
from field_app import recovery
from field_app.outcomes import Enrolled, Opened, Trouble
from field_app.snapshot import AlarmKind, Delivery, Phase
from field_app.store.database import Store
from field_app.store.records import Shelf
from field_app.vault.header_file import copy_of
from field_app.vault.keystores import MemoryKeys
from referral.model import Kind, ReferralId, UserId
from referral.problems import ProblemCode
from tests.support.agency import Agency
from tests.support.station import PIN, Station

PAGE = 4096


def told(station: Station) -> dict[AlarmKind, tuple[int, int | None]]:
    return {alarm.kind: (alarm.kept, alarm.lost) for alarm in station.actions.snapshot().alarms}


def files(folder: Path, name: str = "*") -> set[str]:
    """The content of every file of that name, by digest."""
    return {hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob(name) if p.is_file()}


def shut(station: Station) -> None:
    station.actions.lock()
    station.actions.close()


@pytest.fixture
def laden(officer: Station) -> Station:
    """A device with three received and two waiting referrals, shut and closed."""
    for n in range(3):
        officer.save(referral_id=f"sent-{n}")
    officer.actions.sync_now()
    for n in range(2):
        officer.save(referral_id=f"waiting-{n}")
    shut(officer)
    return officer


def leaves(path: Path, table: str) -> list[int]:
    """Where in the file the leaf pages of a table begin."""
    with closing(sqlite3.connect(path)) as connection:
        root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", [table]).fetchone()[0]
    data = path.read_bytes()

    def below(page: int) -> list[int]:
        at = (page - 1) * PAGE
        if data[at] == 0x0D:
            return [at]
        cells = int.from_bytes(data[at + 3 : at + 5])
        inner = [int.from_bytes(data[at + 12 + 2 * n : at + 14 + 2 * n]) for n in range(cells)]
        children = [int.from_bytes(data[at + cell : at + cell + 4]) for cell in inner]
        return [leaf for child in [*children, int.from_bytes(data[at + 8 : at + 12])] for leaf in below(child)]

    return below(root)


def overwrite(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


# ---------------------------------------------------------------------------------------------------- the database is gone
@pytest.mark.parametrize("harm", ["gone", "empty", "one byte", "zeros", "noise"])
def test_a_lost_database_still_sends_and_the_same_pin_opens_a_new_book(
    laden: Station, agency: Agency, harm: str
) -> None:
    path = laden.folder / "field.db"
    size = path.stat().st_size
    path.unlink()
    if harm != "gone":
        path.write_bytes({"empty": b"", "one byte": b"S", "zeros": bytes(size), "noise": b"\xa5" * size}[harm])
    damaged = files(path.parent, "field.db")
    assert laden.restart().snapshot().phase is Phase.SHUT
    assert laden.actions.snapshot().gate.problem is None
    assert laden.actions.snapshot().delivery.waiting == 2
    lost = AlarmKind.DATABASE_LOST if harm == "gone" else AlarmKind.DATABASE_REBUILT
    assert told(laden) == {lost: (0, None), AlarmKind.OPERATIONS_RETURNED: (2, None)}
    assert laden.actions.sync_now().accepted == 2  # shut, with the append token of the file
    assert isinstance(laden.actions.unlock(PIN), Opened)
    assert told(laden)[AlarmKind.ROWS_SALVAGED] == (0, None)
    assert laden.actions.snapshot().referrals == ()
    assert laden.actions.sync_now().pulled > 0  # the views come back
    assert {row.referral_id for row in laden.actions.snapshot().referrals} == {
        "sent-0", "sent-1", "sent-2", "waiting-0", "waiting-1",
    }  # fmt: skip
    laden.save(referral_id="after")
    assert laden.actions.sync_now().accepted == 1
    assert damaged <= files(laden.folder)
    shut(laden)
    laden.open_again()
    assert len(laden.actions.snapshot().referrals) == 6
    assert not laden.device.rolled_back


def test_the_damaged_file_stays_as_it_was(laden: Station) -> None:
    path = laden.folder / "field.db"
    overwrite(path, 0, bytes(512))
    damaged = path.read_bytes()
    laden.restart()
    (aside,) = laden.folder.glob("damaged-*")
    assert (aside / "field.db").read_bytes() == damaged
    (alarm,) = [a for a in laden.actions.snapshot().alarms if a.kind is AlarmKind.DATABASE_REBUILT]
    assert alarm.copy == aside.name


def test_a_damaged_first_sector_loses_nothing(laden: Station) -> None:
    overwrite(laden.folder / "field.db", 0, bytes(512))
    laden.restart()
    assert set(told(laden)) == {AlarmKind.DATABASE_REBUILT}
    assert isinstance(laden.actions.unlock(PIN), Opened)
    assert set(told(laden)) == {AlarmKind.DATABASE_REBUILT}
    shot = laden.actions.snapshot()
    assert {row.referral_id: row.receipt is not None for row in shot.referrals} == {
        "sent-0": True, "sent-1": True, "sent-2": True, "waiting-0": False, "waiting-1": False,
    }  # fmt: skip
    assert shot.delivery.waiting == 2
    assert shot.delivery.accepted == 3
    assert laden.actions.detail(ReferralId("waiting-1")).referral is not None
    assert laden.actions.sync_now().waiting == 0


@pytest.mark.parametrize("table", ["outbox", "row", "carriage", "manifest"])
def test_any_damaged_page_keeps_what_waits(laden: Station, agency: Agency, table: str) -> None:
    path = laden.folder / "field.db"
    for at in leaves(path, table)[:1]:
        overwrite(path, at, b"\xff" * PAGE)
    laden.restart()
    assert AlarmKind.DATABASE_REBUILT in told(laden)
    assert isinstance(laden.actions.unlock(PIN), Opened)
    shot = laden.actions.snapshot()
    assert shot.delivery.waiting == 2
    assert laden.actions.sync_now().waiting == 0
    assert len(laden.actions.snapshot().referrals) == 5
    laden.save(referral_id="after")
    assert laden.actions.sync_now().accepted == 1


def test_rows_that_are_gone_are_counted(laden: Station) -> None:
    path = laden.folder / "field.db"
    places = leaves(path, "row")
    assert len(places) > 2
    overwrite(path, places[-1], b"\xff" * PAGE)
    laden.open_again()
    kept, lost = told(laden)[AlarmKind.ROWS_SALVAGED]
    assert kept > 0
    assert lost is not None
    assert lost > 0


def test_damage_found_at_unlock_is_recovered_there(laden: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    path = laden.folder / "field.db"
    with monkeypatch.context() as patch:
        patch.setattr(Store, "check", lambda self: ())  # the file was damaged after the start
        laden.restart()
        overwrite(path, leaves(path, "row")[-1], b"\xff" * PAGE)
        outcome = laden.actions.unlock(PIN)
    assert isinstance(outcome, Opened)
    assert AlarmKind.DATABASE_REBUILT in told(laden)
    assert laden.actions.sync_now().waiting == 0


@pytest.mark.parametrize("step", ["build", "make_folder", "rename"])
def test_a_crash_in_the_middle_is_taken_up(laden: Station, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    path = laden.folder / "field.db"
    overwrite(path, 0, bytes(512))
    damaged = path.read_bytes()
    calls = 0
    rename = Path.rename

    def dying(self: Path, target: Path) -> Path:
        nonlocal calls
        calls += 1
        if calls == 3:  # the damaged file is aside, and the new one is not in its place
            raise Killed
        return rename(self, target)

    with monkeypatch.context() as patch:
        if step == "rename":
            patch.setattr(Path, "rename", dying)
        else:
            patch.setattr(recovery, step, die)
        with pytest.raises(Killed):
            laden.restart()
    laden.open_again()
    assert len(laden.actions.snapshot().referrals) == 5
    assert any((aside / "field.db").read_bytes() == damaged for aside in laden.folder.glob("damaged-*"))
    assert not list(laden.folder.glob("field.db.*"))


def test_a_fault_that_is_no_damage_recovers_nothing(laden: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    from field_app.store.database import StoreInUse

    def busy(self: Store, *_: object, **__: object) -> None:
        raise StoreInUse("another program is using the file")

    before = files(laden.folder)
    with monkeypatch.context() as patch:
        patch.setattr(Store, "check", busy)
        assert laden.restart().snapshot().gate.problem is ProblemCode.IN_USE
    assert files(laden.folder) == before
    laden.open_again()
    assert told(laden) == {}


# ---------------------------------------------------------------------------------------------------- rows, changed from outside
def change(station: Station, statement: str) -> None:
    with station.device.store.write() as tx:
        tx.conn.execute(statement)


@pytest.mark.parametrize(
    ("statement", "lost"),
    [
        ("DELETE FROM row WHERE id = (SELECT id FROM row WHERE shelf = 'record')", 1),
        ("UPDATE row SET box = (SELECT box FROM row AS other WHERE other.shelf = 'record' AND other.id != row.id) WHERE id = (SELECT id FROM row WHERE shelf = 'record')", 1),
        ("UPDATE row SET shelf = 'view' WHERE id = (SELECT id FROM row WHERE shelf = 'record')", 1),
        ("UPDATE row SET rev = rev + 1 WHERE id = (SELECT id FROM row WHERE shelf = 'record')", 1),
        ("DELETE FROM row", None),
        ("DELETE FROM manifest WHERE book = 'vault'", None),
    ],
)  # fmt: skip
def test_rows_taken_out_or_swapped_are_told_and_the_rest_can_be_used(
    officer: Station, statement: str, lost: int | None
) -> None:
    for n in range(3):
        officer.save(referral_id=f"r-{n}")
    officer.actions.lock()
    with officer.device.store.read() as tx:
        count = tx.execute("SELECT count(*) FROM row").fetchone()[0]
    change(officer, statement)
    assert isinstance(officer.actions.unlock(PIN), Opened)
    alarm = next(a for a in officer.actions.snapshot().alarms if a.kind is AlarmKind.ROWS_SALVAGED)
    if statement == "DELETE FROM row":
        assert (alarm.kept, alarm.lost) == (0, count)
    else:
        assert (alarm.kept, alarm.lost) == (count - (lost or 0), lost)
    assert alarm.copy is not None
    copy = Store(officer.folder / alarm.copy / "field.db")
    with copy.read() as tx:
        assert tx.execute("SELECT count(*) FROM row").fetchone()[0] == count - statement.startswith(
            "DELETE FROM row W"
        ) - (count if statement == "DELETE FROM row" else 0)
    copy.close()
    assert officer.actions.sync_now().accepted == 3
    officer.save(referral_id="after")
    assert officer.actions.sync_now().accepted == 1
    officer.actions.hear(alarm)
    shut(officer)
    officer.open_again()
    assert told(officer) == {}


def test_an_older_row_put_back_is_told(officer: Station) -> None:
    officer.save(referral_id="r-1")
    with officer.device.store.read() as tx:
        old = tx.execute("SELECT id, rev, box FROM row WHERE shelf = 'record'").fetchone()
    officer.actions.amend(ReferralId("r-1"), {"incident_number": "26C01234"})
    officer.actions.lock()
    with officer.device.store.write() as tx:
        tx.execute("UPDATE row SET rev = ?, box = ? WHERE id = ?", [old[1], old[2], old[0]])
    assert isinstance(officer.actions.unlock(PIN), Opened)
    kept, lost = told(officer)[AlarmKind.ROWS_SALVAGED]
    assert kept > 2
    assert lost == 0  # all are there, and one is older than it was


def test_an_operation_taken_out_comes_back_from_its_file(officer: Station) -> None:
    saved = officer.save(referral_id="r-1")
    shut(officer)
    store = Store(officer.folder / "field.db")
    with store.write() as tx:
        tx.execute("DELETE FROM outbox WHERE op_id = ?", [bytes.fromhex(saved.op_id)])
    store.close()
    officer.restart()
    assert told(officer)[AlarmKind.OPERATIONS_RETURNED] == (1, None)
    assert officer.actions.sync_now().accepted == 1


@pytest.mark.parametrize("at", [200, -1, None])  # sealed text, signature; all of it
@pytest.mark.parametrize("which", ["row", "file"])
def test_row_and_file_mend_each_other(officer: Station, which: str, at: int | None) -> None:
    saved = officer.save(referral_id="r-1")
    path = officer.folder / "outbox" / f"{saved.op_id}.env"
    whole = path.read_bytes()
    harmed = bytearray(whole)
    if at is not None:
        harmed[at] ^= 1
    if which == "file":
        path.write_bytes(b"" if at is None else harmed)
    else:
        with officer.device.store.write() as tx:
            tx.execute("UPDATE outbox SET envelope = ?", [None if at is None else bytes(harmed)])
    shut(officer)
    officer.restart()
    with officer.device.store.read() as tx:
        assert officer.device.outbox.envelope(tx, saved.op_id) == path.read_bytes() == whole
        officer.device.outbox.verify(tx)
    assert officer.actions.sync_now().accepted == 1


@pytest.mark.parametrize("harm", ["rev = rev + 1", "settled_at = -settled_at"])
def test_an_outbox_changed_from_outside_is_told_once(officer: Station, harm: str) -> None:
    officer.save(referral_id="r-1")
    officer.actions.sync_now()
    officer.actions.lock()
    change(officer, f"UPDATE outbox SET {harm}")
    officer.actions.unlock(PIN)
    (alarm,) = officer.actions.snapshot().alarms
    assert alarm.kind is AlarmKind.OPERATIONS_CHANGED
    officer.actions.hear(alarm)
    officer.actions.lock()
    officer.actions.unlock(PIN)
    assert told(officer) == {}


def test_an_old_database_put_back_still_sends_what_was_saved_since(officer: Station) -> None:
    shut(officer)
    old = (officer.folder / "field.db").read_bytes()
    officer.open_again()
    officer.save(referral_id="r-1")
    shut(officer)
    (officer.folder / "field.db").write_bytes(old)
    officer.open_again()
    assert officer.device.rolled_back
    assert set(told(officer)) == {AlarmKind.ROLLED_BACK, AlarmKind.OPERATIONS_RETURNED}
    assert officer.actions.sync_now().accepted == 1


def test_a_whole_device_put_back_is_noticed_by_the_case_system(officer: Station, agency: Agency) -> None:
    shut(officer)
    assert isinstance(officer.keys, MemoryKeys)
    old, keys = (officer.folder / "field.db").read_bytes(), dict(officer.keys.secrets)
    officer.open_again()
    for n in range(3):
        officer.save(referral_id=f"r-{n}")
    draft = officer.actions.start(Kind.SOCIAL)
    for n in range(12):  # a vault that was written to more often than the next fetch writes
        officer.actions.answer(draft.referral_id, "person.descriptor", f"Coat number {n}")
    officer.actions.sync_now()
    shut(officer)
    (officer.folder / "field.db").write_bytes(old)
    officer.keys.secrets.clear()
    officer.keys.secrets.update(keys)
    officer.open_again()
    assert not officer.device.rolled_back
    for _ in range(2):  # it does not forget
        officer.actions.sync_now()
        assert AlarmKind.ROLLED_BACK in told(officer)
        officer.actions.lock()
        officer.actions.unlock(PIN)
    assert ("generation", "older") in {(row["action"], row["outcome"]) for row in agency.rows(select(schema.audit))}
    assert {row.referral_id for row in officer.actions.snapshot().referrals} == {"r-0", "r-1", "r-2"}


def test_a_device_that_goes_on_is_no_old_copy(officer: Station) -> None:
    for n in range(3):
        officer.save(referral_id=f"r-{n}")
        officer.actions.sync_now()
        officer.actions.lock()
        officer.actions.unlock(PIN)
    for _ in range(3):  # nothing is written in between
        officer.actions.sync_now()
    assert told(officer) == {}


# ---------------------------------------------------------------------------------------------------- a case system that was restored
def test_everything_is_offered_again_after_a_restore_and_the_side_files_are_not_needed(
    officer: Station, agency: Agency, tmp_path: Path
) -> None:
    officer.save(referral_id="in-the-backup")
    officer.actions.sync_now()
    source = Path(agency.url.removeprefix("sqlite:///"))
    with closing(sqlite3.connect(source)) as database, closing(sqlite3.connect(tmp_path / "backup.db")) as backup:
        database.backup(backup)
    officer.save(referral_id="after-the-backup")
    officer.actions.sync_now()
    assert not list((officer.folder / "outbox").glob("*.env"))
    agency.engine.dispose()
    with closing(sqlite3.connect(tmp_path / "backup.db")) as backup, closing(sqlite3.connect(source)) as database:
        backup.backup(database)
        database.execute("UPDATE agency SET epoch = 'another-life'")
        database.commit()
    shut(officer)
    officer.restart()  # shut, and with its sealed bytes in the database only
    officer.actions.sync_now()
    assert agency.service.look(UserId("sup"), ReferralId("after-the-backup")) is not None
    officer.actions.unlock(PIN)
    officer.actions.sync_now()
    assert {row.referral_id: row.delivery for row in officer.actions.snapshot().referrals} == {
        "in-the-backup": Delivery.ACCEPTED, "after-the-backup": Delivery.ACCEPTED,
    }  # fmt: skip
    assert len(agency.rows(select(schema.referrals))) == 2


# ---------------------------------------------------------------------------------------------------- headers and the binding
@pytest.mark.parametrize("name", ["header.json", "chain.json"])
@pytest.mark.parametrize("gone", [True, False])
def test_one_damaged_header_changes_nothing_and_is_told(laden: Station, name: str, gone: bool) -> None:
    path = laden.folder / name
    whole = path.read_bytes()
    if gone:
        path.unlink()
    else:
        overwrite(path, 40, b"\xff")
    laden.open_again()
    assert set(told(laden)) == {AlarmKind.HEADER_MENDED}
    assert path.read_bytes() == whole
    assert len(list(laden.folder.glob("*.damaged-*"))) == (not gone)


def test_a_vault_whose_headers_are_both_damaged_goes_on_sending_and_is_followed_by_a_new_one(laden: Station) -> None:
    for path in (laden.folder / "header.json", copy_of(laden.folder / "header.json")):
        overwrite(path, 40, b"\xff")
    assert laden.restart().snapshot().gate.problem is ProblemCode.VAULT_DAMAGED
    assert isinstance(laden.actions.unlock(PIN), Trouble)
    refused = laden.enrol()
    assert refused == Trouble(problem=ProblemCode.ALREADY_ENROLLED, detail="2 operations still wait to be sent")
    assert laden.actions.sync_now().accepted == 2
    assert isinstance(laden.enrol(), Enrolled)
    assert isinstance(laden.actions.unlock(PIN), Opened)
    laden.save(referral_id="after")
    assert laden.actions.sync_now().accepted == 1
    (former,) = laden.folder.glob("former-*")
    assert {"field.db", "header.json", "header.copy.json", "binding"} <= {path.name for path in former.iterdir()}


def test_the_mark_of_an_enrolment_may_be_lost(laden: Station) -> None:
    (laden.folder / "device.json").unlink()
    laden.open_again()
    assert (laden.folder / "device.json").exists()
    assert laden.actions.sync_now().accepted == 2


@pytest.mark.parametrize("harm", ["gone", "damaged"])
def test_the_binding_file_is_written_again(laden: Station, harm: str) -> None:
    path = laden.folder / "binding"
    if harm == "gone":
        path.unlink()
    else:
        overwrite(path, 30, b"\xff\xfe")
    laden.open_again()
    shut(laden)
    (laden.folder / "field.db").unlink()
    laden.open_again()
    assert laden.actions.sync_now().accepted == 2
    laden.save(referral_id="after")
    assert laden.actions.sync_now().accepted == 1
    assert len(list(laden.folder.glob("binding.damaged-*"))) == (harm == "damaged")


def test_without_any_binding_the_files_stay_and_it_is_told(laden: Station) -> None:
    (laden.folder / "field.db").unlink()
    (laden.folder / "binding").unlink()
    outbox = files(laden.folder / "outbox")
    assert laden.restart().snapshot().gate.problem is ProblemCode.VAULT_DAMAGED
    assert files(laden.folder / "outbox") == outbox
    assert not (laden.folder / "field.db").exists()


def test_nothing_readable_lies_in_the_new_files(laden: Station) -> None:
    overwrite(laden.folder / "field.db", 0, bytes(512))
    laden.open_again()
    shut(laden)
    for path in laden.folder.rglob("*"):
        if path.is_file() and "programme" not in path.parts:
            assert b"Ann Example" not in path.read_bytes()
            assert b"127.0.0.1" not in path.read_bytes() or path.name == "device.json"


def test_own_values_survive_the_loss_of_their_rows(officer: Station) -> None:
    officer.actions.lock()
    change(officer, f"DELETE FROM row WHERE shelf = '{Shelf.OWN}'")
    assert isinstance(officer.actions.unlock(PIN), Opened)
    officer.save(referral_id="r-1")
    counts = officer.actions.sync_now()
    assert (counts.accepted, counts.pulled > 0) == (1, True)
