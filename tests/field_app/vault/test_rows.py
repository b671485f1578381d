"""Rows: what was sealed comes back, and nothing else does."""

import pickle
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from field_app.vault.errors import DamagedRow, NewerFormat, VaultLocked
from field_app.vault.vault import DeviceChain, Sealed, Vault
from tests.field_app.vault.conftest import Device, seeded

CANARY = b'{"name":"Zebulon Quillfeather"}'
ID = bytes(range(16))


def fresh(seed: bytes = b"rows", vault_id: bytes = b"v" * 16) -> Vault:
    return Vault(vault_id, {1: bytearray(b"m" * 32)}, seeded(seed))


@given(st.text(), st.binary(min_size=16, max_size=16), st.integers(0, 2**63 - 1), st.integers(0, 65535), st.binary())
def test_a_row_comes_back_as_it_was(table: str, row_id: bytes, rev: int, schema: int, plaintext: bytes) -> None:
    vault = fresh()
    row = vault.seal_row(table, row_id, rev, schema, plaintext)
    assert (vault.open_row(table, row), row.schema, row.rev, row.id) == (plaintext, schema, rev, row_id)


@pytest.mark.parametrize("size", [0, 1, 254, 255, 256, 257, 511, 512, 1200])
def test_length_shows_only_in_steps_of_256(size: int) -> None:
    vault = fresh()
    row = vault.seal_row("t", ID, 0, 0, b"x" * size)
    assert len(row.box) == 31 + 256 * (size // 256 + 1)
    assert vault.open_row("t", row) == b"x" * size


@pytest.mark.parametrize("tail", [b"\x80", b"\x80\x00\x00", b"\x00"])
def test_padding_is_told_from_content(tail: bytes) -> None:
    vault = fresh()
    assert vault.open_row("t", vault.seal_row("t", ID, 0, 0, b"x" + tail)) == b"x" + tail


def test_every_flipped_byte_is_noticed() -> None:
    vault = fresh()
    row = vault.seal_row("records", ID, 3, 1, CANARY)
    for at in range(len(row.box)):
        for mask in (0x01, 0x80, 0xFF):
            box = bytearray(row.box)
            box[at] ^= mask
            with pytest.raises((DamagedRow, NewerFormat)):
                vault.open_row("records", replace(row, box=bytes(box)))
    for length in range(1, len(row.box)):
        with pytest.raises(DamagedRow):
            vault.open_row("records", replace(row, box=row.box[:length]))


def test_an_earlier_format_number_never_opens() -> None:
    vault = fresh()
    row = vault.seal_row("records", ID, 3, 1, CANARY)
    with pytest.raises(DamagedRow):
        vault.open_row("records", replace(row, box=b"\x00" + row.box[1:]))


def test_a_row_holds_only_in_its_place() -> None:
    vault = fresh()
    row = vault.seal_row("records", ID, 3, 1, CANARY)
    for moved in (replace(row, id=b"y" * 16), replace(row, rev=2), replace(row, key_epoch=2)):
        with pytest.raises(DamagedRow):
            vault.open_row("records", moved)
    with pytest.raises(DamagedRow):
        vault.open_row("drafts", row)
    with pytest.raises(DamagedRow):
        fresh(vault_id=b"w" * 16).open_row("records", row)


@pytest.mark.parametrize(
    ("row_id", "rev", "key_epoch", "box"),
    [
        (b"short", 0, 1, b"b"),
        (ID, -1, 1, b"b"),
        (ID, 2**63, 1, b"b"),
        (ID, 0, -1, b"b"),
        (ID, 0, 1, b""),
        ("text", 0, 1, b"b"),
        (ID, None, 1, b"b"),
        (ID, True, 1, b"b"),
        (ID, 0, "1", b"b"),
        (ID, 0, 1, None),
    ],
)
def test_columns_that_no_seal_makes_are_damage(row_id: bytes, rev: int, key_epoch: int, box: bytes) -> None:
    with pytest.raises(DamagedRow):
        Sealed(id=row_id, rev=rev, key_epoch=key_epoch, box=box)


def test_misuse_is_refused() -> None:
    vault = fresh()
    for row_id, rev, schema in ((b"", 0, 0), (ID, -1, 0), (ID, 2**63, 0), (ID, 0, -1), (ID, 0, 65536)):
        with pytest.raises(ValueError, match="a row needs"):
            vault.seal_row("t", row_id, rev, schema, b"")
    with pytest.raises(RuntimeError, match="randomness"):
        Vault(ID, {1: bytearray(32)}, lambda size: b"").new_id()


def test_no_nonce_repeats() -> None:
    vault = fresh()
    boxes = [vault.seal_row("t", ID, 0, 0, b"same").box for _ in range(20_000)]
    assert len({box[3:15] for box in boxes}) == len(boxes)
    assert len({box[15:] for box in boxes}) == len(boxes)


def test_old_epochs_stay_readable_and_new_rows_use_the_new_key() -> None:
    old = Vault(ID, {1: bytearray(b"a" * 32)}, seeded())
    row = old.seal_row("t", ID, 0, 0, b"old")
    both = Vault(ID, {2: bytearray(b"b" * 32), 1: bytearray(b"a" * 32)}, seeded())
    assert both.open_row("t", row) == b"old"
    assert both.key_epoch == both.seal_row("t", ID, 0, 0, b"new").key_epoch == 2
    with pytest.raises(DamagedRow):
        both.open_row("t", replace(row, key_epoch=2))


@given(st.text(), st.binary())
def test_a_blob_opens_under_its_name_only(name: str, secret: bytes) -> None:
    chain = DeviceChain(ID, {1: bytearray(b"a" * 32)}, seeded())
    blob = chain.seal_blob(name, secret)
    assert chain.open_blob(name, blob) == secret
    with pytest.raises(DamagedRow):
        chain.open_blob(name + "2", blob)
    for at in range(len(blob)):
        with pytest.raises((DamagedRow, NewerFormat)):
            chain.open_blob(name, blob[:at] + bytes((blob[at] ^ 1,)) + blob[at + 1 :])


def test_after_lock_every_use_raises_and_the_keys_are_overwritten() -> None:
    master = bytearray(b"m" * 32)
    vault = Vault(b"v" * 16, {1: master}, seeded())
    assert master == bytearray(32)
    row, stored = vault.seal_row("t", ID, 0, 0, CANARY), vault.manifest("t").start()
    blob = vault.seal_blob("b", CANARY)
    working = [key for epoch in vault._epochs.values() for key in (epoch.record, epoch.manifest)]
    assert all(any(key) for key in working)
    vault.lock()
    vault.lock()
    assert vault.locked
    assert not any(any(key) for key in working)
    for use in (
        lambda: vault.seal_row("t", ID, 0, 0, CANARY),
        lambda: vault.open_row("t", row),
        lambda: vault.seal_blob("b", b""),
        lambda: vault.open_blob("b", blob),
        lambda: vault.manifest("t").start(),
        lambda: vault.manifest("t").update(stored),
        lambda: vault.manifest("t").read(stored),
        lambda: vault.manifest("t").verify(stored, []),
    ):
        with pytest.raises(VaultLocked):
            use()


def test_a_lock_during_a_seal_never_lets_a_row_out_under_an_overwritten_key() -> None:
    """The nonce is drawn before the keys are lent; a lock at any later point must end in VaultLocked or a good row."""
    for _ in range(50):
        vault, twin = fresh(), fresh()
        rows: list[Sealed] = []

        def seal(vault: Vault = vault, rows: list[Sealed] = rows) -> None:
            try:
                while True:
                    rows.append(vault.seal_row("t", ID, 0, 0, CANARY))
            except VaultLocked:
                return

        thread = threading.Thread(target=seal)
        thread.start()
        while not rows and thread.is_alive():
            pass
        vault.lock()
        thread.join()
        assert all(twin.open_row("t", row) == CANARY for row in rows)


def test_a_lock_between_key_and_result_discards_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    vault = fresh()
    row = vault.seal_row("t", ID, 0, 0, CANARY)
    plain_aad = Vault._aad

    def lock_first(self: Vault, *args: object) -> bytes:
        vault.lock()
        return plain_aad(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Vault, "_aad", lock_first)
    with pytest.raises(VaultLocked):
        vault.open_row("t", row)
    second = fresh()
    vault = second
    with pytest.raises(VaultLocked):
        second.seal_row("t", ID, 0, 0, CANARY)


def test_nothing_secret_in_repr_or_pickle(tmp_path: Path) -> None:
    device = Device(tmp_path)
    vault = device.create()
    row = vault.seal_row("t", ID, 0, 0, CANARY)
    assert repr(vault) == "<Vault open>"
    shown = f"{vault!r} {row!r} {vault.manifest('t')!r} {device.unlock()!r} {device.door()!r}"
    keys = [bytes(key) for epoch in vault._epochs.values() for key in (epoch.record, epoch.manifest)]
    for secret in [*keys, *device.keys.secrets.values(), CANARY, row.box]:
        assert secret.hex() not in shown
        assert repr(secret)[2:-1] not in shown
    with pytest.raises(TypeError):
        pickle.dumps(vault)
