"""Eligibility: every rule in its three values, both languages, and the two promises: unknown is no no, and fails stay."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral.eligibility import (
    Conversion,
    Facts,
    Outlook,
    OutlookAnswer,
    Reason,
    Verdict,
    age_of,
    assess,
    months_before,
)
from referral.model import (
    Answer,
    Basis,
    Birth,
    Exclusions,
    Kind,
    Person,
    Place,
    Quantity,
    Referral,
    ReferralId,
    Whereabouts,
    Willing,
    Zone,
)
from referral.programme import Ruling
from tests.support.packs import baltimore

TODAY = date(2026, 3, 1)
CLEAR = Exclusions(
    open_warrant=Answer.NO,
    safety_threat=Answer.NO,
    under_supervision=Answer.NO,
    disqualifying_record=Answer.NO,
    open_case=Answer.NO,
)
ARREST = Facts(
    kind=Kind.ARREST,
    offence_codes=("4 3550",),
    quantity=Quantity.PERSONAL,
    zone=Zone.INSIDE,
    exclusions=CLEAR,
    age=34,
    on=TODAY,
)
SOCIAL = Facts(kind=Kind.SOCIAL, zone=Zone.INSIDE, adult=True, basis=Basis.OBSERVED, on=TODAY)
P, F, U = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN
YES, NO, OPEN = OutlookAnswer.ELIGIBLE, OutlookAnswer.NOT, OutlookAnswer.CANNOT_TELL


def judged(facts: Facts) -> Outlook:
    return assess(facts, baltimore())


def answers(outlook: Outlook) -> dict[str, Verdict]:
    return {reason.rule: reason.answer for reason in outlook.reasons}


def reason(outlook: Outlook, rule: str) -> Reason:
    (found,) = (reason for reason in outlook.reasons if reason.rule == rule)
    return found


def test_a_clear_arrest_is_presumptively_eligible_with_every_rule_in_order() -> None:
    outlook = judged(ARREST)
    assert outlook.answer is YES
    assert list(answers(outlook)) == [
        "adult",
        "offence",
        "amount",
        "open_warrant",
        "safety_threat",
        "under_supervision",
        "disqualifying_record",
        "open_case",
        "zone",
    ]
    assert set(answers(outlook).values()) == {P}
    assert (outlook.pack, outlook.conversion, outlook.contacts) == ("baltimore/1", None, ())


def test_a_clear_social_contact_is_presumptively_eligible() -> None:
    outlook = judged(SOCIAL)
    assert outlook.answer is YES
    assert list(answers(outlook)) == ["adult", "basis", "zone", "look_back"]


@pytest.mark.parametrize(
    ("change", "rule", "answer", "outlook"),
    [
        ({"age": 17}, "adult", F, NO),
        ({"age": 18}, "adult", P, YES),
        ({"age": None}, "adult", U, OPEN),
        ({"age": None, "adult": True}, "adult", P, YES),
        ({"offence_codes": ()}, "offence", U, OPEN),
        ({"offence_codes": ("1 1093",)}, "offence", P, YES),
        ({"offence_codes": ("4 3550", "1 1093")}, "offence", P, YES),
        ({"offence_codes": ("3 0233",)}, "offence", U, OPEN),
        ({"offence_codes": ("4 3550", "3 0233")}, "offence", U, OPEN),
        ({"offence_codes": ("1 1415",)}, "offence", F, NO),
        ({"offence_codes": ("3 0233", "1 1415")}, "offence", F, NO),
        ({"offence_codes": ("9 9999",)}, "offence", U, OPEN),
        ({"offence_codes": ("9 9999", "1 1415")}, "offence", F, NO),
        ({"quantity": Quantity.MORE}, "amount", U, OPEN),
        ({"quantity": Quantity.UNKNOWN}, "amount", U, OPEN),
        ({"quantity": None}, "amount", U, OPEN),
        ({"zone": Zone.BOUNDARY}, "zone", U, OPEN),
        ({"zone": Zone.UNKNOWN}, "zone", U, OPEN),
        ({"zone": Zone.OUTSIDE}, "zone", F, NO),
    ],
)
def test_each_rule_of_an_arrest(change: dict[str, Any], rule: str, answer: Verdict, outlook: OutlookAnswer) -> None:
    found = judged(replace(ARREST, **change))
    assert answers(found)[rule] is answer
    assert found.answer is outlook


@pytest.mark.parametrize("rule", [field.name for field in fields(Exclusions)])
@pytest.mark.parametrize(
    ("said", "answer", "outlook"), [(Answer.YES, F, NO), (Answer.NO, P, YES), (Answer.UNKNOWN, U, OPEN)]
)
def test_each_exclusion(rule: str, said: Answer, answer: Verdict, outlook: OutlookAnswer) -> None:
    found = judged(replace(ARREST, exclusions=replace(CLEAR, **{rule: said})))
    assert answers(found)[rule] is answer
    assert found.answer is outlook


@pytest.mark.parametrize(
    ("change", "rule", "answer"),
    [
        ({"adult": False, "age": 16}, "adult", F),
        ({"adult": False}, "adult", U),
        ({"basis": None}, "basis", U),
        ({"basis": Basis.THIRD_PARTY}, "basis", P),
        ({"zone": Zone.OUTSIDE}, "zone", F),
        ({"zone": Zone.BOUNDARY}, "zone", U),
        ({"basis": Basis.RECORD}, "look_back", U),
        ({"basis": None}, "look_back", U),
        ({"basis": Basis.RECORD, "occurred_on": date(2025, 1, 1)}, "look_back", P),
        ({"occurred_on": date(2024, 3, 1)}, "look_back", P),
        ({"occurred_on": date(2024, 2, 29)}, "look_back", F),
        ({"occurred_on": date(2026, 3, 2)}, "look_back", P),
        ({"occurred_on": date(2026, 3, 3)}, "look_back", U),
        ({"occurred_on": date(2025, 1, 1), "on": None}, "look_back", U),
    ],
)
def test_each_rule_of_a_social_contact(change: dict[str, Any], rule: str, answer: Verdict) -> None:
    found = judged(replace(SOCIAL, **change))
    assert answers(found)[rule] is answer
    assert found.answer is {P: YES, F: NO, U: OPEN}[answer]


def test_the_amount_is_asked_only_where_it_means_something() -> None:
    assert "amount" not in answers(judged(replace(ARREST, offence_codes=("1 1093",), quantity=None)))
    assert "amount" not in answers(judged(replace(ARREST, offence_codes=())))
    assert "amount" in answers(judged(replace(ARREST, offence_codes=("1 1093", "4 3550"))))


def test_nothing_known_yet_is_nothing_decided() -> None:
    for kind in Kind:
        assert judged(Facts(kind=kind)).answer is OPEN


def test_turning_an_arrest_into_a_social_contact() -> None:
    assert judged(replace(ARREST, zone=Zone.OUTSIDE)).conversion is Conversion.OFFERED
    warrant = replace(ARREST, exclusions=replace(CLEAR, open_warrant=Answer.YES))
    assert judged(warrant).conversion is Conversion.WARRANT_FIRST
    said = judged(warrant).conversion_text
    assert said is not None
    assert said.en == "The warrant must be handled first."
    assert judged(replace(warrant, age=15)).conversion is Conversion.MINOR
    assert judged(ARREST).conversion is None
    assert judged(ARREST).conversion_text is None
    assert judged(replace(ARREST, zone=Zone.BOUNDARY)).conversion is None
    assert judged(replace(SOCIAL, zone=Zone.OUTSIDE)).conversion is None


def test_a_minor_is_met_with_the_right_number_to_call() -> None:
    assert [contact.id for contact in judged(replace(ARREST, age=15)).contacts] == ["juvenile"]
    sex_work = judged(replace(ARREST, age=15, offence_codes=("1 1093",)))
    assert [contact.id for contact in sex_work.contacts] == ["trafficking", "juvenile"]
    social = judged(replace(SOCIAL, adult=False, age=15, reason="sex_work"))
    assert [contact.id for contact in social.contacts] == ["trafficking", "juvenile"]
    assert social.answer is NO


def test_says_which_rules_rest_on_values_that_are_not_settled() -> None:
    assert reason(judged(ARREST), "amount").unverified
    assert not reason(judged(ARREST), "offence").unverified
    assert reason(judged(replace(ARREST, offence_codes=("1 1564",))), "offence").unverified  # the pack's own judgement
    assert reason(judged(SOCIAL), "look_back").unverified
    assert not reason(judged(ARREST), "zone").unverified


def test_every_sentence_is_there_in_both_languages_and_names_what_it_is_about() -> None:
    for said in Answer:
        exclusions = Exclusions(**{field.name: said for field in fields(Exclusions)})
        for zone in Zone:
            for code in baltimore().offences:
                outlook = judged(replace(ARREST, exclusions=exclusions, zone=zone, offence_codes=(code,)))
                for found in outlook.reasons:
                    assert found.text.en
                    assert found.text.es
                    assert found.text.en != found.text.es
    assert "Assault-Sec Degree" in reason(judged(replace(ARREST, offence_codes=("1 1415",))), "offence").text.en
    assert "pilot zone" in reason(judged(ARREST), "zone").text.en
    for answer in OutlookAnswer:
        assert Outlook(answer=answer, reasons=(), pack="x/1").text.es


def test_the_answer_on_the_wire() -> None:
    wire = judged(replace(SOCIAL, zone=Zone.OUTSIDE)).to_wire(line=3, language="es")
    assert wire == {
        "line": 3,
        "outlook": "presumptively_not",
        "reasons": [
            {"rule": "adult", "answer": "pass", "text": "Tiene 18 años o más.", "unverified": True},
            {"rule": "basis", "answer": "pass", "text": "Un oficial lo vio.", "unverified": False},
            {"rule": "zone", "answer": "fail", "text": "Fuera de la zona piloto de LEAD.", "unverified": False},
            {"rule": "look_back", "answer": "pass", "text": "Es reciente.", "unverified": True},
        ],
        "pack": "baltimore/1",
        "conversion": None,
    }
    assert "line" not in judged(SOCIAL).to_wire()


# --- from a referral --------------------------------------------------------------------------------------------------


def test_the_facts_of_a_referral() -> None:
    referral = Referral(
        referral_id=ReferralId("r1"),
        kind=Kind.ARREST,
        willing=Willing.YES,
        whereabouts=Whereabouts.COMING_IN,
        offence_codes=("4 3550",),
        quantity=Quantity.PERSONAL,
        exclusions=CLEAR,
        person=Person(birth=Birth(date=date(2008, 3, 1))),
        place=Place(text="Lexington Market", zone=Zone.OUTSIDE),
        occurred_at=datetime(2026, 3, 2, 2, 0, tzinfo=UTC),
    )
    facts = Facts.of(referral, baltimore(), on=TODAY)
    assert facts == replace(ARREST, age=18, occurred_on=TODAY)
    assert judged(facts).answer is YES
    assert judged(Facts.of(referral, baltimore(), on=date(2026, 2, 28))).answer is NO


def test_ages() -> None:
    assert age_of(None, TODAY) == (None, False)
    assert age_of(Birth(adult=True), TODAY) == (None, True)
    assert age_of(Birth(age=17), TODAY) == (17, False)
    assert age_of(Birth(date=date(2008, 3, 2)), TODAY) == (17, False)


@pytest.mark.parametrize(
    ("day", "months", "earlier"),
    [
        (date(2026, 3, 31), 1, date(2026, 2, 28)),
        (date(2024, 3, 31), 1, date(2024, 2, 29)),
        (date(2026, 1, 15), 1, date(2025, 12, 15)),
        (date(2024, 2, 29), 24, date(2022, 2, 28)),
        (date(2026, 12, 31), 24, date(2024, 12, 31)),
    ],
)
def test_months_before(day: date, months: int, earlier: date) -> None:
    assert months_before(day, months) == earlier


# --- the promises -----------------------------------------------------------------------------------------------------

CODES = sorted(baltimore().offences)
SAID = st.sampled_from(Answer)


@st.composite
def anything_known(draw: st.DrawFn) -> Facts:
    return Facts(
        kind=draw(st.sampled_from(Kind)),
        offence_codes=tuple(draw(st.lists(st.sampled_from([*CODES, "9 9999"]), max_size=3, unique=True))),
        quantity=draw(st.none() | st.sampled_from(Quantity)),
        zone=draw(st.sampled_from(Zone)),
        exclusions=Exclusions(**{field.name: draw(SAID) for field in fields(Exclusions)}),
        age=draw(st.none() | st.integers(0, 120)),
        adult=draw(st.booleans()),
        basis=draw(st.none() | st.sampled_from(Basis)),
        occurred_on=draw(st.none() | st.dates(date(2020, 1, 1), date(2027, 1, 1))),
        on=TODAY,
    )


@given(anything_known(), st.data())
def test_learning_more_never_turns_a_fail_into_a_pass(known: Facts, data: st.DataObject) -> None:
    more = data.draw(anything_known())
    learnt = replace(
        known,
        offence_codes=tuple(dict.fromkeys((*known.offence_codes, *more.offence_codes))),
        quantity=more.quantity if known.quantity in (None, Quantity.UNKNOWN) else known.quantity,
        zone=more.zone if known.zone is Zone.UNKNOWN else known.zone,
        exclusions=Exclusions(
            **{
                field.name: getattr(more.exclusions if said is Answer.UNKNOWN else known.exclusions, field.name)
                for field in fields(Exclusions)
                for said in [getattr(known.exclusions, field.name)]
            }
        ),
        age=more.age if known.age is None and not known.adult else known.age,
        adult=known.adult or (known.age is None and more.adult),
        basis=known.basis or more.basis,
        occurred_on=known.occurred_on or more.occurred_on,
    )
    before, after = answers(judged(known)), answers(judged(learnt))
    for rule, answer in before.items():
        if answer is F:
            assert after[rule] is F
    if judged(known).answer is NO:
        assert judged(learnt).answer is NO


@given(anything_known())
def test_unknown_is_never_a_no_and_never_a_yes(facts: Facts) -> None:
    outlook = judged(facts)
    found = set(answers(outlook).values())
    assert (outlook.answer is NO) == (F in found)
    assert (outlook.answer is YES) == (found == {P})
    assert len(answers(outlook)) == len(outlook.reasons)
    assert bool(outlook.contacts) == (answers(outlook)["adult"] is F)


@given(anything_known())
def test_forgetting_an_answer_leaves_no_fail_for_its_rule(facts: Facts) -> None:
    forgotten = replace(
        facts,
        offence_codes=(),
        quantity=None,
        zone=Zone.UNKNOWN,
        exclusions=Exclusions(),
        age=None,
        adult=False,
        basis=None,
        occurred_on=None,
    )
    assert judged(forgotten).answer is OPEN


def test_every_offence_is_judged_as_the_pack_rules_it() -> None:
    for code, offence in baltimore().offences.items():
        verdict = {Ruling.YES: P, Ruling.NO: F, Ruling.REVIEW: U}[offence.divertible]
        assert answers(judged(replace(ARREST, offence_codes=(code,))))["offence"] is verdict
