"""Envelopes of varied synthetic referrals, with the keys that open and verify them."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from referral.envelope import AgencyPrivateKey, DevicePublicKey, DeviceSigningKey, Header, seal
from referral.operations import SCHEMA
from tests.referral.synthetic_payloads import any_referral, payload


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """The envelopes of one device for one agency."""

    envelopes: tuple[bytes, ...]
    agency: AgencyPrivateKey = field(repr=False)
    device: DevicePublicKey


def sealed(n: int, seed: int = 1) -> Sealed:
    """`n` envelopes."""
    agency, device, rng = AgencyPrivateKey.generate(), DeviceSigningKey.generate(), Random(seed)
    made = []
    for i in range(n):
        header = Header(
            agency=bytes(8),
            key_id=agency.key_id,
            op_id=i.to_bytes(16),
            device_id=bytes(16),
            device_seq=i + 1,
            schema=SCHEMA,
        )
        made.append(seal(payload(any_referral(rng), rng), header, agency.public(), device))
    return Sealed(envelopes=tuple(made), agency=agency, device=device.public())
