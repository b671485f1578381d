"""Memory is used where there is room, and never against the user's word."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from tests.support import scratch


@pytest.fixture(autouse=True)
def nothing_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in scratch.CHOSEN:
        monkeypatch.setenv(name, "")
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(scratch, "MEMORY", tmp_path)
    monkeypatch.setattr(scratch, "ROOM", 1)


def test_memory_with_room_is_used_by_this_process_and_those_it_starts(tmp_path: Path) -> None:
    scratch.settle()
    assert tempfile.gettempdir() == os.environ["TMPDIR"] == str(tmp_path)


def test_a_place_that_was_found_earlier_is_given_up(tmp_path: Path) -> None:
    assert tempfile.gettempdir() != str(tmp_path)
    scratch.settle()
    assert tempfile.gettempdir() == str(tmp_path)


@pytest.mark.parametrize("name", scratch.CHOSEN)
def test_what_the_user_chose_stays(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = tmp_path / "chosen"
    chosen.mkdir()
    monkeypatch.setenv(name, str(chosen))
    scratch.settle()
    assert tempfile.gettempdir() == str(chosen)


def test_too_little_room_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "ROOM", 1 << 62)
    scratch.settle()
    assert tempfile.gettempdir() != str(tmp_path)


def test_no_memory_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "MEMORY", tmp_path / "none")
    scratch.settle()
    assert tempfile.gettempdir() != str(tmp_path / "none")
