"""The envelope: one operation, sealed to the agency and signed by the device, in bytes that never change.

    v 1 | agency 8 | key_id 8 | op_id 16 | device_id 16 | device_seq u32 | schema u16     header, 55 bytes, big-endian
    enc 65                                                                                HPKE: the sender's one-time point
    ct  frame + 16                                                                        HPKE: AES-256-GCM, info = header
    sig 64                                                                                ES256, raw r | s, low s only

The sealed frame is ``dictionary u8 | length u16 | data | zeros`` of 192, 256, 384, 512, ... bytes, so that its size tells little.

Promises: the header and the signature's place are the same in **every** version, so that a server can say who sent an envelope,
and keep it, before it can open it. The signature covers all bytes before it; it has exactly one valid form per signing. Only HPKE
base mode with DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM (RFC 9180) and ES256 (FIPS 186-5); no function takes an
algorithm, a nonce or a mode. The server's order is ``read_header``, look up the device, ``verify``, ``open_``.

This file must not know what a payload means, where keys are kept, or what anybody does with an error:

    EnvelopeError
      Malformed           not an envelope, or one that no correct device seals
      UnknownVersion      made by newer software: keep it, do not judge it
      UnknownKey          sealed to a key that is not here
      BadSignature        not signed by this device, or changed since
      DamagedCiphertext   does not open under its own header and key
      PayloadTooLarge     more than MAX_PAYLOAD_BYTES, before sealing or after opening
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self, cast

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from referral.dictionary import DICTIONARIES

VERSION: Final = 1
DICTIONARY_VERSION: Final = 1
HEADER_BYTES: Final = 55
POINT_BYTES: Final = 65
SCALAR_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
TAG_BYTES: Final = 16
KEY_ID_BYTES: Final = 8
MAX_PAYLOAD_BYTES: Final = 16 * 1024
MAX_ENVELOPE_BYTES: Final = 32 * 1024  # of any version; version 1 never needs more than 16,712

HEADER_DOMAIN: Final = b"lead/hdr/v1"
ENVELOPE_DOMAIN: Final = b"lead/env/v1"
RECEIPT_DOMAIN: Final = b"lead/rcp/v1"

_STORED: Final = 0  # frame without compression
_LAYOUT: Final = struct.Struct(">B8s8s16s16sIH")
_FRAME: Final = struct.Struct(">BH")
_SUITE: Final = Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_CURVE: Final = ec.SECP256R1()
_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
# One length for all domains: no domain is the beginning of another, so no signed text can be read under two of them.
_DOMAIN: Final = re.compile(rb"lead/[a-z]{3}/v[1-9]")


class EnvelopeError(Exception):
    """An envelope that cannot be used as it is; the text never holds content."""


class Malformed(EnvelopeError):
    """Not an envelope, or one that no correct device seals."""


class UnknownVersion(EnvelopeError):
    """Made by newer software than this: to be kept and opened later, never to be judged as tampering."""

    def __init__(self, part: str, version: int) -> None:
        super().__init__(f"unknown {part} version {version}")
        self.part = part
        self.version = version


class UnknownKey(EnvelopeError):
    """Sealed to an agency key that is not among the given ones."""

    def __init__(self, key_id: bytes) -> None:
        super().__init__(f"no agency key {key_id.hex()}")
        self.key_id = key_id


class BadSignature(EnvelopeError):
    """Not signed by the given key, or changed after signing."""


class DamagedCiphertext(EnvelopeError):
    """Does not open: the ciphertext, the header or the key is not the one it was sealed with."""


class PayloadTooLarge(EnvelopeError):
    """More than MAX_PAYLOAD_BYTES of payload."""


@dataclass(frozen=True, slots=True, repr=False)
class _PublicPoint:
    _key: ec.EllipticCurvePublicKey
    _key_id: bytes | None = field(default=None, init=False, compare=False)  # made when it is first asked for

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Return the key of a 65-byte uncompressed P-256 point; ValueError when it is none."""
        if len(data) != POINT_BYTES:
            raise ValueError("a public key is a 65-byte uncompressed point")
        return cls(ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, data))

    def to_bytes(self) -> bytes:
        """Return the 65-byte uncompressed point."""
        return self._key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    @property
    def key_id(self) -> bytes:
        """The first 8 bytes of SHA-256 of the point."""
        if self._key_id is None:
            object.__setattr__(self, "_key_id", hashlib.sha256(self.to_bytes()).digest()[:KEY_ID_BYTES])
        return cast(bytes, self._key_id)

    def __hash__(self) -> int:
        return hash(self.to_bytes())

    def __repr__(self) -> str:
        return f"{type(self).__name__}(key_id={self.key_id.hex()})"


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class _PrivateScalar:
    _key: ec.EllipticCurvePrivateKey

    @classmethod
    def generate(cls) -> Self:
        """Return a new key from the operating system's randomness."""
        return cls(ec.generate_private_key(_CURVE))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Return the key of a 32-byte big-endian scalar; ValueError when it is 0 or not below the group order."""
        if len(data) != SCALAR_BYTES or not 0 < int.from_bytes(data) < _ORDER:
            raise ValueError("a private key is a 32-byte scalar of P-256")
        return cls(ec.derive_private_key(int.from_bytes(data), _CURVE))

    def to_bytes(self) -> bytes:
        """Return the 32-byte scalar: secret, for a key store only."""
        return self._key.private_numbers().private_value.to_bytes(SCALAR_BYTES)

    @property
    def key_id(self) -> bytes:
        """The key id of the public half."""
        return _PublicPoint(self._key.public_key()).key_id

    def __repr__(self) -> str:
        return f"{type(self).__name__}(key_id={self.key_id.hex()})"


class AgencyPublicKey(_PublicPoint):
    """What a device seals to."""

    __slots__ = ()


class AgencyPrivateKey(_PrivateScalar):
    """What opens envelopes; it never leaves the case system's key folder."""

    __slots__ = ()

    def public(self) -> AgencyPublicKey:
        """Return the public half."""
        return AgencyPublicKey(self._key.public_key())


