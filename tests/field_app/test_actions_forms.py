"""Live forms: sealed at every answer, back after a crash or a lock, saved once, and kept for the case of a wipe."""

from __future__ import annotations

from typing import Any

import pytest

from field_app.actions import Failed
from field_app.draft import Draft
from field_app.outcomes import Missing, Saved, Trouble
from referral.eligibility_words import OutlookAnswer
from referral.model import Kind, ReferralId
from referral.operations import Op
from referral.problems import FieldError, ProblemCode
from tests.support.agency import Agency
from tests.support.station import PIN, Station


def fill(station: Station, draft: Draft, **answers: Any) -> Draft:
    for path, value in answers.items():
        draft = station.actions.answer(draft.referral_id, path.replace("__", "."), value)
    return draft


def held(station: Station) -> int:
    with station.device.store.read() as tx:
        return station.device.outbox.counts(tx, station.clock.now()).held


def test_a_form_is_filled_and_saved(officer: Station) -> None:
    actions = officer.actions
    draft = actions.start(Kind.ARREST)
    assert actions.missing(draft) == ("willing", "whereabouts")
    assert actions.submit(draft.referral_id) == Missing(fields=("willing", "whereabouts"))
    draft = fill(officer, draft, offence_codes=["43550"], quantity="personal", place__text="300 W Lexington St")
    assert draft.answers["offence_codes"] == ["4 3550"]
    draft = fill(officer, draft, willing="yes", whereabouts="coming_in", person__name="Ann Example")
    assert actions.missing(draft) == ()
    assert "reach" in actions.open_questions(draft)
    saved = actions.submit(draft.referral_id)
    assert isinstance(saved, Saved)
    assert saved.referral_id == draft.referral_id
    assert saved.call is not None
    again = actions.submit(draft.referral_id)
    assert isinstance(again, Saved)
    assert again.op_id == saved.op_id
    shot = actions.snapshot()
    assert (shot.drafts, [row.title for row in shot.referrals], len(shot.outbox)) == ((), ["Ann Example"], 1)


def test_the_live_form_comes_back_after_a_crash_and_after_a_lock(officer: Station) -> None:
    draft = fill(officer, officer.actions.start(Kind.SOCIAL), willing="yes", person__descriptor="Green coat")
    officer.open_again()
    assert officer.actions.resume(draft.referral_id) == draft
    officer.actions.lock()
    assert officer.actions.snapshot().drafts == ()
    with pytest.raises(Failed) as shut:
        officer.actions.resume(draft.referral_id)
    assert shut.value.trouble.problem is ProblemCode.SHUT
    officer.actions.unlock(PIN)
    (row,) = officer.actions.snapshot().drafts
    assert (row.referral_id, row.title) == (draft.referral_id, "Green coat")
    assert isinstance(officer.actions.submit(draft.referral_id), Saved)


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("willing", "maybe", ProblemCode.INVALID_VALUE),
        ("place.lat", 123.0, ProblemCode.INVALID_VALUE),
        ("person.descriptor", "x" * 121, ProblemCode.TOO_LONG),
        ("note", "he said", ProblemCode.NOT_RECORDED_HERE),
        ("destination", "the_moon", ProblemCode.INVALID_VALUE),
        ("place", {"text": "x", "outside_reason": "why"}, ProblemCode.INVALID_VALUE),
        ("whereabouts", "with_me", ProblemCode.INVALID_VALUE),
        ("nonsense", 1, ProblemCode.UNKNOWN_FIELD),
        ("person.shoe_size", 1, ProblemCode.UNKNOWN_FIELD),
        ("kind", "social_contact", ProblemCode.UNKNOWN_FIELD),
        ("referral_id", "x", ProblemCode.UNKNOWN_FIELD),
        ("", "x", ProblemCode.UNKNOWN_FIELD),
    ],
)
def test_an_answer_that_cannot_be_right_is_refused_at_once(
    officer: Station, path: str, value: Any, code: ProblemCode
) -> None:
    draft = fill(officer, officer.actions.start(Kind.ARREST), willing="yes")
    with pytest.raises(FieldError) as refused:
        officer.actions.answer(draft.referral_id, path, value)
    assert refused.value.code is code
    assert officer.actions.resume(draft.referral_id) == draft


def test_an_answer_that_waits_for_another_is_kept(officer: Station) -> None:
    actions = officer.actions
    draft = fill(officer, actions.start(Kind.ARREST), willing="yes", whereabouts="released", place__lat=39.29)
    assert held(officer) == 0  # it could not be saved as it stands
    outcome = actions.submit(draft.referral_id)
    assert isinstance(outcome, Trouble)
    assert outcome.detail == "place.lon"
    draft = fill(officer, draft, place__lon=-76.62, reach__detail="the shelter")
    assert actions.submit(draft.referral_id) == Missing(fields=("reach.how",))
    fill(officer, draft, reach__how="place")
    assert isinstance(actions.submit(draft.referral_id), Saved)


