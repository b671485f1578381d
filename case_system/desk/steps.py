"""What a person at the desk may press for one referral, and the operation that each button makes.

The tables of `referral/lifecycle.py` decide what is possible; here is only which buttons a page offers, in which order, and
the pack's list of reasons that goes with each. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from case_system.desk.words import Words
from case_system.record import Record
from referral.lifecycle import Episode, Role, can
from referral.model import Kind, ReferralId, UserId
from referral.operations import OPERATIONS, ChargeDecision, ChargeRecord, Intake, Met, Op, Operation, Reason
from referral.programme import Programme


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """name: what the form sends, and its word `button.NAME`. reasons: the pack list to choose from, None where no reason is asked."""

    name: str
    op: Op
    reasons: str | None = None
    main: bool = False


BUTTONS: tuple[Button, ...] = (
    Button(name="accept", op=Op.ACCEPT, main=True),
    Button(name="met", op=Op.MET, main=True),
    Button(name="intake", op=Op.INTAKE, main=True),
    Button(name="redirect", op=Op.REDIRECT, reasons="redirect_reason"),
    Button(name="confirm_call", op=Op.CONFIRM_SAO_CALL, main=True),
    Button(name="approve", op=Op.SAO_APPROVE, main=True),
    Button(name="decline", op=Op.SAO_DECLINE, reasons="sao_decline_reason"),
    Button(name="ask", op=Op.SAO_ASK, reasons="need_info_reason"),
    Button(name="not_filed", op=Op.CHARGE),
    Button(name="returned", op=Op.CHARGE),
)
BY_NAME: Mapping[str, Button] = MappingProxyType({button.name: button for button in BUTTONS})


def possible(record: Record, role: Role) -> tuple[Button, ...]:
    """The buttons for this person now."""
    return tuple(button for button in BUTTONS if _fits(button, record, role))


def _fits(button: Button, record: Record, role: Role) -> bool:
    rule = OPERATIONS[button.op]
    if role not in rule.roles or record.episode is Episode.CLOSED or record.tally:
        return False
    if role is Role.SAO_REVIEWER and record.kind is not Kind.ARREST:
        return False
    if button.op is Op.CONFIRM_SAO_CALL:
        return record.sao_answer is not None and not record.sao_confirmed
    if button.op is Op.CHARGE:
        return record.charge == "held"
    return all(can(track, getattr(record, track.value), step, role) for track, step in rule.steps)


def reasons(pack: Programme, name: str, say: Words) -> list[tuple[str, str]]:
    """The pack's list of reasons, as choices."""
    return [(choice.code, say.pack(choice.text)) for choice in pack.choices[name]]


def operation(
    button: Button, record: Record, actor: UserId, reason: str | None, now: datetime, nonce: str, pack: Programme
) -> Operation:
    """The operation that the button makes; raises FieldError for a reason that cannot be a code."""
    body: Any = Reason(reason=reason)
    if button.op is Op.MET:
        body = Met(at=now)
    elif button.op is Op.INTAKE:
        body = Intake(on=pack.day(now))
    elif button.op is Op.CHARGE:
        body = ChargeRecord(decision=ChargeDecision(button.name))
    return Operation(
        op=button.op,
        referral_id=ReferralId(record.referral_id),
        base=record.revision,
        nonce=nonce,
        made_at=now,
        made_by=actor,
        body=body,
    )
