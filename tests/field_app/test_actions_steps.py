"""Steps on a referral: made offline, shown at once, delivered in order, and refused only where they surely cannot be."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from field_app.outcomes import Saved, Trouble
from field_app.snapshot import Delivery
from field_app.steps import difference
from referral.lifecycle import Episode, Handoff, Release, Review
from referral.model import ReferralId, Whereabouts
from referral.operations import Amend, CloseReason, NotCompletedReason, Op, ReleaseEvent, SaoAnswer, merge
from referral.port import Change, ChangeKind
from referral.problems import ProblemCode
from referral.views import Flag, Happening
from tests.support.agency import Agency
from tests.support.station import PIN, Station

R = ReferralId("r-1")


def offered(officer: Station, manager: Station) -> None:
    """An arrest on the way, offered to the duty pair, and pulled by both."""
    officer.save(referral_id=R)
    officer.actions.sync_now()
    manager.actions.sync_now()


def test_accepted_met_and_taken_in(officer: Station, manager: Station) -> None:
    offered(officer, manager)
    (offer,) = manager.actions.snapshot().inbox
    assert (offer.referral_id, offer.title, offer.handoff) == (R, "Ann Example", Handoff.OFFERED)
    assert Op.ACCEPT in manager.actions.detail(R).steps
    manager.line.up = False
    assert isinstance(manager.actions.accept(R), Saved)
    shot = manager.actions.snapshot()
    assert shot.inbox == ()
    assert [(row.handoff, row.mine, row.delivery) for row in shot.referrals] == [
        (Handoff.ACCEPTED, True, Delivery.WAITING)
    ]
    assert manager.actions.detail(R).pending == (Op.ACCEPT,)
    assert isinstance(manager.actions.met(R), Saved)
    assert isinstance(manager.actions.intake(R, date(2026, 3, 3)), Saved)
    assert manager.actions.snapshot().referrals[0].handoff is Handoff.INTAKE_COMPLETE
    manager.open_again()
    assert manager.actions.snapshot().referrals[0].handoff is Handoff.INTAKE_COMPLETE
    manager.line.up = True
    counts = manager.actions.sync_now()
    assert (counts.sent, counts.accepted) == (3, 3)
    assert manager.actions.detail(R).pending == ()
    assert manager.actions.snapshot().referrals[0].handoff is Handoff.INTAKE_COMPLETE
    officer.actions.sync_now()
    row = officer.actions.snapshot().referrals[0]
    assert row.case_manager == "CM1"
    happened = [entry.what for entry in officer.actions.detail(R).timeline]
    assert happened[:3] == [Happening.RECEIVED, Happening.OFFERED, Happening.ACCEPTED]


def test_what_was_received_and_is_not_shown_yet_stays_on_top(officer: Station, manager: Station) -> None:
    offered(officer, manager)
    manager.actions.accept(R)
    manager.actions.lock()
    assert manager.actions.sync_now().accepted == 1  # shut: receipts, and no news
    manager.line.up = False
    manager.actions.unlock(PIN)
    shot = manager.actions.snapshot()
    assert (shot.inbox, shot.referrals[0].handoff, shot.referrals[0].delivery) == (
        (),
        Handoff.ACCEPTED,
        Delivery.ACCEPTED,
    )
    manager.line.up = True
    manager.actions.sync_now()
    assert manager.actions.detail(R).pending == ()
    assert manager.actions.snapshot().referrals[0].handoff is Handoff.ACCEPTED


def test_what_was_not_received_stays_though_others_went_on(officer: Station, manager: Station) -> None:
    offered(officer, manager)
    officer.actions.amend(R, {"incident_number": "26C01234"})
    session = officer.device.session
    assert session is not None
    view = session.holdings.view(R, whole=True)
    assert view is not None
    change = Change(seq=99, kind=ChangeKind.REFERRAL, referral=replace(view, revision=view.revision + 5))
    with session.records.write() as page:
        session.apply(page, [change], reset=False)
    session.holdings.follow()
    assert officer.actions.detail(R).pending == (Op.AMEND,)
    assert session.holdings.next_base(R) == view.revision + 5


def test_steps_on_an_unsent_referral_stand_on_each_other(officer: Station) -> None:
    officer.line.up = False
    officer.save(referral_id=R)
    officer.actions.amend(R, {"incident_number": "26C01234"})
    officer.actions.sao_call(R, "Reviewer Example", SaoAnswer.APPROVED)
    session = officer.device.session
    assert session is not None
    assert [operation.base for operation in session.holdings.operations(R)] == [0, 1, 2]
    assert officer.actions.detail(R).pending == (Op.CREATE, Op.AMEND, Op.SAO_CALL)
    officer.line.up = True
    assert officer.actions.sync_now().accepted == 3
    assert session.holdings.operations(R) == ()
    officer.actions.amend(R, {"incident_number": "26C01235"})
    view = session.holdings.view(R)
    assert view is not None
    assert session.holdings.operations(R)[0].base == view.revision
    assert officer.actions.sync_now().accepted == 1


def test_an_amendment_is_checked_spelled_and_no_larger_than_it_must_be(officer: Station) -> None:
    officer.save(referral_id=R)
    changes = {
        "offence_codes": ["43550", "1a1111"],
        "place": {"text": "400 block W Fayette St", "source": "picked"},
        "quantity": "personal",
    }
    assert isinstance(officer.actions.amend(R, changes), Saved)
    session = officer.device.session
    assert session is not None
    body = session.holdings.operations(R)[-1].body
    assert isinstance(body, Amend)
    assert body.changes == {"offence_codes": ["4 3550", "1A1111"], "place": {"text": "400 block W Fayette St"}}
    referral = officer.actions.detail(R).referral
    assert referral is not None
    assert referral.offence_codes == ("4 3550", "1A1111")
    for wrong, field in (
        ({"destination": "the_moon"}, "destination"),
        ({"kind": "social_contact"}, "kind"),
        ({"shoe": 1}, "shoe"),
    ):
        outcome = officer.actions.amend(R, wrong)
        assert isinstance(outcome, Trouble)
        assert outcome.detail == field
    nothing = officer.actions.amend(R, {"quantity": "personal"})
    assert isinstance(nothing, Trouble)


def test_an_amendment_that_makes_a_refusal_takes_the_name_back(officer: Station) -> None:
    officer.save(referral_id=R)
    assert isinstance(officer.actions.amend(R, {"willing": "no"}), Saved)
    session = officer.device.session
    assert session is not None
    body = session.holdings.operations(R)[-1].body
    assert isinstance(body, Amend)
    assert body.changes["reach"] is None
    assert body.changes["person"]["name"] is None
    assert officer.actions.snapshot().referrals[0].title == ""


def test_an_amendment_after_shrinking_is_checked_and_sent(officer: Station, agency: Agency) -> None:
    officer.save(referral_id=R)
    officer.actions.sync_now()
    agency.clock.go(hours=30)
    officer.open_again()
    assert officer.actions.snapshot().referrals[0].shrunk
    refused = officer.actions.amend(R, {"destination": "the_moon"})
    assert isinstance(refused, Trouble)
    assert refused.detail == "destination"
    assert isinstance(officer.actions.amend(R, {"incident_number": "26C01234"}), Saved)
    assert officer.actions.sync_now().accepted == 1


def test_taking_a_referral_back(officer: Station, manager: Station) -> None:
    offered(officer, manager)
    assert isinstance(officer.actions.withdraw(R, "recorded_by_mistake"), Saved)
    assert officer.actions.snapshot().referrals[0].episode is Episode.CLOSED
    assert officer.actions.sync_now().accepted == 1
    assert officer.actions.snapshot().referrals[0].episode is Episode.CLOSED
    again = officer.actions.withdraw(R)
    assert again == Trouble(problem=ProblemCode.NOT_POSSIBLE_NOW, detail="withdraw")


def test_after_acceptance_it_can_only_be_asked_for(officer: Station, manager: Station) -> None:
    offered(officer, manager)
    manager.actions.accept(R)
    manager.actions.sync_now()
    officer.actions.sync_now()
    assert isinstance(officer.actions.withdraw(R), Trouble)
    assert isinstance(officer.actions.ask_withdrawal(R, "released"), Saved)
    assert Flag.WITHDRAWAL_ASKED in officer.actions.snapshot().referrals[0].flags
    assert officer.actions.sync_now().accepted == 1


def test_a_redirected_offer_leaves_the_inbox(officer: Station, manager: Station) -> None:
    offered(officer, manager)
    wrong = manager.actions.redirect(R, "no_such_reason")
    assert wrong == Trouble(problem=ProblemCode.INVALID_VALUE, detail="reason")
    assert isinstance(manager.actions.redirect(R, "too_far"), Saved)
    assert manager.actions.snapshot().inbox == ()
    assert manager.actions.sync_now().accepted == 1


def test_on_the_way_and_not_completed(officer: Station, manager: Station) -> None:
    officer.save(referral_id=R, whereabouts="booked")
    eta = officer.clock.now() + timedelta(minutes=20)
    assert isinstance(officer.actions.on_the_way(R, eta, "central_district"), Saved)
    row = officer.actions.snapshot().referrals[0]
    assert (row.whereabouts, row.eta_at) == (Whereabouts.COMING_IN, eta)
    assert isinstance(officer.actions.on_the_way(R, eta, "the_moon"), Trouble)
    officer.actions.sync_now()
    assert officer.actions.snapshot().referrals[0].handoff is Handoff.OFFERED
    assert isinstance(officer.actions.not_completed(R, NotCompletedReason.LEFT), Saved)
    assert officer.actions.snapshot().referrals[0].handoff is Handoff.NOT_COMPLETED
    assert officer.actions.sync_now().accepted == 1


def test_a_meeting_without_a_signal_is_recorded(officer: Station) -> None:
    officer.line.up = False
    officer.save(referral_id=R)
    assert isinstance(officer.actions.met(R), Saved)
    assert officer.actions.snapshot().referrals[0].handoff is Handoff.MET
    officer.line.up = True
    officer.actions.sync_now()
    assert officer.actions.snapshot().delivery.waiting == 0


def test_a_release_and_contacts(officer: Station, manager: Station) -> None:
    offered(officer, manager)
    manager.actions.accept(R)
    assert isinstance(manager.actions.contact(R, True), Saved)
    missing = manager.actions.release(R, ReleaseEvent.SIGNED)
    assert isinstance(missing, Trouble)
    signed = manager.actions.release(R, ReleaseEvent.SIGNED, ("police",), ("intake",), date(2027, 1, 1))
    assert isinstance(signed, Saved)
    assert manager.actions.snapshot().referrals[0].release is Release.SIGNED
    assert isinstance(manager.actions.close_referral(R, CloseReason.COMPLETED), Saved)
    assert manager.actions.snapshot().referrals[0].episode is Episode.CLOSED
    assert manager.actions.sync_now().needs_attention == 0


def test_a_notice_is_seen_once(officer: Station, manager: Station) -> None:
    offered(officer, manager)
    notices = manager.actions.snapshot().notices
    assert notices
    assert not notices[0].acknowledged
    assert isinstance(manager.actions.acknowledge(notices[0].notice_id), Saved)
    assert manager.actions.snapshot().notices[0].acknowledged
    assert manager.actions.sync_now().accepted == 1
    assert manager.actions.snapshot().notices[0].acknowledged
    assert manager.actions.acknowledge("none") == Trouble(problem=ProblemCode.NOT_FOUND)


@pytest.mark.parametrize("op", ["accept", "redirect", "intake"])
def test_an_officer_does_no_case_managers_step(officer: Station, op: str) -> None:
    officer.save(referral_id=R)
    outcome = getattr(officer.actions, op)(R)
    assert outcome == Trouble(problem=ProblemCode.NOT_PERMITTED, detail=op)


def test_what_is_not_known_is_not_found(officer: Station) -> None:
    assert officer.actions.met(ReferralId("nobody")) == Trouble(problem=ProblemCode.NOT_FOUND, detail="referral_id")
    with pytest.raises(ValueError, match="no such referral"):
        officer.actions.detail(ReferralId("nobody"))


def test_two_case_managers_accept_offline_and_nothing_is_lost(
    officer: Station, manager: Station, agency: Agency, tmp_path: Path
) -> None:
    peer = Station.enrolled(agency, tmp_path / "peer", "p1")
    offered(officer, manager)
    peer.actions.sync_now()
    assert isinstance(manager.actions.accept(R), Saved)
    assert isinstance(peer.actions.accept(R), Saved)
    assert manager.actions.sync_now().accepted == 1
    assert peer.actions.sync_now().needs_attention == 1
    row = next(
        row for row in (*peer.actions.snapshot().inbox, *peer.actions.snapshot().referrals) if row.referral_id == R
    )
    assert row.delivery is Delivery.NEEDS_ATTENTION
    assert row.case_manager == "CM1"
    assert row.reason is ProblemCode.NOT_POSSIBLE_NOW
    peer.actions.close()


def test_the_reviewers_answer_comes_back(officer: Station, agency: Agency) -> None:
    officer.save(referral_id=R)
    officer.actions.sync_now()
    agency.desk("sao1", Op.SAO_APPROVE, R, base=1)
    officer.actions.sync_now()
    assert officer.actions.snapshot().referrals[0].review is Review.APPROVED


def test_search_looks_in_names_receipts_and_ids(officer: Station) -> None:
    officer.save(referral_id="r-1", person={"name": "Ann Example"})
    officer.save(referral_id="r-2", person={"name": "Bob Sample"})
    officer.actions.sync_now()
    receipt = officer.actions.snapshot().referrals[0].receipt
    assert [row.referral_id for row in officer.actions.search("ann")] == ["r-1"]
    assert [row.referral_id for row in officer.actions.search("SAMPLE bob")] == ["r-2"]
    assert [row.receipt for row in officer.actions.search(receipt or "")] == [receipt]
    assert officer.actions.search("nobody") == ()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"a": 1}, {"a": 1}),
        ({"a": 1, "b": 2}, {"a": 2}),
        ({"p": {"x": 1, "y": 2}}, {"p": {"x": 1}, "q": [1]}),
        ({"p": {"x": 1}}, {}),
        ({}, {"p": {"x": 1}}),
        ({"p": 1}, {"p": {"x": {"y": 2}}}),
    ],
)
def test_a_difference_merges_to_what_it_was_made_of(before: dict[str, object], after: dict[str, object]) -> None:
    assert merge(before, difference(before, after)) == after
