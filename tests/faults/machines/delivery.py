"""The outbox and the engine against a witness on the road: nothing leaves `waiting` but by a receipt that was really given.

Real engine, outbox, chain, envelopes and SQLite on the device; the honest case system in memory; between them a road that cuts, loses,
forges and refuses. The witness notes each receipt that reached the device whole. At any moment:

    every operation that was saved is there, once, with the bytes it was saved with
    a state past `waiting` stands on a receipt of that kind which the witness saw
    the chain verifies, and every operation that is not accepted is a file, too

and once the road is good again, everything settles where the case system says it stands.
"""

from __future__ import annotations

from itertools import count

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from field_app.sync.machine import UNSENT, Event, State
from referral.model import OpId, ReferralId
from referral.port import Outcome
from referral.problems import ProblemCode
from tests.faults.machines.driving import Machine
from tests.faults.machines.road import TROUBLES, Road
from tests.field_app.sync.rig import NOON, Kill, memory_rig
from tests.support.memory_case_system import MemoryCaseSystem, Verdict

VERDICTS: tuple[Verdict | None, ...] = (
    None,
    None,
    None,
    (Outcome.STORED, None),
    (Outcome.NEEDS_ATTENTION, ProblemCode.NOT_POSSIBLE_NOW),
    (Outcome.REFUSED, ProblemCode.NOT_PERMITTED),
    (Outcome.REFUSED, ProblemCode.INTERNAL),
)
MADE_BY: dict[State, tuple[Outcome, ...]] = {
    State.STORED: (Outcome.STORED,),
    State.ACCEPTED: (Outcome.ACCEPTED,),
    State.NEEDS_ATTENTION: (Outcome.NEEDS_ATTENTION,),
    State.QUARANTINED: (Outcome.REFUSED,),
    State.REPLACED: (Outcome.REFUSED, Outcome.STORED),
}


