"""What people read and say aloud, to the letter: an outlook's sentences in both languages, numbers, faults of a pack."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from referral import late
from referral.eligibility import Conversion, Facts, OutlookAnswer, Verdict
from referral.lifecycle import Handoff, IllegalStep, Role, Step, Track, advance
from referral.model import Basis, Birth, Person, Quantity, Zone
from referral.numbers import call_code, receipt_number
from referral.pack_cells import Faults, Node, Row, read_json, read_table
from referral.programme import PackError, PackFault, Ruling, Text
from referral.views import Flag, Happening, heard, spoken
from tests.referral.test_eligibility import ARREST, SOCIAL, TODAY, judged, reason
from tests.referral.test_views import view
from tests.support.device import arrest, social
from tests.support.packs import baltimore

P, F, U = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN
REVIEWED, REFUSED = "3 0233", "1 1415"


# ---------------------------------------------------------------------------------------------------- the outlook
@pytest.mark.parametrize(
    ("facts", "rule", "answer", "en", "es"),
    [
        (replace(ARREST, age=None), "adult", U, "We do not know the age yet.", "Todavía no sabemos la edad."),
        (
            replace(ARREST, age=17),
            "adult",
            F,
            "LEAD is for people 18 and older. Call the number shown for young people.",
            "LEAD es para personas de 18 años o más. Llame al número para jóvenes.",
        ),
        (replace(ARREST, age=18), "adult", P, "18 or older.", "Tiene 18 años o más."),
        (replace(ARREST, age=None, adult=True), "adult", P, "18 or older.", "Tiene 18 años o más."),
        (
            replace(ARREST, offence_codes=()),
            "offence",
            U,
            "No offense is entered yet.",
            "Todavía no hay un delito anotado.",
        ),
        (ARREST, "offence", P, "The offense is on LEAD's list.", "El delito está en la lista de LEAD."),
        (
            replace(ARREST, offence_codes=("4 3550", REFUSED)),
            "offence",
            F,
            "LEAD does not take 1 1415, {d}. A violent crime.",
            "LEAD no acepta 1 1415, {d}. Un delito violento.",
        ),
        (
            replace(ARREST, offence_codes=("4 3550", REVIEWED)),
            "offence",
            U,
            "3 0233, {d}: a person must decide. A sale or intent to sell needs the prosecutor's approval.",
            "3 0233, {d}: una persona debe decidir. Una venta o la intención de vender requiere la aprobación de la fiscalía.",
        ),
        (
            replace(ARREST, offence_codes=("9 9999",)),
            "offence",
            U,
            "9 9999 is not in the list. The desk will check it.",
            "9 9999 no está en la lista. La mesa lo revisará.",
        ),
        (ARREST, "amount", P, "A personal amount.", "Una cantidad personal."),
        (
            replace(ARREST, quantity=Quantity.MORE),
            "amount",
            U,
            "More than a personal amount: a person must decide.",
            "Más que una cantidad personal: una persona debe decidir.",
        ),
        (
            replace(ARREST, quantity=Quantity.UNKNOWN),
            "amount",
            U,
            "We do not know the amount yet.",
            "Todavía no sabemos la cantidad.",
        ),
        (
            replace(ARREST, quantity=None),
            "amount",
            U,
            "We do not know the amount yet.",
            "Todavía no sabemos la cantidad.",
        ),
        (ARREST, "zone", P, "Inside the LEAD pilot zone.", "Dentro de la zona piloto de LEAD."),
        (
            replace(ARREST, zone=Zone.OUTSIDE),
            "zone",
            F,
            "Outside the LEAD pilot zone.",
            "Fuera de la zona piloto de LEAD.",
        ),
        (
            replace(ARREST, zone=Zone.BOUNDARY),
            "zone",
            U,
            "On the edge of the zone: a person must decide.",
            "En el límite de la zona: una persona debe decidir.",
        ),
        (
            replace(ARREST, zone=Zone.UNKNOWN),
            "zone",
            U,
            "We do not know yet if the place is in the zone.",
            "Todavía no sabemos si el lugar está en la zona.",
        ),
        (
            replace(SOCIAL, basis=None),
            "basis",
            U,
            "Say how you know this person's need.",
            "Diga cómo sabe lo que necesita esta persona.",
        ),
        (replace(SOCIAL, basis=None), "look_back", U, "Say when it happened.", "Diga cuándo pasó."),
        (replace(SOCIAL, basis=Basis.RECORD), "look_back", U, "Say when it happened.", "Diga cuándo pasó."),
        (SOCIAL, "look_back", P, "It is recent.", "Es reciente."),
        (
            replace(SOCIAL, occurred_on=TODAY, on=None),
            "look_back",
            U,
            "We cannot tell how long ago it was.",
            "No sabemos hace cuánto fue.",
        ),
        (
            replace(SOCIAL, occurred_on=TODAY + timedelta(days=2)),
            "look_back",
            U,
            "The date is in the future. Check it.",
            "La fecha está en el futuro. Revísela.",
        ),
        (
            replace(SOCIAL, occurred_on=TODAY + timedelta(days=1)),
            "look_back",
            P,
            "It was in the last 24 months.",
            "Fue en los últimos 24 meses.",
        ),
        (
            replace(SOCIAL, occurred_on=date(2024, 2, 29)),
            "look_back",
            F,
            "It was more than 24 months ago.",
            "Fue hace más de 24 meses.",
        ),
        (
            replace(SOCIAL, occurred_on=date(2024, 3, 1)),
            "look_back",
            P,
            "It was in the last 24 months.",
            "Fue en los últimos 24 meses.",
        ),
    ],
)
def test_a_rule_says_in_both_languages_how_the_facts_stand(
    facts: Facts, rule: str, answer: Verdict, en: str, es: str
) -> None:
    found = reason(judged(facts), rule)
    offence = baltimore().offences.get(facts.offence_codes[-1]) if facts.offence_codes else None
    name = offence.description if offence else ""
    assert (found.answer, found.text) == (answer, Text(en.format(d=name), es.format(d=name)))


def test_what_the_sources_do_not_settle_is_marked() -> None:
    pack = baltimore()
    marked = {r.rule for r in judged(replace(ARREST, zone=Zone.BOUNDARY)).reasons if r.unverified}
    assert marked == {"adult", "amount", "zone"}
    assert {r.rule for r in judged(ARREST).reasons if r.unverified} == {"adult", "amount"}
    assert pack.offences[REFUSED].settled
    assert not reason(judged(replace(ARREST, offence_codes=(REFUSED,))), "offence").unverified
    assert not pack.offences[REVIEWED].settled
    assert reason(judged(replace(ARREST, offence_codes=(REVIEWED,))), "offence").unverified
    bare = next(o for o in pack.offences.values() if o.divertible is Ruling.YES and o.settled and o.note is None)
    assert not reason(judged(replace(ARREST, offence_codes=(bare.code,))), "offence").unverified
    assert not reason(judged(replace(ARREST, offence_codes=("9 9999",))), "offence").unverified


def test_the_entry_of_a_check_has_its_members_in_order() -> None:
    wire = judged(replace(ARREST, zone=Zone.OUTSIDE)).to_wire(line=3)
    assert list(wire) == ["line", "outlook", "reasons", "pack", "conversion"]
    assert (wire["line"], wire["pack"], wire["conversion"]) == (3, "baltimore/1", Conversion.OFFERED.value)
    assert wire["outlook"] == OutlookAnswer.NOT.value
    zone = wire["reasons"][-1]
    assert zone == {"rule": "zone", "answer": "fail", "text": "Outside the LEAD pilot zone.", "unverified": False}
    assert judged(ARREST).to_wire()["conversion"] is None
    assert "line" not in judged(ARREST).to_wire()
    spanish = judged(ARREST).to_wire(language="es")["reasons"][-1]["text"]
    assert spanish == "Dentro de la zona piloto de LEAD."


def test_the_facts_of_a_referral_are_those_it_tells() -> None:
    told = social(basis=Basis.RECORD, reason="sex_work", person=Person(birth=Birth(adult=True)))
    facts = Facts.of(told, baltimore(), on=TODAY)
    assert (facts.basis, facts.reason, facts.adult, facts.age) == (Basis.RECORD, "sex_work", True, None)
    dated = Facts.of(
        arrest(person=Person(birth=Birth(age=40)), occurred_at=datetime(2026, 3, 2, 3, tzinfo=UTC)),
        baltimore(),
        on=TODAY,
    )
    assert (dated.age, dated.adult, dated.on) == (40, False, TODAY)
    assert dated.occurred_on == date(2026, 3, 1), "the programme's day"


# ---------------------------------------------------------------------------------------------------- said aloud
@pytest.mark.parametrize(
    ("referral_id", "code"), [("r-1", "S4-22"), ("00" * 16, "X1-67"), ("ab" * 16, "M1-63"), ("zz", "L7-11")]
)
def test_a_call_code_never_changes(referral_id: str, code: str) -> None:
    assert call_code(referral_id) == code


def test_a_receipt_is_the_first_five_bytes() -> None:
    assert receipt_number(bytes(range(1, 9))) == receipt_number(bytes(range(1, 6))) == "0410-6105"


def test_an_illegal_step_says_which_and_where() -> None:
    with pytest.raises(IllegalStep) as told:
        advance(Track.HANDOFF, Handoff.NONE, Step.MEET, Role.OFFICER)
    assert str(told.value) == f"handoff: {Step.MEET} is not possible in state none"


def test_lateness_is_told_by_whoever_speaks_no_other_language() -> None:
    noon = datetime(2026, 3, 3, 12, tzinfo=UTC)
    assert late.sentence(noon, noon, "UTC", "fr") == "Recorded 12:00, received 12:00. Check whether they were met."
    next_day = late.sentence(noon, noon + timedelta(days=1), "UTC")
    assert next_day == "Recorded 2026-03-03 12:00, received 2026-03-04 12:00. Check whether they were met."
    spanish = late.sentence(noon, noon, "UTC", "es")
    assert spanish == "Registrado 12:00, recibido 12:00. Compruebe si alguien los atendió."


def test_a_view_of_old_words_travels_as_it_is() -> None:
    told = view(Happening.RECEIVED, flags=(Flag.OVERRIDE,))
    assert spoken(told) is told
    assert heard(told) is told


# ---------------------------------------------------------------------------------------------------- a pack
def test_a_fault_of_a_pack_says_file_row_and_field() -> None:
    fault = PackFault(file="blocks.csv", row=7, field="lat", message="is empty")
    assert str(fault) == "blocks.csv, row 7, lat: is empty"
    assert str(replace(fault, row=0)) == "blocks.csv, lat: is empty"


@pytest.mark.parametrize(
    ("n", "text"),
    [
        (1, "f, 0: m"),
        (5, "; ".join(f"f, {i}: m" for i in range(5))),
        (7, "; ".join(f"f, {i}: m" for i in range(5)) + " (and 2 more)"),
    ],
)
def test_a_pack_that_cannot_be_used_names_five_of_its_faults(n: int, text: str) -> None:
    faults = tuple(PackFault(file="f", row=0, field=str(i), message="m") for i in range(n))
    assert str(PackError(faults)) == text


def test_what_holds_an_unsettled_value_is_unsettled_below() -> None:
    pack = baltimore()
    assert pack.is_unverified("/timers/intake_days")
    assert pack.is_unverified("/zone/boundary_m")
    assert not pack.is_unverified("/zone")
    assert not pack.is_unverified("")
    odd = replace(pack, unverified=frozenset({"", "/a/b"}))
    assert not odd.is_unverified("/a")
    assert odd.is_unverified("/a/b")
    assert odd.is_unverified("/a/b/c")
    assert hash(pack) == hash(pack.digest)


def read(value: Any, act: str, *arguments: Any) -> tuple[Any, list[str]]:
    """What a reader gives for this value, and what it notes."""
    faults = Faults()
    node = Node(value, "/here", faults)
    found = getattr(node, act)(*arguments)
    found = list(found) if isinstance(found, Iterator) else found
    assert all((fault.file, fault.row) == ("programme.json", 0) for fault in faults.found)
    return found, [f"{fault.field} {fault.message}" for fault in faults.found]


@pytest.mark.parametrize(
    ("value", "act", "arguments", "found", "noted"),
    [
        ([], "items", (), [], ["/here is not an object with entries"]),
        ({}, "items", (), [], ["/here is not an object with entries"]),
        ("x", "items", (), [], ["/here is not an object with entries"]),
        ({}, "each", (), [], ["/here is not a list"]),
        (7, "string", (), "", ["/here is not a text"]),
        (" ", "string", (), "", ["/here is not a text"]),
        ("x", "string", (), "x", []),
        ("25:00", "local_time", (), None, [r"/here does not have the shape ([01]\d|2[0-3]):[0-5]\d"]),
        (["a", "a"], "strings", (), ("a", "a"), ["/here names something twice"]),
        (["a", ""], "strings", (), ("a", ""), ["/here/1 is not a text"]),
        ("yes", "flag", (), True, ["/here is not true or false"]),
        (True, "flag", (), True, []),
        (False, "flag", (), False, []),
        (100_001, "whole", (), 0, ["/here is not a whole number from 0 to 100000"]),
        (4, "whole", (5,), 5, ["/here is not a whole number from 5 to 100000"]),
        (True, "whole", (), 0, ["/here is not a whole number from 0 to 100000"]),
        (100_000, "whole", (), 100_000, []),
        (5, "whole", (5,), 5, []),
        (True, "number", (0.0, 2.0), 0.0, ["/here is not a number from 0 to 2"]),
        (2.5, "number", (0.0, 2.0), 0.0, ["/here is not a number from 0 to 2"]),
        (0.0, "number", (0.0, 2.0), 0.0, []),
        (2, "number", (0.0, 2.0), 2.0, []),
        ([], "rising", (), (), ["/here is not a list of rising numbers"]),
        ([1, 1], "rising", (), (1, 1), ["/here is not a list of rising numbers"]),
        ([1, 2], "rising", (), (1, 2), []),
        ("perhaps", "one_of", (Ruling,), Ruling.YES, ["/here is not one of yes, no, review"]),
    ],
)
def test_a_value_of_a_pack(value: Any, act: str, arguments: tuple[Any, ...], found: Any, noted: list[str]) -> None:
    told = read(value, act, *arguments)
    if found is not None:
        assert told[0] == found
    assert told[1] == noted


def test_the_root_of_a_pack_is_a_slash_and_a_text_has_no_members() -> None:
    faults = Faults()
    Node(7, "", faults).string()
    Node("text", "/a", faults)["b"].string()
    assert [(fault.field, fault.message) for fault in faults.found] == [
        ("/", "is not a text"),
        ("/a/b", "is not a text"),
    ]


@pytest.mark.parametrize(
    ("act", "cell", "arguments", "found", "noted"),
    [
        ("string", " ", (), "", ["is empty"]),
        ("string", " a ", (), "a", []),
        ("whole", "12345678", (), 0, ["is not a whole number"]),
        ("whole", "-1", (), 0, ["is not a whole number"]),
        ("whole", "٣", (), 0, ["is not a whole number"]),
        ("whole", " 1234567 ", (), 1234567, []),
        ("degrees", "90.1", (90,), 0.0, ["is not degrees from -90 to 90"]),
        ("degrees", "nan", (90,), 0.0, ["is not degrees from -90 to 90"]),
        ("degrees", "north", (90,), 0.0, ["is not degrees from -90 to 90"]),
        ("degrees", "-90", (90,), -90.0, []),
        ("degrees", "90", (90,), 90.0, []),
        ("one_of", "perhaps", (Ruling,), Ruling.YES, ["is not one of yes, no, review"]),
        ("one_of", "yes", (Ruling, (Ruling.NO, Ruling.REVIEW)), Ruling.NO, ["is not one of no, review"]),
        ("one_of", "review", (Ruling, (Ruling.NO, Ruling.REVIEW)), Ruling.REVIEW, []),
    ],
)
def test_a_cell_of_a_table(act: str, cell: str, arguments: tuple[Any, ...], found: Any, noted: list[str]) -> None:
    faults = Faults()
    assert getattr(Row("t.csv", 4, {"c": cell}, faults), act)("c", *arguments) == found
    assert [(f.file, f.row, f.field) for f in faults.found] == [("t.csv", 4, "c")] * len(noted)
    assert [fault.message for fault in faults.found] == noted


@pytest.mark.parametrize(
    ("text", "row", "message"),
    [
        ("{\n{", 2, "is not JSON (line 2)"),
        ('{"a": NaN}', 0, "is not JSON"),
        ("[" * 100_000, 0, "is not JSON"),
        ("[]", 0, "is not a JSON object"),
    ],
)
def test_a_file_that_is_not_what_it_should_be(text: str, row: int, message: str) -> None:
    faults = Faults()
    assert read_json("p.json", {"p.json": text}, faults) == {}
    assert faults.found == [PackFault(file="p.json", row=row, field="file", message=message)]


@pytest.mark.parametrize(
    ("text", "rows", "row", "field", "message"),
    [
        ("a,c\r\n1,2\r\n", [], 0, "b, d", "column is missing"),
        ("", [], 0, "b, d", "column is missing"),
        ("b,d\r\n", [], 0, "file", "has no rows"),
        ("b,d\r\n1,2\r\n1\r\n3,4\r\n1,2,3\r\n", [1, 3], 2, "row", "does not have as many cells as the header"),
        ('b,d\r\n1,2\r\n"3"4,5\r\n', [1], 2, "row", "is not CSV"),
        ('b,d\r\n1,"two\r\nlines"\r\n', [1], 0, "", ""),
    ],
)
def test_a_table_that_is_not_what_it_should_be(text: str, rows: list[int], row: int, field: str, message: str) -> None:
    faults = Faults()
    found = list(read_table("t.csv", text, ("b", "d"), faults))
    assert [one.number for one in found] == rows
    if message:
        assert faults.found[0] == PackFault(file="t.csv", row=row, field=field, message=message)
        with pytest.raises(PackError):
            faults.stop_if_any()
    else:
        assert faults.found == []
        assert found[0].cells["d"] == "two\r\nlines"