class VerifyKey(_PublicPoint):
    """Checks signatures of one signer."""

    __slots__ = ()

    def verify(self, domain: bytes, message: bytes, signature: bytes) -> None:
        """Return when `signature` (64 bytes, r | s, low s) is this key's over domain | message, else raise BadSignature.

        High s is refused: it is a second valid form of the same signature, and a receipt names bytes.
        """
        _check_domain(domain)
        r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
        if len(signature) != SIGNATURE_BYTES or not 0 < r < _ORDER or not 0 < s <= _ORDER // 2:
            raise BadSignature("not a canonical signature")
        try:
            self._key.verify(encode_dss_signature(r, s), domain + message, ec.ECDSA(SHA256()))
        except InvalidSignature as error:
            raise BadSignature("the signature does not match") from error


class SigningKey(_PrivateScalar):
    """Signs with ES256, always in the low-s form."""

    __slots__ = ()

    def sign(self, domain: bytes, message: bytes) -> bytes:
        """Return the 64-byte r | s over domain | message; `domain` reads ``lead/xyz/v1``, else ValueError."""
        _check_domain(domain)
        r, s = decode_dss_signature(self._key.sign(domain + message, ec.ECDSA(SHA256())))
        return r.to_bytes(32) + min(s, _ORDER - s).to_bytes(32)


class DevicePublicKey(VerifyKey):
    """Checks what one device signed."""

    __slots__ = ()


class DeviceSigningKey(SigningKey):
    """Signs for one device; made at enrolment."""

    __slots__ = ()

    def public(self) -> DevicePublicKey:
        """Return the public half."""
        return DevicePublicKey(self._key.public_key())


class ServerPublicKey(VerifyKey):
    """Checks what the case system signed; bound at enrolment."""

    __slots__ = ()


