"""Who is woken through which channel and when, over a real database: claims, hours, faults, and what a person may change."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import select

from case_system.assignment import Post
from case_system.dispatcher import LEASE, DueNotice
from case_system.notice_book import NoticeBook
from case_system.storage import NotSo
from case_system.store import exports, schema
from case_system.ways import Fault, Tried
from referral.model import Permission, Reach, ReachHow, Referral, Urgency, Whereabouts
from referral.operations import Op
from tests.support.agency import Agency
from tests.support.device import arrest, social


def due(agency: Agency, book: NoticeBook | None = None, kind: str | None = None) -> dict[str, list[str]]:
    """URL -> kinds that would be sent through it now; "" for notices without a way."""
    found: dict[str, list[str]] = {}
    for one in agency.take(book or agency.book()):
        for url in [way.url for way in one.ways] or [""]:
            if kind in (None, one.kind):
                found.setdefault(url, []).append(one.kind.value)
    return {url: sorted(kinds) for url, kinds in found.items()}


def record(agency: Agency, told: Referral) -> None:
    """An officer's device sends it."""
    officer = agency.device("o1")
    officer.send(officer.create(told))


def states(agency: Agency) -> set[str]:
    return {str(n["state"]) for n in exports.notices(agency.engine)}


# ------------------------------------------------------------------------------------------------ claims
def test_what_one_dispatcher_has_taken_no_other_gets_until_the_lease_is_over(agency: Agency) -> None:
    agency.channels.add("cm1", "console://cm1")
    record(agency, arrest())
    first, second = agency.book("first"), agency.book("second")
    taken = agency.take(first)
    assert len(taken) == 3
    assert agency.take(second) == []
    agency.clock.at += LEASE - timedelta(seconds=1)
    assert agency.take(second) == []
    agency.clock.go(seconds=1)  # the first was killed
    again = agency.take(second)
    assert [one.notice_id for one in again] == [one.notice_id for one in taken]  # the same dedup ids
    first.failed(taken[0], agency.clock(), agency.clock() + timedelta(days=1), [])  # it was only slow: no say any more
    for one in again:
        second.sent(one, agency.clock(), [])
    first.sent(taken[0], agency.clock(), [])
    assert states(agency) == {"sent"}
    assert len([d for d in agency.rows(select(schema.audit)) if d["action"] == "notice"]) == 3


def test_a_message_keeps_its_id_when_the_notice_it_was_named_after_is_answered(agency: Agency) -> None:
    officer, manager = agency.device("o1"), agency.device("cm1")
    agency.channels.add("cm1", "console://cm1")
    first, second = arrest(), arrest()
    officer.send(officer.create(first))
    agency.clock.go(seconds=1)
    officer.send(officer.create(second))
    named = _to_cm1(agency.take(agency.book("killed")))
    manager.send(manager.reason(Op.ACCEPT, first.referral_id))
    agency.clock.at += LEASE
    again = _to_cm1(agency.take(agency.book("next")))
    assert again.notice_id == named.notice_id


def _to_cm1(found: Sequence[DueNotice]) -> DueNotice:
    (one,) = [one for one in found if one.ways]
    return one


def test_a_retry_outlives_the_dispatcher(agency: Agency) -> None:
    agency.channels.add("cm1", "console://cm1")
    record(agency, arrest())
    book = agency.book("first")
    one = _to_cm1(agency.take(book))
    tried = [Tried(channel_id=one.ways[0].channel_id, fault=Fault.NO_ANSWER)]
    book.failed(one, agency.clock(), agency.clock() + timedelta(seconds=4), tried)
    assert due(agency, agency.book("next")).get("console://cm1") is None
    agency.clock.go(seconds=4)
    (again,) = agency.take(agency.book("next"))
    assert (again.attempts, again.notice_id) == (1, one.notice_id)


# ------------------------------------------------------------------------------------------------ hours and kinds
def test_a_channel_waits_for_its_hours(agency: Agency) -> None:
    agency.channels.add("cm1", "console://cm1", hours="mon-fri 08:00-18:00")
    officer, told = agency.device("o1"), arrest(whereabouts=Whereabouts.HOSPITAL)
    officer.send(officer.create(told))
    agency.desk("sup", Op.OFFER, told.referral_id)
    assert "console://cm1" not in due(agency)  # 02:10, and nobody is on the way
    agency.clock.go(hours=6)
    assert "handoff_offered" in due(agency)["console://cm1"]


def test_somebody_on_the_way_rings_who_is_on_duty_whatever_the_hour(agency: Agency) -> None:
    agency.channels.add("cm1", "console://cm1", hours="mon-fri 08:00-18:00")
    record(agency, arrest())
    assert due(agency)["console://cm1"] == ["handoff_offered"]


def test_who_is_not_on_duty_is_left_to_sleep(agency: Agency) -> None:
    agency.accounts.set_post(Post.ON_CALL, ["p1"])
    agency.channels.add("cm1", "console://cm1", hours="mon-fri 08:00-18:00")
    record(agency, arrest())
    agency.accounts.set_post(Post.DUTY, ["cm2", "p2"])  # the shift changed before the message went out
    book = agency.book()
    assert "console://cm1" not in due(agency, book)
    agency.clock.go(hours=6)
    assert due(agency, book)["console://cm1"] == ["handoff_offered"]


