"""The outbox by itself: rows, held copies, the chain under the device key, files, and what shows without a PIN."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from field_app.store.database import DiskFull
from field_app.store.outbox import Outbox, Outgoing
from field_app.sync.backoff import Backoff
from field_app.sync.machine import Event, IllegalDelivery, State
from field_app.vault.errors import RowsDiffer
from field_app.vault.files import write_durably
from referral.envelope import DeviceSigningKey, read_header
from referral.model import OpId, ReferralId
from referral.operations import Op
from referral.port import Outcome, Receipt, receipt_digest
from referral.problems import ProblemCode
from tests.field_app.sync.rig import NOON, Rig, memory_rig
from tests.support.memory_case_system import MemoryCaseSystem


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A device that never meets its case system."""
    made = memory_rig(tmp_path, MemoryCaseSystem(now=NOON))
    yield made
    made.store.close()


def receipt(rig: Rig, op_id: OpId, outcome: Outcome, code: ProblemCode | None = None) -> Receipt:
    with rig.store.read() as tx:
        print_ = rig.outbox.rows(tx, [op_id])[op_id].fingerprint.hex()
    return Receipt(op_id=op_id, fingerprint=print_, outcome=outcome, code=code, receipt="7K42-9QXM", at=NOON)


def settle(rig: Rig, op_id: OpId, event: Event, outcome: Outcome) -> dict[OpId, State]:
    word = receipt(rig, op_id, outcome)
    with rig.store.write() as tx:
        return rig.outbox.settle(tx, [(op_id, event, word)])


def accept(rig: Rig, op_id: OpId) -> None:
    settle(rig, op_id, Event.RECEIPT_ACCEPTED, Outcome.ACCEPTED)


# ---------------------------------------------------------------------------------------------------- saving
def test_what_is_shown_needs_no_pin_and_lies_sealed(rig: Rig) -> None:
    op_id = rig.save("the-referral-of-this-test")
    with rig.store.read() as tx:
        (entry,) = rig.outbox.entries(tx)
    assert (entry.op_id, entry.referral_id, entry.operation) == (op_id, "the-referral-of-this-test", Op.CREATE)
    assert (entry.state, entry.attempts, entry.device_seq, entry.made_at) == (State.WAITING, 0, 1, NOON)
    rig.store.checkpoint()
    for path in rig.folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert b"the-referral-of-this-test" not in data
            assert b"social_contact" not in data


def test_nothing_is_saved_when_the_transaction_fails(rig: Rig) -> None:
    with rig.rolled_back() as tx:
        rig.outbox.add(tx, rig._seal(tx, rig.operation("ref-1")))
        assert rig.outbox.has(tx, ReferralId("ref-1")) is not None
    with rig.store.read() as tx:
        assert rig.outbox.has(tx, ReferralId("ref-1")) is None
    assert rig.states() == {}
    rig.verify()
    rig.save("ref-2")
    with rig.store.read() as tx:
        assert rig.outbox.has(tx, ReferralId("ref-2")) is not None


def test_a_number_that_was_read_and_rolled_back_hides_nothing(rig: Rig) -> None:
    rig.save("first")
    with rig.rolled_back() as tx:
        rig.outbox.add(tx, rig._seal(tx, rig.operation("lost")))
        rig.outbox.has(tx, ReferralId("lost"))
    second = rig.save("second")
    with rig.store.read() as tx:
        assert rig.outbox.has(tx, ReferralId("second")) == second
        assert rig.outbox.has(tx, ReferralId("lost")) is None
        assert rig.outbox.has(tx, ReferralId("first")) is not None


def test_another_process_is_seen(rig: Rig) -> None:
    with rig.store.read() as tx:
        assert rig.outbox.has(tx, ReferralId("ref-1")) is None
    other = Rig(**{name: getattr(rig, name) for name in rig.__dataclass_fields__})
    op_id = other.save("ref-1")
    with rig.store.read() as tx:
        assert rig.outbox.has(tx, ReferralId("ref-1")) == op_id
        assert rig.outbox.next_seq(tx) == 2
    other.store.close()


def test_the_same_operation_cannot_be_saved_twice(rig: Rig) -> None:
    op_id = rig.save()
    with rig.store.read() as tx:
        envelope = rig.outbox.envelope(tx, op_id)
    assert envelope is not None
    again = Outgoing(envelope=envelope, referral_id=ReferralId("x"), operation=Op.CREATE, made_at=NOON)
    with pytest.raises(Exception, match="contradict"), rig.store.write() as tx:
        rig.outbox.add(tx, again)


