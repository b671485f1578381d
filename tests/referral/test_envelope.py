"""The envelope's promises: one reader, one signer, one form, and nothing changed without notice."""

from __future__ import annotations

import hashlib
import hmac
import json
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from referral import envelope as env
from referral.dictionary import DICTIONARIES
from referral.envelope import (
    AgencyPrivateKey,
    AgencyPublicKey,
    BadSignature,
    DamagedCiphertext,
    DevicePublicKey,
    DeviceSigningKey,
    Envelope,
    EnvelopeError,
    Header,
    Malformed,
    PayloadTooLarge,
    ServerPublicKey,
    ServerSigningKey,
    UnknownKey,
    UnknownVersion,
    fingerprint,
    open_,
    read_header,
    seal,
    verify,
)
from referral.model import Referral
from tests.referral.synthetic_payloads import any_referral, full_arrest, payload, shortest_arrest, typical_arrest

VECTORS = Path(__file__).parent.parent / "vectors" / "v1"
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

AGENCY = AgencyPrivateKey.from_bytes(bytes(range(1, 33)))
DEVICE = DeviceSigningKey.from_bytes(bytes(range(33, 65)))
KEYS = {AGENCY.key_id: AGENCY}
HEADER = Header(agency=b"baltimor", key_id=AGENCY.key_id, op_id=b"o" * 16, device_id=b"d" * 16, device_seq=7, schema=1)
PAYLOAD = '{"person":{"name":"Zoë Ångström-Nguyễn 李"},"willing":"yes"}'.encode()


def sealed(content: bytes = PAYLOAD) -> bytes:
    return seal(content, HEADER, AGENCY.public(), DEVICE)


def seal_frame(frame: bytes, header: Header = HEADER) -> bytes:
    """What a faulty or hostile device could send: any frame, correctly encrypted and signed."""
    head = header.to_bytes()
    shared = head + env._SUITE.encrypt(frame, AGENCY.public()._key, info=b"lead/hdr/v1" + head)
    return shared + DEVICE.sign(b"lead/env/v1", shared)


def frame_of(coded: int, data: bytes, size: int | None = None) -> bytes:
    frame = struct.pack(">BH", coded, len(data) if size is None else size) + data
    length = 192 if len(frame) <= 192 else max(256, (len(frame) + 127) // 128 * 128)
    return frame.ljust(length, b"\0")


def deflated(content: bytes) -> bytes:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=DICTIONARIES[1])
    return deflate.compress(content) + deflate.flush()


# --- an independent HPKE receiver, written from RFC 9180 sections 4 and 5 ---


def _extract(suite: bytes, salt: bytes, label: bytes, ikm: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, "sha256")


def _expand(suite: bytes, prk: bytes, label: bytes, info: bytes, length: int) -> bytes:
    text = length.to_bytes(2) + b"HPKE-v1" + suite + label + info
    out, block, i = b"", b"", 0
    while len(out) < length:
        i += 1
        block = hmac.digest(prk, block + text + bytes([i]), "sha256")
        out += block
    return out[:length]


def hpke_keys(scalar: bytes, enc: bytes, info: bytes, aead_id: int, key_size: int) -> tuple[bytes, bytes, bytes]:
    """Base mode, DHKEM(P-256, HKDF-SHA256), HKDF-SHA256: the receiver's shared secret, key and base nonce."""
    private = ec.derive_private_key(int.from_bytes(scalar), ec.SECP256R1())
    peer = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), enc)
    mine = private.public_key().public_numbers()
    own_point = b"\x04" + mine.x.to_bytes(32) + mine.y.to_bytes(32)
    kem, suite = b"KEM\x00\x10", b"HPKE\x00\x10\x00\x01" + aead_id.to_bytes(2)
    prk = _extract(kem, b"", b"eae_prk", private.exchange(ec.ECDH(), peer))
    shared = _expand(kem, prk, b"shared_secret", enc + own_point, 32)
    context = b"\0" + _extract(suite, b"", b"psk_id_hash", b"") + _extract(suite, b"", b"info_hash", info)
    secret = _extract(suite, shared, b"secret", b"")
    return shared, _expand(suite, secret, b"key", context, key_size), _expand(suite, secret, b"base_nonce", context, 12)


