"""What each reader sees, and what is kept at rest: need to know, never more."""

from __future__ import annotations

import gzip
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from case_system.grants import Relation
from case_system.store import backup, schema
from referral.codec import canonical, to_wire
from referral.lifecycle import Episode, Handoff, Release
from referral.model import Birth, Person, Place, PlaceSource, Reach, ReachHow, UserId, Willing
from referral.operations import (
    Close,
    CloseReason,
    Contact,
    Enrol,
    Intake,
    Met,
    NotCompleted,
    NotCompletedReason,
    Op,
    ReleaseEvent,
    ReleaseOfInformation,
)
from referral.port import Outcome, Refused
from referral.views import Flag, Happening
from tests.support.agency import Agency
from tests.support.device import Device, arrest, social

CANARIES = ("Zebedee", "Quillfeather", "LEXINGTON", "443-555-0199", "greencoat")


def told_in_full() -> Person:
    """A person whose every field is easy to find again."""
    return Person(name="Zebedee Quillfeather", descriptor="greencoat", birth=Birth(date=date(1990, 5, 2)))


def enrolled(agency: Agency, officer: Device, manager: Device) -> str:
    """A referral taken all the way to enrolment; its id."""
    told = arrest(
        person=told_in_full(),
        place=Place(text="300 W LEXINGTON ST", source=PlaceSource.TYPED),
        reach=Reach(how=ReachHow.PHONE, detail="443-555-0199"),
    )
    here = told.referral_id
    officer.send(officer.create(told))
    steps = [
        manager.reason(Op.ACCEPT, here, base=1),
        manager.seal(manager.operation(Op.MET, here, Met(at=agency.clock()), base=2)),
        manager.seal(manager.operation(Op.INTAKE, here, Intake(on=agency.clock().date()), base=3)),
        manager.seal(manager.operation(Op.CONTACT, here, Contact(at=agency.clock(), reached=True), base=4)),
    ]
    assert {r.outcome for r in manager.send(*steps)} == {Outcome.ACCEPTED}
    agency.admit(here)
    assert agency.desk("sup", Op.ENROL, here, Enrol()).outcome is Outcome.ACCEPTED
    return here


def test_an_officer_sees_nothing_clinical_and_no_person(agency: Agency) -> None:
    officer, manager = agency.device("o1"), agency.device("cm1")
    here = enrolled(agency, officer, manager)
    agency.desk("cm1", Op.CLOSE, here, Close(reason=CloseReason.COMPLETED))
    seen = officer.pull().referrals[here]
    assert (seen.handoff, seen.episode, seen.release) == (Handoff.ACCEPTED, Episode.OPEN, Release.NONE)
    assert {line.what for line in seen.timeline} == {
        Happening.RECEIVED, Happening.OFFERED, Happening.ACCEPTED, Happening.SAO_APPROVED,
    }  # fmt: skip
    wire = canonical(to_wire(seen)).decode()
    assert not [canary for canary in CANARIES if canary in wire]


def test_an_officer_sees_how_far_the_handoff_is(agency: Agency) -> None:
    officer, manager = agency.device("o1"), agency.device("cm1")
    told = arrest()
    officer.send(officer.create(told))
    assert officer.pull().referrals[told.referral_id].handoff is Handoff.OFFERED
    manager.send(manager.reason(Op.ACCEPT, told.referral_id))
    assert officer.pull().referrals[told.referral_id].handoff is Handoff.ACCEPTED
    nobody = NotCompleted(reason=NotCompletedReason.LEFT)
    manager.send(manager.seal(manager.operation(Op.NOT_COMPLETED, told.referral_id, nobody, base=2)))
    assert officer.pull().referrals[told.referral_id].handoff is Handoff.NOT_COMPLETED


def test_met_shows_once_the_officer_said_so_too(agency: Agency) -> None:
    officer, manager = agency.device("o1"), agency.device("cm1")
    here = enrolled(agency, officer, manager)
    assert officer.pull().referrals[here].handoff is Handoff.ACCEPTED
    officer.send(officer.seal(officer.operation(Op.MET, here, Met(at=agency.clock()), base=5)))
    assert officer.pull().referrals[here].handoff is Handoff.MET


