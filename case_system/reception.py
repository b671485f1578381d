"""What an envelope is, before anyone judges what it says: whose it is, whether it can be read, and if not, why.

Order (S5): header, device, signature; only then may its number be recorded; then the agency, the key, the payload. What is
newer than this software, or sealed for a key that is missing, is kept (S14). Every fault of an envelope has one code here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from case_system.ports import Keys
from referral.envelope import (
    AgencyPrivateKey,
    BadSignature,
    DamagedCiphertext,
    DevicePublicKey,
    Malformed,
    PayloadTooLarge,
    UnknownKey,
    UnknownVersion,
    fingerprint,
    open_,
    read_header,
    verify,
)
from referral.model import OpId
from referral.operations import SCHEMA, Operation, decode
from referral.port import Outcome
from referral.problems import FieldError, ProblemCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One envelope. verified: its signature is the device's. outcome: decided already (None: to be judged)."""

    op_id: OpId
    fingerprint: str
    device_seq: int = 0
    key_id: str | None = None
    verified: bool = False
    outcome: Outcome | None = None
    code: ProblemCode | None = None
    operation: Operation | None = field(default=None, repr=False)
    payload: bytes | None = field(default=None, repr=False)
    raw: bytes = field(repr=False)


def hear(raw: bytes, device_id: str, device_key: DevicePublicKey, agency_id: str, keys: Keys) -> Heard:
    """The envelope, verified and opened as far as it goes; never raises for what a sender can do."""
    print_ = fingerprint(raw).hex()
    try:
        header = read_header(raw)
    except Malformed:
        return Heard(op_id=OpId(""), fingerprint=print_, outcome=Outcome.REFUSED, code=ProblemCode.MALFORMED, raw=raw)
    op_id, key_id = OpId(header.op_id.hex()), header.key_id.hex()

    def said(outcome: Outcome, code: ProblemCode, *, verified: bool) -> Heard:
        return Heard(
            op_id=op_id, fingerprint=print_, device_seq=header.device_seq, key_id=key_id, verified=verified,
            outcome=outcome, code=code, raw=raw,
        )  # fmt: skip

    if header.device_id.hex() != device_id:
        return said(Outcome.REFUSED, ProblemCode.DEVICE_MISMATCH, verified=False)
    try:
        verify(raw, device_key)
    except BadSignature:
        return said(Outcome.REFUSED, ProblemCode.BAD_SIGNATURE, verified=False)
    if header.agency.hex() != agency_id:
        return said(Outcome.REFUSED, ProblemCode.NOT_THE_AGENCY, verified=True)
    read = unseal(raw, keys.agency_keys, keys.retired)
    if isinstance(read, Unread):
        return said(read.outcome, read.code, verified=True)
    return Heard(
        op_id=op_id, fingerprint=print_, device_seq=header.device_seq, key_id=key_id, verified=True,
        operation=read.operation, payload=read.payload, raw=raw,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Read:
    """What a verified envelope says."""

    operation: Operation = field(repr=False)
    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Unread:
    """Why it cannot be read."""

    outcome: Outcome
    code: ProblemCode


def unseal(raw: bytes, agency_keys: Mapping[bytes, AgencyPrivateKey], retired: frozenset[bytes]) -> Read | Unread:
    """Open and decode a verified envelope; what was made for a later schema is not judged by this one, however often it is read.

    A destroyed key comes first: no upgrade would ever open it, so its device must seal it again.
    """
    try:
        header = read_header(raw)
        if header.key_id in retired:
            return Unread(Outcome.REFUSED, ProblemCode.KEY_RETIRED)
        if header.schema > SCHEMA:
            return Unread(Outcome.STORED, ProblemCode.UNKNOWN_VERSION)
        payload = open_(raw, agency_keys)
        return Read(decode(payload), payload)
    except UnknownVersion:
        return Unread(Outcome.STORED, ProblemCode.UNKNOWN_VERSION)
    except UnknownKey:
        return Unread(Outcome.STORED, ProblemCode.UNKNOWN_KEY)
    except (DamagedCiphertext, Malformed):
        return Unread(Outcome.REFUSED, ProblemCode.DAMAGED)
    except PayloadTooLarge:
        return Unread(Outcome.REFUSED, ProblemCode.TOO_LARGE)
    except FieldError as error:
        if error.code is ProblemCode.UNKNOWN_VERSION:
            return Unread(Outcome.STORED, ProblemCode.UNKNOWN_VERSION)
        return Unread(Outcome.REFUSED, error.code)