def test_the_independent_receiver_agrees_with_rfc_9180_a_3_1() -> None:
    vector = json.loads((VECTORS / "envelope_rfc9180.json").read_text())
    scalar, enc, info = (bytes.fromhex(vector[name]) for name in ("skRm", "enc", "info"))
    shared, key, nonce = hpke_keys(scalar, enc, info, vector["aead_id"], 16)
    assert (shared.hex(), key.hex(), nonce.hex()) == (vector["shared_secret"], vector["key"], vector["base_nonce"])
    plain = AESGCM(key).decrypt(nonce, bytes.fromhex(vector["ct"]), bytes.fromhex(vector["aad"]))
    assert plain == bytes.fromhex(vector["pt"])


def open_by_recipe(raw: bytes) -> bytes:
    """The documented recipe with nothing of the module under test but its dictionary."""
    enc, ct = raw[55:120], raw[120:-64]
    _, key, nonce = hpke_keys(AGENCY.to_bytes(), enc, b"lead/hdr/v1" + raw[:55], 2, 32)
    frame = AESGCM(key).decrypt(nonce, ct, b"")
    coded, size = frame[0], int.from_bytes(frame[1:3])
    data = frame[3 : 3 + size]
    return data if coded == 0 else zlib.decompressobj(-15, zdict=DICTIONARIES[coded]).decompress(data)


@pytest.mark.parametrize("content", [b"", PAYLOAD, b'{"willing":"yes"}' * 90, bytes(range(256)) * 4])
def test_the_independent_receiver_opens_our_envelopes(content: bytes) -> None:
    assert open_by_recipe(sealed(content)) == content


# --- round trips and layout ---


@settings(deadline=None)
@given(content=st.one_of(st.binary(max_size=2000), st.text(max_size=600).map(str.encode)))
def test_what_is_sealed_opens_again(content: bytes) -> None:
    raw = sealed(content)
    assert verify(raw, DEVICE.public()) == HEADER
    assert open_(raw, KEYS) == content


@given(
    st.builds(
        Header,
        agency=st.binary(min_size=8, max_size=8),
        key_id=st.binary(min_size=8, max_size=8),
        op_id=st.binary(min_size=16, max_size=16),
        device_id=st.binary(min_size=16, max_size=16),
        device_seq=st.integers(0, 2**32 - 1),
        schema=st.integers(0, 2**16 - 1),
        version=st.integers(0, 255),
    )
)
def test_headers_survive_their_bytes(header: Header) -> None:
    assert len(header.to_bytes()) == 55
    assert Header.from_bytes(header.to_bytes()) == header


def test_the_layout_is_the_documented_one() -> None:
    raw = sealed()
    assert raw[:55] == b"\x01baltimor" + AGENCY.key_id + b"o" * 16 + b"d" * 16 + b"\0\0\0\x07" + b"\0\x01"
    assert AGENCY.key_id == hashlib.sha256(AGENCY.public().to_bytes()).digest()[:8]
    parts = Envelope.parse(raw)
    assert (parts.header, parts.raw) == (HEADER, raw)
    assert parts.header.to_bytes() + parts.enc + parts.ct + parts.sig == raw
    assert (len(parts.enc), parts.enc[0], len(parts.sig)) == (65, 4, 64)
    assert fingerprint(raw) == hashlib.sha256(b"lead/env/v1" + raw[:-64]).digest()


@pytest.mark.parametrize(
    "change",
    [
        {"agency": b"short"},
        {"key_id": bytes(9)},
        {"op_id": bytes(15)},
        {"device_id": b""},
        {"device_seq": -1},
        {"device_seq": 2**32},
        {"schema": 2**16},
        {"version": 256},
    ],
)
def test_an_illegal_header_cannot_be_built(change: dict[str, bytes | int]) -> None:
    with pytest.raises(ValueError, match=r"u32|16 bytes"):
        replace(HEADER, **change)  # type: ignore[arg-type]  # the point of the test


def test_the_sizes_are_classes() -> None:
    noise = hashlib.shake_256(b"noise").digest(16384)
    expected = {0: 192, 189: 192, 190: 256, 253: 256, 254: 384, 381: 384, 382: 512, 509: 512, 510: 640, 16384: 16512}
    assert {n: len(sealed(noise[:n])) - 200 for n in expected} == expected


def test_sealing_twice_never_repeats_a_byte_string() -> None:
    one, two = Envelope.parse(sealed()), Envelope.parse(sealed())
    assert one.enc != two.enc
    assert one.ct != two.ct
    assert fingerprint(one.raw) != fingerprint(two.raw)


