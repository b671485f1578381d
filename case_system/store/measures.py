"""The numbers of the metrics page, counted in the database: the same from whichever process is asked."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Connection, case, func, select, type_coerce

from case_system.measures import ACCEPT_BUCKETS_S, Measures
from case_system.store import schema


def measure(db: Connection, now: datetime) -> Measures:
    """Everything at one moment."""
    accepted, seconds = _accepted(db)
    return Measures(numbers=_numbers(db, now), by_word=_by_word(db), accepted=accepted, accepted_s=seconds)


def _numbers(db: Connection, now: datetime) -> dict[str, float]:
    d, n, o = schema.devices, schema.notices, schema.offers
    holding = select(d.c.oldest_unsent_s, d.c.seen_at).where(
        d.c.state == "active", d.c.waiting > 0, d.c.oldest_unsent_s.is_not(None), d.c.seen_at.is_not(None)
    )
    ages = [row.oldest_unsent_s + (now - row.seen_at).total_seconds() for row in db.execute(holding)]
    notice = db.execute(select(func.min(n.c.next_at)).where(n.c.state == "staged", n.c.next_at <= now)).scalar()
    rung = db.execute(select(func.min(o.c.wake_at)).where(o.c.closed_at.is_(None), o.c.wake_at <= now)).scalar()
    late = [(now - moment).total_seconds() for moment in (notice, rung) if moment is not None]
    return {
        "unsent_oldest_seconds": max(ages, default=0.0),
        "dispatcher_late_seconds": max(late, default=0.0),
        "feed_rows": float(db.execute(select(func.count()).select_from(schema.feed)).scalar_one()),
        "audit_rows": float(db.execute(select(schema.ledger.c.audit_n)).scalar_one()),
    }


def _by_word(db: Connection) -> dict[tuple[str, str], dict[str, float]]:
    o, d, n, p = schema.offers, schema.devices, schema.notices, schema.operations
    counted = func.count()
    asked = {
        ("ladders_open", "ladder"): select(o.c.ladder, counted).where(o.c.closed_at.is_(None)).group_by(o.c.ladder),
        ("devices", "state"): select(d.c.state, counted).group_by(d.c.state),
        ("notices", "state"): select(n.c.state, counted).group_by(n.c.state),
        ("operations_refused", "code"): select(p.c.code, counted).where(p.c.outcome == "refused").group_by(p.c.code),
    }
    found = {key: {str(word): float(n) for word, n in db.execute(statement)} for key, statement in asked.items()}
    locked = select(counted).where(d.c.locked.is_(True), d.c.state == "active")
    found["devices", "state"]["locked"] = float(db.execute(locked).scalar_one())
    for ladder in ("handoff", "sao"):
        found["ladders_open", "ladder"].setdefault(ladder, 0.0)
    return found


def _accepted(db: Connection) -> tuple[tuple[int, ...], float]:
    r = schema.referrals
    waited = type_coerce(r.c.accepted_at, BigInteger) - type_coerce(r.c.offered_at, BigInteger)
    within = [func.coalesce(func.sum(case((waited <= top * 1000, 1), else_=0)), 0) for top in ACCEPT_BUCKETS_S]
    both = r.c.accepted_at.is_not(None) & r.c.offered_at.is_not(None)
    row = db.execute(select(*within, func.count(), func.coalesce(func.sum(waited), 0)).where(both)).one()
    return tuple(int(n) for n in row[:-1]), float(row[-1]) / 1000
