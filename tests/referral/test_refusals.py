"""Every refusal to the letter: which answer, which code, which sentence; and the last value that is still taken."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from referral.codec import from_wire
from referral.decisions import RESOLUTIONS, DuplicateDecision, JudgeDuplicate, Resolution, Resolve
from referral.lifecycle import Role
from referral.model import (
    Birth,
    DeviceId,
    Person,
    Referral,
    ReferralId,
    aware,
    check_code,
    is_referral_id,
    must_be_unnamed,
    names_someone,
    unnamed,
    utc,
)
from referral.operations import (
    PAYLOAD_LIMIT,
    Amend,
    Contact,
    Create,
    Enrol,
    Met,
    OnTheWay,
    Op,
    Operation,
    Reason,
    ReleaseEvent,
    ReleaseOfInformation,
    SaoAnswer,
    SaoCall,
    Vote,
    allowed,
    decode,
    encode,
    merge,
)
from referral.port import EnrolRequest, Heartbeat, SyncRequest
from referral.problems import FieldError, ProblemCode
from referral.views import Flag
from tests.referral.test_model import ARREST, SOCIAL

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NAIVE = datetime(2026, 3, 2, 12)  # noqa: DTZ001 - the fault under test
INVALID, MISSING, LONG = ProblemCode.INVALID_VALUE, ProblemCode.MISSING_ANSWER, ProblemCode.TOO_LONG
ELSEWHERE = ProblemCode.NOT_RECORDED_HERE

BLANK = "is blank; leave it out instead"
NO_CODE = "is not a code of the programme"
NO_ZONE = "has no time zone; write it in UTC, like 2026-02-03T01:02:03Z"
SOCIAL_ONLY = "is for a social contact only"
COMING_IN_ONLY = "goes with whereabouts coming_in only"
NOT_WHERE = {"whereabouts": "released", "eta_at": None, "destination": None}


def refused(act: Callable[[], object]) -> tuple[str, ProblemCode, str]:
    """Field, code and sentence of the refusal."""
    with pytest.raises(FieldError) as told:
        act()
    error = told.value
    assert str(error) == (f"{error.field}: {error.message}" if error.field else error.message)
    return error.field, error.code, error.message


def social(**changes: Any) -> Referral:
    return from_wire(Referral, {**SOCIAL, **changes})


def arrest(**changes: Any) -> Referral:
    return from_wire(Referral, {**ARREST, **changes})


# ---------------------------------------------------------------------------------------------------- the referral
@pytest.mark.parametrize(
    ("changes", "field", "code", "sentence"),
    [
        ({"note": " "}, "note", INVALID, BLANK),
        ({"note": "a\tb"}, "note", INVALID, "has control characters"),
        ({"note": "x" * 281}, "note", LONG, "is longer than 280 characters"),
        ({"pack": "x" * 81}, "pack", LONG, "is longer than 80 characters"),
        ({"pack": " "}, "pack", INVALID, BLANK),
        ({"incident_number": "x" * 65}, "incident_number", LONG, "is longer than 64 characters"),
        ({"scene_id": "x" * 65}, "scene_id", LONG, "is longer than 64 characters"),
        ({"safety_reason": "Not A Code"}, "safety_reason", INVALID, NO_CODE),
        ({"reason": "Not A Code"}, "reason", INVALID, NO_CODE),
        ({"language": "x" * 41}, "language", INVALID, NO_CODE),
        ({"for_officer": "Not A User"}, "for_officer", INVALID, "is not a user name"),
        ({"referral_id": "x" * 65}, "referral_id", INVALID, "is not an id: 1 to 64 letters, digits, _ . : -"),
        ({"person": {"name": "x" * 201}}, "person.name", LONG, "is longer than 200 characters"),
        ({"person": {"descriptor": "x" * 121}}, "person.descriptor", LONG, "is longer than 120 characters"),
        ({"reach": {"how": "phone", "detail": "x" * 201}}, "reach.detail", LONG, "is longer than 200 characters"),
        ({"place": {"text": "x" * 201}}, "place.text", LONG, "is longer than 200 characters"),
        ({"place": {"text": "x", "outside_reason": "No Code"}}, "place.outside_reason", INVALID, NO_CODE),
        ({"place": {"lat": 39.0}}, "place.lon", INVALID, "is missing beside the other coordinate"),
        ({"place": {"lon": -76.0}}, "place.lat", INVALID, "is missing beside the other coordinate"),
        ({"place": {"lat": 90.1, "lon": 0.0}}, "place.lat", INVALID, "is not a latitude in degrees"),
        ({"place": {"lat": -90.1, "lon": 0.0}}, "place.lat", INVALID, "is not a latitude in degrees"),
        ({"place": {"lat": 0.0, "lon": 180.1}}, "place.lon", INVALID, "is not a longitude in degrees"),
        ({"place": {"lat": 0.0, "lon": -180.1}}, "place.lon", INVALID, "is not a longitude in degrees"),
        ({"place": {"text": "x", "accuracy_m": -0.1}}, "place.accuracy_m", INVALID, "is not an accuracy in metres"),
        (
            {"place": {"text": "x", "accuracy_m": 100_000.5}},
            "place.accuracy_m",
            INVALID,
            "is not an accuracy in metres",
        ),
        ({"place": {"source": "typed"}}, "place.text", MISSING, "is needed, or coordinates"),
        ({"person": {"birth": {}}}, "person.birth", INVALID, "needs exactly one of date, age, adult"),
        ({"person": {"birth": {"age": 121}}}, "person.birth.age", INVALID, "is not an age in years"),
        ({"person": {"birth": {"age": -1}}}, "person.birth.age", INVALID, "is not an age in years"),
        (
            {"person": {"birth": {"adult": False}}},
            "person.birth.adult",
            INVALID,
            "can only be true; give an age for a minor",
        ),
        ({"person": {"birth": {"date": "1889-12-31"}}}, "person.birth.date", INVALID, "is too long ago"),
        ({"occurred_at": "0001-06-01T00:00:00Z"}, "occurred_at", INVALID, "is in a year that cannot be meant"),
        ({"occurred_at": "9999-06-01T00:00:00Z"}, "occurred_at", INVALID, "is in a year that cannot be meant"),
        ({"whereabouts": "released"}, "whereabouts", INVALID, "of a social contact is with_me or left out"),
        ({"eta_at": "2026-02-03T01:02:03Z"}, "eta_at", INVALID, COMING_IN_ONLY),
        ({"destination": "central_district"}, "destination", INVALID, COMING_IN_ONLY),
        ({"offence_codes": ["1A11111"]}, "offence_codes[0]", INVALID, "is not a charge code like '4 3550' or '1A1111'"),
        (
            {"offence_codes": ["4 3550", "possession"]},
            "offence_codes[1]",
            INVALID,
            "is not a charge code like '4 3550' or '1A1111'",
        ),
        ({"offence_codes": ["4 3550", "4 3550"]}, "offence_codes", INVALID, "names a code twice"),
        ({"offence_codes": [f"1A000{n}" for n in range(9)]}, "offence_codes", LONG, "has more than 8 codes"),
        ({"willing": "no"}, "person.name", ELSEWHERE, "must not be kept for this person"),
        (
            {"willing": "no", "note": None, "reach": {"how": "none"}},
            "person.name",
            ELSEWHERE,
            "must not be kept for this person",
        ),
        (
            {"willing": "no", "note": None, "person": {"birth": {"date": "1990-05-02"}}},
            "person.name",
            ELSEWHERE,
            "must not be kept for this person",
        ),
        (
            {"willing": "no", "note": None, "person": {"descriptor": "red cap"}},
            "person.name",
            ELSEWHERE,
            "must not be kept for this person",
        ),
    ],
)
def test_an_answer_of_a_social_contact(changes: dict[str, Any], field: str, code: ProblemCode, sentence: str) -> None:
    assert refused(lambda: social(**changes)) == (field, code, sentence)


@pytest.mark.parametrize(
    ("changes", "field", "code", "sentence"),
    [
        (
            {"whereabouts": None, "eta_at": None, "destination": None},
            "whereabouts",
            MISSING,
            "is needed for an arrest: where is the person now?",
        ),
        ({**NOT_WHERE, "whereabouts": "with_me"}, "whereabouts", INVALID, SOCIAL_ONLY),
        ({"note": "words"}, "note", ELSEWHERE, "is not taken on an arrest"),
        ({"basis": "observed"}, "basis", INVALID, SOCIAL_ONLY),
        ({"urgency": "today"}, "urgency", INVALID, SOCIAL_ONLY),
        ({"reason": "overdose_response"}, "reason", INVALID, SOCIAL_ONLY),
        ({**NOT_WHERE, "eta_at": "2026-02-03T01:02:03Z"}, "eta_at", INVALID, COMING_IN_ONLY),
        ({**NOT_WHERE, "destination": "central_district"}, "destination", INVALID, COMING_IN_ONLY),
        ({"destination": "Not A Code"}, "destination", INVALID, NO_CODE),
        ({"eta_at": "0001-06-01T00:00:00Z"}, "eta_at", INVALID, "is in a year that cannot be meant"),
    ],
)
def test_an_answer_of_an_arrest(changes: dict[str, Any], field: str, code: ProblemCode, sentence: str) -> None:
    assert refused(lambda: arrest(**changes)) == (field, code, sentence)


@pytest.mark.parametrize("path", ["eta_at", "occurred_at"])
def test_a_time_of_a_referral_has_its_zone(path: str) -> None:
    fields = {"referral_id": ReferralId("r"), "kind": "social_contact", "willing": "yes", path: NAIVE}
    assert refused(lambda: Referral(**fields)) == (path, INVALID, NO_ZONE)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {"note": "x" * 280},
        {"note": "two\nlines"},
        {"pack": "x" * 80},
        {"incident_number": "x" * 64, "scene_id": "x" * 64},
        {"person": {"name": "x" * 200, "descriptor": "x" * 120}},
        {"reach": {"how": "phone", "detail": "x" * 200}},
        {"place": {"lat": 90.0, "lon": 180.0, "accuracy_m": 100_000.0}},
        {"place": {"lat": -90.0, "lon": -180.0, "accuracy_m": 0.0}},
        {"person": {"birth": {"age": 120}}},
        {"person": {"birth": {"adult": True}}},
        {"person": {"birth": {"date": "1890-01-01"}}},
        {"occurred_at": "0002-01-01T00:00:00Z"},
        {"occurred_at": "9998-12-31T00:00:00Z"},
        {"offence_codes": [f"1A000{n}" for n in range(8)]},
        {"language": "x" * 40},
        {"referral_id": "x" * 64},
    ],
)
def test_the_last_value_is_still_taken(changes: dict[str, Any]) -> None:
    social(**changes)


def test_nobody_is_named_by_an_age_and_a_newborn_has_one() -> None:
    assert Birth(age=0).age_on(dt.date(2026, 1, 1)) == 0
    tally = unnamed(
        social(willing="yes", person={"birth": {"date": "2026-05-02"}}, reach={"how": "none"}), dt.date(2026, 5, 2)
    )
    assert tally.person == Person(birth=Birth(age=0))
    assert (tally.reach, tally.note) == (None, None)
    before = unnamed(social(person={"birth": {"date": "2026-05-02"}}), dt.date(2026, 5, 1))
    assert before.person == Person(birth=Birth(age=0))
    adult = unnamed(social(person={"name": "Testa Sample", "birth": {"adult": True}}), dt.date(2026, 5, 1))
    assert adult.person == Person(birth=Birth(adult=True))


@pytest.mark.parametrize(
    "changes",
    [
        {"person": {"name": "Testa Sample"}},
        {"person": {"descriptor": "red cap"}},
        {"person": {"birth": {"date": "1990-05-02"}}},
        {"reach": {"how": "none"}},
        {"note": "words"},
    ],
)
def test_each_of_these_names_someone(changes: dict[str, Any]) -> None:
    bare: dict[str, Any] = {"note": None}
    assert not names_someone(social(**bare))
    assert names_someone(social(**{**bare, **changes}))


def test_who_is_under_eighteen_on_that_day_is_unnamed() -> None:
    young = social(person={"birth": {"date": "2008-05-02"}})
    assert must_be_unnamed(young, dt.date(2026, 5, 1))
    assert not must_be_unnamed(young, dt.date(2026, 5, 2))
    assert not must_be_unnamed(young, None)


def test_small_checks_of_the_model() -> None:
    assert is_referral_id("r-1")
    assert not is_referral_id("-r")
    assert refused(lambda: check_code("x", "A")) == ("x", INVALID, NO_CODE)
    aware("x", datetime.min.replace(tzinfo=UTC), by_clock=True)
    assert refused(lambda: aware("x", NAIVE, by_clock=True)) == ("x", INVALID, NO_ZONE)
    early = datetime.min.replace(tzinfo=UTC)
    assert refused(lambda: aware("x", early)) == ("x", INVALID, "is in a year that cannot be meant")
    east = datetime(2026, 3, 2, 14, 0, 5, 999, tzinfo=timezone(timedelta(hours=2)))
    assert utc(east) == datetime(2026, 3, 2, 12, 0, 5, tzinfo=UTC)
    assert utc(east).tzinfo is UTC


# ---------------------------------------------------------------------------------------------------- operations
def operation(**changes: Any) -> Operation:
    """A withdrawal, with these fields instead."""
    fields: dict[str, Any] = {
        "op": Op.WITHDRAW,
        "referral_id": ReferralId("r-1"),
        "base": 1,
        "nonce": "abcdefgh",
        "made_at": NOON,
        "made_by": "officer.example",
        "body": Reason(),
    }
    return Operation(**{**fields, **changes})


SIGNED = "a signed release names its parties, scope and last day"
DAY = dt.date(2026, 12, 1)


@pytest.mark.parametrize(
    ("act", "field", "code", "sentence"),
    [
        (lambda: Amend(changes={}), "body.changes", MISSING, "is empty"),
        (lambda: Amend(changes={"kind": "x"}), "body.changes.kind", INVALID, "cannot be amended"),
        (lambda: Amend(changes={"referral_id": "x"}), "body.changes.referral_id", INVALID, "cannot be amended"),
        (lambda: Reason(reason="No Code"), "body.reason", INVALID, NO_CODE),
        (
            lambda: SaoCall(who="x" * 81, at=NOON, answer=SaoAnswer.APPROVED),
            "body.who",
            LONG,
            "is blank or longer than 80 characters",
        ),
        (
            lambda: SaoCall(who="  ", at=NOON, answer=SaoAnswer.APPROVED),
            "body.who",
            INVALID,
            "is blank or longer than 80 characters",
        ),
        (
            lambda: SaoCall(who=" " * 80, at=NOON, answer=SaoAnswer.APPROVED),
            "body.who",
            INVALID,
            "is blank or longer than 80 characters",
        ),
        (lambda: SaoCall(at=NAIVE, answer=SaoAnswer.APPROVED), "body.at", INVALID, NO_ZONE),
        (lambda: OnTheWay(eta_at=NAIVE), "body.eta_at", INVALID, NO_ZONE),
        (lambda: OnTheWay(destination="No Code"), "body.destination", INVALID, NO_CODE),
        (lambda: Met(at=NAIVE), "body.at", INVALID, NO_ZONE),
        (lambda: Contact(at=NAIVE, reached=True), "body.at", INVALID, NO_ZONE),
        (
            lambda: ReleaseOfInformation(event=ReleaseEvent.VERBAL, parties=("No Code",)),
            "body.parties",
            INVALID,
            NO_CODE,
        ),
        (lambda: ReleaseOfInformation(event=ReleaseEvent.VERBAL, scope=("No Code",)), "body.scope", INVALID, NO_CODE),
        (
            lambda: ReleaseOfInformation(event=ReleaseEvent.SIGNED, scope=("intake",), expires_on=DAY),
            "body.parties",
            MISSING,
            SIGNED,
        ),
        (
            lambda: ReleaseOfInformation(event=ReleaseEvent.SIGNED, parties=("police",), expires_on=DAY),
            "body.parties",
            MISSING,
            SIGNED,
        ),
        (
            lambda: ReleaseOfInformation(event=ReleaseEvent.SIGNED, parties=("police",), scope=("intake",)),
            "body.parties",
            MISSING,
            SIGNED,
        ),
        (lambda: Vote(partner="No Code", approve=True), "body.partner", INVALID, NO_CODE),
        (lambda: Enrol(reason="No Code"), "body.reason", INVALID, NO_CODE),
        (lambda: operation(made_at=NAIVE), "made_at", INVALID, NO_ZONE),
        (lambda: operation(made_by="Not A User"), "made_by", INVALID, "is not a user name"),
        (lambda: operation(base=-1), "base", INVALID, "is not a revision"),
        (lambda: operation(base=2**31), "base", INVALID, "is not a revision"),
        (lambda: operation(nonce=""), "nonce", INVALID, "is not 1 to 32 characters"),
        (lambda: operation(nonce="x" * 33), "nonce", INVALID, "is not 1 to 32 characters"),
        (lambda: operation(nonce="a\nb"), "nonce", INVALID, "is not 1 to 32 characters"),
        (lambda: operation(op=Op.MET), "body", INVALID, "does not belong to this operation"),
        (
            lambda: operation(op=Op.CREATE, body=Create(referral=social(referral_id="r-2"))),
            "body.referral.referral_id",
            INVALID,
            "is another referral's",
        ),
        (
            lambda: decode(b"x" * (PAYLOAD_LIMIT + 1)),
            "",
            ProblemCode.TOO_LARGE,
            f"is larger than {PAYLOAD_LIMIT} bytes",
        ),
        (lambda: decode(b" " * (PAYLOAD_LIMIT - 2) + b"[]"), "", ProblemCode.MALFORMED, "is not an object"),
        (lambda: decode(b"{}"), "op", MISSING, "is needed"),
        (lambda: decode(b'{"op": 7}'), "op", MISSING, "is needed"),
        (lambda: decode(b'{"op": "dance"}'), "op", ProblemCode.UNKNOWN_VERSION, "is not known to this version"),
        (lambda: decode(b'{"op": "create"}'), "referral_id", MISSING, "is needed"),
    ],
)
def test_a_step(act: Callable[[], object], field: str, code: ProblemCode, sentence: str) -> None:
    assert refused(act) == (field, code, sentence)


def test_the_last_step_is_still_taken() -> None:
    assert SaoCall(who="x" * 80, at=NOON, answer=SaoAnswer.APPROVED).who
    assert SaoCall(who="x", at=NOON, answer=SaoAnswer.APPROVED).who == "x"
    assert operation(base=2**31 - 1, nonce="x" * 32).base == 2**31 - 1
    assert operation(base=0, nonce="x").nonce == "x"
    operation(made_at=datetime.max.replace(tzinfo=UTC))  # a clock may be far off
    for event in (ReleaseEvent.VERBAL, ReleaseEvent.REVOKED):
        assert ReleaseOfInformation(event=event).parties == ()
    whole = ReleaseOfInformation(event=ReleaseEvent.SIGNED, parties=("police",), scope=("intake",), expires_on=DAY)
    assert whole.expires_on == DAY


def test_a_payload_of_the_largest_size_travels_and_one_byte_more_does_not() -> None:
    def padded(size: int) -> Operation:
        bare = len(encode(operation(extra={"padding": ""})))
        return operation(extra={"padding": "x" * (size - bare)})

    assert len(encode(padded(PAYLOAD_LIMIT))) == PAYLOAD_LIMIT
    assert decode(encode(padded(PAYLOAD_LIMIT))) == padded(PAYLOAD_LIMIT)
    told = refused(lambda: encode(padded(PAYLOAD_LIMIT + 1)))
    assert told == ("", ProblemCode.TOO_LARGE, f"is larger than {PAYLOAD_LIMIT} bytes")


def test_a_wire_form_that_is_there_already_is_used() -> None:
    assert encode(operation(), {"op": "elsewhere"}) == b'{"op":"elsewhere"}'


def test_every_field_of_an_operation_comes_back() -> None:
    whole = operation(base=7, mono_ms=12, offset_ms=-3, extra={"later": 1}, body=Reason(reason="duplicate"))
    assert decode(encode(whole)) == whole
    made = operation(op=Op.CREATE, base=0, body=Create(referral=social(referral_id="r-1")))
    assert decode(encode(made)) == made
    assert b"referral_id" not in encode(made).partition(b'"body"')[2], "the operation says it once"


def test_a_body_with_unknown_fields_is_understood_as_far_as_it_goes() -> None:
    data = encode(operation()).replace(b'"body":{}', b'"newer":2,"body":{"weather":1}')
    told = decode(data)
    assert told.extra == {"newer": 2}
    assert told.body == Reason()


@pytest.mark.parametrize(
    ("wire", "patch", "merged"),
    [
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": 1, "b": 2}, {"a": None, "c": None}, {"b": 2}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": None, "d": 3}}, {"a": {"c": 2, "d": 3}}),
        ({"a": "text"}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        ({"a": 1}, ["x"], ["x"]),
        ("text", {"a": 1}, {"a": 1}),
    ],
)
def test_a_patch_merges_as_the_standard_says(wire: Any, patch: Any, merged: Any) -> None:
    assert merge(wire, patch) == merged


def test_deny_by_default() -> None:
    assert allowed(Op.MET, Role.OFFICER)
    assert not allowed(Op.INTAKE, Role.OFFICER)


# ---------------------------------------------------------------------------------------------------- decisions
@pytest.mark.parametrize("flag", list(Flag))
@pytest.mark.parametrize("decision", list(Resolution))
def test_a_flag_is_taken_down_by_its_own_decisions_only(flag: Flag, decision: Resolution) -> None:
    if decision in RESOLUTIONS.get(flag, ()):
        assert Resolve(flag=flag, decision=decision).decision is decision
    else:
        told = refused(lambda: Resolve(flag=flag, decision=decision))
        assert told == ("body.decision", INVALID, "is not a decision about this flag")


def test_a_likeness_is_to_another_referral() -> None:
    same = DuplicateDecision.SAME_PERSON
    assert JudgeDuplicate(other=ReferralId("r-2"), decision=same).other == "r-2"
    told = refused(lambda: JudgeDuplicate(other=ReferralId("not an id"), decision=same))
    assert told == ("body.other", INVALID, "is not the id of a referral")


# ---------------------------------------------------------------------------------------------------- the port
def heartbeat(app: str) -> Heartbeat:
    return Heartbeat(waiting=0, stored=0, needs_attention=0, app=app)


def enrolment(app: str, platform: str) -> EnrolRequest:
    return EnrolRequest(code="x", device_id=DeviceId("d"), device_key=b"", proof=b"", app=app, platform=platform)


LABEL, LETTERS = "is longer than 80 characters", "is blank or has control characters"


@pytest.mark.parametrize(
    ("act", "field", "code", "sentence"),
    [
        (lambda: heartbeat("x" * 81), "app", LONG, LABEL),
        (lambda: heartbeat("a\x00b"), "app", INVALID, LETTERS),
        (lambda: heartbeat("a\x7fb"), "app", INVALID, LETTERS),
        (lambda: SyncRequest(nonce=""), "nonce", INVALID, LETTERS),
        (lambda: SyncRequest(nonce="x" * 65), "nonce", LONG, "is longer than 64 characters"),
        (lambda: SyncRequest(nonce="a\nb"), "nonce", INVALID, LETTERS),
        (lambda: SyncRequest(nonce="x", pack="x" * 81), "pack", LONG, LABEL),
        (lambda: SyncRequest(nonce="x", pack="a\nb"), "pack", INVALID, LETTERS),
        (lambda: enrolment("x" * 81, ""), "app", LONG, LABEL),
        (lambda: enrolment("a\nb", ""), "app", INVALID, LETTERS),
        (lambda: enrolment("", "x" * 81), "platform", LONG, LABEL),
        (lambda: enrolment("", "a\nb"), "platform", INVALID, LETTERS),
    ],
)
def test_a_label(act: Callable[[], object], field: str, code: ProblemCode, sentence: str) -> None:
    assert refused(act) == (field, code, sentence)


def test_the_longest_label_and_none_are_taken() -> None:
    assert heartbeat("x" * 80).app
    assert heartbeat("").app == ""
    assert SyncRequest(nonce="x" * 64, pack="x" * 80).pack
    assert SyncRequest(nonce="x").pack is None
    assert enrolment("x" * 80, "x" * 80).platform
