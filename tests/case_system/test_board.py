"""Which lists each person's desk has, and what lies on them from the first hour of a referral to its last."""

from __future__ import annotations

import pytest

from case_system.board import LISTS
from referral.lifecycle import Role
from referral.model import Basis, UserId, Willing
from referral.operations import ChargeDecision, ChargeRecord, Intake, Met, Op
from tests.support.agency import Agency
from tests.support.device import arrest, social


def lists(agency: Agency, user: str) -> dict[str, set[str]]:
    """What lies where, without what is empty."""
    found = agency.service.board(UserId(user)).lists
    return {name: {item.record.referral_id for item in items} for name, items in found.items() if items}


@pytest.mark.parametrize(
    ("user", "role"), [("cm1", Role.CASE_MANAGER), ("p1", Role.PEER), ("sao1", Role.SAO_REVIEWER), ("sup", Role.SUPERVISOR), ("o1", None)]
)  # fmt: skip
def test_each_role_has_its_own_lists_and_no_others(agency: Agency, user: str, role: Role | None) -> None:
    board = agency.service.board(UserId(user))
    assert set(board.lists) == set(LISTS[role] if role else ())
    assert all(board.has(name) for name in board.lists)
    assert not board.has("somebody else's")
    assert (board.unsent is not None) is (role is Role.SUPERVISOR), "only supervisors see what devices still hold"


def test_only_an_arrest_of_somebody_who_agreed_waits_for_the_prosecutor(agency: Agency) -> None:
    officer = agency.device("o1")
    asked, refused, met_outside = (
        arrest("asked"),
        arrest("refused", willing=Willing.NO),
        social("social", basis=Basis.OBSERVED),
    )
    officer.send(*(officer.create(told) for told in (asked, refused, met_outside)))
    assert lists(agency, "sao1") == {"reviews": {"asked"}}
    assert lists(agency, "sup")["reviews"] == {"asked"}
    agency.desk("sao1", Op.SAO_APPROVE, "asked")
    assert lists(agency, "sao1") == {"charges": {"asked"}}, "approved, and its charge is still held"
    agency.desk("sao1", Op.CHARGE, "asked", ChargeRecord(decision=ChargeDecision.NOT_FILED))
    assert lists(agency, "sao1") == {}


def test_a_contact_that_nobody_has_is_offered_to_every_case_manager_until_one_takes_it(agency: Agency) -> None:
    officer = agency.device("o1")
    officer.send(officer.create(social("talk")), officer.create(social("no", willing=Willing.NO)))
    for user in ("cm1", "cm2", "sup"):
        assert lists(agency, user)["unassigned"] == {"talk"}
    assert "unassigned" not in lists(agency, "p1")


def test_an_arrest_moves_from_list_to_list_and_only_its_pair_has_it(agency: Agency) -> None:
    officer, manager = agency.device("o1"), agency.device("cm1")
    officer.send(officer.create(arrest("here")))
    assert lists(agency, "cm1") == lists(agency, "cm2") == {"incoming": {"here"}}
    manager.send(manager.reason(Op.ACCEPT, "here"))
    assert (lists(agency, "cm1"), lists(agency, "cm2")) == ({"with_you": {"here"}}, {})
    agency.clock.go(hours=2)
    assert (lists(agency, "cm1"), lists(agency, "cm2")) == ({"overdue": {"here"}}, {}), "past the goal, on one list"
    assert lists(agency, "sup")["overdue"] == {"here"}
    manager.send(manager.seal(manager.operation(Op.MET, "here", Met(at=agency.clock()), base=2)))
    assert lists(agency, "cm1") == {"with_you": {"here"}}
    manager.send(manager.seal(manager.operation(Op.INTAKE, "here", Intake(on=agency.clock().date()), base=3)))
    assert lists(agency, "cm1") == {}
    assert "ready" not in lists(agency, "sup"), "the prosecutor has not answered"
    agency.admit("here")
    assert lists(agency, "sup")["ready"] == {"here"}
