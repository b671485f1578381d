"""The tracks over a real database: votes n of n, no answer, the custody clock, both sides of a meeting, decisions of a person."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from case_system.casefile import CaseFile
from case_system.matters import ADVICE, FLAG_ADVICE, Attention, Trouble
from case_system.store import schema
from referral.codec import from_wire, parse
from referral.custody import CustodyEnd
from referral.decisions import DuplicateDecision, JudgeDuplicate, Resolution, Resolve
from referral.lifecycle import Episode, Handoff, Release, Review
from referral.model import Birth, Person, Place, ReferralId, UserId, Whereabouts
from referral.operations import (
    Close,
    CloseReason,
    ConsentMethod,
    Contact,
    Enrol,
    Intake,
    Met,
    NotCompleted,
    NotCompletedReason,
    Op,
    Reason,
    ReleaseEvent,
    ReleaseOfInformation,
    SaoAnswer,
    SaoCall,
    Vote,
)
from referral.port import Outcome, Refused
from referral.problems import ProblemCode
from referral.views import Flag, Happening, NoticeKind, Side
from tests.support.agency import Agency
from tests.support.device import Device, arrest, social
from tests.support.packs import baltimore_files

ROBIN = Person(name="Robin Sample", birth=Birth(age=34))


def sent(agency: Agency, **fields: Any) -> tuple[Device, ReferralId]:
    """An officer's device, and the arrest that it sent."""
    officer = agency.device("o1")
    told = arrest(**fields)
    officer.send(officer.create(told))
    return officer, told.referral_id


def the_file(agency: Agency, here: str, user: str = "sup") -> CaseFile:
    """What the page of a referral shows."""
    return agency.service.inquiry.case_file(UserId(user), ReferralId(here))


def attention(agency: Agency, user: str = "sup") -> list[tuple[Flag, Trouble | None]]:
    """The list "needs attention" in short."""
    return [(item.flag, item.why) for item in agency.service.inquiry.attention(UserId(user))]


def through_intake(agency: Agency, manager: Device, here: str) -> None:
    """Accepted, met, and the intake done."""
    receipts = manager.send(
        manager.reason(Op.ACCEPT, here),
        manager.seal(manager.operation(Op.MET, here, Met(at=agency.clock()), base=2)),
        manager.seal(manager.operation(Op.INTAKE, here, Intake(on=agency.clock().date()), base=3)),
    )
    assert {r.outcome for r in receipts} == {Outcome.ACCEPTED}


# ------------------------------------------------------------------------------------------------ the review
def test_enrolment_waits_for_the_yes_of_every_voting_partner(agency: Agency) -> None:
    _, here = sent(agency)
    through_intake(agency, agency.device("cm1"), here)
    assert agency.desk("sao1", Op.SAO_APPROVE, here).outcome is Outcome.ACCEPTED
    file = the_file(agency, here)
    assert {v.partner: v.said for v in file.votes} == {
        "bpd": None, "bhsb": None, "sao": True, "opd": None, "dpp": None, "bchd": None,
    }  # fmt: skip
    assert file.votes_missing == file.may_vote == ("bpd", "bhsb", "opd", "dpp", "bchd")
    assert agency.desk("sup", Op.ENROL, here, Enrol()).outcome is Outcome.NEEDS_ATTENTION
    assert attention(agency) == [(Flag.NEEDS_ATTENTION, Trouble.VOTES_MISSING)]
    for partner in file.votes_missing:
        assert (
            agency.desk("sup", Op.PARTNER_VOTE, here, Vote(partner=partner, approve=True)).outcome is Outcome.ACCEPTED
        )
    assert the_file(agency, here).votes_missing == ()
    assert agency.desk("sup", Op.ENROL, here, Enrol()).outcome is Outcome.ACCEPTED
    assert attention(agency) == []  # done since
    assert Flag.NEEDS_ATTENTION not in the_file(agency, here).record.flags


def test_a_partners_no_waits_for_a_person_and_may_be_changed(agency: Agency) -> None:
    _, here = sent(agency)
    agency.desk("sup", Op.PARTNER_VOTE, here, Vote(partner="bpd", approve=False))
    assert attention(agency) == [(Flag.NEEDS_ATTENTION, Trouble.PARTNER_SAID_NO)]
    agency.desk("sup", Op.PARTNER_VOTE, here, Vote(partner="bpd", approve=True))
    assert attention(agency) == []
    assert the_file(agency, here).record.flags == frozenset()


