"""A database of the first release goes on with its data, on SQLite and on PostgreSQL; others are told what to do."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from case_system.cli import main
from case_system.store import backup, migrate
from case_system.store.engine import open_engine, transaction
from case_system.store.migrate import Standing
from tests.support.repository import ROOT

GOLDEN = ROOT / "tests" / "golden" / "0.1.0"
EXPECTED: dict[str, Any] = json.loads((GOLDEN / "expected.json").read_text(encoding="utf-8"))


@pytest.fixture
def old(url: str, tmp_path: Path) -> str:
    """The address of a database as the first release left it."""
    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).write_bytes(gzip.decompress((GOLDEN / "central.db.gz").read_bytes()))
        return url
    engine = open_engine(url)
    with transaction(engine, write=True) as db:
        migrate.upgrade_on(db, "0001")
        backup.fill(db, backup.rows_in(GOLDEN / "backup.gz"))
    engine.dispose()
    return url


def ask(capsys: pytest.CaptureFixture[str], url: str, *words: str, code: int = 0) -> Any:
    """A command's JSON, or its sentence."""
    assert main(["--db", url, *words, "--json"]) == code
    said = capsys.readouterr()
    return said.err if code else json.loads(said.out)


def test_the_first_release_is_brought_forward_with_its_data(
    old: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(GOLDEN / "keys", tmp_path / "keys", copy_function=shutil.copyfile)
    for key in (tmp_path / "keys").iterdir():
        key.chmod(0o600)
    monkeypatch.setenv("CASE_SYSTEM_KEYS", str(tmp_path / "keys"))
    for words in (("serve",), ("referrals",), ("upkeep",)):
        assert "case-system upgrade" in ask(capsys, old, *words, code=1)
    assert "already" in ask(capsys, old, "init", code=1)  # and nothing was changed
    rows = ask(capsys, old, "backup", str(tmp_path / "before.gz"))["rows"]
    assert ask(capsys, old, "upgrade") == {"from": "0001", "to": migrate.head()}
    assert ask(capsys, old, "upgrade") == {"from": migrate.head(), "to": migrate.head()}
    assert ask(capsys, old, "referrals") == EXPECTED["central"]
    assert ask(capsys, old, "audit", "verify")["ok"]
    assert ask(capsys, old, "upkeep")["forgotten"] == [{"referral_id": "golden-social", "why": "withdrawn"}]
    assert ask(capsys, old, "restore", str(tmp_path / "before.gz"), "--replace") == {"rows": rows}
    assert ask(capsys, old, "referrals") == EXPECTED["central"]


def test_what_a_later_version_made_is_left_alone(old: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    engine = open_engine(old)
    with transaction(engine, write=True) as db:
        db.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert migrate.standing(engine) is Standing.NEWER
    for words in (("upgrade",), ("serve",), ("backup", str(tmp_path / "b"))):
        assert "version" in ask(capsys, old, *words, code=1)
    with transaction(engine, write=False) as db:
        assert db.execute(text("SELECT count(*) FROM notices")).scalar_one() > 0
    engine.dispose()


def test_there_is_nothing_to_bring_forward_where_nothing_is(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "case-system init" in ask(capsys, url, "upgrade", code=1)
