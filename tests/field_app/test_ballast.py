"""Room for a full disk: it is really there, given up for the save at hand, made anew, and the person is told (S18)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from field_app.actions import Actions
from field_app.compose import assemble, surroundings
from field_app.outcomes import Opened, Saved, Trouble
from field_app.snapshot import AlarmKind
from field_app.store import ballast as ballast_module
from field_app.store.ballast import Ballast, with_room
from field_app.store.database import DiskFull
from field_app.store.envelope_files import EnvelopeFiles
from field_app.vault.errors import NotWritten
from referral.model import Kind, OpId
from referral.problems import ProblemCode
from tests.support.agency import Agency
from tests.support.repository import ROOT
from tests.support.station import ARREST, Station

SIZE = 1 << 16


def ballast(folder: Path, free: int = 1 << 30) -> Ballast:
    return Ballast(folder / "ballast", SIZE, os.urandom, lambda _: free)


# ---------------------------------------------------------------------------------------------------- the file
def test_the_room_is_made_given_up_and_made_again(tmp_path: Path) -> None:
    made = ballast(tmp_path)
    assert (made.whole, made.release()) == (False, False)
    assert made.keep()
    assert made.whole
    assert (tmp_path / "ballast").stat().st_size == SIZE
    assert (tmp_path / "ballast").stat().st_blocks * 512 >= SIZE  # no hole, no zeros
    assert made.release()
    assert (made.whole, made.release()) == (False, False)
    assert made.keep()


def test_it_never_takes_the_last_of_the_disk(tmp_path: Path) -> None:
    assert not ballast(tmp_path, free=4 * SIZE - 1).keep()
    assert list(tmp_path.iterdir()) == []
    assert ballast(tmp_path, free=4 * SIZE).keep()


def test_a_disk_that_does_not_take_it_stops_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> None:
        raise NotWritten("full", disk_full=True)

    monkeypatch.setattr(ballast_module, "write_durably", full)
    assert not ballast(tmp_path).keep()


def test_a_device_may_keep_none(tmp_path: Path) -> None:
    none = Ballast(tmp_path / "ballast", 0, os.urandom)
    assert none.whole
    assert none.keep()
    assert not none.release()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fault", [DiskFull("full"), NotWritten("full", disk_full=True)])
def test_the_room_is_given_up_once_and_for_a_full_disk_only(tmp_path: Path, fault: Exception) -> None:
    made = ballast(tmp_path)
    made.keep()
    calls = 0

    def act() -> int:
        nonlocal calls
        calls += 1
        if made.whole:
            raise fault
        return calls

    assert with_room(made, act) == 2
    made.keep()

    def never() -> int:
        raise fault

    with pytest.raises(type(fault)):
        with_room(made, never)
    made.keep()

    def other() -> int:
        raise NotWritten("read-only")

    with pytest.raises(NotWritten):
        with_room(made, other)
    assert made.whole


# ---------------------------------------------------------------------------------------------------- a device
class Roomy(Station):
    """A device that keeps room for a full disk."""

    def restart(self) -> Actions:
        machine = replace(self.machine, ballast_bytes=SIZE)
        self.actions = assemble(self.folder, machine, self.line)
        return self.actions


@pytest.fixture
def roomy(agency: Agency, tmp_path: Path) -> Roomy:
    station = Roomy.enrolled(agency, tmp_path / "roomy", "o1")
    assert isinstance(station, Roomy)
    return station


def limit(station: Station, pages: int) -> None:
    """The database may not grow by more than these pages."""
    connection = station.device.store.database.conn
    count = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {count + pages}")


@pytest.fixture
def full(roomy: Roomy, monkeypatch: pytest.MonkeyPatch) -> Roomy:
    """Its disk is full, until the room is given up."""
    give_up = Ballast.release

    def release(self: Ballast) -> bool:
        if given := give_up(self):
            roomy.device.store.database.conn.execute("PRAGMA max_page_count = 1000000")
        return given

    monkeypatch.setattr(Ballast, "release", release)
    monkeypatch.setattr(Ballast, "keep", lambda self: self.whole)
    limit(roomy, 0)
    return roomy


def until_full(save: Callable[[int], object], station: Station) -> None:
    """Use up the room inside the pages that are there."""
    for n in range(200):
        save(n)
        if not station.device.ballast.whole:
            return
    raise AssertionError("the disk was never full")


def test_a_referral_is_saved_on_a_full_disk_and_the_person_is_told(full: Roomy) -> None:
    def save(n: int) -> None:
        saved = full.save(referral_id=f"r-{n}")
        assert (full.folder / "outbox" / f"{saved.op_id}.env").exists()

    until_full(save, full)
    (alarm,) = full.actions.snapshot().alarms
    assert (alarm.kind, alarm.passes) == (AlarmKind.DISK_FULL, True)
    shot = full.actions.snapshot()
    assert len(shot.referrals) == shot.delivery.waiting
    assert full.actions.sync_now().waiting == 0


def test_a_form_and_a_step_are_kept_on_a_full_disk_too(full: Roomy) -> None:
    def begin(n: int) -> None:
        draft = full.actions.start(Kind.SOCIAL)
        full.actions.answer(draft.referral_id, "person.descriptor", f"Coat number {n}")

    until_full(begin, full)
    assert len(full.actions.snapshot().drafts) > 1


def test_without_room_it_is_not_saved_and_said(full: Roomy) -> None:
    (full.folder / "ballast").unlink()
    outcome: Saved | Trouble = full.save(referral_id="r")
    for n in range(200):
        outcome = full.actions.submit_referral(ARREST | {"referral_id": f"r-{n}"})
        if isinstance(outcome, Trouble):
            break
    assert isinstance(outcome, Trouble)
    assert outcome.problem is ProblemCode.DISK_FULL
    full.device.store.database.conn.execute("PRAGMA max_page_count = 1000000")
    full.save(referral_id="again")
    assert full.actions.sync_now().waiting == 0


def test_the_envelope_file_takes_the_room_too(roomy: Roomy, monkeypatch: pytest.MonkeyPatch) -> None:
    write = EnvelopeFiles.write

    def narrow(self: EnvelopeFiles, op_id: OpId, envelope: bytes) -> None:
        if roomy.device.ballast.whole:
            raise NotWritten("full", disk_full=True)
        write(self, op_id, envelope)

    monkeypatch.setattr(EnvelopeFiles, "write", narrow)
    saved = roomy.save(referral_id="r-1")
    assert (roomy.folder / "outbox" / f"{saved.op_id}.env").exists()


def test_the_room_comes_back_by_itself(roomy: Roomy) -> None:
    roomy.device.ballast.release()
    assert [alarm.kind for alarm in roomy.actions.snapshot().alarms] == [AlarmKind.DISK_FULL]
    heard: list[object] = []
    roomy.actions.subscribe(heard.append)
    roomy.actions.poll()
    assert roomy.device.ballast.whole
    assert roomy.actions.snapshot().alarms == ()
    assert len(heard) == 1


def test_a_real_device_keeps_room(tmp_path: Path) -> None:
    assert surroundings(tmp_path).ballast_bytes >= 1 << 20


@pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("unshare") is None,
    reason="needs Linux and util-linux: apt install util-linux",
)
def test_on_a_disk_that_is_really_full(tmp_path: Path) -> None:
    disk, elsewhere = tmp_path / "disk", tmp_path / "elsewhere"
    disk.mkdir()
    elsewhere.mkdir()
    program = 'mount -t tmpfs -o size=6m none "$1" || exit 77; exec "$2" -m tests.field_app.full_disk "$1" "$3"'
    command = [
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        program,
        "sh",
        str(disk),
        sys.executable,
        str(elsewhere),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode == 77 or "unshare" in done.stderr.partition("\n")[0]:
        pytest.skip("this machine lets nobody mount: sysctl kernel.unprivileged_userns_clone=1")
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen.pop("room") == 1 << 20
    kept = seen.pop("kept")
    assert {"before", "on-a-full-disk"} <= set(kept)
    assert seen.pop("accepted") == len(kept) + 1
    assert seen == {
        "saved": True, "told": ["disk_full"], "filed": True, "refused": "disk_full", "restarted": Opened.__name__, "remade": True,
        "alarms_after": [], "after": True, "waiting": 0,
    }  # fmt: skip