def test_nobody_votes_for_the_prosecutor_on_an_arrest(agency: Agency) -> None:
    _, here = sent(agency)
    for user, partner in (("sup", "sao"), ("sao1", "bpd"), ("sup", "nobody")):
        receipt = agency.desk(user, Op.PARTNER_VOTE, here, Vote(partner=partner, approve=True))
        assert receipt.outcome is Outcome.NEEDS_ATTENTION
    assert all(v.said is None for v in the_file(agency, here).votes)


def test_a_social_contact_is_approved_by_the_last_vote(agency: Agency) -> None:
    officer, manager = agency.device("o1"), agency.device("cm1")
    told = social()
    officer.send(officer.create(told))
    through_intake(agency, manager, told.referral_id)
    agency.desk("sup", Op.ENROL, told.referral_id, Enrol())
    assert attention(agency) == [(Flag.NEEDS_ATTENTION, Trouble.VOTES_MISSING)]
    agency.admit(told.referral_id)
    assert the_file(agency, told.referral_id).record.review is Review.APPROVED
    assert agency.desk("sup", Op.ENROL, told.referral_id, Enrol()).outcome is Outcome.ACCEPTED


def other_pack(**rules: Any) -> dict[str, bytes]:
    """Baltimore's pack with other rules."""
    files = dict(baltimore_files())
    programme = parse(files["programme.json"])
    programme["rules"] |= rules
    return files | {"programme.json": json.dumps(programme).encode()}


def test_where_the_pack_asks_for_no_votes_the_review_is_enough(url: str, tmp_path: Any) -> None:
    agency = Agency.found(url, tmp_path, pack=other_pack(all_partners_vote=False))
    _, here = sent(agency)
    manager = agency.device("cm1")
    through_intake(agency, manager, here)
    agency.desk("sup", Op.ENROL, here, Enrol())
    assert attention(agency) == [(Flag.NEEDS_ATTENTION, Trouble.NO_APPROVAL)]
    agency.desk("sao1", Op.SAO_APPROVE, here)
    assert the_file(agency, here).votes_missing == ()
    assert agency.desk("sup", Op.ENROL, here, Enrol()).outcome is Outcome.ACCEPTED
    contact = social()
    officer = agency.device("o1")
    officer.send(officer.create(contact))
    through_intake(agency, manager, contact.referral_id)
    assert agency.desk("sup", Op.ENROL, contact.referral_id, Enrol()).outcome is Outcome.ACCEPTED  # their own decision
    agency.engine.dispose()


@pytest.mark.parametrize("then", ["meet_pending", "book"])
def test_no_answer_means_what_the_pack_says_and_is_shown(url: str, tmp_path: Any, then: str) -> None:
    agency = Agency.found(url, tmp_path, pack=other_pack(sao_no_answer=then))
    officer, here = sent(agency)
    called = SaoCall(at=agency.clock(), answer=SaoAnswer.NO_ANSWER)
    officer.send(officer.seal(officer.operation(Op.SAO_CALL, here, called, base=1)))
    view = officer.pull().referrals[here]
    assert view.no_answer == then
    assert (view.timeline[-1].what, view.timeline[-1].code, view.timeline[-1].by) == (
        Happening.SAO_NO_ANSWER,
        then,
        None,
    )
    assert view.review is Review.SUBMITTED  # nothing is decided by silence
    agency.desk("sao1", Op.SAO_APPROVE, here)
    assert officer.pull().referrals[here].no_answer is None
    agency.engine.dispose()