def test_sealing_refuses_a_header_for_another_key_or_version() -> None:
    for header in (replace(HEADER, key_id=bytes(8)), replace(HEADER, version=2)):
        with pytest.raises(ValueError, match="not one for this version"):
            seal(PAYLOAD, header, AGENCY.public(), DEVICE)


# --- tampering ---


def test_every_changed_byte_is_noticed() -> None:
    raw, device = sealed(), DEVICE.public()
    for i in range(len(raw)):
        for bits in (0x01, 0x80, 0xFF):
            changed = raw[:i] + bytes([raw[i] ^ bits]) + raw[i + 1 :]
            with pytest.raises(BadSignature):
                verify(changed, device)


def test_every_changed_header_or_sealed_byte_fails_to_open_even_unverified() -> None:
    raw = sealed()
    for i in range(len(raw) - 64):
        with pytest.raises(EnvelopeError) as caught:
            open_(raw[:i] + bytes([raw[i] ^ 1]) + raw[i + 1 :], KEYS)
        expected = UnknownVersion if i < 1 else UnknownKey if 9 <= i < 17 else DamagedCiphertext
        assert type(caught.value) is expected, i


def test_every_truncation_and_extension_is_noticed() -> None:
    raw, device = sealed(), DEVICE.public()
    for changed in [raw[:n] for n in range(len(raw))] + [raw + b"\0", raw + raw]:
        with pytest.raises((BadSignature, Malformed)):
            verify(changed, device)
        with pytest.raises((Malformed, DamagedCiphertext)):
            open_(changed, KEYS)


@pytest.mark.parametrize("size", [0, 16, 191, 193, 255, 320])
def test_a_signed_envelope_of_no_known_size_is_malformed(size: int) -> None:
    with pytest.raises(Malformed):
        Envelope.parse(HEADER.to_bytes() + bytes(65 + size + 16 + 64))


def test_sizes_outside_every_version_are_malformed() -> None:
    assert read_header(HEADER.to_bytes() + bytes(32 * 1024 - 55)) == HEADER
    for raw in (HEADER.to_bytes() + bytes(32 * 1024 - 54), HEADER.to_bytes() + bytes(64)):
        with pytest.raises(Malformed):
            read_header(raw)
    for data in (b"", HEADER.to_bytes()[:-1], HEADER.to_bytes() + b"\0"):
        with pytest.raises(Malformed):
            Header.from_bytes(data)


def test_parts_of_two_envelopes_do_not_combine() -> None:
    one, two = sealed(), seal(PAYLOAD, replace(HEADER, device_seq=8), AGENCY.public(), DEVICE)
    for mixed in (two[:55] + one[55:], one[:55] + two[55:], one[:120] + two[120:], one[:-64] + two[-64:]):
        with pytest.raises(BadSignature):
            verify(mixed, DEVICE.public())
    resigned = two[:55] + one[55:-64]
    resigned += DEVICE.sign(b"lead/env/v1", resigned)
    verify(resigned, DEVICE.public())
    with pytest.raises(DamagedCiphertext):  # the ciphertext is bound to its own header, whoever signs
        open_(resigned, KEYS)


def test_another_device_and_another_agency_key_are_refused() -> None:
    raw = sealed()
    with pytest.raises(BadSignature):
        verify(raw, DeviceSigningKey.generate().public())
    with pytest.raises(UnknownKey) as caught:
        open_(raw, {})
    assert caught.value.key_id == AGENCY.key_id
    with pytest.raises(DamagedCiphertext):
        open_(raw, {AGENCY.key_id: AgencyPrivateKey.generate()})


def test_a_signature_has_one_form_only() -> None:
    raw = sealed()
    r, s = raw[-64:-32], int.from_bytes(raw[-32:])
    assert s <= P256_ORDER // 2
    other = raw[:-32] + (P256_ORDER - s).to_bytes(32)
    assert other[:-32] == raw[:-64] + r
    with pytest.raises(BadSignature, match="canonical"):
        verify(other, DEVICE.public())
    assert fingerprint(other) == fingerprint(raw)


