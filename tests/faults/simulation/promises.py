"""What must be true when a case has come to rest: nothing lost, nothing doubled, nothing stuck, each picture the truth.

Each function is one promise over the whole case; a breach names its invariant. Files are scanned for the canary only roughly here:
what is on disk is T7's business.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from case_system.store import exports
from case_system.views import view
from field_app.holdings import Holdings
from field_app.sync.machine import State
from field_app.vault.errors import VaultError
from referral.codec import to_wire
from referral.lifecycle import Role
from referral.model import ReferralId
from referral.port import Outcome
from referral.problems import ProblemCode
from tests.faults.simulation.acts import CANARY
from tests.faults.simulation.decisions import DECISIONS

if TYPE_CHECKING:
    from tests.faults.simulation.phone import Phone
    from tests.faults.simulation.world import World

Paper = dict[str, Any]
_STATE_OF: Final = {
    Outcome.ACCEPTED.value: State.ACCEPTED,
    Outcome.STORED.value: State.STORED,
    Outcome.NEEDS_ATTENTION.value: State.NEEDS_ATTENTION,
    Outcome.REFUSED.value: State.QUARANTINED,
}


class Truth:
    """The case system's file when all is over."""

    def __init__(self, world: World) -> None:
        with world.central.engine.connect() as db:

            def rows(sql: str) -> list[dict[str, Any]]:
                return [dict(row) for row in db.exec_driver_sql(sql).mappings()]

            self.papers = rows(
                "SELECT device_id, op_id, fingerprint, outcome, code, receipt, referral_id, op, base, nonce, revision FROM operations"
            )
            self.referrals = rows(
                "SELECT referral_id, revision, merged_into, episode, pair, flags, provisional FROM referrals"
            )
            self.notices = rows(
                "SELECT notice_id, referral_id, recipient, kind, round, announced OR state NOT IN ('staged', 'sent') AS told FROM notices"
            )
            self.pairs = rows("SELECT pair, enrolled FROM pairs")
            self.matters = rows(
                "SELECT matter_id, referral_id, flag, why, op, user_id, settled_at, settled_by, decision FROM matters"
            )
            self.likenesses = rows("SELECT referral_id, other_id, decision FROM likenesses")
            self.lines = rows("SELECT referral_id, what, code FROM timeline")
        self.by_number = {(p["device_id"], p["op_id"]): p for p in self.papers}
        self.acts = {(p["referral_id"], p["base"], p["nonce"]): p for p in self.papers if p["nonce"] is not None}


def check(world: World) -> None:
    """Every promise."""
    truth = Truth(world)
    for promise in PROMISES:
        promise(world, truth)


def nothing_lost(world: World, truth: Truth) -> None:
    """S1, S3, S7: each saved operation has its permanent receipt, under its own number and bytes, or under its successor's."""
    for phone in world.phones:
        states = phone.states()
        mine = [p for p in world.watch.promises.values() if p.phone == phone.index]
        with phone.device.store.read() as tx:
            rows = phone.device.outbox.rows(tx, [p.op_id for p in mine])
        for promise in mine:
            row = rows.get(promise.op_id)
            world.demand(row is not None, f"S7: phone {phone.index} has no row of an operation that it promised")
            if row is None:
                continue
            if states[promise.op_id] is State.WAITING and beyond_help(world, phone):
                continue
            paper = truth.by_number.get((phone.device_id, promise.op_id))
            if states[promise.op_id] is State.REPLACED:
                act = truth.acts.get((promise.referral_id, promise.base, promise.nonce))
                world.demand(
                    act is not None or phone.revoked, "S3: an operation was sealed again and never arrived: lost"
                )
                continue
            world.demand(
                paper is not None, f"S3: phone {phone.index}: the case system has no receipt of a saved operation: lost"
            )
            if paper is not None:
                world.demand(
                    paper["fingerprint"] == row.fingerprint.hex(),
                    "S5: the case system has other bytes under the number",
                )


