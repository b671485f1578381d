"""Referrals by their plain columns, for searches and for possible duplicates. No body is opened here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime

from sqlalchemy import Engine, select

from case_system.office.finding import Query
from case_system.record import Record
from case_system.store import schema
from case_system.store.engine import transaction
from case_system.store.records import CLOSED, record_of
from referral.lifecycle import Episode
from referral.model import ReferralId
from referral.views import Flag


class FindingRows:
    """Implements `office.finding.FindingRows` and `office.duplicates.DuplicateRows`. midnight: the moment at which a day begins."""

    def __init__(self, engine: Engine, midnight: Callable[[date], datetime]) -> None:
        self._engine, self._midnight = engine, midnight

    def matching(self, query: Query, person_index: str | None, days: tuple[date | None, date | None], limit: int) -> Sequence[Record]:  # fmt: skip
        """Unopened records, the newest first."""
        r = schema.referrals
        since, until = days
        wanted = [
            r.c[name] == value
            for name, value in (
                ("receipt", query.receipt), ("call_code", query.call_code), ("officer", query.officer), ("kind", query.kind),
                ("review", query.review), ("handoff", query.handoff), ("episode", query.episode), ("person_index", person_index),
            )
            if value is not None
        ]  # fmt: skip
        if since is not None:
            wanted.append(r.c.received_at >= self._midnight(since))
        if until is not None:
            wanted.append(r.c.received_at < self._midnight(date.fromordinal(until.toordinal() + 1)))
        found = select(*CLOSED).where(r.c.merged_into.is_(None), *wanted)
        with transaction(self._engine, write=False) as db:
            rows = db.execute(found.order_by(r.c.received_at.desc(), r.c.referral_id).limit(limit)).mappings().all()
        return [record_of(row, None) for row in rows]

    def duplicates(self) -> Sequence[Sequence[Record]]:
        """Referrals of what may be one person, together, where one of them is flagged; the oldest first."""
        r = schema.referrals
        flagged = select(r.c.person_index).where(
            r.c.flags.contains(Flag.POSSIBLE_DUPLICATE.value), r.c.episode != Episode.CLOSED.value
        )
        found = select(*CLOSED).where(r.c.person_index.in_(flagged), r.c.merged_into.is_(None))
        groups: Mapping[str, list[Record]] = defaultdict(list)
        with transaction(self._engine, write=False) as db:
            for row in db.execute(found.order_by(r.c.received_at, r.c.referral_id)).mappings():
                groups[row["person_index"]].append(record_of(row, None))
        return [group for group in groups.values() if len(group) > 1]

    def receipts(self, receipt: str) -> ReferralId | None:
        """The referral of a receipt number."""
        r = schema.referrals
        with transaction(self._engine, write=False) as db:
            found = db.execute(select(r.c.referral_id).where(r.c.receipt == receipt)).scalar()
        return None if found is None else ReferralId(found)
