"""One read transaction: what the feed, the pages and the figures look up. Implements `storage.Reading`."""

from __future__ import annotations

import json
import zlib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta

from sqlalchemy import Connection, bindparam, func, or_, select

from case_system.alarms import AlarmKind, Holder, OpenAlarm, Raised
from case_system.assignment import Rota, Waiting
from case_system.audience import STAFF_NOTICES
from case_system.handoff import Climb
from case_system.matters import Matter
from case_system.measures import Measures
from case_system.ports import Keys
from case_system.record import Pair, Record, User
from case_system.storage import AgencyFacts, FeedItem, Paper, Unsent
from case_system.store import lookups, schema
from case_system.store.lookups import THESE
from case_system.store.measures import measure
from case_system.store.records import CLOSED, record_of
from referral.envelope import read_header
from referral.lifecycle import Episode, Handoff
from referral.model import DeviceId, OpId, ReferralId, UserId
from referral.port import ChangeKind, Outcome
from referral.views import Flag, Happening, NoticeView, TimelineEntry

_t, _d, _f, _r = schema.ledger.c, schema.devices.c, schema.feed.c, schema.referrals.c
_HEAD = select(schema.agency, _t.feed_floor, _t.feed_seq).join(schema.ledger, _t.id == schema.agency.c.id)
_NEWEST = func.max(_f.seq).label("newest")
_FEED = (
    select(_NEWEST, _f.kind, _f.object_id)
    .where(
        _f.user_id == bindparam("user"),
        _f.seq > bindparam("after"),
        _f.seq <= bindparam("until"),
        or_(_f.device_id.is_(None), _f.device_id == bindparam("device")),
    )
    .group_by(_f.kind, _f.object_id)
    .order_by(_NEWEST)
    .limit(bindparam("most"))
)
_READERS_SINCE = select(_f.user_id, _NEWEST).where(_f.seq > bindparam("after")).group_by(_f.user_id)
_OPENED = select(schema.referrals).where(_r.referral_id.in_(THESE))
_UNOPENED = select(*CLOSED).where(_r.referral_id.in_(THESE))
_OPEN_WORK = (
    select(*CLOSED)
    .where((_r.episode != Episode.CLOSED.value) & _r.merged_into.is_(None) & _r.tally.is_(False))
    .order_by(_r.received_at, _r.referral_id)
)
_VISIBLE = select(schema.audience.c.referral_id).where(
    schema.audience.c.user_id == bindparam("user"), schema.audience.c.referral_id.in_(THESE)
)
_l, _n, _o = schema.timeline.c, schema.notices.c, schema.offers.c
_LINES = (
    select(_l.referral_id, _l.what, _l.at, _l.user_id, _l.code)
    .where(_l.referral_id.in_(THESE))
    .order_by(_l.referral_id, _l.id)
)
# an alarm about a device is for the desk: devices know notices of referrals only
_NOTICES = select(schema.notices).where(_n.notice_id.in_(THESE), _n.referral_id.is_not(None))
_HOLDER = select(_d.user_id, _d.device_id).where(
    or_(_d.append_hash == bindparam("token"), _d.read_hash == bindparam("token"))
)
_READER = select(_d.user_id, _d.state).where(_d.read_hash == bindparam("token"))
_STILL_OPEN = _n.state.in_(("staged", "sent"))
_MOMENTS = (
    select(func.min(_o.wake_at)).where(_o.closed_at.is_(None)),
    select(func.min(_n.next_at)).where(_n.state == "staged"),
    select(func.min(_n.due_at)).where(_STILL_OPEN, _n.announced.is_(False)),
    select(func.min(_n.expires_at)).where(_STILL_OPEN),
    select(func.min(_r.intake_warn_at)),
    select(func.min(_n.created_at))
    .join(schema.devices, _d.device_id == _n.device_id)
    .where(_STILL_OPEN, lookups.alarms_over(schema.devices)),
)
_LAST_DAY = select(func.min(_r.release_expires_on)).where(_r.release == "signed")