def test_signatures_are_always_low_s() -> None:
    # Half of all ECDSA signatures come out high: sixty in a row would not be luck.
    assert all(int.from_bytes(DEVICE.sign(b"lead/rcp/v1", bytes([i]))[32:]) <= P256_ORDER // 2 for i in range(60))


@pytest.mark.parametrize(
    "signature", [bytes(64), b"\xff" * 64, b"", bytes(63), bytes(65), bytes(31) + b"\1" + bytes(32), bytes(63) + b"\1"]
)
def test_numbers_outside_the_group_are_no_signature(signature: bytes) -> None:
    with pytest.raises(BadSignature, match="canonical"):
        DEVICE.public().verify(b"lead/env/v1", b"message", signature)


def test_a_signature_has_one_length() -> None:
    signature = DEVICE.sign(b"lead/env/v1", b"message")
    with pytest.raises(BadSignature, match="canonical"):  # the same numbers, one of them written longer
        DEVICE.public().verify(b"lead/env/v1", b"message", signature[:32] + b"\0" + signature[32:])


def test_one_domain_never_stands_for_another() -> None:
    server = ServerSigningKey.generate()
    signature = server.sign(b"lead/rcp/v1", b"batch")
    server.public().verify(b"lead/rcp/v1", b"batch", signature)
    with pytest.raises(BadSignature):
        server.public().verify(b"lead/env/v1", b"batch", signature)
    for domain in (b"", b"lead/rcp/v1/", b"lead/rcp/v", b"lead/rcp/v10", b"LEAD/rcp/v1", b"lead/rcp/v1\n"):
        with pytest.raises(ValueError, match="domain"):
            server.sign(domain, b"batch")
        with pytest.raises(ValueError, match="domain"):
            server.public().verify(domain, b"batch", signature)


# --- newer software, and what no correct device seals ---


def test_a_newer_envelope_is_still_known_by_its_sender() -> None:
    header = replace(HEADER, version=2, schema=9)
    body = header.to_bytes() + b"a layout of the future"
    raw = body + DEVICE.sign(b"lead/env/v1", body)
    assert read_header(raw) == verify(raw, DEVICE.public()) == header
    for use in (Envelope.parse, lambda raw: open_(raw, KEYS)):
        with pytest.raises(UnknownVersion) as caught:
            use(raw)
        assert (caught.value.part, caught.value.version) == ("envelope", 2)
    with pytest.raises(BadSignature):
        verify(raw[:60] + b"x" + raw[61:], DEVICE.public())


def test_a_newer_dictionary_is_not_taken_for_damage() -> None:
    for frame in (frame_of(2, b"future"), b"\xff" * 256):  # what follows the dictionary's number may be anything
        with pytest.raises(UnknownVersion) as caught:
            open_(seal_frame(frame), KEYS)
        assert (caught.value.part, caught.value.version) == ("dictionary", frame[0])


def test_decompression_stops_at_the_limit() -> None:
    bomb = seal_frame(frame_of(1, deflated(bytes(30_000_000))))
    assert len(bomb) < env.MAX_ENVELOPE_BYTES
    tracemalloc.start()
    with pytest.raises(PayloadTooLarge):
        open_(bomb, KEYS)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 500_000
    with pytest.raises(PayloadTooLarge):
        open_(seal_frame(frame_of(1, deflated(bytes(16_385)))), KEYS)
    with pytest.raises(PayloadTooLarge):
        open_(seal_frame(frame_of(0, bytes(16_385))), KEYS)
    assert open_(seal_frame(frame_of(1, deflated(bytes(16_384)))), KEYS) == bytes(16_384)


def test_a_payload_over_the_limit_is_not_sealed() -> None:
    assert open_(sealed(b"x" * 16_384), KEYS) == b"x" * 16_384
    with pytest.raises(PayloadTooLarge):
        sealed(b"x" * 16_385)


@pytest.mark.parametrize(
    "frame",
    [
        frame_of(0, b"{}", size=190),  # longer than the frame
        frame_of(0, b"{}", size=1),  # something in the padding
        frame_of(0, b"{}").ljust(256, b"\0"),  # a larger class than needed
        frame_of(1, deflated(b"{}")[:-1]),  # stops early
        frame_of(1, deflated(b"{}") + b"?"),  # goes on afterwards
        frame_of(1, b"\xff\xff\xff"),  # not deflate
        frame_of(1, b""),
    ],
)
def test_a_frame_that_no_correct_device_seals_is_malformed(frame: bytes) -> None:
    with pytest.raises(Malformed):
        open_(seal_frame(frame), KEYS)


@given(st.binary(max_size=600))
def test_noise_is_refused_in_the_known_ways(noise: bytes) -> None:
    calls: list[Callable[[], object]] = [
        lambda: read_header(noise[:119]),
        lambda: verify(noise, DEVICE.public()),
        lambda: open_(noise, KEYS),
    ]
    for call in calls:
        with pytest.raises(EnvelopeError):
            call()


# --- keys ---


def test_keys_survive_their_bytes() -> None:
    for private in (AgencyPrivateKey.generate(), DeviceSigningKey.generate(), ServerSigningKey.generate()):
        again = type(private).from_bytes(private.to_bytes())
        assert (len(private.to_bytes()), again.to_bytes()) == (32, private.to_bytes())
        public = private.public()
        assert type(public).from_bytes(public.to_bytes()) == public
        assert (len(public.to_bytes()), public.key_id) == (65, private.key_id)


@pytest.mark.parametrize("data", [b"", bytes(32), P256_ORDER.to_bytes(32), bytes(31) + b"\1\1"])
def test_a_number_outside_the_group_is_no_private_key(data: bytes) -> None:
    with pytest.raises(ValueError, match="scalar"):
        DeviceSigningKey.from_bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(65),
        b"\4" + bytes(64),
        b"\4" + b"\1" * 64,
        b"\6" + AGENCY.public().to_bytes()[1:],
        AGENCY.public().to_bytes()[:-1],
    ],
)
def test_a_point_off_the_curve_is_no_public_key(data: bytes) -> None:
    with pytest.raises(ValueError):
        AgencyPublicKey.from_bytes(data)


