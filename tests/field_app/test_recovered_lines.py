"""A referral whose operation came back from its file alone still says that it waits."""

from __future__ import annotations

from pathlib import Path

import pytest

from field_app import cli
from field_app.snapshot import Delivery
from field_app.vault.keystores import FileKeys
from tests.support.agency import Agency
from tests.support.station import PIN, Station


@pytest.fixture
def officer(agency: Agency, tmp_path: Path) -> Station:
    """An enrolled officer without a connection."""
    station = Station.enrolled(agency, tmp_path / "device")
    station.line.up = False
    return station


def forget_the_notes(station: Station) -> None:
    """As after a recovery that found the operations' files and the referrals' rows, and nothing else of the operations."""
    session = station.device.session
    assert session is not None
    with session.records.write() as page:
        for steps in session.holdings.steps.values():
            for step in steps:
                page.drop(step.row_id)
        page.tx.conn.execute("UPDATE outbox SET meta = NULL")
    session.holdings.follow()


def test_it_is_not_said_to_have_arrived(officer: Station) -> None:
    saved = officer.save(referral_id="r-1")
    forget_the_notes(officer)
    (row,) = officer.actions.snapshot().referrals
    assert row.delivery is Delivery.WAITING
    assert row.call is not None, "nobody at LEAD knows of this person yet"
    (waiting,) = officer.actions.snapshot().outbox
    assert (waiting.op_id, waiting.referral_id) == (saved.op_id, "r-1")
    detail = officer.actions.detail(saved.referral_id)
    assert detail is not None
    assert detail.row.delivery is Delivery.WAITING


def test_a_damaged_vault_does_not_keep_its_operations_from_going_out(
    agency: Agency, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    officer = Station.enrolled(agency, tmp_path / "device", keys=FileKeys(tmp_path / "device" / "keys"))
    officer.line.up = False
    officer.save()
    officer.actions.close()
    for name in ("header.json", "header.copy.json"):
        path = officer.folder / name
        path.write_bytes(path.read_bytes().replace(b"vault_id", b"vault_ID"))
    monkeypatch.setenv("FIELD_APP_PIN", PIN)
    assert cli.main(["--data", str(officer.folder), "doctor"]) == 1
    said = capsys.readouterr()
    assert "The file with this device's records is damaged." in said.err
    assert "broken  vault_key" in said.out
    assert "ok      outbox: 1 operations, all as written" in said.out
