"""A minimal device for tests of a case system: makes keys, enrols, seals operations, syncs over any `CaseSystem`.

It keeps what it sealed, so that a test can send the same bytes again, and a replica of what it was told. It has no vault,
no outbox and no patience: everything it does, it does at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from referral.envelope import AgencyPublicKey, DeviceSigningKey, Header, ServerPublicKey, seal
from referral.model import DeviceId, Kind, OpId, Referral, ReferralId, UserId, Whereabouts, Willing
from referral.operations import SCHEMA, Acknowledge, Amend, Body, Create, Op, Operation, Reason, encode
from referral.port import (
    ENROL_DOMAIN,
    SIGNATURE_DOMAIN,
    CaseSystem,
    ChangeKind,
    Enrolment,
    EnrolRequest,
    Receipt,
    SyncRequest,
    SyncResponse,
    enrol_proof,
    signed_bytes,
)
from referral.views import NoticeView, ReferralView, heard


def arrest(referral_id: str | None = None, **fields: Any) -> Referral:
    """An arrest of someone who agrees and is on the way; `fields` replace answers."""
    values: dict[str, Any] = {"kind": Kind.ARREST, "willing": Willing.YES, "whereabouts": Whereabouts.COMING_IN}
    return Referral(referral_id=ReferralId(referral_id or os.urandom(16).hex()), **(values | fields))


def social(referral_id: str | None = None, **fields: Any) -> Referral:
    """A social contact with someone who agrees; `fields` replace answers."""
    values: dict[str, Any] = {"kind": Kind.SOCIAL, "willing": Willing.YES}
    return Referral(referral_id=ReferralId(referral_id or os.urandom(16).hex()), **(values | fields))


@dataclass(slots=True)
class Replica:
    """What the device was told last."""

    referrals: dict[str, ReferralView] = field(default_factory=dict)
    notices: dict[str, NoticeView] = field(default_factory=dict)
    receipts: dict[str, Receipt] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    enrolled: int | None = None


@dataclass(slots=True)
class Device:
    """One enrolled device of one person."""

    system: CaseSystem
    enrolment: Enrolment
    device_id: DeviceId
    key: DeviceSigningKey
    now: Callable[[], datetime]
    cursor: str | None = None
    seq: int = 0
    replica: Replica = field(default_factory=Replica)

    @classmethod
    def enrol(cls, system: CaseSystem, code: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Device:
        """A new device, bound by a one-time code."""
        key, device_id = DeviceSigningKey.generate(), DeviceId(os.urandom(16).hex())
        proof = key.sign(ENROL_DOMAIN, enrol_proof(code, device_id))
        request = EnrolRequest(
            code=code,
            device_id=device_id,
            device_key=key.public().to_bytes(),
            proof=proof,
            app="test/1",
            platform="test",
        )
        return cls(system=system, enrolment=system.enrol(request), device_id=device_id, key=key, now=now)

    @property
    def user(self) -> UserId:
        return self.enrolment.user

    def operation(self, op: Op, referral_id: str, body: Body, *, base: int = 0, nonce: str | None = None) -> Operation:
        """An operation by this device's person, now."""
        return Operation(
            op=op, referral_id=ReferralId(referral_id), base=base, nonce=nonce or os.urandom(6).hex()[:8],
            made_at=self.now(), made_by=self.user, body=body,
        )  # fmt: skip

    def seal(self, operation: Operation, *, op_id: bytes | None = None, agency: AgencyPublicKey | None = None) -> bytes:
        """The sealed envelope of an operation."""
        return self.seal_bytes(encode(operation), op_id=op_id, agency=agency)

    def seal_bytes(self, payload: bytes, *, op_id: bytes | None = None, agency: AgencyPublicKey | None = None, schema: int = SCHEMA) -> bytes:  # fmt: skip
        """The sealed envelope of any payload: for what a correct device would not send."""
        to = agency or AgencyPublicKey.from_bytes(self.enrolment.agency_key.public_key)
        self.seq += 1
        header = Header(
            agency=bytes.fromhex(self.enrolment.agency), key_id=to.key_id, op_id=op_id or os.urandom(16),
            device_id=bytes.fromhex(self.device_id), device_seq=self.seq, schema=schema,
        )  # fmt: skip
        return seal(payload, header, to, self.key)

    def create(self, referral: Referral) -> bytes:
        """The envelope of a new referral."""
        return self.seal(self.operation(Op.CREATE, referral.referral_id, Create(referral=referral)))

    def reason(self, op: Op, referral_id: str, reason: str | None = None, *, base: int = 1) -> bytes:
        """The envelope of a step that carries no more than a reason."""
        return self.seal(self.operation(op, referral_id, Reason(reason=reason), base=base))

    def amend(self, referral_id: str, base: int = 1, **changes: Any) -> bytes:
        """The envelope of an amendment."""
        return self.seal(self.operation(Op.AMEND, referral_id, Amend(changes=changes), base=base))

    def acknowledge(self, notice: NoticeView, base: int = 1) -> bytes:
        """The envelope that says: seen."""
        return self.seal(
            self.operation(Op.ACKNOWLEDGE, notice.referral_id, Acknowledge(notice_id=notice.notice_id), base=base)
        )

    def sync(self, envelopes: Sequence[bytes] = (), *, locked: bool = False, **fields: Any) -> SyncResponse:
        """One round trip; checks the signature and the nonce, and takes the changes in."""
        token = self.enrolment.append_token if locked else self.enrolment.read_token
        request = SyncRequest(
            nonce=os.urandom(16).hex(), cursor=None if locked else self.cursor, pull=not locked,
            envelopes=tuple(envelopes), **fields,
        )  # fmt: skip
        answer = self.system.sync(token, request)
        ServerPublicKey.from_bytes(self.enrolment.server_key).verify(
            SIGNATURE_DOMAIN, signed_bytes(answer), answer.signature
        )
        assert answer.nonce == request.nonce
        assert answer.device_id == self.device_id
        self._take(answer)
        return answer

    def send(self, *envelopes: bytes) -> tuple[Receipt, ...]:
        """Send, and return the result of each."""
        return self.sync(envelopes).results

    def pull(self) -> Replica:
        """Everything that is new, page by page; the replica afterwards."""
        while self.sync().more:
            pass
        return self.replica

    def _take(self, answer: SyncResponse) -> None:
        if answer.reset:
            self.replica = Replica()
        for change in answer.changes:
            match change.kind:
                case ChangeKind.REFERRAL:
                    assert change.referral is not None
                    self.replica.referrals[change.referral.referral_id] = heard(change.referral)
                    self.replica.gone.discard(change.referral.referral_id)
                case ChangeKind.GONE:
                    assert change.referral_id is not None
                    self.replica.referrals.pop(change.referral_id, None)
                    self.replica.gone.add(change.referral_id)
                case ChangeKind.NOTICE:
                    assert change.notice is not None
                    self.replica.notices[change.notice.notice_id] = change.notice
                case ChangeKind.RECEIPT:
                    assert change.receipt is not None
                    self.replica.receipts[change.receipt.op_id] = change.receipt
                case ChangeKind.CASELOAD:
                    assert change.caseload is not None
                    self.replica.enrolled = change.caseload.enrolled
        if answer.cursor is not None:
            self.cursor = answer.cursor


def op_id_of(envelope: bytes) -> OpId:
    """The number in an envelope's header."""
    return OpId(envelope[17:33].hex())
