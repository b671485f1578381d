"""The command line: its answers are a contract, its refusals one line, and `serve` a real server."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from case_system.cli import build_parser, main
from case_system.commands import database_url, keys_folder
from case_system.service import CaseService
from referral.operations import Op
from referral.port import Refused
from referral.problems import ProblemCode
from tests.support.device import Device, arrest
from tests.support.http_system import HttpSystem

Run = Callable[..., Any]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command on a database of its own: its JSON, or its exit code and sentence."""
    monkeypatch.delenv("CASE_SYSTEM_DB", raising=False)
    monkeypatch.delenv("CASE_SYSTEM_KEYS", raising=False)

    def runs(*words: str, code: int = 0) -> Any:
        assert main(["--db", str(tmp_path / "case.db"), *words, "--json"]) == code
        said = capsys.readouterr()
        if code:
            assert said.err.startswith("case-system: ")
            assert said.err.count("\n") == 1
            return said.err
        return json.loads(said.out)

    return runs


@pytest.fixture
def laid(run: Run) -> Run:
    """The same, with an agency and some people."""
    run("init")
    for name, role, *more in (
        ("o1", "officer"), ("cm1", "case_manager", "--pair", "west"), ("p1", "peer", "--pair", "west"), ("sup", "supervisor"),
    ):  # fmt: skip
        run("user", "add", name, "--role", role, *more)
    run("duty", "set", "cm1", "--peer", "p1")
    return run


def test_init_makes_what_it_says_once(run: Run, tmp_path: Path) -> None:
    made = run("init")
    assert made["pack"] == "baltimore/1"
    assert Path(made["keys"]) == tmp_path / "case.keys"
    assert (tmp_path / "case.db").stat().st_mode & 0o077 == 0
    assert "already" in run("init", code=1)
    assert run("audit", "verify") == {"rows": 1, "ok": True, "bad_row": None, "reason": ""}


def test_people_posts_and_codes(laid: Run) -> None:
    assert [row["user"] for row in laid("user", "list")] == ["cm1", "o1", "p1", "sup"]
    assert laid("duty", "show") == {"duty": ["cm1", "p1"], "on_call": [], "supervisor": [], "sao": []}
    assert laid("pairs") == [{"pair": "west", "case_manager": "cm1", "peer": "p1", "enrolled": 0, "active": True}]
    code = laid("enrol-code", "--role", "officer", "--user", "o1", "--server", "https://lead.example")
    assert set(code) == {"code", "expires_at", "link"}
    assert code["link"].endswith(code["code"])
    assert "not a supervisor" in laid("enrol-code", "--role", "supervisor", "--user", "o1", code=1)
    assert "cannot stand there" in laid("duty", "set", "o1", code=1)
    assert "already" in laid("user", "add", "o1", "--role", "officer", code=1)
    assert laid("user", "disable", "o1") == {"user": "o1", "active": False}