def test_a_signed_release_that_names_police_opens_intake_and_closing_until_it_ends(agency: Agency) -> None:
    officer, manager = agency.device("o1"), agency.device("cm1")
    here = enrolled(agency, officer, manager)
    last_day = agency.clock().date()
    signed = ReleaseOfInformation(
        event=ReleaseEvent.SIGNED, parties=("police",), scope=("status",), expires_on=last_day
    )
    (receipt,) = manager.send(manager.seal(manager.operation(Op.RELEASE, here, signed, base=5)))
    assert receipt.outcome is Outcome.ACCEPTED
    seen = officer.pull().referrals[here]
    assert (seen.handoff, seen.episode, seen.release) == (Handoff.INTAKE_COMPLETE, Episode.ENROLLED, Release.SIGNED)
    assert Happening.CONTACTED not in {line.what for line in seen.timeline}
    agency.service.climb(agency.clock.go(days=1))
    seen = officer.pull().referrals[here]
    assert (seen.handoff, seen.release) == (Handoff.ACCEPTED, Release.NONE)


def test_a_release_that_arrives_after_its_last_day_opens_nothing(agency: Agency) -> None:
    officer, manager = agency.device("o1"), agency.device("cm1")
    here = enrolled(agency, officer, manager)
    yesterday = agency.clock().date() - timedelta(days=1)
    signed = ReleaseOfInformation(
        event=ReleaseEvent.SIGNED, parties=("police",), scope=("status",), expires_on=yesterday
    )
    (receipt,) = manager.send(manager.seal(manager.operation(Op.RELEASE, here, signed, base=5)))
    assert receipt.outcome is Outcome.ACCEPTED
    seen = officer.pull().referrals[here]
    assert (seen.handoff, seen.episode, seen.release) == (Handoff.ACCEPTED, Episode.OPEN, Release.NONE)


def test_another_party_on_the_release_opens_nothing_to_police(agency: Agency) -> None:
    officer, manager = agency.device("o1"), agency.device("cm1")
    here = enrolled(agency, officer, manager)
    last_day = agency.clock().date().replace(year=2027)
    signed = ReleaseOfInformation(
        event=ReleaseEvent.SIGNED, parties=("clinic",), scope=("status",), expires_on=last_day
    )
    manager.send(manager.seal(manager.operation(Op.RELEASE, here, signed, base=5)))
    assert officer.pull().referrals[here].handoff is Handoff.ACCEPTED


def test_only_the_pair_reads_the_referral_after_acceptance(agency: Agency) -> None:
    officer, manager, peer, other = (agency.device(user) for user in ("o1", "cm1", "p1", "cm2"))
    told = arrest(person=told_in_full())
    officer.send(officer.create(told))
    agency.service.climb(agency.clock.go(minutes=3))
    assert other.pull().referrals[told.referral_id].referral == told
    manager.send(manager.reason(Op.ACCEPT, told.referral_id))
    assert other.pull().gone == {told.referral_id}
    assert peer.pull().referrals[told.referral_id].referral == told
    with pytest.raises(Refused):
        agency.service.look(UserId("cm2"), told.referral_id)


def test_a_withdrawn_referral_is_gone_for_the_pair(agency: Agency) -> None:
    officer, manager = agency.device("o1"), agency.device("cm1")
    told = arrest()
    officer.send(officer.create(told))
    assert told.referral_id in manager.pull().referrals
    officer.send(officer.reason(Op.WITHDRAW, told.referral_id))
    assert manager.pull().gone == {told.referral_id}
    assert officer.pull().referrals[told.referral_id].episode is Episode.CLOSED


def test_after_acceptance_a_withdrawal_is_asked_for(agency: Agency) -> None:
    officer, manager = agency.device("o1"), agency.device("cm1")
    told = arrest()
    officer.send(officer.create(told))
    manager.send(manager.reason(Op.ACCEPT, told.referral_id))
    assert officer.send(officer.reason(Op.WITHDRAW, told.referral_id))[0].outcome is Outcome.NEEDS_ATTENTION
    assert officer.send(officer.reason(Op.ASK_WITHDRAWAL, told.referral_id, base=2))[0].outcome is Outcome.ACCEPTED
    assert Flag.WITHDRAWAL_ASKED in manager.pull().referrals[told.referral_id].flags


