"""Enrolment: one code, used once, binds this device to a user, a role and an agency.

The device makes its signing key, shows that it holds it by signing the code and its own id, and checks everything in the answer
before anything is kept. Nothing is stored here: the caller stores what `enrol` returns, whole or not at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from field_app.sync.address import server_address
from field_app.sync.errors import NotTheAgency
from referral.envelope import KEY_ID_BYTES, AgencyPublicKey, DeviceSigningKey, ServerPublicKey
from referral.model import DeviceId
from referral.port import ENROL_DOMAIN, AgencyKey, CaseSystem, Enrolment, EnrolRequest, enrol_proof, plain_code
from referral.problems import ProblemCode

CODE_LENGTH = 12
_CODE_LETTERS = frozenset("0123456789ABCDEFGHJKMNPQRSTVWXYZ")  # Crockford's base 32, after plain_code


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """What a person types, scans or pastes: the case system's address and a one-time code."""

    server: str
    code: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDevice:
    """An enrolment that was checked, with what only this device knows. The key and the tokens are secret."""

    server: str
    device_id: DeviceId
    device_key: DeviceSigningKey
    enrolment: Enrolment


def invitation(server: str, code: str) -> Invitation:
    """The invitation in an address and a code as typed; raises ValueError with a sentence when either cannot be one."""
    plain = plain_code(code)
    if len(plain) != CODE_LENGTH or not set(plain) <= _CODE_LETTERS:
        raise ValueError(f"an enrolment code has {CODE_LENGTH} letters and digits, like 7K42-9QXM-3TRA")
    return Invitation(server=server_address(server), code=plain)


def parse_link(text: str) -> Invitation:
    """The invitation in `lead://enrol?server=URL&code=CODE`, as a QR code holds it; raises ValueError for any other text."""
    parts = urlsplit(text.strip())
    if (parts.scheme.lower(), parts.netloc.lower(), parts.path.strip("/")) != ("lead", "enrol", ""):
        raise ValueError("this is not an enrolment link")
    query = parse_qs(parts.query)
    if any(len(query.get(name, ())) != 1 for name in ("server", "code")):
        raise ValueError("an enrolment link names one server and one code")
    return invitation(query["server"][0], query["code"][0])


def enrol(
    case_system: CaseSystem, asked: Invitation, *, app: str, platform: str, random_bytes: Callable[[int], bytes]
) -> NewDevice:
    """Enrol this device; `case_system` is the one at `asked.server`.

    Raises Refused (code_not_valid and others), SyncFault (NotTheAgency for an answer that contradicts itself). Either way nothing
    is bound here; a code whose answer was lost is used up, and the supervisor gives another.
    """
    device_id = DeviceId(random_bytes(16).hex())
    key = DeviceSigningKey.generate()
    request = EnrolRequest(
        code=asked.code,
        device_id=device_id,
        device_key=key.public().to_bytes(),
        proof=key.sign(ENROL_DOMAIN, enrol_proof(asked.code, device_id)),
        app=app,
        platform=platform,
    )
    enrolment = case_system.enrol(request)
    _check(enrolment)
    return NewDevice(server=asked.server, device_id=device_id, device_key=key, enrolment=enrolment)


def agency_public_key(key: AgencyKey) -> AgencyPublicKey:
    """The key to seal for; raises NotTheAgency when its bytes and its id do not belong together."""
    try:
        point = AgencyPublicKey.from_bytes(key.public_key)
    except ValueError as error:
        raise NotTheAgency("the agency's key is not a key") from error
    if point.key_id.hex() != key.key_id:
        raise NotTheAgency("the agency's key does not have the id it was given")
    return point


def _check(enrolment: Enrolment) -> None:
    agency_public_key(enrolment.agency_key)
    try:
        ServerPublicKey.from_bytes(enrolment.server_key)
    except ValueError as error:
        raise NotTheAgency("the case system's key is not a key") from error
    if len(enrolment.agency) != 2 * KEY_ID_BYTES or not set(enrolment.agency) <= set("0123456789abcdef"):
        raise NotTheAgency("the agency has no valid id")
    if not (enrolment.append_token and enrolment.read_token) or enrolment.append_token == enrolment.read_token:
        raise NotTheAgency(f"the answer gives no tokens ({ProblemCode.NOT_SIGNED_IN})")
