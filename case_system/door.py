"""The one door: every operation, from a device or a desk page, passes here within one transaction.

Per operation: the same act under another number gets the same answer; an operation ahead of its referral is parked
(`stored`) and judged, in this same transaction, when the earlier one has come (S10); what a revoked device sends is held.
One operation never stops another (S6): a judgement is a value, and a rule that breaks parks its own operation only.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta
from typing import assert_never

from case_system import arrival
from case_system.audience import STAFF_NOTICES, readers, staff_rung
from case_system.audit import Deed
from case_system.effects import judge
from case_system.ports import Keys, RandomBytes
from case_system.reception import Heard, Unread, unseal
from case_system.record import Record
from case_system.storage import Docket, Paper
from case_system.turn import Judgement, World
from referral.lifecycle import Role, Track, first_states
from referral.model import Kind, OpId, ReferralId, UserId
from referral.numbers import call_code, receipt_number
from referral.operations import Create, Op, Operation
from referral.port import Outcome
from referral.problems import ProblemCode
from referral.views import Flag

log = logging.getLogger(__name__)
_COUNTING = frozenset({Op.ENROL, Op.CLOSE, Op.JUDGE_DUPLICATE})


@dataclass(slots=True, kw_only=True)
class Door:
    """Operations in order, in one docket. `world` is replaced when a pair's count changes."""

    docket: Docket
    world: World
    keys: Keys
    rng: RandomBytes
    judged: list[Paper] = field(default_factory=list)

    @property
    def now(self) -> datetime:
        return self.world.now

    def prepare(self, operations: Sequence[Operation]) -> None:
        """Lock and load everything these operations touch."""
        self.docket.open(sorted({o.referral_id for o in operations}))
        if any(o.op in _COUNTING for o in operations):
            self.world = replace(self.world, pairs=self.docket.pairs(lock=True), line=self.docket.line())
        fresh = [
            self._blank(o, o.made_by, "")
            for o in operations
            if isinstance(o.body, Create) and self.docket.record(o.referral_id) is None
        ]
        if fresh:
            self.docket.meets(fresh)

    # ------------------------------------------------------------------------------------------------ from a device
    def take(self, heard: Heard, device_id: str, user_id: UserId, *, revoked: bool) -> Paper:
        """File one verified envelope whose number is new, judge it if its turn has come; the paper as filed."""
        operation = heard.operation
        paper = Paper(
            device_id=device_id,
            op_id=heard.op_id,
            fingerprint=heard.fingerprint,
            device_seq=heard.device_seq,
            user_id=user_id,
            outcome=Outcome.STORED,
            code=heard.code,
            at=self.now,
            receipt=receipt_number(self.rng(8)),
        )
        if operation is None:
            return self._unread(heard, paper, revoked=revoked)
        paper = replace(
            paper, referral_id=operation.referral_id, op=operation.op.value, base=operation.base, nonce=operation.nonce,
            made_at=operation.made_at,
        )  # fmt: skip
        if revoked:
            held = replace(paper, code=ProblemCode.DEVICE_REVOKED, nonce=None, raw=heard.raw)
            record = self.docket.record(operation.referral_id)
            if record is not None and Flag.DEVICE_REVOKED not in record.flags:
                self._put(Judgement(outcome=Outcome.STORED, record=self._flagged(record, Flag.DEVICE_REVOKED)))
            return self._file(held)
        same = self.docket.same_act(operation.referral_id, operation.base, operation.nonce)
        if same is not None and (same.user_id, same.op) == (user_id, operation.op):
            again = replace(
                paper, nonce=None, outcome=same.outcome, code=same.code, receipt=same.receipt, revision=same.revision
            )
            return self._file(replace(again, raw=heard.raw if same.outcome is Outcome.STORED else None))
        if same is not None:  # another act has these numbers: this one stands on its own
            paper = replace(paper, nonce=None)
        waits = self._must_wait(operation)
        if waits is not None:
            return self._file(replace(paper, code=waits, raw=heard.raw))
        done = self._judge(operation, paper, heard.payload, heard.raw)
        self.docket.file(done)
        self._note(done)
        self._drain(operation.referral_id)
        return done

    def _unread(self, heard: Heard, paper: Paper, *, revoked: bool) -> Paper:
        if heard.outcome is None or heard.code is None:
            raise ValueError("an envelope that was not read has its reason")
        if heard.outcome is Outcome.STORED:
            code = ProblemCode.DEVICE_REVOKED if revoked else heard.code
            return self._file(replace(paper, code=code, raw=heard.raw))
        self.docket.set_aside(paper.device_id, paper.op_id, paper.fingerprint, heard.code, heard.raw)
        return self._file(replace(paper, outcome=Outcome.REFUSED, receipt=None))

    def _file(self, paper: Paper) -> Paper:
        self.docket.file(paper)
        self._note(paper)
        return paper

    def _note(self, paper: Paper) -> None:
        self.docket.audit(
            Deed(
                actor=paper.user_id,
                device_id=paper.device_id,
                action=paper.op or "unread",
                object_id=paper.referral_id or paper.op_id,
                outcome=paper.outcome.value,
                made_at=paper.made_at,
            )
        )

    # ------------------------------------------------------------------------------------------------ waiting
    def _must_wait(self, operation: Operation) -> ProblemCode | None:
        record = self.docket.record(operation.referral_id)
        if record is None:
            return None if isinstance(operation.body, Create) else ProblemCode.REFERRAL_UNKNOWN
        ahead = operation.base > record.revision
        if ahead and record.referral_id == operation.referral_id and not isinstance(operation.body, Create):
            return ProblemCode.WAITING_FOR_EARLIER
        return None

    def _drain(self, referral_id: ReferralId) -> None:
        """Judge what waited for this referral, as far as its revision goes; each device is told."""
        progress = True
        while progress:
            progress = False
            for paper in self.docket.waiting(referral_id):
                if self.reconsider(paper):
                    progress = True
                    break  # it may have drained the rest

    def reconsider(self, paper: Paper, *, overdue: bool = False) -> bool:
        """Judge a stored paper if it can be read and its turn has come; True when its outcome changed.

        overdue: what it waits for will not come any more; it is judged on the record as it is.
        """
        paper = self.docket.latest(paper)
        if paper.raw is None or paper.outcome is not Outcome.STORED:  # an earlier one of the same list let it pass
            return False
        read = unseal(paper.raw, self.keys.agency_keys, self.keys.retired)
        if isinstance(read, Unread):
            return False
        operation = read.operation
        known = replace(
            paper, referral_id=operation.referral_id, op=operation.op.value, base=operation.base, nonce=operation.nonce,
            made_at=operation.made_at,
        )  # fmt: skip
        if operation.referral_id != paper.referral_id:  # it could not be read until now
            self.prepare([operation])
        waits = self._must_wait(operation)
        same = self.docket.same_act(operation.referral_id, operation.base, operation.nonce)
        mine = same is not None and (same.device_id, same.op_id) == (paper.device_id, paper.op_id)
        if waits is not None and not (overdue and waits is ProblemCode.WAITING_FOR_EARLIER):
            if waits is not paper.code:  # it waits for something else now, and lies where that will find it
                self.docket.refile(replace(known, code=waits, nonce=known.nonce if same is None or mine else None))
            return False
        if same is not None and not mine and (same.user_id, same.op) != (paper.user_id, operation.op):
            known = replace(known, nonce=None)  # another act took these numbers while this one could not be read
        if same is not None and not mine and known.nonce is not None:
            done = replace(known, nonce=None, at=self.now, outcome=same.outcome, code=same.code, receipt=same.receipt, revision=same.revision, raw=None)  # fmt: skip
        else:
            done = self._judge(operation, replace(known, at=self.now), read.payload, paper.raw)
        if done.outcome is Outcome.STORED:
            return False
        self.docket.refile(done)
        self._note(done)
        self.docket.receipt_change(done)
        if done.revision is not None:
            self._drain(operation.referral_id)
        return True

    def let_pass(self, paper: Paper) -> Paper:
        """A supervisor lets a held paper pass: judged now, or parked like any other while earlier ones are missing."""
        if paper.referral_id is not None:
            self.docket.open([paper.referral_id])
        if not self.reconsider(paper) and paper.raw is not None:
            read = unseal(paper.raw, self.keys.agency_keys, self.keys.retired)
            waits = read.code if isinstance(read, Unread) else self._must_wait(read.operation)
            self.docket.refile(replace(paper, code=waits or ProblemCode.INTERNAL, at=self.now))
        return self.docket.latest(paper)

    # ------------------------------------------------------------------------------------------------ judging
    def at_desk(self, operation: Operation, device_id: str, op_id: OpId, fingerprint: str, payload: bytes) -> Paper:
        """Judge an operation made on a page; twice the same act gives the first answer."""
        same = self.docket.same_act(operation.referral_id, operation.base, operation.nonce)
        if same is not None and (same.user_id, same.op) == (operation.made_by, operation.op):
            return same
        paper = Paper(
            device_id=device_id,
            op_id=op_id,
            fingerprint=fingerprint,
            user_id=operation.made_by,
            outcome=Outcome.REFUSED,
            at=self.now,
            receipt=receipt_number(self.rng(8)),
            referral_id=operation.referral_id,
            op=operation.op.value,
            base=operation.base,
            nonce=operation.nonce if same is None else None,
        )
        if self.docket.record(operation.referral_id) is None and not isinstance(operation.body, Create):
            return self._file(replace(paper, code=ProblemCode.NOT_FOUND, receipt=None, nonce=None))
        done = self._judge(operation, paper, payload, None)
        self.docket.file(done)
        self._note(done)
        self._drain(operation.referral_id)
        return done

    def _judge(self, operation: Operation, paper: Paper, payload: bytes | None, raw: bytes | None) -> Paper:
        actor = self.world.users.get(paper.user_id)
        record = self.docket.record(operation.referral_id)
        new = record is None
        if record is None:
            record = self._blank(operation, paper.user_id, paper.device_id, paper.receipt)
        if actor is None or not actor.active:
            return replace(paper, outcome=Outcome.REFUSED, code=ProblemCode.NOT_PERMITTED, receipt=None, raw=None)
        try:
            judgement = judge(operation, actor, paper.device_id, record, self.docket.scene(record), self.world, new=new)
        except Exception:  # one rule's fault parks its own operation; the others go on (S6, S14)
            log.exception("an operation could not be judged: op %s", paper.op_id)
            return replace(paper, outcome=Outcome.STORED, code=ProblemCode.INTERNAL, raw=raw)
        match judgement.outcome:
            case Outcome.REFUSED:
                return replace(
                    paper, outcome=Outcome.REFUSED, code=judgement.code, receipt=None, raw=None, payload=None if new else payload
                )  # fmt: skip
            case Outcome.ACCEPTED | Outcome.NEEDS_ATTENTION:
                pass
            case Outcome.STORED:
                raise ValueError("a judgement never stores")
            case _:
                assert_never(judgement.outcome)
        kept = self._put(judgement, new=new)
        # a tally keeps no sealed copy of what it dropped
        body = None if kept.tally else payload
        receipt = kept.receipt if isinstance(operation.body, Create) else paper.receipt
        return replace(
            paper, outcome=judgement.outcome, code=judgement.code, receipt=receipt, revision=kept.revision, payload=body, raw=None
        )  # fmt: skip

    def _put(self, judgement: Judgement, *, new: bool = False) -> Record:
        record = judgement.record
        if record is None:
            raise ValueError("nothing to put down")
        before = self.docket.record(record.referral_id)
        if before is not None and before.referral != record.referral and not record.tally:
            indexed = self.docket.indexes(record)
            if indexed.person_index is not None and indexed.person_index != before.person_index:
                self.docket.meets([indexed])
                if self.docket.scene(indexed).unjudged:
                    judgement = replace(judgement, record=self._flagged(record, Flag.POSSIBLE_DUPLICATE))
                    record = judgement.record or record
        rung = staff_rung(self.docket.scene(record)) | {r.recipient for r in judgement.rings if r.kind in STAFF_NOTICES}
        if judgement.merges is not None:
            rung |= staff_rung(self.docket.scene(judgement.merges))
        self.docket.put(judgement, new=new, readers=readers(record, frozenset(rung), self.world))
        if judgement.counted:
            pairs = dict(self.world.pairs)
            for name, change in judgement.counted.items():
                pairs[name] = replace(pairs[name], enrolled=pairs[name].enrolled + change)
            self.world = replace(self.world, pairs=pairs)
        return record

    def put_quietly(self, judgement: Judgement, *, new: bool = False) -> Record:
        """Put down what the case system itself decided (a rung, a provisional handoff)."""
        return self._put(judgement, new=new)

    @staticmethod
    def _flagged(record: Record, flag: Flag) -> Record:
        return replace(record, flags=record.flags | {flag})

    def _blank(self, operation: Operation, user_id: UserId, device_id: str, receipt: str | None = None) -> Record:
        """The record that a create fills. receipt: the number that its maker was told, if it was parked until now."""
        body = operation.body
        if not isinstance(body, Create):
            raise ValueError("only a create makes a record")
        told = arrival.kept(body.referral, self.now)
        chosen = self.world.users.get(told.for_officer) if told.for_officer is not None else None
        officer = chosen.user_id if chosen is not None and chosen.role is Role.OFFICER else user_id
        record = blank(
            told.referral_id, told.kind, officer=officer, made_by=user_id, device_id=device_id, now=self.now,
            recorded_at=_recorded_at(operation), receipt=receipt or receipt_number(self.rng(8)),
        )  # fmt: skip
        return self.docket.indexes(replace(record, referral=told, tally=False))


def blank(referral_id: ReferralId, kind: Kind, *, officer: UserId, made_by: UserId, device_id: str, now: datetime, recorded_at: datetime, receipt: str) -> Record:  # fmt: skip
    """A record in its first states (revision 0)."""
    first = first_states(kind)
    states = {track.value: first[track] for track in Track}
    return Record(
        referral_id=referral_id,
        revision=0,
        kind=kind,
        receipt=receipt,
        call_code=call_code(referral_id),
        received_at=now,
        recorded_at=recorded_at,
        officer=officer,
        made_by=made_by,
        device_id=device_id,
        **states,  # type: ignore[arg-type]  # each track has its own enum
    )


def _recorded_at(operation: Operation) -> datetime:
    """When it was made by the server's clock, as far as the maker knew it; a distance that cannot be is none (S6, S12).

    The first and the last year of the calendar are left out, because a moment there may have no local form on a page.
    """
    try:
        moment = operation.made_at + timedelta(milliseconds=operation.offset_ms or 0)
    except OverflowError:
        moment = operation.made_at
    return min(max(moment, datetime(MINYEAR + 1, 1, 1, tzinfo=UTC)), datetime(MAXYEAR - 1, 12, 31, tzinfo=UTC))
