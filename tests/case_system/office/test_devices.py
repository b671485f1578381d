"""Devices: what they say of themselves, who may act on them, and what is decided about a revoked one's operations."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from case_system.office.building import Office
from case_system.office.fleet import DeviceRow, Warn, unsent_for, warnings
from case_system.store import schema
from referral.lifecycle import Role
from referral.model import OpId, UserId
from referral.port import Heartbeat, Outcome
from referral.problems import ProblemCode
from tests.case_system.office.test_people import ADM, SUP, refused, trail
from tests.support.agency import MONDAY_NIGHT, Agency
from tests.support.device import Device, arrest
from tests.support.packs import baltimore

NOW = MONDAY_NIGHT
ROW = DeviceRow(
    device_id="0" * 32, user_id=UserId("o1"), role=Role.OFFICER, active=True, wipe=False, release=False, app="test/1", platform="test",
    enrolled_at=NOW, revoked_at=None, lease_until=NOW + timedelta(days=90), seen_at=NOW, waiting=0, needs_attention=0,
    oldest_unsent_s=None, locked=False,
)  # fmt: skip


@pytest.mark.parametrize(
    ("row", "later", "expected"),
    [
        (ROW, timedelta(days=2), ()),
        (replace(ROW, waiting=1, oldest_unsent_s=60), timedelta(minutes=90), ()),
        (replace(ROW, waiting=1, oldest_unsent_s=60), timedelta(minutes=119), (Warn.UNSENT_LONG,)),
        (replace(ROW, waiting=1, oldest_unsent_s=60), timedelta(hours=24), (Warn.UNSENT_TOO_LONG,)),
        (replace(ROW, waiting=0, oldest_unsent_s=99_999), timedelta(hours=24), ()),
        (replace(ROW, locked=True, needs_attention=2), timedelta(), (Warn.NEEDS_ATTENTION,)),
        (ROW, timedelta(days=84), (Warn.LEASE_ENDS, Warn.SILENT)),
        (replace(ROW, seen_at=None), timedelta(days=4), (Warn.SILENT,)),
        (replace(ROW, active=False, locked=True), timedelta(days=400), ()),
        (replace(ROW, active=False, wipe=True, revoked_at=NOW + timedelta(seconds=1)), timedelta(), (Warn.NOT_WIPED_YET,)),
    ],
)  # fmt: skip
def test_warnings_follow_what_the_device_said_and_how_long_ago(row: DeviceRow, later: timedelta, expected: tuple[Warn, ...]) -> None:  # fmt: skip
    assert warnings(row, NOW + later, baltimore().timers) == expected


def test_unsent_work_grows_older_while_nothing_is_heard() -> None:
    row = replace(ROW, waiting=2, oldest_unsent_s=600)
    assert unsent_for(row, NOW + timedelta(minutes=5)) == timedelta(minutes=15)
    assert unsent_for(ROW, NOW) is None


def test_the_list_shows_the_last_heartbeat_and_what_the_reader_may_touch(office: Office, agency: Agency) -> None:
    device, reviewer = agency.device("o1"), agency.device("sao1")
    beat = Heartbeat(waiting=3, stored=1, needs_attention=0, oldest_unsent_s=7300, locked=False, clock_offset_ms=0, app="test/1")  # fmt: skip
    device.sync(heartbeat=beat)
    fleet = office.devices.view(SUP)
    line = fleet.devices[0]
    assert (line.row.device_id, line.user, line.row.waiting, line.warnings) == (device.device_id, "O1", 3, (Warn.UNSENT_LONG,))  # fmt: skip
    assert fleet.unsent == 3
    assert {x.row.device_id: x.yours for x in fleet.devices} == {device.device_id: True, reviewer.device_id: False}
    assert all(x.yours for x in office.devices.view(ADM).devices)


def test_a_device_is_enrolled_with_a_link_that_is_shown_once(office: Office, agency: Agency) -> None:
    invited = office.devices.invite(SUP, UserId("o1"), "https://lead.example.org/", 24)
    assert invited.link == f"lead://enrol?server=https%3A%2F%2Flead.example.org&code={invited.code}"
    assert invited.code not in str(agency.rows(select(schema.enrol_codes))) + repr(invited)
    assert Device.enrol(agency.service, invited.code, agency.clock).user == "o1"
    assert trail(agency, "enrol_code")[-1] == ("sup", "o1", "done")
    assert refused(lambda: office.devices.invite(SUP, UserId("o1"), "javascript:alert(1)", 24)) == "no_address"
    assert refused(lambda: office.devices.invite(SUP, UserId("o1"), "https://x.example", 5000)) == "invalid_value"
    assert refused(lambda: office.devices.invite(SUP, UserId("sao1"), "https://x.example", 24)) == "not_yours"
    assert refused(lambda: office.devices.invite(SUP, UserId("nobody"), "https://x.example", 24)) == "not_found"
    agency.accounts.set_active("o1", False)
    assert refused(lambda: office.devices.invite(SUP, UserId("o1"), "https://x.example", 24)) == "not_active"


def test_revoking_holds_what_comes_and_a_supervisor_lets_it_pass_or_keeps_it(office: Office, agency: Agency) -> None:
    device, other = agency.device("o1"), agency.device("sao1")
    assert refused(lambda: office.devices.revoke(SUP, other.device_id, wipe=True)) == "not_yours"
    assert refused(lambda: office.devices.revoke(SUP, "0" * 32, wipe=True)) == "not_found"
    office.devices.release(SUP, device.device_id)
    office.devices.revoke(SUP, device.device_id, wipe=True)
    assert refused(lambda: office.devices.release(SUP, device.device_id)) == "device_revoked"
    first, second = arrest(), arrest()
    device.sync([device.create(first), device.create(second)], locked=True)
    held = office.devices.view(SUP).held
    assert {row.referral_id for row in held} == {first.referral_id, second.referral_id}
    assert office.devices.view(ADM).held == ()
    one, two = held
    assert refused(lambda: office.devices.keep(ADM, one.device_id, one.op_id)) == ProblemCode.NOT_PERMITTED
    office.devices.keep(SUP, one.device_id, one.op_id)
    kept = next(row for row in office.devices.view(SUP).held if row.op_id == one.op_id)
    assert (kept.kept_by, kept.kept_at) == ("sup", agency.clock())
    assert office.devices.let_pass(SUP, two.device_id, two.op_id).outcome is Outcome.ACCEPTED
    assert office.devices.let_pass(SUP, one.device_id, one.op_id).outcome is Outcome.ACCEPTED
    assert office.devices.view(SUP).held == ()
    assert refused(lambda: office.devices.keep(SUP, one.device_id, OpId(one.op_id))) == "not_found"
    decided = [(actor, outcome) for actor, _, outcome in trail(agency, "decide_held")]
    assert decided == [("adm", "not_permitted"), ("sup", "kept"), ("sup", "done"), ("sup", "done")]
