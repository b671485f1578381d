"""Durable writes: the old content or the new, whole, whatever fails."""

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from field_app.vault import files
from field_app.vault.errors import NotRead, NotWritten
from field_app.vault.files import read_whole, write_durably


def test_the_order_is_write_fsync_rename_fsync_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    fsync, replace = os.fsync, os.replace

    def log_fsync(descriptor: int) -> None:
        seen.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def log_replace(source: str, target: Path) -> None:
        assert Path(source).read_bytes() == b"new"
        seen.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", log_fsync)
    monkeypatch.setattr(os, "replace", log_replace)
    write_durably(tmp_path / "f", b"new")
    assert seen == ["file", "rename", "folder"]
    assert read_whole(tmp_path / "f") == b"new"
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o600


@pytest.mark.parametrize("step", ["open", "fsync", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_failed_write_leaves_the_old_content_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, number: int
) -> None:
    path = tmp_path / "f"
    write_durably(path, b"old")

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, step, fail)
        with pytest.raises(NotWritten) as told:
            write_durably(path, b"new")
    assert told.value.disk_full == (number == errno.ENOSPC)
    assert read_whole(path) == b"old"
    assert [found.name for found in tmp_path.iterdir()] == ["f"]


def test_windows_has_no_folder_to_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError

    with monkeypatch.context() as patch:
        patch.setattr(files, "WINDOWS", True)
        patch.setattr(os, "open", refuse)
        files.sync_folder(tmp_path)


def test_apple_drives_are_asked_for_the_full_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    class Fcntl:
        F_FULLFSYNC = 51

        @staticmethod
        def fcntl(descriptor: int, command: int) -> None:
            calls.append(command)

    monkeypatch.setattr(files, "fcntl", Fcntl)
    write_durably(tmp_path / "f", b"new")
    assert calls == [51, 51]


def test_a_file_system_without_the_full_sync_gets_the_plain_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain: list[int] = []
    fsync: Callable[[int], None] = os.fsync

    class Fcntl:
        F_FULLFSYNC = 51

        @staticmethod
        def fcntl(descriptor: int, command: int) -> None:
            raise OSError(errno.ENOTSUP, "not here")

    def count(descriptor: int) -> None:
        plain.append(descriptor)
        fsync(descriptor)

    monkeypatch.setattr(files, "fcntl", Fcntl)
    monkeypatch.setattr(os, "fsync", count)
    write_durably(tmp_path / "f", b"new")
    assert len(plain) == 2


def test_absent_is_told_from_unreadable(tmp_path: Path) -> None:
    assert read_whole(tmp_path / "nothing") is None
    with pytest.raises(NotRead):
        read_whole(tmp_path)
