"""What a person sees of a referral: the case system's view, with their own waiting steps on top. Pure.

The view is the truth that was pulled last; own operations that it does not show yet are applied to it in their order, as if the
case system had accepted each. A refused or flagged one is not applied: `delivery` says so instead.

Delivery of a referral is that of its worst operation: needs attention, then waiting, then stored, then accepted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from field_app.draft import open_questions, title_of
from field_app.holdings import Record
from field_app.snapshot import Call, Delivery, Me, ReferralRow
from field_app.store.outbox import Entry
from referral.codec import to_wire
from referral.custody import ENDS, CustodyClock
from referral.lifecycle import (
    Charge,
    Episode,
    Handoff,
    Release,
    Review,
    Role,
    Step,
    Track,
    can,
    first_states,
)
from referral.model import Kind, OpId, Referral, ReferralId, Urgency, Whereabouts, Willing
from referral.numbers import call_code
from referral.operations import OPERATIONS, OnTheWay, Op, Operation, ReleaseOfInformation, SaoAnswer, SaoCall, allowed
from referral.problems import ProblemCode
from referral.programme import Programme
from referral.views import Flag, ReferralView, Side

Json = Any

DELIVERY_OF: Final[Mapping[str, Delivery]] = {
    "waiting": Delivery.WAITING,
    "stored": Delivery.STORED,
    "accepted": Delivery.ACCEPTED,
    "reoffered": Delivery.ACCEPTED,
    "needs_attention": Delivery.NEEDS_ATTENTION,
    "quarantined": Delivery.NEEDS_ATTENTION,
}
_WORST: Final = (Delivery.ACCEPTED, Delivery.STORED, Delivery.WAITING, Delivery.NEEDS_ATTENTION)
_SHOWN_ONLY: Final = frozenset({Op.INCOMPLETE, Op.ACKNOWLEDGE, Op.CREATE})
_WHEREABOUTS: Final[Mapping[Json, Whereabouts]] = {word.value: word for word in Whereabouts}
_URGENCY: Final[Mapping[Json, Urgency]] = {word.value: word for word in Urgency}
_OFFERED_ON_RECEIPT: Final = (Whereabouts.COMING_IN, Whereabouts.CASE_MANAGER_COMING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How the delivery of one referral's operations stands. unsent: its creation has not been received."""

    delivery: Delivery = Delivery.ACCEPTED
    reason: ProblemCode | None = None
    unsent: bool = False
    troubled: frozenset[OpId] = frozenset()


RECEIVED: Final = Standing()


def standings(entries: Iterable[Entry]) -> dict[ReferralId, Standing]:
    """How each referral with an operation in `entries` stands; one that is not there was received whole."""
    found: dict[ReferralId, Standing] = {}
    for entry in entries:
        delivery = DELIVERY_OF.get(entry.state)
        if entry.referral_id is None or delivery is None:
            continue
        before = found.get(entry.referral_id, RECEIVED)
        worse = _WORST.index(delivery) > _WORST.index(before.delivery)
        troubled = before.troubled | {entry.op_id} if delivery is Delivery.NEEDS_ATTENTION else before.troubled
        found[entry.referral_id] = Standing(
            delivery=delivery if worse else before.delivery,
            reason=entry.reason if worse and delivery is Delivery.NEEDS_ATTENTION else before.reason,
            unsent=before.unsent or (entry.operation is Op.CREATE and delivery is Delivery.WAITING),
            troubled=troubled,
        )
    return found