def test_a_compressed_point_is_refused() -> None:
    point = AGENCY.public().to_bytes()
    with pytest.raises(ValueError, match="uncompressed"):
        AgencyPublicKey.from_bytes(bytes([2 + point[64] % 2]) + point[1:33])


def test_keys_and_refusals_tell_nothing() -> None:
    for private in (AGENCY, DEVICE, ServerSigningKey.from_bytes(DEVICE.to_bytes())):
        for text in (repr(private), str(private), repr(private.public())):
            assert private.to_bytes().hex() not in text
            assert str(int.from_bytes(private.to_bytes())) not in text
            assert private.key_id.hex() in text
    with pytest.raises(Malformed) as caught:
        open_(seal_frame(frame_of(1, deflated(PAYLOAD)[:-1])), KEYS)
    assert "ngstr" not in repr(caught.value) + repr(caught.value.__cause__)


def test_a_key_of_one_role_is_not_one_of_another() -> None:
    point = DEVICE.public().to_bytes()
    assert len({DevicePublicKey.from_bytes(point), ServerPublicKey.from_bytes(point)}) == 2


# --- sizes, with the real codec and the frozen dictionary ---


def sizes_of(make: Callable[[Random], Referral]) -> list[int]:
    rng = Random(20_260_105)
    return sorted(len(sealed(payload(make(rng), rng))) for _ in range(300))


def test_every_typical_arrest_fits_500_bytes() -> None:
    assert sizes_of(typical_arrest)[-1] <= 500


