"""The doctor: each kind of trouble is found, without a PIN where it can be, and each finding says what to do."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from field_app import doctor_folder
from field_app.actions import Failed
from field_app.doctor import Finding, Health
from field_app.snapshot import AlarmKind
from field_app.store.ballast import Ballast
from field_app.vault.keys import StoreName
from field_app.vault.keystores import MemoryKeys
from tests.support.agency import Agency
from tests.support.repository import ROOT
from tests.support.station import PIN, Station

CHECKS = [
    "incidents",
    "database",
    "log",
    "settings",
    "vault_key",
    "attempts",
    "rows",
    "generation",
    "outbox",
    "sealed",
    "envelope_files",
    "unsent",
    "programme",
    "lease",
    "clock",
    "headers",
    "key_store",
    "binding",
    "room",
    "space",
    "copies",
    "server",
]


def look(station: Station) -> dict[str, Finding]:
    findings = station.actions.doctor()
    assert len({finding.check for finding in findings}) == len(findings)
    return {finding.check: finding for finding in findings}


def unwell(station: Station) -> dict[str, Health]:
    found = {name: finding for name, finding in look(station).items() if finding.health is not Health.OK}
    for finding in found.values():
        assert finding.advice.endswith("."), finding
    return {name: finding.health for name, finding in found.items()}


def test_a_well_device_is_well_shut_and_open(officer: Station) -> None:
    officer.save(referral_id="r-1")
    officer.actions.sync_now()
    assert unwell(officer) == {}
    assert set(look(officer)) == set(CHECKS)
    officer.actions.lock()
    assert unwell(officer) == {}
    assert "shut" in look(officer)["rows"].found


def test_every_check_is_in_the_docs() -> None:
    text = (ROOT / "docs" / "field-app.md").read_text(encoding="utf-8")
    assert [name for name in [*CHECKS, "device"] if f"`{name}`" not in text] == []


def header_gone(station: Station) -> None:
    (station.folder / "header.json").unlink()


def both_headers_gone(station: Station) -> None:
    header_gone(station)
    (station.folder / "header.copy.json").unlink()


def chain_copy_damaged(station: Station) -> None:
    (station.folder / "chain.copy.json").write_bytes(b"{}")


def both_chain_headers_gone(station: Station) -> None:
    for name in ("chain.json", "chain.copy.json"):
        (station.folder / name).unlink()


def binding_gone(station: Station) -> None:
    (station.folder / "binding").unlink()


def key_store_away(station: Station) -> None:
    assert isinstance(station.keys, MemoryKeys)
    station.keys.available = False


def locked(station: Station) -> None:
    station.actions.lock()
    for _ in range(5):
        station.actions.unlock("815264")


def waiting_long(station: Station) -> None:
    station.line.up = False
    station.save(referral_id="r-1")
    station.agency.clock.go(hours=30)
    station.line.up = True


def clock_put_back(station: Station) -> None:
    station.actions.sync_now()
    station.clock.off = timedelta(days=-3)


def clock_wrong(station: Station) -> None:
    station.clock.off = timedelta(hours=-2)
    station.actions.sync_now()


def wiped(station: Station) -> None:
    station.actions.sync_now()
    station.device.wipe()


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (header_gone, {"headers": "warning"}),
        (both_headers_gone, {"headers": "broken", "key_store": "broken", "vault_key": "broken"}),
        (chain_copy_damaged, {"headers": "warning"}),
        (both_chain_headers_gone, {"headers": "broken"}),
        (binding_gone, {"binding": "warning"}),
        (key_store_away, {"vault_key": "warning", "key_store": "warning", "rows": "broken", "generation": "broken"}),
        (locked, {"attempts": "warning"}),
        (waiting_long, {"unsent": "warning"}),
        (clock_put_back, {"clock": "warning"}),
        (clock_wrong, {"clock": "warning"}),
        (wiped, {"vault_key": "warning"}),
    ],
)  # fmt: skip
def test_each_trouble_is_found(officer: Station, harm: Callable[[Station], None], expected: dict[str, str]) -> None:
    harm(officer)
    assert unwell(officer) == expected


def test_an_old_file_put_back_is_found_without_a_pin(officer: Station) -> None:
    officer.actions.lock()
    officer.actions.close()
    old = (officer.folder / "field.db").read_bytes()
    officer.open_again()
    officer.save(referral_id="r-1")
    officer.actions.sync_now()
    officer.actions.lock()
    officer.actions.close()
    (officer.folder / "field.db").write_bytes(old)
    officer.restart()
    assert unwell(officer) == {"generation": "warning"}
    officer.actions.unlock(PIN)
    assert unwell(officer) == {"generation": "warning", "rows": "warning"}


def test_what_happened_and_the_copies_are_named(officer: Station) -> None:
    officer.actions.lock()
    with officer.device.store.write() as tx:
        tx.execute("DELETE FROM row WHERE shelf = 'own'")
    officer.actions.unlock(PIN)
    findings = look(officer)
    copy = next(alarm.copy for alarm in officer.actions.snapshot().alarms if alarm.kind is AlarmKind.ROWS_SALVAGED)
    assert copy is not None
    assert copy in findings["incidents"].found
    assert "2 lost" in findings["incidents"].found
    assert copy in findings["copies"].found
    assert unwell(officer) == {"incidents": "warning", "copies": "warning"}


@pytest.mark.parametrize(("free", "health"), [(1 << 20, "broken"), (32 << 20, "warning"), (1 << 30, "ok")])
def test_free_space(officer: Station, monkeypatch: pytest.MonkeyPatch, free: int, health: str) -> None:
    monkeypatch.setattr(doctor_folder, "free_space", lambda folder: free)
    assert look(officer)["space"].health == health


def test_room_that_was_used_up(officer: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    def room(path: Path, size: int, random_bytes: Callable[[int], bytes]) -> Ballast:
        return Ballast(path, 1 << 12, random_bytes)

    monkeypatch.setattr(doctor_folder, "Ballast", room)
    assert look(officer)["room"].health is Health.WARNING
    (officer.folder / "ballast").write_bytes(bytes(1 << 12))
    assert look(officer)["room"].health is Health.OK


def test_a_folder_that_does_not_open_is_looked_over_all_the_same(officer: Station) -> None:
    officer.line.up = False
    officer.save(referral_id="r-1")
    officer.actions.close()
    key_store_away(officer)
    officer.restart()
    findings = look(officer)
    assert {name: finding.health for name, finding in findings.items() if finding.health is not Health.OK} == {
        "device": "broken", "envelope_files": "warning", "key_store": "warning",
    }  # fmt: skip
    assert "1 sealed operations" in findings["envelope_files"].found
    assert findings["database"].health is Health.OK


def test_a_folder_without_its_binding_and_database(officer: Station) -> None:
    officer.actions.close()
    (officer.folder / "field.db").unlink()
    (officer.folder / "binding").unlink()
    officer.restart()
    assert unwell(officer) == {"device": "broken", "database": "broken", "binding": "warning"}


def test_there_is_nothing_to_look_at_before_enrolment(agency: Agency, tmp_path: Path) -> None:
    station = Station.new(agency, tmp_path / "fresh", keys=MemoryKeys())
    with pytest.raises(Failed):
        station.actions.doctor()
    shutil.rmtree(tmp_path / "fresh", ignore_errors=True)


def test_a_key_in_a_file_is_a_warning(agency: Agency, tmp_path: Path) -> None:
    station = Station.enrolled(agency, tmp_path / "file", "o2", keys=MemoryKeys(StoreName.FILE))
    assert unwell(station) == {"key_store": "warning"}
    station.actions.close()
