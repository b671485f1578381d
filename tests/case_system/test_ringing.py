"""The ladder over a real database: rings are staged with what caused them, climb with the clock, and end with an answer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from case_system.assignment import Post
from case_system.store import exports, schema
from case_system.ways import Tried
from referral.lifecycle import Handoff, Review
from referral.model import Birth, Person, Urgency, UserId, Whereabouts, Willing
from referral.numbers import call_code
from referral.operations import Amend, Intake, NotCompleted, NotCompletedReason, Op, SaoAnswer, SaoCall
from referral.port import Outcome, Refused
from referral.views import Flag, NoticeKind
from tests.support.agency import Agency
from tests.support.device import arrest, social


def rung(agency: Agency, *kinds: str) -> list[tuple[str, str, str]]:
    """(recipient, kind, state) of every notice of these kinds, in the order of the inbox."""
    rows = exports.notices(agency.engine)
    return sorted((n["recipient"], n["kind"], n["state"]) for n in rows if not kinds or n["kind"] in kinds)


def only(agency: Agency, table: Any = schema.referrals) -> dict[str, Any]:
    """The one row of a table."""
    (row,) = agency.rows(select(table))
    return dict(row)


def test_silence_climbs_and_never_accepts(agency: Agency) -> None:
    officer = agency.device("o1")
    told = arrest()
    officer.send(officer.create(told))
    assert [r[0] for r in rung(agency, "handoff_offered", "handoff_escalated")] == ["cm1", "p1"]
    next_at = agency.service.climb(agency.clock())
    assert next_at is not None
    agency.service.climb(agency.clock.go(minutes=3))
    assert rung(agency, "handoff_escalated") == [
        ("cm2", "handoff_escalated", "staged"),
        ("p2", "handoff_escalated", "staged"),
    ]
    seen = officer.pull().referrals[told.referral_id]
    assert (seen.handoff, seen.unanswered_since) == (Handoff.OFFERED, agency.clock())
    assert NoticeKind.NOBODY_ANSWERED in {n.kind for n in officer.replica.notices.values()}
    agency.service.climb(agency.clock.go(minutes=3))
    agency.service.climb(agency.clock.go(hours=2))
    assert [r[0] for r in rung(agency, "handoff_escalated")] == ["cm2", "p2", "sup"]
    assert officer.pull().referrals[told.referral_id].handoff is Handoff.OFFERED
    second = agency.device("cm2")
    assert second.pull().referrals[told.referral_id].referral == told  # rung, so it may be read
    assert second.send(second.reason(Op.ACCEPT, told.referral_id))[0].outcome is Outcome.ACCEPTED
    states = {(who, state) for who, _, state in rung(agency, "handoff_offered", "handoff_escalated")}
    assert states == {
        ("cm1", "expired"),
        ("p1", "expired"),
        ("cm2", "acknowledged"),
        ("p2", "expired"),
        ("sup", "expired"),
    }
    seen = officer.pull().referrals[told.referral_id]
    assert (seen.case_manager, seen.unanswered_since) == ("CM2", None)


def test_an_answer_ends_the_climb(agency: Agency) -> None:
    officer, manager = agency.device("o1"), agency.device("cm1")
    told = arrest()
    officer.send(officer.create(told))
    manager.send(manager.reason(Op.ACCEPT, told.referral_id))
    agency.service.climb(agency.clock.go(hours=1))
    assert rung(agency, "handoff_escalated", "nobody_answered") == []


def test_the_reviewers_are_rung_until_one_answers(agency: Agency) -> None:
    officer = agency.device("o1")
    told = arrest()
    officer.send(officer.create(told))
    assert [r[0] for r in rung(agency, "sao_review")] == ["sao1"]
    agency.service.climb(agency.clock.go(minutes=5))
    assert [r[0] for r in rung(agency, "sao_review")] == ["sao1", "sao2"]
    assert agency.desk("sao2", Op.SAO_APPROVE, told.referral_id).outcome is Outcome.ACCEPTED
    agency.service.climb(agency.clock.go(minutes=5))
    assert [r[0] for r in rung(agency, "sao_review")] == ["sao1", "sao2"]
    assert officer.pull().referrals[told.referral_id].review is Review.APPROVED
    assert rung(agency, "sao_answered")[-1][0] == "o1"


def test_the_officers_call_is_recorded_and_confirmed_at_the_desk(agency: Agency) -> None:
    officer = agency.device("o1")
    told = arrest()
    called = SaoCall(who="On call", at=agency.clock(), answer=SaoAnswer.APPROVED)
    officer.send(officer.create(told), officer.seal(officer.operation(Op.SAO_CALL, told.referral_id, called, base=1)))
    assert officer.pull().referrals[told.referral_id].review is Review.SUBMITTED
    assert agency.desk("sao1", Op.CONFIRM_SAO_CALL, told.referral_id).outcome is Outcome.ACCEPTED
    assert officer.pull().referrals[told.referral_id].review is Review.APPROVED


def test_a_redirect_rings_the_others_at_once_and_stays_open(agency: Agency) -> None:
    officer, manager = agency.device("o1"), agency.device("cm1")
    told = arrest()
    officer.send(officer.create(told))
    manager.send(manager.reason(Op.REDIRECT, told.referral_id, "full"))
    assert [r[0] for r in rung(agency, "handoff_escalated")] == ["cm2", "p2"]
    assert officer.pull().referrals[told.referral_id].handoff is Handoff.REDIRECTED
    second = agency.device("p2")
    assert second.send(second.reason(Op.ACCEPT, told.referral_id, base=2))[0].outcome is Outcome.ACCEPTED
    assert told.referral_id in manager.pull().gone


def test_a_handoff_that_was_not_completed_can_be_offered_again(agency: Agency) -> None:
    officer = agency.device("o1")
    told = arrest()
    gone = NotCompleted(reason=NotCompletedReason.LEFT)
    officer.send(
        officer.create(told), officer.seal(officer.operation(Op.NOT_COMPLETED, told.referral_id, gone, base=1))
    )
    assert agency.desk("sup", Op.OFFER, told.referral_id).outcome is Outcome.ACCEPTED
    assert len(rung(agency, "handoff_offered")) == 4
    assert officer.pull().referrals[told.referral_id].handoff is Handoff.OFFERED


def test_nobody_is_rung_for_a_refusal_or_a_minor_and_no_name_is_kept(agency: Agency) -> None:
    officer, manager = agency.device("o1"), agency.device("cm1")
    refusal = arrest(willing=Willing.NO)
    minor = arrest(person=Person(birth=Birth(age=16)))
    officer.send(officer.create(refusal), officer.create(minor))
    assert rung(agency) == []
    assert len(officer.pull().referrals) == 2
    assert manager.pull().referrals == {}
    with pytest.raises(Refused):
        agency.service.look(UserId("cm1"), refusal.referral_id)
    with pytest.raises(Refused):
        agency.service.look(UserId("sao1"), refusal.referral_id)


def test_a_birth_date_under_eighteen_loses_the_name_on_receipt(agency: Agency) -> None:
    officer = agency.device("o1")
    born = agency.clock().date() - timedelta(days=365 * 16)
    told = arrest(person=Person(name="Kim Sample", birth=Birth(date=born)))
    officer.send(officer.create(told))
    record = agency.service.look(UserId("sup"), told.referral_id)
    assert record.tally
    assert record.referral is not None
    assert record.referral.person == Person(birth=Birth(age=15))
    assert only(agency, schema.operations)["body"] is None


def test_a_no_that_comes_later_takes_the_offer_back_and_shreds_the_name(agency: Agency) -> None:
    officer, manager = agency.device("o1"), agency.device("cm1")
    told = arrest(person=Person(name="Robin Sample"))
    officer.send(officer.create(told))
    assert told.referral_id in manager.pull().referrals
    before = only(agency)["data_key"]
    changes = {"willing": "no", "person": None}
    (receipt,) = officer.send(
        officer.seal(officer.operation(Op.AMEND, told.referral_id, Amend(changes=changes), base=1))
    )
    assert receipt.outcome is Outcome.ACCEPTED
    assert told.referral_id in manager.pull().gone
    assert only(agency)["data_key"] != before
    assert {row["body"] for row in agency.rows(select(schema.operations))} == {None}
    assert {state for _, _, state in rung(agency, "handoff_offered", "sao_review")} == {"expired"}


def test_one_scene_one_ring(agency: Agency) -> None:
    officer = agency.device("o1")
    officer.send(officer.create(arrest(scene_id="s1")), officer.create(arrest(scene_id="s1")))
    officer.send(officer.create(arrest(scene_id="s1")))
    rings = [n["rings"] for n in exports.notices(agency.engine) if n["kind"] == "handoff_offered"]
    assert (rings.count(True), rings.count(False)) == (2, 4)


def test_a_social_contact_waits_for_the_day_and_a_person_on_the_way_does_not(agency: Agency) -> None:
    officer, manager = agency.device("o1"), agency.device("cm1")
    officer.send(officer.create(social(urgency=Urgency.ROUTINE)))
    assert rung(agency) == [("cm1", "new_social_contact", "staged"), ("p1", "new_social_contact", "staged")]
    assert len(manager.pull().referrals) == 1
    assert manager.replica.notices == {}
    agency.service.climb(agency.clock.go(hours=6))  # 08:10 in Baltimore
    assert [n.kind for n in manager.pull().notices.values()] == [NoticeKind.NEW_SOCIAL_CONTACT]


def test_an_arrest_that_turns_out_to_be_on_the_way_is_offered_then(agency: Agency) -> None:
    officer = agency.device("o1")
    told = arrest(whereabouts=Whereabouts.HOSPITAL)
    officer.send(officer.create(told))
    assert rung(agency, "handoff_offered") == []
    (receipt,) = officer.send(officer.amend(told.referral_id, whereabouts="coming_in"))
    assert (receipt.outcome, receipt.code) == (Outcome.ACCEPTED, None)
    assert [r[0] for r in rung(agency, "handoff_offered")] == ["cm1", "p1"]


def test_a_person_in_lead_already_is_offered_to_their_own_pair_and_the_officer_is_not_told(agency: Agency) -> None:
    officer, own = agency.device("o1"), agency.device("cm2")
    born = Birth(date=agency.clock().date().replace(year=1990))
    known = arrest(person=Person(name="Robin  Sample", birth=born))
    agency.accounts.set_post(Post.DUTY, ["cm2", "p2"])
    officer.send(officer.create(known))
    own.send(own.reason(Op.ACCEPT, known.referral_id))
    agency.accounts.set_post(Post.DUTY, ["cm1", "p1"])
    again = arrest(person=Person(name="SAMPLE, Robin", birth=born))
    officer.send(officer.create(again))
    view = own.pull().referrals[again.referral_id]
    assert Flag.POSSIBLE_DUPLICATE in view.flags
    assert view.mine
    assert Flag.POSSIBLE_DUPLICATE not in officer.pull().referrals[again.referral_id].flags


def test_with_nobody_on_duty_the_on_call_list_is_rung_at_once(agency: Agency) -> None:
    agency.accounts.set_post(Post.DUTY, [])
    officer = agency.device("o1")
    officer.send(officer.create(arrest()))
    assert [r[0] for r in rung(agency, "handoff_escalated")] == ["cm1", "cm2", "p1", "p2"]


# ------------------------------------------------------------------------------------------------ on a call code
def test_a_handoff_on_a_call_code_meets_its_referral_once(agency: Agency) -> None:
    officer, manager = agency.device("o1"), agency.device("cm1")
    told = arrest()
    provisional = agency.service.open_provisional(UserId("sup"), call_code(told.referral_id).lower(), officer.user)
    view = manager.pull().referrals[provisional]
    assert (view.mine, view.referral, view.extra) == (True, None, {"provisional": True})
    manager.send(manager.reason(Op.ACCEPT, provisional))
    agency.clock.go(minutes=50)
    officer.send(officer.create(told))
    seen = officer.pull().referrals[told.referral_id]
    assert (seen.handoff, seen.case_manager) == (Handoff.ACCEPTED, "CM1")
    assert manager.pull().referrals[told.referral_id].referral == told
    assert provisional in manager.replica.gone
    assert len(rung(agency, "handoff_offered")) == 2  # one ring
    agency.service.climb(agency.clock.go(hours=1))
    assert rung(agency, "handoff_escalated") == []
    body = NotCompleted(reason=NotCompletedReason.LEFT)
    late = manager.seal(manager.operation(Op.NOT_COMPLETED, provisional, body, base=2))
    assert manager.send(late)[0].outcome is Outcome.ACCEPTED  # on the old id: it finds the referral
    assert agency.service.look(UserId("sup"), told.referral_id).handoff is Handoff.NOT_COMPLETED


def test_the_notice_of_a_handoff_on_a_call_code_names_the_referral_once_it_is_here(agency: Agency) -> None:
    """T1, case 333: it went on naming the one that was opened on the call code, which is gone from the device."""
    officer, manager = agency.device("o1"), agency.device("cm1")
    told = arrest()
    provisional = agency.service.open_provisional(UserId("sup"), call_code(told.referral_id), officer.user)
    assert {n.referral_id for n in manager.pull().notices.values()} == {provisional}
    officer.send(officer.create(told))
    assert {n.referral_id for n in manager.pull().notices.values()} == {told.referral_id}


def test_what_needs_a_person_goes_along_to_the_referral(agency: Agency) -> None:
    """T1, case 2043: the flag stayed up on the one that was opened on the call code, too, with nothing to decide there."""
    officer, told = agency.device("o1"), arrest()
    provisional = agency.service.open_provisional(UserId("sup"), call_code(told.referral_id), officer.user)
    agency.desk("cm1", Op.INTAKE, provisional, Intake(on=agency.clock().date()), base=1)  # nobody has met them
    officer.send(officer.create(told))
    flags = {row["referral_id"]: row["flags"] for row in agency.rows(select(schema.referrals))}
    assert "needs_attention" in flags[told.referral_id]
    assert flags[provisional] == ""


def test_an_unanswered_handoff_on_a_call_code_goes_on_climbing_as_the_referral(agency: Agency) -> None:
    officer = agency.device("o1")
    told = arrest()
    agency.service.open_provisional(UserId("cm1"), call_code(told.referral_id))
    officer.send(officer.create(told))
    agency.service.climb(agency.clock.go(minutes=3))
    assert {n["referral_id"] for n in exports.notices(agency.engine)} == {told.referral_id}
    assert len(rung(agency, "handoff_escalated")) == 2


def test_what_is_not_plain_is_left_to_a_person(agency: Agency) -> None:
    officer = agency.device("o1")
    told = arrest()
    agency.service.open_provisional(UserId("sup"), call_code(told.referral_id), UserId("o2"))
    officer.send(officer.create(told))
    assert Flag.NEEDS_ATTENTION in officer.pull().referrals[told.referral_id].flags
    assert len(rung(agency, "handoff_offered")) == 4


def test_two_handoffs_that_could_be_meant_are_not_merged(agency: Agency) -> None:
    officer = agency.device("o2")
    told = arrest(for_officer=UserId("o1"))
    for user in ("o1", "o2"):
        agency.service.open_provisional(UserId("sup"), call_code(told.referral_id), UserId(user))
    officer.send(officer.create(told))
    assert Flag.NEEDS_ATTENTION in officer.pull().referrals[told.referral_id].flags
    assert {row["merged_into"] for row in agency.rows(select(schema.referrals))} == {None}


def test_a_call_code_of_a_referral_that_is_here_names_it(agency: Agency) -> None:
    officer = agency.device("o1")
    told = arrest()
    officer.send(officer.create(told))
    assert agency.service.open_provisional(UserId("sup"), call_code(told.referral_id), officer.user) == told.referral_id
    with pytest.raises(Refused):
        agency.service.open_provisional(UserId("o1"), "K7-42")
    with pytest.raises(Refused):
        agency.service.open_provisional(UserId("sup"), "not a code")


# ------------------------------------------------------------------------------------------------ the notice book
def test_one_message_speaks_for_all_notices_of_a_kind(agency: Agency) -> None:
    officer = agency.device("o1")
    agency.channels.add("cm1", "console://cm1")
    officer.send(*(officer.create(arrest()) for _ in range(3)))
    book = agency.book()
    due = agency.take(book)
    assert sorted((d.kind.value, [way.url for way in d.ways]) for d in due) == [
        ("handoff_offered", []), ("handoff_offered", ["console://cm1"]), ("sao_review", []),
    ]  # fmt: skip
    for one in due:
        book.sent(one, agency.clock(), [Tried(channel_id=way.channel_id) for way in one.ways])
    assert {state for _, _, state in rung(agency)} == {"sent"}
    assert agency.take(book) == []


def test_a_notice_that_failed_comes_again_and_one_that_was_answered_does_not(agency: Agency) -> None:
    officer, manager = agency.device("o1"), agency.device("cm1")
    told = arrest()
    officer.send(officer.create(told))
    book = agency.book()
    for one in agency.take(book):
        book.failed(one, agency.clock(), agency.clock() + timedelta(seconds=4), [])
    assert agency.take(book) == []
    manager.send(manager.reason(Op.ACCEPT, told.referral_id))
    again = agency.take(book, agency.clock.go(seconds=5))
    assert {(d.kind, d.attempts) for d in again} == {(NoticeKind.SAO_REVIEW, 1)}


def test_a_notice_expires_in_the_inbox(agency: Agency) -> None:
    officer, manager = agency.device("o1"), agency.device("cm1")
    officer.send(officer.create(arrest()))
    assert not any(n.expired for n in manager.pull().notices.values())
    agency.service.climb(agency.clock.go(hours=24))
    assert all(n.expired for n in manager.pull().notices.values())


def test_a_notice_is_acknowledged_by_its_recipient_only(agency: Agency) -> None:
    officer, manager, peer = agency.device("o1"), agency.device("cm1"), agency.device("p1")
    officer.send(officer.create(arrest()))
    (notice,) = manager.pull().notices.values()
    assert peer.send(peer.acknowledge(notice))[0].outcome is not Outcome.ACCEPTED
    seen = manager.acknowledge(notice)
    assert manager.send(seen)[0].outcome is Outcome.ACCEPTED
    assert manager.send(manager.acknowledge(notice, base=2))[0].outcome is Outcome.ACCEPTED
    assert next(iter(manager.pull().notices.values())).acknowledged_at == agency.clock()


# ------------------------------------------------------------------------------------------------ minute by minute
def test_the_whole_ladder_minute_by_minute_until_a_named_person_answers(agency: Agency) -> None:
    agency.accounts.set_post(Post.ON_CALL, ["cm2"])
    agency.accounts.set_post(Post.SAO, ["sao1", "sao2"])
    for user in ("cm1", "p1", "cm2", "sup", "sao1", "sao2", "o1"):
        agency.channels.add(user, f"console://{user}", hours="sat 10:00-11:00")  # all of them asleep
    officer, told = agency.device("o1"), arrest()
    officer.send(officer.create(told))
    woken: dict[int, set[str]] = {}
    book = agency.book()
    for minute in range(12):
        for one in agency.take(book):
            woken.setdefault(minute, set()).update(way.url.removeprefix("console://") for way in one.ways)
            book.sent(one, agency.clock(), [Tried(channel_id=way.channel_id) for way in one.ways])
        agency.service.climb(agency.clock.go(minutes=1))
    assert woken == {0: {"cm1", "p1", "sao1"}, 3: {"cm2", "o1"}, 5: {"sao2"}, 6: {"sup"}, 10: {"sao1", "sao2"}}
    seen = officer.pull().referrals[told.referral_id]
    assert (seen.handoff, seen.unanswered_since is not None) == (
        Handoff.OFFERED,
        True,
    )  # whom to call, not who answered
    second = agency.device("cm2")
    second.send(second.reason(Op.ACCEPT, told.referral_id))
    seen = officer.pull().referrals[told.referral_id]
    assert (seen.case_manager, seen.unanswered_since) == ("CM2", None)


def test_a_referral_that_comes_late_is_rung_as_late(agency: Agency) -> None:
    officer = agency.device("o1")
    envelope = officer.create(arrest())
    agency.clock.go(hours=4, minutes=30)
    officer.send(envelope)
    late = {one.kind.value: one.late for one in agency.take(agency.book())}
    assert late["handoff_offered"]
    assert Flag.LATE_SYNC in officer.pull().referrals[only(agency)["referral_id"]].flags
