"""Who joins which pair, and that no pair passes its cap, whoever asks at the same time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from case_system.assignment import Chosen, Full, Post, Why, choose, posts
from case_system.record import Pair, User
from case_system.store import schema
from referral.lifecycle import Episode, Role
from referral.model import Birth, Person, ReferralId, UserId
from referral.operations import Close, CloseReason, Enrol, Intake, Met, Op
from referral.port import Outcome
from referral.problems import ProblemCode
from referral.views import Flag
from tests.case_system.test_feed import together
from tests.support.agency import Agency
from tests.support.device import Device, arrest


def pairs(**enrolled: int) -> tuple[Pair, ...]:
    """Pairs with so many people."""
    return tuple(Pair(pair=n, case_manager=UserId(f"cm_{n}"), peer=None, enrolled=e) for n, e in enrolled.items())


def test_the_emptiest_pair_is_chosen_by_name_where_equal() -> None:
    assert choose(pairs(b=3, a=3, c=4), cap=28, soft=25) == Chosen(
        pair="a", why=Why.FEWEST_PEOPLE, counts=True, over_soft_line=False
    )
    assert choose(pairs(a=25, b=28), cap=28, soft=25) == Chosen(
        pair="a", why=Why.FEWEST_PEOPLE, counts=True, over_soft_line=True
    )


def test_who_accepted_keeps_the_person_while_there_is_a_place() -> None:
    assert choose(pairs(a=1, b=9), cap=28, soft=25, holding="b") == Chosen(
        pair="b", why=Why.HOLDS_IT, counts=True, over_soft_line=False
    )
    assert isinstance(choose(pairs(a=1, b=28), cap=28, soft=25, holding="b"), Chosen)


def test_a_pair_that_was_asked_for_is_that_pair_or_none() -> None:
    assert choose(pairs(a=1, b=28), cap=28, soft=25, wanted="b") == Full(pair="b")
    assert choose(pairs(a=1), cap=28, soft=25, wanted="no_such") == Full(pair="no_such")
    assert choose(pairs(a=28, b=28), cap=28, soft=25) == Full(pair=None)


def test_a_person_is_counted_once() -> None:
    assert choose(pairs(a=28), cap=28, soft=25, own="a") == Chosen(
        pair="a", why=Why.OWN_PAIR, counts=False, over_soft_line=True
    )


@given(counts=st.lists(st.integers(0, 40), max_size=6), cap=st.integers(1, 30), steps=st.integers(1, 200))
def test_no_pair_ever_passes_the_cap(counts: list[int], cap: int, steps: int) -> None:
    now = {f"p{i}": min(n, cap) for i, n in enumerate(counts)}
    for _ in range(steps):
        chosen = choose(pairs(**now), cap=cap, soft=cap)
        if isinstance(chosen, Full):
            assert all(n == cap for n in now.values())
            break
        now[chosen.pair] += 1
        assert now[chosen.pair] <= cap


def test_posts_fall_back_to_everyone_of_the_role() -> None:
    people = [
        User(user_id=UserId(n), name=n, role=r, active=a)
        for n, r, a in (
            ("cm1", Role.CASE_MANAGER, True), ("cm2", Role.CASE_MANAGER, True), ("p1", Role.PEER, False),
            ("s", Role.SUPERVISOR, True), ("r", Role.SAO_REVIEWER, True), ("o", Role.OFFICER, True),
        )
    ]  # fmt: skip
    found = posts({Post.DUTY: [UserId("cm1"), UserId("p1")]}, people)
    assert (found.duty, found.on_call, found.supervisors, found.sao) == (("cm1",), ("cm2",), ("s",), ("r",))
    assert posts({Post.ON_CALL: [UserId("cm2")]}, people).duty == ()


def ready(agency: Agency, officer: Device, manager: Device, **fields: Any) -> ReferralId:
    """A referral with an approved review and a completed intake; its id."""
    told = arrest(**fields)
    here = told.referral_id
    officer.send(officer.create(told))
    manager.send(
        manager.reason(Op.ACCEPT, here),
        manager.seal(manager.operation(Op.MET, here, Met(at=agency.clock()), base=2)),
        manager.seal(manager.operation(Op.INTAKE, here, Intake(on=agency.clock().date()), base=3)),
    )
    agency.desk("sao1", Op.SAO_APPROVE, here)
    return here


def enrolled(agency: Agency) -> dict[str, int]:
    """How many people each pair has."""
    return {row["pair"]: row["enrolled"] for row in agency.rows(select(schema.pairs))}


def fill(agency: Agency, **counts: int) -> None:
    """Set the count of pairs."""
    with agency.engine.begin() as db:
        for pair, n in counts.items():
            db.execute(update(schema.pairs).where(schema.pairs.c.pair == pair).values(enrolled=n))


def test_enrolment_needs_the_review_and_the_intake(agency: Agency) -> None:
    officer = agency.device("o1")
    told = arrest()
    officer.send(officer.create(told))
    receipt = agency.desk("sup", Op.ENROL, told.referral_id, Enrol())
    assert (receipt.outcome, receipt.code) == (Outcome.NEEDS_ATTENTION, ProblemCode.NOT_POSSIBLE_NOW)


def test_enrolment_counts_closing_gives_back_and_the_pair_is_told(agency: Agency) -> None:
    officer, manager = agency.device("o1"), agency.device("cm1")
    here = ready(agency, officer, manager)
    assert agency.desk("sup", Op.ENROL, here, Enrol()).outcome is Outcome.ACCEPTED
    assert enrolled(agency) == {"west": 1, "east": 0}
    assert (manager.pull().enrolled, manager.replica.referrals[here].episode) == (1, Episode.ENROLLED)
    assert agency.desk("sup", Op.CLOSE, here, Close(reason=CloseReason.MOVED)).outcome is Outcome.ACCEPTED
    assert enrolled(agency) == {"west": 0, "east": 0}


def test_the_same_person_is_counted_once(agency: Agency) -> None:
    officer, manager = agency.device("o1"), agency.device("cm1")
    person = Person(name="Robin Sample", birth=Birth(date=agency.clock().date().replace(year=1990)))
    first, second = (ready(agency, officer, manager, person=person) for _ in range(2))
    assert agency.desk("sup", Op.ENROL, first, Enrol()).outcome is Outcome.ACCEPTED
    assert agency.desk("sup", Op.ENROL, second, Enrol()).outcome is Outcome.ACCEPTED
    assert enrolled(agency) == {"west": 1, "east": 0}
    agency.desk("sup", Op.CLOSE, second, Close(reason=CloseReason.DUPLICATE))
    assert enrolled(agency) == {"west": 1, "east": 0}


def test_when_all_pairs_are_full_the_person_waits_and_is_not_lost(agency: Agency) -> None:
    officer, manager = agency.device("o1"), agency.device("cm1")
    fill(agency, west=28, east=28)
    here = ready(agency, officer, manager)  # an arriving person is always met
    receipt = agency.desk("sup", Op.ENROL, here, Enrol())
    assert (receipt.outcome, receipt.code) == (Outcome.NEEDS_ATTENTION, ProblemCode.CAP_REACHED)
    assert Flag.WAIT_LIST in manager.pull().referrals[here].flags
    fill(agency, east=27)
    assert agency.desk("sup", Op.ENROL, here, Enrol()).outcome is Outcome.ACCEPTED
    assert enrolled(agency) == {"west": 28, "east": 28}
    assert Flag.WAIT_LIST not in agency.service.look(UserId("sup"), here).flags


def test_the_last_place_is_given_once_when_many_ask_at_once(agency: Agency) -> None:
    officer, manager = agency.device("o1"), agency.device("cm1")
    waiting = [ready(agency, officer, manager) for _ in range(5)]
    fill(agency, west=27, east=27)
    outcomes: list[Outcome] = []
    enrols = [
        lambda here=here: outcomes.append(agency.desk("sup", Op.ENROL, here, Enrol()).outcome) for here in waiting
    ]
    assert together(*enrols) == []
    assert outcomes.count(Outcome.ACCEPTED) == 2
    assert enrolled(agency) == {"west": 28, "east": 28}


@pytest.mark.parametrize("role", ["cm1", "sao1", "o1"])
def test_only_a_supervisor_enrols(agency: Agency, role: str) -> None:
    officer, manager = agency.device("o1"), agency.device("cm1")
    here = ready(agency, officer, manager)
    assert agency.desk(role, Op.ENROL, here, Enrol()).code is ProblemCode.NOT_PERMITTED