def nothing_stuck(world: World, truth: Truth) -> None:
    """Nothing waits on a device; what the case system parked, it parked for a reason that time cannot change."""
    for phone in world.phones:
        for op_id, state in phone.states().items():
            if state in (State.WAITING, State.REOFFERED):
                world.demand(beyond_help(world, phone), f"phone {phone.index}: an operation is stuck in {state.value}")
            elif state is State.QUARANTINED:
                with phone.device.store.read() as tx:
                    entry = phone.device.outbox.entry(tx, op_id)
                world.demand(
                    entry is not None and entry.reason is not None, "S7: something is in quarantine without a reason"
                )
    held = {p["device_id"] for p in truth.papers if p["code"] == ProblemCode.DEVICE_REVOKED.value}
    for paper in truth.papers:
        if paper["outcome"] != Outcome.STORED.value or paper["device_id"] in held:
            continue
        created = any(
            p["referral_id"] == paper["referral_id"] and p["op"] == "create" and p["outcome"] == "accepted"
            for p in truth.papers
        )
        fine = paper["code"] == ProblemCode.REFERRAL_UNKNOWN.value and not created
        fine = fine and (any(phone.revoked for phone in world.phones) or _with_a_person(world, paper["referral_id"]))
        world.demand(fine, f"an operation is parked for ever: {paper['code']} ({paper['op']})")


def _with_a_person(world: World, referral_id: str) -> bool:
    """Whether the referral itself lies in quarantine on its maker's device, which shows it with its reason."""
    made = [p for p in world.watch.promises.values() if p.referral_id == referral_id and p.base == 0]
    return any(world.phones[p.phone].states().get(p.op_id) is State.QUARANTINED for p in made)


def nothing_doubled(world: World, truth: Truth) -> None:
    """S3, S10: each act counted once in its referral's revision, in one unbroken row of numbers (opening on a call code is the first).

    What was done under the id of a handoff that a referral has taken over counts in that referral from then on.
    """
    revisions: dict[str, Counter[int]] = defaultdict(Counter)
    for paper in truth.papers:
        if paper["revision"] is not None and paper["nonce"] is not None:
            revisions[paper["referral_id"]][paper["revision"]] += 1
    for referral in truth.referrals:
        if referral["merged_into"] is not None:
            continue
        taken_over = [r for r in truth.referrals if r["merged_into"] == referral["referral_id"]]
        counted, due = Counter[int](), Counter[int]()
        for one in (referral, *taken_over):
            counted += revisions[one["referral_id"]]
            due += Counter(range(1 + one["provisional"], one["revision"] + 1))
        world.demand(
            counted == due,
            f"S3: effects and receipts disagree: {sorted(counted.elements())} of {sorted(due.elements())}",
        )


def delivery_is_honest(world: World, truth: Truth) -> None:
    """S17: each device's word on its operations is the case system's."""
    for phone in world.phones:
        if phone.session is None or phone.revoked:
            continue
        for op_id, state in phone.states().items():
            paper = truth.by_number.get((phone.device_id, op_id))
            if paper is None or state is State.REPLACED:
                continue
            wanted = _STATE_OF[paper["outcome"]]
            world.demand(
                state is wanted,
                f"S17: phone {phone.index} says {state.value} of what is {wanted.value} ({paper['code']})",
            )


def pictures_are_true(world: World, truth: Truth) -> None:
    """S11, S13: what an open device holds is what a fresh look at the case system shows."""
    for phone in world.phones:
        session = phone.session
        if session is None or phone.revoked:
            continue
        views, notices = _truth_for(world, truth, phone)
        held: Holdings = session.holdings
        world.demand(
            {i: row.data for i, row in held.views.items()} == views,
            f"S11: phone {phone.index} shows another picture than the truth",
        )
        mine = {i: to_wire(view) for i, (_, view) in held.notices.items()}
        world.demand(mine == notices, f"S11: phone {phone.index} shows other notices than there are")
        kinds = Counter((n["referral_id"], n["kind"], n["round"]) for n in mine.values())
        world.demand(all(n == 1 for n in kinds.values()), f"S16: phone {phone.index} has a notice twice")
        world.demand(not _own_steps_left(phone), f"phone {phone.index} still projects a step that was answered")


def _truth_for(world: World, truth: Truth, phone: Phone) -> tuple[dict[str, Any], dict[str, Any]]:
    """What this device's person may see, by the tables themselves and not by the feed: views and notices in wire form."""
    user = phone.device.binding.user
    with world.central.database.read() as reading:
        users = reading.users()
        ids = [ReferralId(r["referral_id"]) for r in truth.referrals]
        seen = reading.visible(user, ids)
        records = reading.records(seen, opened=users[user].role is not Role.OFFICER)
        lines = reading.timelines(seen)
        notices = reading.notices([n["notice_id"] for n in truth.notices if n["recipient"] == user and n["told"]])
    views = {i: to_wire(view(record, users[user], users, lines.get(i, ()))) for i, record in records.items()}
    return {str(i): wire for i, wire in views.items()}, {i: to_wire(notice) for i, notice in notices.items()}