def test_the_desk_checks_records_and_sends_to_the_prosecutor_and_again_after_a_no(agency: Agency) -> None:
    _, here = sent(agency)
    assert agency.desk("sup", Op.SEND_TO_SAO, here).outcome is Outcome.ACCEPTED
    assert the_file(agency, here).record.review is Review.SAO_REVIEW
    agency.desk("sao1", Op.SAO_DECLINE, here, Reason(reason="open_case"))
    assert agency.desk("cm1", Op.SEND_TO_SAO, here).outcome is not Outcome.ACCEPTED
    assert agency.desk("sup", Op.SEND_TO_SAO, here, Reason(reason="facts_corrected")).outcome is Outcome.ACCEPTED
    record = the_file(agency, here).record
    assert record.review is Review.SAO_REVIEW
    rounds = agency.rows(select(schema.offers.c.round).where(schema.offers.c.ladder == "sao"))
    assert sorted(row["round"] for row in rounds) == [1, 2]
    contact = social()
    officer = agency.device("o2")
    officer.send(officer.create(contact))
    assert agency.desk("sup", Op.SEND_TO_SAO, contact.referral_id).outcome is Outcome.NEEDS_ATTENTION


# ------------------------------------------------------------------------------------------------ custody and meeting
def test_the_custody_clock_runs_from_the_arrest_until_they_are_met(agency: Agency) -> None:
    began = agency.clock() - timedelta(minutes=12)
    officer, here = sent(agency, occurred_at=began)
    manager = agency.device("cm1")
    clock = officer.pull().referrals[here].custody
    assert clock is not None
    assert (clock.started_at, clock.runs) == (began, True)
    manager.send(manager.reason(Op.ACCEPT, here))
    agency.clock.go(minutes=20)
    manager.send(manager.seal(manager.operation(Op.MET, here, Met(at=agency.clock()), base=2)))
    record = the_file(agency, here).record
    assert (record.custody_until, record.custody_end) == (agency.clock(), CustodyEnd.MET)
    seen = officer.pull().referrals[here].custody
    assert seen is not None
    assert seen.runs  # that the case manager met them is not told to police (42 CFR Part 2)
    officer.send(officer.seal(officer.operation(Op.MET, here, Met(at=agency.clock()), base=3)))
    seen = officer.pull().referrals[here].custody
    assert seen is not None
    assert seen.end is CustodyEnd.MET


def test_the_clock_stops_when_they_are_booked_and_runs_again_when_that_was_wrong(agency: Agency) -> None:
    officer, here = sent(agency)
    agency.clock.go(minutes=5)
    officer.send(officer.amend(here, whereabouts="booked"))
    assert the_file(agency, here).record.custody_end is CustodyEnd.BOOKED
    officer.send(officer.amend(here, base=2, whereabouts="coming_in"))
    record = the_file(agency, here).record
    assert (record.custody_until, record.custody_end) == (None, None)
    _, booked = sent(agency, whereabouts=Whereabouts.BOOKED)
    assert the_file(agency, booked).record.custody is None
    officer.send(officer.reason(Op.WITHDRAW, here, base=3))
    assert the_file(agency, here).record.custody_end is CustodyEnd.CLOSED


def test_an_offer_after_a_handoff_that_failed_starts_the_clock_again(agency: Agency) -> None:
    officer, here = sent(agency)
    left = NotCompleted(reason=NotCompletedReason.LEFT)
    officer.send(officer.seal(officer.operation(Op.NOT_COMPLETED, here, left, base=1)))
    assert the_file(agency, here).record.custody_end is CustodyEnd.NOT_COMPLETED
    agency.desk("sup", Op.OFFER, here)
    file = the_file(agency, here)
    assert (file.record.handoff, file.record.custody_until) == (Handoff.OFFERED, None)
    assert [line.code for line in file.timeline if line.what is Happening.OFFERED] == ["on_duty", "offered_again"]


def test_both_sides_confirm_a_meeting_and_who_is_missing_is_seen(agency: Agency) -> None:
    officer, here = sent(agency)
    manager = agency.device("cm1")
    manager.send(manager.reason(Op.ACCEPT, here))
    officer.send(officer.seal(officer.operation(Op.MET, here, Met(at=agency.clock()), base=2)))
    record = the_file(agency, here).record
    assert (record.met_by, record.met_lacks) == ((Side.OFFICER,), (Side.CASE_MANAGER,))
    assert manager.pull().referrals[here].met_by == (Side.OFFICER,)
    manager.send(manager.seal(manager.operation(Op.MET, here, Met(at=agency.clock()), base=3)))
    record = the_file(agency, here).record
    assert (record.met_by, record.met_lacks) == ((Side.OFFICER, Side.CASE_MANAGER), ())
    assert officer.pull().referrals[here].met_by == (Side.OFFICER,)  # and no more, without a release


