"""Opened records for counting. Implements `office.figures.FigureRows`; what leaves the office are counts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Engine, select

from case_system.ports import Keys
from case_system.record import Record
from case_system.store import schema
from case_system.store.engine import transaction
from case_system.store.records import record_of


class FigureRows:
    """Reads over one engine."""

    def __init__(self, engine: Engine, keys: Keys) -> None:
        self._engine, self._keys = engine, keys

    def received_since(self, moment: datetime) -> Sequence[Record]:
        """What was received since then, opened, without what was opened on a call code or has become another one."""
        r = schema.referrals
        found = select(r).where(r.c.received_at >= moment, r.c.merged_into.is_(None), r.c.provisional.is_(False))
        with transaction(self._engine, write=False) as db:
            rows = db.execute(found.order_by(r.c.received_at, r.c.referral_id)).mappings().all()
        return [record_of(row, self._keys) for row in rows]
