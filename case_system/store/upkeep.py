"""What the clock takes out of the database: identifiers whose time is over, and rows that nobody can need any more.

Forgetting a referral is one small transaction with its audit row and the feed rows that tell devices. The wrapped data key goes, and
with it what it opened: the record's body, what each operation said, envelopes that still waited, and bytes that were set aside
under the same numbers. Staff lose the referral from their devices; an officer keeps the process that they saw. Who runs it twice,
or in two processes at once, gets the same: each referral is locked and judged again before anything is changed.

On SQLite the write-ahead log is emptied afterwards, so that earlier pages do not lie in it. The rules are `keeping.py`'s.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, and_, delete, exists, func, or_, select, update

from case_system import sealing
from case_system.audience import officers
from case_system.audit import Deed
from case_system.keeping import CODES_KEPT, FEED_KEPT, SESSIONS_KEPT, Fate, fate, without_name
from case_system.ports import Keys, RandomBytes
from case_system.record import SYSTEM, Record
from case_system.store import schema
from case_system.store.engine import transaction
from case_system.store.ledger import close
from case_system.store.records import plain, record_of, row_of
from referral.lifecycle import Handoff, Review
from referral.model import Kind, Willing
from referral.operations import CloseReason
from referral.port import ChangeKind, Outcome
from referral.problems import ProblemCode
from referral.programme import Programme
from referral.views import Happening, TimelineEntry

TOGETHER = 50  # referrals in one transaction
FEED_TOGETHER = 2000  # feed rows in one transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Upkept:
    """What one run took away. forgotten: (referral, why) in the order in which they went."""

    forgotten: tuple[tuple[str, str], ...] = ()
    feed_rows: int = 0
    sessions: int = 0
    codes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Upkeep:
    """The clock's housework over one engine. told: whose feeds grew, after each commit."""

    engine: Engine
    keys: Keys
    rng: RandomBytes
    told: Callable[[frozenset[str]], None] = field(default=lambda _: None)

    def run(self, now: datetime, pack: Programme) -> Upkept:
        """Do all of it once."""
        now = plain(now)
        with transaction(self.engine, write=False) as db:
            due = [referral_id for referral_id, _ in _due(db, now, pack, self.keys, None)]
        forgotten: list[tuple[str, str]] = []
        for start in range(0, len(due), TOGETHER):
            forgotten += self._forget(due[start : start + TOGETHER], now, pack)
        feed_rows = self._shorten_feed(now)
        with transaction(self.engine, write=True) as db:
            s, c, f = schema.sessions, schema.enrol_codes, schema.sign_in_failures
            old = now - SESSIONS_KEPT
            sessions = db.execute(delete(s).where(or_(s.c.ended_at < old, s.c.seen_at < old))).rowcount
            over = or_(c.c.used_at < now - CODES_KEPT, c.c.expires_at < now - CODES_KEPT)
            codes = db.execute(delete(c).where(over)).rowcount
            db.execute(delete(f).where(f.c.at < old))
        if forgotten:
            self._empty_log()
        return Upkept(forgotten=tuple(forgotten), feed_rows=feed_rows, sessions=sessions, codes=codes)

    def _forget(self, referral_ids: Sequence[str], now: datetime, pack: Programme) -> list[tuple[str, str]]:
        feed: list[dict[str, Any]] = []
        with transaction(self.engine, write=True) as db:
            found = _due(db, now, pack, self.keys, referral_ids)
            for referral_id, (record, coming) in found:
                if coming.whole:
                    feed += _shred(db, record, now)
                else:
                    feed += _drop_name(db, record, now, pack, self.keys, self.rng)
                feed += _clear_papers(db, referral_id, now)
            deeds = [
                Deed(actor=SYSTEM, action="forget", object_id=referral_id, outcome=coming.why)
                for referral_id, (_, coming) in found
            ]
            close(db, feed, deeds, now)
        self.told(frozenset(row["user_id"] for row in feed))
        return [(referral_id, coming.why.value) for referral_id, (_, coming) in found]

    def _shorten_feed(self, now: datetime) -> int:
        """Below the floor only the newest row of each thing stays (S13)."""
        t, ledger = schema.feed, schema.ledger
        with transaction(self.engine, write=True) as db:
            floor = db.execute(select(func.max(t.c.seq)).where(t.c.at < now - FEED_KEPT)).scalar()
            before = db.execute(select(ledger.c.feed_floor)).scalar_one()
            if floor is None or floor <= before:
                return 0
            db.execute(update(ledger).values(feed_floor=floor))
        newest = func.max(t.c.seq).over(partition_by=(t.c.user_id, t.c.device_id, t.c.kind, t.c.object_id))
        ranked = select(t.c.seq, newest.label("newest")).subquery()
        with transaction(self.engine, write=False) as db:
            old = select(ranked.c.seq).where(ranked.c.seq <= floor, ranked.c.seq < ranked.c.newest)
            seqs = list(db.execute(old.order_by(ranked.c.seq)).scalars())
        for start in range(0, len(seqs), FEED_TOGETHER):
            with transaction(self.engine, write=True) as db:
                db.execute(delete(t).where(t.c.seq.in_(seqs[start : start + FEED_TOGETHER])))
        return len(seqs)

    def _empty_log(self) -> None:
        if self.engine.dialect.name != "sqlite":
            return
        with self.engine.connect() as db:
            raw = db.connection.driver_connection
            if raw is not None:
                raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _due(
    db: Connection, now: datetime, pack: Programme, keys: Keys, only: Collection[str] | None
) -> list[tuple[str, tuple[Record, Fate]]]:
    """What is due, oldest first; (only) locked and opened, for the change itself."""
    r, o = schema.referrals, schema.operations
    said = or_(o.c.body.is_not(None), o.c.raw.is_not(None))
    later = and_(o.c.referral_id == r.c.referral_id, said)  # forgetting cleared what was there before
    closed = [
        c.value for c in (CloseReason.WITHDREW, CloseReason.DECLINED, CloseReason.INELIGIBLE, CloseReason.DUPLICATE)
    ]
    not_asked = and_(r.c.kind == Kind.SOCIAL.value, r.c.willing == Willing.NOT_ASKED.value)
    candidates = select(r).where(
        r.c.data_key.is_not(None),
        r.c.tally.is_(False),
        r.c.provisional.is_(False),
        r.c.merged_into.is_(None),
        or_(r.c.close_reason.in_(closed), r.c.review == Review.DECLINED.value, r.c.handoff == Handoff.NOT_COMPLETED.value, not_asked),
        or_(r.c.forgotten_at.is_(None), exists().where(later)),
    )  # fmt: skip
    if only is not None:  # locks are taken in the order of ids, as everywhere
        db.execute(select(r.c.referral_id).where(r.c.referral_id.in_(only)).order_by(r.c.referral_id).with_for_update())
        candidates = candidates.where(r.c.referral_id.in_(only))
    rows = db.execute(candidates.order_by(r.c.received_at, r.c.referral_id)).mappings().all()
    lines = _lines(db, [row["referral_id"] for row in rows])
    added = select(func.max(o.c.judged_at)).where(said)
    out = []
    for row in rows:
        again = None
        if row["forgotten_at"] is not None:
            again = db.execute(added.where(o.c.referral_id == row["referral_id"])).scalar()
        record = record_of(row, None if only is None else keys)
        coming = fate(record, lines[row["referral_id"]], pack.timers, again)
        if coming is not None and coming.due_at <= now:
            out.append((row["referral_id"], (record, coming)))
    return out


