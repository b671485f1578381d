"""What one write transaction has looked up: records under lock, with all that the rules look at around them.

Locks are taken in one order: device, referrals by id, pairs; the ledger is last (`ledger.py`). What was looked up stays true
until the transaction ends, because `docket.py` keeps it in step with what it puts down.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import BindParameter, Connection, RowMapping, bindparam, or_, select

from case_system.assignment import Rota, Waiting
from case_system.handoff import Climb, Ladder
from case_system.ports import Keys, RandomBytes
from case_system.record import Pair, Record, User
from case_system.storage import AgencyFacts, Device, EnrolCode, Paper
from case_system.store import lookups, schema
from case_system.store.lookups import PAPER_COLUMNS, THESE
from case_system.store.records import indexes, plain, record_of
from case_system.turn import NoticeFact, OpenMatter, Scene
from referral.decisions import DuplicateDecision
from referral.lifecycle import Episode, Handoff
from referral.model import DeviceId, OpId, ReferralId, UserId
from referral.port import Outcome
from referral.problems import ProblemCode

ONE_SCENE = timedelta(minutes=30)
_WAITING_CODES = (ProblemCode.WAITING_FOR_EARLIER.value, ProblemCode.REFERRAL_UNKNOWN.value)

_d, _e, _f, _o = schema.devices.c, schema.enrol_codes.c, schema.referrals.c, schema.operations.c
_TOKEN: BindParameter[str] = bindparam("token")
_SINCE: BindParameter[datetime] = bindparam("since")
_DEVICE = (
    select(schema.devices, schema.users.c.active.label("user_active"))
    .join(schema.users, schema.users.c.user_id == _d.user_id)
    .where(or_(_d.append_hash == _TOKEN, _d.read_hash == _TOKEN))
    .with_for_update(of=schema.devices)
)
_HAS_DEVICE = select(_d.device_id).where(_d.device_id == bindparam("device"))
_CODE = select(schema.enrol_codes).where(_e.code_hash == bindparam("code")).with_for_update()
_BY_ID = select(schema.referrals).order_by(_f.referral_id)
_REFERRALS = _BY_ID.where(_f.referral_id.in_(THESE)).with_for_update()
_SAME_PERSON = _BY_ID.where(_f.person_index.in_(THESE) & (_f.episode != Episode.CLOSED.value))
_SAME_SCENE = _BY_ID.where(_f.scene_index.in_(THESE) & (_f.received_at > _SINCE))
_SAME_CALL = _BY_ID.where(_f.call_code.in_(THESE) & _f.provisional & _f.merged_into.is_(None))
_n, _c, _v, _a = schema.notices.c, schema.offers.c, schema.votes.c, schema.audience.c
_NOTICES = (
    select(_n.referral_id, _n.notice_id, _n.recipient, _n.kind, _n.round, _n.state)
    .where(_n.referral_id.in_(THESE))
    .order_by(_n.created_at)
)
_CLIMBS = select(schema.offers).where(_c.referral_id.in_(THESE)).order_by(_c.round)
_VOTES = select(_v.referral_id, _v.partner, _v.approve).where(_v.referral_id.in_(THESE))
_m, _k = schema.matters.c, schema.likenesses.c
_MATTERS = (
    select(schema.matters).where(_m.referral_id.in_(THESE), _m.settled_at.is_(None)).order_by(_m.at, _m.matter_id)
)
_LIKENESSES = select(schema.likenesses).where(or_(_k.referral_id.in_(THESE), _k.other_id.in_(THESE)))
_AUDIENCE = select(_a.referral_id, _a.user_id).where(_a.referral_id.in_(THESE))
_PAPERS = select(*PAPER_COLUMNS, _o.raw)
_PAPERS_OF = _PAPERS.where(_o.referral_id.in_(THESE))
_HELD = (
    _PAPERS.where(_o.device_id == bindparam("device"), _o.op_id == bindparam("op"))
    .where(_o.outcome == Outcome.STORED.value, _o.code == ProblemCode.DEVICE_REVOKED.value)
    .with_for_update()
)
_BY_CALL_CODE = select(schema.referrals).where(
    _f.call_code == bindparam("code"),
    _f.received_at >= _SINCE,
    _f.merged_into.is_(None),
    _f.episode != Episode.CLOSED.value,
)
_UNREAD = (
    _PAPERS.where(_o.outcome == Outcome.STORED.value, _o.code.in_(THESE), _o.raw.is_not(None))
    .order_by(_o.received_at, _o.device_seq)
    .limit(500)
)
_ACCEPTED = select(_o.op_id).where(
    _o.device_id == bindparam("device"), _o.outcome == Outcome.ACCEPTED.value, _o.judged_at >= _SINCE
)


class Opened:
    """The looking half of `storage.Docket`."""

    def __init__(self, connection: Connection, keys: Keys, rng: RandomBytes, now: datetime) -> None:
        self._db, self._keys, self._rng, self._now = connection, keys, rng, plain(now)
        self._agency: AgencyFacts | None = None
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
        if self._agency is None:
            self._agency = lookups.agency(self._db)
        return self._agency

    def device(self, token_hash: str) -> Device | None:
        row = self._db.execute(_DEVICE, {"token": token_hash}).mappings().one_or_none()
        return None if row is None else lookups.device_of(row, may_pull=row["read_hash"] == token_hash)

    def has_device(self, device_id: DeviceId) -> bool:
        return self._db.execute(_HAS_DEVICE, {"device": device_id}).first() is not None

    def enrol_code(self, code_hash: str) -> EnrolCode | None:
        row = self._db.execute(_CODE, {"code": code_hash}).mappings().one_or_none()
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
        loaded = self._take(self._db.execute(_REFERRALS, {"these": wanted}).mappings())
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
        these = {"these": ids}
        for row in self._db.execute(_NOTICES, these).mappings():
            fact = lookups.notice_fact(row)
            self._notices[row["referral_id"]][fact.notice_id] = fact
        for row in self._db.execute(_CLIMBS, these).mappings():
            self._climbs[row["referral_id"]][Ladder(row["ladder"])] = lookups.climb_of(row)
        for referral_id, partner, approve in self._db.execute(_VOTES, these):
            self._votes[referral_id][partner] = approve
        for row in self._db.execute(_MATTERS, these).mappings():
            self._matters[row["referral_id"]][row["matter_id"]] = lookups.open_matter(lookups.matter_of(row))
        for row in self._db.execute(_LIKENESSES, these).mappings():
            self._judge(row["referral_id"], row["other_id"], DuplicateDecision(row["decision"]))
        seen: dict[ReferralId, set[UserId]] = {i: set() for i in ids}
        for referral_id, user_id in self._db.execute(_AUDIENCE, these):
            seen[referral_id].add(user_id)
        self._audience.update({i: frozenset(who) for i, who in seen.items()})

    def _judge(self, one: ReferralId, other: ReferralId, decision: DuplicateDecision) -> None:
        self._judged[one][other] = decision
        self._judged[other][one] = decision

    def _load_papers(self, ids: Sequence[ReferralId]) -> None:
        for row in self._db.execute(_PAPERS_OF, {"these": ids}).mappings():
            self._remember(lookups.paper_of(row))

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
        persons = {r.person_index for r in records if r.person_index is not None}
        scenes = {r.scene_index for r in records if r.scene_index is not None}
        codes = {r.call_code for r in records}
        since = self._now - ONE_SCENE * 4
        for found, these, more in (
            (_SAME_PERSON, persons, {}),
            (_SAME_SCENE, scenes, {"since": since}),
            (_SAME_CALL, codes, {}),
        ):
            if not these:
                continue
            for row in self._db.execute(found, {"these": sorted(these), **more}).mappings():
                if row["referral_id"] not in self._records:
                    record = record_of(row, None)
                    self._met[record.referral_id] = record

    def held(self, device_id: str, op_id: OpId) -> Paper | None:
        row = self._db.execute(_HELD, {"device": device_id, "op": op_id}).mappings().one_or_none()
        return None if row is None else lookups.paper_of(row)

    def by_call_code(self, call_code: str, since: datetime) -> Sequence[Record]:
        rows = self._db.execute(_BY_CALL_CODE, {"code": call_code, "since": since}).mappings()
        return [record_of(row, None) for row in rows]

    def unread(self, codes: Collection[ProblemCode]) -> Sequence[Paper]:
        rows = self._db.execute(_UNREAD, {"these": [code.value for code in codes]}).mappings()
        return [lookups.paper_of(row) for row in rows]

    def accepted_since(self, device_id: str, since: datetime) -> Collection[OpId]:
        return [OpId(i) for i in self._db.execute(_ACCEPTED, {"device": device_id, "since": since}).scalars()]
