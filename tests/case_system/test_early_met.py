"""An officer who hands a person over before the acceptance has arrived is believed, and the track still needs a name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from referral.operations import Met, Op
from referral.port import Outcome
from tests.support.agency import Agency
from tests.support.device import arrest


@pytest.fixture
def agency(tmp_path: Path) -> Iterator[Agency]:
    founded = Agency.copied(tmp_path)
    yield founded
    founded.engine.dispose()


def test_an_early_met_is_kept_and_moves_nothing_until_someone_has_accepted(agency: Agency) -> None:
    officer, manager = agency.device("o1"), agency.device("cm1")
    made = arrest()
    officer.send(officer.create(made))
    met = Met(at=agency.clock())
    (early,) = officer.send(officer.seal(officer.operation(Op.MET, made.referral_id, met, base=1)))
    assert early.outcome is Outcome.ACCEPTED
    view = manager.pull().referrals[made.referral_id]
    assert (view.handoff, view.case_manager) != ("met", "CM1")
    assert view.handoff == "offered"
    assert "met_by_officer" in {line.what for line in view.timeline}
    manager.send(manager.reason(Op.ACCEPT, made.referral_id, base=2))
    manager.send(manager.seal(manager.operation(Op.MET, made.referral_id, met, base=3)))
    assert manager.pull().referrals[made.referral_id].handoff == "met"
