"""How gathered rows are written: one statement for all rows of a kind, new ones inserted, others updated by their key."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, insert, select, update

from case_system.handoff import Climb, Ladder, NoticeState
from case_system.store import schema
from referral.model import ReferralId, UserId

Row = dict[str, Any]


def plain(db: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows."""
    if rows:
        db.execute(insert(table), rows)


def _replace(db: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Update whole rows by their primary key."""
    if not rows:
        return
    keys = [column.name for column in table.primary_key.columns]
    names = [name for name in rows[0] if name not in keys]
    statement = update(table).values({name: bindparam(f"v_{name}") for name in names})
    for key in keys:
        statement = statement.where(table.c[key] == bindparam(f"k_{key}"))
    db.execute(statement, [{f"k_{k}": row[k] for k in keys} | {f"v_{n}": row[n] for n in names} for row in rows])


def records(db: Connection, new: Sequence[Row], changed: Sequence[Row]) -> None:
    """Referrals."""
    plain(db, schema.referrals, new)
    _replace(db, schema.referrals, changed)


def merges(db: Connection, merged: Sequence[tuple[ReferralId, ReferralId]]) -> None:
    """What belonged to a provisional record belongs to its referral."""
    for there, here in merged:
        for table in (schema.notices, schema.timeline, schema.offers, schema.matters):
            db.execute(update(table).where(table.c.referral_id == there).values(referral_id=here))


def shreds(db: Connection, referral_ids: Collection[ReferralId]) -> None:
    """Earlier sealed words of these referrals go, with the key that opened them."""
    if referral_ids:
        t = schema.operations
        db.execute(update(t).where(t.c.referral_id.in_(referral_ids)).values(body=None))


def papers(db: Connection, new: Sequence[Row], changed: Sequence[Row], now: datetime) -> None:
    """Operations."""
    plain(db, schema.operations, [row | {"received_at": now} for row in new])
    _replace(db, schema.operations, changed)


def notices(db: Connection, settled: Mapping[str, NoticeState], new: Sequence[Row], now: datetime) -> None:
    """Notices that end, and new ones."""
    _replace(
        db,
        schema.notices,
        [
            {"notice_id": i, "state": s.value, "acknowledged_at": now if s is NoticeState.ACKNOWLEDGED else None}
            for i, s in settled.items()
        ],
    )
    plain(db, schema.notices, new)


def climbs(
    db: Connection,
    closed: Sequence[tuple[ReferralId, Ladder]],
    standing: Mapping[tuple[ReferralId, Ladder, int], tuple[Climb, bool]],
    now: datetime,
) -> None:
    """Ladders that end, and climbs as they stand now (and whether they have ended)."""
    o = schema.offers
    this = (o.c.referral_id == bindparam("r_")) & (o.c.ladder == bindparam("l_"))
    if closed:
        ended = update(o).where(this, o.c.closed_at.is_(None)).values(closed_at=now, wake_at=None)
        db.execute(ended, [{"r_": r, "l_": ladder.value} for r, ladder in closed])
    if standing:
        old = delete(o).where(this, o.c.round == bindparam("n_"))
        db.execute(old, [{"r_": r, "l_": ladder.value, "n_": n} for r, ladder, n in standing])
        plain(
            db,
            o,
            [
                {
                    "referral_id": r,
                    "ladder": ladder.value,
                    "round": n,
                    "started_at": climb.started_at,
                    "first": climb.first,
                    "rungs": climb.rungs,
                    "wake_at": climb.wake_at,
                    "closed_at": now if over else None,
                }
                for (r, ladder, n), (climb, over) in standing.items()
            ],
        )


def votes(db: Connection, rows: Sequence[Row]) -> None:
    """The newest vote of each partner."""
    v = schema.votes
    if rows:
        old = delete(v).where(v.c.referral_id == bindparam("r_"), v.c.partner == bindparam("p_"))
        db.execute(old, [{"r_": row["referral_id"], "p_": row["partner"]} for row in rows])
        plain(db, v, list({(row["referral_id"], row["partner"]): row for row in rows}.values()))


def matters(db: Connection, settled: Sequence[Row], new: Sequence[Row]) -> None:
    """Matters that end, and new ones."""
    _replace(db, schema.matters, settled)
    plain(db, schema.matters, new)


def likenesses(db: Connection, rows: Sequence[Row]) -> None:
    """The newest decision about two referrals."""
    k = schema.likenesses
    for row in rows:
        both = (row["referral_id"], row["other_id"])
        db.execute(delete(k).where(k.c.referral_id.in_(both), k.c.other_id.in_(both)))
    plain(db, k, rows)


def audience(
    db: Connection, come: Sequence[tuple[ReferralId, UserId]], gone: Sequence[tuple[ReferralId, UserId]]
) -> None:
    """Who may see what from now on."""
    t = schema.audience
    if gone:
        away = delete(t).where(t.c.referral_id == bindparam("r_"), t.c.user_id == bindparam("u_"))
        db.execute(away, [{"r_": referral_id, "u_": user} for referral_id, user in gone])
    plain(db, t, [{"referral_id": referral_id, "user_id": user} for referral_id, user in come])


def counts(db: Connection, changes: Mapping[str, int]) -> Iterator[tuple[UserId, str]]:
    """Change how many people each pair has; yields who is to be told of which pair."""
    t = schema.pairs
    for pair, change in changes.items():
        if change:
            db.execute(update(t).where(t.c.pair == pair).values(enrolled=t.c.enrolled + change))
            members = db.execute(select(t.c.case_manager, t.c.peer).where(t.c.pair == pair)).one()
            yield from ((UserId(user), pair) for user in members if user is not None)
