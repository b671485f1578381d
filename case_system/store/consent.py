"""Releases of information as they stand: the newest word of each referral that was signed and not taken back."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import Engine, func, select

from case_system.office.consent import Consent
from case_system.store import schema
from case_system.store.engine import transaction
from referral.lifecycle import Release
from referral.model import ReferralId
from referral.operations import ReleaseEvent


class ConsentRows:
    """Implements `office.caseloads.ConsentRows` and `office.defence.ConsentRows`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def signed(self, referral_ids: Collection[ReferralId] | None = None) -> Mapping[ReferralId, Consent]:
        """The signed release of each of these referrals (None: of all) that has one; the last day is the reader's business."""
        t, r = schema.releases, schema.referrals
        newest = select(func.max(t.c.id)).group_by(t.c.referral_id)
        found = (
            select(t.c.referral_id, t.c.parties, t.c.scope, t.c.expires_on)
            .join(r, r.c.referral_id == t.c.referral_id)
            .where(t.c.id.in_(newest), t.c.event == ReleaseEvent.SIGNED.value, t.c.expires_on.is_not(None))
            .where(r.c.release == Release.SIGNED.value, r.c.merged_into.is_(None))
        )
        if referral_ids is not None:
            found = found.where(t.c.referral_id.in_(referral_ids))
        with transaction(self._engine, write=False) as db:
            rows = db.execute(found).all()
        return {
            ReferralId(row.referral_id): Consent(
                parties=frozenset(row.parties.split()), scope=frozenset(row.scope.split()), until=row.expires_on
            )
            for row in rows
        }