def test_a_late_referral_asks_whether_they_were_met_until_somebody_says_so(agency: Agency) -> None:
    officer = agency.device("o1")
    told = arrest()
    late = officer.create(told)
    agency.clock.go(hours=4, minutes=30)
    officer.send(late)
    assert the_file(agency, told.referral_id).late == "Recorded 02:10, received 06:40. Check whether they were met."
    assert attention(agency) == [(Flag.LATE_SYNC, None)]
    were_met = Resolve(flag=Flag.LATE_SYNC, decision=Resolution.WERE_MET)
    assert agency.desk("sup", Op.RESOLVE, told.referral_id, were_met).outcome is Outcome.ACCEPTED
    file = the_file(agency, told.referral_id)
    assert (file.late, attention(agency)) == (None, [])
    assert (file.timeline[-1].what, file.timeline[-1].code) == (Happening.RESOLVED, "were_met")


# ------------------------------------------------------------------------------------------------ needs attention
def test_what_needs_attention_says_which_step_whose_why_and_what_to_do_and_a_person_clears_it(agency: Agency) -> None:
    _, here = sent(agency)
    first = agency.device("cm1")
    first.send(first.reason(Op.ACCEPT, here))
    first.send(first.seal(first.operation(Op.MET, here, Met(at=agency.clock()), base=2)))
    receipt = agency.desk("sup", Op.REDIRECT, here, Reason(reason="too_far"))
    assert receipt.outcome is Outcome.NEEDS_ATTENTION
    (item,) = agency.service.inquiry.attention(UserId("sup"))
    assert isinstance(item, Attention)
    assert (item.op, item.by, item.at, item.stood) == (Op.REDIRECT, "SUP", agency.clock(), "handoff:met")
    assert (item.advice, item.decisions) == (
        ADVICE[Trouble.STEP_DOES_NOT_FIT], (Resolution.SETTLED, Resolution.NOT_NEEDED),
    )  # fmt: skip
    assert attention(agency, "cm1") == [(Flag.NEEDS_ATTENTION, Trouble.STEP_DOES_NOT_FIT)]
    assert attention(agency, "cm2") == attention(agency, "sao1") == []
    settled = Resolve(flag=Flag.NEEDS_ATTENTION, decision=Resolution.SETTLED)
    assert agency.desk("cm2", Op.RESOLVE, here, settled).code is ProblemCode.NOT_PERMITTED
    assert agency.desk("cm1", Op.RESOLVE, here, settled).outcome is Outcome.ACCEPTED
    assert attention(agency) == []
    (row,) = agency.rows(select(schema.matters))
    assert (row["decision"], row["settled_by"], row["settled_at"]) == ("settled", "cm1", agency.clock())
    done = [r for r in agency.rows(select(schema.audit)) if r["action"] == "resolve"]
    assert [(r["actor"], r["outcome"]) for r in done] == [("cm2", "refused"), ("cm1", "accepted")]
    notices = agency.rows(select(schema.notices).where(schema.notices.c.kind == NoticeKind.NEEDS_ATTENTION.value))
    assert {row["state"] for row in notices} == {"expired"}


def test_a_flag_that_is_not_there_cannot_be_cleared(agency: Agency) -> None:
    _, here = sent(agency)
    stays = Resolve(flag=Flag.WITHDRAWAL_ASKED, decision=Resolution.STAYS)
    assert agency.desk("sup", Op.RESOLVE, here, stays).outcome is Outcome.NEEDS_ATTENTION
    assert attention(agency) == [(Flag.NEEDS_ATTENTION, Trouble.NOT_FLAGGED)]


def test_only_a_supervisor_answers_a_wish_to_withdraw(agency: Agency) -> None:
    officer, here = sent(agency)
    manager = agency.device("cm1")
    manager.send(manager.reason(Op.ACCEPT, here))
    officer.send(officer.reason(Op.ASK_WITHDRAWAL, here, "recorded_by_mistake", base=2))
    stays = Resolve(flag=Flag.WITHDRAWAL_ASKED, decision=Resolution.STAYS)
    assert agency.desk("cm1", Op.RESOLVE, here, stays).code is ProblemCode.NOT_PERMITTED
    assert [item.decisions for item in agency.service.inquiry.attention(UserId("cm1"))] == [()]
    assert agency.desk("sup", Op.RESOLVE, here, stays).outcome is Outcome.ACCEPTED
    assert Flag.WITHDRAWAL_ASKED not in officer.pull().referrals[here].flags


