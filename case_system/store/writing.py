"""How gathered rows are written: one statement for all rows of a kind, new ones inserted, others updated by their key."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Insert, Table, Update, bindparam, delete, insert, select, update

from case_system.handoff import Climb, Ladder, NoticeState
from case_system.store import schema
from case_system.store.lookups import THESE
from referral.model import ReferralId, UserId

Row = dict[str, Any]

_c, _v, _a, _p = schema.offers.c, schema.votes.c, schema.audience.c, schema.pairs.c
_THIS_CLIMB = (_c.referral_id == bindparam("r_")) & (_c.ladder == bindparam("l_"))
_CLIMB_ENDS = (
    update(schema.offers).where(_THIS_CLIMB, _c.closed_at.is_(None)).values(closed_at=bindparam("now_"), wake_at=None)
)
_CLIMB_GOES = delete(schema.offers).where(_THIS_CLIMB, _c.round == bindparam("n_"))
_VOTE_GOES = delete(schema.votes).where(_v.referral_id == bindparam("r_"), _v.partner == bindparam("p_"))
_READER_GOES = delete(schema.audience).where(_a.referral_id == bindparam("r_"), _a.user_id == bindparam("u_"))
_SHRED = update(schema.operations).where(schema.operations.c.referral_id.in_(THESE)).values(body=None)
_COUNT = update(schema.pairs).where(_p.pair == bindparam("p_")).values(enrolled=_p.enrolled + bindparam("change_"))
_MEMBERS = select(_p.case_manager, _p.peer).where(_p.pair == bindparam("p_"))


@cache
def _insert(table: Table) -> Insert:
    return insert(table)


@cache
def changing(table: Table, names: tuple[str, ...]) -> Update:
    """An update of these columns (`v_NAME`) of the row with a primary key (`k_NAME`); built once for each shape."""
    statement = update(table).values({name: bindparam(f"v_{name}") for name in names})
    for key in table.primary_key.columns:
        statement = statement.where(key == bindparam(f"k_{key.name}"))
    return statement


def plain(db: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows."""
    if rows:
        db.execute(_insert(table), rows)


def _replace(db: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Update whole rows by their primary key."""
    if not rows:
        return
    keys = [column.name for column in table.primary_key.columns]
    names = tuple(name for name in rows[0] if name not in keys)
    db.execute(
        changing(table, names), [{f"k_{k}": row[k] for k in keys} | {f"v_{n}": row[n] for n in names} for row in rows]
    )


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
        db.execute(_SHRED, {"these": list(referral_ids)})


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
    if closed:
        db.execute(_CLIMB_ENDS, [{"r_": r, "l_": ladder.value, "now_": now} for r, ladder in closed])
    if standing:
        db.execute(_CLIMB_GOES, [{"r_": r, "l_": ladder.value, "n_": n} for r, ladder, n in standing])
        plain(
            db,
            schema.offers,
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
    if rows:
        db.execute(_VOTE_GOES, [{"r_": row["referral_id"], "p_": row["partner"]} for row in rows])
        plain(db, schema.votes, list({(row["referral_id"], row["partner"]): row for row in rows}.values()))


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
    if gone:
        db.execute(_READER_GOES, [{"r_": referral_id, "u_": user} for referral_id, user in gone])
    plain(db, schema.audience, [{"referral_id": referral_id, "user_id": user} for referral_id, user in come])


def counts(db: Connection, changes: Mapping[str, int]) -> Iterator[tuple[UserId, str]]:
    """Change how many people each pair has; yields who is to be told of which pair."""
    for pair, change in changes.items():
        if change:
            db.execute(_COUNT, {"p_": pair, "change_": change})
            members = db.execute(_MEMBERS, {"p_": pair}).one()
            yield from ((UserId(user), pair) for user in members if user is not None)
