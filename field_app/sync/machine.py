"""The delivery of one operation, as a table.

Theory. An operation is saved `waiting` and stays so until a signed receipt names its op_id, its fingerprint and the server's
epoch (S4); nothing else moves it on: no status code, no timeout, no clock. Being in flight is not a state, because a
crash would have to undo it. Nothing is ever deleted by the machine (S7): what can never be taken goes to `quarantined`, where
a person sees it, exports it or tries again.

    held          the sealed copy of a draft; only a wipe of the readable vault sends it
    waiting       saved, not yet received
    stored        the case system keeps it, and will judge it later (S14, and a revoked device's)
    accepted      received and applied
    needs_attention   received, and a person at the case system must look at it (S19)
    reoffered     was accepted; offered once more, because the case system may have lost it (S11, S15)
    quarantined   refused for good; kept here with the reason
    replaced      sealed again for a newer agency key; the new operation stands in its place

A late receipt may overtake an earlier one: what was accepted is not taken back by an answer that is older.
A transition that is not in the table raises `IllegalDelivery` and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """Where one operation's delivery stands."""

    HELD = "held"
    WAITING = "waiting"
    STORED = "stored"
    ACCEPTED = "accepted"
    NEEDS_ATTENTION = "needs_attention"
    REOFFERED = "reoffered"
    QUARANTINED = "quarantined"
    REPLACED = "replaced"


class Event(StrEnum):
    """What can happen to it. The first four are receipts."""

    RECEIPT_STORED = "receipt_stored"
    RECEIPT_ACCEPTED = "receipt_accepted"
    RECEIPT_NEEDS_ATTENTION = "receipt_needs_attention"
    RECEIPT_REFUSED = "receipt_refused"  # for a reason that trying again cannot change
    TRY_LATER = "try_later"
    RESEALED = "resealed"
    REOFFER = "reoffer"
    RETRY = "retry"  # by hand
    RELEASE = "release"  # the readable vault was wiped


Row = tuple[State, Event, State]

_W, _S, _A, _N = State.WAITING, State.STORED, State.ACCEPTED, State.NEEDS_ATTENTION
_O, _Q = State.REOFFERED, State.QUARANTINED

DELIVERY_ROWS: tuple[Row, ...] = (
    (State.HELD, Event.RELEASE, _W),
    # a first answer, and a repeated one
    (_W, Event.RECEIPT_STORED, _S),
    (_W, Event.RECEIPT_ACCEPTED, _A),
    (_W, Event.RECEIPT_NEEDS_ATTENTION, _N),
    (_W, Event.RECEIPT_REFUSED, _Q),
    (_W, Event.TRY_LATER, _W),
    (_W, Event.RESEALED, State.REPLACED),
    (_W, Event.REOFFER, _W),
    (_W, Event.RETRY, _W),
    # what the case system stored is judged later
    (_S, Event.RECEIPT_STORED, _S),
    (_S, Event.RECEIPT_ACCEPTED, _A),
    (_S, Event.RECEIPT_NEEDS_ATTENTION, _N),
    (_S, Event.RECEIPT_REFUSED, _Q),
    (_S, Event.REOFFER, _W),
    # accepted stays accepted within an epoch, unless the case system itself asks for a person
    (_A, Event.RECEIPT_STORED, _A),
    (_A, Event.RECEIPT_ACCEPTED, _A),
    (_A, Event.RECEIPT_NEEDS_ATTENTION, _N),
    (_A, Event.REOFFER, _O),
    # a person at the case system settles it, or a person here tries again
    (_N, Event.RECEIPT_STORED, _N),
    (_N, Event.RECEIPT_ACCEPTED, _A),
    (_N, Event.RECEIPT_NEEDS_ATTENTION, _N),
    (_N, Event.RECEIPT_REFUSED, _Q),
    (_N, Event.REOFFER, _W),
    (_N, Event.RETRY, _W),
    # offered once more: every answer counts anew
    (_O, Event.RECEIPT_STORED, _S),
    (_O, Event.RECEIPT_ACCEPTED, _A),
    (_O, Event.RECEIPT_NEEDS_ATTENTION, _N),
    (_O, Event.RECEIPT_REFUSED, _Q),
    (_O, Event.TRY_LATER, _O),
    (_O, Event.RESEALED, State.REPLACED),
    (_O, Event.REOFFER, _O),
    # refused for good, until a person tries again or the case system changes its mind
    (_Q, Event.RECEIPT_STORED, _S),
    (_Q, Event.RECEIPT_ACCEPTED, _A),
    (_Q, Event.RECEIPT_NEEDS_ATTENTION, _N),
    (_Q, Event.RECEIPT_REFUSED, _Q),
    (_Q, Event.RETRY, _W),
)

TABLE: Mapping[tuple[State, Event], State] = MappingProxyType({(a, event): b for a, event, b in DELIVERY_ROWS})

FIRST: frozenset[State] = frozenset({State.HELD, State.WAITING})
UNSENT: frozenset[State] = frozenset({State.WAITING, State.REOFFERED})  # what a round offers


class IllegalDelivery(RuntimeError):
    """The table has no such row; nothing was changed."""

    def __init__(self, state: State, event: Event) -> None:
        super().__init__(f"delivery: {event} is not possible in state {state}")
        self.state, self.event = state, event


def advance(state: State, event: Event) -> State:
    """The state that `event` leads to; raises `IllegalDelivery` when the table has no such row."""
    try:
        return TABLE[state, event]
    except KeyError:
        raise IllegalDelivery(state, event) from None


def can(state: State, event: Event) -> bool:
    """True when the table has the row: for what comes from outside, and for showing a button."""
    return (state, event) in TABLE