@pytest.mark.parametrize(("decision", "language"), [(Resolution.FIRST_STANDS, "es"), (Resolution.LATER_STANDS, "fr")])
def test_of_two_answers_a_person_chooses_which_one_stands(agency: Agency, decision: Resolution, language: str) -> None:
    phone, tablet = agency.device("o1"), agency.device("o1")
    told = arrest()
    phone.send(phone.create(told))
    phone.send(phone.amend(told.referral_id, language="es"))
    tablet.send(tablet.amend(told.referral_id, language="fr"))
    record = the_file(agency, told.referral_id).record
    assert record.referral is not None
    assert (record.referral.language, Flag.PARALLEL_UPDATE in record.flags) == ("es", True)
    chosen = Resolve(flag=Flag.PARALLEL_UPDATE, decision=decision)
    assert agency.desk("sup", Op.RESOLVE, told.referral_id, chosen).outcome is Outcome.ACCEPTED
    record = the_file(agency, told.referral_id).record
    assert record.referral is not None
    assert (record.referral.language, record.flags) == (language, frozenset())
    assert not any(amendment.parallel for amendment in record.amendments)


def test_there_is_advice_for_everything_that_can_need_attention() -> None:
    assert set(ADVICE) == set(Trouble)
    assert set(FLAG_ADVICE) >= {*Flag} - {Flag.OUTSIDE_ZONE, Flag.OVERRIDE, Flag.AWAITING_INFO}


def test_what_arrives_for_a_closed_referral_is_not_forgotten(agency: Agency) -> None:
    officer, here = sent(agency)
    agency.desk("sup", Op.CLOSE, here, Close(reason=CloseReason.NO_CONTACT))
    officer.send(officer.amend(here, incident_number="26-0001"))
    assert attention(agency) == [(Flag.NEEDS_ATTENTION, Trouble.CLOSED)]


def test_three_tries_that_reach_nobody_count_as_out_of_touch(agency: Agency) -> None:
    _, here = sent(agency)
    manager = agency.device("cm1")
    manager.send(manager.reason(Op.ACCEPT, here))

    def tried(reached: bool, base: int) -> None:
        body = Contact(at=agency.clock(), reached=reached)
        manager.send(manager.seal(manager.operation(Op.CONTACT, here, body, base=base)))

    for n in range(3):
        assert Flag.OUT_OF_TOUCH not in the_file(agency, here).record.flags
        tried(False, 2 + n)
    assert Flag.OUT_OF_TOUCH in the_file(agency, here).record.flags
    tried(True, 5)
    assert Flag.OUT_OF_TOUCH not in the_file(agency, here).record.flags


def test_whoever_clears_out_of_touch_gives_three_new_tries(agency: Agency) -> None:
    _, here = sent(agency)
    missed = Contact(at=agency.clock(), reached=False)
    agency.desk("cm1", Op.ACCEPT, here)
    for _ in range(3):
        agency.desk("cm1", Op.CONTACT, here, missed)
    found = Resolve(flag=Flag.OUT_OF_TOUCH, decision=Resolution.FOUND_AGAIN)
    assert agency.desk("cm1", Op.RESOLVE, here, found).outcome is Outcome.ACCEPTED
    flagged = []
    for _ in range(3):
        agency.desk("cm1", Op.CONTACT, here, missed)
        flagged.append(Flag.OUT_OF_TOUCH in the_file(agency, here).record.flags)
    assert flagged == [False, False, True]


def test_what_is_reopened_has_no_reason_and_no_pair_any_more(agency: Agency) -> None:
    _, here = sent(agency)
    through_intake(agency, agency.device("cm1"), here)
    agency.admit(here)
    assert agency.desk("sup", Op.ENROL, here, Enrol()).outcome is Outcome.ACCEPTED
    agency.desk("sup", Op.CLOSE, here, Close(reason=CloseReason.MOVED))
    closed = the_file(agency, here).record
    assert (closed.episode, closed.close_reason, closed.pair) == (Episode.CLOSED, "moved", "west")
    assert agency.desk("sup", Op.REOPEN, here, Reason(reason="came_back")).outcome is Outcome.ACCEPTED
    record = the_file(agency, here).record
    assert (record.episode, record.close_reason, record.pair, record.pair_why) == (Episode.OPEN, None, None, None)


