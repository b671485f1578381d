"""What a person at the desk may press for one referral: which buttons, in which order, with which key and which questions.

The tables decide what is possible: `grants.py` whether this person may (by how they stand to the referral), `referral/lifecycle.py`
whether the step fits. Here is only what a page offers. `fits` is asked again, with the present truth, when a button is pressed:
a careful button (a decision that stands on the answers) asks to have seen the newest revision. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from case_system.admission import OPEN_TO_VOTES
from case_system.grants import Relation, may
from case_system.record import Record
from case_system.turn import UNDECIDED
from referral.decisions import RESOLUTIONS
from referral.lifecycle import Charge, Episode, Handoff, Release, Review, Role, Step, Track, can
from referral.model import Kind
from referral.operations import OPERATIONS, Op
from referral.views import Flag


class Asks(StrEnum):
    """What a button asks before it is done."""

    NOTHING = "nothing"
    REASON = "reason"  # a list of the pack
    ENDING = "ending"  # not_completed or close: the language's own reasons
    REACHED = "reached"
    EXCLUSIONS = "exclusions"
    VOTE = "vote"
    CONSENT = "consent"
    PAIR = "pair"
    DECISION = "decision"


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """name: what the form sends, and its word `button.NAME`. key: presses it on the marked card. reasons: the pack's list.

    main: the step that the page suggests. quick: offered on the lists too. careful: stands on the answers. placed: offered elsewhere
    on the page, beside what it decides.
    """

    name: str
    op: Op
    key: str
    asks: Asks = Asks.NOTHING
    reasons: str | None = None
    main: bool = False
    quick: bool = False
    careful: bool = False
    placed: bool = False


BUTTONS: tuple[Button, ...] = (
    Button(name="accept", op=Op.ACCEPT, key="a", main=True, quick=True),
    Button(name="met", op=Op.MET, key="m", main=True, quick=True),
    Button(name="intake", op=Op.INTAKE, key="i", main=True, quick=True),
    Button(name="enrol", op=Op.ENROL, key="e", asks=Asks.PAIR, main=True, quick=True, careful=True),
    Button(name="redirect", op=Op.REDIRECT, key="r", asks=Asks.REASON, reasons="redirect_reason", quick=True),
    Button(name="confirm_call", op=Op.CONFIRM_SAO_CALL, key="c", main=True, quick=True, careful=True),
    Button(name="approve", op=Op.SAO_APPROVE, key="y", main=True, quick=True, careful=True),
    Button(name="decline", op=Op.SAO_DECLINE, key="d", asks=Asks.REASON, reasons="sao_decline_reason", quick=True, careful=True),
    Button(name="ask", op=Op.SAO_ASK, key="q", asks=Asks.REASON, reasons="need_info_reason", quick=True, careful=True),
    Button(name="not_filed", op=Op.CHARGE, key="f", quick=True, careful=True),
    Button(name="returned", op=Op.CHARGE, key="t", quick=True, careful=True),
    Button(name="offer", op=Op.OFFER, key="o", quick=True),
    Button(name="records_check", op=Op.RECORDS_CHECK, key="s", asks=Asks.EXCLUSIONS, careful=True),
    Button(name="send_to_sao", op=Op.SEND_TO_SAO, key="w", careful=True),
    Button(name="vote", op=Op.PARTNER_VOTE, key="v", asks=Asks.VOTE, careful=True),
    Button(name="contact", op=Op.CONTACT, key="c", asks=Asks.REACHED),
    Button(name="release", op=Op.RELEASE, key="l", asks=Asks.CONSENT, careful=True),
    Button(name="not_completed", op=Op.NOT_COMPLETED, key="n", asks=Asks.ENDING, reasons="not_completed_reason"),
    Button(name="close", op=Op.CLOSE, key="x", asks=Asks.ENDING, reasons="close_reason", careful=True),
    Button(name="resolve", op=Op.RESOLVE, key="z", asks=Asks.DECISION, careful=True, placed=True),
    Button(name="reopen", op=Op.REOPEN, key="p", asks=Asks.REASON, reasons="reopen_reason", careful=True),
)  # fmt: skip
BY_NAME: Mapping[str, Button] = MappingProxyType({button.name: button for button in BUTTONS})


def possible(record: Record, role: Role, related: Collection[Relation], *, quick: bool = False) -> tuple[Button, ...]:
    """The buttons for this person now. quick: those of a list, where a charge waits for the review."""
    decided = record.review not in UNDECIDED
    offered = (b for b in BUTTONS if not b.placed)
    shown = (b for b in offered if not quick or (b.quick and (decided or b.op is not Op.CHARGE)))
    return tuple(b for b in shown if may(b.op, role, related) and _fits(b, record, role))


def fits(button: Button, role: Role, base: int) -> Callable[[Record], bool]:
    """True of a record where someone who saw revision `base` may press the button."""
    return lambda record: _fits(button, record, role) and (not button.careful or record.revision == base)


def _fits(button: Button, record: Record, role: Role) -> bool:
    """The step has a row in the tables from where the referral stands, and would change something."""
    if role not in OPERATIONS[button.op].roles:
        return False
    if button.op is Op.RESOLVE:
        return bool(record.flags & RESOLUTIONS.keys())
    if record.tally:
        return False
    if record.episode is Episode.CLOSED:
        return button.op is Op.REOPEN
    arrest = record.kind is Kind.ARREST
    match button.op:
        case Op.CONFIRM_SAO_CALL:
            return arrest and record.sao_answer is not None and not record.sao_confirmed
        case Op.SAO_APPROVE | Op.SAO_DECLINE | Op.SAO_ASK if not arrest:
            return False
        case Op.CHARGE:
            step = Step.NOT_FILE if button.name == "not_filed" else Step.RETURN_CHARGE
            return record.charge is Charge.HELD and can(Track.CHARGE, record.charge, step, role)
        case Op.SEND_TO_SAO:
            return arrest and can(Track.REVIEW, record.review, Step.SEND_TO_SAO, role)
        case Op.RECORDS_CHECK:
            return arrest and record.referral is not None and record.review in UNDECIDED
        case Op.PARTNER_VOTE:
            return record.review in OPEN_TO_VOTES and record.episode is Episode.OPEN
        case Op.CONTACT:
            return record.handoff in (Handoff.ACCEPTED, Handoff.MET, Handoff.INTAKE_COMPLETE, Handoff.NOT_COMPLETED)
        case Op.RELEASE:
            return record.handoff in (Handoff.MET, Handoff.INTAKE_COMPLETE) or record.release is not Release.NONE
        case Op.ENROL:
            ready = record.review is Review.APPROVED and record.handoff is Handoff.INTAKE_COMPLETE
            return ready and record.episode is Episode.OPEN
        case Op.CLOSE:
            return record.handoff not in (Handoff.OFFERED, Handoff.ACCEPTED) or Flag.WITHDRAWAL_ASKED in record.flags
        case Op.REOPEN:
            return False
        case Op.MET if record.handoff is Handoff.MET:
            return False
        case _:
            return all(
                can(track, getattr(record, track.value), step, role) for track, step in OPERATIONS[button.op].steps
            )
