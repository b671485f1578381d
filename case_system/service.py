"""The case system as devices and desk pages meet it: implements `referral.port.CaseSystem`.

One sync is one write transaction: every envelope verified, deduplicated, judged and filed with its effects, notices, feed
rows and audit rows (S3), or nothing at all; then one read for the changes; the answer is signed after COMMIT. Outcomes of
items and cursors travel inside the answer; only who is asking can refuse a whole request. A write that meets another's is
done again from fresh truth.

Knows no database, no HTTP, no clock and no randomness of its own: they are arguments.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from case_system import alarms, arrival, enrolment, reminders
from case_system.alarms import Alarm, OpenAlarm
from case_system.assignment import posts
from case_system.audience import officers, relations
from case_system.audit import Deed
from case_system.board import Board, lay_out
from case_system.door import Door, blank
from case_system.feed import Pulled, pull
from case_system.grants import DESK_ROUTES, Channel, Relation, Sight, sight
from case_system.handoff import Climb, Ladder, Ring, climb
from case_system.inquiry import Inquiry
from case_system.measures import Measures
from case_system.packs import Packs
from case_system.ports import Clock, Keys, RandomBytes
from case_system.pressing import Fits, press
from case_system.reception import Heard, hear
from case_system.record import DESK, SYSTEM, Record
from case_system.refusals import UNKNOWN, Refusals
from case_system.sheet import Meanwhile, Sheet, lay
from case_system.storage import (
    AgencyFacts,
    Device,
    Docket,
    Paper,
    Reading,
    Storage,
    StorageError,
)
from case_system.transactions import Transactions
from case_system.turn import UNDECIDED, WAITS_FOR_SOMEONE, Happened, Judgement, Turn, World, world_of
from case_system.views import as_seen
from referral.lifecycle import Episode, Role
from referral.model import Kind, OpId, ReferralId, UserId, is_referral_id
from referral.numbers import receipt_number
from referral.operations import Op, Operation, Reason, encode
from referral.port import (
    BATCH_ITEMS,
    SIGNATURE_DOMAIN,
    AgencyKey,
    DeviceOrders,
    DeviceState,
    Enrolment,
    EnrolRequest,
    Heartbeat,
    Outcome,
    PackDelivery,
    Receipt,
    Refused,
    SyncRequest,
    SyncResponse,
    receipt_digest,
    signed_bytes,
)
from referral.problems import ProblemCode
from referral.programme import Programme
from referral.views import Happening, NoticeKind

log = logging.getLogger(__name__)
T = TypeVar("T")
_CALL_CODE = re.compile(r"[A-HJ-NP-Z]\d-\d\d\Z")
LONGEST_WAIT = timedelta(hours=24)  # for an earlier step: every device that still has it has offered it by then
_REREAD = frozenset({ProblemCode.UNKNOWN_KEY, ProblemCode.UNKNOWN_VERSION, ProblemCode.INTERNAL})


class CaseService:
    """The reference case system. Thread-safe: it keeps nothing between calls but checked packs and counts of refusals."""

    def __init__(self, storage: Storage, *, clock: Clock, rng: RandomBytes, keys: Keys, packs: Packs) -> None:
        self._storage, self._clock, self._rng, self._keys, self._packs = storage, clock, rng, keys, packs
        self._transactions = Transactions(storage, packs)
        self._refusals = Refusals()
        self.inquiry = Inquiry(self._transactions, packs, clock, self.sheet)

    # ------------------------------------------------------------------------------------------------ devices
    def enrol(self, request: EnrolRequest) -> Enrolment:
        """Bind a new device; raises Refused(code_not_valid) for a used, expired or wrong code."""
        now = self._clock()

        def work(docket: Docket, facts: AgencyFacts, pack: Programme) -> Enrolment:
            return enrolment.bind(
                docket, request, keys=self._keys, rng=self._rng, now=now,
                lease=timedelta(days=pack.timers.lease_days), pack=self._packs.delivery(facts.pack_digest),
            )  # fmt: skip

        return self._write(now, work)

    def sync(self, token: str, request: SyncRequest) -> SyncResponse:
        """Take envelopes, then answer with results and (token permitting) changes; see `referral.port`."""
        if len(request.envelopes) > BATCH_ITEMS:
            raise Refused(ProblemCode.TOO_LARGE)
        now = self._clock()
        token_hash = enrolment.token_hash(token)
        away: list[Deed] = []

        def work(docket: Docket, facts: AgencyFacts, pack: Programme) -> tuple[SyncResponse, Device]:
            device = docket.device(token_hash)
            if device is None:
                raise Refused(ProblemCode.NOT_SIGNED_IN)
            away.clear()  # of a try that met another transaction
            return self._take(docket, device, request, facts, pack, now, away), device

        answer, device = self._write(now, work)
        self._trail(Counter(away), now)
        answer = self._with_changes(answer, device, request, now)
        return replace(answer, signature=self._keys.server_key.sign(SIGNATURE_DOMAIN, signed_bytes(answer)))

    def _take(self, docket: Docket, device: Device, request: SyncRequest, facts: AgencyFacts, pack: Programme, now: datetime, away: list[Deed]) -> SyncResponse:  # fmt: skip
        revoked = device.revoked or not device.user_active
        reoffer = request.receipts is not None and not revoked and self._lacks(docket, device, request)
        heard = [
            hear(raw, device.device_id, device.public_key, facts.agency_id, self._keys) for raw in request.envelopes
        ]
        results: tuple[Receipt, ...] = ()
        if heard:  # who only looks for news needs none of this
            results = self._file(docket, self._world(docket, pack, now), device, heard, away, revoked=revoked)
        if request.generation is not None and request.generation < (device.generation or 0):
            away.append(Deed(actor=device.user_id, device_id=device.device_id, action="generation", outcome="older"))
        key_id = next((h.key_id for h in reversed(heard) if h.verified), None)
        docket.heard(
            device,
            seq=max((h.device_seq for h in heard if h.verified), default=0),
            heartbeat=_still(request.heartbeat, len(request.envelopes)),
            generation=request.generation,
            pack=request.pack,
            key_id=key_id,
        )
        newest = self._keys.newest
        sealed_for = key_id or device.agency_key_id
        lease = device.lease_until if revoked else now + timedelta(days=pack.timers.lease_days)
        return SyncResponse(
            epoch=facts.epoch,
            nonce=request.nonce,
            device_id=device.device_id,
            results=results,
            device=DeviceOrders(
                state=DeviceState.REVOKED if revoked else DeviceState.ACTIVE,
                lease_until=lease,
                release=device.release and not revoked,
                wipe=device.wipe and revoked,
                reoffer=reoffer,
                generation=None if revoked else device.generation,
            ),
            pack=self._newer_pack(device, request, facts, pack) if not revoked else None,
            agency_key=AgencyKey(key_id=newest.key_id.hex(), public_key=newest.to_bytes())
            if sealed_for != newest.key_id.hex()  # a revoked device's too: it still sends what it saved
            else None,
            server_time=now,
        )

    def _file(self, docket: Docket, world: World, device: Device, heard: list[Heard], away: list[Deed], *, revoked: bool) -> tuple[Receipt, ...]:  # fmt: skip
        known = dict(docket.papers(device.device_id, sorted({h.op_id for h in heard if h.verified})))
        fresh = [h.operation for h in heard if h.operation is not None and h.op_id not in known]
        door = Door(docket=docket, world=world, keys=self._keys, rng=self._rng)
        door.prepare(fresh)
        results: list[Receipt | Paper] = []
        for h in heard:
            if not h.verified:
                code = h.code or ProblemCode.MALFORMED
                results.append(self._refused(h, code, world.now))
                away.append(Deed(actor=device.user_id, device_id=device.device_id, action="envelope", outcome=code))
                continue
            paper = known.get(h.op_id)
            if paper is None:
                paper = door.take(h, device.device_id, device.user_id, revoked=revoked)
                known[h.op_id] = paper
            elif paper.fingerprint != h.fingerprint:  # S5: the first one counts
                deed = Deed(actor=device.user_id, device_id=device.device_id, action="envelope", outcome="other_bytes")
                if docket.set_aside(device.device_id, h.op_id, h.fingerprint, ProblemCode.OTHER_BYTES, h.raw):
                    docket.audit(replace(deed, object_id=h.op_id))
                else:
                    away.append(deed)
                results.append(self._refused(h, ProblemCode.OTHER_BYTES, world.now))
                continue
            results.append(paper)
        # a later envelope of the same batch may have let an earlier one pass
        return tuple(r if isinstance(r, Receipt) else docket.latest(r).as_receipt for r in results)

    @staticmethod
    def _refused(heard: Heard, code: ProblemCode, at: datetime) -> Receipt:
        return Receipt(op_id=heard.op_id, fingerprint=heard.fingerprint, outcome=Outcome.REFUSED, code=code, at=at)

    def _lacks(self, docket: Docket, device: Device, request: SyncRequest) -> bool:
        """True when the receipts that the device counted are not those of the file (S15)."""
        if request.receipts is None:
            return False
        ours = docket.accepted_since(device.device_id, request.receipts.since)
        return receipt_digest(ours, request.receipts.since) != request.receipts

    def _newer_pack(self, device: Device, request: SyncRequest, facts: AgencyFacts, pack: Programme) -> PackDelivery | None:  # fmt: skip
        if not device.may_pull or request.pack is None or request.pack in (facts.pack_digest, pack.stamp, pack.version):
            return None
        return self._packs.delivery(facts.pack_digest)

    def _with_changes(self, answer: SyncResponse, device: Device, request: SyncRequest, now: datetime) -> SyncResponse:
        if not request.pull or not device.may_pull or answer.device.state is not DeviceState.ACTIVE:
            return answer  # the append token of a locked device never pulls
        with self._reading() as reading:
            caps = self._packs.programme(reading.agency().pack_digest).caps
            page: Pulled = pull(reading, device.user_id, device.device_id, request.cursor, caps)
        told = [change.referral for change in page.changes if change.referral is not None]
        deeds = [
            Deed(actor=device.user_id, device_id=device.device_id, action="deliver", object_id=seen.referral_id, outcome="done")
            for seen in told
            if seen.referral is not None
        ]  # fmt: skip
        if not self._put_in_trail(deeds, now):  # nothing is given that cannot be said later; receipts are
            return answer
        return replace(answer, changes=page.changes, cursor=page.cursor, more=page.more, reset=page.reset)

    # ------------------------------------------------------------------------------------------------ the desk
    def apply_desk(self, actor: UserId, operation: Operation) -> Receipt:
        """Do an operation from a page, through the same door; its outcome is in the receipt (S19)."""
        now = self._clock()
        payload = encode(operation)
        fingerprint = hashlib.sha256(b"lead/desk/v1" + payload).hexdigest()
        op_id = OpId(self._rng(16).hex())
        if operation.made_by != actor:
            raise ValueError("an operation is made by who does it")

        def work(docket: Docket, facts: AgencyFacts, pack: Programme) -> Receipt:
            door = Door(docket=docket, world=self._world(docket, pack, now), keys=self._keys, rng=self._rng)
            door.prepare([operation])
            return door.at_desk(operation, DESK, op_id, fingerprint, payload).as_receipt

        return self._write(now, work)

    def press(self, actor: UserId, operation: Operation, fits: Fits, since: datetime) -> Receipt | Meanwhile:
        """Do an operation from a button of a page that was made at `since`, if it still fits; see `pressing.py`."""
        now = self._clock()
        payload = encode(operation)
        fingerprint = hashlib.sha256(b"lead/desk/v1" + payload).hexdigest()
        op_id = OpId(self._rng(16).hex())
        if operation.made_by != actor:
            raise ValueError("an operation is made by who does it")

        def work(docket: Docket, facts: AgencyFacts, pack: Programme) -> Receipt | Meanwhile:
            door = Door(docket=docket, world=self._world(docket, pack, now), keys=self._keys, rng=self._rng)
            door.prepare([operation])
            return press(door, operation, op_id, fingerprint, payload, fits=fits, since=since)

        return self._write(now, work)

    def board(self, actor: UserId) -> Board:
        """What lies on the desk for one person; empty lists for who has no desk work."""
        with self.inquiry.reading(actor) as (reading, reader, world):
            return lay_out(reader, reading.open_work(), reading.climbs(), reading.rung(), world, reading.unsent())

    def look(self, actor: UserId, referral_id: ReferralId) -> Record:
        """A record as the actor may read it on a page, audited; raises Refused(not_found) where they may not."""
        return self.sheet(actor, referral_id).record

    def sheet(self, actor: UserId, referral_id: ReferralId) -> Sheet:
        """A record and what is beside it, as the actor may read it on a page; audited, as `look`."""
        if not is_referral_id(referral_id):  # what somebody typed is not kept in the trail
            raise Refused(ProblemCode.NOT_FOUND)
        now = self._clock()

        def work(docket: Docket, facts: AgencyFacts, pack: Programme) -> Sheet | None:
            world = self._world(docket, pack, now)
            user = world.users.get(actor)
            docket.open([referral_id])
            record = docket.record(referral_id)
            seen, related = Sight.NOTHING, frozenset[Relation]()
            if user is not None and user.active and record is not None:
                related = relations(user, record, docket.scene(record), world)
                seen = sight(Channel.PAGE, user.role, related)
            shown = as_seen(record, seen) if record is not None else None
            docket.audit(
                Deed(actor=actor, action="look", object_id=referral_id, outcome="done" if shown else "refused")
            )
            if shown is None:
                return None
            names = {u.user_id: u.name for u in world.users.values()}
            return lay(shown, seen, related, docket.beside(shown.referral_id), names, world.pairs)

        found = self._write(now, work)
        if found is None:
            raise Refused(ProblemCode.NOT_FOUND)
        return found

    def open_provisional(self, actor: UserId, call_code: str, officer: UserId | None = None) -> ReferralId:
        """Offer a handoff now for a referral that has not arrived, known by the code that was read out.

        Returns its id; a referral of that code (and officer) that is here already is returned instead. Raises
        Refused(not_permitted) for who may not offer, Refused(invalid_value) for what is no call code.
        """
        code = call_code.strip().upper()
        if not _CALL_CODE.match(code):
            raise Refused(ProblemCode.INVALID_VALUE, detail="A call code reads like K7-42.")
        now = self._clock()

        def work(docket: Docket, facts: AgencyFacts, pack: Programme) -> ReferralId:
            world = self._world(docket, pack, now)
            user = world.users.get(actor)
            if user is None or not user.active or user.role not in DESK_ROUTES["POST /desk/provisional"]:
                raise Refused(ProblemCode.NOT_PERMITTED)
            if officer is not None and (officer not in world.users or world.users[officer].role is not Role.OFFICER):
                raise Refused(ProblemCode.INVALID_VALUE, detail="There is no officer of that name.")
            recent = docket.by_call_code(code, now - arrival.CALL_CODE_LASTS)
            here = [r for r in recent if officer is None or r.officer in (officer, "")]
            if len(here) == 1:
                return here[0].referral_id
            referral_id = ReferralId(self._rng(16).hex())
            door = Door(docket=docket, world=world, keys=self._keys, rng=self._rng)
            record = replace(
                blank(
                    referral_id, Kind.ARREST, officer=officer or UserId(""), made_by=actor, device_id=DESK, now=now,
                    recorded_at=now, receipt=receipt_number(self._rng(8)),
                ),
                call_code=code, provisional=True, revision=1,
            )  # fmt: skip
            offer = Operation(
                op=Op.OFFER,
                referral_id=referral_id,
                nonce=self._rng(6).hex(),
                made_at=now,
                made_by=actor,
                body=Reason(),
            )
            turn = Turn(
                operation=offer, actor=user, device_id=DESK, world=world, scene=docket.scene(record), record=record
            )
            arrival.open_on_call(turn)
            door.put_quietly(turn.done(), new=True)
            docket.audit(
                Deed(actor=actor, device_id=DESK, action="open_provisional", object_id=referral_id, outcome="done")
            )
            return referral_id

        return self._write(now, work)

    def decide_held(self, actor: UserId, device_id: str, op_id: OpId) -> Receipt:
        """A supervisor lets an operation of a revoked device pass: it is judged now, as its maker's."""
        now = self._clock()

        def work(docket: Docket, facts: AgencyFacts, pack: Programme) -> Receipt:
            world = self._world(docket, pack, now)
            user = world.users.get(actor)
            if user is None or not user.active or user.role is not Role.SUPERVISOR:
                raise Refused(ProblemCode.NOT_PERMITTED)
            paper = docket.held(device_id, op_id)
            if paper is None:
                raise Refused(ProblemCode.NOT_FOUND)
            door = Door(docket=docket, world=world, keys=self._keys, rng=self._rng)
            docket.audit(Deed(actor=actor, action="decide_held", object_id=op_id, outcome="done"))
            return door.let_pass(paper).as_receipt

        return self._write(now, work)

    # ------------------------------------------------------------------------------------------------ the clock's work
    def climb(self, now: datetime) -> datetime | None:
        """Stage the notices of every rung that is due, announce and expire others; when to look again (None: nothing waits)."""
        with self._reading() as reading:
            next_at, facts = reading.next_work(), reading.agency()
            due = self._alarms(reading, now)
            caps = self._packs.programme(facts.pack_digest).caps
            news = reminders.place_news(tuple(reading.pairs().values()), reading.line(), caps)
        if not due and not news and (next_at is None or next_at > now):
            return next_at

        def work(docket: Docket, facts: AgencyFacts, pack: Programme) -> datetime | None:
            world = self._world(docket, pack, now)
            docket.expire(now)
            docket.raise_alarms(due)
            docket.announce(now)
            door = Door(docket=docket, world=world, keys=self._keys, rng=self._rng)
            for referral_id, offer in docket.due_climbs(now):
                record = docket.record(referral_id)
                if record is not None:
                    door.put_quietly(self._rung(record, offer, docket, world))
            self._remind(docket, door, world)
            return None

        self._write(now, work)
        with self._reading() as reading:
            return reading.next_work()

    def _alarms(self, reading: Reading, now: datetime) -> tuple[Alarm, ...]:
        """The alarms about devices that are due and not raised yet."""
        holders = reading.holders()
        if not holders:
            return ()
        pack, users = self._packs.programme(reading.agency().pack_digest), reading.users().values()
        raised = reading.raised(pack.day(now).toordinal())
        return alarms.due(holders, posts(reading.rota(), users, now).supervisors, users, raised, now, pack)

    def open_alarms(self, actor: UserId) -> Sequence[OpenAlarm]:
        """The alarms that lie on a person's desk."""
        with self._reading() as reading:
            return reading.open_alarms(actor)

    def acknowledge_alarm(self, actor: UserId, notice_id: str) -> None:
        """A person has seen an alarm of theirs; raises Refused(not_found) where it is not."""
        now = self._clock()

        def work(docket: Docket, facts: AgencyFacts, pack: Programme) -> bool:
            done = docket.acknowledge_alarm(actor, notice_id)
            docket.audit(Deed(actor=actor, action="acknowledge", object_id=notice_id if done else None, outcome="done" if done else "refused"))  # fmt: skip
            return done

        if not self._write(now, work):
            raise Refused(ProblemCode.NOT_FOUND)

    @staticmethod
    def _remind(docket: Docket, door: Door, world: World) -> None:
        """Warn of intakes that are due, and tell of places that are free."""
        for referral_id in docket.due_intakes(world.now):
            record = docket.record(referral_id)
            if record is not None:
                docket.audit(Deed(actor=SYSTEM, action="warn", object_id=record.referral_id, outcome="intake_due"))
                door.put_quietly(reminders.warn(record, world))
        news = reminders.place_news(tuple(world.pairs.values()), docket.line(), world.pack.caps)
        docket.open([waiting.referral_id for waiting, _ in news])
        for waiting, free in news:
            record = docket.record(waiting.referral_id)
            if record is not None and record.waiting_since is not None:
                outcome = "place_free" if free else "place_taken"
                docket.audit(Deed(actor=SYSTEM, action="tell", object_id=record.referral_id, outcome=outcome))
                door.put_quietly(reminders.place(record, docket.scene(record), free, world))

    @staticmethod
    def _rung(record: Record, offer: Climb, docket: Docket, world: World) -> Judgement:
        alive = record.episode is not Episode.CLOSED and record.merged_into is None
        open_ = record.handoff in WAITS_FOR_SOMEONE if offer.ladder is Ladder.HANDOFF else record.review in UNDECIDED
        if not (alive and open_):
            return Judgement(outcome=Outcome.ACCEPTED, record=record, closed=frozenset({offer.ladder}))
        up = climb(offer, world.now, world.posts, world.pack.timers, rung_already=docket.scene(record).rung)
        said: tuple[Happened, ...] = ()
        rings: tuple[Ring, ...] = up.rings
        if up.unanswered and offer.ladder is Ladder.HANDOFF and record.unanswered_since is None:
            record = replace(record, unanswered_since=world.now)
            said = (Happened(what=Happening.NOBODY_ANSWERED),)
            rings += tuple(
                Ring(recipient=who, kind=NoticeKind.NOBODY_ANSWERED, round=offer.round, due_at=world.now)
                for who in sorted(officers(record))
                if who in world.users
            )
        docket.audit(
            Deed(actor=SYSTEM, action="ring", object_id=record.referral_id, outcome=f"{offer.ladder}_{up.climb.rungs}")
        )
        return Judgement(
            outcome=Outcome.ACCEPTED, record=record, rings=rings, climbs=(up.climb,), happenings=said
        )  # fmt: skip

    def reread(self) -> int:
        """Try again what was stored unread: after a key came back or the software learned a version. How many passed."""
        now = self._clock()

        def work(docket: Docket, facts: AgencyFacts, pack: Programme) -> int:
            door = Door(docket=docket, world=self._world(docket, pack, now), keys=self._keys, rng=self._rng)
            return sum(door.reconsider(paper) for paper in docket.unread(_REREAD))

        return self._write(now, work)

    def end_waiting(self) -> int:
        """Judge what has waited a day for an earlier step. After a restore a step that a page made is gone, and nobody sends it
        again; what stands on it must not wait for ever (S19). How many were judged."""
        now = self._clock()

        def work(docket: Docket, facts: AgencyFacts, pack: Programme) -> int:
            door = Door(docket=docket, world=self._world(docket, pack, now), keys=self._keys, rng=self._rng)
            papers = [p for p in docket.unread({ProblemCode.WAITING_FOR_EARLIER}) if p.at <= now - LONGEST_WAIT]
            docket.open([p.referral_id for p in papers if p.referral_id is not None])
            return sum(door.reconsider(paper, overdue=True) for paper in papers)

        return self._write(now, work)

    def sealed_for(self, key_id: str) -> int:
        """How many operations were stored unread that only this agency key opens: destroying it would lose them."""
        with self._reading() as reading:
            return reading.sealed_for(key_id)

    # ------------------------------------------------------------------------------------------------ looking
    def reader(self, token: str) -> str:
        """The user of a read token; raises Refused(not_signed_in)."""
        with self._reading() as reading:
            found = reading.reader(enrolment.token_hash(token))
        if found is None:
            raise Refused(ProblemCode.NOT_SIGNED_IN)
        if not found[1]:
            raise Refused(ProblemCode.DEVICE_REVOKED)
        return found[0]

    def readers_since(self, seq: int) -> tuple[int, Mapping[str, int]]:
        """The newest feed number, and whose feeds grew after `seq`, each with their newest number."""
        with self._reading() as reading:
            newest = reading.feed_span()[1]
            return newest, reading.readers_since(seq) if newest > seq else {}

    def figures(self) -> Mapping[str, float]:
        """Counts and ages for the metrics page."""
        with self._reading() as reading:
            return reading.figures(self._clock())

    def measures(self) -> Measures:
        """What the metrics page says of the programme."""
        with self._reading() as reading:
            return reading.measures(self._clock())

    def ready(self) -> bool:
        """True when the database answers."""
        try:
            with self._storage.read() as reading:
                reading.agency()
        except StorageError:
            log.warning("the database does not answer", exc_info=True)
            return False
        return True

    # ------------------------------------------------------------------------------------------------ what was refused
    def note_refused(self, token: str | None, action: str, code: ProblemCode) -> None:
        """Count a refused request for the audit trail, under its device where the token is one's; never raises Refused."""
        now = self._clock()
        try:
            with self._reading() as reading:
                found = reading.holder(enrolment.token_hash(token)) if token else None
        except Refused:
            log.warning("a refusal was not put in the audit trail", exc_info=True)
            return
        actor, device_id = found or (UNKNOWN, None)
        self._trail({Deed(actor=actor, device_id=device_id, action=action, outcome=code): 1}, now)

    def note_rest(self) -> None:
        """Put what is counted and not written yet in the audit trail; called before the process ends."""
        self._put_in_trail(self._refusals.rest(), self._clock())

    def _trail(self, kinds: Mapping[Deed, int], now: datetime) -> None:
        self._put_in_trail([deed for kind, n in kinds.items() for deed in self._refusals.heard(kind, now, n)], now)

    def _put_in_trail(self, deeds: Sequence[Deed], now: datetime) -> bool:
        """False when it could not be written."""

        def work(docket: Docket, facts: AgencyFacts, pack: Programme) -> None:
            for deed in deeds:
                docket.audit(deed)

        if not deeds:
            return True
        try:
            self._write(now, work)
        except Refused:
            log.warning("the audit trail could not be written", exc_info=True)
            return False
        return True

    # ------------------------------------------------------------------------------------------------ transactions
    def _world(self, docket: Docket, pack: Programme, now: datetime) -> World:
        users, rota = docket.people()
        return world_of(now, pack, users, rota, docket.pairs(lock=False))

    def _reading(self) -> AbstractContextManager[Reading]:
        return self._transactions.reading()

    def _write(self, now: datetime, work: Callable[[Docket, AgencyFacts, Programme], T]) -> T:
        return self._transactions.write(now, work)


def _still(said: Heartbeat | None, sent: int) -> Heartbeat | None:
    """What the device still holds once this request is answered: it counts what it sends with it as waiting."""
    if said is None:
        return None
    waiting = max(0, said.waiting - sent)
    return replace(said, waiting=waiting, oldest_unsent_s=said.oldest_unsent_s if waiting else None)