def test_a_password_comes_from_a_file_and_its_code_secret_is_shown_once(laid: Run, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("long enough for a desk\n", encoding="utf-8")
    assert len(laid("user", "password", "sup", "--password-file", str(file))["totp_secret"]) == 32
    assert "totp_secret" not in laid("user", "password", "sup", "--password-file", str(file), "--no-totp")
    file.write_text("short\n", encoding="utf-8")
    assert "12" in laid("user", "password", "sup", "--password-file", str(file), code=1)


def test_a_channel_that_nobody_knows_is_refused_without_repeating_it(laid: Run) -> None:
    assert "hunter2" not in laid("user", "channel", "cm1", "nonsense://me:hunter2@x", code=1)
    assert laid("user", "channel", "cm1", "console://cm1")["user"] == "cm1"


def test_keys_packs_backups_and_exports(laid: Run, tmp_path: Path) -> None:
    first = laid("keys", "list")[0]["key_id"]
    second = laid("keys", "rotate")["key_id"]
    assert [(r["key_id"], r["state"]) for r in laid("keys", "list")[:2]] == [(first, "open"), (second, "newest")]
    assert laid("keys", "retire", first)["state"] == "retired"
    assert laid("pack", "show")["pack"] == "baltimore/1"
    file = tmp_path / "b.gz"
    rows = laid("backup", str(file))["rows"]
    assert "already" in laid("restore", str(file), code=1)
    assert laid("restore", str(file), "--replace")["rows"] == rows
    assert laid("export", "referrals", "--out", str(tmp_path / "out.csv"))["rows"] == 0
    assert laid("device", "list") == laid("device", "held") == laid("referrals") == laid("notices") == []


def test_a_key_that_something_stored_needs_is_destroyed_only_by_force(
    laid: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = laid("keys", "list")[0]["key_id"]
    laid("keys", "rotate")
    monkeypatch.setattr(CaseService, "sealed_for", lambda _, key_id: 2 * (key_id == first))
    said = laid("keys", "retire", first, code=1)
    assert "2 stored operations can only be read with this key" in said
    assert laid("keys", "list")[0] == {"key_id": first, "kind": "agency", "state": "open"}
    assert laid("keys", "retire", first, "--anyway")["state"] == "retired"


def test_what_is_not_there_is_said(run: Run, tmp_path: Path) -> None:
    for words in (("referrals",), ("serve",), ("audit", "verify"), ("backup", str(tmp_path / "b"))):
        assert "case-system init" in run(*words, code=1)


def test_places_default_beside_each_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CASE_SYSTEM_DB", "")
    monkeypatch.setenv("CASE_SYSTEM_KEYS", "")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    url = database_url(None)
    if sys.platform == "linux":
        assert url == f"sqlite:///{tmp_path}/lead-field/case-system.db"
        assert keys_folder(None, url) == tmp_path / "lead-field" / "case-system.keys"
    assert keys_folder(None, "postgresql://x/y").name == "case-system.keys"
    assert database_url("postgresql://x/y") == "postgresql://x/y"


def test_usage_errors_are_two() -> None:
    for words in ([], ["no-such"], ["user", "add", "x", "--role", "king"], ["enrol-code", "--user", "x"]):
        with pytest.raises(SystemExit) as error:
            build_parser().parse_args(words)
        assert error.value.code == 2


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_served_case_system_takes_a_referral_rings_and_stops(laid: Run, tmp_path: Path, workers: str) -> None:
    laid("user", "channel", "cm1", "console://cm1")
    command = [sys.executable, "-m", "case_system.cli", "--db", str(tmp_path / "case.db"), "--json"]
    server = subprocess.Popen(
        [*command, "serve", "--port", "0", "--workers", workers],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        address = json.loads(server.stdout.readline())["address"]
        system = HttpSystem(address)
        officer = Device.enrol(system, laid("enrol-code", "--role", "officer", "--user", "o1")["code"])
        manager = Device.enrol(system, laid("enrol-code", "--role", "case_manager", "--user", "cm1")["code"])
        with pytest.raises(Refused) as error:
            Device.enrol(system, "0000-0000-0000")
        assert error.value.code is ProblemCode.CODE_NOT_VALID
        told = arrest()
        (receipt,) = officer.send(officer.create(told))
        rang = json.loads(server.stdout.readline())
        assert (rang["to"], rang["text"]) == ("cm1", "LEAD Field: handoff waiting.")
        manager.send(manager.reason(Op.ACCEPT, told.referral_id))
        assert officer.pull().referrals[told.referral_id].case_manager == "cm1"
        (row,) = laid("referrals")
        expected: dict[str, Any] = {
            "referral_id": told.referral_id, "kind": "arrest_diversion", "review": "submitted", "handoff": "accepted",
            "charge": "held", "release": "none", "flags": [], "case_manager": "cm1", "pair": None, "receipt": receipt.receipt,
        }  # fmt: skip
        assert {name: row[name] for name in expected} == expected
        assert {"notice_id", "referral_id", "recipient", "kind", "state", "sent_at", "acknowledged_at"} <= set(
            laid("notices")[0]
        )
        assert laid("device", "list")[0]["user"] == "o1"
        system.client.close()
    finally:
        server.terminate()
        said, errors = server.communicate(timeout=20)
    assert server.returncode == 0, errors
    assert "Traceback" not in errors
    assert "Robin" not in said + errors


def test_a_broken_trail_is_refused_and_its_row_is_still_answered(
    laid: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(tmp_path / "case.db")) as db, db:
        db.execute("UPDATE audit SET outcome = 'nothing happened' WHERE n = 3")
    assert main(["--db", str(tmp_path / "case.db"), "audit", "verify", "--json"]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["bad_row"] == 3
    assert "broken at row 3" in said.err
