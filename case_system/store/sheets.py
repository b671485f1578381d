"""What is kept beside one referral, read for a page: its timeline, notices, releases and votes. No rule is here."""

from __future__ import annotations

from sqlalchemy import Connection, select

from case_system.handoff import NoticeState
from case_system.sheet import Beside, Cast, Consent, Rung
from case_system.store import schema
from referral.model import ReferralId, UserId
from referral.views import Happening, NoticeKind, TimelineEntry


def beside(db: Connection, referral_id: ReferralId) -> Beside:
    """Everything beside the referral, oldest first."""
    t, n, r, v = schema.timeline, schema.notices, schema.releases, schema.votes
    return Beside(
        lines=tuple(
            TimelineEntry(what=Happening(row.what), at=row.at, by=row.user_id, code=row.code)
            for row in db.execute(select(t).where(t.c.referral_id == referral_id).order_by(t.c.id))
        ),
        rungs=tuple(
            Rung(
                recipient=UserId(row.recipient),
                kind=NoticeKind(row.kind),
                state=NoticeState(row.state),
                rings=row.rings,
                created_at=row.created_at,
                due_at=row.due_at,
                sent_at=row.sent_at,
                acknowledged_at=row.acknowledged_at,
            )
            for row in db.execute(
                select(n).where(n.c.referral_id == referral_id).order_by(n.c.created_at, n.c.kind, n.c.recipient)
            )
        ),
        consents=tuple(
            Consent(
                event=row.event,
                parties=tuple(row.parties.split()),
                scope=tuple(row.scope.split()),
                expires_on=row.expires_on,
                method=row.method,
                by=UserId(row.user_id),
                at=row.at,
            )
            for row in db.execute(select(r).where(r.c.referral_id == referral_id).order_by(r.c.id))
        ),
        votes=tuple(
            Cast(partner=row.partner, approve=row.approve, by=UserId(row.user_id), at=row.at)
            for row in db.execute(select(v).where(v.c.referral_id == referral_id).order_by(v.c.partner))
        ),
    )
