"""One-time codes and tokens: how a device is bound to a person, a role, the agency's keys and the pack.

A code is 12 Crockford characters (60 random bits), kept as a hash, used once, for an hour or a week as it was made. A token
is 256 random bits, kept as a hash: the append token sends and reads receipts while the device is locked; the read token also
pulls and lies in the vault. Enrolment proves that the device holds its private key.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime, timedelta
from urllib.parse import quote

from case_system.audit import Deed
from case_system.ports import Keys, RandomBytes
from case_system.storage import AgencyFacts, Docket, NewDevice
from referral.envelope import BadSignature, DevicePublicKey
from referral.model import UserId
from referral.port import (
    ENROL_DOMAIN,
    AgencyKey,
    Enrolment,
    EnrolRequest,
    PackDelivery,
    Refused,
    enrol_proof,
    plain_code,
)
from referral.problems import ProblemCode

CODE_LASTS = timedelta(days=7)
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_code(rng: RandomBytes) -> str:
    """A fresh code as shown: XXXX-XXXX-XXXX."""
    number = int.from_bytes(rng(8)) >> 4
    text = "".join(_CROCKFORD[number >> shift & 31] for shift in range(55, -1, -5))
    return f"{text[:4]}-{text[4:8]}-{text[8:]}"


def code_hash(code: str) -> str:
    """How a code is kept and found."""
    return hashlib.sha256(b"lead/code/v1" + plain_code(code).encode()).hexdigest()


def new_token(rng: RandomBytes) -> str:
    """A fresh token: 256 bits, url-safe."""
    return base64.urlsafe_b64encode(rng(32)).decode().rstrip("=")


def token_hash(token: str) -> str:
    """How a token is kept and found."""
    return hashlib.sha256(b"lead/token/v1" + token.encode(errors="replace")).hexdigest()


def link(server: str, code: str) -> str:
    """The link or QR text that carries a code to a device."""
    return f"lead://enrol?server={quote(server, safe='')}&code={code}"


def bind(docket: Docket, request: EnrolRequest, *, keys: Keys, rng: RandomBytes, now: datetime, lease: timedelta, pack: PackDelivery) -> Enrolment:  # fmt: skip
    """Bind the device to the user of its code, in the docket's transaction; raises Refused and changes nothing."""
    code = docket.enrol_code(code_hash(request.code))
    if code is None or code.used or code.expires_at <= now:
        raise Refused(ProblemCode.CODE_NOT_VALID)
    users, _ = docket.people()
    user = users.get(code.user_id)
    if user is None or not user.active:
        raise Refused(ProblemCode.CODE_NOT_VALID)
    public_key = _proven(request)
    if docket.has_device(request.device_id):
        raise Refused(ProblemCode.ALREADY_ENROLLED)
    agency: AgencyFacts = docket.agency()
    append, read = new_token(rng), new_token(rng)
    device = NewDevice(
        device_id=request.device_id,
        user_id=user.user_id,
        role=code.role,
        public_key=public_key.to_bytes(),
        append_hash=token_hash(append),
        read_hash=token_hash(read),
        app=request.app[:80],
        platform=request.platform[:80],
        lease_until=now + lease,
        agency_key_id=keys.newest.key_id.hex(),
    )
    docket.use_code(code.code_hash, device)
    docket.audit(
        Deed(actor=user.user_id, device_id=request.device_id, action="enrol_device", object_id=request.device_id, outcome="done")
    )  # fmt: skip
    return Enrolment(
        user=UserId(user.user_id),
        name=user.name,
        role=code.role,
        unit=user.unit,
        agency=agency.agency_id,
        agency_name=agency.name,
        agency_key=AgencyKey(key_id=keys.newest.key_id.hex(), public_key=keys.newest.to_bytes()),
        server_key=keys.server_key.public().to_bytes(),
        epoch=agency.epoch,
        append_token=append,
        read_token=read,
        lease_until=now + lease,
        pack=pack,
        server_time=now,
    )


def _proven(request: EnrolRequest) -> DevicePublicKey:
    try:
        if len(bytes.fromhex(request.device_id)) != 16 or request.device_id != request.device_id.lower():
            raise Refused(ProblemCode.MALFORMED, detail="device_id is not 32 hex digits")
        key = DevicePublicKey.from_bytes(request.device_key)
    except ValueError:
        raise Refused(ProblemCode.MALFORMED, detail="device_id or device_key is not one") from None
    try:
        key.verify(ENROL_DOMAIN, enrol_proof(request.code, request.device_id), request.proof)
    except BadSignature:
        raise Refused(ProblemCode.BAD_SIGNATURE) from None
    return key
