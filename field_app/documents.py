"""The JSON documents of the commands: stable keys, more may be added (the published contract of `field-app --json`)."""

from __future__ import annotations

from typing import Any

from field_app.alarms import alarm_sentences
from field_app.outcomes import Trouble
from field_app.projection import state_word
from field_app.snapshot import Detail, NoticeRow, OutboxRow, ReferralRow, Snapshot
from field_app.wording import Words
from referral.codec import to_wire
from referral.problems import PROBLEMS, FieldError, ProblemCode

Json = Any


def line(row: ReferralRow) -> dict[str, Json]:
    """One entry of `list` and `inbox`."""
    return {
        "referral_id": row.referral_id,
        "kind": row.kind.value,
        "state": state_word(row),
        "delivery": row.delivery.value,
        "created_at": to_wire(row.created_at),
        "reason": None if row.reason is None else row.reason.value,
        "receipt": row.receipt,
        "received_at": _time(row.received_at),
        "review": _word(row.review),
        "handoff": _word(row.handoff),
        "charge": _word(row.charge),
        "release": _word(row.release),
        "episode": _word(row.episode),
        "flags": [flag.value for flag in row.flags],
        "case_manager": row.case_manager,
        "officer": row.officer_name,
        "offered_at": _time(row.offered_at),
        "mine": row.mine,
        "to_finish": list(row.to_finish),
        "call": None
        if row.call is None
        else {"code": row.call.code, "number": row.call.number, "label": row.call.label},
        "nobody_answered": row.nobody_answered,
        "shrunk": row.shrunk,
    }


def opened(detail: Detail) -> dict[str, Json]:
    """The answer of `show`."""
    return line(detail.row) | {
        "referral": None if detail.referral is None else to_wire(detail.referral),
        "timeline": [to_wire(entry) for entry in detail.timeline],
        "pending": [op.value for op in detail.pending],
        "steps": [op.value for op in detail.steps],
    }


def waiting(row: OutboxRow) -> dict[str, Json]:
    """One entry of `outbox`."""
    return {
        "op_id": row.op_id,
        "referral_id": row.referral_id,
        "operation": row.operation.value,
        "state": row.state.value,
        "attempts": row.attempts,
        "age_s": row.age_s,
        "reason": None if row.reason is None else row.reason.value,
    }


def notice(row: NoticeRow) -> dict[str, Json]:
    """One notice of `inbox`."""
    return {
        "notice_id": row.notice_id,
        "referral_id": row.referral_id,
        "kind": row.kind.value,
        "created_at": to_wire(row.created_at),
        "acknowledged": row.acknowledged,
    }


def status(shot: Snapshot) -> dict[str, Json]:
    """The answer of `status`; `locked` means locked by attempts."""
    figures = shot.delivery
    return {
        "waiting": figures.waiting,
        "stored": figures.stored,
        "accepted": figures.accepted,
        "needs_attention": figures.needs_attention,
        "oldest_unsent_s": figures.oldest_unsent_s,
        "locked": shot.gate.problem is ProblemCode.LOCKED,
        "server": None if shot.me is None else shot.me.server,
        "last_sync": _time(figures.last_sync),
        "connection": figures.connection.value,
        "user": None if shot.me is None else shot.me.user,
        "role": None if shot.me is None else shot.me.role.value,
        "device_id": None if shot.me is None else shot.me.device_id,
        "pack": None if shot.programme is None else shot.programme.stamp,
        "problem": None if shot.gate.problem is None else shot.gate.problem.value,
        "alarms": [
            {"kind": alarm.kind.value, "message": ": ".join(alarm_sentences(alarm, Words()))} for alarm in shot.alarms
        ],
    }


def error(problem: Trouble | FieldError) -> dict[str, Json]:
    """A refusal: its code, the field it is about (or an empty text), a sentence."""
    if isinstance(problem, FieldError):
        return {"code": problem.code.value, "field": problem.field, "message": problem.message}
    return {"code": problem.problem.value, "field": "", "message": sentence(problem)}


def sentence(problem: Trouble) -> str:
    """What happened and what to do, with the detail where there is one."""
    known = PROBLEMS[problem.problem]
    detail = f" ({problem.detail})" if problem.detail else ""
    return f"{known.title}{detail} {known.meaning}"


def _word(value: Any) -> Json:
    return None if value is None else value.value


def _time(value: Any) -> Json:
    return None if value is None else to_wire(value)