def test_a_full_disk_undoes_the_whole_save_and_harms_nothing_before(rig: Rig) -> None:
    first = rig.save("ref-1")
    pages = rig.store.database.conn.execute("PRAGMA page_count").fetchone()[0]
    rig.store.database.conn.execute(f"PRAGMA max_page_count = {pages + 2}")
    before = rig.states()
    with pytest.raises(DiskFull):
        rig.save_many(200)
    assert rig.states() == before == {first: State.WAITING}
    rig.verify()
    rig.store.database.conn.execute("PRAGMA max_page_count = 100000")
    rig.save("ref-2")
    assert rig.sync().accepted == 2


# ---------------------------------------------------------------------------------------------------- held copies
def test_the_copy_of_a_draft_replaces_the_one_before_and_leaves_no_gap(rig: Rig) -> None:
    first = rig.hold("draft-1")
    other = rig.hold("draft-2")
    second = rig.hold("draft-1")
    assert rig.states() == {other: State.HELD, second: State.HELD}
    assert first not in rig.states()
    op_id = rig.save("draft-1")
    assert rig.states() == {other: State.HELD, op_id: State.WAITING}
    with rig.store.read() as tx:
        entry = rig.outbox.entry(tx, op_id)
        assert entry is not None
        assert entry.device_seq == 1
        assert rig.outbox.next_seq(tx) == 3
    rig.verify()


def test_a_discarded_draft_leaves_no_copy(rig: Rig) -> None:
    rig.hold("draft-1")
    with rig.store.write() as tx:
        rig.outbox.drop_held(tx, ReferralId("draft-1"))
        rig.outbox.drop_held(tx, ReferralId("draft-1"))
    assert rig.states() == {}
    rig.verify()


def test_copies_are_neither_shown_nor_offered_nor_due(rig: Rig) -> None:
    rig.hold("draft-1")
    with rig.store.read() as tx:
        assert rig.outbox.entries(tx, accepted=True) == ()
        assert rig.outbox.batch(tx, NOON, items=9, size=9999, at_once=True) == ()
        assert rig.outbox.next_due(tx, NOON) is None
        assert rig.outbox.has(tx, ReferralId("draft-1")) is None


def test_an_amendment_does_not_drop_a_copy(rig: Rig) -> None:
    held = rig.hold("draft-1")
    operation = rig.operation("draft-1")
    with rig.store.write() as tx:
        outgoing = rig._seal(tx, operation)
        outgoing = Outgoing(
            envelope=outgoing.envelope, referral_id=ReferralId("draft-1"), operation=Op.AMEND, made_at=NOON
        )
        rig.outbox.add(tx, outgoing)
    assert rig.states()[held] is State.HELD


# ---------------------------------------------------------------------------------------------------- sending
def test_a_batch_has_limits_and_at_least_one_item(rig: Rig) -> None:
    saved = rig.save_many(5)
    with rig.store.read() as tx:
        one = rig.outbox.batch(tx, NOON, items=9, size=1)
        size = len(one[0].envelope)
        assert [offer.op_id for offer in one] == saved[:1]
        assert [o.op_id for o in rig.outbox.batch(tx, NOON, items=9, size=2 * size)] == saved[:2]
        assert [o.op_id for o in rig.outbox.batch(tx, NOON, items=3, size=99 * size)] == saved[:3]
        left = rig.outbox.batch(tx, NOON, items=9, size=99 * size, leave=saved[:4])
    assert [o.op_id for o in left] == saved[4:]
    assert left[0].fingerprint == receipt(rig, saved[4], Outcome.ACCEPTED).fingerprint


def test_an_item_waits_by_itself_and_one_alone_goes_last(rig: Rig) -> None:
    a, b, c = rig.save_many(3)
    wait = Backoff(failures=1, set_at=NOON, next_at=NOON + timedelta(seconds=10))
    with rig.store.write() as tx:
        rig.outbox.postpone(tx, {a: wait}, ProblemCode.INTERNAL, alone=True)
        rig.outbox.postpone(tx, {b: wait}, None)
    with rig.store.read() as tx:

        def due(seconds: int, *, at_once: bool = False, leave: tuple[OpId, ...] = ()) -> list[OpId]:
            moment = NOON + timedelta(seconds=seconds)
            return [o.op_id for o in rig.outbox.batch(tx, moment, items=9, size=9999, at_once=at_once, leave=leave)]

        assert due(9) == [c]
        assert due(10) == [b, c]
        assert due(-1) == [b, c]
        assert due(0, at_once=True) == [b, c]
        assert due(10, leave=(b, c)) == [a]
        assert rig.outbox.next_due(tx, NOON) == NOON
        entry = rig.outbox.entry(tx, a)
        assert entry is not None
        assert (entry.attempts, entry.reason, entry.next_at) == (1, ProblemCode.INTERNAL, wait.next_at)


