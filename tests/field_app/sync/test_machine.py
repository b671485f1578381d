"""The delivery table: every pair, legal or not."""

from __future__ import annotations

import itertools

import pytest

from field_app.sync.machine import DELIVERY_ROWS, FIRST, TABLE, Event, IllegalDelivery, State, advance, can

RECEIPTS = (Event.RECEIPT_STORED, Event.RECEIPT_ACCEPTED, Event.RECEIPT_NEEDS_ATTENTION, Event.RECEIPT_REFUSED)


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, Event)))
def test_a_step_goes_where_the_table_says_or_raises(state: State, event: Event) -> None:
    expected = [after for before, what, after in DELIVERY_ROWS if (before, what) == (state, event)]
    assert can(state, event) == bool(expected)
    if expected:
        assert [advance(state, event)] == expected
    else:
        with pytest.raises(IllegalDelivery):
            advance(state, event)


def test_the_table_names_each_pair_once() -> None:
    assert len(TABLE) == len(DELIVERY_ROWS)


def test_only_a_receipt_takes_an_operation_out_of_waiting() -> None:
    leaving = {
        event for before, event, after in DELIVERY_ROWS if before is State.WAITING and after is not State.WAITING
    }
    assert leaving == {*RECEIPTS, Event.RESEALED}


def test_only_a_final_refusal_leads_to_quarantine() -> None:
    assert {event for _, event, after in DELIVERY_ROWS if after is State.QUARANTINED} == {Event.RECEIPT_REFUSED}


def test_what_was_accepted_is_never_refused_or_forgotten() -> None:
    after = {event: advance(State.ACCEPTED, event) for event in Event if can(State.ACCEPTED, event)}
    assert Event.RECEIPT_REFUSED not in after
    assert after[Event.RECEIPT_STORED] is State.ACCEPTED
    assert after[Event.REOFFER] is State.REOFFERED


def test_every_state_is_reached_and_a_person_can_leave_quarantine() -> None:
    assert set(State) == set(FIRST) | {after for _, _, after in DELIVERY_ROWS}
    assert advance(State.QUARANTINED, Event.RETRY) is State.WAITING


def test_a_held_copy_goes_out_only_when_it_is_released() -> None:
    assert [event for event in Event if can(State.HELD, event)] == [Event.RELEASE]


def test_a_replaced_operation_is_done() -> None:
    assert not [event for event in Event if can(State.REPLACED, event)]
