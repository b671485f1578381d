"""What people at the desk answer in the form of a button. Must not know: whose referral it is, what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Final

from case_system.desk.steps import Button
from referral.model import Answer, Exclusions
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
    Reason,
    RecordsCheck,
    ReleaseEvent,
    ReleaseOfInformation,
    Vote,
)
from referral.programme import Choice

PARTNERS: Final = ("bpd", "bhsb", "opd", "dpp", "bchd")  # who votes beside the State's Attorney in the pack


def filled(button: Button, now: datetime, choices: Mapping[str, tuple[Choice, ...]], dice: Random) -> Body:
    """What the form of that button says; choices: the pack's lists."""
    match button.op:
        case Op.MET:
            return Met(at=now)
        case Op.INTAKE:
            return Intake(on=now.date())
        case Op.ENROL:
            pair = dice.choice((None, "east"))
            return Enrol(pair=pair, reason=choices["override_reason"][0].code if pair else None)
        case Op.CHARGE:
            return ChargeRecord(decision=ChargeDecision(button.name))
        case Op.RECORDS_CHECK:
            return RecordsCheck(
                exclusions=Exclusions(**{name: dice.choice(list(Answer)) for name in Exclusions.__dataclass_fields__})
            )
        case Op.PARTNER_VOTE:
            return Vote(partner=dice.choice(PARTNERS), approve=dice.random() < 0.9)
        case Op.CONTACT:
            return Contact(at=now, reached=dice.random() < 0.3)
        case Op.RELEASE:
            event = dice.choice(list(ReleaseEvent))
            if event is not ReleaseEvent.SIGNED:
                return ReleaseOfInformation(event=event)
            return ReleaseOfInformation(
                event=event, parties=("police",), scope=("status",), expires_on=(now + timedelta(days=90)).date(), method=ConsentMethod.ON_PAPER,
            )  # fmt: skip
        case Op.NOT_COMPLETED:
            return NotCompleted(reason=dice.choice(list(NotCompletedReason)))
        case Op.CLOSE:
            return Close(reason=dice.choice(list(CloseReason)))
        case _:
            return Reason(reason=None if button.reasons is None else choices[button.reasons][0].code)
