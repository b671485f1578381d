"""Wipe without loss: the outbox lives on, forms that could have been saved go out as `incomplete`, and a person sees them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from case_system.casefile import ATTENTION_FLAGS
from field_app.draft import Draft
from field_app.outcomes import Enrolled, Opened, Trouble
from field_app.snapshot import AlarmKind
from field_app.vault.door import VaultDoor
from referral.model import Kind, OpId, ReferralId, UserId
from referral.operations import Op
from referral.port import Outcome
from referral.problems import ProblemCode
from referral.views import Flag
from tests.support.agency import Agency
from tests.support.station import PIN, Station

OTHER = "815264"


def form(station: Station, kind: Kind = Kind.SOCIAL, **answers: Any) -> Draft:
    draft = station.actions.start(kind)
    for name, value in answers.items():
        draft = station.actions.answer(draft.referral_id, name.replace("__", "."), value)
    return draft


def savable(station: Station) -> Draft:
    return form(station, willing="yes", person__name="Ann Example")


def end_by_ten_wrong_pins(station: Station) -> None:
    station.actions.lock()
    for _ in range(10):
        station.actions.unlock(OTHER)
        station.agency.clock.go(minutes=31)


def end_by_order(station: Station) -> None:
    station.agency.accounts.revoke(station.device.binding.device_id, wipe=True)
    station.actions.sync_now()


WAYS: list[Callable[[Station], None]] = [end_by_ten_wrong_pins, end_by_order]


@pytest.mark.parametrize("end", WAYS)
def test_what_waits_and_what_could_be_saved_is_sent(
    officer: Station, agency: Agency, end: Callable[[Station], None]
) -> None:
    officer.line.up = False
    saved = officer.save(referral_id="r-1")
    whole, half = savable(officer), form(officer, person__name="Bob Example")
    officer.line.up = True
    end(officer)
    officer.actions.sync_now()
    with officer.device.store.read() as tx:
        rows = officer.device.outbox.entries(tx, accepted=True)
        assert tx.execute("SELECT count(*) FROM row").fetchone()[0] == 0
    assert {(row.operation, row.referral_id) for row in rows} == {
        (Op.CREATE, saved.referral_id), (Op.INCOMPLETE, whole.referral_id),
    }  # fmt: skip
    assert half.referral_id not in {row.referral_id for row in rows}
    assert officer.actions.sync_now().waiting == 0


def test_a_person_sees_what_is_not_finished_until_it_is(officer: Station, agency: Agency) -> None:
    draft = savable(officer)
    end_by_ten_wrong_pins(officer)
    assert officer.actions.sync_now().accepted == 1
    record = agency.service.look(UserId("sup"), draft.referral_id)
    assert record.incomplete
    assert Flag.INCOMPLETE in record.flags
    assert Flag.INCOMPLETE in ATTENTION_FLAGS
    assert draft.referral_id in {seen.referral_id for seen in agency.service.board(UserId("sup")).records("attention")}
    assert isinstance(officer.enrol(), Enrolled)
    assert isinstance(officer.actions.unlock(PIN), Opened)
    officer.actions.sync_now()
    assert Flag.INCOMPLETE in officer.actions.snapshot().referrals[0].flags
    officer.actions.amend(draft.referral_id, {"urgency": "today"})
    officer.actions.sync_now()
    assert Flag.INCOMPLETE not in agency.service.look(UserId("sup"), draft.referral_id).flags


def test_a_revoked_devices_forms_are_held_for_a_supervisor(officer: Station, agency: Agency) -> None:
    draft = savable(officer)
    end_by_order(officer)
    officer.actions.sync_now()
    with officer.device.store.read() as tx:
        (entry,) = officer.device.outbox.entries(tx)
    assert entry.receipt is not None
    assert (entry.receipt.outcome, entry.receipt.code) == (Outcome.STORED, ProblemCode.DEVICE_REVOKED)
    receipt = agency.service.decide_held(UserId("sup"), officer.device.binding.device_id, OpId(entry.op_id))
    assert receipt.outcome is Outcome.ACCEPTED
    assert Flag.INCOMPLETE in agency.service.look(UserId("sup"), draft.referral_id).flags


def test_why_the_records_are_gone_is_said(officer: Station) -> None:
    end_by_ten_wrong_pins(officer)
    assert officer.actions.unlock(PIN) == Trouble(problem=ProblemCode.KEY_LOST, detail="wiped")
    assert officer.restart().snapshot().gate.problem is ProblemCode.KEY_LOST


@pytest.mark.parametrize("moment", ["destroyed", "emptied"])
def test_a_crash_in_a_wipe_is_taken_up(officer: Station, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    class Killed(BaseException):
        pass

    draft = savable(officer)
    destroy = VaultDoor.destroy

    def die(self: VaultDoor) -> None:
        destroy(self)
        raise Killed

    def die_later(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        if moment == "destroyed":
            patch.setattr(VaultDoor, "destroy", die)
        else:
            patch.setattr(officer.device.outbox, "write_files", die_later)
        with pytest.raises(Killed):
            officer.device.wipe()
    officer.restart()
    assert officer.device.binding.wiped
    assert [row.referral_id for row in officer.actions.snapshot().outbox] == [draft.referral_id]
    assert len(list((officer.folder / "outbox").glob("*.env"))) == 1
    assert officer.actions.sync_now().accepted == 1


def test_the_copy_of_a_form_is_replaced_and_never_sent_while_the_records_can_be_read(officer: Station) -> None:
    draft = savable(officer)
    for urgency in ("today", "this_week", "today"):
        officer.actions.answer(draft.referral_id, "urgency", urgency)
    with officer.device.store.read() as tx:
        assert officer.device.outbox.counts(tx, officer.clock.now()).held == 1
    assert officer.actions.sync_now().sent == 0
    assert not list((officer.folder / "outbox").glob("*.env"))


# ---------------------------------------------------------------------------------------------------- a revoked device
def test_a_revoked_device_keeps_sending_and_says_that_it_is_out_of_service(officer: Station, agency: Agency) -> None:
    officer.save(referral_id="r-1")
    officer.actions.sync_now()
    pulled = officer.actions.sync_now().pulled
    agency.accounts.revoke(officer.device.binding.device_id)
    officer.save(referral_id="r-2")
    counts = officer.actions.sync_now()
    assert (counts.sent, counts.stored, counts.pulled) == (1, 1, 0)
    assert pulled == 0
    shot = officer.actions.snapshot()
    assert [(alarm.kind, alarm.passes) for alarm in shot.alarms] == [(AlarmKind.REVOKED, True)]
    assert {row.referral_id for row in shot.referrals} == {
        "r-1",
        "r-2",
    }  # what was read here stays until an order to wipe
    officer.save(referral_id="r-3")
    assert officer.actions.sync_now().stored == 1
    officer.actions.lock()
    assert isinstance(officer.actions.unlock(PIN), Opened)
    assert officer.actions.amend(ReferralId("r-1"), {"quantity": "more"}) is not None
    assert officer.actions.sync_now().stored == 1
