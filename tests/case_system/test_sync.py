"""Sync: what comes in is verified, filed once, judged and answered; the invariants that the server keeps."""

from __future__ import annotations

from referral.lifecycle import Handoff, Review
from referral.operations import Op
from referral.port import Outcome
from referral.problems import ProblemCode
from tests.support.agency import Agency
from tests.support.device import arrest


def test_a_referral_arrives_is_offered_and_comes_back(agency: Agency) -> None:
    officer, manager = agency.device("o1"), agency.device("cm1")
    told = arrest()
    (receipt,) = officer.send(officer.create(told))
    assert receipt.outcome is Outcome.ACCEPTED
    seen = officer.pull().referrals[told.referral_id]
    assert (seen.handoff, seen.review, seen.referral) == (Handoff.OFFERED, Review.SUBMITTED, None)
    assert seen.case_manager == "CM1"
    offered = manager.pull().referrals[told.referral_id]
    assert offered.referral == told
    assert offered.mine
    (receipt,) = manager.send(manager.reason(Op.ACCEPT, told.referral_id))
    assert (receipt.outcome, receipt.code) == (Outcome.ACCEPTED, None)
    assert officer.pull().referrals[told.referral_id].handoff is Handoff.ACCEPTED
    assert ProblemCode.MALFORMED
