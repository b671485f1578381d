"""One write transaction over the case system's tables: looks up under lock, gathers, and writes everything at its end.

Rows are gathered and written in few statements per batch, whatever its size; `finish` writes them in an order that keeps
every reference true, then feed and audit through the ledger. Locks: device, referrals in order of id, pairs, ledger.
Implements `storage.Docket`; the rules are not here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, delete, insert, or_, select, update

from case_system import sealing
from case_system.assignment import Post
from case_system.audit import Deed
from case_system.handoff import Climb, Ladder, NoticeState, Ring
from case_system.ports import Keys, RandomBytes
from case_system.record import SYSTEM, Pair, Record, User
from case_system.storage import AgencyFacts, Device, EnrolCode, NewDevice, Paper
from case_system.store import lookups, schema
from case_system.store.ledger import close
from case_system.store.records import indexes, plain, record_of, row_of
from case_system.turn import Judgement, NoticeFact, Scene
from referral.lifecycle import Episode, Handoff, Release
from referral.model import DeviceId, OpId, ReferralId, UserId
from referral.port import ChangeKind, Heartbeat, Outcome
from referral.problems import ProblemCode
from referral.programme import Timers

ONE_SCENE = timedelta(minutes=30)
_OPEN_NOTICES = (NoticeState.STAGED.value, NoticeState.SENT.value)
_WAITING_CODES = (ProblemCode.WAITING_FOR_EARLIER.value, ProblemCode.REFERRAL_UNKNOWN.value)


class SqlDocket:
    """See `storage.Docket`. `expiry`: how long a notice stays open, from the pack in force."""

    def __init__(self, connection: Connection, keys: Keys, rng: RandomBytes, now: datetime, timers: Timers) -> None:
        self._db, self._keys, self._rng, self._now, self._timers = connection, keys, rng, plain(now), timers
        self._records: dict[ReferralId, Record] = {}
        self._alias: dict[ReferralId, ReferralId] = {}
        self._data_keys: dict[ReferralId, bytes] = {}
        self._wrapped: dict[ReferralId, bytes] = {}
        self._notices: dict[ReferralId, dict[str, NoticeFact]] = defaultdict(dict)
        self._climbs: dict[ReferralId, dict[Ladder, Climb]] = defaultdict(dict)
        self._votes: dict[ReferralId, dict[str, bool]] = defaultdict(dict)
        self._acts: dict[tuple[ReferralId, int, str], Paper] = {}
        self._waiting: dict[ReferralId, dict[tuple[str, OpId], Paper]] = defaultdict(dict)
        self._audience: dict[ReferralId, frozenset[UserId]] = {}
        self._met: dict[ReferralId, Record] = {}  # what new records may meet
        # gathered
        self._created: set[ReferralId] = set()
        self._touched: dict[ReferralId, frozenset[UserId]] = {}
        self._papers: dict[tuple[str, OpId], Paper] = {}
        self._filed: set[tuple[str, OpId]] = set()
        self._timeline: list[dict[str, Any]] = []
        self._new_notices: dict[str, dict[str, Any]] = {}
        self._settled: dict[str, tuple[NoticeState, ReferralId]] = {}
        self._closed: list[tuple[ReferralId, Ladder]] = []
        self._new_climbs: dict[tuple[ReferralId, Ladder, int], tuple[Climb, bool]] = {}  # and whether it has ended
        self._new_votes: list[dict[str, Any]] = []
        self._releases: list[dict[str, Any]] = []
        self._counted: dict[str, int] = defaultdict(int)
        self._merged: list[tuple[ReferralId, ReferralId]] = []
        self._shredded: set[ReferralId] = set()
        self._feed: dict[tuple[str, str | None, str, str], None] = {}
        self._deeds: list[Deed] = []

    # ------------------------------------------------------------------------------------------------ who
    def agency(self) -> AgencyFacts:
        return lookups.agency(self._db)

    def device(self, token_hash: str) -> Device | None:
        t = schema.devices
        found = select(t).where(or_(t.c.append_hash == token_hash, t.c.read_hash == token_hash)).with_for_update()
        row = self._db.execute(found).mappings().one_or_none()
        return None if row is None else lookups.device_of(row, may_pull=row["read_hash"] == token_hash)

    def has_device(self, device_id: DeviceId) -> bool:
        t = schema.devices
        return self._db.execute(select(t.c.device_id).where(t.c.device_id == device_id)).first() is not None

    def enrol_code(self, code_hash: str) -> EnrolCode | None:
        t = schema.enrol_codes
        row = self._db.execute(select(t).where(t.c.code_hash == code_hash).with_for_update()).mappings().one_or_none()
        return None if row is None else lookups.code_of(row)

    def use_code(self, code_hash: str, device: NewDevice) -> None:
        t = schema.enrol_codes
        self._db.execute(
            update(t).where(t.c.code_hash == code_hash).values(used_at=self._now, device_id=device.device_id)
        )
        self._db.execute(
            insert(schema.devices).values(
                device_id=device.device_id,
                user_id=device.user_id,
                role=device.role.value,
                public_key=device.public_key,
                append_hash=device.append_hash,
                read_hash=device.read_hash,
                state="active",
                app=device.app,
                platform=device.platform,
                enrolled_at=self._now,
                lease_until=device.lease_until,
                agency_key_id=device.agency_key_id,
            )
        )

    def people(self) -> tuple[Mapping[UserId, User], Mapping[Post, Sequence[UserId]]]:
        return lookups.users(self._db), lookups.rota(self._db)

    def pairs(self, *, lock: bool) -> Mapping[str, Pair]:
        return lookups.pairs(self._db, lock=lock)

    # ------------------------------------------------------------------------------------------------ the file
    def papers(self, device_id: str, op_ids: Collection[OpId]) -> Mapping[OpId, Paper]:
        return lookups.papers(self._db, device_id, op_ids)

    def open(self, referral_ids: Collection[ReferralId]) -> None:
        wanted = sorted(set(referral_ids) - set(self._records))
        if not wanted:
            return
        t = schema.referrals
        rows = self._db.execute(
            select(t).where(t.c.referral_id.in_(wanted)).order_by(t.c.referral_id).with_for_update()
        )
        loaded = self._take(rows.mappings())
        onward = [r.merged_into for r in loaded if r.merged_into is not None and r.merged_into not in self._records]
        if onward:
            self.open(onward)
        for record in loaded:
            if record.merged_into is not None:
                self._alias[record.referral_id] = record.merged_into
        self._load_scenes([r.referral_id for r in loaded])
        self._load_papers(wanted)
        self.meets([r for r in loaded if r.person_index is not None])

    def _take(self, rows: Iterable[RowMapping]) -> list[Record]:
        loaded = []
        for row in rows:
            record = record_of(row, self._keys)
            self._records[record.referral_id] = record
            if row["data_key"] is not None:
                self._wrapped[record.referral_id] = row["data_key"]
            loaded.append(record)
        return loaded

    def _load_scenes(self, ids: Sequence[ReferralId]) -> None:
        if not ids:
            return
        n, o, v, a = schema.notices, schema.offers, schema.votes, schema.audience
        for row in self._db.execute(select(n).where(n.c.referral_id.in_(ids)).order_by(n.c.created_at)).mappings():
            fact = lookups.notice_fact(row)
            self._notices[row["referral_id"]][fact.notice_id] = fact
        for row in self._db.execute(select(o).where(o.c.referral_id.in_(ids)).order_by(o.c.round)).mappings():
            self._climbs[row["referral_id"]][Ladder(row["ladder"])] = lookups.climb_of(row)
        for row in self._db.execute(select(v).where(v.c.referral_id.in_(ids))).mappings():
            self._votes[row["referral_id"]][row["partner"]] = row["approve"]
        seen: dict[ReferralId, set[UserId]] = {i: set() for i in ids}
        for row in self._db.execute(select(a).where(a.c.referral_id.in_(ids))).mappings():
            seen[row["referral_id"]].add(row["user_id"])
        self._audience.update({i: frozenset(who) for i, who in seen.items()})

    def _load_papers(self, ids: Sequence[ReferralId]) -> None:
        t = schema.operations
        wanted = [t.c[name] for name in lookups.PAPER]
        for row in self._db.execute(select(*wanted, t.c.raw).where(t.c.referral_id.in_(ids))).mappings():
            paper = lookups.paper_of(row)
            self._remember(paper)

    def _remember(self, paper: Paper) -> None:
        if paper.referral_id is None or paper.base is None:
            return
        if paper.nonce is not None:
            self._acts[paper.referral_id, paper.base, paper.nonce] = paper
        waits = self._waiting[self._alias.get(paper.referral_id, paper.referral_id)]
        if paper.outcome is Outcome.STORED and paper.code in _WAITING_CODES and paper.raw is not None:
            waits[paper.device_id, paper.op_id] = paper
        else:
            waits.pop((paper.device_id, paper.op_id), None)

    def record(self, referral_id: ReferralId) -> Record | None:
        return self._records.get(self._alias.get(referral_id, referral_id))

    def scene(self, record: Record) -> Scene:
        same = [
            r
            for r in self._same(record, lambda r: r.person_index, record.person_index)
            if r.episode is not Episode.CLOSED and not r.provisional
        ]
        same.sort(key=lambda r: (r.episode is not Episode.ENROLLED, r.pair is None, r.received_at))
        soon = self._now - ONE_SCENE
        neighbours = self._same(record, lambda r: r.scene_index, record.scene_index)
        return Scene(
            notices=tuple(self._notices[record.referral_id].values()),
            climbs=dict(self._climbs[record.referral_id]),
            known_as=same[0] if same else None,
            counted_in=next((r.pair for r in same if r.episode is Episode.ENROLLED and r.pair), None),
            scene_rings=any(
                r.offered_at is not None and r.offered_at > soon and r.handoff is not Handoff.NONE for r in neighbours
            ),
            provisional=tuple(
                r
                for r in self._same(record, lambda r: r.call_code, record.call_code)
                if r.provisional and r.merged_into is None and r.episode is not Episode.CLOSED
            ),
            votes=dict(self._votes[record.referral_id]),
        )

    def _same(self, record: Record, by: Any, value: str | None) -> list[Record]:
        if value is None:
            return []
        everyone = {**self._met, **self._records}
        return [r for i, r in everyone.items() if i != record.referral_id and by(r) == value and r.merged_into is None]

    def same_act(self, referral_id: ReferralId, base: int, nonce: str) -> Paper | None:
        return self._acts.get((referral_id, base, nonce))

    def waiting(self, referral_id: ReferralId) -> Sequence[Paper]:
        waits = self._waiting[self._alias.get(referral_id, referral_id)].values()
        return sorted(waits, key=lambda p: (p.base or 0, p.device_seq))

    def indexes(self, record: Record) -> Record:
        person, scene = indexes(record, self._keys)
        return replace(record, person_index=person, scene_index=scene)

    def meets(self, records: Collection[Record]) -> None:
        t = schema.referrals
        persons = {r.person_index for r in records if r.person_index is not None}
        scenes = {r.scene_index for r in records if r.scene_index is not None}
        codes = {r.call_code for r in records}
        arms = []
        if persons:
            arms.append(t.c.person_index.in_(persons) & (t.c.episode != Episode.CLOSED.value))
        if scenes:
            arms.append(t.c.scene_index.in_(scenes) & (t.c.received_at > self._now - ONE_SCENE * 4))
        if codes:
            arms.append(t.c.call_code.in_(codes) & t.c.provisional & t.c.merged_into.is_(None))
        for arm in arms:
            for row in self._db.execute(select(t).where(arm).order_by(t.c.referral_id)).mappings():
                if row["referral_id"] not in self._records:
                    record = record_of(row, None)
                    self._met[record.referral_id] = record

    # ------------------------------------------------------------------------------------------------ put down
    def file(self, paper: Paper) -> None:
        key = (paper.device_id, paper.op_id)
        self._papers[key] = paper
        self._remember(paper)

    def refile(self, paper: Paper) -> None:
        """A paper that lies in the file already has a new outcome."""
        if (paper.device_id, paper.op_id) not in self._papers:
            self._filed.add((paper.device_id, paper.op_id))
        self.file(paper)

    def latest(self, paper: Paper) -> Paper:
        return self._papers.get((paper.device_id, paper.op_id), paper)

    def held(self, device_id: str, op_id: OpId) -> Paper | None:
        t = schema.operations
        found = (
            select(*(t.c[name] for name in lookups.PAPER), t.c.raw)
            .where(t.c.device_id == device_id, t.c.op_id == op_id)
            .where(t.c.outcome == Outcome.STORED.value, t.c.code == ProblemCode.DEVICE_REVOKED.value)
            .with_for_update()
        )
        row = self._db.execute(found).mappings().one_or_none()
        return None if row is None else lookups.paper_of(row)

    def by_call_code(self, call_code: str, since: datetime) -> Sequence[Record]:
        t = schema.referrals
        found = select(t).where(
            t.c.call_code == call_code,
            t.c.received_at >= since,
            t.c.merged_into.is_(None),
            t.c.episode != Episode.CLOSED.value,
        )
        return [record_of(row, None) for row in self._db.execute(found).mappings()]

    def unread(self, codes: Collection[ProblemCode]) -> Sequence[Paper]:
        t = schema.operations
        found = (
            select(*(t.c[name] for name in lookups.PAPER), t.c.raw)
            .where(
                t.c.outcome == Outcome.STORED.value, t.c.code.in_([code.value for code in codes]), t.c.raw.is_not(None)
            )
            .order_by(t.c.received_at, t.c.device_seq)
            .limit(500)
        )
        return [lookups.paper_of(row) for row in self._db.execute(found).mappings()]

    def set_aside(self, device_id: str, op_id: OpId, fingerprint: str, code: ProblemCode, raw: bytes) -> None:
        t = schema.quarantine
        key = {"device_id": device_id, "op_id": op_id, "fingerprint": fingerprint}
        known = select(t.c.op_id).filter_by(**key)
        if self._db.execute(known).first() is None:
            self._db.execute(insert(t).values(**key, code=code.value, raw=raw, received_at=self._now))

    def put(self, judgement: Judgement, *, new: bool, readers: frozenset[UserId]) -> None:
        record = judgement.record
        if record is None:
            return
        if record.referral is not None or record.tally:
            record = self.indexes(record)
        here = record.referral_id
        self._records[here] = record
        if new:
            self._created.add(here)
        if judgement.merges is not None:
            self._merge(judgement.merges, here)
        self._touched[here] = readers
        for happened in judgement.happenings:
            self._timeline.append(
                {"referral_id": here, "what": happened.what.value, "at": self._now, "user_id": happened.by, "code": happened.code}
            )  # fmt: skip
        for notice_id, state in judgement.settled.items():
            self._settle(here, notice_id, state)
        for ring in judgement.rings:
            self._stage(here, ring)
        for ladder in judgement.closed:
            self._end_climbs(here, ladder)
        for up in judgement.climbs:
            before = self._climbs[here].get(up.ladder)
            if before is not None and before.round != up.round:
                self._end_climbs(here, up.ladder)
            self._climbs[here][up.ladder] = up
            self._new_climbs[here, up.ladder, up.round] = (up, False)
        actor = judgement.by or SYSTEM
        if judgement.vote is not None:
            self._votes[here][judgement.vote.partner] = judgement.vote.approve
            self._new_votes.append(
                {"referral_id": here, "partner": judgement.vote.partner, "approve": judgement.vote.approve, "user_id": actor, "at": self._now}
            )  # fmt: skip
        if judgement.release is not None:
            said = judgement.release
            self._releases.append(
                {"referral_id": here, "event": said.event.value, "parties": " ".join(sorted(said.parties)), "scope": " ".join(sorted(said.scope)), "expires_on": said.expires_on, "user_id": actor, "at": self._now}
            )  # fmt: skip
        for pair, change in judgement.counted.items():
            self._counted[pair] += change
        if judgement.shred:
            self._shredded.add(here)

    def _end_climbs(self, referral_id: ReferralId, ladder: Ladder) -> None:
        self._closed.append((referral_id, ladder))
        for key, (climb, _) in self._new_climbs.items():
            if key[:2] == (referral_id, ladder):
                self._new_climbs[key] = (replace(climb, wake_at=None), True)

    def _merge(self, before: Record, here: ReferralId) -> None:
        there = before.referral_id
        self._db.execute(
            select(schema.referrals.c.referral_id).where(schema.referrals.c.referral_id == there).with_for_update()
        )
        if there not in self._records:
            self._records[there] = before
            self._load_scenes([there])
        self._records[there] = replace(
            before, merged_into=here, handoff=Handoff.NONE, holder=None, episode=Episode.CLOSED
        )
        self._alias[there] = here
        self._met.pop(there, None)
        self._merged.append((there, here))
        self._touched[there] = frozenset()
        self._notices[here].update(self._notices.pop(there, {}))
        for ladder, climb in self._climbs.pop(there, {}).items():
            self._climbs[here].setdefault(ladder, climb)

    def _stage(self, referral_id: ReferralId, ring: Ring) -> None:
        if (ring.recipient, ring.kind, ring.round) in {(n.recipient, n.kind, n.round) for n in self._notices[referral_id].values()}:  # fmt: skip
            return
        notice_id = self._rng(16).hex()
        now_due = ring.due_at <= self._now
        state = NoticeState.STAGED if ring.rings else NoticeState.SENT  # what does not ring has arrived with the inbox
        fact = NoticeFact(notice_id=notice_id, recipient=ring.recipient, kind=ring.kind, round=ring.round, state=state)
        self._notices[referral_id][notice_id] = fact
        due = max(plain(ring.due_at), self._now)
        self._new_notices[notice_id] = {
            "notice_id": notice_id,
            "referral_id": referral_id,
            "recipient": ring.recipient,
            "kind": ring.kind.value,
            "round": ring.round,
            "state": state.value,
            "sent_at": None if ring.rings else self._now,
            "rings": ring.rings,
            "created_at": self._now,
            "due_at": due,
            "announced": now_due,
            "next_at": due,
            "expires_at": due + timedelta(hours=self._timers.notice_expiry_hours),
            "acknowledged_at": None,
        }
        if now_due:
            self._tell(ring.recipient, ChangeKind.NOTICE, notice_id)

    def _settle(self, referral_id: ReferralId, notice_id: str, state: NoticeState) -> None:
        fact = self._notices[referral_id].get(notice_id)
        if fact is None:
            return
        self._notices[referral_id][notice_id] = replace(fact, state=state)
        staged = self._new_notices.get(notice_id)
        if staged is not None:
            staged["state"] = state.value
            staged["acknowledged_at"] = self._now if state is NoticeState.ACKNOWLEDGED else None
        else:
            self._settled[notice_id] = (state, referral_id)
        self._tell(fact.recipient, ChangeKind.NOTICE, notice_id)

    def _tell(self, user_id: str, kind: ChangeKind, object_id: str, device_id: str | None = None) -> None:
        key = (user_id, device_id, kind.value, object_id)
        self._feed.pop(key, None)
        self._feed[key] = None

    def heard(self, device: Device, *, seq: int, heartbeat: Heartbeat | None, generation: int | None, pack: str | None, key_id: str | None) -> None:  # fmt: skip
        values: dict[str, Any] = {"seen_at": self._now, "seq_seen": max(seq, device.seq_seen)}
        if heartbeat is not None:
            values |= {
                "waiting": heartbeat.waiting,
                "stored": heartbeat.stored,
                "needs_attention": heartbeat.needs_attention,
                "oldest_unsent_s": heartbeat.oldest_unsent_s,
                "locked": heartbeat.locked,
                "clock_offset_ms": heartbeat.clock_offset_ms,
                "app": heartbeat.app,
            }
            if device.release and not heartbeat.locked:
                values["release"] = False
        if generation is not None:
            values["generation"] = generation
        if pack is not None:
            values["pack_digest"] = pack[:64]
        if key_id is not None:
            values["agency_key_id"] = key_id
        self._db.execute(update(schema.devices).where(schema.devices.c.device_id == device.device_id).values(**values))

    def receipt_change(self, paper: Paper) -> None:
        self._tell(paper.user_id, ChangeKind.RECEIPT, paper.op_id, paper.device_id)

    def accepted_since(self, device_id: str, since: datetime) -> Collection[OpId]:
        t = schema.operations
        found = select(t.c.op_id).where(
            t.c.device_id == device_id, t.c.outcome == Outcome.ACCEPTED.value, t.c.judged_at >= since
        )
        return [OpId(op_id) for op_id in self._db.execute(found).scalars()]

    # ------------------------------------------------------------------------------------------------ the clock's work
    def due_climbs(self, now: datetime) -> Sequence[tuple[ReferralId, Climb]]:
        t = schema.offers
        due = (
            select(t.c.referral_id).where(t.c.closed_at.is_(None), t.c.wake_at <= now).order_by(t.c.wake_at).limit(200)
        )
        ids = list(dict.fromkeys(self._db.execute(due).scalars()))
        self.open([ReferralId(i) for i in ids])
        still = (
            select(t)
            .where(t.c.closed_at.is_(None), t.c.wake_at <= now, t.c.referral_id.in_(ids))
            .order_by(t.c.referral_id, t.c.ladder)
        )
        rows = self._db.execute(still).mappings().all() if ids else []
        return [(ReferralId(row["referral_id"]), lookups.climb_of(row)) for row in rows]

    def announce(self, now: datetime) -> int:
        t = schema.notices
        due = select(t.c.notice_id, t.c.recipient).where(
            t.c.announced.is_(False), t.c.due_at <= now, t.c.state.in_(_OPEN_NOTICES)
        )
        rows = self._db.execute(due).all()
        for row in rows:
            self._tell(row.recipient, ChangeKind.NOTICE, row.notice_id)
        if rows:
            self._db.execute(update(t).where(t.c.notice_id.in_([r.notice_id for r in rows])).values(announced=True))
        return len(rows)

    def expire(self, now: datetime) -> int:
        t, r = schema.notices, schema.referrals
        over = self._db.execute(
            select(t.c.notice_id, t.c.recipient).where(t.c.state.in_(_OPEN_NOTICES), t.c.expires_at <= now)
        ).all()
        for row in over:
            self._tell(row.recipient, ChangeKind.NOTICE, row.notice_id)
        if over:
            ids = [row.notice_id for row in over]
            self._db.execute(update(t).where(t.c.notice_id.in_(ids)).values(state=NoticeState.EXPIRED.value))
        past = select(r.c.referral_id).where(r.c.release == Release.SIGNED.value, r.c.release_expires_on < now.date())
        ended = list(self._db.execute(past).scalars())
        if ended:
            self.open([ReferralId(i) for i in ended])
            for i in ended:
                record = self._records[ReferralId(i)]
                self._records[record.referral_id] = replace(record, release=Release.EXPIRED, police_released=False)
                self._touched[record.referral_id] = self._audience.get(record.referral_id, frozenset())
        return len(over) + len(ended)

    def audit(self, deed: Deed) -> None:
        self._deeds.append(deed)

    # ------------------------------------------------------------------------------------------------ the end
    @property
    def told(self) -> frozenset[str]:
        """Whose feeds grow with this transaction."""
        return frozenset(user_id for user_id, *_ in self._feed)

    def finish(self) -> None:
        """Write everything that was gathered; the caller commits."""
        self._write_records()
        self._write_papers()
        self._write_ringing()
        self._write_audience()
        self._count()
        feed = [
            {"user_id": user, "device_id": device, "kind": kind, "object_id": what}
            for user, device, kind, what in self._feed
        ]
        close(self._db, feed, self._deeds, self._now)

    def _data_key(self, referral_id: ReferralId) -> bytes:
        if referral_id in self._shredded and referral_id not in self._data_keys:
            self._fresh_key(referral_id)
        if referral_id not in self._data_keys:
            wrapped = self._wrapped.get(referral_id)
            if wrapped is None:
                self._fresh_key(referral_id)
            else:
                self._data_keys[referral_id] = sealing.unwrap(self._keys.storage_key, wrapped, referral_id)
        return self._data_keys[referral_id]

    def _fresh_key(self, referral_id: ReferralId) -> None:
        key, wrapped = sealing.new_data_key(self._keys.storage_key, referral_id, self._rng)
        self._data_keys[referral_id], self._wrapped[referral_id] = key, wrapped

    def _write_records(self) -> None:
        t = schema.referrals
        created: list[dict[str, Any]] = []
        changed: list[dict[str, Any]] = []
        for referral_id in self._touched:
            record = self._records[referral_id]
            row = row_of(record, self._data_key(referral_id), self._rng)
            row["data_key"] = self._wrapped[referral_id]
            (created if referral_id in self._created else changed).append(row)
        if created:
            self._db.execute(insert(t), created)
        if changed:
            names = [name for name in changed[0] if name != "referral_id"]
            statement = (
                update(t).where(t.c.referral_id == bindparam("id_")).values({n: bindparam(f"v_{n}") for n in names})
            )
            self._db.execute(
                statement, [{"id_": row["referral_id"], **{f"v_{n}": row[n] for n in names}} for row in changed]
            )
        for there, here in self._merged:
            for table in (schema.notices, schema.timeline, schema.offers):
                self._db.execute(update(table).where(table.c.referral_id == there).values(referral_id=here))
        if self._shredded:
            o = schema.operations
            self._db.execute(update(o).where(o.c.referral_id.in_(self._shredded)).values(body=None))

    def _write_papers(self) -> None:
        t = schema.operations
        new: list[dict[str, Any]] = []
        changed: list[dict[str, Any]] = []
        for key, paper in self._papers.items():
            body = None
            if paper.payload is not None and paper.referral_id is not None and paper.referral_id not in self._shredded:
                at = self._alias.get(paper.referral_id, paper.referral_id)
                if at in self._records:
                    body = sealing.seal(self._data_key(at), paper.payload, "operation", f"{paper.device_id}/{paper.op_id}", self._rng)  # fmt: skip
            row = lookups.paper_row(paper) | {"body": body}
            (changed if key in self._filed else new).append(row)
        if new:
            self._db.execute(insert(t), [row | {"received_at": self._now} for row in new])
        if changed:
            names = [n for n in changed[0] if n not in ("device_id", "op_id")]
            statement = (
                update(t)
                .where(t.c.device_id == bindparam("d_"), t.c.op_id == bindparam("o_"))
                .values({n: bindparam(f"v_{n}") for n in names})
            )
            self._db.execute(
                statement,
                [{"d_": r["device_id"], "o_": r["op_id"], **{f"v_{n}": r[n] for n in names}} for r in changed],
            )
        if self._timeline:
            self._db.execute(insert(schema.timeline), self._timeline)

    def _write_ringing(self) -> None:
        n, o = schema.notices, schema.offers
        if self._settled:
            self._db.execute(
                update(n).where(n.c.notice_id == bindparam("id_")).values(state=bindparam("v_state"), acknowledged_at=bindparam("v_at")),
                [{"id_": i, "v_state": s.value, "v_at": self._now if s is NoticeState.ACKNOWLEDGED else None} for i, (s, _) in self._settled.items()],
            )  # fmt: skip
        if self._new_notices:
            self._db.execute(insert(n), list(self._new_notices.values()))
        if self._closed:
            self._db.execute(
                update(o)
                .where(o.c.referral_id == bindparam("r_"), o.c.ladder == bindparam("l_"), o.c.closed_at.is_(None))
                .values(closed_at=self._now, wake_at=None),
                [{"r_": r, "l_": ladder.value} for r, ladder in self._closed],
            )
        if self._new_climbs:
            self._db.execute(
                delete(o).where(
                    o.c.referral_id == bindparam("r_"), o.c.ladder == bindparam("l_"), o.c.round == bindparam("n_")
                ),
                [{"r_": r, "l_": ladder.value, "n_": number} for r, ladder, number in self._new_climbs],
            )
            self._db.execute(
                insert(o),
                [
                    {
                        "referral_id": r,
                        "ladder": ladder.value,
                        "round": number,
                        "started_at": climb.started_at,
                        "first": climb.first,
                        "rungs": climb.rungs,
                        "wake_at": climb.wake_at,
                        "closed_at": self._now if ended else None,
                    }
                    for (r, ladder, number), (climb, ended) in self._new_climbs.items()
                ],
            )
        if self._new_votes:
            v = schema.votes
            self._db.execute(
                delete(v).where(v.c.referral_id == bindparam("r_"), v.c.partner == bindparam("p_")),
                [{"r_": row["referral_id"], "p_": row["partner"]} for row in self._new_votes],
            )
            self._db.execute(insert(v), self._new_votes)
        if self._releases:
            self._db.execute(insert(schema.releases), self._releases)

    def _write_audience(self) -> None:
        t = schema.audience
        come, gone = [], []
        for referral_id, readers in self._touched.items():
            before = self._audience.get(referral_id, frozenset())
            come += [{"referral_id": referral_id, "user_id": user} for user in sorted(readers - before)]
            gone += [{"r_": referral_id, "u_": user} for user in sorted(before - readers)]
            for user in sorted(readers | before):
                self._tell(user, ChangeKind.REFERRAL, referral_id)
        if gone:
            self._db.execute(delete(t).where(t.c.referral_id == bindparam("r_"), t.c.user_id == bindparam("u_")), gone)
        if come:
            self._db.execute(insert(t), come)

    def _count(self) -> None:
        t = schema.pairs
        for pair, change in self._counted.items():
            if change:
                self._db.execute(update(t).where(t.c.pair == pair).values(enrolled=t.c.enrolled + change))
                members = self._db.execute(select(t.c.case_manager, t.c.peer).where(t.c.pair == pair)).one()
                for user in members:
                    if user is not None:
                        self._tell(user, ChangeKind.CASELOAD, pair)
