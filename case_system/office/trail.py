"""The audit trail as an administrator reads it: who saw and who did, for one referral or by one person; and whether it is whole.

The trail holds ids, codes and times, never a name of a person served; and reading it is a deed too. Times are the server's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from case_system.audit import SAW, Deed, Verdict
from case_system.grants import Duty
from case_system.office.entry import Entry, asking
from referral.model import ReferralId, UserId, is_referral_id
from referral.port import Refused
from referral.problems import ProblemCode

PAGE = 100
_USER = re.compile(r"[a-z0-9_.-]{1,40}\Z")
_RECEIPT = re.compile(r"[0-9A-Z-]{4,16}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailLine:
    """One row of the trail."""

    n: int
    at: datetime
    actor: str
    device_id: str | None
    action: str
    object_id: str | None
    outcome: str

    @property
    def saw(self) -> bool:
        """Somebody read something, and changed nothing."""
        return self.action in SAW


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailPage:
    """Rows, the newest first. before: the number from which older ones go on (None: these were all)."""

    lines: tuple[TrailLine, ...]
    before: int | None
    names: Mapping[UserId, str]


class TrailRows(Protocol):
    """Rows of the trail (`store/trail.py`)."""

    def page(self, *, about: str | None, by: str | None, before: int | None, limit: int) -> Sequence[TrailLine]: ...
    def verdict(self) -> Verdict: ...


class Receipts(Protocol):
    """The referral of a receipt number (`store/finding.py`)."""

    def receipts(self, receipt: str) -> ReferralId | None: ...


class Trail:
    """Reading and checking."""

    def __init__(self, entry: Entry, rows: TrailRows, receipts: Receipts) -> None:
        self._entry, self._rows, self._receipts = entry, rows, receipts

    def page(self, actor: UserId, *, about: str = "", by: str = "", before: int | None = None) -> TrailPage:
        """Rows about a referral (its id or receipt number), a device or a user, and by a person; both empty: all."""
        self._entry.let(actor, Duty.SEE_TRAIL)
        with asking():
            wanted = self._object(about) if about else None
            if by and not _USER.match(by):
                raise Refused(ProblemCode.NOT_FOUND)
            lines = tuple(self._rows.page(about=wanted, by=by or None, before=before, limit=PAGE + 1))
        with self._entry.transactions.reading() as reading:
            names = {user.user_id: user.name for user in reading.users().values()}
        asked = wanted if wanted is not None else by if by in names else None
        asked = asked if lines else None  # what was typed and is in no row is not put in one
        self._entry.note(self._entry.clock(), Deed(actor=actor, action="trail", object_id=asked, outcome="done"))
        return TrailPage(lines=lines[:PAGE], before=lines[PAGE - 1].n if len(lines) > PAGE else None, names=names)

    def verify(self, actor: UserId) -> Verdict:
        """The whole chain, checked from its first row to its head."""
        self._entry.let(actor, Duty.SEE_TRAIL)
        with asking():
            verdict = self._rows.verdict()
        outcome = "done" if verdict.bad_row is None else "broken"
        self._entry.note(self._entry.clock(), Deed(actor=actor, action="trail_verify", outcome=outcome))
        return verdict

    def _object(self, about: str) -> str:
        known = self._receipts.receipts(about.upper()) if _RECEIPT.match(about.upper()) else None
        if known is not None:
            return known
        if not is_referral_id(about) and not _USER.match(about):
            raise Refused(ProblemCode.NOT_FOUND)
        return about
