"""Enrolment: a code works once, for its person, for a device that holds its key."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from case_system.enrolment import code_hash, link, new_code
from case_system.storage import NotSo
from case_system.store import schema
from referral.envelope import DeviceSigningKey
from referral.lifecycle import Role
from referral.model import DeviceId
from referral.port import ENROL_DOMAIN, EnrolRequest, Refused, enrol_proof
from referral.problems import ProblemCode
from tests.support.agency import Agency
from tests.support.device import Device


def request(code: str, device_id: str | None = None) -> EnrolRequest:
    """What a correct device sends."""
    key, who = DeviceSigningKey.generate(), DeviceId(device_id or os.urandom(16).hex())
    return EnrolRequest(
        code=code, device_id=who, device_key=key.public().to_bytes(), proof=key.sign(ENROL_DOMAIN, enrol_proof(code, who)),
        app="test/1", platform="test",
    )  # fmt: skip


def refusal(agency: Agency, asked: EnrolRequest) -> ProblemCode:
    """The code with which it is refused."""
    with pytest.raises(Refused) as error:
        agency.service.enrol(asked)
    return error.value.code


def test_a_code_is_twelve_crockford_characters_and_kept_as_a_hash(agency: Agency) -> None:
    code = agency.accounts.new_code("o1", Role.OFFICER).code
    assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){2}", code)
    (row,) = agency.rows(select(schema.enrol_codes))
    assert code.replace("-", "") not in str(row)
    assert row["code_hash"] == code_hash(code.lower().replace("-", " "))
    assert len({new_code(os.urandom) for _ in range(100)}) == 100
    assert link("https://lead.example/x?", code) == f"lead://enrol?server=https%3A%2F%2Flead.example%2Fx%3F&code={code}"


def test_a_code_binds_one_device_to_its_person(agency: Agency) -> None:
    code = agency.accounts.new_code("cm1", Role.CASE_MANAGER).code
    device = Device.enrol(agency.service, code, agency.clock)
    bound = device.enrolment
    assert (bound.user, bound.name, bound.role, bound.pack.version) == ("cm1", "CM1", Role.CASE_MANAGER, "1")
    assert bound.lease_until == agency.clock() + timedelta(days=90)
    assert refusal(agency, request(code)) is ProblemCode.CODE_NOT_VALID
    assert device.pull().enrolled == 0  # the caseload comes with the first pull


def test_a_wrong_an_old_and_a_disabled_persons_code_are_refused(agency: Agency) -> None:
    assert refusal(agency, request("0000-0000-0000")) is ProblemCode.CODE_NOT_VALID
    old = agency.accounts.new_code("o1", Role.OFFICER, lasts=timedelta(hours=1)).code
    theirs = agency.accounts.new_code("o2", Role.OFFICER).code
    agency.clock.go(hours=1)
    agency.accounts.set_active("o2", False)
    assert refusal(agency, request(old)) is ProblemCode.CODE_NOT_VALID
    assert refusal(agency, request(theirs)) is ProblemCode.CODE_NOT_VALID


def test_a_device_proves_its_key_and_cannot_take_anothers_place(agency: Agency) -> None:
    code = agency.accounts.new_code("o1", Role.OFFICER).code
    good = request(code)
    assert refusal(agency, replace(good, proof=bytes(64))) is ProblemCode.BAD_SIGNATURE
    assert refusal(agency, replace(good, device_id=DeviceId(os.urandom(16).hex()))) is ProblemCode.BAD_SIGNATURE
    assert refusal(agency, replace(good, device_key=b"\x04" + bytes(64))) is ProblemCode.MALFORMED
    assert refusal(agency, replace(good, device_id=DeviceId("no id"))) is ProblemCode.MALFORMED
    agency.service.enrol(good)  # none of the refusals used the code up
    second = agency.accounts.new_code("o1", Role.OFFICER).code
    assert refusal(agency, request(second, good.device_id)) is ProblemCode.ALREADY_ENROLLED


def test_a_disabled_persons_devices_count_as_revoked(agency: Agency) -> None:
    device = agency.device("o1")
    agency.accounts.set_active("o1", False)
    assert device.sync().device.state.value == "revoked"
    agency.accounts.set_active("o1", True)
    assert device.sync().device.state.value == "active"


def test_an_attempt_lock_is_released_once(agency: Agency) -> None:
    device = agency.device("o1")
    agency.accounts.release(device.device_id)
    assert device.sync().device.release


def test_changes_that_make_no_sense_change_nothing(agency: Agency) -> None:
    accounts = agency.accounts
    for wrong in (
        lambda: accounts.add_user("o1", Role.OFFICER),
        lambda: accounts.add_user("UPPER", Role.OFFICER),
        lambda: accounts.add_user("o9", Role.OFFICER, pair="west"),
        lambda: accounts.add_user("cm9", Role.CASE_MANAGER, pair="west"),
        lambda: accounts.new_code("o1", Role.SUPERVISOR),
        lambda: accounts.new_code("nobody", Role.OFFICER),
        lambda: accounts.revoke("00"),
        lambda: agency.channels.add("o1", "no channel"),
        lambda: agency.channels.add("nobody", "console://x"),
        lambda: agency.channels.add("o1", "console://x", hours="whenever"),
        lambda: agency.channels.add("o1", "console://x", kinds=["everything"]),
        lambda: agency.channels.remove("00"),
    ):
        with pytest.raises(NotSo):
            wrong()
    assert len(agency.rows(select(schema.users))) == 10
