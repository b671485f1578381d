"""The rounds of a delivery against an honest case system, and everything that may come between (S2 to S19)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from field_app.sync.backoff import FRESH
from field_app.sync.machine import Event, State
from field_app.vault.errors import VaultLocked
from referral.envelope import ServerSigningKey
from referral.model import DeviceId
from referral.port import (
    BATCH_ITEMS,
    SIGNATURE_DOMAIN,
    DeviceOrders,
    DeviceState,
    Outcome,
    PackDelivery,
    Receipt,
    Refused,
    SyncRequest,
    SyncResponse,
    signed_bytes,
)
from referral.problems import ProblemCode
from tests.field_app.sync.rig import NOON, Kill, Rig
from tests.support.memory_case_system import MemoryCaseSystem

LEASE = NOON + timedelta(days=14)


def refusing(code: ProblemCode, retry_after_s: float | None = None) -> Callable[[SyncRequest], None]:
    def before(request: SyncRequest) -> None:
        raise Refused(code, retry_after_s=retry_after_s)

    return before


# ---------------------------------------------------------------------------------------------------- the plain way
def test_one_referral_takes_one_request_both_ways(rig: Rig, server: MemoryCaseSystem) -> None:
    op_id = rig.save("ref-1")
    server.publish(2)
    result = rig.round()
    assert len(server.requests) == 1
    assert rig.state(op_id) is State.ACCEPTED
    assert (result.answered, result.pulled, result.problem) == ({op_id: State.ACCEPTED}, 3, None)
    assert [operation.referral_id for operation in server.applied] == ["ref-1"]
    assert rig.applied() == [1, 2, 3]
    assert rig.carriage().cursor == "e1:3"
    rig.verify()


def test_the_side_file_goes_and_the_sealed_bytes_stay(rig: Rig) -> None:
    op_id = rig.save()
    assert rig.files.present() == {op_id}
    rig.round()
    assert rig.files.present() == frozenset()
    with rig.store.read() as tx:
        assert rig.outbox.envelope(tx, op_id) is not None


def test_nothing_doubles_when_all_is_sent_again(rig: Rig, server: MemoryCaseSystem) -> None:
    rig.save_many(5)
    assert rig.sync().accepted == 5
    with rig.store.write() as tx:
        rig.outbox.reoffer(tx, (State.ACCEPTED,))
    report = rig.sync()
    assert (report.sent, report.accepted, report.waiting) == (5, 5, 0)
    assert len(server.applied) == 5


def test_the_counts_of_a_call_are_disjoint(rig: Rig, server: MemoryCaseSystem) -> None:
    a, b, c, d, e = rig.save_many(5)
    server.verdicts = {
        b: (Outcome.STORED, ProblemCode.REFERRAL_UNKNOWN),
        c: (Outcome.NEEDS_ATTENTION, ProblemCode.NOT_POSSIBLE_NOW),
        d: (Outcome.REFUSED, ProblemCode.NOT_PERMITTED),
        e: (Outcome.REFUSED, ProblemCode.BUSY),
    }
    report = rig.sync()
    assert (report.sent, report.stored, report.accepted, report.needs_attention, report.waiting) == (5, 1, 1, 2, 1)
    assert rig.states() == {
        a: State.ACCEPTED,
        b: State.STORED,
        c: State.NEEDS_ATTENTION,
        d: State.QUARANTINED,
        e: State.WAITING,
    }
    with rig.store.read() as tx:
        reasons = {entry.op_id: entry.reason for entry in rig.outbox.entries(tx)}
    assert reasons == {b: "referral_unknown", c: "not_possible_now", d: "not_permitted", e: "busy"}
    assert rig.sync().sent == 1  # e alone is offered again
    rig.verify()


def test_what_was_stored_is_settled_through_the_feed(rig: Rig, server: MemoryCaseSystem) -> None:
    op_id = rig.save()
    server.verdicts[op_id] = (Outcome.STORED, ProblemCode.UNKNOWN_VERSION)
    rig.round()
    assert rig.state(op_id) is State.STORED
    assert rig.files.present() == {op_id}
    server.judge(op_id, Outcome.ACCEPTED)
    report = rig.sync()
    assert (report.sent, report.accepted) == (0, 1)
    assert rig.state(op_id) is State.ACCEPTED
    assert rig.files.present() == frozenset()


def test_a_change_with_a_receipt_for_other_bytes_means_nothing(rig: Rig, server: MemoryCaseSystem) -> None:
    op_id = rig.save()
    server.verdicts[op_id] = (Outcome.STORED, None)
    rig.round()
    server.judge(op_id, Outcome.ACCEPTED)
    receipt = server.feed[-1].receipt
    assert receipt is not None
    server.feed[-1] = replace(server.feed[-1], receipt=replace(receipt, fingerprint="cd" * 32))
    rig.sync()
    assert rig.state(op_id) is State.STORED


def test_a_result_and_its_later_receipt_in_one_answer_end_accepted(rig: Rig, server: MemoryCaseSystem) -> None:
    op_id = rig.save()
    server.verdicts[op_id] = (Outcome.STORED, None)
    judged: list[bool] = []

    def judge_while_answering(response: SyncResponse) -> SyncResponse | None:
        if judged:
            return None
        judged.append(True)
        server.judge(op_id, Outcome.ACCEPTED)
        return replace(response, changes=(*response.changes, server.feed[-1]), cursor=f"e1:{len(server.feed)}")

    server.after = judge_while_answering
    rig.round()
    assert rig.state(op_id) is State.ACCEPTED


def test_more_pages_are_pulled_until_quiet(rig: Rig, server: MemoryCaseSystem) -> None:
    server.page = 3
    server.publish(8)
    assert rig.round().more
    assert rig.sync().pulled == 5
    assert rig.applied() == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_case_system_that_always_promises_more_is_not_asked_for_ever(rig: Rig, server: MemoryCaseSystem) -> None:
    server.after = lambda response: replace(response, more=True)
    rig.sync()
    assert len(server.requests) <= 3


def test_batches_are_bounded_and_oldest_first(rig: Rig, server: MemoryCaseSystem) -> None:
    saved = rig.save_many(BATCH_ITEMS + 3)
    rig.round()
    assert len(server.requests[0].envelopes) == BATCH_ITEMS
    rig.round()
    assert len(server.requests[1].envelopes) == 3
    assert [o.referral_id for o in server.applied] == [rig.plain[op_id].referral_id for op_id in saved]


# ---------------------------------------------------------------------------------------------------- lost on the way
def test_a_lost_reply_is_answered_again_and_applied_once(rig: Rig, server: MemoryCaseSystem) -> None:
    op_id = rig.save()
    server.lose_replies = 2  # the transport may ask once more by itself
    result = rig.round()
    assert (result.problem, rig.state(op_id)) == (ProblemCode.NO_CONNECTION, State.WAITING)
    server.lose_replies = 0
    rig.wait(3600)
    rig.round()
    assert rig.state(op_id) is State.ACCEPTED
    assert len(server.applied) == 1
    assert len({request.envelopes for request in server.requests}) == 1  # the same bytes each time (S2)


@pytest.mark.parametrize("place", ["settled", "commit", "apply"])
def test_a_kill_between_the_answer_and_commit_loses_and_doubles_nothing(
    rig: Rig, server: MemoryCaseSystem, place: str
) -> None:
    op_id = rig.save()
    server.publish(3)
    rig.kill = place
    with pytest.raises(Kill):
        rig.round()
    rig = rig.restart()
    assert (rig.applied(), rig.carriage().cursor) == ([], None)  # S11: never the one without the other
    assert rig.state(op_id) is (State.ACCEPTED if place == "apply" else State.WAITING)
    rig.verify()
    rig.sync()
    assert (rig.applied(), rig.carriage().cursor) == ([1, 2, 3, 4], "e1:4")
    assert rig.state(op_id) is State.ACCEPTED
    assert len(server.applied) == 1
    rig.verify()
    rig.store.close()


def test_an_item_without_a_result_is_offered_again_with_a_wait_of_its_own(rig: Rig, server: MemoryCaseSystem) -> None:
    a, b = rig.save_many(2)
    server.after = lambda response: replace(response, results=tuple(r for r in response.results if r.op_id != b))
    rig.round()
    assert rig.states() == {a: State.ACCEPTED, b: State.WAITING}
    server.after = None
    rig.wait(3600)
    assert rig.round().answered == {b: State.ACCEPTED}


def test_results_in_another_order_and_twice_reach_their_items(rig: Rig, server: MemoryCaseSystem) -> None:
    a, b = rig.save_many(2)
    server.verdicts[b] = (Outcome.STORED, None)
    server.after = lambda response: replace(response, results=(*reversed(response.results), *response.results))
    rig.round()
    assert rig.states() == {a: State.ACCEPTED, b: State.STORED}


@pytest.mark.parametrize("field", ["op_id", "fingerprint"])
def test_a_receipt_for_other_bytes_or_another_operation_means_nothing(
    rig: Rig, server: MemoryCaseSystem, field: str
) -> None:
    op_id = rig.save()
    changed = {"op_id": "ab" * 16} if field == "op_id" else {"fingerprint": "cd" * 32}
    server.after = lambda response: replace(
        response,
        results=tuple(replace(r, **changed) for r in response.results),  # type: ignore[arg-type]
    )
    rig.round()
    assert rig.state(op_id) is State.WAITING


# ---------------------------------------------------------------------------------------------------- not the agency
def test_an_answer_that_is_not_signed_by_our_case_system_counts_for_nothing(rig: Rig, server: MemoryCaseSystem) -> None:
    op_id = rig.save()
    server.publish(1)
    other = ServerSigningKey.generate()
    server.tamper = lambda r: replace(r, signature=other.sign(SIGNATURE_DOMAIN, signed_bytes(r)))
    result = rig.round()
    assert (result.problem, rig.state(op_id)) == (ProblemCode.NOT_THE_AGENCY, State.WAITING)
    assert (rig.applied(), rig.carriage().cursor, rig.obeyed) == ([], None, [])


@pytest.mark.parametrize(
    "tamper",
    [
        lambda r: replace(r, epoch="e2"),
        lambda r: replace(r, results=tuple(replace(x, outcome=Outcome.STORED) for x in r.results)),
        lambda r: replace(r, device=replace(r.device, wipe=True)),
        lambda r: replace(r, signature=b""),
        lambda r: replace(r, signature=r.signature[:-1] + bytes([r.signature[-1] ^ 1])),
    ],
)
def test_a_changed_answer_counts_for_nothing(
    rig: Rig, server: MemoryCaseSystem, tamper: Callable[[SyncResponse], SyncResponse]
) -> None:
    op_id = rig.save()
    server.tamper = tamper
    assert rig.round().problem is ProblemCode.NOT_THE_AGENCY
    assert (rig.state(op_id), rig.obeyed) == (State.WAITING, [])


def test_an_old_answer_cannot_be_played_again(rig: Rig, server: MemoryCaseSystem) -> None:
    op_id = rig.save()
    heard: list[SyncResponse] = []

    def record(response: SyncResponse) -> SyncResponse:
        heard.append(response)
        return replace(response, signature=b"")

    server.tamper = record
    rig.round()
    server.tamper = lambda response: heard[0]
    rig.wait(3600)
    assert rig.round().problem is ProblemCode.NOT_THE_AGENCY
    assert rig.state(op_id) is State.WAITING


def test_an_answer_to_another_device_counts_for_nothing(rig: Rig, server: MemoryCaseSystem) -> None:
    op_id = rig.save()
    server.after = lambda response: replace(response, device_id=DeviceId("ab" * 16))
    assert rig.round().problem is ProblemCode.NOT_THE_AGENCY
    assert rig.state(op_id) is State.WAITING


# ---------------------------------------------------------------------------------------------------- refusals and waits
@pytest.mark.parametrize(
    "code",
    [
        ProblemCode.NOT_SIGNED_IN,
        ProblemCode.NOT_PERMITTED,
        ProblemCode.DEVICE_REVOKED,
        ProblemCode.RATE_LIMITED,
        ProblemCode.BUSY,
        ProblemCode.INTERNAL,
        ProblemCode.MALFORMED,
        ProblemCode.TOO_LARGE,
    ],
)
def test_a_refused_request_pauses_the_queue_and_never_the_items(
    rig: Rig, server: MemoryCaseSystem, code: ProblemCode
) -> None:
    saved = rig.save_many(3)
    server.before = refusing(code)
    assert rig.round().problem is code
    assert set(rig.states().values()) == {State.WAITING}
    assert rig.carriage().problem is code
    server.before = None
    rig.wait(3600)
    rig.sync()
    assert rig.states() == dict.fromkeys(saved, State.ACCEPTED)
    assert rig.carriage().problem is None


def test_a_wait_is_kept_over_a_restart_and_a_tap_ignores_it(rig: Rig, server: MemoryCaseSystem) -> None:
    rig.save()
    server.before = refusing(ProblemCode.BUSY, 600)
    rig.round()
    rig = rig.restart()
    asked = len(server.requests)
    assert rig.round().problem is ProblemCode.BUSY
    assert len(server.requests) == asked
    due = rig.engine.next_due(rig.now)
    assert due is not None
    assert timedelta(seconds=600) <= due - rig.now <= timedelta(seconds=660)
    server.before = None
    assert rig.round(at_once=True).problem is None
    assert rig.engine.next_due(rig.now) is None
    rig.store.close()


def test_a_clock_that_is_put_back_does_not_lengthen_a_wait(rig: Rig, server: MemoryCaseSystem) -> None:
    rig.save()
    server.before = refusing(ProblemCode.BUSY, 600)
    rig.round()
    rig.now -= timedelta(days=400)
    assert rig.engine.next_due(rig.now) == rig.now
    server.before = None
    assert rig.round().problem is None


def test_next_due_waits_for_an_item_and_for_the_queue(rig: Rig, server: MemoryCaseSystem) -> None:
    assert rig.engine.next_due(rig.now) is None
    assert rig.engine.next_due(rig.now, pull=True) == rig.now
    op_id = rig.save()
    assert rig.engine.next_due(rig.now) == rig.now
    server.verdicts[op_id] = (Outcome.REFUSED, ProblemCode.BUSY)
    rig.seed = 7
    rig.round()
    due = rig.engine.next_due(rig.now)
    assert due is not None
    assert due <= rig.now + timedelta(seconds=2)


def test_a_read_token_that_is_no_longer_good_does_not_hold_up_sending(rig: Rig, server: MemoryCaseSystem) -> None:
    op_id = rig.save()
    server.publish(1)
    rig.read_token = "read-expired"
    assert rig.round().problem is None
    assert rig.state(op_id) is State.ACCEPTED
    assert (rig.applied(), rig.carriage().cursor) == ([], None)
    assert server.tokens == ["read-expired", rig.append_token]


def test_a_revoked_device_still_delivers_and_receives_only_its_orders(rig: Rig, server: MemoryCaseSystem) -> None:
    op_id = rig.save()
    server.orders = DeviceOrders(state=DeviceState.REVOKED, lease_until=LEASE)
    server.verdicts[op_id] = (Outcome.STORED, ProblemCode.DEVICE_REVOKED)
    rig.round()
    assert rig.state(op_id) is State.STORED
    assert rig.carriage().revoked


# ---------------------------------------------------------------------------------------------------- poisoned items
def poisoned(server: MemoryCaseSystem, poison: bytes, code: ProblemCode) -> None:
    def before(request: SyncRequest) -> None:
        if poison in request.envelopes:
            raise Refused(code)

    server.before = before


@pytest.mark.parametrize("code", [ProblemCode.INTERNAL, ProblemCode.MALFORMED, ProblemCode.TOO_LARGE])
@pytest.mark.parametrize("at", [0, 11, 39])
def test_one_poisoned_item_is_found_and_holds_nobody_up(
    rig: Rig, server: MemoryCaseSystem, code: ProblemCode, at: int
) -> None:
    saved = rig.save_many(40)
    with rig.store.read() as tx:
        poison = rig.outbox.envelope(tx, saved[at])
    assert poison is not None
    poisoned(server, poison, code)
    report = rig.sync()
    assert (report.accepted, report.waiting) == (39, 1)
    assert rig.state(saved[at]) is State.WAITING  # S4: only a signed word could have moved it
    with rig.store.read() as tx:
        (entry,) = rig.outbox.entries(tx)
    assert (entry.op_id, entry.reason) == (saved[at], code)
    assert len(server.requests) < 25
    # what comes later is not held up, whether the poison is due again or not
    rig.wait(3600)
    later = rig.save_many(3)
    rig.round()
    assert {rig.state(op_id) for op_id in later} == {State.ACCEPTED}
    # and a case system that was mended takes it
    server.before = None
    assert rig.sync().accepted == 1


def test_a_batch_is_halved_by_the_worker_too_and_grows_again(rig: Rig, server: MemoryCaseSystem) -> None:
    rig.save_many(8)
    server.before = lambda request: (
        (_ for _ in ()).throw(Refused(ProblemCode.TOO_LARGE)) if len(request.envelopes) > 2 else None
    )
    sizes = []
    while State.WAITING in rig.states().values():
        rig.wait(3600)
        rig.round()
        sizes.append(len(server.requests[-1].envelopes))
    assert sizes == [8, 4, 2, 4, 2, 2, 2] or sizes[:3] == [8, 4, 2]
    assert set(rig.states().values()) == {State.ACCEPTED}
    server.before = None
    rig.sync()
    assert rig.carriage().batch > 2


def test_an_exchange_that_breaks_off_may_be_too_large(rig: Rig, server: MemoryCaseSystem) -> None:
    rig.save_many(4)
    server.lose_replies = 2  # the transport may ask once more by itself
    assert rig.round().problem is ProblemCode.NO_CONNECTION
    assert rig.carriage().batch == 2


def test_each_time_an_operation_was_sent_is_counted(rig: Rig, server: MemoryCaseSystem) -> None:
    op_id = rig.save()
    server.before = refusing(ProblemCode.BUSY)
    rig.round()
    assert rig.attempts(op_id) == 1
    server.before = None
    rig.round(at_once=True)
    assert rig.attempts(op_id) == 2


def test_a_success_ends_the_wait_of_the_queue(rig: Rig, server: MemoryCaseSystem) -> None:
    server.before = refusing(ProblemCode.BUSY, 600)
    rig.round()
    server.before = None
    rig.round(at_once=True)
    assert rig.carriage().wait == FRESH
    rig.save()
    assert rig.engine.next_due(rig.now) == rig.now


def test_no_connection_says_nothing_about_the_batch(rig: Rig, server: MemoryCaseSystem) -> None:
    rig.save_many(4)
    server.before = refusing(ProblemCode.RATE_LIMITED)
    rig.round()
    assert rig.carriage().batch == BATCH_ITEMS


# ---------------------------------------------------------------------------------------------------- quarantine
@pytest.mark.parametrize("code", [ProblemCode.OTHER_BYTES, ProblemCode.BAD_SIGNATURE, ProblemCode.UNKNOWN_KEY])
def test_a_final_refusal_is_kept_visible_and_can_be_tried_again(
    rig: Rig, server: MemoryCaseSystem, code: ProblemCode
) -> None:
    op_id = rig.save()
    server.verdicts[op_id] = (Outcome.REFUSED, code)
    rig.round()
    assert rig.state(op_id) is State.QUARANTINED
    assert rig.files.present() == {op_id}
    assert rig.sync().sent == 0
    server.verdicts.clear()
    with rig.store.write() as tx:
        rig.outbox.move(tx, [op_id], Event.RETRY)
    assert rig.sync().accepted == 1


def test_other_bytes_under_a_known_number_are_quarantined(rig: Rig, server: MemoryCaseSystem) -> None:
    op_id = rig.save()
    taken = Receipt(op_id=op_id, fingerprint="ee" * 32, outcome=Outcome.ACCEPTED, receipt="7K42-9QXM", at=NOON)
    server.receipts[rig.device_id, op_id] = taken
    rig.round()
    assert rig.state(op_id) is State.QUARANTINED


# ---------------------------------------------------------------------------------------------------- restore and reset
def test_a_restored_case_system_is_offered_everything_again(rig: Rig, server: MemoryCaseSystem) -> None:
    first = rig.save_many(3)
    rig.sync()
    later = rig.save_many(2)
    rig.sync()
    server.restore("e2", keep=3)
    report = rig.sync()
    assert rig.states() == dict.fromkeys([*first, *later], State.ACCEPTED)
    assert (report.sent, report.accepted, report.waiting) == (5, 5, 0)
    assert len(server.applied) == 5
    assert rig.carriage().epoch == "e2"
    assert rig.carriage().cursor == "e2:5"
    assert rig.applied() == [1, 2, 3, 4, 5]
    rig.verify()


def test_reoffered_operations_are_not_called_waiting_and_are_due(rig: Rig, server: MemoryCaseSystem) -> None:
    (op_id,) = rig.save_many(1)
    rig.sync()
    server.restore("e2")
    rig.round()
    assert rig.state(op_id) is State.REOFFERED
    with rig.store.read() as tx:
        counts = rig.outbox.counts(tx, rig.now)
    assert (counts.waiting, counts.reoffered, counts.accepted) == (0, 1, 1)
    assert rig.engine.next_due(rig.now) == rig.now


@pytest.mark.parametrize("outcome", [Outcome.STORED, Outcome.NEEDS_ATTENTION])
def test_what_was_accepted_and_no_longer_is_becomes_a_file_again(
    rig: Rig, server: MemoryCaseSystem, outcome: Outcome
) -> None:
    """Found by T8 (case 1542): its file had gone with the first receipt."""
    (op_id,) = rig.save_many(1)
    rig.sync()
    assert op_id not in rig.files.present()
    server.restore("e2")
    server.verdicts[op_id] = (outcome, None)
    rig.sync()
    assert rig.state(op_id) is State(outcome.value)
    assert op_id in rig.files.present()


def test_a_receipt_that_comes_with_the_changes_brings_the_file_back(rig: Rig, server: MemoryCaseSystem) -> None:
    (op_id,) = rig.save_many(1)
    rig.sync()
    server.judge(op_id, Outcome.NEEDS_ATTENTION)
    rig.sync()
    assert rig.state(op_id) is State.NEEDS_ATTENTION
    assert op_id in rig.files.present()


def test_a_kill_while_a_new_epoch_is_filed_converges(rig: Rig, server: MemoryCaseSystem) -> None:
    saved = rig.save_many(3)
    rig.sync()
    server.restore("e2")
    rig.kill = "commit"
    with pytest.raises(Kill):
        rig.round()
    rig = rig.restart()
    assert rig.carriage().epoch == "e1"
    rig.sync()
    assert rig.states() == dict.fromkeys(saved, State.ACCEPTED)
    assert len(server.applied) == 3
    rig.store.close()


def test_changes_that_go_on_from_a_place_before_a_new_epoch_are_not_applied(rig: Rig, server: MemoryCaseSystem) -> None:
    server.publish(3)
    rig.sync()
    server.epoch = "e2"
    server.publish(1)
    server.after = lambda r: replace(r, reset=False, changes=tuple(server.feed[3:]), cursor="e2:4")
    result = rig.round()
    assert (result.pulled, result.more, rig.applied()) == (0, True, [1, 2, 3])
    assert (rig.carriage().epoch, rig.carriage().cursor) == ("e2", None)
    server.after = None
    rig.sync()
    assert (rig.applied(), rig.carriage().cursor) == ([1, 2, 3, 4], "e2:4")


def test_a_vault_that_is_shut_while_the_answer_comes_pulls_later(
    rig: Rig, server: MemoryCaseSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    op_id = rig.save()
    server.publish(1)

    def shut(*args: object, **named: object) -> None:
        raise VaultLocked("the vault is locked")

    with monkeypatch.context() as patch:
        patch.setattr(rig, "apply", shut)
        result = rig.round()
    assert (result.problem, result.pulled, rig.state(op_id)) == (None, 0, State.ACCEPTED)
    assert rig.carriage().cursor is None
    rig.sync()
    assert rig.applied() == [1, 2]


def test_a_cursor_that_is_too_old_starts_over(rig: Rig, server: MemoryCaseSystem) -> None:
    server.publish(2)
    stored = rig.save()
    server.verdicts[stored] = (Outcome.STORED, None)
    rig.sync()
    server.publish(4)
    server.floor = 5
    server.judge(stored, Outcome.ACCEPTED)
    server.feed = [change for change in server.feed if change.receipt is None]  # the feed forgot it
    rig.sync()
    assert rig.applied() == [change.seq for change in server.feed]
    assert rig.state(stored) is State.ACCEPTED  # offered again, because the feed may have forgotten its receipt


def test_missing_receipts_are_found_by_the_digest_and_offered_again(rig: Rig, server: MemoryCaseSystem) -> None:
    a, b = rig.save_many(2)
    rig.sync()
    del server.receipts[rig.device_id, b]
    server.applied.pop()
    rig.sync()
    assert rig.states() == {a: State.ACCEPTED, b: State.ACCEPTED}
    assert len(server.applied) == 2


def test_a_digest_that_never_fits_asks_once_a_day(rig: Rig, server: MemoryCaseSystem) -> None:
    rig.save_many(2)
    rig.sync()
    server.after = lambda response: replace(response, device=replace(response.device, reoffer=True))
    assert rig.sync().sent == 2
    assert rig.sync().sent == 0
    rig.wait(25 * 3600)
    assert rig.sync().sent == 2


def test_the_digest_goes_only_with_nothing_to_send(rig: Rig, server: MemoryCaseSystem) -> None:
    rig.save()
    rig.sync()
    assert server.requests[0].receipts is None
    rig.round(at_once=True)
    digest = server.requests[-1].receipts
    assert digest is not None
    assert digest.n == 1


# ---------------------------------------------------------------------------------------------------- locked
def test_a_locked_device_sends_and_never_pulls(rig: Rig, server: MemoryCaseSystem) -> None:
    server.publish(2)
    rig.sync()
    before = rig.carriage().cursor
    rig.unlocked = False
    server.publish(2)
    op_id = rig.save()
    assert rig.sync().accepted == 1
    assert rig.state(op_id) is State.ACCEPTED
    assert server.tokens[-1] == rig.append_token
    assert (server.requests[-1].pull, server.requests[-1].cursor) == (False, None)
    heartbeat = server.requests[-1].heartbeat
    assert heartbeat is not None
    assert heartbeat.locked
    assert (rig.carriage().cursor, rig.applied()) == (before, [1, 2])
    rig.unlocked = True
    rig.sync()
    assert rig.applied() == [1, 2, 3, 4, 5]


def test_changes_that_a_locked_device_did_not_ask_for_are_ignored(rig: Rig, server: MemoryCaseSystem) -> None:
    rig.unlocked = False
    server.publish(1)
    server.after = lambda response: replace(response, changes=tuple(server.feed), cursor="e1:1")
    rig.sync()
    assert (rig.applied(), rig.carriage().cursor) == ([], None)


# ---------------------------------------------------------------------------------------------------- keys, orders, packs
def test_a_retired_key_is_sealed_again_under_a_new_number(rig: Rig, server: MemoryCaseSystem) -> None:
    op_id = rig.save("ref-1")
    server.rotate_key()
    report = rig.sync()
    states = rig.states()
    (fresh,) = states.keys() - {op_id}
    assert states == {op_id: State.REPLACED, fresh: State.ACCEPTED}
    assert (report.accepted, report.waiting) == (1, 0)
    assert [operation.nonce for operation in server.applied] == [rig.plain[op_id].nonce]
    assert rig.agency_key == server.agency_key
    assert rig.files.present() == frozenset()
    with rig.store.read() as tx:
        entries = rig.outbox.entries(tx, accepted=True)
        assert [entry.op_id for entry in entries] == [fresh]
        assert rig.outbox.has(tx, entries[0].referral_id or rig.plain[op_id].referral_id) == fresh
    rig.verify()


def test_what_was_sealed_again_has_its_file_before_it_is_sent(rig: Rig, server: MemoryCaseSystem) -> None:
    op_id = rig.save()
    server.rotate_key()
    rig.round()
    (fresh,) = rig.states().keys() - {op_id}
    assert rig.files.present() == {fresh}


def test_a_released_copy_of_a_draft_has_its_file_before_it_is_sent(rig: Rig, server: MemoryCaseSystem) -> None:
    held = rig.hold("draft-1")
    server.orders = DeviceOrders(state=DeviceState.REVOKED, lease_until=LEASE, wipe=True)
    rig.round()
    assert (rig.state(held), rig.files.present()) == (State.WAITING, frozenset({held}))


def test_a_retired_key_waits_for_the_vault(rig: Rig, server: MemoryCaseSystem) -> None:
    op_id = rig.save()
    server.rotate_key()
    rig.unlocked = False
    assert rig.sync().waiting == 1
    assert rig.state(op_id) is State.WAITING
    rig.unlocked = True
    assert rig.sync().accepted == 1


def test_a_kill_while_sealing_again_leaves_the_old_or_the_new(rig: Rig, server: MemoryCaseSystem) -> None:
    op_id = rig.save()
    server.rotate_key()
    rig.kill = "commit"
    with pytest.raises(Kill):
        rig.round()
    rig = rig.restart()
    assert rig.states() == {op_id: State.WAITING}
    rig.sync()
    assert sorted(rig.states().values()) == [State.ACCEPTED, State.REPLACED]
    assert len(server.applied) == 1
    rig.store.close()


def test_a_wipe_lets_the_copies_of_drafts_out(rig: Rig, server: MemoryCaseSystem) -> None:
    held = rig.hold("draft-1")
    rig.sync()
    assert rig.state(held) is State.HELD
    assert not server.applied
    server.orders = DeviceOrders(state=DeviceState.REVOKED, lease_until=LEASE, wipe=True)
    rig.sync()
    assert rig.obeyed[-1].wipe
    assert rig.state(held) is State.ACCEPTED
    assert [operation.referral_id for operation in server.applied] == ["draft-1"]


def test_orders_and_packs_reach_the_app_after_commit(rig: Rig, server: MemoryCaseSystem) -> None:
    server.orders = DeviceOrders(state=DeviceState.ACTIVE, lease_until=LEASE, release=True)
    server.pack = PackDelivery(version="2", digest="1" * 64, files={"programme.json": "{}"})
    rig.sync()
    assert rig.obeyed[-1].release
    assert rig.installed[-1].version == "2"
    assert rig.carriage().lease_until == LEASE


def test_the_heartbeat_is_honest(rig: Rig, server: MemoryCaseSystem) -> None:
    rig.save_many(3)
    rig.wait(90)
    server.now = rig.now + timedelta(seconds=30)
    rig.sync()
    first = server.requests[0].heartbeat
    assert first is not None
    assert (first.waiting, first.stored, first.needs_attention, first.oldest_unsent_s) == (3, 0, 0, 90)
    assert (first.app, first.locked, first.clock_offset_ms) == ("lead-field 0.1.0", False, None)
    assert json.dumps(rig.carriage().offset_ms) == "30000"
    rig.sync()
    last = server.requests[-1].heartbeat
    assert last is not None
    assert (last.waiting, last.oldest_unsent_s, last.clock_offset_ms) == (0, None, 30_000)


def test_sealed_bytes_are_let_go_after_the_reoffer_window(rig: Rig, server: MemoryCaseSystem) -> None:
    op_id = rig.save()
    rig.sync()
    for days in (89, 91):
        rig.now = server.now = NOON + timedelta(days=days)
        rig.sync()
        with rig.store.read() as tx:
            assert (rig.outbox.envelope(tx, op_id) is None) == (days == 91)
    assert rig.state(op_id) is State.ACCEPTED
    rig.verify()
