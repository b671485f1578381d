"""What a crash left in the log: kept when a committed stretch of it cannot be read, left alone when it is only unfinished or old."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from field_app.store.database import DiskFull, Store
from field_app.store.log_tail import kept, unread
from field_app.vault.errors import NotWritten

PAGE, FRAME = 4096, 4096 + 24
INSERT = "INSERT INTO row (id, shelf, rev, key_epoch, box) VALUES (?, 'record', 1, 1, ?)"


@pytest.fixture
def crashed(tmp_path: Path) -> Path:
    """The folder of a device that went away with three transactions in its log."""
    live = tmp_path / "live"
    live.mkdir()
    store = Store(live / "field.db")
    store.checkpoint()
    for n in range(3):
        with store.write() as tx:
            tx.execute(INSERT, [bytes([n]) * 16, b"x" * 5000])
    shutil.copytree(live, tmp_path / "crashed", ignore=shutil.ignore_patterns("*-shm"))
    store.close()
    return tmp_path / "crashed"


def log_of(folder: Path) -> Path:
    return folder / "field.db-wal"


def frames(folder: Path) -> int:
    return (log_of(folder).stat().st_size - 32) // FRAME


def rows(folder: Path) -> int:
    store = Store(folder / "field.db")
    with store.read() as tx:
        n = int(tx.execute("SELECT count(*) FROM row").fetchone()[0])
    store.close()
    return n


def harm(folder: Path, at: int, data: bytes) -> bytes:
    log = bytearray(log_of(folder).read_bytes())
    log[at : at + len(data)] = data
    log_of(folder).write_bytes(bytes(log))
    return bytes(log)


def test_a_whole_log_is_replayed_and_not_kept(crashed: Path) -> None:
    assert rows(crashed) == 3
    assert kept(crashed / "field.db") == ()


def test_a_log_with_a_bad_sector_is_kept_as_it_is_once(crashed: Path) -> None:
    harmed = harm(crashed, 32 + FRAME + 100, b"\xa5" * 512)
    assert rows(crashed) < 3
    (copy,) = kept(crashed / "field.db")
    assert copy.read_bytes() == harmed
    log_of(crashed).write_bytes(harmed)
    rows(crashed)
    assert kept(crashed / "field.db") == (copy,)


def test_a_bad_sector_in_the_last_transaction_is_noticed(crashed: Path) -> None:
    harm(crashed, 32 + (frames(crashed) - 1) * FRAME + 24, b"\xff")
    assert rows(crashed) == 2
    assert len(kept(crashed / "field.db")) == 1


@pytest.mark.parametrize("size", [1, 31])
def test_a_log_without_a_whole_header_is_kept(crashed: Path, size: int) -> None:
    log_of(crashed).write_bytes(log_of(crashed).read_bytes()[:size])
    assert rows(crashed) == 0
    assert len(kept(crashed / "field.db")) == 1


def test_a_transaction_that_never_ended_is_no_alarm(crashed: Path) -> None:
    log = log_of(crashed).read_bytes()
    last = 32 + (frames(crashed) - 1) * FRAME
    log_of(crashed).write_bytes(log[:last])  # the frame that would have ended it was not written
    assert rows(crashed) == 2
    assert kept(crashed / "field.db") == ()


def test_frames_of_an_older_log_are_no_alarm(crashed: Path) -> None:
    store = Store(crashed / "field.db")
    store.database.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
    with store.write() as tx:
        tx.execute(INSERT, [b"n" * 16, b"y"])
    log = log_of(crashed).read_bytes()
    store.close()
    assert not unread(log, 4)
    log_of(crashed).write_bytes(log)
    assert rows(crashed) == 4
    assert kept(crashed / "field.db") == ()


def test_bytes_that_no_log_holds_are_an_alarm(crashed: Path) -> None:
    n = frames(crashed)
    harm(crashed, 32 + (n - 1) * FRAME, bytes(512))
    assert unread(log_of(crashed).read_bytes(), n - 2)


def test_an_empty_log_says_nothing() -> None:
    assert not unread(b"", 0)


def test_a_log_for_which_there_is_no_room_is_not_lost(crashed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    harmed = harm(crashed, 32 + FRAME + 100, b"\xa5" * 512)

    def full(path: Path, data: bytes) -> None:
        raise NotWritten(path.name, disk_full=True)

    monkeypatch.setattr("field_app.store.log_tail.write_durably", full)
    with pytest.raises(DiskFull):
        Store(crashed / "field.db")
    (copy,) = kept(crashed / "field.db")
    assert copy.read_bytes() == harmed
