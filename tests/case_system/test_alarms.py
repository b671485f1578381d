"""Unsent work that lies too long: who is told, when, how often, and when it is over."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from case_system.store import exports, schema
from referral.lifecycle import Role
from referral.model import UserId
from referral.port import Heartbeat, Refused
from tests.support.agency import Agency
from tests.support.device import Device, arrest


def says(device: Device, waiting: int, oldest_unsent_s: int | None) -> None:
    """The device says what it holds, and sends nothing of it."""
    beat = Heartbeat(waiting=waiting, stored=0, needs_attention=0, oldest_unsent_s=oldest_unsent_s, app="test/1")
    device.sync(heartbeat=beat)


def alarms(agency: Agency) -> list[tuple[str, str]]:
    """(recipient, state) of every alarm."""
    return sorted((n["recipient"], n["state"]) for n in exports.notices(agency.engine) if n["kind"] == "unsent_work")


def test_the_supervisors_are_told_after_two_hours_and_the_administrator_after_a_day(agency: Agency) -> None:
    agency.accounts.add_user("boss", Role.ADMINISTRATOR)
    agency.clock.go(hours=8)  # 10:10, in office hours
    officer = agency.device("o1")
    says(officer, 2, 15 * 60)
    agency.service.climb(agency.clock.go(minutes=104))
    assert alarms(agency) == []
    agency.service.climb(agency.clock.go(minutes=1))
    assert alarms(agency) == [("sup", "staged")]
    agency.service.climb(agency.clock.go(minutes=1))
    assert len(alarms(agency)) == 1  # once a day
    (seen,) = agency.service.open_alarms(UserId("sup"))
    assert (seen.user_id, seen.waiting) == ("o1", 2)
    agency.service.climb(agency.clock.go(hours=24))
    assert [who for who, _ in alarms(agency)] == ["boss", "sup", "sup"]


def test_an_alarm_waits_for_office_hours(agency: Agency) -> None:
    says(agency.device("o1"), 1, 3 * 3600)
    agency.service.climb(agency.clock())  # 02:10
    assert agency.service.open_alarms(UserId("sup")) == []
    assert agency.take(agency.book()) == []
    agency.service.climb(agency.clock.go(hours=8))
    assert len(agency.service.open_alarms(UserId("sup"))) == 1
    assert [one.kind.value for one in agency.take(agency.book())] == ["unsent_work"]


def test_a_device_that_has_sent_ends_its_alarm(agency: Agency) -> None:
    agency.clock.go(hours=8)
    officer = agency.device("o1")
    says(officer, 1, 3 * 3600)
    agency.service.climb(agency.clock())
    beat = Heartbeat(waiting=1, stored=0, needs_attention=0, oldest_unsent_s=3 * 3600, app="test/1")
    officer.sync([officer.create(arrest())], heartbeat=beat)  # what it sends with this is not unsent any more
    assert [d["waiting"] for d in exports.devices(agency.engine)] == [0]
    agency.service.climb(agency.clock.go(seconds=1))
    assert alarms(agency) == [("sup", "expired")]
    agency.service.climb(agency.clock.go(hours=3))
    assert len(alarms(agency)) == 1


def test_an_alarm_is_acknowledged_by_its_recipient_and_goes_to_no_phone(agency: Agency) -> None:
    agency.clock.go(hours=8)
    says(agency.device("o1"), 1, 3 * 3600)
    agency.service.climb(agency.clock())
    (alarm,) = agency.service.open_alarms(UserId("sup"))
    assert agency.device("sup").pull().notices == {}
    with pytest.raises(Refused):
        agency.service.acknowledge_alarm(UserId("cm1"), alarm.notice_id)
    agency.service.acknowledge_alarm(UserId("sup"), alarm.notice_id)
    assert alarms(agency) == [("sup", "acknowledged")]
    assert agency.service.open_alarms(UserId("sup")) == []
    (row,) = agency.rows(select(schema.notices).where(schema.notices.c.kind == "unsent_work"))
    assert row["acknowledged_at"] == agency.clock()
