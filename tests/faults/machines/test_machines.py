"""T8: the machines find nothing in the product, and find what is planted in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest

from case_system import admission, audit, effects, views
from case_system.assignment import choose
from field_app.store import records
from field_app.sync import engine
from field_app.sync.machine import Event
from field_app.vault import attempts, manifest
from field_app.vault.attempts import Attempts
from referral.envelope import ServerPublicKey
from referral.operations import Op
from referral.views import Happening
from tests.faults.machines.audit_chain import AuditChain
from tests.faults.machines.caseloads import Caseloads
from tests.faults.machines.consent import Consent
from tests.faults.machines.delivery import Delivery
from tests.faults.machines.driving import BLOCK, Machine, run_block, run_in_turn
from tests.faults.machines.guessing import Guessing
from tests.faults.machines.part import MACHINES, PART, TURNS, demand
from tests.faults.machines.vault_and_dict import VaultAndDict
from tests.proof.part import Tally, in_ci, require_clean

Plant = Callable[[pytest.MonkeyPatch], None]


@pytest.mark.parametrize(("first", "count"), in_ci(PART, 5))
def test_no_machine_finds_anything(first: int, count: int) -> None:
    require_clean(PART, PART.run(first, count))


def no_mirror(patch: pytest.MonkeyPatch) -> None:
    """An old file put back passes, if its rows are whole."""
    compare = manifest.compare
    patch.setattr(manifest, "compare", lambda key, book, state, rows, mirror: compare(key, book, state, rows, 0))


def uncounted_drop(patch: pytest.MonkeyPatch) -> None:
    """Rows that go stay in the manifest."""
    advance = manifest.advance
    patch.setattr(manifest, "advance", lambda key, book, state, removed, added: advance(key, book, state, (), added))


def stale_generation(patch: pytest.MonkeyPatch) -> None:
    """The generation that another process wrote is not remembered at the lock (found by this machine)."""

    def refresh(self: records.Records) -> bool:
        before = self.generation
        changed = original(self)
        self.generation = before
        return changed

    original = records.Records.refresh
    patch.setattr(records.Records, "refresh", refresh)


def counter_in_one_place(patch: pytest.MonkeyPatch) -> None:
    """Only the file counts, so putting it back gains tries."""
    load = attempts.load
    patch.setattr(attempts, "load", lambda places, now: load(places[-1:], now))


def a_kill_is_a_wrong_answer(patch: pytest.MonkeyPatch) -> None:
    """The wrong answer is counted before the key derivation."""
    start = Attempts.start
    patch.setattr(Attempts, "start", lambda self, now: replace(start(self, now), wrong=self.wrong + 1))
    patch.setattr(Attempts, "fail", lambda self: self)


def release_forgets_wrong_answers(patch: pytest.MonkeyPatch) -> None:
    """A guesser with a release every five tries guesses for ever."""
    patch.setattr(Attempts, "released", lambda self: Attempts())


def unsigned_receipts(patch: pytest.MonkeyPatch) -> None:
    """Any answer is believed."""
    patch.setattr(ServerPublicKey, "verify", lambda self, domain, message, signature: None)


def refused_means_waiting(patch: pytest.MonkeyPatch) -> None:
    """A final refusal is offered again for ever."""
    verdict = engine.verdict
    final = Event.RECEIPT_REFUSED
    patch.setattr(engine, "verdict", lambda receipt: None if (event := verdict(receipt)) is final else event)


def no_reoffer(patch: pytest.MonkeyPatch) -> None:
    """A case system that came back from a backup is not offered again what it lost."""
    patch.setattr(engine.SyncEngine, "_reoffer", lambda self, tx, now, carriage, request, response: replace(carriage, epoch=response.epoch, cursor=carriage.cursor if carriage.epoch == response.epoch else None))  # fmt: skip


def outcome_left_out(patch: pytest.MonkeyPatch) -> None:
    """The audit hash leaves out how it ended."""
    row_hash = audit.row_hash
    patch.setattr(audit, "row_hash", lambda n, at, deed, prev: row_hash(n, at, replace(deed, outcome="done"), prev))


def head_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    """An audit trail may be cut off."""
    verify = audit.verify

    def blind(rows: Iterable[Any], _n: int, _hash: str) -> audit.Verdict:
        kept = list(rows)
        return verify(kept, *((kept[-1]["n"], kept[-1]["hash"]) if kept else (0, audit.START)))

    patch.setattr("case_system.store.exports.verify", blind)


def a_late_release_opens(patch: pytest.MonkeyPatch) -> None:
    """A release that arrives after its last day opens to police (found by this machine)."""
    release = effects._release

    def effect(turn: Any, body: Any) -> None:
        release(turn, body)
        turn.change(police_released=body.event == "signed" and "police" in body.parties)

    patch.setitem(effects._EFFECTS, Op.RELEASE, effect)


def intake_in_the_timeline(patch: pytest.MonkeyPatch) -> None:
    """Police read of the intake without a release."""
    patch.setattr(views, "CLINICAL", views.CLINICAL - {Happening.INTAKE_COMPLETE})


def one_more_than_the_cap(patch: pytest.MonkeyPatch) -> None:
    """A pair takes one person too many."""
    patch.setattr(admission, "choose", lambda pairs, *, cap, **more: choose(pairs, cap=cap + 1, **more))


def counted_twice(patch: pytest.MonkeyPatch) -> None:
    """One person with two referrals takes two places."""
    patch.setattr(admission, "choose", lambda pairs, *, own, **more: choose(pairs, own=None, **more))


@pytest.mark.parametrize(
    ("machine", "plant"),
    [
        (VaultAndDict, no_mirror),
        (VaultAndDict, uncounted_drop),
        (VaultAndDict, stale_generation),
        (Guessing, counter_in_one_place),
        (Guessing, a_kill_is_a_wrong_answer),
        (Guessing, release_forgets_wrong_answers),
        (Delivery, unsigned_receipts),
        (Delivery, refused_means_waiting),
        (Delivery, no_reoffer),
        (AuditChain, outcome_left_out),
        (AuditChain, head_not_looked_at),
        (Consent, a_late_release_opens),
        (Consent, intake_in_the_timeline),
        (Caseloads, one_more_than_the_cap),
        (Caseloads, counted_twice),
    ],
    ids=lambda value: value.__name__,
)
def test_a_planted_defect_is_found(machine: type[Machine], plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    for number in range(15):
        block, wrong = run_block(machine, number, BLOCK, shorten=False)
        if wrong:
            assert wrong.startswith(f"{machine.title}: ")
            assert 1 <= block.failed_at <= BLOCK
            return
    raise AssertionError("fifteen blocks, and nothing was found")


def test_a_case_alone_is_the_case_in_its_block() -> None:
    """The same number runs the same example."""

    def rolls(tally: Tally) -> dict[str, int]:
        return dict(tally.counts)

    audited = TURNS.index(AuditChain) * BLOCK
    assert rolls(run_in_turn(TURNS, audited, BLOCK)) == rolls(run_in_turn(TURNS, audited, BLOCK))
    assert run_in_turn(TURNS, audited + 3, 2).cases == 2


def test_what_was_never_met_is_said() -> None:
    everything = {f"{machine.title}: {what}": 1 for machine in MACHINES for what in machine.needed}
    assert demand(Tally(cases=1, counts=everything)) == []
    everything.pop("delivery: reoffered")
    assert demand(Tally(cases=1, counts=everything)) == ["delivery: never met: reoffered"]