def test_a_review_that_begins_again_rings_the_prosecutor_again(agency: Agency) -> None:
    _, here = sent(agency)

    def rounds() -> set[int]:
        n = schema.notices
        rows = agency.rows(select(n.c.round).where(n.c.kind == NoticeKind.SAO_REVIEW.value, n.c.recipient == "sao1"))
        return {row["round"] for row in rows}

    agency.desk("sao1", Op.SAO_DECLINE, here)
    once = rounds()
    assert agency.desk("sup", Op.SEND_TO_SAO, here, Reason(reason="new_facts")).outcome is Outcome.ACCEPTED
    assert rounds() > once


def test_flags_follow_what_is_corrected(agency: Agency) -> None:
    inside = {"text": "300 W Lexington St", "lat": 39.2915, "lon": -76.6203, "source": "picked"}
    outside = {"text": "Far Away Rd", "lat": 39.36, "lon": -76.7, "source": "picked"}
    officer, here = sent(agency, place=from_wire(Place, outside))
    assert Flag.OUTSIDE_ZONE in the_file(agency, here).record.flags
    officer.send(officer.amend(here, place=inside))
    assert Flag.OUTSIDE_ZONE not in the_file(agency, here).record.flags
    officer.send(officer.amend(here, base=2, place=outside))
    assert Flag.OUTSIDE_ZONE in the_file(agency, here).record.flags


def test_the_same_form_sent_as_new_once_more_changes_nothing_and_another_is_looked_at(agency: Agency) -> None:
    officer = agency.device("o1")
    told = arrest(person=ROBIN)
    officer.send(officer.create(told))
    for other, outcome in ((told, Outcome.ACCEPTED), (replace(told, language="es"), Outcome.NEEDS_ATTENTION)):
        assert officer.send(officer.create(other))[0].outcome is outcome
        record = the_file(agency, told.referral_id).record
        assert (Flag.PARALLEL_UPDATE in record.flags) is (outcome is Outcome.NEEDS_ATTENTION)
        assert record.referral is not None
        assert record.referral.language is None


# ------------------------------------------------------------------------------------------------ likenesses
def two_alike(agency: Agency) -> tuple[ReferralId, ReferralId]:
    """Two referrals with one name and birth."""
    born = Birth(date=agency.clock().date().replace(year=1990))
    person = Person(name="Robin Sample", birth=born)
    officer = agency.device("o1")
    first, second = arrest(person=person), arrest(person=person)
    officer.send(officer.create(first))
    agency.clock.go(hours=3)
    officer.send(officer.create(second))
    return first.referral_id, second.referral_id


def test_a_likeness_is_shown_side_by_side_and_decided_once(agency: Agency) -> None:
    first, second = two_alike(agency)
    (pair,) = agency.service.inquiry.likenesses(UserId("sup"))
    assert (pair.later, pair.earlier) == (second, first)
    both = agency.service.inquiry.side_by_side(UserId("sup"), second, first)
    assert both.later is not None
    assert both.earlier is not None
    assert both.later.referral is not None
    assert both.later.referral.person == both.earlier.referral.person  # type: ignore[union-attr]
    with_less = agency.service.inquiry.side_by_side(UserId("sao1"), second, first)
    assert with_less.later is not None
    assert with_less.later.referral is not None
    assert with_less.later.referral.reach is None
    assert the_file(agency, second).alike == (first,)
    judged = JudgeDuplicate(other=first, decision=DuplicateDecision.DIFFERENT_PEOPLE)
    assert agency.desk("sup", Op.JUDGE_DUPLICATE, second, judged).outcome is Outcome.ACCEPTED
    assert agency.service.inquiry.likenesses(UserId("sup")) == ()
    officer = agency.device("o1")
    officer.send(officer.amend(second, base=2, incident_number="26-0001"))
    officer.send(officer.amend(second, base=3, person={"name": "Robin  SAMPLE"}))
    assert Flag.POSSIBLE_DUPLICATE not in the_file(agency, second).record.flags
    again = agency.desk("sup", Op.JUDGE_DUPLICATE, second, judged)
    assert again.outcome is Outcome.NEEDS_ATTENTION  # nothing is flagged any more