def test_a_reviewer_never_sees_note_descriptor_or_reach_and_every_look_is_audited(agency: Agency) -> None:
    officer = agency.device("o1")
    told = arrest(person=told_in_full(), reach=Reach(how=ReachHow.PHONE, detail="443-555-0199"))
    contact = social(person=told_in_full(), note="greencoat at noon")
    officer.send(officer.create(told), officer.create(contact))
    seen = agency.service.look(UserId("sao1"), told.referral_id).referral
    assert seen is not None
    assert (seen.person.name, seen.person.descriptor, seen.reach) == ("Zebedee Quillfeather", None, None)
    evaluated = agency.service.look(UserId("eva"), told.referral_id).referral
    assert evaluated is not None
    assert (evaluated.person, evaluated.place) == (Person(), None)
    with pytest.raises(Refused):
        agency.service.look(UserId("sao1"), contact.referral_id)
    looks = [r for r in agency.rows(select(schema.audit)) if r["action"] == "look"]
    assert [(r["actor"], r["outcome"]) for r in looks] == [("sao1", "done"), ("eva", "done"), ("sao1", "refused")]


def test_nothing_readable_about_a_person_is_at_rest(agency: Agency, tmp_path: Path) -> None:
    officer, manager = agency.device("o1"), agency.device("cm1")
    here = enrolled(agency, officer, manager)
    officer.send(officer.amend(here, base=7, incident_number="greencoat"))
    agency.channels.add("cm1", "mailtos://greencoat:secret@mail.example")
    backup.write(agency.engine, tmp_path / "backup.gz", clock=agency.clock)
    found = gzip.decompress((tmp_path / "backup.gz").read_bytes())
    for path in tmp_path.rglob("case.db*"):
        found += path.read_bytes()
    assert not [canary for canary in CANARIES if canary.encode() in found or canary.encode("utf-16-le") in found]


def test_deleting_the_wrapped_key_shreds_the_record(agency: Agency) -> None:
    officer = agency.device("o1")
    told = arrest(person=told_in_full())
    officer.send(officer.create(told))
    with agency.engine.begin() as db:
        db.execute(schema.referrals.update().values(data_key=None))
    record = agency.service.look(UserId("sup"), told.referral_id)
    assert (record.referral, record.handoff) == (None, Handoff.OFFERED)


def test_the_board_lists_what_is_ones_own_to_do_and_opens_nothing(agency: Agency) -> None:
    officer, manager = agency.device("o1"), agency.device("cm1")
    waiting, taken, refused = arrest(person=told_in_full()), arrest(), arrest(willing=Willing.NO)
    officer.send(*(officer.create(told) for told in (waiting, taken, refused)))
    manager.send(manager.reason(Op.ACCEPT, taken.referral_id))
    both = {waiting.referral_id, taken.referral_id}

    def handoffs(user: str) -> set[str]:
        return {r.referral_id for r in agency.service.board(UserId(user)).records("incoming", "with_you")}

    assert (handoffs("sup"), handoffs("cm1"), handoffs("cm2")) == (both, both, {waiting.referral_id})
    assert handoffs("sao1") == handoffs("eva") == handoffs("o1") == set()
    board = agency.service.board(UserId("sao1"))
    assert {r.referral_id for r in board.records("reviews")} == both
    (open_one,) = agency.service.board(UserId("cm1")).lists["incoming"]
    assert open_one.record.referral is None
    assert open_one.rung == {UserId("cm1"), UserId("p1")}
    assert Relation.HOLDS in open_one.relations
    assert open_one.next_ring_at == agency.clock() + timedelta(minutes=3)
    manager.send(manager.reason(Op.ACCEPT, refused.referral_id), manager.reason(Op.REDIRECT, taken.referral_id, base=2))
    late = agency.device("p1")
    late.send(late.reason(Op.ACCEPT, waiting.referral_id))
    manager.send(manager.reason(Op.ACCEPT, waiting.referral_id))
    assert [r.referral_id for r in agency.service.board(UserId("sup")).records("attention")] == [waiting.referral_id]
