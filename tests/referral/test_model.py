"""The referral is valid by construction: every illegal answer names its field, never its value."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from referral.codec import from_wire, to_wire
from referral.model import Birth, Person, Referral, is_minor, must_be_unnamed, names_someone, unnamed
from referral.problems import FieldError, ProblemCode

ARREST: dict[str, Any] = {
    "referral_id": "r-1",
    "kind": "arrest_diversion",
    "willing": "yes",
    "whereabouts": "coming_in",
    "eta_at": "2026-02-03T01:02:03Z",
    "destination": "central_district",
    "offence_codes": ["4 3550"],
    "quantity": "personal",
    "place": {
        "text": "300 block W Lexington St",
        "lat": 39.2914,
        "lon": -76.6195,
        "source": "picked",
        "zone": "inside",
    },
    "exclusions": {"open_warrant": "no", "safety_threat": "no"},
    "person": {"name": "Testa Sample", "birth": {"date": "1990-05-02"}},
    "reach": {"how": "phone", "detail": "410-555-0100", "permission": "ok"},
    "incident_number": "26-000123",
}
SOCIAL: dict[str, Any] = {
    "referral_id": "r-2",
    "kind": "social_contact",
    "willing": "later",
    "basis": "observed",
    "urgency": "today",
    "reason": "overdose_response",
    "note": "Sits near the market most mornings.",
}


@pytest.mark.parametrize("wire", [ARREST, SOCIAL], ids=["arrest", "social"])
def test_wire_form_comes_back_as_it_was(wire: dict[str, Any]) -> None:
    referral = from_wire(Referral, wire)
    assert to_wire(referral) == wire
    assert from_wire(Referral, to_wire(referral)) == referral


REFUSED = [
    ("willing", {"willing": None}, ProblemCode.MISSING_ANSWER),
    ("willing", {"willing": "maybe"}, ProblemCode.INVALID_VALUE),
    ("whereabouts", {"whereabouts": None, "eta_at": None, "destination": None}, ProblemCode.MISSING_ANSWER),
    ("whereabouts", {"whereabouts": "with_me", "eta_at": None, "destination": None}, ProblemCode.INVALID_VALUE),
    ("note", {"note": "they said something"}, ProblemCode.NOT_RECORDED_HERE),
    ("basis", {"basis": "observed"}, ProblemCode.INVALID_VALUE),
    ("ssn", {"ssn": "000-00-0000"}, ProblemCode.UNKNOWN_FIELD),
    ("person.race", {"person": {"race": "x"}}, ProblemCode.UNKNOWN_FIELD),
    ("person.birth", {"person": {"birth": {"age": 30, "adult": True}}}, ProblemCode.INVALID_VALUE),
    ("person.birth.age", {"person": {"birth": {"age": 130}}}, ProblemCode.INVALID_VALUE),
    ("person.birth.date", {"person": {"birth": {"date": "02/05/1990"}}}, ProblemCode.INVALID_VALUE),
    ("person.descriptor", {"person": {"descriptor": "x" * 121}}, ProblemCode.TOO_LONG),
    ("person.name", {"person": {"name": "  "}}, ProblemCode.INVALID_VALUE),
    ("place.lat", {"place": {"lat": 99.0, "lon": 1.0}}, ProblemCode.INVALID_VALUE),
    ("place.lon", {"place": {"lat": 39.0}}, ProblemCode.INVALID_VALUE),
    ("place.text", {"place": {"source": "typed"}}, ProblemCode.MISSING_ANSWER),
    ("offence_codes[0]", {"offence_codes": ["possession"]}, ProblemCode.INVALID_VALUE),
    ("offence_codes", {"offence_codes": ["4 3550", "4 3550"]}, ProblemCode.INVALID_VALUE),
    ("offence_codes", {"offence_codes": "4 3550"}, ProblemCode.INVALID_VALUE),
    ("eta_at", {"eta_at": "2026-02-03 01:02"}, ProblemCode.INVALID_VALUE),
    ("eta_at", {"whereabouts": "released", "destination": None}, ProblemCode.INVALID_VALUE),
    ("referral_id", {"referral_id": "a b"}, ProblemCode.INVALID_VALUE),
    ("for_officer", {"for_officer": "Not A User"}, ProblemCode.INVALID_VALUE),
    ("exclusions.open_warrant", {"exclusions": {"open_warrant": False}}, ProblemCode.INVALID_VALUE),
]


@pytest.mark.parametrize(("field", "change", "code"), REFUSED, ids=[f"{f}-{i}" for i, (f, _, _) in enumerate(REFUSED)])
def test_what_does_not_fit_is_refused_with_its_field(field: str, change: dict[str, Any], code: ProblemCode) -> None:
    with pytest.raises(FieldError) as caught:
        from_wire(Referral, {**ARREST, **change})
    assert (caught.value.field, caught.value.code) == (field, code)
    assert "Testa" not in str(caught.value)


def test_a_social_contact_takes_only_with_me_as_whereabouts() -> None:
    assert from_wire(Referral, {**SOCIAL, "whereabouts": "with_me"}).whereabouts == "with_me"
    with pytest.raises(FieldError, match="whereabouts"):
        from_wire(Referral, {**SOCIAL, "whereabouts": "coming_in"})


def test_a_refusal_is_an_unnamed_tally() -> None:
    with pytest.raises(FieldError) as caught:
        from_wire(Referral, {**ARREST, "willing": "no"})
    assert caught.value.code is ProblemCode.NOT_RECORDED_HERE
    tally = unnamed(from_wire(Referral, ARREST), dt.date(2026, 5, 1))
    assert not names_someone(tally)
    assert tally.person.birth == Birth(age=35)
    assert must_be_unnamed(from_wire(Referral, {**to_wire(tally), "willing": "no"}), None)


@pytest.mark.parametrize(("day", "minor"), [(dt.date(2026, 5, 1), True), (dt.date(2026, 5, 2), False)])
def test_eighteen_begins_on_the_birthday(day: dt.date, minor: bool) -> None:
    born = {**ARREST, "person": {"birth": {"date": "2008-05-02"}}}
    assert is_minor(from_wire(Referral, born), day) is minor


def test_a_minor_is_not_named_even_by_age() -> None:
    with pytest.raises(FieldError):
        from_wire(Referral, {**SOCIAL, "person": {"name": "Testa Sample", "birth": {"age": 17}}})


def test_repr_shows_nothing_of_the_person() -> None:
    referral = from_wire(Referral, ARREST)
    assert "Testa" not in repr(referral)
    assert "Lexington" not in repr(referral)
    assert "0100" not in repr(referral)
    assert "1990" not in repr(Person(birth=Birth(date=dt.date(1990, 5, 2))))
    told = from_wire(Referral, {**ARREST, "incident_number": "26C01234", "scene_id": "scene-77"})
    assert "26C01234" not in repr(told)
    assert "scene-77" not in repr(told)