def _own_steps_left(phone: Phone) -> bool:
    """Whether an accepted own step stays on top of a view that shows it."""
    session = phone.session
    assert session is not None
    states = phone.states()
    for referral_id, steps in session.holdings.steps.items():
        view = session.holdings.view(ReferralId(referral_id))
        if view is not None and any(states.get(s.op_id) is State.ACCEPTED and s.base < view.revision for s in steps):
            return True
    return False


def notices_once(world: World, truth: Truth) -> None:
    """S16: once per referral, recipient, kind and round; outside, again only where a crash left no record of the first."""
    kinds = Counter((n["referral_id"], n["recipient"], n["kind"], n["round"]) for n in truth.notices)
    world.demand(all(n == 1 for n in kinds.values()), "S16: a notice is doubled")
    again = sum(n - 1 for n in world.central.recorder.sent.values())
    world.demand(again <= world.central.crashes_while_ringing, "S16: a message went out twice without a crash")
    world.demand(not any(CANARY in line for line in world.central.recorder.lines), "a message names somebody")


def caps_hold(world: World, truth: Truth) -> None:
    """S19: no pair is over its cap, and each counts the people that it has."""
    cap = world.central.template.programme.caps.caseload_hard
    for pair in truth.pairs:
        world.demand(pair["enrolled"] <= cap, "a pair is over its cap")
    flagged = {r["referral_id"] for r in truth.referrals}
    for paper in truth.papers:
        if paper["outcome"] == Outcome.NEEDS_ATTENTION.value and paper["nonce"] is not None:
            world.demand(paper["referral_id"] in flagged, "S19: an operation needs attention on nothing")


def nothing_overwritten(world: World, truth: Truth) -> None:
    """S10, S12: every accepted amendment is kept beside the others; none wins over another by its clock or its coming late."""
    amended = Counter(
        p["referral_id"] for p in truth.papers if p["op"] == "amend" and p["outcome"] == "accepted" and p["nonce"] is not None
    )  # fmt: skip
    if not amended:
        return
    with world.central.database.read() as reading:
        records = reading.records([ReferralId(i) for i in amended], opened=True)
    for referral_id, n in amended.items():
        record = records[ReferralId(referral_id)]
        kept = len(record.amendments)
        world.demand(record.tally or kept == n, f"S12: {n} amendments were accepted and {kept} are kept")


def trail_is_whole(world: World, truth: Truth) -> None:
    """The audit chain verifies."""
    verdict = exports.audit_verdict(world.central.engine)
    world.demand(verdict.bad_row is None, f"the audit trail is broken at its row: {verdict.reason}")


def files_are_sound(world: World, truth: Truth) -> None:
    """Each device's outbox and vault are whole, and its file is written as S1 asks."""
    for phone in world.phones:
        full = phone.device.store.database.conn.execute("PRAGMA synchronous").fetchone()[0]
        world.demand(full == 2, "S1: the device's file is not written at synchronous=FULL")
        try:
            with phone.device.store.read() as tx:
                phone.device.outbox.verify(tx)
            if phone.session is not None:
                phone.session.records.verify()
        except VaultError as error:
            world.demand(False, f"S7: phone {phone.index}: rows are missing or others: {type(error).__name__}")


def no_canary(world: World, truth: Truth) -> None:
    """No file at rest holds what was typed."""
    canary = CANARY.encode()
    for folder, folders, names in os.walk(world.central.template.case):
        folders[:] = [name for name in folders if name != "programme"]
        for name in names:
            if not name.startswith("backup"):
                with open(os.path.join(folder, name), "rb") as file:
                    world.demand(canary not in file.read(), f"plaintext in {name}")


def beyond_help(world: World, phone: Phone) -> bool:
    """Whether what waits here cannot be sealed again for now: its key was destroyed while the vault is shut, and not wiped."""
    return world.retired and phone.session is None and not phone.device.binding.wiped


PROMISES: Final[tuple[Callable[[World, Truth], None], ...]] = (
    nothing_lost, nothing_stuck, nothing_doubled, delivery_is_honest, pictures_are_true, notices_once, caps_hold, nothing_overwritten, trail_is_whole,
    files_are_sound, no_canary, *DECISIONS,
)  # fmt: skip
