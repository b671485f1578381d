"""The port between a device and a case system: what is pushed and pulled, in one round trip.

`CaseSystem` is spoken by the HTTP client (`field_app/sync/http.py`), the server (`case_system/service.py`) and the
simulator alike. Messages are records of this module; their wire form is `referral.codec`'s. Envelopes are always processed
before changes are read. A response is signed by the server key that the device was given at enrolment: the signature is
over `signed_bytes(response)` and covers everything, so that a receipt, an order or a change cannot be made by anyone else.

Cursor text: "EPOCH:SEQ" (S11). An absent cursor asks from the beginning; a locked device sends none and gets no changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any, Protocol

from referral.codec import sorted_canonical, to_wire
from referral.lifecycle import Role
from referral.model import DeviceId, OpId, ReferralId, UserId
from referral.problems import FieldError, ProblemCode
from referral.views import CaseloadView, NoticeView, ReferralView

SIGNATURE_DOMAIN = b"lead/rcp/v1"  # `envelope.RECEIPT_DOMAIN`
BATCH_BYTES = 256 * 1024  # envelopes in one request, before base64
BATCH_ITEMS = 500
LABEL_LIMIT = 80  # characters of what an app calls itself
NONCE_LIMIT = 64
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def _label(path: str, text: str | None, limit: int = LABEL_LIMIT, *, least: int = 0) -> None:
    if text is None:
        return
    if len(text) > limit:
        raise FieldError(path, ProblemCode.TOO_LONG, f"is longer than {limit} characters")
    if len(text) < least or _CONTROL.search(text):
        raise FieldError(path, ProblemCode.INVALID_VALUE, "is blank or has control characters")


class Outcome(StrEnum):
    """What became of one operation. `refused` goes to quarantine on the device; the server keeps it too where it can."""

    STORED = "stored"
    ACCEPTED = "accepted"
    NEEDS_ATTENTION = "needs_attention"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The server's word on one operation, permanent under (device_id, op_id).

    fingerprint: hex SHA-256 of the signed bytes. receipt: the number for people ("7K42-9QXM"), None when refused.
    """

    op_id: OpId
    fingerprint: str
    outcome: Outcome
    receipt: str | None = None
    code: ProblemCode | None = None
    at: datetime


class ChangeKind(StrEnum):
    REFERRAL = "referral"
    GONE = "gone"
    NOTICE = "notice"
    RECEIPT = "receipt"
    CASELOAD = "caseload"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One row of the reader's feed, with the present truth of what it names (exactly one of the optional fields)."""

    seq: int
    kind: ChangeKind
    referral_id: ReferralId | None = None  # with `gone`: the reader may no longer see it (S13)
    referral: ReferralView | None = None
    notice: NoticeView | None = None
    receipt: Receipt | None = None
    caseload: CaseloadView | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptDigest:
    """Anti-entropy (S15): which accepted operations the device holds receipts for, from `receipt_digest`.

    since: counted are receipts with outcome accepted and `at` (the server's clock) not before it. Sent only by a device that
    has nothing to send; when the server counts others, it answers `device.reoffer`.
    """

    n: int
    hash: str
    since: datetime


def receipt_digest(op_ids: Iterable[OpId], since: datetime) -> ReceiptDigest:
    """The digest of these operations: their number, and hex SHA-256 over their sorted op_ids without separators."""
    ordered = sorted(op_ids)
    return ReceiptDigest(n=len(ordered), hash=sha256("".join(ordered).encode()).hexdigest(), since=since)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """Honest status (S17), so that a supervisor sees who still holds unsent work. Counts and ages only."""

    waiting: int
    stored: int
    needs_attention: int
    oldest_unsent_s: int | None = None
    app: str
    locked: bool = False
    clock_offset_ms: int | None = None

    def __post_init__(self) -> None:
        _label("app", self.app)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRequest:
    """nonce: 16 random bytes in hex, echoed in the signed answer, so that an old answer cannot be played again."""

    nonce: str
    cursor: str | None = None
    pull: bool = False
    envelopes: tuple[bytes, ...] = ()
    receipts: ReceiptDigest | None = None
    heartbeat: Heartbeat | None = None
    generation: int | None = None
    pack: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        _label("nonce", self.nonce, NONCE_LIMIT, least=1)
        _label("pack", self.pack)