class ServerSigningKey(SigningKey):
    """Signs the case system's receipt batches."""

    __slots__ = ()

    def public(self) -> ServerPublicKey:
        """Return the public half."""
        return ServerPublicKey(self._key.public_key())


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What stands in clear on an envelope: routing and order, nothing about a person.

    `agency` and `key_id` are 8 bytes, `op_id` and `device_id` 16; `device_seq` counts a device's envelopes (u32) and `schema` is
    the payload's schema version (u16).
    """

    agency: bytes
    key_id: bytes
    op_id: bytes
    device_id: bytes
    device_seq: int
    schema: int
    version: int = VERSION

    def __post_init__(self) -> None:
        sizes = (len(self.agency), len(self.key_id), len(self.op_id), len(self.device_id))
        if sizes != (8, KEY_ID_BYTES, 16, 16):
            raise ValueError("a header needs 8, 8, 16 and 16 bytes of agency, key_id, op_id and device_id")
        if not (0 <= self.device_seq < 2**32 and 0 <= self.schema < 2**16 and 0 <= self.version < 2**8):
            raise ValueError("device_seq is a u32, schema a u16, version a u8")

    def to_bytes(self) -> bytes:
        """Return the canonical 55 bytes."""
        return _LAYOUT.pack(
            self.version, self.agency, self.key_id, self.op_id, self.device_id, self.device_seq, self.schema
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Return the header of exactly 55 bytes, of whatever version; Malformed for another length."""
        if len(data) != HEADER_BYTES:
            raise Malformed("a header has 55 bytes")
        version, agency, key_id, op_id, device_id, device_seq, schema = _LAYOUT.unpack(data)
        return cls(
            version=version,
            agency=agency,
            key_id=key_id,
            op_id=op_id,
            device_id=device_id,
            device_seq=device_seq,
            schema=schema,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """The parts of a version 1 envelope; nothing about it is verified yet."""

    header: Header
    enc: bytes
    ct: bytes
    sig: bytes
    raw: bytes

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Return the parts of `raw`; UnknownVersion when it is not version 1, Malformed when the sizes are not an envelope's."""
        header = read_header(raw)
        if header.version != VERSION:
            raise UnknownVersion("envelope", header.version)
        enc, ct = raw[HEADER_BYTES : HEADER_BYTES + POINT_BYTES], raw[HEADER_BYTES + POINT_BYTES : -SIGNATURE_BYTES]
        if len(ct) - TAG_BYTES != _padded(len(ct) - TAG_BYTES):
            raise Malformed("not the length of an envelope")
        return cls(header=header, enc=enc, ct=ct, sig=raw[-SIGNATURE_BYTES:], raw=raw)


def read_header(raw: bytes) -> Header:
    """Return the unverified header of an envelope of any version; Malformed when it cannot hold one and a signature."""
    if not HEADER_BYTES + SIGNATURE_BYTES < len(raw) <= MAX_ENVELOPE_BYTES:
        raise Malformed("not the length of an envelope")
    return Header.from_bytes(raw[:HEADER_BYTES])


def fingerprint(raw: bytes) -> bytes:
    """Return SHA-256 of what the signature covers: the name of these bytes, whichever way they were signed."""
    return hashlib.sha256(ENVELOPE_DOMAIN + raw[:-SIGNATURE_BYTES]).digest()


def seal(payload: bytes, header: Header, agency: AgencyPublicKey, device: DeviceSigningKey) -> bytes:
    """Return the envelope of `payload` under `header`: only the agency reads it, only this device can have made it.

    Each call gives other bytes: seal once and keep them. PayloadTooLarge above MAX_PAYLOAD_BYTES; ValueError when the header is of
    another version or names another agency key.
    """
    if header.version != VERSION or header.key_id != agency.key_id:
        raise ValueError("the header is not one for this version and this agency key")
    head = header.to_bytes()
    sealed = _SUITE.encrypt(_frame(payload), agency._key, info=HEADER_DOMAIN + head)
    return head + sealed + device.sign(ENVELOPE_DOMAIN, head + sealed)


def verify(raw: bytes, device: DevicePublicKey) -> Header:
    """Return the header of an envelope that `device` signed, of any version, else raise BadSignature (Malformed: no envelope).

    The caller chose `device` by the unverified header's device_id; only what this returns may be believed.
    """
    header = read_header(raw)
    device.verify(ENVELOPE_DOMAIN, raw[:-SIGNATURE_BYTES], raw[-SIGNATURE_BYTES:])
    return header


def open_(raw: bytes, keys: Mapping[bytes, AgencyPrivateKey]) -> bytes:
    """Return the payload of an envelope; `keys` are the agency's private keys by key_id. Verify first: this does not.

    Raises UnknownVersion (envelope or dictionary), UnknownKey, DamagedCiphertext, Malformed, PayloadTooLarge.
    """
    envelope = Envelope.parse(raw)
    key = keys.get(envelope.header.key_id)
    if key is None:
        raise UnknownKey(envelope.header.key_id)
    info = HEADER_DOMAIN + envelope.header.to_bytes()
    try:
        frame = _SUITE.decrypt(envelope.enc + envelope.ct, key._key, info=info)
    except InvalidTag as error:
        raise DamagedCiphertext("the envelope does not open") from error
    return _unframe(frame)


def _check_domain(domain: bytes) -> None:
    if not _DOMAIN.fullmatch(domain):
        raise ValueError("a signing domain reads lead/xyz/v1")


def _padded(size: int) -> int:
    """Return the smallest of 192, 256, 384, 512, ... (then + 128) that holds `size` bytes."""
    return 192 if size <= 192 else max(256, -(-size // 128) * 128)


def _frame(payload: bytes) -> bytes:
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise PayloadTooLarge(f"a payload has at most {MAX_PAYLOAD_BYTES} bytes")
    deflate = zlib.compressobj(
        9, zlib.DEFLATED, -14, 7, zdict=DICTIONARIES[DICTIONARY_VERSION]
    )  # a phone zeroes less memory
    coded, data = DICTIONARY_VERSION, deflate.compress(payload) + deflate.flush()
    if len(data) >= len(payload):
        coded, data = _STORED, payload
    frame = _FRAME.pack(coded, len(data)) + data
    return frame.ljust(_padded(len(frame)), b"\0")


def _unframe(frame: bytes) -> bytes:
    coded, size = _FRAME.unpack_from(frame)
    if coded != _STORED and coded not in DICTIONARIES:
        raise UnknownVersion("dictionary", coded)
    data, padding = frame[_FRAME.size : _FRAME.size + size], frame[_FRAME.size + size :]
    if any(padding) or len(frame) != _padded(_FRAME.size + size):
        raise Malformed("the sealed frame is not a canonical one")
    if coded == _STORED:
        payload = data
    else:
        inflate = zlib.decompressobj(-15, zdict=DICTIONARIES[coded])
        try:
            payload = inflate.decompress(data, MAX_PAYLOAD_BYTES + 1)
        except zlib.error as error:
            raise Malformed("the sealed payload does not decompress") from error
        if len(payload) <= MAX_PAYLOAD_BYTES and (not inflate.eof or inflate.unused_data):
            raise Malformed("the sealed payload does not decompress")
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise PayloadTooLarge(f"a payload has at most {MAX_PAYLOAD_BYTES} bytes")
    return payload