def test_the_next_due_moment_is_the_soonest(rig: Rig) -> None:
    a, b = rig.save_many(2)
    with rig.store.write() as tx:
        for op_id, seconds in ((a, 30), (b, 20)):
            wait = Backoff(failures=1, set_at=NOON, next_at=NOON + timedelta(seconds=seconds))
            rig.outbox.postpone(tx, {op_id: wait}, None)
        assert rig.outbox.next_due(tx, NOON) == NOON + timedelta(seconds=20)


# ---------------------------------------------------------------------------------------------------- answers
def test_a_late_receipt_does_not_take_acceptance_back(rig: Rig) -> None:
    op_id = rig.save()
    accept(rig, op_id)
    assert settle(rig, op_id, Event.RECEIPT_STORED, Outcome.STORED) == {op_id: State.ACCEPTED}
    with rig.store.read() as tx:
        entry = rig.outbox.entry(tx, op_id)
    assert entry is not None
    assert entry.receipt is not None
    assert entry.receipt.outcome is Outcome.ACCEPTED


def test_a_receipt_without_a_row_in_the_table_changes_nothing(rig: Rig) -> None:
    op_id = rig.save()
    accept(rig, op_id)
    assert settle(rig, op_id, Event.RECEIPT_REFUSED, Outcome.REFUSED) == {}
    assert rig.state(op_id) is State.ACCEPTED
    stranger = OpId("ab" * 16)
    word = Receipt(op_id=stranger, fingerprint="00" * 32, outcome=Outcome.ACCEPTED, at=NOON)
    with rig.store.write() as tx:
        assert rig.outbox.settle(tx, [(stranger, Event.RECEIPT_ACCEPTED, word)]) == {}


def test_an_illegal_move_changes_nothing(rig: Rig) -> None:
    a, b = rig.save_many(2)
    accept(rig, b)
    with pytest.raises(IllegalDelivery), rig.store.write() as tx:
        rig.outbox.move(tx, [a, b], Event.RETRY)
    with pytest.raises(ValueError, match="no such operation"), rig.store.write() as tx:
        rig.outbox.move(tx, [OpId("ab" * 16)], Event.RETRY)
    assert rig.states() == {a: State.WAITING, b: State.ACCEPTED}
    rig.verify()


def test_the_counts_are_honest(rig: Rig) -> None:
    saved = rig.save_many(6)
    rig.hold("draft")
    accept(rig, saved[0])
    settle(rig, saved[1], Event.RECEIPT_STORED, Outcome.STORED)
    settle(rig, saved[2], Event.RECEIPT_NEEDS_ATTENTION, Outcome.NEEDS_ATTENTION)
    settle(rig, saved[3], Event.RECEIPT_REFUSED, Outcome.REFUSED)
    with rig.store.read() as tx:
        counts = rig.outbox.counts(tx, NOON + timedelta(seconds=61.9))
        early = rig.outbox.counts(tx, NOON - timedelta(days=1))
    assert (counts.waiting, counts.stored, counts.accepted, counts.needs_attention) == (2, 1, 1, 2)
    assert (counts.held, counts.oldest_unsent_s, early.oldest_unsent_s) == (1, 61, 0)


def test_the_digest_counts_accepted_receipts_from_a_moment(rig: Rig) -> None:
    a, b, _ = rig.save_many(3)
    accept(rig, a)
    settle(rig, b, Event.RECEIPT_STORED, Outcome.STORED)
    with rig.store.read() as tx:
        assert rig.outbox.digest(tx, NOON) == receipt_digest([a], NOON)
        assert rig.outbox.digest(tx, NOON + timedelta(seconds=1)).n == 0


# ---------------------------------------------------------------------------------------------------- the chain
@pytest.mark.parametrize(
    "harm",
    [
        "DELETE FROM outbox WHERE device_seq = 2",
        "UPDATE outbox SET state = 'accepted' WHERE device_seq = 2",
        "UPDATE outbox SET state = 'waiting' WHERE device_seq = 1",
        "UPDATE outbox SET fingerprint = zeroblob(32) WHERE device_seq = 2",
        "UPDATE outbox SET receipt = NULL WHERE device_seq = 1",
        "UPDATE outbox SET device_seq = 9 WHERE device_seq = 2",
        "UPDATE outbox SET rev = rev + 1 WHERE device_seq = 2",
        "UPDATE outbox SET meta = NULL WHERE device_seq = 2",
        "UPDATE outbox SET settled_at = 0 WHERE device_seq = 1",
    ],
)
def test_a_row_that_was_changed_by_another_hand_is_noticed_and_saving_goes_on(rig: Rig, harm: str) -> None:
    a, _ = rig.save_many(2)
    accept(rig, a)
    rig.verify()
    with rig.store.write() as tx:
        tx.conn.execute(harm)
    with pytest.raises(RowsDiffer):
        rig.verify()
    rig.save()


