"""Header, slots and derivations."""

import hashlib
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from field_app.vault import keys
from field_app.vault.errors import DamagedHeader, NewerFormat, SlotShut
from field_app.vault.keys import (
    DEVICE_SLOT,
    NO_KDF,
    PIN_SLOT,
    Header,
    Kdf,
    StoreName,
    canonical,
    unwrap,
    wipe,
    wrap,
)

DK = b"D" * 32
BARE = Header(vault_id=b"v" * 16, store=StoreName.KEYRING, key_epoch=1, slots=())
KDF = Kdf.scrypt(2, b"s" * 16)
MASTERS = {1: bytearray(b"M" * 32)}


def with_pin(pin: bytes = b"473920", header: Header = BARE, kdf: Kdf = KDF) -> Header:
    return wrap(header, PIN_SLOT, kdf, {1: bytearray(b"M" * 32)}, pin, DK, lambda size: b"n" * size)


def framed(document: object) -> bytes:
    line = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    return line + b"\n" + hashlib.sha256(line).hexdigest().encode() + b"\n"


def document_of(header: Header) -> dict[str, object]:
    document: dict[str, object] = json.loads(header.to_bytes().split(b"\n")[0])
    return document


FIELDS = st.lists(st.binary() | st.integers(-(2**63), 2**63 - 1), max_size=5)


@given(FIELDS, FIELDS)
def test_canonical_bytes_are_one_to_one(one: list[bytes | int], other: list[bytes | int]) -> None:
    assert (canonical("l", *one) == canonical("l", *other)) == (one == other)


def test_the_header_comes_back_as_it_was() -> None:
    header = wrap(with_pin(), "biometric+device", NO_KDF, MASTERS, b"", DK, lambda size: b"o" * size)
    assert Header.from_bytes(header.to_bytes()) == header
    assert Header.from_bytes(BARE.to_bytes()) == BARE


def test_every_flipped_byte_and_every_cut_of_the_header_is_damage() -> None:
    data = with_pin().to_bytes()
    for at in range(len(data)):
        for mask in (1, 2, 0x20, 0x80):  # 2 makes format 3 of 1; 0x20 changes the case of a letter
            with pytest.raises(DamagedHeader):
                Header.from_bytes(data[:at] + bytes((data[at] ^ mask,)) + data[at + 1 :])
        with pytest.raises(DamagedHeader):
            Header.from_bytes(data[:at])
    with pytest.raises(DamagedHeader):
        Header.from_bytes(data + b"\n")


def test_a_later_format_is_told_from_damage() -> None:
    with pytest.raises(NewerFormat, match="format 2"):
        Header.from_bytes(framed({"format": 2, "entirely": "different"}))


@pytest.mark.parametrize(
    "change",
    [
        {"extra": 1},
        {"store": "pocket"},
        {"key_epoch": "1"},
        {"key_epoch": -1},
        {"key_epoch": True},
        {"format": "1"},
        {"vault_id": "xyz"},
        {"vault_id": "AB"},
        {"slots": []},
        {"slots": {"pin+device": {}}},
    ],
)
def test_a_whole_file_that_breaks_the_format_is_damage(change: dict[str, object]) -> None:
    with pytest.raises(DamagedHeader):
        Header.from_bytes(framed(document_of(with_pin()) | change))


@pytest.mark.parametrize("document", [None, [], "x", 1, {}])
def test_any_other_document_is_damage(document: object) -> None:
    with pytest.raises(DamagedHeader):
        Header.from_bytes(framed(document))


def test_a_slot_opens_with_its_pin_and_device_key_only() -> None:
    header = with_pin()
    slot = header.slot(PIN_SLOT)
    assert slot is not None
    assert unwrap(header, slot, b"473920", DK) == {1: bytearray(b"M" * 32)}
    for pin, key in ((b"473921", DK), (b"", DK), (b"473920", b"E" * 32)):
        with pytest.raises(SlotShut):
            unwrap(header, slot, pin, key)


