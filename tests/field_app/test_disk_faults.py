"""What the proof programme's disk faults found, each on its own: an answer for every fault, and no lock that a disk can stop."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from field_app import enrolment
from field_app.device import Device
from field_app.outcomes import Opened, Saved, Trouble
from field_app.snapshot import Phase
from field_app.store.database import DiskFull, Store, StoreInUse, StoreUnusable
from field_app.store.records import Records
from field_app.vault import files
from field_app.vault.errors import NotWritten
from field_app.vault.files import make_folder
from referral.problems import ProblemCode
from tests.support.agency import Agency
from tests.support.station import ARREST, PIN, Station


def raising(error: Exception) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def test_the_app_locks_and_closes_on_a_full_disk(officer: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "checkpoint", raising(DiskFull("the disk is full")))
    officer.actions.lock()
    assert officer.actions.snapshot().phase is Phase.SHUT
    assert officer.device.session is None
    officer.open_again()
    officer.actions.close()


def test_a_file_that_does_not_answer_is_told_and_not_raised(officer: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Records, "write", raising(StoreInUse("another program is using the file")))
    outcome = officer.actions.submit_referral(ARREST)
    assert isinstance(outcome, Trouble)
    assert outcome.problem is ProblemCode.IN_USE


def test_an_unlock_that_a_busy_file_stopped_leaves_the_app_shut_and_not_half_open(
    officer: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by T4 (case 4702): "open" was the answer to every later PIN, and nothing could be saved until the next start."""
    officer.actions.lock()
    with monkeypatch.context() as busy:
        busy.setattr(Device, "tidy", raising(StoreInUse("another program is using the file")))
        outcome = officer.actions.unlock(PIN)
    assert isinstance(outcome, Trouble)
    assert outcome.problem is ProblemCode.IN_USE
    assert isinstance(officer.actions.unlock(PIN), Opened)
    assert isinstance(officer.actions.submit_referral(ARREST), Saved)


def test_a_failed_enrolment_is_none(agency: Agency, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    station = Station.new(agency, tmp_path / "device")
    with monkeypatch.context() as full:
        full.setattr(enrolment, "write_card", raising(NotWritten("device.json", disk_full=True)))
        outcome = station.enrol()
    assert isinstance(outcome, Trouble)
    assert outcome.problem is ProblemCode.DISK_FULL
    assert station.actions.snapshot().phase is Phase.NOT_ENROLLED
    station.enrol()
    station.open_again()
    station.actions.close()


def test_a_file_that_opened_for_reading_only_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store(tmp_path / "field.db").close()
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect

    def for_reading(path: Path, **more: Any) -> sqlite3.Connection:
        return connect(f"file:{path}?mode=ro", uri=True, **more)

    monkeypatch.setattr(sqlite3, "connect", for_reading)
    with pytest.raises(StoreUnusable):
        Store(tmp_path / "field.db")


def test_every_new_folder_is_synced_into_the_one_above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(files, "sync_folder", synced.append)
    make_folder(tmp_path / "a" / "b")
    assert synced == [tmp_path, tmp_path / "a"]
    make_folder(tmp_path / "a" / "b")
    assert len(synced) == 2