def test_nine_of_ten_referrals_of_any_kind_fit_500_bytes_and_the_rest_584() -> None:
    sizes = sizes_of(any_referral)
    assert sizes[len(sizes) * 90 // 100] <= 500
    assert sizes[-1] <= 584  # a social contact with a note, or an arrest with every rare answer


def test_a_complete_arrest_with_every_rare_answer_fits_584_bytes() -> None:
    assert sizes_of(full_arrest)[-1] <= 584


def test_what_save_needs_fits_the_smallest_class() -> None:
    assert set(sizes_of(shortest_arrest)) == {392}


def test_the_dictionary_never_changes() -> None:
    assert list(DICTIONARIES) == [1]
    assert (
        hashlib.sha256(DICTIONARIES[1]).hexdigest()
        == "6e73e72845bdaa83d2f65b35287815519f39521f9220a3addece6b3abb7b5a51"
    )


# --- frozen: these envelopes open for ever ---


def frozen() -> list[dict[str, str]]:
    document = json.loads((VECTORS / "envelope_frozen.json").read_text())
    return list(document["envelopes"])


@pytest.mark.parametrize("vector", frozen(), ids=lambda vector: vector["name"])
def test_frozen_envelopes_open_for_ever(vector: dict[str, str]) -> None:
    agency = AgencyPrivateKey.from_bytes(bytes.fromhex(vector["agency_private"]))
    device = DevicePublicKey.from_bytes(bytes.fromhex(vector["device_public"]))
    raw = bytes.fromhex(vector["envelope"])
    header = verify(raw, device)
    assert header.to_bytes().hex() == vector["header"]
    assert fingerprint(raw).hex() == vector["fingerprint"]
    assert open_(raw, {agency.key_id: agency}).decode() == vector["payload"]


# ---------------------------------------------------------------------------------------------------- to the letter
def says(kind: type[Exception], sentence: str, act: Callable[[], object]) -> None:
    with pytest.raises(kind) as told:
        act()
    assert (type(told.value), str(told.value)) == (kind, sentence)


def test_every_refusal_has_its_sentence() -> None:
    raw = sealed()
    newer = b"\x02" + raw[1:]
    says(UnknownVersion, "unknown envelope version 2", lambda: open_(newer, KEYS))
    says(UnknownVersion, "unknown dictionary version 9", lambda: open_(seal_frame(frame_of(9, b"x")), KEYS))
    says(UnknownKey, f"no agency key {AGENCY.key_id.hex()}", lambda: open_(raw, {}))
    says(Malformed, "a header has 55 bytes", lambda: Header.from_bytes(b"x" * 54))
    says(Malformed, "not the length of an envelope", lambda: read_header(b"x" * 119))
    says(Malformed, "not the length of an envelope", lambda: Envelope.parse(raw + b"x"))
    broken = raw[:150] + bytes((raw[150] ^ 1,)) + raw[151:]
    says(DamagedCiphertext, "the envelope does not open", lambda: open_(broken, KEYS))
    says(BadSignature, "the signature does not match", lambda: verify(broken, DEVICE.public()))
    says(BadSignature, "not a canonical signature", lambda: verify(raw[:-64] + bytes(64), DEVICE.public()))
    canonical = "the sealed frame is not a canonical one"
    says(Malformed, canonical, lambda: open_(seal_frame(frame_of(0, b"x", size=0)), KEYS))
    inflate = "the sealed payload does not decompress"
    says(Malformed, inflate, lambda: open_(seal_frame(frame_of(1, b"\xff\xff\xff")), KEYS))
    says(Malformed, inflate, lambda: open_(seal_frame(frame_of(1, deflated(b"x") + b"more")), KEYS))
    large = f"a payload has at most {env.MAX_PAYLOAD_BYTES} bytes"
    says(PayloadTooLarge, large, lambda: sealed(bytes(env.MAX_PAYLOAD_BYTES + 1)))
    bomb = seal_frame(frame_of(1, deflated(bytes(env.MAX_PAYLOAD_BYTES + 1))))
    says(PayloadTooLarge, large, lambda: open_(bomb, KEYS))
    says(ValueError, "a public key is a 65-byte uncompressed point", lambda: AgencyPublicKey.from_bytes(b"x"))
    says(ValueError, "a private key is a 32-byte scalar of P-256", lambda: AgencyPrivateKey.from_bytes(bytes(32)))
    says(ValueError, "a signing domain reads lead/xyz/v1", lambda: DEVICE.sign(b"lead", b""))
    sizes = "a header needs 8, 8, 16 and 16 bytes of agency, key_id, op_id and device_id"
    says(ValueError, sizes, lambda: replace(HEADER, agency=b"x"))
    numbers = "device_seq is a u32, schema a u16, version a u8"
    for change in ({"device_seq": 2**32}, {"schema": 2**16}, {"version": 2**8}, {"device_seq": -1}):
        says(ValueError, numbers, lambda change=change: replace(HEADER, **change))  # type: ignore[misc]
    other = "the header is not one for this version and this agency key"
    says(ValueError, other, lambda: seal(b"", replace(HEADER, version=2), AGENCY.public(), DEVICE))


def test_the_largest_payload_travels_though_it_does_not_shrink() -> None:
    noise = Random(7).randbytes(env.MAX_PAYLOAD_BYTES)
    assert open_(sealed(noise), KEYS) == noise
    assert open_(sealed(bytes(env.MAX_PAYLOAD_BYTES)), KEYS) == bytes(env.MAX_PAYLOAD_BYTES)


def test_keys_name_their_role_and_equal_ones_count_once() -> None:
    assert repr(AGENCY) == f"AgencyPrivateKey(key_id={AGENCY.key_id.hex()})"
    assert repr(DEVICE.public()) == f"DevicePublicKey(key_id={DEVICE.key_id.hex()})"
    again = DevicePublicKey.from_bytes(DEVICE.public().to_bytes())
    assert {again, DEVICE.public()} == {again}
    assert hash(again) == hash(again.to_bytes())
    assert AgencyPrivateKey.from_bytes((1).to_bytes(32)).to_bytes() == (1).to_bytes(32)