class DeviceState(StrEnum):
    ACTIVE = "active"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceOrders:
    """What the case system says of this device. release: the attempt lock is lifted. wipe: destroy the readable vault.
    reoffer: the receipts that the device counted are not those of the case system, so it offers the operations again.
    generation: the latest of its vault that was heard of; a vault behind it is an old file that was put back."""

    state: DeviceState
    lease_until: datetime
    release: bool = False
    wipe: bool = False
    reoffer: bool = False
    generation: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PackDelivery:
    """A newer programme pack: its version, digest (hex SHA-256) and files by name (UTF-8 text)."""

    version: str
    digest: str
    files: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencyKey:
    """The key that new operations are sealed for: 65-byte uncompressed P-256 point and its 8-byte id in hex."""

    key_id: str
    public_key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncResponse:
    epoch: str
    nonce: str
    device_id: DeviceId
    results: tuple[Receipt, ...] = ()
    changes: tuple[Change, ...] = ()
    cursor: str | None = None
    more: bool = False
    reset: bool = False
    device: DeviceOrders
    pack: PackDelivery | None = None
    agency_key: AgencyKey | None = None  # present when it differs from the key that the newest envelope used
    server_time: datetime
    signature: bytes = b""
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)


def signed_bytes(response: SyncResponse) -> bytes:
    """What the server signs: the response's wire form without its signature, with sorted keys."""
    return sorted_canonical(to_wire(replace(response, signature=b"")))


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolRequest:
    """code: the one-time code as typed (case and hyphens do not matter). device_key: 65-byte P-256 point. proof: the
    device's signature over `enrol_proof(code, device_id)`, which shows that it holds the private key."""

    code: str = field(repr=False)
    device_id: DeviceId
    device_key: bytes
    proof: bytes
    app: str
    platform: str

    def __post_init__(self) -> None:
        _label("app", self.app)
        _label("platform", self.platform)


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """What binds user, role, device key, agency key and pack. append_token sends and reads receipts while locked;
    read_token also pulls and is kept in the vault."""

    user: UserId
    name: str
    role: Role
    unit: str | None = None
    agency: str  # 16 hex digits: the header's agency id
    agency_name: str
    agency_key: AgencyKey
    server_key: bytes
    epoch: str
    append_token: str = field(repr=False)
    read_token: str = field(repr=False)
    lease_until: datetime
    pack: PackDelivery
    server_time: datetime


ENROL_DOMAIN = b"lead/enr/v1"


def enrol_proof(code: str, device_id: DeviceId) -> bytes:
    """The bytes that the device signs at enrolment."""
    return sorted_canonical({"code": plain_code(code), "device_id": device_id})


def plain_code(code: str) -> str:
    """An enrolment code as compared: upper case, no blanks or hyphens, O and I read as 0 and 1."""
    return "".join(c for c in code.upper() if c.isalnum()).replace("O", "0").replace("I", "1").replace("L", "1")


class Refused(Exception):
    """The whole request was refused by the case system, with a stable code; the queue pauses, the items stay (S8)."""

    def __init__(self, code: ProblemCode, *, retry_after_s: float | None = None, detail: str = "") -> None:
        super().__init__(code.value)
        self.code, self.retry_after_s, self.detail = code, retry_after_s, detail


class CaseSystem(Protocol):
    """A case system as a device sees it."""

    def enrol(self, request: EnrolRequest) -> Enrolment:
        """Bind a new device; raises Refused(code_not_valid) for a used, expired or wrong code."""
        ...

    def sync(self, token: str, request: SyncRequest) -> SyncResponse:
        """Take envelopes, then answer with results and (token permitting) changes; raises Refused for the request as a
        whole, and ConnectionError kinds of its own transport."""
        ...