def test_every_part_of_the_header_is_bound_into_the_slot() -> None:
    header = with_pin()
    slot = header.slot(PIN_SLOT)
    assert slot is not None
    changed_headers = [
        replace(header, vault_id=b"w" * 16),
        replace(header, store=StoreName.FILE),
        replace(header, key_epoch=2),
    ]
    changed_slots = [
        replace(slot, name="biometric+device"),
        replace(slot, kdf=replace(KDF, salt=b"t" * 16)),
        replace(slot, kdf=Kdf.scrypt(4, KDF.salt)),
        replace(slot, kdf=replace(KDF, cost={**KDF.cost, "p": 2})),
        replace(slot, kdf=replace(KDF, cost={**KDF.cost, "more": 1})),
        replace(slot, device_check=b"c" * 16),
        replace(slot, nonce=b"m" * 12),
        *(replace(slot, ct=slot.ct[:at] + bytes((slot.ct[at] ^ 1,)) + slot.ct[at + 1 :]) for at in range(len(slot.ct))),
        replace(slot, ct=b""),
    ]
    for other in changed_headers:
        with pytest.raises(SlotShut):
            unwrap(other, slot, b"473920", DK)
    for changed in changed_slots:
        with pytest.raises(SlotShut):
            unwrap(header, changed, b"473920", DK)


def test_a_new_pin_rewraps_its_slot_and_leaves_the_others() -> None:
    header = wrap(with_pin(), "biometric+device", NO_KDF, MASTERS, b"", DK, lambda size: b"o" * size)
    changed = with_pin(b"582931", header, Kdf.scrypt(4, b"t" * 16))
    other = changed.slot("biometric+device")
    assert other is not None
    assert other == header.slot("biometric+device")
    assert unwrap(changed, other, b"", DK) == {1: bytearray(b"M" * 32)}


def test_a_slot_may_hold_the_keys_of_several_epochs() -> None:
    masters = {2: bytearray(b"N" * 32), 1: bytearray(b"M" * 32)}
    header = wrap(replace(BARE, key_epoch=2), DEVICE_SLOT, NO_KDF, masters, b"", DK, lambda size: b"n" * size)
    slot = header.slot(DEVICE_SLOT)
    assert slot is not None
    assert unwrap(header, slot, b"", DK) == masters
    with pytest.raises(ValueError, match="newest"):
        wrap(BARE, DEVICE_SLOT, NO_KDF, masters, b"", DK, lambda size: b"n" * size)


@pytest.mark.parametrize(
    "kdf",
    [replace(KDF, name="argon2id"), replace(KDF, cost={})]
    + [replace(KDF, cost={"n": n, "r": r, "p": p}) for n, r, p in ((3, 8, 1), (2**21, 8, 1), (2, 99, 1), (2, 8, 0))],
)
def test_an_unknown_or_absurd_kdf_is_refused_before_it_runs(kdf: Kdf) -> None:
    with pytest.raises(NewerFormat):
        kdf.check()
    with pytest.raises(NewerFormat):
        kdf.stretch(b"pin")


def test_wipe_overwrites() -> None:
    secret = bytearray(b"secret")
    wipe(secret)
    assert secret == bytearray(6)


def test_what_the_pin_became_is_overwritten_once_the_kek_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytearray] = []
    stretch, derive = Kdf.stretch, keys.derive_key

    def note_stretch(kdf: Kdf, pin: bytes) -> bytearray:
        seen.append(stretch(kdf, pin))
        return seen[-1]

    def note_derive(secret: bytes | bytearray, salt: bytes, label: str, *fields: bytes | str | int) -> bytearray:
        key = derive(secret, salt, label, *fields)
        if label == "vault/kek/v1":
            assert isinstance(secret, bytearray)
            seen.extend((secret, key))
        return key

    monkeypatch.setattr(Kdf, "stretch", note_stretch)
    monkeypatch.setattr(keys, "derive_key", note_derive)
    header = with_pin()
    unwrap(header, header.slots[0], b"473920", DK)
    assert len(seen) == 6
    assert not any(any(secret) for secret in seen)


def test_repr_shows_no_key_material() -> None:
    header = with_pin()
    slot = header.slots[0]
    for hidden in (slot.ct, slot.nonce, slot.device_check, slot.kdf.salt):
        assert repr(hidden)[2:-1] not in repr(header)