class SqlReading:
    """See `storage.Reading`."""

    def __init__(self, connection: Connection, keys: Keys) -> None:
        self._db, self._keys = connection, keys
        self._head: tuple[AgencyFacts, tuple[int, int]] | None = None
        self._users: Mapping[UserId, User] | None = None

    def agency(self) -> AgencyFacts:
        return self._at_head()[0]

    def feed_span(self) -> tuple[int, int]:
        return self._at_head()[1]

    def _at_head(self) -> tuple[AgencyFacts, tuple[int, int]]:
        if self._head is None:
            row = self._db.execute(_HEAD).one()
            self._head = lookups.agency_of(row), (row.feed_floor, row.feed_seq)
        return self._head

    def feed(self, user_id: UserId, device_id: str, after: int, until: int, limit: int) -> Sequence[FeedItem]:
        if after >= until:
            return []
        what = {"user": user_id, "after": after, "until": until, "device": device_id, "most": limit}
        return [FeedItem(seq, ChangeKind(kind), object_id) for seq, kind, object_id in self._db.execute(_FEED, what)]

    def readers_since(self, seq: int) -> Mapping[str, int]:
        return {row.user_id: row.newest for row in self._db.execute(_READERS_SINCE, {"after": seq})}

    def users(self) -> Mapping[UserId, User]:
        if self._users is None:
            self._users = lookups.users(self._db)
        return self._users

    def records(self, referral_ids: Collection[ReferralId], *, opened: bool) -> Mapping[ReferralId, Record]:
        if not referral_ids:
            return {}
        rows = self._db.execute(_OPENED if opened else _UNOPENED, {"these": list(referral_ids)}).mappings()
        return {row["referral_id"]: record_of(row, self._keys if opened else None) for row in rows}

    def visible(self, user_id: UserId, referral_ids: Collection[ReferralId]) -> frozenset[ReferralId]:
        if not referral_ids:
            return frozenset()
        found = self._db.execute(_VISIBLE, {"user": user_id, "these": list(referral_ids)})
        return frozenset(ReferralId(i) for i in found.scalars())

    def open_work(self) -> Sequence[Record]:
        return [record_of(row, None) for row in self._db.execute(_OPEN_WORK).mappings()]

    def climbs(self) -> Mapping[ReferralId, tuple[Climb, ...]]:
        o = schema.offers
        open_: dict[ReferralId, list[Climb]] = defaultdict(list)
        found = select(o).where(o.c.closed_at.is_(None)).order_by(o.c.round)
        for row in self._db.execute(found).mappings():
            open_[row["referral_id"]].append(lookups.climb_of(row))
        return {i: tuple(climbs) for i, climbs in open_.items()}

    def rung(self) -> Mapping[ReferralId, frozenset[UserId]]:
        n, t = schema.notices, schema.referrals
        who: dict[ReferralId, set[UserId]] = defaultdict(set)
        kinds = [kind.value for kind in STAFF_NOTICES]
        found = (
            select(n.c.referral_id, n.c.recipient)
            .join(t, t.c.referral_id == n.c.referral_id)
            .where(t.c.episode != Episode.CLOSED.value, n.c.kind.in_(kinds))
        )
        for row in self._db.execute(found):
            who[row.referral_id].add(row.recipient)
        return {i: frozenset(users) for i, users in who.items()}

    def unsent(self) -> Sequence[Unsent]:
        d = schema.devices
        found = select(d).where(d.c.state == "active", d.c.waiting > 0, d.c.seen_at.is_not(None))
        return [
            Unsent(
                device_id=DeviceId(row.device_id),
                user_id=UserId(row.user_id),
                waiting=row.waiting,
                oldest_s=row.oldest_unsent_s or 0,
                seen_at=row.seen_at,
            )
            for row in self._db.execute(found.order_by(d.c.oldest_unsent_s.desc(), d.c.device_id))
        ]

    def rota(self) -> Rota:
        return lookups.rota(self._db)

    def holders(self) -> Sequence[Holder]:
        d = schema.devices
        found = select(d.c.device_id, d.c.oldest_unsent_s, d.c.seen_at).where(
            d.c.state == "active", d.c.waiting > 0, d.c.oldest_unsent_s.is_not(None), d.c.seen_at.is_not(None)
        )
        return [
            Holder(device_id=DeviceId(row.device_id), oldest_unsent_s=row.oldest_unsent_s, seen_at=row.seen_at)
            for row in self._db.execute(found.order_by(d.c.device_id))
        ]

    def sealed_for(self, key_id: str) -> int:
        o = schema.operations
        waiting = select(o.c.raw).where(o.c.outcome == Outcome.STORED.value, o.c.raw.is_not(None))
        return sum(read_header(raw).key_id.hex() == key_id for raw in self._db.execute(waiting).scalars())

    def open_alarms(self, user_id: UserId) -> Sequence[OpenAlarm]:
        n, d = schema.notices, schema.devices
        found = (
            select(n.c.notice_id, n.c.kind, n.c.device_id, d.c.user_id, d.c.waiting, d.c.oldest_unsent_s, d.c.seen_at)
            .join(d, d.c.device_id == n.c.device_id)
            .where(n.c.recipient == user_id, n.c.state.in_(("staged", "sent")), n.c.announced.is_(True))
            .order_by(n.c.created_at, n.c.notice_id)
        )
        return [
            OpenAlarm(
                notice_id=row.notice_id,
                kind=AlarmKind(row.kind),
                holder=Holder(
                    device_id=DeviceId(row.device_id), oldest_unsent_s=row.oldest_unsent_s or 0, seen_at=row.seen_at
                ),
                user_id=UserId(row.user_id),
                waiting=row.waiting or 0,
            )
            for row in self._db.execute(found)
        ]

    def raised(self, day: int) -> Raised:
        n = schema.notices
        found = select(n.c.device_id, n.c.recipient).where(n.c.device_id.is_not(None), n.c.round == day)
        return frozenset((DeviceId(row.device_id), UserId(row.recipient), day) for row in self._db.execute(found))

    def alike(self, persons: Collection[str]) -> Sequence[Record]:
        t = schema.referrals
        same = t.c.person_index.in_(persons) & (t.c.episode != Episode.CLOSED.value)
        return [record_of(row, None) for row in self._db.execute(select(*CLOSED).where(same)).mappings()]

    def judged(self) -> frozenset[frozenset[ReferralId]]:
        k = schema.likenesses
        rows = self._db.execute(select(k.c.referral_id, k.c.other_id))
        return frozenset(frozenset({ReferralId(row.referral_id), ReferralId(row.other_id)}) for row in rows)

    def line(self) -> tuple[Waiting, ...]:
        return lookups.line(self._db)

    def matters(self) -> Sequence[Matter]:
        m = schema.matters
        found = select(m).where(m.c.settled_at.is_(None)).order_by(m.c.at, m.c.matter_id)
        return [lookups.matter_of(row) for row in self._db.execute(found).mappings()]

    def flagged(self, flags: Collection[Flag]) -> Sequence[Record]:
        t = schema.referrals
        any_of = or_(*(t.c.flags.contains(flag.value) for flag in flags))
        still = (t.c.episode != Episode.CLOSED.value) | t.c.flags.contains(Flag.NEEDS_ATTENTION.value)
        there = t.c.merged_into.is_(None)
        found = select(*CLOSED).where(any_of, still, there).order_by(t.c.received_at, t.c.referral_id)
        return [r for row in self._db.execute(found).mappings() if (r := record_of(row, None)).flags & set(flags)]

    def timelines(self, referral_ids: Collection[ReferralId]) -> Mapping[ReferralId, tuple[TimelineEntry, ...]]:
        if not referral_ids:
            return {}
        lines: dict[ReferralId, list[TimelineEntry]] = defaultdict(list)
        for referral_id, what, at, by, code in self._db.execute(_LINES, {"these": list(referral_ids)}):
            lines[referral_id].append(TimelineEntry(what=Happening(what), at=at, by=by, code=code))
        return {i: tuple(entries) for i, entries in lines.items()}

    def notices(self, notice_ids: Collection[str]) -> Mapping[str, NoticeView]:
        if not notice_ids:
            return {}
        rows = self._db.execute(_NOTICES, {"these": list(notice_ids)}).mappings()
        return {row["notice_id"]: lookups.notice_view(row) for row in rows}

    def papers(self, device_id: str, op_ids: Collection[OpId]) -> Mapping[OpId, Paper]:
        return lookups.papers(self._db, device_id, op_ids)

    def pairs(self) -> Mapping[str, Pair]:
        return lookups.pairs(self._db)

    def holder(self, token_hash: str) -> tuple[UserId, DeviceId] | None:
        row = self._db.execute(_HOLDER, {"token": token_hash}).one_or_none()
        return None if row is None else (UserId(row.user_id), DeviceId(row.device_id))

    def reader(self, token_hash: str) -> tuple[UserId, bool] | None:
        row = self._db.execute(_READER, {"token": token_hash}).one_or_none()
        return None if row is None else (UserId(row.user_id), row.state == "active")

    def next_work(self) -> datetime | None:
        found: list[datetime | None] = [self._db.execute(moment).scalar() for moment in _MOMENTS]
        last_day = self._db.execute(_LAST_DAY).scalar()
        if last_day is not None:
            found.append(datetime.combine(last_day + timedelta(days=1), time(), UTC))
        return min((moment for moment in found if moment is not None), default=None)

    def figures(self, now: datetime) -> Mapping[str, float]:
        r, n, d, o = schema.referrals, schema.notices, schema.devices, schema.operations

        def count(table: object, *where: object) -> float:
            return float(self._db.execute(select(func.count()).select_from(table).where(*where)).scalar_one())  # type: ignore[arg-type]

        oldest = self._db.execute(
            select(func.min(r.c.offered_at)).where(r.c.handoff.in_((Handoff.OFFERED.value, Handoff.REDIRECTED.value)))
        ).scalar()
        return {
            "referrals": count(r, r.c.merged_into.is_(None)),
            "handoffs_waiting": count(r, r.c.handoff.in_((Handoff.OFFERED.value, Handoff.REDIRECTED.value))),
            "handoff_oldest_wait_seconds": 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds()),
            "notices_staged": count(n, n.c.state == "staged", n.c.next_at <= now),
            "channels_failing": count(schema.channels, schema.channels.c.fault.is_not(None)),
            "operations_stored": count(o, o.c.outcome == Outcome.STORED.value),
            "operations_needing_attention": count(o, o.c.outcome == Outcome.NEEDS_ATTENTION.value),
            "devices_active": count(d, d.c.state == "active"),
            "devices_unsent": float(self._db.execute(select(func.coalesce(func.sum(d.c.waiting), 0))).scalar_one()),
        }

    def measures(self, now: datetime) -> Measures:
        return measure(self._db, now)

    def pack_files(self, digest: str) -> Mapping[str, str]:
        data = self._db.execute(select(schema.packs.c.files).where(schema.packs.c.digest == digest)).scalar_one()
        files: Mapping[str, str] = json.loads(zlib.decompress(data))
        return files
