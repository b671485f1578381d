"""The outbox over a damaged file: odd columns are damage, changed bytes are not offered, and no file goes on the word of a state."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from field_app.store import binding, cursor
from field_app.store.outbox_rows import select
from field_app.sync.machine import Event
from field_app.vault.errors import DamagedManifest, DamagedRow
from referral.envelope import DevicePublicKey, verify
from referral.model import OpId
from referral.port import Outcome, Receipt
from tests.field_app.sync.rig import NOON, Rig, memory_rig
from tests.support.memory_case_system import MemoryCaseSystem


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A device that never meets its case system."""
    made = memory_rig(tmp_path, MemoryCaseSystem(now=NOON))
    yield made
    made.store.close()


def change(rig: Rig, op_id: OpId, column: str, value: object) -> None:
    with rig.store.write() as tx:
        tx.conn.execute("PRAGMA ignore_check_constraints = ON")
        tx.conn.execute(f"UPDATE outbox SET {column} = ? WHERE op_id = ?", [value, bytes.fromhex(op_id)])


def envelope(rig: Rig, op_id: OpId) -> bytes:
    with rig.store.read() as tx:
        found = rig.outbox.envelope(tx, op_id)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("state", "nowhere"),
        ("next_at", 2**62),
        ("settled_at", -(2**62)),
        ("set_at", 2**62),
        ("attempts", -1),
        ("rev", -5),
    ],
)
def test_an_odd_column_is_damage(rig: Rig, column: str, value: object) -> None:
    change(rig, rig.save(), column, value)
    with rig.store.read() as tx, pytest.raises(DamagedRow):
        list(select(tx, "TRUE"))


def test_a_state_that_is_none_is_damage_wherever_states_are_read(rig: Rig) -> None:
    change(rig, rig.save(), "state", "nowhere")
    with rig.store.read() as tx:
        with pytest.raises(DamagedRow):
            rig.outbox.states(tx)
        with pytest.raises(DamagedRow):
            rig.outbox.counts(tx, NOON)


def test_changed_bytes_are_not_offered_and_others_are(rig: Rig) -> None:
    harmed, whole = rig.save(), rig.save()
    raw = envelope(rig, harmed)
    change(rig, harmed, "envelope", raw[:200] + bytes([raw[200] ^ 1]) + raw[201:])
    with rig.store.read() as tx:
        offered = rig.outbox.batch(tx, NOON, items=10, size=10**6)
    assert [offer.op_id for offer in offered] == [whole]


def test_a_changed_byte_of_envelope_or_signature_is_named(rig: Rig) -> None:
    first, second, third = rig.save(), rig.save(), rig.save()
    for op_id, at in ((first, 200), (second, -1)):
        raw = bytearray(envelope(rig, op_id))
        raw[at] ^= 1
        change(rig, op_id, "envelope", bytes(raw))
    with rig.store.read() as tx:
        unsound = rig.outbox.unsound(tx, device_key(rig))
    assert set(unsound) == {first, second}
    verify(envelope(rig, third), device_key(rig))


def test_bytes_may_only_be_missing_once_they_were_received(rig: Rig) -> None:
    gone, pruned = rig.save(), rig.save()
    accept(rig, pruned)
    for op_id in (gone, pruned):
        change(rig, op_id, "envelope", None)
    with rig.store.read() as tx:
        assert rig.outbox.unsound(tx, device_key(rig)) == (gone,)


def test_no_file_goes_because_somebody_wrote_accepted_into_a_row(rig: Rig) -> None:
    op_id = rig.save()
    path = rig.folder / "outbox" / f"{op_id}.env"
    assert path.exists()
    for state in ("accepted", "replaced", "held", "reoffered"):
        change(rig, op_id, "state", state)
        with rig.store.write() as tx:
            rig.outbox.tidy(tx, device=device_key(rig))
        assert path.exists(), state


def test_a_file_goes_once_a_sealed_receipt_says_accepted(rig: Rig) -> None:
    op_id = rig.save()
    accept(rig, op_id)
    path = rig.folder / "outbox" / f"{op_id}.env"
    with rig.store.write() as tx:
        rig.outbox.write_files(tx, [op_id])
        rig.outbox.tidy(tx, device=device_key(rig))
    assert not path.exists()


@pytest.mark.parametrize("value", [7, "text", None])
def test_a_number_where_bytes_were_written_is_damage(rig: Rig, value: object) -> None:
    rig.save()
    with rig.store.write() as tx:
        tx.conn.execute("DROP TABLE manifest")
        tx.conn.execute("CREATE TABLE manifest (book TEXT PRIMARY KEY, box)")
        tx.conn.execute("INSERT INTO manifest VALUES ('outbox', ?)", [value])
        tx.conn.execute("DROP TABLE carriage")
        tx.conn.execute("CREATE TABLE carriage (name TEXT PRIMARY KEY, box)")
        tx.conn.executemany("INSERT INTO carriage VALUES (?, ?)", [("binding", value), ("sync", value)])
    with rig.store.read() as tx:
        with pytest.raises((DamagedRow, DamagedManifest)):
            rig.outbox.verify(tx)
        with pytest.raises(DamagedRow):
            binding.load(tx, rig.chain)
        assert cursor.load(tx, rig.chain) == cursor.Carriage()


def accept(rig: Rig, op_id: OpId) -> None:
    with rig.store.write() as tx:
        print_ = rig.outbox.rows(tx, [op_id])[op_id].fingerprint.hex()
        word = Receipt(op_id=op_id, fingerprint=print_, outcome=Outcome.ACCEPTED, receipt="7K42-9QXM", at=NOON)
        rig.outbox.settle(tx, [(op_id, Event.RECEIPT_ACCEPTED, word)])


def device_key(rig: Rig) -> DevicePublicKey:
    return rig.device_key.public()
