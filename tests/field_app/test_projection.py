"""Projection: the view with own steps on top, honest delivery, whom to call, and what may be done now."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from field_app.holdings import Record
from field_app.projection import (
    RECEIVED,
    Standing,
    call_for,
    may,
    possible,
    projected,
    row,
    standings,
    state_word,
)
from field_app.snapshot import Delivery, Me, ReferralRow
from field_app.store.outbox import Entry
from field_app.sync.machine import State
from referral.lifecycle import Charge, Episode, Handoff, Release, Review, Role
from referral.model import Kind, OpId, ReferralId, UserId, Whereabouts
from referral.numbers import call_code
from referral.operations import OPERATIONS, OnTheWay, Op, Operation, Reason, allowed
from referral.problems import ProblemCode
from referral.views import Flag, ReferralView
from tests.support.packs import baltimore
from tests.support.station import ARREST, SOCIAL

NOW = datetime(2026, 3, 3, 7, 10, tzinfo=UTC)
R = ReferralId("r-1")
ME = Me(user=UserId("cm1"), name="Casey Manager", role=Role.CASE_MANAGER, agency="a", server="s", device_id="d")


def record(wire: dict[str, Any] = ARREST, **more: Any) -> Record:
    kind = Kind.ARREST if wire["kind"] == "arrest" else Kind.SOCIAL
    whole = wire | {"referral_id": R, "kind": kind.value} | more
    return Record(row_id=b"r" * 16, referral_id=R, kind=kind, op_id=OpId("a" * 32), made_at=NOW, wire=whole)


def view(**more: Any) -> ReferralView:
    values: dict[str, Any] = {
        "referral_id": R, "revision": 1, "kind": Kind.ARREST, "receipt": "7K42-9QXM", "received_at": NOW + timedelta(minutes=5),
        "review": Review.SUBMITTED, "handoff": Handoff.OFFERED, "charge": Charge.HELD, "release": Release.NONE,
    }  # fmt: skip
    return ReferralView(**(values | more))


def operation(op: Op, body: Any = None) -> Operation:
    return Operation(
        op=op, referral_id=R, nonce="n", made_at=NOW, made_by=UserId("cm1"), body=Reason() if body is None else body
    )


def entry(state: State, op: Op = Op.CREATE, op_id: str = "a" * 32, reason: ProblemCode | None = None) -> Entry:
    return Entry(
        op_id=OpId(op_id), state=state, attempts=0, device_seq=1, next_at=None, referral_id=R, operation=op, made_at=NOW,
        receipt=None, reason=reason,
    )  # fmt: skip


def line(*, has: Record | None = None, seen: ReferralView | None = None, ops: tuple[Operation, ...] = (), standing: Standing = RECEIVED) -> ReferralRow:  # fmt: skip
    return row(R, record=has, view=seen, operations=ops, standing=standing, me=ME, programme=baltimore())


def test_a_record_alone_is_a_line() -> None:
    made = line(has=record(), standing=Standing(delivery=Delivery.WAITING, unsent=True))
    assert (made.title, made.created_at, made.delivery, made.mine) == ("Ann Example", NOW, Delivery.WAITING, True)
    assert (made.review, made.handoff, made.receipt) == (None, None, None)
    assert made.to_finish == ("eta_at", "incident_number")
    assert made.call is not None
    assert made.call.code == call_code(R)
    assert made.call.number == baltimore().contacts["duty_case_manager"].phone


def test_a_view_alone_is_a_line() -> None:
    made = line(seen=view(officer_name="O1", case_manager="CM1", unanswered_since=NOW, flags=(Flag.LATE_SYNC,)))
    assert (made.title, made.receipt, made.delivery) == ("", "7K42-9QXM", Delivery.ACCEPTED)
    assert made.created_at == view().received_at
    assert made.nobody_answered
    assert made.call is not None
    assert made.to_finish == ()


def test_with_both_the_officers_time_and_the_servers_tracks_count() -> None:
    made = line(has=record(), seen=view())
    assert (made.created_at, made.received_at, made.handoff) == (NOW, view().received_at, Handoff.OFFERED)
    assert made.call is None


def test_with_neither_there_is_no_line() -> None:
    with pytest.raises(ValueError, match="nothing known"):
        line()


@pytest.mark.parametrize(
    ("op", "expected"),
    [
        (
            Op.ACCEPT,
            {"handoff": Handoff.ACCEPTED, "case_manager": "Casey Manager", "mine": True, "nobody_answered": False},
        ),
        (Op.REDIRECT, {"handoff": Handoff.REDIRECTED, "case_manager": None, "mine": False}),
        (Op.WITHDRAW, {"handoff": Handoff.NONE, "episode": Episode.CLOSED}),
        (Op.ASK_WITHDRAWAL, {"flags": (Flag.WITHDRAWAL_ASKED,)}),
    ],
)
def test_an_own_step_is_shown_at_once(op: Op, expected: dict[str, Any]) -> None:
    made = line(seen=view(unanswered_since=NOW), ops=(operation(op),))
    assert {name: getattr(made, name) for name in expected} == expected


def test_steps_are_applied_in_their_order() -> None:
    made = line(seen=view(), ops=(operation(Op.ACCEPT), operation(Op.REDIRECT)))
    assert made.handoff is Handoff.REDIRECTED
    made = line(seen=view(), ops=(operation(Op.REDIRECT), operation(Op.ACCEPT)))
    assert made.handoff is Handoff.ACCEPTED


def test_on_the_way_moves_an_arrest_only() -> None:
    body = OnTheWay(eta_at=NOW)
    made = line(has=record(whereabouts="booked"), ops=(operation(Op.ON_THE_WAY, body),))
    assert (made.whereabouts, made.eta_at) == (Whereabouts.COMING_IN, NOW)
    made = line(has=record(SOCIAL), ops=(operation(Op.ON_THE_WAY, body),))
    assert made.whereabouts is None


def test_asking_twice_flags_once() -> None:
    asked = projected(projected(line(seen=view()), operation(Op.ASK_WITHDRAWAL), ME), operation(Op.ASK_WITHDRAWAL), ME)
    assert asked.flags == (Flag.WITHDRAWAL_ASKED,)


@pytest.mark.parametrize(
    ("states", "delivery", "unsent"),
    [
        ((State.WAITING,), Delivery.WAITING, True),
        ((State.STORED,), Delivery.STORED, False),
        ((State.ACCEPTED,), Delivery.ACCEPTED, False),
        ((State.REOFFERED,), Delivery.ACCEPTED, False),
        ((State.QUARANTINED,), Delivery.NEEDS_ATTENTION, False),
        ((State.STORED, State.WAITING), Delivery.WAITING, True),
        ((State.NEEDS_ATTENTION, State.WAITING), Delivery.NEEDS_ATTENTION, True),
        ((State.WAITING, State.NEEDS_ATTENTION), Delivery.NEEDS_ATTENTION, True),
    ],
)
def test_delivery_is_that_of_the_worst_operation(states: tuple[State, ...], delivery: Delivery, unsent: bool) -> None:
    found = standings(entry(state, op_id=f"{n:032x}") for n, state in enumerate(states))[R]
    assert (found.delivery, found.unsent) == (delivery, unsent)


def test_copies_that_are_held_or_replaced_are_nobodys_delivery() -> None:
    assert standings([entry(State.HELD), entry(State.REPLACED)]) == {}


def test_the_reason_is_that_of_the_trouble() -> None:
    found = standings([entry(State.WAITING), entry(State.NEEDS_ATTENTION, Op.MET, "b" * 32, ProblemCode.CAP_REACHED)])[
        R
    ]
    assert (found.reason, found.troubled) == (ProblemCode.CAP_REACHED, frozenset({OpId("b" * 32)}))


@pytest.mark.parametrize(
    ("wire", "unsent", "called"),
    [(ARREST, True, True), (ARREST, False, False), (SOCIAL, True, False), (ARREST | {"willing": "no"}, True, False)],
)
def test_lead_is_called_while_an_arrest_is_unheard(wire: dict[str, Any], unsent: bool, called: bool) -> None:
    standing = Standing(unsent=unsent)
    has = record(wire)
    made = line(has=has, standing=standing)
    assert (call_for(made, has.wire, standing, baltimore()) is not None) is called
    assert (made.call is not None) is called


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("handoff", list(Handoff))
@pytest.mark.parametrize("episode", list(Episode))
def test_what_is_offered_is_never_what_the_role_may_not_do(role: Role, handoff: Handoff, episode: Episode) -> None:
    shown = replace(line(seen=view()), handoff=handoff, episode=episode)
    for op in possible(shown, role):
        assert allowed(op, role)
        assert OPERATIONS[op].from_device
        assert op not in (Op.CREATE, Op.INCOMPLETE, Op.ACKNOWLEDGE)
        assert episode is not Episode.CLOSED or op is Op.RELEASE


def test_what_this_device_cannot_know_is_no_obstacle() -> None:
    unsent = line(has=record(), standing=Standing(unsent=True))
    assert may(Op.MET, unsent, Role.OFFICER)
    assert may(Op.NOT_COMPLETED, unsent, Role.OFFICER)
    assert not may(Op.NOT_COMPLETED, replace(unsent, whereabouts=Whereabouts.BOOKED), Role.OFFICER)
    assert not may(Op.CONTACT, replace(unsent, handoff=Handoff.OFFERED), Role.CASE_MANAGER)
    assert not may(Op.MET, replace(unsent, handoff=Handoff.MET), Role.OFFICER)
    assert may(Op.WITHDRAW, unsent, Role.OFFICER)
    assert not may(Op.WITHDRAW, replace(unsent, handoff=Handoff.ACCEPTED), Role.OFFICER)
    assert may(Op.ASK_WITHDRAWAL, replace(unsent, handoff=Handoff.ACCEPTED), Role.OFFICER)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"episode": Episode.CLOSED}, "closed"),
        ({"handoff": Handoff.OFFERED}, "offered"),
        ({"handoff": Handoff.NONE, "review": Review.APPROVED}, "approved"),
        ({"handoff": None, "review": None}, "recorded"),
    ],
)
def test_one_word_for_the_list(changes: dict[str, Any], word: str) -> None:
    assert state_word(replace(line(seen=view()), **changes)) == word
