"""What must hold at every moment of a case, looked at as it goes: on the wire, after each round, at each start of a device.

Kept here: what each device was promised (`Saved`), the bytes that were first sent under each number, and every receipt that was
really given to it. Violations are sentences that begin with the invariant's name.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from field_app.outcomes import Saved
from field_app.sync.backoff import CEILING_S, RETRY_AFTER_CAP_S
from field_app.sync.backoff import due as is_due
from field_app.sync.engine import RoundResult
from field_app.sync.machine import UNSENT, State
from referral.envelope import read_header
from referral.model import OpId, ReferralId
from referral.port import Outcome, Receipt, SyncResponse
from referral.problems import ProblemCode
from tests.faults.simulation.line import Exchange, receipts_in

if TYPE_CHECKING:
    from tests.faults.simulation.phone import Phone
    from tests.faults.simulation.world import World

_LEADS_TO: Final = {
    State.ACCEPTED: (Outcome.ACCEPTED,),
    State.STORED: (Outcome.STORED,),
    State.NEEDS_ATTENTION: (Outcome.NEEDS_ATTENTION,),
    State.QUARANTINED: (Outcome.REFUSED,),
    State.REPLACED: (Outcome.REFUSED, Outcome.STORED),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """An operation that a person was told is saved, and the act that it is under any number."""

    phone: int
    op_id: OpId
    referral_id: ReferralId
    base: int
    nonce: str
    ahead: bool


class Watch:
    """The book of one case."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.promises: dict[OpId, Promise] = {}
        self.rows: dict[int, set[OpId]] = defaultdict(set)
        self._bytes: dict[OpId, bytes] = {}
        self._given: dict[tuple[int, OpId], set[Outcome]] = defaultdict(set)
        self._answers: dict[tuple[str, OpId, str], str] = {}
        self._untouched = 0

    # ------------------------------------------------------------------------------------------------ the device
    def saved(self, phone: Phone, saved: Saved, *, ahead: bool) -> None:
        """S1: from now on it may never be missing."""
        session = phone.session
        assert session is not None
        step = next((s for s in session.holdings.steps.get(saved.referral_id, ()) if s.op_id == saved.op_id), None)
        if step is None:  # saved before, and shown by the view meanwhile
            self._world.demand(saved.op_id in phone.states(), "S1: what was called saved is not in the outbox")
            return
        operation = step.operation
        self.promises[saved.op_id] = Promise(
            phone=phone.index, op_id=saved.op_id, referral_id=operation.referral_id, base=operation.base,
            nonce=operation.nonce, ahead=ahead,
        )  # fmt: skip
        self._world.note(f"phone {phone.index} saved {operation.op.value} {saved.op_id} on {operation.base}")
        self._world.counts["operations"] += 1

    def opened(self, phone: Phone) -> None:
        """S1, S7: whatever was promised, and whatever was seen in the outbox, is there after every start."""
        rows = phone.states()
        mine = {p.op_id for p in self.promises.values() if p.phone == phone.index}
        self._world.demand(mine <= rows.keys(), f"S1: phone {phone.index} lost a saved operation at a start")
        kept = {op_id for op_id in self.rows[phone.index] if op_id not in rows}
        self._world.demand(not kept, f"S7: phone {phone.index} deleted an operation from its outbox")
        self.rows[phone.index] = {op_id for op_id, state in rows.items() if state is not State.HELD}

    def rounded(self, phone: Phone, before: dict[OpId, State], result: RoundResult | None) -> None:
        """After a round that ended: what moved, moved on a word that was really given (S4), and a failure moved nothing (S8)."""
        if result is None or not phone.up:
            return
        demand, note = self._world.demand, self._world.note
        after = phone.states()
        problem = None if result.problem is None else result.problem.value
        for op_id, state in after.items():
            was = before.get(op_id)
            if state is was or was is None:
                continue
            note(f"phone {phone.index} {op_id}: {was.value} -> {state.value}")
            if state in UNSENT:
                continue
            words = self._given[phone.index, op_id]
            demand(
                any(o in words for o in _LEADS_TO.get(state, tuple(Outcome))),
                f"S4: phone {phone.index} believed a word that nobody gave",
            )
        moved = {op_id for op_id, was in before.items() if was in UNSENT and after.get(op_id) not in UNSENT}
        demand(result.problem is None or not moved, f"S8: phone {phone.index}: a failed request moved an operation")
        demand(
            before.keys() <= after.keys() | {o for o, s in before.items() if s is State.HELD},
            f"S7: phone {phone.index} lost a row in a round",
        )
        self.rows[phone.index] |= {op_id for op_id, state in after.items() if state is not State.HELD}
        note(f"phone {phone.index} round: {problem or 'well'} {len(result.answered)} {result.pulled} {result.more}")
        engine = phone.engine
        if result.problem is not None and engine is not None:
            wait = engine.state().wait
            now = phone.clock.now()
            most = timedelta(seconds=max(CEILING_S, RETRY_AFTER_CAP_S * 1.1))
            fine = wait.next_at is not None and (is_due(wait, now) or is_due(wait, now + most))
            demand(fine or result.again or phone.writes == 0, f"S9: phone {phone.index} waits too long, or not at all")

    # ------------------------------------------------------------------------------------------------ the wire
    def asked(self, phone: Phone, exchange: Exchange) -> None:
        """S2: the bytes under a number never change. A locked device neither pulls nor says how far it has read."""
        for envelope in exchange.request.envelopes:
            op_id = OpId(read_header(envelope).op_id.hex())
            print_ = hashlib.sha256(envelope).digest()
            self._world.demand(self._bytes.setdefault(op_id, print_) == print_, "S2: an envelope's bytes changed")
            seen = phone.index == self.promises[op_id].phone if op_id in self.promises else True
            self._world.demand(seen, "S2: a device sends what another saved")
        shut = phone.session is None
        request = exchange.request
        self._world.demand(not (shut and (request.pull or request.cursor)), "a locked device pulls")

    def served(self, phone: Phone, exchange: Exchange, answer: SyncResponse) -> None:
        """S3, S5: within a life of the database, what was accepted under a number keeps its answer for ever."""
        world = self._world
        for receipt in receipts_in(answer):
            key = (answer.epoch, receipt.op_id, receipt.fingerprint)
            number = receipt.receipt or ""
            if receipt.outcome is not Outcome.REFUSED:
                world.demand(self._answers.setdefault(key, number) == number, "S5: the same operation got two receipts")
            promise = self.promises.get(receipt.op_id)
            if promise is not None and promise.ahead and not world.central.upgraded:
                parked = receipt.outcome is Outcome.STORED or receipt.code is ProblemCode.KEY_RETIRED  # not read either
                world.demand(parked, f"S14: an operation of a later schema was judged ({receipt.outcome.value})")
        sent = {read_header(envelope).op_id.hex() for envelope in exchange.request.envelopes}
        world.demand(sent <= {r.op_id for r in answer.results}, "S6: an envelope has no result")

    def answered(self, phone: Phone, exchange: Exchange, answer: SyncResponse) -> None:
        """What reaches the device, if it is genuine."""
        if answer.signature == bytes(64) or answer.nonce != exchange.request.nonce:
            return
        self.first_of(phone, receipts_in(answer))

    def first_of(self, phone: Phone, receipts: Iterable[Receipt]) -> None:
        """These words were given to this device."""
        for receipt in receipts:
            self._given[phone.index, receipt.op_id].add(receipt.outcome)

    def given(self, phone: int, op_id: OpId) -> set[Outcome]:
        """The words that this device was given about an operation."""
        return self._given[phone, op_id]