def test_new_hours_count_for_what_waits_already(agency: Agency) -> None:
    channel = agency.channels.add("cm1", "console://cm1", hours="mon-fri 10:00-11:00")
    record(agency, social(urgency=Urgency.TODAY))
    agency.clock.go(hours=7)  # 09:10: the desk is open, this person's channel is not
    agency.service.climb(agency.clock())
    assert "console://cm1" not in due(agency)
    agency.channels.change(channel, hours="", by="cm1")
    assert due(agency)["console://cm1"] == ["new_social_contact"]


def test_a_channel_is_for_the_kinds_it_was_given(agency: Agency) -> None:
    agency.channels.add("cm1", "console://loud", kinds=["handoff_offered"])
    agency.channels.add("cm1", "console://other", kinds=["withdrawal_asked"])
    record(agency, arrest())
    found = due(agency)
    assert found["console://loud"] == ["handoff_offered"]
    assert "console://other" not in found


@pytest.mark.parametrize("permission", [Permission.DO_NOT_CONTACT, Permission.OK_NO_MESSAGE])
def test_what_a_participant_asks_never_silences_staff(agency: Agency, permission: Permission) -> None:
    agency.channels.add("cm1", "console://cm1")
    told = arrest(reach=Reach(how=ReachHow.NONE, permission=permission))
    record(agency, told)
    assert due(agency)["console://cm1"] == ["handoff_offered"]


def test_an_officers_device_stays_dark(agency: Agency) -> None:
    agency.channels.add("o1", "console://o1")
    officer, manager = agency.device("o1"), agency.device("cm1")
    told = arrest()
    officer.send(officer.create(told))
    quiet = {one.kind.value: one.quiet for one in agency.take(agency.book())}
    assert quiet == {"handoff_offered": False, "sao_review": False}
    agency.service.climb(agency.clock.go(minutes=3))
    quiet = {one.kind.value: one.quiet for one in agency.take(agency.book())}
    assert quiet["nobody_answered"]
    assert manager.pull().notices


# ------------------------------------------------------------------------------------------------ faults and changes
def test_a_channel_that_fails_is_seen_and_one_that_is_gone_is_tried_no_more(agency: Agency) -> None:
    bad, gone = agency.channels.add("cm1", "console://bad"), agency.channels.add("cm1", "console://gone")
    agency.channels.add("p1", "console://good")
    record(agency, arrest())
    book = agency.book()
    faults = {bad: Fault.NOT_TAKEN, gone: Fault.GONE}
    for one in agency.take(book):
        tried = [Tried(channel_id=way.channel_id, fault=faults.get(way.channel_id)) for way in one.ways]
        if any(t.fault is None for t in tried):
            book.sent(one, agency.clock(), tried)
        else:
            book.failed(one, agency.clock(), agency.clock(), tried)
    failing = {c.channel_id: (c.failures, c.fault, c.active) for c in agency.channels.listed(failing=True)}
    assert failing == {bad: (1, "not_taken", True), gone: (1, "gone", False)}
    assert agency.channels.listed("p1")[0].delivered_at == agency.clock()
    assert agency.service.figures()["channels_failing"] == 2
    assert sorted(due(agency, book)) == ["", "console://bad"]


def test_a_person_changes_their_own_channels_and_nobody_elses(agency: Agency) -> None:
    channel = agency.channels.add("cm1", "mailtos://user:secret@mail.example")
    with pytest.raises(NotSo):
        agency.channels.remove(channel, of="cm2", by="cm2")
    with pytest.raises(NotSo):
        agency.channels.change(channel, hours="mon 08:00-09:00", of="cm2", by="cm2")
    agency.channels.change(channel, hours="MON 08:00-09:00", kinds=["accepted"], of="cm1", by="cm1")
    (seen,) = agency.channels.listed("cm1")
    assert (seen.hours, seen.kinds, seen.kind) == ("mon 08:00-09:00", ("accepted",), "mailtos")
    assert "secret" not in repr(seen)
    agency.channels.remove(channel, of="cm1", by="cm1")
    assert agency.channels.listed("cm1") == ()


def test_a_browser_wakes_one_person(agency: Agency) -> None:
    browser = {"endpoint": "https://push.example/1", "p256dh": "a", "auth": "b"}
    first = agency.channels.add_push("cm1", browser, by="cm1")
    agency.channels.change(first, hours="mon 08:00-09:00", of="cm1", by="cm1")
    assert agency.channels.add_push("cm1", browser, by="cm1") == first
    assert agency.channels.listed("cm1")[0].hours == "mon 08:00-09:00"
    agency.channels.add_push("cm2", browser, by="cm2")  # who switched it on last
    assert agency.channels.listed("cm1") == ()
    assert agency.channels.listed("cm2")[0].hours == ""
    agency.channels.remove_push("cm1", browser["endpoint"], by="cm1")
    assert len(agency.channels.listed("cm2")) == 1
    agency.channels.remove_push("cm2", browser["endpoint"], by="cm2")
    assert agency.channels.listed() == ()
