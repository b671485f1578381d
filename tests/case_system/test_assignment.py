"""Who joins which pair, and that no pair passes its cap, whoever asks at the same time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from case_system.assignment import Chosen, Full, Post, Rota, choose, posts
from case_system.reasons import Why
from case_system.record import Pair, User
from case_system.store import schema
from referral.lifecycle import Episode, Role
from referral.model import Birth, Person, ReferralId, UserId
from referral.operations import Close, CloseReason, Enrol, Intake, Met, Op
from referral.port import Outcome
from referral.problems import ProblemCode
from referral.views import Flag, Happening
from tests.case_system.test_feed import together
from tests.support.agency import MONDAY_NIGHT, Agency
from tests.support.device import Device, arrest


def pairs(**enrolled: int) -> tuple[Pair, ...]:
    """Pairs with so many people."""
    return tuple(
        Pair(pair=n, case_manager=UserId(f"cm_{n}"), peer=UserId(f"p_{n}"), enrolled=e) for n, e in enrolled.items()
    )


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
    found = posts(Rota(lists={Post.DUTY: [UserId("cm1"), UserId("p1")]}), people, MONDAY_NIGHT)
    assert (found.duty, found.on_call, found.supervisors, found.sao) == (("cm1",), ("cm2",), ("s",), ("r",))
    assert posts(Rota(lists={Post.ON_CALL: [UserId("cm2")]}), people, MONDAY_NIGHT).duty == ()


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
    agency.admit(here)
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


def line(agency: Agency) -> list[str]:
    """Who waits for a pair, in order."""
    return [waiting.referral_id for waiting in agency.service.inquiry.waiting_line(UserId("sup"))]


def places_told(agency: Agency) -> list[tuple[str, int]]:
    """(referral, round) of the notices that a place is free."""
    rows = agency.rows(select(schema.notices).where(schema.notices.c.kind == "place_free"))
    return [(row["referral_id"], row["round"]) for row in rows]


def test_places_are_given_in_the_order_of_the_line_and_the_supervisor_is_told_who_is_next(agency: Agency) -> None:
    officer, manager = agency.device("o1"), agency.device("cm1")
    first, second = ready(agency, officer, manager), ready(agency, officer, manager)
    fill(agency, west=28, east=28)
    for here in (first, second):
        agency.clock.go(minutes=1)
        agency.desk("sup", Op.ENROL, here, Enrol())
    assert line(agency) == [first, second]
    assert agency.service.inquiry.case_file(UserId("sup"), second).in_line == 2
    agency.service.climb(agency.clock())
    assert places_told(agency) == []
    fill(agency, east=27)
    agency.service.climb(agency.clock())
    assert places_told(agency) == [(first, 1)]
    agency.service.climb(agency.clock())
    assert places_told(agency) == [(first, 1)]  # once
    receipt = agency.desk("sup", Op.ENROL, second, Enrol())
    assert (receipt.outcome, receipt.code) == (Outcome.NEEDS_ATTENTION, ProblemCode.CAP_REACHED)  # not their turn
    assert agency.desk("sup", Op.ENROL, second, Enrol(pair="east")).outcome is Outcome.NEEDS_ATTENTION
    out_of_turn = Enrol(pair="east", reason="special_need")
    assert agency.desk("sup", Op.ENROL, second, out_of_turn).outcome is Outcome.ACCEPTED
    assert (line(agency), enrolled(agency)["east"]) == ([first], 28)
    agency.service.climb(agency.clock())
    fill(agency, west=27)
    agency.service.climb(agency.clock())
    assert places_told(agency) == [(first, 1), (first, 2)]  # the place was taken, and another is free
    assert agency.desk("sup", Op.ENROL, first, Enrol()).outcome is Outcome.ACCEPTED
    assert line(agency) == []
    record = agency.service.look(UserId("sup"), first)
    assert (record.flags, record.pair_why, record.waiting_since) == (frozenset(), Why.HOLDS_IT, None)


def test_past_the_soft_line_the_reason_is_written_and_the_other_supervisors_are_told(agency: Agency) -> None:
    agency.accounts.add_user("sup2", Role.SUPERVISOR)
    officer, manager = agency.device("o1"), agency.device("cm1")
    fill(agency, west=25, east=25)
    here = ready(agency, officer, manager)
    assert agency.desk("sup", Op.ENROL, here, Enrol(reason="partners_agreed")).outcome is Outcome.ACCEPTED
    lines = agency.service.inquiry.case_file(UserId("sup"), here).timeline
    assert [(x.what, x.code) for x in lines[-2:]] == [
        (Happening.ENROLLED, "holds_it"), (Happening.OVER_SOFT_LINE, "partners_agreed"),
    ]  # fmt: skip
    told = agency.rows(select(schema.notices).where(schema.notices.c.kind == "over_soft_line"))
    assert [row["recipient"] for row in told] == ["sup2"]


def test_a_pair_that_speaks_the_language_is_preferred_and_one_without_a_peer_comes_last() -> None:
    two = pairs(a=1, b=9)
    assert choose(two, cap=28, soft=25, speakers=[UserId("p_b")]) == Chosen(
        pair="b", why=Why.SPEAKS_LANGUAGE, counts=True, over_soft_line=False
    )
    alone = Pair(pair="0", case_manager=UserId("cm_0"), peer=None, enrolled=0)
    assert choose((*two, alone), cap=28, soft=25) == Chosen(
        pair="a", why=Why.FEWEST_PEOPLE, counts=True, over_soft_line=False
    )
    full = pairs(a=28)
    assert choose((*full, alone), cap=28, soft=25) == Chosen(
        pair="0", why=Why.NO_PEER_YET, counts=True, over_soft_line=False
    )


def test_free_places_are_left_to_those_who_wait_longer() -> None:
    assert choose(pairs(a=27, b=28), cap=28, soft=25, ahead=1) == Full(pair=None)
    assert isinstance(choose(pairs(a=27, b=27), cap=28, soft=25, ahead=1), Chosen)
    assert isinstance(choose(pairs(a=27, b=28), cap=28, soft=25, ahead=1, wanted="a"), Chosen)
    assert isinstance(choose(pairs(a=27, b=28), cap=28, soft=25, ahead=1, own="a"), Chosen)


def test_many_who_enrol_into_the_last_place_at_once_take_it_once_and_the_others_wait_in_line(agency: Agency) -> None:
    officer, manager = agency.device("o1"), agency.device("cm1")
    people = [ready(agency, officer, manager) for _ in range(6)]
    fill(agency, west=27, east=28)
    outcomes: dict[str, Outcome] = {}

    def ask(here: ReferralId) -> None:
        outcomes[here] = agency.desk("sup", Op.ENROL, here, Enrol()).outcome

    assert together(*(lambda here=here: ask(here) for here in people)) == []
    winners = [here for here, outcome in outcomes.items() if outcome is Outcome.ACCEPTED]
    assert len(winners) == 1
    assert enrolled(agency) == {"west": 28, "east": 28}
    assert sorted(line(agency)) == sorted(set(people) - set(winners))
    for here in line(agency):
        assert Flag.WAIT_LIST in agency.service.look(UserId("sup"), ReferralId(here)).flags


@pytest.mark.parametrize("role", ["cm1", "sao1", "o1"])
def test_only_a_supervisor_enrols(agency: Agency, role: str) -> None:
    officer, manager = agency.device("o1"), agency.device("cm1")
    here = ready(agency, officer, manager)
    assert agency.desk(role, Op.ENROL, here, Enrol()).code is ProblemCode.NOT_PERMITTED