def row(
    referral_id: ReferralId,
    *,
    record: Record | None,
    view: ReferralView | None,
    operations: Sequence[Operation],
    standing: Standing,
    me: Me,
    programme: Programme,
) -> ReferralRow:
    """One line, projected. Needs a record or a view. Errors: ValueError with neither."""
    if record is None and view is None:
        raise ValueError("there is nothing known of this referral")
    wire = _wire(record, view)
    known: dict[str, Any] = {} if view is None else _of_view(view)
    if record is not None:
        known["created_at"] = record.made_at
        known.setdefault("kind", record.kind)
        known.setdefault("mine", True)
        known["receipt"] = known.get("receipt") or record.receipt
        known["received_at"] = known.get("received_at") or record.received_at
        if view is None:
            known["recorded_at"], known["custody"] = record.made_at, _own_clock(record)
    base = ReferralRow(
        referral_id=referral_id,
        title=title_of(wire),
        delivery=standing.delivery,
        reason=standing.reason,
        whereabouts=_WHEREABOUTS.get(wire.get("whereabouts")),
        urgency=_URGENCY.get(wire.get("urgency")),
        eta_at=None if (eta := wire.get("eta_at")) is None else datetime.fromisoformat(eta),
        shrunk=record is not None and record.shrunk,
        to_finish=open_questions(wire, programme) if record is not None and not record.shrunk else (),
        **known,
    )
    for operation in operations:
        base = projected(base, operation, me)
        if isinstance(operation.body, SaoCall):  # what the programme says to do then
            silent = operation.body.answer is SaoAnswer.NO_ANSWER
            base = replace(base, no_answer=programme.rules.sao_no_answer.value if silent else None)
    if base.to_finish and base.episode is Episode.CLOSED:
        base = replace(base, to_finish=())
    call = call_for(base, wire, standing, programme)
    return replace(base, call=call) if call else base


def projected(row: ReferralRow, operation: Operation, me: Me) -> ReferralRow:
    """The line as it will be once the case system has accepted this operation of ours."""
    match operation.op:
        case Op.ACCEPT:
            return replace(row, handoff=Handoff.ACCEPTED, case_manager=me.name, mine=True, nobody_answered=False)
        case Op.REDIRECT:
            return replace(row, handoff=Handoff.REDIRECTED, case_manager=None, mine=False)
        case Op.MET:
            done = row.handoff is Handoff.INTAKE_COMPLETE
            side = Side.OFFICER if me.role is Role.OFFICER else Side.CASE_MANAGER
            by = row.met_by if side in row.met_by else (*row.met_by, side)
            return replace(row, met_by=by, handoff=row.handoff if done else Handoff.MET, nobody_answered=False)
        case Op.NOT_COMPLETED:
            return replace(row, handoff=Handoff.NOT_COMPLETED, nobody_answered=False)
        case Op.INTAKE:
            return replace(row, handoff=Handoff.INTAKE_COMPLETE)
        case Op.WITHDRAW:
            return replace(row, handoff=Handoff.NONE, episode=Episode.CLOSED, nobody_answered=False)
        case Op.ASK_WITHDRAWAL:
            asked = Flag.WITHDRAWAL_ASKED
            return row if asked in row.flags else replace(row, flags=(*row.flags, asked))
        case Op.CLOSE:
            return replace(row, episode=Episode.CLOSED)
        case Op.ON_THE_WAY if isinstance(operation.body, OnTheWay) and row.kind is Kind.ARREST:
            return replace(row, whereabouts=Whereabouts.COMING_IN, eta_at=operation.body.eta_at)
        case Op.RELEASE if isinstance(operation.body, ReleaseOfInformation):
            return replace(row, release=Release(operation.body.event.value))
        case _:
            return row


def call_for(row: ReferralRow, wire: Mapping[str, Json], standing: Standing, programme: Programme) -> Call | None:
    """Whom to call by voice: while an arrest has not been received, or when nobody has answered its handoff."""
    refused = wire.get("willing") == Willing.NO.value
    silent = row.kind is Kind.ARREST and standing.unsent and not refused and row.episode is not Episode.CLOSED
    return call_of(row.referral_id, programme) if silent or row.nobody_answered else None


def unheard(referral: Referral) -> bool:
    """Whether LEAD must be told of this new referral by voice until it is received."""
    return referral.kind is Kind.ARREST and referral.willing is not Willing.NO


def call_of(referral_id: ReferralId, programme: Programme) -> Call:
    """The duty case manager's number and the code to give."""
    contact = programme.contacts["duty_case_manager"]
    return Call(code=call_code(referral_id), number=contact.phone, label=contact.name.en)


def possible(row: ReferralRow, role: Role) -> tuple[Op, ...]:
    """The operations that this person may do now on a referral, as far as this device knows (the case system decides)."""
    return tuple(op for op in Op if op not in _SHOWN_ONLY and may(op, row, role))


