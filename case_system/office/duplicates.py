"""Referrals that may be of one person, side by side. A list names nobody; putting them side by side opens them, and is audited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from case_system.audit import Deed
from case_system.grants import Duty
from case_system.office.entry import Entry, asking
from case_system.record import Record
from referral.model import ReferralId, UserId
from referral.port import Refused
from referral.problems import ProblemCode


@dataclass(frozen=True, slots=True, kw_only=True)
class SideBySide:
    """Opened records that the blind index holds for one person, the oldest first."""

    records: tuple[Record, ...]
    names: Mapping[UserId, str]


class DuplicateRows(Protocol):
    """Groups of unopened records (`store/finding.py`)."""

    def duplicates(self) -> Sequence[Sequence[Record]]: ...


class Duplicates:
    """The list and the comparison."""

    def __init__(self, entry: Entry, rows: DuplicateRows) -> None:
        self._entry, self._rows = entry, rows

    def listed(self, actor: UserId) -> Sequence[Sequence[Record]]:
        """Every group that waits for a decision."""
        self._entry.let(actor, Duty.SEE_DUPLICATES)
        with asking():
            return self._rows.duplicates()

    def compare(self, actor: UserId, referral_id: ReferralId) -> SideBySide:
        """The group of a referral, opened; Refused(not_found) where it is in none."""
        group = next((g for g in self.listed(actor) if any(r.referral_id == referral_id for r in g)), None)
        if group is None:
            raise Refused(ProblemCode.NOT_FOUND)
        ids = [record.referral_id for record in group]
        self._entry.note(
            self._entry.clock(),
            *(Deed(actor=actor, action="look", object_id=i, outcome="side_by_side") for i in ids),
        )
        with self._entry.transactions.reading() as reading:
            opened = reading.records(ids, opened=True)
            names = {user.user_id: user.name for user in reading.users().values()}
        return SideBySide(records=tuple(opened[i] for i in ids if i in opened), names=names)
