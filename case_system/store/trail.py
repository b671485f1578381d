"""Rows of the audit trail for reading, and the check of the whole chain. Implements `office.trail.TrailRows`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Engine, func, select

from case_system.audit import SAW, Verdict
from case_system.office.trail import TrailLine
from case_system.store import exports, schema
from case_system.store.engine import transaction
from referral.model import ReferralId, UserId
from referral.port import ChangeKind


class TrailRows:
    """Reads over one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def page(self, *, about: str | None, by: str | None, before: int | None, limit: int) -> Sequence[TrailLine]:
        """The newest rows that fit, before the number."""
        a = schema.audit
        wanted = [a.c[name] == value for name, value in (("object_id", about), ("actor", by)) if value is not None]
        if before is not None:
            wanted.append(a.c.n < before)
        names = ("n", "at", "actor", "device_id", "action", "object_id", "outcome")
        found = select(*(a.c[name] for name in names)).where(*wanted).order_by(a.c.n.desc()).limit(limit)
        with transaction(self._engine, write=False) as db:
            return [TrailLine(**row) for row in db.execute(found).mappings()]

    def looks(self, referral_id: ReferralId) -> Sequence[TrailLine]:
        """The rows in which a referral was read, the oldest first; what was refused is no look."""
        a = schema.audit
        names = ("n", "at", "actor", "device_id", "action", "object_id", "outcome")
        found = select(*(a.c[name] for name in names)).where(
            a.c.object_id == referral_id, a.c.action.in_(list(SAW)), a.c.outcome != "refused"
        )
        with transaction(self._engine, write=False) as db:
            return [TrailLine(**row) for row in db.execute(found.order_by(a.c.n)).mappings()]

    def sent_to(self, referral_id: ReferralId) -> Mapping[UserId, datetime]:
        """On whose devices a referral was, and when it was sent there last."""
        f = schema.feed
        found = select(f.c.user_id, func.max(f.c.at)).where(
            f.c.object_id == referral_id, f.c.kind == ChangeKind.REFERRAL.value
        )
        with transaction(self._engine, write=False) as db:
            return {UserId(who): at for who, at in db.execute(found.group_by(f.c.user_id))}

    def verdict(self) -> Verdict:
        """The chain, checked from its first row to its head."""
        return exports.audit_verdict(self._engine)
