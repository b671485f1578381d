"""What a page still misses of a referral, and how it names people."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from case_system.sheet import unanswered
from referral.model import (
    Answer,
    Basis,
    Birth,
    Exclusions,
    Permission,
    Person,
    Place,
    PlaceSource,
    Quantity,
    Reach,
    ReachHow,
    Urgency,
    UserId,
)
from referral.operations import Op
from tests.support.agency import Agency
from tests.support.device import arrest, social

NO = Exclusions(open_warrant=Answer.NO, safety_threat=Answer.NO, under_supervision=Answer.NO, disqualifying_record=Answer.NO, open_case=Answer.NO)  # fmt: skip
REACH = Reach(how=ReachHow.PHONE, detail="443-555-0199", permission=Permission.OK)


ANSWERED: dict[str, Any] = {"person": Person(name="Testa Sample", birth=Birth(age=30)), "place": Place(text="300 W Lexington St", source=PlaceSource.TYPED), "reach": REACH}  # fmt: skip


def test_a_whole_form_misses_nothing() -> None:
    charged: dict[str, Any] = {
        "offence_codes": ("4 3550",),
        "quantity": Quantity.PERSONAL,
        "exclusions": NO,
        "incident_number": "26-0001",
    }
    assert unanswered(replace(arrest(), **ANSWERED, **charged)) == ()
    asked: dict[str, Any] = {"basis": Basis.OBSERVED, "urgency": Urgency.TODAY, "reason": "overdose_response"}
    assert unanswered(replace(social(), **ANSWERED, **asked)) == ()


def test_each_kind_is_asked_its_own_questions() -> None:
    both = {"place", "person.name", "person.birth", "reach"}
    exclusions = {f"exclusions.{name}" for name in ("open_warrant", "safety_threat", "under_supervision", "disqualifying_record", "open_case")}  # fmt: skip
    bare: dict[str, Any] = {"person": Person(), "place": None}
    assert set(unanswered(replace(arrest(), **bare))) == both | exclusions | {"offence_codes", "incident_number"}
    bare |= {"basis": None, "urgency": None, "reason": None}
    assert set(unanswered(replace(social(), **bare))) == both | {"basis", "urgency", "reason"}


def test_a_quantity_is_asked_for_once_there_is_a_charge_and_a_descriptor_is_a_name() -> None:
    assert "quantity" not in unanswered(arrest())
    assert "quantity" in unanswered(arrest(offence_codes=("4 3550",)))
    assert "person.name" not in unanswered(arrest(person=Person(descriptor="green coat")))


def test_what_is_missing_is_told_to_who_sees_the_whole(agency: Agency) -> None:
    officer, told = agency.device("o1"), arrest()
    officer.send(officer.create(told))
    agency.desk("cm1", Op.ACCEPT, told.referral_id)
    for user, sees in (("cm1", True), ("sao1", False)):
        sheet = agency.service.sheet(UserId(user), told.referral_id)
        assert bool(sheet.missing) is sees
        assert (sheet.name(None), sheet.name(UserId("cm1")), sheet.name(UserId("long-gone"))) == (
            "",
            "CM1",
            "long-gone",
        )
