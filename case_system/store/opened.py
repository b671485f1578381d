"""What one write transaction has looked up: records under lock, with all that the rules look at around them.

Locks are taken in one order: device, referrals by id, pairs; the ledger is last (`ledger.py`). What was looked up stays true
until the transaction ends, because `docket.py` keeps it in step with what it puts down.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, RowMapping, or_, select

from case_system.assignment import Rota, Waiting
from case_system.handoff import Climb, Ladder
from case_system.ports import Keys, RandomBytes
from case_system.record import Pair, Record, User
from case_system.storage import AgencyFacts, Device, EnrolCode, Paper
from case_system.store import lookups, schema
from case_system.store.records import indexes, plain, record_of
from case_system.turn import NoticeFact, OpenMatter, Scene
from referral.decisions import DuplicateDecision
from referral.lifecycle import Episode, Handoff
from referral.model import DeviceId, OpId, ReferralId, UserId
from referral.port import Outcome
from referral.problems import ProblemCode

ONE_SCENE = timedelta(minutes=30)
_WAITING_CODES = (ProblemCode.WAITING_FOR_EARLIER.value, ProblemCode.REFERRAL_UNKNOWN.value)


class Opened:
    """The looking half of `storage.Docket`."""

    def __init__(self, connection: Connection, keys: Keys, rng: RandomBytes, now: datetime) -> None:
        self._db, self._keys, self._rng, self._now = connection, keys, rng, plain(now)
        self._pairs: Mapping[str, Pair] | None = None  # as they were read with the people; not locked
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
        self._matters: dict[ReferralId, dict[str, OpenMatter]] = defaultdict(dict)
        self._judged: dict[ReferralId, dict[ReferralId, DuplicateDecision]] = defaultdict(dict)
        self._met: dict[ReferralId, Record] = {}  # what new records may meet

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

    def people(self) -> tuple[Mapping[UserId, User], Rota]:
        self._pairs = lookups.pairs(self._db)
        return lookups.users(self._db, self._pairs), lookups.rota(self._db, self._now)

    def line(self) -> tuple[Waiting, ...]:
        return lookups.line(self._db)

    def pairs(self, *, lock: bool) -> Mapping[str, Pair]:
        if not lock and self._pairs is not None:
            return self._pairs
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
        m, k = schema.matters, schema.likenesses
        for row in self._db.execute(select(n).where(n.c.referral_id.in_(ids)).order_by(n.c.created_at)).mappings():
            fact = lookups.notice_fact(row)
            self._notices[row["referral_id"]][fact.notice_id] = fact
        for row in self._db.execute(select(o).where(o.c.referral_id.in_(ids)).order_by(o.c.round)).mappings():
            self._climbs[row["referral_id"]][Ladder(row["ladder"])] = lookups.climb_of(row)
        for row in self._db.execute(select(v).where(v.c.referral_id.in_(ids))).mappings():
            self._votes[row["referral_id"]][row["partner"]] = row["approve"]
        open_ = select(m).where(m.c.referral_id.in_(ids), m.c.settled_at.is_(None)).order_by(m.c.at, m.c.matter_id)
        for row in self._db.execute(open_).mappings():
            self._matters[row["referral_id"]][row["matter_id"]] = lookups.open_matter(lookups.matter_of(row))
        decided = select(k).where(or_(k.c.referral_id.in_(ids), k.c.other_id.in_(ids)))
        for row in self._db.execute(decided).mappings():
            self._judge(row["referral_id"], row["other_id"], DuplicateDecision(row["decision"]))
        seen: dict[ReferralId, set[UserId]] = {i: set() for i in ids}
        for row in self._db.execute(select(a).where(a.c.referral_id.in_(ids))).mappings():
            seen[row["referral_id"]].add(row["user_id"])
        self._audience.update({i: frozenset(who) for i, who in seen.items()})

    def _judge(self, one: ReferralId, other: ReferralId, decision: DuplicateDecision) -> None:
        self._judged[one][other] = decision
        self._judged[other][one] = decision

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
        judged = self._judged.get(record.referral_id, {})
        alike = [
            r
            for r in self._same(record, lambda r: r.person_index, record.person_index)
            if r.episode is not Episode.CLOSED and not r.provisional
        ]
        same = [r for r in alike if judged.get(r.referral_id) is not DuplicateDecision.DIFFERENT_PEOPLE]
        same.sort(key=lambda r: (r.episode is not Episode.ENROLLED, r.pair is None, r.received_at))
        soon = self._now - ONE_SCENE
        neighbours = self._same(record, lambda r: r.scene_index, record.scene_index)
        return Scene(
            notices=tuple(self._notices[record.referral_id].values()),
            climbs=dict(self._climbs[record.referral_id]),
            known_as=same[0] if same else None,
            counted_in=next((r.pair for r in same if r.episode is Episode.ENROLLED and r.pair), None),
            counted_by=frozenset(r.referral_id for r in same if r.episode is Episode.ENROLLED and r.pair),
            scene_rings=any(
                r.offered_at is not None and r.offered_at > soon and r.handoff is not Handoff.NONE for r in neighbours
            ),
            provisional=tuple(
                r
                for r in self._same(record, lambda r: r.call_code, record.call_code)
                if r.provisional and r.merged_into is None and r.episode is not Episode.CLOSED
            ),
            votes=dict(self._votes[record.referral_id]),
            alike=tuple(r.referral_id for r in alike),
            judged=dict(judged),
            matters=tuple(self._matters[record.referral_id].values()),
        )

    def _same(self, record: Record, by: Callable[[Record], str | None], value: str | None) -> list[Record]:
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

    def accepted_since(self, device_id: str, since: datetime) -> Collection[OpId]:
        t = schema.operations
        found = select(t.c.op_id).where(
            t.c.device_id == device_id, t.c.outcome == Outcome.ACCEPTED.value, t.c.judged_at >= since
        )
        return [OpId(op_id) for op_id in self._db.execute(found).scalars()]