def test_none_and_nothing_clear_an_answer(officer: Station) -> None:
    draft = fill(officer, officer.actions.start(Kind.ARREST), person__name="Ann", offence_codes=["4 3550"])
    draft = fill(officer, draft, person__name=None, offence_codes=[])
    assert dict(draft.answers) == {}


def test_a_form_that_could_be_saved_is_also_held_sealed(officer: Station) -> None:
    draft = officer.actions.start(Kind.SOCIAL)
    assert held(officer) == 0
    draft = fill(officer, draft, person__name="Ann Example")
    assert held(officer) == 0
    draft = fill(officer, draft, willing="yes")
    draft = fill(officer, draft, basis="observed")
    assert held(officer) == 1
    assert officer.actions.sync_now().sent == 0
    fill(officer, draft, willing=None)
    assert held(officer) == 0
    fill(officer, draft, willing="later")
    officer.actions.submit(draft.referral_id)
    assert held(officer) == 0
    assert [row.operation for row in officer.actions.snapshot().outbox] == [Op.CREATE]


def test_a_wipe_sends_what_was_held(officer: Station, agency: Agency) -> None:
    draft = fill(officer, officer.actions.start(Kind.SOCIAL), willing="yes", person__name="Ann Example")
    agency.accounts.revoke(officer.device.binding.device_id, wipe=True)
    officer.actions.sync_now()
    assert officer.actions.snapshot().gate.problem is ProblemCode.DEVICE_REVOKED
    assert isinstance(officer.actions.unlock(PIN), Trouble)
    officer.actions.sync_now()
    with officer.device.store.read() as tx:
        (entry,) = officer.device.outbox.entries(tx, accepted=True)
    assert (entry.operation, entry.referral_id) == (Op.INCOMPLETE, draft.referral_id)
    assert entry.receipt is not None


def test_an_arrest_is_turned_into_a_social_contact(officer: Station) -> None:
    draft = fill(
        officer,
        officer.actions.start(Kind.ARREST),
        offence_codes=["4 3550"],
        place__text="2900 Greenmount Ave",
        willing="yes",
        whereabouts="coming_in",
        person__name="Ann Example",
    )
    other = officer.actions.convert(draft.referral_id)
    assert other.kind is Kind.SOCIAL
    assert other.answers["person"] == {"name": "Ann Example"}
    assert other.answers["reason"] == "not_arrest_eligible"
    assert not {"offence_codes", "whereabouts"} & other.answers.keys()
    assert isinstance(officer.actions.submit(draft.referral_id), Saved)
    assert officer.actions.snapshot().referrals[0].kind is Kind.SOCIAL


def test_discard_and_undo(officer: Station) -> None:
    draft = fill(officer, officer.actions.start(Kind.SOCIAL), willing="yes")
    gone = officer.actions.discard(draft.referral_id)
    assert officer.actions.snapshot().drafts == ()
    assert held(officer) == 0
    with pytest.raises(ValueError, match="no such draft"):
        officer.actions.resume(draft.referral_id)
    officer.actions.restore(gone)
    assert officer.actions.resume(draft.referral_id) == draft
    assert held(officer) == 1


def test_a_form_without_an_answer_leaves_no_trace(officer: Station) -> None:
    first, second = officer.actions.start(Kind.SOCIAL), officer.actions.start(Kind.ARREST)
    assert officer.actions.snapshot().drafts == ()
    assert officer.actions.resume(first.referral_id) == first
    assert officer.actions.resume(second.referral_id) == second
    officer.actions.discard(first.referral_id)


def test_another_person_at_the_same_scene(officer: Station) -> None:
    officer.save(referral_id="r-1", incident_number="26C01234", scene_id=None)
    draft = officer.actions.start(Kind.ARREST, ReferralId("r-1"))
    assert set(draft.answers) == {"place", "offence_codes", "incident_number", "scene_id"}
    assert draft.answers["scene_id"] == "r-1"
    assert draft.scene_of == "r-1"
    (row,) = officer.actions.snapshot().drafts
    assert row.title == ""


def test_the_outlook_follows_the_answers(officer: Station) -> None:
    actions = officer.actions
    draft = fill(officer, actions.start(Kind.ARREST), offence_codes=["4 3550"], quantity="personal")
    assert actions.outlook(draft).answer is OutlookAnswer.CANNOT_TELL
    draft = fill(officer, draft, place__text="2900 Greenmount Ave", exclusions__open_warrant="yes")
    assert actions.outlook(draft).answer is OutlookAnswer.NOT
    answers = {
        f"exclusions__{name}": "no"
        for name in ("open_warrant", "safety_threat", "under_supervision", "disqualifying_record", "open_case")
    }
    draft = fill(officer, draft, place__text="300 W Lexington St", person__birth={"adult": True}, **answers)
    assert actions.outlook(draft).answer is OutlookAnswer.ELIGIBLE
