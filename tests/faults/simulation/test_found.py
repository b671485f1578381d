"""What the simulator found in the product, each once more by itself."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import pytest

from case_system import reception
from case_system.store import backup
from field_app.courier import BackgroundCourier
from field_app.sync.errors import Interrupted
from field_app.sync.machine import State
from referral.model import ReferralId
from referral.operations import SCHEMA, Create, Op, encode
from referral.port import Outcome, SyncRequest, SyncResponse
from referral.problems import ProblemCode
from tests.support.agency import Agency
from tests.support.device import arrest
from tests.support.station import Station


@pytest.fixture
def agency(tmp_path: Path) -> Agency:
    """A case system of its own."""
    return Agency.found(f"sqlite:///{tmp_path / 'case.db'}", tmp_path)


def test_a_restart_judges_nothing_of_a_later_schema_and_an_upgrade_keeps_the_number_that_was_told(
    agency: Agency,
) -> None:
    """Cases 12, 66 and 151."""
    officer = agency.device("o1")
    operation = officer.operation(*_create())
    (parked,) = officer.send(officer.seal_bytes(encode(operation), schema=SCHEMA + 1))
    assert (parked.outcome, parked.code) == (Outcome.STORED, ProblemCode.UNKNOWN_VERSION)
    assert agency.service.reread() == 0
    with patch.object(reception, "SCHEMA", SCHEMA + 1):
        assert agency.service.reread() == 1
    told = officer.pull()
    assert told.receipts[parked.op_id].outcome is Outcome.ACCEPTED
    assert told.receipts[parked.op_id].receipt == parked.receipt == told.referrals[operation.referral_id].receipt


def test_a_step_goes_from_the_picture_though_its_view_came_before_its_receipt(agency: Agency, tmp_path: Path) -> None:
    """Case 137."""
    station = Station.enrolled(agency, tmp_path / "device")
    station.actions.sync_now()
    saved = station.save()
    session, courier = station.device.session, station.actions._courier
    assert session is not None
    assert isinstance(courier, BackgroundCourier)
    engine = courier._worker._engine
    with patch.object(station.line, "sync", _replies_lost(station)):
        assert engine.round(station.clock.now(), at_once=True).problem is not None
    assert engine.round(station.clock.now(), at_once=True, leave=[saved.op_id]).pulled
    assert session.holdings.steps
    assert engine.round(station.clock.now(), at_once=True).answered == {saved.op_id: State.ACCEPTED}
    assert not session.holdings.steps


def test_a_revoked_device_learns_the_agency_key_and_seals_once_more(agency: Agency, tmp_path: Path) -> None:
    """Case 941: it sealed again for the key that had just been refused, in every round, for ever."""
    station = Station.enrolled(agency, tmp_path / "device")
    station.save()
    agency.keys.rotate()
    for key_id in [key.hex() for key in agency.keys.agency_keys if key != agency.keys.newest.key_id]:
        agency.keys.retire(key_id)
    agency.accounts.revoke(station.device.binding.device_id)
    counts = station.actions.sync_now()
    assert (counts.stored, counts.waiting) == (1, 0)
    with station.device.store.read() as tx:
        assert sorted(station.device.outbox.states(tx).values()) == [State.REPLACED, State.STORED]


def test_nothing_is_sealed_again_for_the_key_that_it_is_sealed_for(agency: Agency, tmp_path: Path) -> None:
    """Case 941."""
    station = Station.enrolled(agency, tmp_path / "device")
    saved = station.save()
    session = station.device.session
    assert session is not None
    with session.records.write() as page:
        assert session.reseal(page, saved.op_id) is None


def test_what_nobody_can_seal_again_goes_to_quarantine_with_its_reason(agency: Agency, tmp_path: Path) -> None:
    """Case 3498: accepted after the backup, offered again after the restore, its key destroyed between: it waited for ever, unseen."""
    station = Station.enrolled(agency, tmp_path / "device")
    backup.write(agency.engine, tmp_path / "backup", clock=agency.clock)
    saved = station.save()
    assert station.actions.sync_now().accepted == 1
    agency.keys.rotate()
    agency.keys.retire(next(key.hex() for key in agency.keys.agency_keys if key != agency.keys.newest.key_id))
    backup.restore(agency.engine, tmp_path / "backup", clock=agency.clock, rng=os.urandom, replace=True)
    station.actions.sync_now()
    with station.device.store.read() as tx:
        entry = station.device.outbox.entry(tx, saved.op_id)
    assert entry is not None
    assert (entry.state, entry.reason) == (State.QUARANTINED, ProblemCode.KEY_RETIRED)


def _create() -> tuple[Op, ReferralId, Create]:
    told = arrest()
    return Op.CREATE, told.referral_id, Create(referral=told)


def _replies_lost(station: Station) -> Callable[[str, SyncRequest], SyncResponse]:
    def sync(token: str, request: SyncRequest) -> SyncResponse:
        station.line.inner.sync(token, request)
        raise Interrupted("the exchange was cut")

    return sync
