"""A case system moves into another database with everything, and the old one is left for dead."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Table, select, text

from case_system.app import NotReady, assemble
from case_system.cli import main
from case_system.store import backup, exports, migrate, moving, schema
from case_system.store.engine import open_engine
from case_system.store.moving import CannotMove
from referral.operations import Op
from tests.support.agency import Agency
from tests.support.device import arrest


@pytest.fixture
def other(request: pytest.FixtureRequest, agency: Agency, tmp_path: Path) -> str:
    """The address of an empty database of the other kind, where there is PostgreSQL."""
    if agency.engine.dialect.name == "postgresql":
        return f"sqlite:///{tmp_path / 'other.db'}"
    address: str = request.getfixturevalue("postgres_url")
    return address


@pytest.mark.postgres
def test_devices_go_on_where_they_were(agency: Agency, other: str, tmp_path: Path) -> None:
    officer, manager = agency.device("o1"), agency.device("cm1")
    told = arrest()
    create = officer.create(told)
    (receipt,) = officer.send(create)
    manager.pull()
    before = exports.referrals(agency.engine)
    target = open_engine(other)
    counts = moving.move(agency.engine, target, clock=agency.clock, by="administrator")
    assert counts["referrals"] == 1
    moved = Agency.over(other, target, agency.keys, agency.clock)
    assert exports.referrals(target) == before
    assert exports.audit_verdict(target).bad_row is None
    officer.system = manager.system = moved.service
    assert officer.send(create) == (receipt,)  # the receipt is permanent
    answer = manager.sync([manager.reason(Op.ACCEPT, told.referral_id)])
    assert not answer.reset  # the epoch is the same
    assert answer.results[0].outcome == "accepted"
    assert moved.device("o2").pull().referrals == {}  # PostgreSQL's counters go on
    with pytest.raises(NotReady, match="moved"):
        assemble(agency.url, tmp_path / "keys")
    with pytest.raises(CannotMove, match="not empty"):
        moving.move(target, target, clock=agency.clock, by="administrator")
    target.dispose()


def test_a_copy_that_is_not_whole_is_undone_and_the_old_one_goes_on(
    agency: Agency, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lossy(db: Connection) -> Iterator[tuple[Table, dict[str, Any]]]:
        return (row for row in backup.rows_of(db) if row[0] is not schema.pairs)

    monkeypatch.setattr(moving, "rows_of", lossy)
    target = open_engine(f"sqlite:///{tmp_path / 'lossy.db'}")
    with pytest.raises(CannotMove, match="as many rows"):
        moving.move(agency.engine, target, clock=agency.clock, by="administrator")
    assert migrate.standing(target) is migrate.Standing.EMPTY
    assert migrate.is_current(agency.engine)
    assert [r for r in agency.rows(select(schema.audit)) if r["action"] == "move"] == []
    target.dispose()


def test_a_copy_whose_trail_does_not_hold_is_undone(agency: Agency, tmp_path: Path) -> None:
    with agency.engine.begin() as db:
        db.execute(text("UPDATE audit SET outcome = 'mended' WHERE n = 2"))
    target = open_engine(f"sqlite:///{tmp_path / 'other.db'}")
    with pytest.raises(CannotMove, match="trail"):
        moving.move(agency.engine, target, clock=agency.clock, by="administrator")
    target.dispose()


def test_the_command_moves_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = str(tmp_path / "first.db"), str(tmp_path / "second.db")
    keys = ("--keys", str(tmp_path / "keys"))
    assert main(["--db", first, *keys, "init"]) == 0
    assert main(["--db", first, *keys, "user", "add", "o1", "--role", "officer"]) == 0
    assert main(["--db", first, *keys, "move", "--to", second]) == 0
    assert "moved" in capsys.readouterr().out
    assert main(["--db", first, *keys, "user", "list"]) == 1
    assert "moved to another" in capsys.readouterr().err
    assert main(["--db", second, *keys, "user", "list"]) == 0
    assert "o1" in capsys.readouterr().out
