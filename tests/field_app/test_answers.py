"""Answers: people's spellings, pack codes, automatic fields, and names that must not be kept."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from field_app.answers import charge_code, complete, spelled
from referral.model import Kind, Referral, Zone
from referral.problems import FieldError, ProblemCode
from tests.support.packs import baltimore
from tests.support.station import ARREST, SOCIAL

TODAY = date(2026, 3, 3)


def made(wire: dict[str, Any]) -> Referral:
    return complete(wire | {"referral_id": wire.get("referral_id", "r-1")}, baltimore(), TODAY)


@pytest.mark.parametrize(
    ("answers", "field", "code"),
    [
        ({"willing": None}, "willing", ProblemCode.MISSING_ANSWER),
        ({"whereabouts": None}, "whereabouts", ProblemCode.MISSING_ANSWER),
        (
            {"place": {"text": "W Lexington St", "outside_reason": "why"}},
            "place.outside_reason",
            ProblemCode.INVALID_VALUE,
        ),
        ({"destination": "the_moon"}, "destination", ProblemCode.INVALID_VALUE),
        ({"safety_reason": "none_such"}, "safety_reason", ProblemCode.INVALID_VALUE),
        ({"language": "xx"}, "language", ProblemCode.INVALID_VALUE),
        ({"offence_codes": ["4 35"]}, "offence_codes[0]", ProblemCode.INVALID_VALUE),
        ({"offence_codes": [7]}, "offence_codes[0]", ProblemCode.INVALID_VALUE),
        ({"note": "he said"}, "note", ProblemCode.NOT_RECORDED_HERE),
        ({"ssn": "123"}, "ssn", ProblemCode.UNKNOWN_FIELD),
        ({"extra": {"a": 1}}, "extra", ProblemCode.UNKNOWN_FIELD),
        ({"person": {"name": "x" * 300}}, "person.name", ProblemCode.TOO_LONG),
        ({"person": {"birth": {"date": "2090-01-01"}}}, "person.birth.date", ProblemCode.INVALID_VALUE),
        ({"person": {"birth": {"date": "soon"}}}, "person.birth.date", ProblemCode.INVALID_VALUE),
        ({"person": "Ann"}, "person", ProblemCode.MALFORMED),
        ({"referral_id": "no spaces please"}, "referral_id", ProblemCode.INVALID_VALUE),
        ({"kind": "party"}, "kind", ProblemCode.INVALID_VALUE),
        ({"for_officer": "Not A Name"}, "for_officer", ProblemCode.INVALID_VALUE),
    ],
)
def test_what_does_not_fit_is_refused_with_its_field(answers: dict[str, Any], field: str, code: ProblemCode) -> None:
    with pytest.raises(FieldError) as refused:
        made(ARREST | answers)
    assert (refused.value.field, refused.value.code) == (field, code)


def test_a_refusal_of_a_value_does_not_repeat_it() -> None:
    with pytest.raises(FieldError) as refused:
        made(SOCIAL | {"reason": "zebulon_canary"})
    assert "zebulon" not in str(refused.value)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("43550", "4 3550"),
        ("4  3550", "4 3550"),
        (" 4 3550 ", "4 3550"),
        ("4-3550", "4 3550"),
        ("1a1111", "1A1111"),
        ("690000", "690000"),
    ],
)
def test_charge_codes_may_be_written_as_people_do(said: str, kept: str) -> None:
    assert charge_code(said) == kept
    assert made(ARREST | {"offence_codes": [said]}).offence_codes == (kept,)


def test_every_charge_code_of_the_pack_is_its_own_spelling() -> None:
    assert [code for code in baltimore().offences if charge_code(code) != code] == []


def test_kinds_may_be_short() -> None:
    assert made(ARREST | {"kind": "arrest"}).kind is Kind.ARREST
    assert made(SOCIAL | {"kind": "social"}).kind is Kind.SOCIAL
    assert made(SOCIAL | {"kind": "social_contact"}).kind is Kind.SOCIAL


def test_spelling_leaves_the_input_alone() -> None:
    wire = {"kind": "arrest", "offence_codes": ["43550"]}
    spelled(wire)
    assert wire == {"kind": "arrest", "offence_codes": ["43550"]}


@pytest.mark.parametrize(
    ("place", "zone"),
    [
        ({"text": "300 W Lexington St", "zone": "outside"}, Zone.INSIDE),
        ({"lat": 39.2915, "lon": -76.6203}, Zone.INSIDE),
        ({"lat": 39.35, "lon": -76.62}, Zone.OUTSIDE),
        ({"text": "somewhere"}, Zone.UNKNOWN),
    ],
)
def test_the_zone_is_found_here_whatever_was_said(place: dict[str, Any], zone: Zone) -> None:
    referral = made(ARREST | {"place": place, "pack": "other/9", "form": 9})
    assert referral.place is not None
    assert referral.place.zone is zone
    assert (referral.pack, referral.form) == (baltimore().stamp, 1)


NAMED = {"name": "Ann Example", "descriptor": "green coat"}
REACH = {"how": "phone", "detail": "410-555-0177"}


@pytest.mark.parametrize("wire", [ARREST, SOCIAL], ids=["arrest", "social"])
@pytest.mark.parametrize(
    ("birth", "age", "adult"),
    [({"date": "1990-05-02"}, 35, None), ({"age": 40}, 40, None), ({"adult": True}, None, True), (None, None, None)],
)
def test_a_refusal_keeps_no_name(wire: dict[str, Any], birth: Any, age: int | None, adult: bool | None) -> None:
    referral = made(wire | {"willing": "no", "person": NAMED | {"birth": birth}, "reach": REACH})
    assert (referral.person.name, referral.person.descriptor, referral.reach, referral.note) == (None, None, None, None)
    kept = referral.person.birth
    assert (kept.date, kept.age, kept.adult) == (None, age, adult) if kept else (age, adult) == (None, None)


@pytest.mark.parametrize("wire", [ARREST, SOCIAL], ids=["arrest", "social"])
@pytest.mark.parametrize("birth", [{"age": 17}, {"date": "2008-03-04"}, {"date": "2010-01-01"}, {"age": 0}])
def test_nobody_under_18_is_named(wire: dict[str, Any], birth: dict[str, Any]) -> None:
    referral = made(wire | {"person": NAMED | {"birth": birth}, "reach": REACH})
    assert (referral.person.name, referral.person.descriptor, referral.reach) == (None, None, None)
    assert referral.person.birth is not None
    assert referral.person.birth.date is None


def test_the_eighteenth_birthday_counts() -> None:
    assert made(ARREST | {"person": NAMED | {"birth": {"date": "2008-03-03"}}}).person.name == "Ann Example"