def _lines(db: Connection, referral_ids: Sequence[str]) -> dict[str, list[TimelineEntry]]:
    t = schema.timeline
    lines: dict[str, list[TimelineEntry]] = defaultdict(list)
    for start in range(0, len(referral_ids), 500):
        part = referral_ids[start : start + 500]
        for row in db.execute(select(t).where(t.c.referral_id.in_(part)).order_by(t.c.referral_id, t.c.id)):
            lines[row.referral_id].append(TimelineEntry(what=Happening(row.what), at=row.at, code=row.code))
    return lines


def _shred(db: Connection, record: Record, now: datetime) -> list[dict[str, Any]]:
    """Everything that was recorded becomes unreadable; staff are told that it is gone, officers to look again."""
    r, a = schema.referrals, schema.audience
    here = record.referral_id
    gone = {"data_key": None, "body": None, "person_index": None, "scene_index": None, "forgotten_at": now}
    db.execute(update(r).where(or_(r.c.referral_id == here, r.c.merged_into == here)).values(gone))
    readers = db.execute(select(a.c.user_id).where(a.c.referral_id == here).order_by(a.c.user_id)).scalars().all()
    db.execute(delete(a).where(a.c.referral_id == here, a.c.user_id.not_in(officers(record))))
    return [_told(user_id, ChangeKind.REFERRAL, here) for user_id in readers]


def _drop_name(
    db: Connection, record: Record, now: datetime, pack: Programme, keys: Keys, rng: RandomBytes
) -> list[dict[str, Any]]:
    """The name goes; what remains is sealed under a new key, so that the old one opens nothing any more."""
    r, a = schema.referrals, schema.audience
    here = record.referral_id
    told = None if record.referral is None else without_name(record.referral, pack.day(now))
    kept = replace(record, referral=told, amendments=(), person_index=None)
    key, wrapped = sealing.new_data_key(keys.storage_key, here, rng)
    row = row_of(kept, key, rng)
    new = {"data_key": wrapped, "body": row["body"], "person_index": None, "forgotten_at": now}
    db.execute(update(r).where(r.c.referral_id == here).values(new))
    readers = db.execute(select(a.c.user_id).where(a.c.referral_id == here).order_by(a.c.user_id)).scalars()
    return [_told(user_id, ChangeKind.REFERRAL, here) for user_id in readers]


def _clear_papers(db: Connection, referral_id: str, now: datetime) -> list[dict[str, Any]]:
    """What its operations said goes; one that still waited is answered, and its device is told."""
    r, o, q = schema.referrals, schema.operations, schema.quarantine
    merged = select(r.c.referral_id).where(r.c.merged_into == referral_id)
    its = or_(o.c.referral_id == referral_id, o.c.referral_id.in_(merged))
    numbers = select(o.c.device_id, o.c.op_id).where(its).subquery()
    same = exists().where(numbers.c.device_id == q.c.device_id, numbers.c.op_id == q.c.op_id)
    db.execute(delete(q).where(same))
    waiting = db.execute(
        select(o.c.device_id, o.c.op_id, o.c.user_id)
        .where(its, o.c.outcome == Outcome.STORED.value)
        .order_by(o.c.device_id, o.c.op_id)
    ).all()
    answer = {
        "outcome": Outcome.NEEDS_ATTENTION.value, "code": ProblemCode.NOT_POSSIBLE_NOW.value, "judged_at": now,
    }  # fmt: skip
    db.execute(update(o).where(its, o.c.outcome == Outcome.STORED.value).values(answer))
    db.execute(update(o).where(its).values(body=None, raw=None))
    return [_told(row.user_id, ChangeKind.RECEIPT, row.op_id, row.device_id) for row in waiting]


def _told(user_id: str, kind: ChangeKind, object_id: str, device_id: str | None = None) -> dict[str, Any]:
    return {"user_id": user_id, "device_id": device_id, "kind": kind.value, "object_id": object_id}
