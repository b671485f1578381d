"""The operation that a button makes from what its form says; raises FieldError for an answer that is none."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any, TypeVar, assert_never

from case_system.desk.frame import Visit, number_of
from case_system.desk.steps import Asks, Button
from referral.decisions import Resolution, Resolve
from referral.model import Answer, Exclusions, ReferralId
from referral.operations import (
    Body,
    ChargeDecision,
    ChargeRecord,
    Close,
    CloseReason,
    ConsentMethod,
    Contact,
    Enrol,
    Intake,
    Met,
    NotCompleted,
    NotCompletedReason,
    Op,
    Operation,
    Reason,
    RecordsCheck,
    ReleaseEvent,
    ReleaseOfInformation,
    Vote,
)
from referral.problems import FieldError, ProblemCode
from referral.programme import Programme
from referral.views import Flag

E = TypeVar("E", bound=StrEnum)
SCOPES = ("status", "attendance", "treatment")  # what a release may open; words in locale/referral.json


def operation(button: Button, visit: Visit, pack: Programme) -> Operation:
    """The act of who pressed it, standing on the revision that the page showed; the form's number is its nonce."""
    base, once = number_of(visit.text("base")), visit.text("once")
    if base is None or not once:
        raise FieldError("base", ProblemCode.MALFORMED, "is not of a page")
    return Operation(
        op=button.op,
        referral_id=ReferralId(visit.text("referral_id")),
        base=base,
        nonce=once[:32],
        made_at=visit.now,
        made_by=visit.who.user_id,
        body=_body(button, visit, pack),
    )


def _body(button: Button, visit: Visit, pack: Programme) -> Body:
    match button.asks:
        case Asks.NOTHING:
            return _plain(button, visit.now, pack)
        case Asks.REASON:
            return Reason(reason=_of_pack(button, visit, pack))
        case Asks.ENDING if button.op is Op.CLOSE:
            return Close(reason=_one(CloseReason, visit, "reason"))
        case Asks.ENDING:
            return NotCompleted(reason=_one(NotCompletedReason, visit, "reason"))
        case Asks.REACHED:
            return Contact(at=visit.now, reached=_yes(visit, "reached"))
        case Asks.EXCLUSIONS:
            names = Exclusions.__dataclass_fields__
            return RecordsCheck(exclusions=Exclusions(**{name: _one(Answer, visit, name) for name in names}))
        case Asks.VOTE:
            partner = visit.text("partner")
            if partner not in {p.id for p in pack.partners if p.votes}:
                raise FieldError("partner", ProblemCode.MISSING_ANSWER, "is not a voting partner")
            return Vote(partner=partner, approve=_yes(visit, "approve"))
        case Asks.CONSENT:
            return _consent(visit, pack)
        case Asks.PAIR:
            return Enrol(pair=visit.text("pair") or None, reason=_maybe("override_reason", visit, pack))
        case Asks.DECISION:
            return Resolve(flag=_one(Flag, visit, "flag"), decision=_one(Resolution, visit, "decision"))
        case _:
            assert_never(button.asks)


def _plain(button: Button, now: datetime, pack: Programme) -> Body:
    match button.op:
        case Op.MET:
            return Met(at=now)
        case Op.INTAKE:
            return Intake(on=pack.day(now))
        case Op.CHARGE:
            return ChargeRecord(decision=ChargeDecision(button.name))
        case _:
            return Reason()


def _consent(visit: Visit, pack: Programme) -> ReleaseOfInformation:
    event = _one(ReleaseEvent, visit, "event")
    method = _one(ConsentMethod, visit, "method") if visit.text("method") else None
    if event is not ReleaseEvent.SIGNED:
        return ReleaseOfInformation(event=event, method=method)
    parties = tuple(p for p in visit.texts("parties") if p in parties_of(pack))
    scope = tuple(s for s in visit.texts("scope") if s in SCOPES)
    try:
        expires_on = date.fromisoformat(visit.text("expires_on"))
    except ValueError:
        raise FieldError("expires_on", ProblemCode.MISSING_ANSWER, "is no day") from None
    if expires_on <= pack.day(visit.now):
        raise FieldError("expires_on", ProblemCode.INVALID_VALUE, "is over")
    return ReleaseOfInformation(event=event, parties=parties, scope=scope, expires_on=expires_on, method=method)


def parties_of(pack: Programme) -> dict[str, Any]:
    """Who a release may name: the police as such, and the programme's partners."""
    return {"police": None} | {partner.id: partner.name for partner in pack.partners}


def _of_pack(button: Button, visit: Visit, pack: Programme) -> str:
    reason = visit.text("reason")
    if button.reasons is None or pack.choice(button.reasons, reason) is None:
        raise FieldError("reason", ProblemCode.MISSING_ANSWER, "is not in the pack's list")
    return reason


def _maybe(name: str, visit: Visit, pack: Programme) -> str | None:
    reason = visit.text("reason")
    if reason and pack.choice(name, reason) is None:
        raise FieldError("reason", ProblemCode.INVALID_VALUE, "is not in the pack's list")
    return reason or None


def _one(kind: type[E], visit: Visit, name: str) -> E:
    said = visit.text(name)
    if said not in set(kind):
        raise FieldError(name, ProblemCode.MISSING_ANSWER, "is not one of the answers")
    return kind(said)


def _yes(visit: Visit, name: str) -> bool:
    said = visit.text(name)
    if said not in ("yes", "no"):
        raise FieldError(name, ProblemCode.MISSING_ANSWER, "is neither yes nor no")
    return said == "yes"
