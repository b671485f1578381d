"""Makes operations of what a person does, and seals each into its envelope: once, at save.

Automatic, never typed: who, the wall clock, the monotonic clock, the last known distance to the server's clock, a nonce.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field

from field_app.clock import Clock
from field_app.store.outbox import Outgoing
from referral.envelope import AgencyPublicKey, DeviceSigningKey, Header, seal
from referral.model import OpId, ReferralId, UserId, utc
from referral.operations import SCHEMA, Body, Op, Operation, encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealer:
    """The pen of one signed-in person on one device. agency: 8 bytes; device_id: 16 bytes."""

    user: UserId
    agency: bytes
    agency_key: AgencyPublicKey
    device_id: bytes
    signing_key: DeviceSigningKey = field(repr=False)
    clock: Clock
    random_bytes: Callable[[int], bytes]

    def operation(
        self, op: Op, referral_id: ReferralId, body: Body, *, base: int, offset_ms: int | None = None
    ) -> Operation:
        """A new operation, made now. Errors: FieldError when the body does not hold."""
        return Operation(
            op=op,
            referral_id=referral_id,
            base=base,
            nonce=base64.urlsafe_b64encode(self.random_bytes(6)).decode(),
            made_at=utc(self.clock.now()),
            made_by=self.user,
            mono_ms=self.clock.mono_ms(),
            offset_ms=offset_ms,
            body=body,
        )

    def seal(self, operation: Operation, device_seq: int, payload: bytes | None = None) -> tuple[OpId, Outgoing]:
        """The operation sealed to the agency and signed by this device, under a new random op_id.

        payload: `encode(operation)`, where the caller has it already.
        """
        op_id = self.random_bytes(16)
        header = Header(
            agency=self.agency,
            key_id=self.agency_key.key_id,
            op_id=op_id,
            device_id=self.device_id,
            device_seq=device_seq,
            schema=SCHEMA,
        )
        envelope = seal(payload or encode(operation), header, self.agency_key, self.signing_key)
        outgoing = Outgoing(
            envelope=envelope,
            referral_id=operation.referral_id,
            operation=operation.op,
            made_at=operation.made_at,
        )
        return OpId(op_id.hex()), outgoing
