"""Every (track, state, step, role): legal goes where the table says, illegal raises. Rules of the product are named."""

from __future__ import annotations

import itertools

import pytest

from referral.lifecycle import (
    TABLE,
    Charge,
    Episode,
    Handoff,
    IllegalStep,
    Release,
    Review,
    Role,
    Step,
    Track,
    advance,
    can,
    first_states,
)
from referral.model import Kind
from referral.operations import OPERATIONS, Op

STATES = {
    Track.REVIEW: Review,
    Track.HANDOFF: Handoff,
    Track.CHARGE: Charge,
    Track.RELEASE: Release,
    Track.EPISODE: Episode,
}


@pytest.mark.parametrize("track", list(Track))
def test_every_pair_is_in_the_table_or_raises(track: Track) -> None:
    for state, step, role in itertools.product(STATES[track], Step, Role):
        row = TABLE.get((track, state, step))
        if row is not None and role in row[1]:
            assert advance(track, state, step, role) == row[0]
            assert can(track, state, step, role)
        else:
            assert not can(track, state, step, role)
            with pytest.raises(IllegalStep):
                advance(track, state, step, role)


@pytest.mark.parametrize("track", list(Track))
def test_states_stay_in_their_track_and_all_are_reached(track: Track) -> None:
    reached = {first_states(kind)[track] for kind in Kind}
    for (at, state, _), (to, _) in TABLE.items():
        if at is track:
            assert state in {s.value for s in STATES[track]}
            assert isinstance(to, STATES[track])
            reached.add(to)
    assert reached == set(STATES[track])


def test_only_a_named_person_accepts() -> None:
    for state in Handoff:
        assert not can(Track.HANDOFF, state, Step.ACCEPT, Role.SYSTEM)


def test_only_the_sao_decides_review_and_charge() -> None:
    for (track, _, step), (_, roles) in TABLE.items():
        if step in {Step.APPROVE, Step.DECLINE} or track is Track.CHARGE:
            assert roles == {Role.SAO_REVIEWER}


def test_an_acceptance_followed_by_met_is_never_undone() -> None:
    assert not any(
        can(Track.HANDOFF, Handoff.MET, Step.REDIRECT, r) or can(Track.HANDOFF, Handoff.MET, Step.TAKE_BACK, r)
        for r in Role
    )
    assert not any(can(Track.HANDOFF, Handoff.ACCEPTED, Step.TAKE_BACK, r) for r in Role)


def test_a_social_contact_has_no_charge() -> None:
    assert first_states(Kind.SOCIAL)[Track.CHARGE] is Charge.NONE
    assert not any(can(Track.CHARGE, Charge.NONE, step, role) for step in Step for role in Role)


def test_the_evaluator_and_the_administrator_move_nothing() -> None:
    for _, roles in TABLE.values():
        assert not roles & {Role.EVALUATOR, Role.ADMINISTRATOR, Role.DEFENDER}


@pytest.mark.parametrize("op", list(Op))
def test_every_operation_has_a_rule_whose_roles_can_take_its_steps(op: Op) -> None:
    rule = OPERATIONS[op]
    assert rule.roles
    for track, step in rule.steps:
        for role in rule.roles:
            assert any(can(track, state, step, role) for state in STATES[track]), (op, role, step)
