"""Referrals as lines of JSON: one a line, wire names, each line for itself. Pure reading; the caller saves.

Blank lines are skipped. A line that is not an object, or not UTF-8, is refused with its number; the others are not touched by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from field_app.answers import spelled
from field_app.draft import Draft, check_answers, outlook
from referral.codec import parse
from referral.eligibility import Outlook
from referral.model import Kind, ReferralId
from referral.problems import FieldError, ProblemCode
from referral.programme import Programme

Json = Any
LINE_LIMIT = 64 * 1024  # bytes; an operation takes 16 KiB at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line: its number (from 1), and the object in it or why there is none."""

    number: int
    wire: Json = field(repr=False)
    fault: FieldError | None = None


def read_lines(stream: Iterable[bytes]) -> Iterator[Line]:
    """The lines of a JSONL stream, one by one as they come."""
    for number, raw in enumerate(stream, 1):
        text = raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw
        if not text.strip():
            continue
        try:
            if len(text) > LINE_LIMIT:
                raise FieldError("", ProblemCode.TOO_LARGE, f"is longer than {LINE_LIMIT} bytes")
            yield Line(number=number, wire=spelled(parse(text)))
        except FieldError as error:
            yield Line(number=number, wire=None, fault=error)


def outlook_of(wire: Json, programme: Programme, now: datetime) -> Outlook:
    """What is known so far says about eligibility. Only `kind` is needed. Errors: FieldError."""
    if wire.get("kind") is None:
        raise FieldError("kind", ProblemCode.MISSING_ANSWER, "is needed")
    if wire["kind"] not in set(Kind):
        raise FieldError("kind", ProblemCode.INVALID_VALUE, "is not one of " + ", ".join(Kind))
    kind = Kind(wire["kind"])
    answers = {name: value for name, value in wire.items() if name not in ("kind", "referral_id") and value is not None}
    check_answers(kind, answers, programme)
    draft = Draft(referral_id=ReferralId("check"), kind=kind, answers=answers, started_at=now, saved_at=now)
    return outlook(draft, programme, programme.day(now))
