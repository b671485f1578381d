"""One sync at a time on a data folder: between threads, between processes, and after a kill."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from field_app.sync import lock
from field_app.sync.lock import FolderLock
from field_app.vault.errors import NotWritten

HOLDER = """
import sys
from pathlib import Path
from field_app.sync.lock import FolderLock
with FolderLock(Path(sys.argv[1])).hold():
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(path: Path) -> subprocess.Popen[str]:
    """Another process that holds the lock until it is killed or its input ends."""
    root = Path(__file__).resolve().parents[3]
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def taken(path: Path) -> tuple[threading.Thread, threading.Event]:
    """A thread that wants the lock, and what it sets once it has it."""
    got = threading.Event()

    def want() -> None:
        with FolderLock(path).hold():
            got.set()

    thread = threading.Thread(target=want, daemon=True)
    thread.start()
    return thread, got


def test_two_threads_take_turns(tmp_path: Path) -> None:
    path = tmp_path / "sync.lock"
    with FolderLock(path).hold():
        thread, got = taken(path)
        assert not got.wait(0.1)
    assert got.wait(10)
    thread.join()


@pytest.mark.parametrize("killed", [False, True])
def test_another_process_is_waited_for_and_a_dead_one_is_not(tmp_path: Path, killed: bool) -> None:
    path = tmp_path / "sync.lock"
    process = holder(path)
    thread, got = taken(path)
    assert not got.wait(0.1)
    if killed:
        process.kill()
    process.communicate("")
    assert got.wait(10)
    thread.join()


def test_a_stale_file_means_nothing(tmp_path: Path) -> None:
    path = tmp_path / "sync.lock"
    path.write_text("4711")
    with FolderLock(path).hold():
        assert path.read_text() == "4711"


def test_an_error_inside_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "sync.lock"
    with pytest.raises(KeyError), FolderLock(path).hold():
        raise KeyError
    with FolderLock(path).hold():
        pass


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    gone = FolderLock(tmp_path / "gone" / "sync.lock")
    with pytest.raises(NotWritten, match=r"sync\.lock"), gone.hold():
        pass


def test_on_windows_one_byte_of_the_file_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[bool, int, int]] = []

    class Msvcrt:
        LK_LOCK = 1

        @staticmethod
        def locking(descriptor: int, mode: int, nbytes: int) -> None:
            asked.append((os.path.samestat(os.fstat(descriptor), path.stat()), mode, nbytes))

    path = tmp_path / "sync.lock"
    monkeypatch.setattr(lock, "msvcrt", Msvcrt, raising=False)
    monkeypatch.setattr(sys, "platform", "win32")
    with FolderLock(path).hold():
        pass
    assert asked == [(True, Msvcrt.LK_LOCK, 1)]


@pytest.mark.parametrize(("number", "full"), [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EACCES, False)])
def test_what_does_not_open_says_whether_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, full: bool
) -> None:
    def fail(*_: object) -> int:
        raise OSError(number, "no")

    monkeypatch.setattr(os, "open", fail)
    with pytest.raises(NotWritten) as told, FolderLock(tmp_path / "sync.lock").hold():
        pass
    assert (told.value.disk_full, "sync.lock: no" in str(told.value)) == (full, True)


def test_a_lock_that_the_system_refuses_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOLCK, "none left")

    monkeypatch.setattr(fcntl, "flock", fail)
    with pytest.raises(NotWritten) as told, FolderLock(tmp_path / "sync.lock").hold():
        pass
    assert "the lock of the data folder is not to be had: none left" in str(told.value)


def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    with FolderLock(tmp_path / "sync.lock").hold():
        assert (tmp_path / "sync.lock").stat().st_mode & 0o777 == 0o600