def may(op: Op, row: ReferralRow, role: Role) -> bool:
    """Whether the operation fits what this device knows. What it cannot know (who has accepted meanwhile) is no obstacle."""
    rule = OPERATIONS[op]
    if not rule.from_device or not allowed(op, role):
        return False
    states = _states(row)
    closed = states[Track.EPISODE] == Episode.CLOSED
    handoff = states[Track.HANDOFF]
    match op:
        case Op.AMEND | Op.SAO_CALL | Op.CONTACT | Op.ASK_WITHDRAWAL | Op.ON_THE_WAY:
            under_way = handoff in (Handoff.ACCEPTED, Handoff.MET, Handoff.INTAKE_COMPLETE)
            wanted = {
                Op.CONTACT: handoff != Handoff.OFFERED,
                Op.SAO_CALL: row.kind is Kind.ARREST,
                Op.ASK_WITHDRAWAL: under_way,
                Op.ON_THE_WAY: handoff not in (Handoff.MET, Handoff.INTAKE_COMPLETE, Handoff.NOT_COMPLETED),
            }
            return not closed and wanted.get(op, True)
        case Op.MET if role is Role.OFFICER:  # without a signal they may not know that somebody accepted
            return not closed and (row.handoff is None or handoff in (Handoff.OFFERED, Handoff.ACCEPTED))
        case Op.NOT_COMPLETED if role is Role.OFFICER:  # of an unsent one it is known that it will be offered
            will_be = row.handoff is None and row.whereabouts in _OFFERED_ON_RECEIPT
            return not closed and (will_be or handoff in (Handoff.OFFERED, Handoff.ACCEPTED, Handoff.MET))
        case Op.RELEASE:
            return any(
                can(Track.RELEASE, states[Track.RELEASE], s, role) for s in (Step.SAY_YES, Step.SIGN, Step.REVOKE)
            )
        case Op.ACCEPT if row.handoff is Handoff.ACCEPTED:
            return False
        case _:
            return not closed and all(can(track, states[track], step, role) for track, step in rule.steps)


def state_word(row: ReferralRow) -> str:
    """The one word of `field-app list`: closed, else the handoff, else the review, else recorded."""
    if row.episode is Episode.CLOSED:
        return Episode.CLOSED.value
    if row.handoff not in (None, Handoff.NONE):
        return row.handoff.value
    return "recorded" if row.review is None else row.review.value


def _own_clock(record: Record) -> CustodyClock | None:
    """The custody clock of an arrest that the case system has not told of yet."""
    wire = record.wire
    over = _WHEREABOUTS.get(wire.get("whereabouts")) in ENDS
    if record.kind is not Kind.ARREST or over or wire.get("willing") == Willing.NO.value or record.shrunk:
        return None
    said = wire.get("occurred_at")
    return CustodyClock(started_at=record.made_at if said is None else datetime.fromisoformat(said))


def _of_view(view: ReferralView) -> dict[str, Any]:
    return {
        "kind": view.kind,
        "created_at": view.received_at,
        "receipt": view.receipt,
        "received_at": view.received_at,
        "review": view.review,
        "handoff": view.handoff,
        "charge": view.charge,
        "release": view.release,
        "episode": view.episode,
        "flags": view.flags,
        "case_manager": view.case_manager,
        "officer_name": view.officer_name,
        "offered_at": view.offered_at,
        "nobody_answered": view.unanswered_since is not None and view.handoff is Handoff.OFFERED,
        "mine": view.mine,
        "recorded_at": view.recorded_at,
        "custody": view.custody,
        "met_by": view.met_by,
        "no_answer": view.no_answer,
    }


def _wire(record: Record | None, view: ReferralView | None) -> Mapping[str, Json]:
    if record is not None:
        return record.wire
    if view is not None and view.referral is not None:
        wire: Mapping[str, Json] = to_wire(view.referral)
        return wire
    return {}


def _states(row: ReferralRow) -> dict[Track, str]:
    first = first_states(row.kind)
    known: dict[Track, Review | Handoff | Charge | Release | Episode | None] = {
        Track.REVIEW: row.review,
        Track.HANDOFF: row.handoff,
        Track.CHARGE: row.charge,
        Track.RELEASE: row.release,
        Track.EPISODE: row.episode,
    }
    return {track: str(first[track] if state is None else state) for track, state in known.items()}