def test_attempts_and_waits_are_not_part_of_the_chain(rig: Rig) -> None:
    op_id = rig.save()
    with rig.store.write() as tx:
        rig.outbox.tried(tx, [op_id])
    rig.verify()
    assert rig.attempts(op_id) == 1


def test_a_manifest_that_is_damaged_is_begun_anew_and_told(rig: Rig) -> None:
    op_id = rig.save()
    with rig.store.write() as tx:
        tx.conn.execute("UPDATE manifest SET box = zeroblob(85)")
    later = rig.save()
    rig.verify()
    assert set(rig.states()) == {op_id, later}
    with rig.store.read() as tx:
        assert tx.conn.execute("SELECT 1 FROM carriage WHERE name = 'chain_broken'").fetchone()


# ---------------------------------------------------------------------------------------------------- files
def test_start_writes_missing_files_and_takes_away_those_that_are_done(rig: Rig) -> None:
    a, b, c = rig.save_many(3)
    rig.hold("draft")
    accept(rig, c)
    with rig.store.read() as tx:
        rig.outbox.write_files(tx, [b, c])
    with rig.store.write() as tx:
        tidied = rig.outbox.tidy(tx, device=rig.device_key.public())
    assert (tidied.written, tidied.recovered, tidied.strangers) == (1, (), ())
    assert rig.files.present() == {a, b}
    with rig.store.read() as tx:
        assert rig.files.read(a) == rig.outbox.envelope(tx, a)


def lose_database(rig: Rig) -> Rig:
    rig.store.close()
    for path in rig.folder.glob("field.db*"):
        path.unlink()
    return Rig(**{name: getattr(rig, name) for name in rig.__dataclass_fields__})


def test_a_lost_database_is_rebuilt_from_the_files_and_sent(rig: Rig) -> None:
    saved = [rig.save() for _ in range(3)]
    rig = lose_database(rig)
    foreign = DeviceSigningKey.generate()
    stranger, damaged = "aa" * 16, "bb" * 16
    write_durably(rig.files.folder / f"{stranger}.env", (rig.files.read(saved[0]) or b"")[:-64] + bytes(64))
    write_durably(rig.files.folder / f"{damaged}.env", b"no envelope")
    renamed = "cc" * 16
    write_durably(rig.files.folder / f"{renamed}.env", rig.files.read(saved[0]) or b"")
    (rig.files.folder / "notes.txt").write_text("somebody else's")
    with rig.store.write() as tx:
        refused = rig.outbox.tidy(tx, device=foreign.public(), after_loss=True)
    assert refused.recovered == ()
    with rig.store.write() as tx:
        tidied = rig.outbox.tidy(tx, device=rig.device_key.public(), after_loss=True)
    assert list(tidied.recovered) == saved
    assert tidied.strangers == (stranger, damaged, renamed)
    with rig.store.read() as tx:
        assert rig.outbox.next_seq(tx) == 4
        (first, *_) = rig.outbox.entries(tx)
        assert (first.referral_id, first.operation, first.made_at) == (None, None, None)
        assert rig.outbox.counts(tx, NOON).oldest_unsent_s is None
    rig.verify()
    assert rig.sync().accepted == 3
    rig.store.close()


def test_files_without_a_row_are_left_alone_while_the_database_is_whole(rig: Rig) -> None:
    op_id = rig.save()
    envelope = rig.files.read(op_id) or b""
    rig = lose_database(rig)
    with rig.store.write() as tx:
        tidied = rig.outbox.tidy(tx, device=rig.device_key.public())
    assert (tidied.recovered, tidied.strangers) == ((), (op_id,))
    assert rig.files.read(op_id) == envelope
    assert rig.states() == {}
    rig.store.close()


def test_a_file_holds_exactly_the_bytes_that_travel(rig: Rig) -> None:
    op_id = rig.save()
    data = (rig.files.folder / f"{op_id}.env").read_bytes()
    assert read_header(data).op_id.hex() == op_id
    assert (rig.files.folder / f"{op_id}.env").stat().st_mode & 0o077 == 0
    with pytest.raises(ValueError, match="32 hex"):
        rig.files.write(OpId("../../evil"), b"")


def test_an_outbox_over_the_same_chain_reads_what_another_wrote(rig: Rig) -> None:
    op_id = rig.save("ref-1")
    again = Outbox(chain=rig.chain, files=rig.files)
    with rig.store.read() as tx:
        assert again.has(tx, ReferralId("ref-1")) == op_id