def test_what_was_recorded_twice_is_closed_as_a_duplicate(agency: Agency) -> None:
    first, second = two_alike(agency)
    judged = JudgeDuplicate(other=first, decision=DuplicateDecision.SAME_EVENT)
    assert agency.desk("sup", Op.JUDGE_DUPLICATE, second, judged).outcome is Outcome.ACCEPTED
    record = the_file(agency, second).record
    assert (record.episode, record.close_reason, record.flags) == (Episode.CLOSED, "duplicate", frozenset())
    assert the_file(agency, first).record.episode is Episode.OPEN
    officer = agency.device("o1")
    view = officer.pull().referrals[second]
    assert (view.episode, Happening.DUPLICATE_JUDGED in {line.what for line in view.timeline}) == (Episode.OPEN, False)


def test_one_person_with_two_events_is_counted_once_and_two_people_twice(agency: Agency) -> None:
    first, second = two_alike(agency)
    manager = agency.device("cm1")
    for here in (first, second):
        through_intake(agency, manager, here)
        agency.admit(here)
        assert agency.desk("sup", Op.ENROL, here, Enrol()).outcome is Outcome.ACCEPTED

    def counted() -> int:
        rows = agency.rows(select(schema.pairs.c.enrolled).where(schema.pairs.c.pair == "west"))
        return int(rows[0]["enrolled"])

    assert counted() == 1
    apart = JudgeDuplicate(other=first, decision=DuplicateDecision.DIFFERENT_PEOPLE)
    assert agency.desk("sup", Op.JUDGE_DUPLICATE, second, apart).outcome is Outcome.ACCEPTED
    assert counted() == 2
    for here in (first, second):
        agency.desk("sup", Op.CLOSE, here, Close(reason=CloseReason.MOVED))
    assert counted() == 0


def test_a_likeness_that_is_gone_can_be_cleared_and_one_that_is_there_cannot(agency: Agency) -> None:
    first, second = two_alike(agency)
    gone = Resolve(flag=Flag.POSSIBLE_DUPLICATE, decision=Resolution.NOT_NEEDED)
    assert agency.desk("sup", Op.RESOLVE, second, gone).outcome is Outcome.NEEDS_ATTENTION
    agency.desk("sup", Op.CLOSE, first, Close(reason=CloseReason.MOVED))
    assert agency.desk("sup", Op.RESOLVE, second, gone).outcome is Outcome.ACCEPTED
    assert Flag.POSSIBLE_DUPLICATE not in the_file(agency, second).record.flags


# ------------------------------------------------------------------------------------------------ consent
def test_consent_says_how_it_was_given_and_ends_with_its_last_day(agency: Agency) -> None:
    officer, here = sent(agency)
    manager = agency.device("cm1")
    manager.send(manager.reason(Op.ACCEPT, here))
    signed = ReleaseOfInformation(
        event=ReleaseEvent.SIGNED, parties=("police",), scope=("intake",), method=ConsentMethod.ON_PAPER,
        expires_on=agency.clock().date() + timedelta(days=1),
    )  # fmt: skip
    manager.send(manager.seal(manager.operation(Op.RELEASE, here, signed, base=2)))
    (row,) = agency.rows(select(schema.releases))
    assert (row["method"], row["scope"], row["parties"]) == ("on_paper", "intake", "police")
    agency.service.climb(agency.clock.go(days=2))
    assert the_file(agency, here).record.release is Release.EXPIRED
    last = the_file(agency, here).timeline[-1]
    assert (last.what, last.code, last.by) == (Happening.RELEASE_CHANGED, "expired", None)
    assert officer.pull().referrals[here].timeline[-1].what is not Happening.RELEASE_CHANGED


def test_the_file_of_a_referral_is_for_who_may_look(agency: Agency) -> None:
    _, here = sent(agency, person=ROBIN)
    with pytest.raises(Refused):
        the_file(agency, here, "o1")
    evaluated = the_file(agency, here, "eva")
    assert evaluated.record.referral is not None
    assert evaluated.record.referral.person.name is None
    reviewer = the_file(agency, here, "sao1")
    assert (reviewer.may_vote, reviewer.attention) == (("sao",), ())
