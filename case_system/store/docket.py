"""One write transaction over the case system's tables: what is put down, and how all of it is written at its end.

Rows are gathered and written in few statements per batch, whatever its size, in an order that keeps every reference true;
then feed and audit through the ledger. The looking half is `opened.py`. Implements `storage.Docket`; the rules are not here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, insert, or_, select, update

from case_system import sealing
from case_system.alarms import Alarm
from case_system.audit import Deed
from case_system.handoff import Climb, Ladder, NoticeState, NoticeStep, Ring, advance_notice, can_notice
from case_system.ports import Keys, RandomBytes
from case_system.record import SYSTEM, Record
from case_system.sheet import Beside
from case_system.storage import KEPT_ASIDE, Device, NewDevice, Paper, Standing
from case_system.store import lookups, schema, sheets, staff, writing
from case_system.store.ledger import close
from case_system.store.lookups import THESE
from case_system.store.opened import Opened
from case_system.store.records import plain, row_of
from case_system.turn import Judgement, NoticeFact, OpenMatter
from case_system.waking import at_night
from referral.lifecycle import Episode, Handoff, Release
from referral.model import OpId, ReferralId, UserId
from referral.port import ChangeKind, Heartbeat
from referral.problems import ProblemCode
from referral.programme import Programme, Timers
from referral.views import Flag, Happening

_OPEN_NOTICES = (NoticeState.STAGED.value, NoticeState.SENT.value)
_q = schema.quarantine.c
_KEPT = select(_q.fingerprint).where(_q.device_id == bindparam("device"), _q.op_id == bindparam("op"))
_c, _n, _r = schema.offers.c, schema.notices.c, schema.referrals.c
_NOW: BindParameter[datetime] = bindparam("now")
_RUNG_DUE = select(_c.referral_id).where(_c.closed_at.is_(None), _c.wake_at <= _NOW).order_by(_c.wake_at).limit(200)
_CLIMBS_DUE = (
    select(schema.offers)
    .where(_c.closed_at.is_(None), _c.wake_at <= _NOW, _c.referral_id.in_(THESE))
    .order_by(_c.referral_id, _c.ladder)
)
_TO_ANNOUNCE = select(_n.notice_id, _n.recipient).where(
    _n.announced.is_(False), _n.due_at <= _NOW, _n.state.in_(_OPEN_NOTICES)
)
_TOLD = select(_n.notice_id, _n.recipient).where(
    _n.referral_id == bindparam("there"), or_(_n.announced, _n.state.not_in(_OPEN_NOTICES))
)
_ANNOUNCED = update(schema.notices).where(_n.notice_id.in_(THESE)).values(announced=True)
_EXPIRED = update(schema.notices).where(_n.notice_id.in_(THESE)).values(state=NoticeState.EXPIRED.value)
_RELEASES_PAST = select(_r.referral_id).where(
    _r.release == Release.SIGNED.value, _r.release_expires_on < bindparam("today")
)


class SqlDocket(Opened):
    """See `storage.Docket`. `packs`: the pack of a digest; the one in force says how long a notice stays open."""

    def __init__(
        self, connection: Connection, keys: Keys, rng: RandomBytes, now: datetime, packs: Callable[[str], Programme]
    ) -> None:
        super().__init__(connection, keys, rng, now)
        self._packs = packs
        self._created: set[ReferralId] = set()
        self._touched: dict[ReferralId, frozenset[UserId]] = {}
        self._papers: dict[tuple[str, OpId], Paper] = {}
        self._filed: set[tuple[str, OpId]] = set()
        self._timeline: list[dict[str, Any]] = []
        self._new_notices: dict[str, dict[str, Any]] = {}
        self._settled: dict[str, NoticeState] = {}
        self._closed: list[tuple[ReferralId, Ladder]] = []
        self._new_climbs: dict[tuple[ReferralId, Ladder, int], tuple[Climb, bool]] = {}  # and whether it has ended
        self._new_votes: list[dict[str, Any]] = []
        self._releases: list[dict[str, Any]] = []
        self._new_matters: dict[str, dict[str, Any]] = {}
        self._settled_matters: dict[str, dict[str, Any]] = {}
        self._likenesses: list[dict[str, Any]] = []
        self._counted: dict[str, int] = defaultdict(int)
        self._merged: list[tuple[ReferralId, ReferralId]] = []
        self._shredded: set[ReferralId] = set()
        self._feed: dict[tuple[str, str | None, str, str], None] = {}
        self._feed_end = 0
        self._deeds: list[Deed] = []

    def beside(self, referral_id: ReferralId) -> Beside:
        return sheets.beside(self._db, referral_id)

    def _timers(self) -> Timers:
        return self._packs(self.agency().pack_digest).timers

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

    def set_aside(self, device_id: str, op_id: OpId, fingerprint: str, code: ProblemCode, raw: bytes) -> bool:
        kept = self._db.execute(_KEPT, {"device": device_id, "op": op_id}).scalars().all()
        if fingerprint in kept or len(kept) >= KEPT_ASIDE:
            return False
        key = {"device_id": device_id, "op_id": op_id, "fingerprint": fingerprint}
        writing.plain(self._db, schema.quarantine, [{**key, "code": code.value, "raw": raw, "received_at": self._now}])
        return True

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
                {"referral_id": here, "event": said.event.value, "parties": " ".join(sorted(said.parties)), "scope": " ".join(sorted(said.scope)), "expires_on": said.expires_on, "method": said.method and said.method.value, "user_id": actor, "at": self._now}
            )  # fmt: skip
        for pair, change in judgement.counted.items():
            self._counted[pair] += change
        if judgement.shred:
            self._shredded.add(here)
        self._put_matters(judgement, here, actor)
        if judgement.judged is not None:
            said_of = judgement.judged
            self._judge(here, said_of.other, said_of.decision)
            self._likenesses.append(
                {"referral_id": here, "other_id": said_of.other, "decision": said_of.decision.value, "user_id": actor, "at": self._now}
            )  # fmt: skip

    def _put_matters(self, judgement: Judgement, here: ReferralId, actor: str) -> None:
        for matter_id, decision in judgement.resolved.items():
            ended = {"settled_at": self._now, "settled_by": actor, "decision": decision}
            self._matters[here].pop(matter_id, None)
            fresh = self._new_matters.get(matter_id)
            if fresh is not None:
                fresh.update(ended)
            else:
                self._settled_matters[matter_id] = {"matter_id": matter_id, **ended}
        for new in judgement.matters:
            matter_id = self._rng(16).hex()
            self._matters[here][matter_id] = OpenMatter(
                matter_id=matter_id, why=new.why, flag=new.flag, op=new.op, stood=new.stood
            )
            self._new_matters[matter_id] = {
                "matter_id": matter_id,
                "referral_id": here,
                "flag": new.flag.value,
                "why": new.why.value,
                "op": None if new.op is None else new.op.value,
                "user_id": new.by,
                "stood": new.stood,
                "at": self._now,
                "settled_at": None,
                "settled_by": None,
                "decision": None,
            }

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
            before,
            merged_into=here,
            handoff=Handoff.NONE,
            holder=None,
            episode=Episode.CLOSED,
            flags=frozenset(),  # what needs a person goes along
        )
        self._alias[there] = here
        self._met.pop(there, None)
        self._merged.append((there, here))
        self._touched[there] = frozenset()
        self._notices[here].update(self._notices.pop(there, {}))
        for row in self._db.execute(_TOLD, {"there": there}):  # it speaks of another referral from now on
            self._tell(row.recipient, ChangeKind.NOTICE, row.notice_id)
        self._matters[here].update(self._matters.pop(there, {}))
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
        record = self._records[referral_id]
        timers = self._timers()
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
            "expires_at": due + timedelta(hours=timers.notice_expiry_hours),
            "acknowledged_at": None,
            "night": at_night(ring.kind, record.whereabouts),
            "late": Flag.LATE_SYNC in record.flags,
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
            self._settled[notice_id] = state
        self._tell(fact.recipient, ChangeKind.NOTICE, notice_id)

    def _tell(self, user_id: str, kind: ChangeKind, object_id: str, device_id: str | None = None) -> None:
        key = (user_id, device_id, kind.value, object_id)
        self._feed.pop(key, None)
        self._feed[key] = None

    def heard(self, device: Device, *, seq: int, heartbeat: Heartbeat | None, generation: int | None, pack: str | None, key_id: str | None) -> None:  # fmt: skip
        values: dict[str, Any] = {"seen_at": self._now, "seq_seen": max(seq, device.seq_seen)}
        if heartbeat is not None:
            values |= {
                "waiting": _count(heartbeat.waiting),
                "stored": _count(heartbeat.stored),
                "needs_attention": _count(heartbeat.needs_attention),
                "oldest_unsent_s": None if heartbeat.oldest_unsent_s is None else _count(heartbeat.oldest_unsent_s),
                "locked": heartbeat.locked,
                "clock_offset_ms": heartbeat.clock_offset_ms,
                "app": heartbeat.app,
            }
            if device.release and not heartbeat.locked:
                values["release"] = False
        if generation is not None:
            values["generation"] = max(generation, device.generation or 0)  # it never runs backwards but by an old file
        if pack is not None:
            values["pack_digest"] = pack[:64]
        if key_id is not None:
            values["agency_key_id"] = key_id
        row = {f"v_{name}": value for name, value in values.items()} | {"k_device_id": device.device_id}
        self._db.execute(writing.changing(schema.devices, tuple(values)), row)

    def receipt_change(self, paper: Paper) -> None:
        self._tell(paper.user_id, ChangeKind.RECEIPT, paper.op_id, paper.device_id)

    # ------------------------------------------------------------------------------------------------ the clock's work
    def due_climbs(self, now: datetime) -> Sequence[tuple[ReferralId, Climb]]:
        ids = list(dict.fromkeys(self._db.execute(_RUNG_DUE, {"now": now}).scalars()))
        self.open([ReferralId(i) for i in ids])
        rows = self._db.execute(_CLIMBS_DUE, {"now": now, "these": ids}).mappings().all() if ids else []
        return [(ReferralId(row["referral_id"]), lookups.climb_of(row)) for row in rows]

    def due_intakes(self, now: datetime) -> Sequence[ReferralId]:
        r = schema.referrals
        due = select(r.c.referral_id).where(r.c.intake_warn_at <= now).order_by(r.c.intake_warn_at).limit(200)
        ids = [ReferralId(i) for i in self._db.execute(due).scalars()]
        self.open(ids)
        return [i for i in ids if (at := self._records[i].intake_warn_at) is not None and at <= now]

    def announce(self, now: datetime) -> int:
        rows = self._db.execute(_TO_ANNOUNCE, {"now": now}).all()
        for row in rows:
            self._tell(row.recipient, ChangeKind.NOTICE, row.notice_id)
        if rows:
            self._db.execute(_ANNOUNCED, {"these": [row.notice_id for row in rows]})
        return len(rows)

    def raise_alarms(self, alarms: Collection[Alarm]) -> None:
        t = schema.notices
        lasts = timedelta(hours=self._timers().notice_expiry_hours)
        for alarm in alarms:
            key = {"device_id": alarm.device_id, "recipient": alarm.recipient, "kind": alarm.kind.value, "round": alarm.round}  # fmt: skip
            if self._db.execute(select(t.c.notice_id).filter_by(**key)).first() is not None:
                continue
            due = max(plain(alarm.due_at), self._now)
            self._db.execute(
                insert(t).values(
                    notice_id=self._rng(16).hex(), state=NoticeState.STAGED.value, rings=True, created_at=self._now,
                    due_at=due, announced=False, next_at=due, expires_at=due + lasts, **key,
                )
            )  # fmt: skip

    def acknowledge_alarm(self, recipient: UserId, notice_id: str) -> bool:
        t = schema.notices
        theirs = (t.c.notice_id == notice_id) & (t.c.recipient == recipient) & t.c.device_id.is_not(None)
        row = self._db.execute(select(t.c.state).where(theirs).with_for_update()).one_or_none()
        if row is None:
            return False
        if can_notice(NoticeState(row.state), NoticeStep.ACKNOWLEDGE):
            state = advance_notice(NoticeState(row.state), NoticeStep.ACKNOWLEDGE)
            self._db.execute(update(t).where(theirs).values(state=state.value, acknowledged_at=self._now))
        self._tell(recipient, ChangeKind.NOTICE, notice_id)
        return True

    def expire(self, now: datetime) -> int:
        t, d = schema.notices, schema.devices
        over = self._db.execute(
            select(t.c.notice_id, t.c.recipient)
            .outerjoin(d, d.c.device_id == t.c.device_id)
            .where(t.c.state.in_(_OPEN_NOTICES), or_(t.c.expires_at <= now, lookups.alarms_over(d)))
        ).all()
        for row in over:
            self._tell(row.recipient, ChangeKind.NOTICE, row.notice_id)
        if over:
            self._db.execute(_EXPIRED, {"these": [row.notice_id for row in over]})
        ended = list(self._db.execute(_RELEASES_PAST, {"today": now.date()}).scalars())
        if ended:
            self.open([ReferralId(i) for i in ended])
            for i in ended:
                record = self._records[ReferralId(i)]
                self._records[record.referral_id] = replace(record, release=Release.EXPIRED, police_released=False)
                self._touched[record.referral_id] = self._audience.get(record.referral_id, frozenset())
                self._timeline.append(
                    {"referral_id": record.referral_id, "what": Happening.RELEASE_CHANGED.value, "at": self._now, "user_id": None, "code": "expired"}
                )  # fmt: skip
        return len(over) + len(ended)

    def audit(self, deed: Deed) -> None:
        self._deeds.append(deed)

    def resettle(self, user_id: UserId, standing: Standing) -> Collection[ReferralId]:
        concerned = staff.resettle(self._db, user_id, standing)
        if standing.pair is not None:
            self._tell(user_id, ChangeKind.CASELOAD, standing.pair)
        return concerned

    # ------------------------------------------------------------------------------------------------ the end
    @property
    def told(self) -> Mapping[str, int]:
        """Whose feeds grow with this transaction, and up to which number; known when it is finished."""
        return dict.fromkeys((user_id for user_id, *_ in self._feed), self._feed_end)

    def finish(self) -> None:
        """Write everything that was gathered; the caller commits."""
        db = self._db
        rows = [(i in self._created, self._record_row(i)) for i in self._touched]
        writing.records(db, [row for new, row in rows if new], [row for new, row in rows if not new])
        writing.merges(db, self._merged)
        writing.shreds(db, self._shredded)
        papers = [(key in self._filed, self._paper_row(paper)) for key, paper in self._papers.items()]
        writing.papers(db, [row for old, row in papers if not old], [row for old, row in papers if old], self._now)
        writing.plain(db, schema.timeline, self._timeline)
        writing.notices(db, self._settled, list(self._new_notices.values()), self._now)
        writing.climbs(db, self._closed, self._new_climbs, self._now)
        writing.votes(db, self._new_votes)
        writing.plain(db, schema.releases, self._releases)
        writing.matters(db, list(self._settled_matters.values()), list(self._new_matters.values()))
        writing.likenesses(db, self._likenesses)
        self._write_audience()
        for user_id, pair in writing.counts(db, self._counted):
            self._tell(user_id, ChangeKind.CASELOAD, pair)
        feed = [
            {"user_id": user, "device_id": device, "kind": kind, "object_id": what}
            for user, device, kind, what in self._feed
        ]
        self._feed_end = close(db, feed, self._deeds, self._now)

    def _record_row(self, referral_id: ReferralId) -> dict[str, Any]:
        row = row_of(self._records[referral_id], self._data_key(referral_id), self._rng)
        return row | {"data_key": self._wrapped[referral_id]}

    def _paper_row(self, paper: Paper) -> dict[str, Any]:
        """The row of a paper; what it says is sealed under the key of the referral that it reached."""
        at = None if paper.referral_id is None else self._alias.get(paper.referral_id, paper.referral_id)
        body = None
        if paper.payload is not None and at is not None and at in self._records and at not in self._shredded:
            place = f"{paper.device_id}/{paper.op_id}"
            body = sealing.seal(self._data_key(at), paper.payload, "operation", place, self._rng)
        return lookups.paper_row(paper) | {"body": body}

    def _write_audience(self) -> None:
        come: list[tuple[ReferralId, UserId]] = []
        gone: list[tuple[ReferralId, UserId]] = []
        for referral_id, readers in self._touched.items():
            before = self._audience.get(referral_id, frozenset())
            come += [(referral_id, user) for user in sorted(readers - before)]
            gone += [(referral_id, user) for user in sorted(before - readers)]
            for user in sorted(readers | before):
                self._tell(user, ChangeKind.REFERRAL, referral_id)
        writing.audience(self._db, come, gone)

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


def _count(said: int) -> int:
    """A count or an age as the column holds it: what a mad clock says must not keep a device from sending."""
    return min(max(said, 0), 2**31 - 1)