class Delivery(Machine):
    """One device on a bad road."""

    title = "delivery"
    steps = 25
    needed = (
        "stored", "accepted", "needs_attention", "quarantined", "replaced", "reoffered", "killed", "restored", "retried",
        "held copy sent", "locked", "key rotated", "judged later", "came to rest", *(f"road: {t}" for t in TROUBLES if t),
    )  # fmt: skip

    def begin(self) -> None:
        """A device that its case system knows."""
        self.system = MemoryCaseSystem(now=NOON)
        self.road = Road(self.system)
        self.rig = memory_rig(self.folder, self.system, self.road)  # type: ignore[arg-type]
        self.saved: dict[OpId, bytes] = {}
        self.held: dict[str, OpId] = {}
        self.before: dict[OpId, State] = {}
        self.lost = False  # the case system came back from a backup since the last rest
        self.numbers, self.epochs = count(1), count(2)

    def end(self) -> None:
        """Close the file."""
        self.rig.store.close()

    # ------------------------------------------------------------------------------------------------ a person
    @rule(verdicts=st.lists(st.sampled_from(VERDICTS), min_size=1, max_size=3))
    def save(self, verdicts: list[Verdict | None]) -> None:
        for verdict in verdicts:
            self.keep(self.rig.save(f"ref-{next(self.numbers)}"), verdict)

    @rule(name=st.sampled_from(["draft-a", "draft-b"]))
    def autosave(self, name: str) -> None:
        """The copy of a draft replaces the copy before."""
        op_id = self.rig.hold(name)
        self.before.pop(self.held.get(name, op_id), None)
        self.held[name] = op_id

    @precondition(lambda self: self.held)
    @rule(verdict=st.sampled_from(VERDICTS))
    def finish_draft(self, verdict: Verdict | None) -> None:
        """The referral itself is saved, and its copy goes."""
        name, copy = self.held.popitem()
        self.before.pop(copy, None)
        self.keep(self.rig.save(name), verdict)
        with self.rig.store.read() as tx:
            assert self.rig.outbox.has(tx, ReferralId(name)) is not None
            assert self.rig.outbox.entry(tx, copy) is None, "the copy of a draft that was saved is still there"

    @precondition(lambda self: self.held)
    @rule()
    def wipe(self) -> None:
        """The readable records go, and the copies of drafts go out."""
        with self.rig.store.write() as tx:
            released = self.rig.outbox.release_held(tx)
        with self.rig.store.read() as tx:
            self.rig.outbox.write_files(tx, released)
        assert set(released) == set(self.held.values())
        for op_id in released:
            self.keep(op_id, None)
        self.held.clear()
        self.count("held copy sent")

    @rule(number=st.integers(0, 99))
    def retry(self, number: int) -> None:
        """By hand, of what needs attention."""
        stuck = sorted(
            op_id for op_id, state in self.before.items() if state in (State.NEEDS_ATTENTION, State.QUARANTINED)
        )
        if stuck:
            with self.rig.store.write() as tx:
                self.rig.outbox.move(tx, [stuck[number % len(stuck)]], Event.RETRY)
            self.count("retried")

    @rule()
    def lock_or_unlock(self) -> None:
        self.rig.unlocked = not self.rig.unlocked
        self.count("locked")

    # ------------------------------------------------------------------------------------------------ the road and the process
    @rule(
        trouble=st.sampled_from(TROUBLES),
        kill=st.sampled_from(["", "", "", "commit", "settled", "apply"]),
        at_once=st.booleans(),
    )
    def round(self, trouble: str, kill: str, at_once: bool) -> None:
        asked = len(self.system.requests)
        self.road.trouble, self.rig.kill = trouble, kill
        try:
            result = self.rig.round(at_once=at_once)
        except Kill:
            self.count("killed")
            self.restart()
        else:
            self.rig.kill = ""
            if trouble and not self.road.trouble:
                self.count(f"road: {trouble}")
                assert len(self.system.requests) - asked <= 1 or trouble == "not signed in"
                assert result.problem is not None or trouble == "not signed in", (
                    f"{trouble}, and nothing was said of it"
                )
        self.road.trouble = ""

    @rule()
    def restart(self) -> None:
        self.rig.seed += 1
        self.rig = self.rig.restart()
        with self.rig.store.read() as tx:
            self.rig.outbox.tidy(tx, device=self.rig.device_key.public())

    @rule(minutes=st.sampled_from([0.1, 1, 20, 2000]))
    def wait(self, minutes: float) -> None:
        self.rig.wait(minutes * 60)
        self.system.now = max(self.system.now, self.rig.now)

    # ------------------------------------------------------------------------------------------------ the case system
    @rule(number=st.integers(0, 99), outcome=st.sampled_from([Outcome.ACCEPTED, Outcome.NEEDS_ATTENTION]))
    def judge_later(self, number: int, outcome: Outcome) -> None:
        """What was stored is understood at last."""
        stored = [op_id for (_, op_id), r in self.system.receipts.items() if r.outcome is Outcome.STORED and not r.code]
        if stored:
            self.system.judge(stored[number % len(stored)], outcome)
            self.count("judged later")

    @rule(keep=st.integers(0, 4))
    def restore(self, keep: int) -> None:
        """The case system comes back from a backup."""
        self.system.restore(f"e{next(self.epochs)}", keep=keep)
        self.lost = True
        self.count("restored")

    @rule()
    def rotate_key(self) -> None:
        self.system.rotate_key()
        self.count("key rotated")

    # ------------------------------------------------------------------------------------------------ what must hold
    @precondition(lambda self: self.lost or not UNSENT.isdisjoint(self.before.values()))
    @rule()
    def come_to_rest(self) -> None:
        """A good road, a willing case system, an open vault: everything settles, and stands where the case system says."""
        self.road.trouble = self.rig.kill = ""
        self.rig.unlocked = True
        for op_id, verdict in list(self.system.verdicts.items()):
            if verdict == (Outcome.REFUSED, ProblemCode.INTERNAL):
                del self.system.verdicts[op_id]
        for _ in range(4):
            self.rig.wait(1200)
            self.system.now = max(self.system.now, self.rig.now)
            self.rig.sync()
            self.holds()
        states = self.rig.states()
        assert not [op for op, state in states.items() if state in UNSENT], "not everything settled"
        theirs = {op_id: receipt.outcome for (_, op_id), receipt in self.system.receipts.items()}
        for op_id, state in states.items():
            if state in (State.ACCEPTED, State.STORED, State.NEEDS_ATTENTION):
                assert op_id in theirs, f"{state} here, and the case system does not have it"
            if op_id in theirs and state is not State.REPLACED:
                assert theirs[op_id] in MADE_BY[state], (theirs[op_id], state)
        self.lost = False
        self.count("came to rest")

    @invariant()
    def holds(self) -> None:
        """What is said above."""
        states = self.rig.states()
        for op_id in states.keys() - self.saved.keys() - set(self.held.values()):  # sealed again for a newer key
            self.keep(op_id, None)
        assert states.keys() == self.saved.keys() | set(self.held.values()), "an operation is gone"
        present = self.rig.files.present()
        with self.rig.store.read() as tx:
            self.rig.outbox.verify(tx)
            envelopes = {op_id: self.rig.outbox.envelope(tx, op_id) for op_id in self.saved}
        assert envelopes == self.saved, "sealed bytes changed"
        for op_id, state in states.items():
            if state in MADE_BY and self.before.get(op_id) is not state:
                seen = self.road.given.get(op_id, set())
                assert seen & set(MADE_BY[state]), f"{state} without a receipt that says so"
                self.count(state.value)
            if state is State.REOFFERED and self.before.get(op_id) is not state:
                assert Outcome.ACCEPTED in self.road.given[op_id]
                self.count("reoffered")
            if state in (State.WAITING, State.STORED, State.NEEDS_ATTENTION, State.QUARANTINED):
                assert op_id in present, f"no file of an operation that is {state}"
        self.before = states

    def keep(self, op_id: OpId, verdict: Verdict | None) -> None:
        """Remember the bytes, and what the case system will say."""
        with self.rig.store.read() as tx:
            envelope = self.rig.outbox.envelope(tx, op_id)
        assert envelope is not None
        self.saved[op_id] = envelope
        if verdict is not None:
            self.system.verdicts[op_id] = verdict
