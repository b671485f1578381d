"""Every operation a person can do, and the payload that is sealed into an envelope.

An operation is immutable: who did what to which referral, on top of which revision. It travels once in an envelope from a
device, or is made at the desk; both go through the same door of the case system. A row of `OPERATIONS` says which body an
operation carries, which track steps it takes, and which roles may do it at all (the tables of `lifecycle` decide whether
it fits the referral's present state).

Payload: canonical JSON {"op", "referral_id", "base", "nonce", "made_at", "made_by", "mono_ms", "offset_ms", "body"}; fields
that are absent have their default; fields that this version does not know are kept in `extra` and written back.
Limit: `PAYLOAD_LIMIT` bytes of JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from referral.codec import canonical, from_wire, parse, to_wire
from referral.decisions import JudgeDuplicate, Resolve
from referral.lifecycle import Role, Step, Track
from referral.model import NOTE_LIMIT, Exclusions, Referral, ReferralId, UserId, aware, check_code, check_user
from referral.problems import FieldError, ProblemCode

SCHEMA = 1  # the header's `schema`: raised when a receiver that does not know the change would misread it
PAYLOAD_LIMIT = 16 * 1024


class Op(StrEnum):
    CREATE = "create"
    AMEND = "amend"
    INCOMPLETE = "incomplete"
    WITHDRAW = "withdraw"
    ASK_WITHDRAWAL = "ask_withdrawal"
    SAO_CALL = "sao_call"
    ON_THE_WAY = "on_the_way"
    MET = "met"
    NOT_COMPLETED = "not_completed"
    ACCEPT = "accept"
    REDIRECT = "redirect"
    INTAKE = "intake"
    CONTACT = "contact"
    RELEASE = "release"
    ACKNOWLEDGE = "acknowledge"
    OFFER = "offer"
    RECORDS_CHECK = "records_check"
    SAO_APPROVE = "sao_approve"
    SAO_DECLINE = "sao_decline"
    SAO_ASK = "sao_ask"
    CONFIRM_SAO_CALL = "confirm_sao_call"
    PARTNER_VOTE = "partner_vote"
    CHARGE = "charge"
    ENROL = "enrol"
    CLOSE = "close"
    REOPEN = "reopen"
    SEND_TO_SAO = "send_to_sao"
    RESOLVE = "resolve"
    JUDGE_DUPLICATE = "judge_duplicate"


class SaoAnswer(StrEnum):
    APPROVED = "approved"
    DECLINED = "declined"
    NO_ANSWER = "no_answer"
    CALL_BACK = "call_back"


class NotCompletedReason(StrEnum):
    HOSPITAL = "hospital"
    LEFT = "left"
    BOOKED = "booked"
    CHANGED_MIND = "changed_mind"


class ReleaseEvent(StrEnum):
    VERBAL = "verbal"
    SIGNED = "signed"
    REVOKED = "revoked"


class ConsentMethod(StrEnum):
    """How consent was given."""

    IN_PERSON = "in_person"
    ON_PAPER = "on_paper"
    ON_SCREEN = "on_screen"
    BY_PHONE = "by_phone"


class ChargeDecision(StrEnum):
    NOT_FILED = "not_filed"
    RETURNED = "returned"


class CloseReason(StrEnum):
    COMPLETED = "completed"
    DECLINED = "declined"
    NO_CONTACT = "no_contact"
    INELIGIBLE = "ineligible"
    WITHDREW = "withdrew"
    MOVED = "moved"
    DECEASED = "deceased"
    DUPLICATE = "duplicate"


def _text(path: str, value: str | None, limit: int = NOTE_LIMIT) -> None:
    if value is not None and not 0 < len(value.strip()) <= len(value) <= limit:
        raise FieldError(
            path,
            ProblemCode.TOO_LONG if len(value) > limit else ProblemCode.INVALID_VALUE,
            f"is blank or longer than {limit} characters",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """A new referral. Under the operation `incomplete` it is the sealed copy of a draft, which only a wipe sends."""

    referral: Referral


@dataclass(frozen=True, slots=True, kw_only=True)
class Amend:
    """Later knowledge: a JSON merge patch (RFC 7396) over the referral's wire form. null takes an answer back."""

    changes: Mapping[str, Any] = field(repr=False)

    def __post_init__(self) -> None:
        if not self.changes:
            raise FieldError("body.changes", ProblemCode.MISSING_ANSWER, "is empty")
        for name in ("referral_id", "kind"):
            if name in self.changes:
                raise FieldError(f"body.changes.{name}", ProblemCode.INVALID_VALUE, "cannot be amended")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """A step that needs no more than a pack code (absent where the pack asks none)."""

    reason: str | None = None

    def __post_init__(self) -> None:
        check_code("body.reason", self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class SaoCall:
    """The officer called the SAO's on-call reviewer: who answered, when, and what they said."""

    who: str | None = None
    at: datetime
    answer: SaoAnswer

    def __post_init__(self) -> None:
        _text("body.who", self.who, 80)
        aware("body.at", self.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class OnTheWay:
    """The person is being brought: when, and to which destination of the pack."""

    eta_at: datetime | None = None
    destination: str | None = None

    def __post_init__(self) -> None:
        aware("body.eta_at", self.eta_at)
        check_code("body.destination", self.destination)


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """The warm handoff took place; `at` is the sayer's clock and decides nothing."""

    at: datetime

    def __post_init__(self) -> None:
        aware("body.at", self.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotCompleted:
    reason: NotCompletedReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """Intake is complete. Clinical content stays out: the release is recorded by its own operation."""

    on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """A peer or case manager reached the person (or tried to)."""

    at: datetime
    reached: bool

    def __post_init__(self) -> None:
        aware("body.at", self.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseOfInformation:
    """Consent of the person: its scope, the parties named, its last day (42 CFR 2.31), and how it was given."""

    event: ReleaseEvent
    parties: tuple[str, ...] = ()
    scope: tuple[str, ...] = ()
    expires_on: date | None = None
    method: ConsentMethod | None = None

    def __post_init__(self) -> None:
        for path, codes in (("body.parties", self.parties), ("body.scope", self.scope)):
            for code in codes:
                check_code(path, code)
        if self.event is ReleaseEvent.SIGNED and not (self.parties and self.scope and self.expires_on):
            raise FieldError(
                "body.parties", ProblemCode.MISSING_ANSWER, "a signed release names its parties, scope and last day"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledge:
    """This person has seen the notice."""

    notice_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordsCheck:
    """What the records desk found for the exclusions; unknown stays unknown."""

    exclusions: Exclusions


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    partner: str
    approve: bool

    def __post_init__(self) -> None:
        check_code("body.partner", self.partner)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeRecord:
    decision: ChargeDecision


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrol:
    """To this pair, or (None) to the pair that the assignment rule chooses. reason: a pack code, needed out of turn."""

    pair: str | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        check_code("body.reason", self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    reason: CloseReason


Body = (
    Create | Amend | Reason | SaoCall | OnTheWay | Met | NotCompleted | Intake | Contact | ReleaseOfInformation
    | Acknowledge | RecordsCheck | Vote | ChargeRecord | Enrol | Close | Resolve | JudgeDuplicate
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationRule:
    """body: the record it carries. steps: tracks moved, in order (some depend on the body: see the case system's effects).
    roles: who may ever do it. from_device: an envelope may carry it (the others are made at the desk)."""

    body: type[Any]
    roles: frozenset[Role]
    steps: tuple[tuple[Track, Step], ...] = ()
    from_device: bool = True


_OFFICER = frozenset({Role.OFFICER})
_CM = frozenset({Role.CASE_MANAGER, Role.PEER})
_ACCEPTS = frozenset({Role.CASE_MANAGER, Role.PEER, Role.SUPERVISOR})
_SAO = frozenset({Role.SAO_REVIEWER})
_DESK = frozenset({Role.CASE_MANAGER, Role.SUPERVISOR})
_SUPERVISOR = frozenset({Role.SUPERVISOR})

OPERATIONS: Mapping[Op, OperationRule] = MappingProxyType({
    Op.CREATE: OperationRule(body=Create, roles=_OFFICER | frozenset({Role.SUPERVISOR})),
    Op.AMEND: OperationRule(body=Amend, roles=_OFFICER),
    Op.INCOMPLETE: OperationRule(body=Create, roles=_OFFICER),
    Op.WITHDRAW: OperationRule(body=Reason, roles=_OFFICER, steps=((Track.HANDOFF, Step.TAKE_BACK), (Track.EPISODE, Step.CLOSE))),
    Op.ASK_WITHDRAWAL: OperationRule(body=Reason, roles=_OFFICER),
    Op.SAO_CALL: OperationRule(body=SaoCall, roles=_OFFICER),
    Op.ON_THE_WAY: OperationRule(body=OnTheWay, roles=_OFFICER),
    Op.MET: OperationRule(body=Met, roles=_OFFICER | _CM, steps=((Track.HANDOFF, Step.MEET),)),
    Op.NOT_COMPLETED: OperationRule(body=NotCompleted, roles=_OFFICER | _ACCEPTS, steps=((Track.HANDOFF, Step.NOT_COMPLETE),)),
    Op.ACCEPT: OperationRule(body=Reason, roles=_ACCEPTS, steps=((Track.HANDOFF, Step.ACCEPT),)),
    Op.REDIRECT: OperationRule(body=Reason, roles=_ACCEPTS, steps=((Track.HANDOFF, Step.REDIRECT),)),
    Op.INTAKE: OperationRule(body=Intake, roles=frozenset({Role.CASE_MANAGER}), steps=((Track.HANDOFF, Step.COMPLETE_INTAKE),)),
    Op.CONTACT: OperationRule(body=Contact, roles=_CM),
    Op.RELEASE: OperationRule(body=ReleaseOfInformation, roles=_CM),
    Op.ACKNOWLEDGE: OperationRule(body=Acknowledge, roles=frozenset(Role) - {Role.SYSTEM, Role.EVALUATOR}),
    Op.OFFER: OperationRule(body=Reason, roles=_DESK, steps=((Track.HANDOFF, Step.OFFER),), from_device=False),
    Op.RECORDS_CHECK: OperationRule(body=RecordsCheck, roles=_DESK, steps=((Track.REVIEW, Step.CHECK_RECORDS),), from_device=False),
    Op.SAO_APPROVE: OperationRule(body=Reason, roles=_SAO, steps=((Track.REVIEW, Step.APPROVE),), from_device=False),
    Op.SAO_DECLINE: OperationRule(body=Reason, roles=_SAO, steps=((Track.REVIEW, Step.DECLINE),), from_device=False),
    Op.SAO_ASK: OperationRule(body=Reason, roles=_SAO, steps=((Track.REVIEW, Step.ASK_INFO),), from_device=False),
    Op.CONFIRM_SAO_CALL: OperationRule(body=Reason, roles=_SAO, from_device=False),
    Op.PARTNER_VOTE: OperationRule(body=Vote, roles=_SAO | _SUPERVISOR, from_device=False),
    Op.CHARGE: OperationRule(body=ChargeRecord, roles=_SAO, from_device=False),
    Op.ENROL: OperationRule(body=Enrol, roles=_SUPERVISOR, steps=((Track.EPISODE, Step.ENROL),), from_device=False),
    Op.CLOSE: OperationRule(body=Close, roles=_DESK, steps=((Track.EPISODE, Step.CLOSE),)),
    Op.REOPEN: OperationRule(body=Reason, roles=_SUPERVISOR, steps=((Track.EPISODE, Step.REOPEN),), from_device=False),
    Op.SEND_TO_SAO: OperationRule(body=Reason, roles=_DESK, steps=((Track.REVIEW, Step.SEND_TO_SAO),), from_device=False),
    Op.RESOLVE: OperationRule(body=Resolve, roles=_DESK, from_device=False),
    Op.JUDGE_DUPLICATE: OperationRule(body=JudgeDuplicate, roles=_DESK, from_device=False),
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One act of one person on one referral.

    base: the revision it stands on (0 for create); per referral, operations apply in this order (S10).
    nonce: 8 random url-safe characters; with referral and base it survives re-sealing under a new op_id.
    made_at: the maker's wall clock; mono_ms: their monotonic clock; offset_ms: last known distance to the server's clock.
    None of the three decides anything (S12).
    """

    op: Op
    referral_id: ReferralId
    base: int = 0
    nonce: str
    made_at: datetime
    made_by: UserId
    mono_ms: int | None = None
    offset_ms: int | None = None
    body: Body = field(repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        aware("made_at", self.made_at, by_clock=True)
        check_user("made_by", self.made_by)
        if not 0 <= self.base < 2**31:
            raise FieldError("base", ProblemCode.INVALID_VALUE, "is not a revision")
        if not 0 < len(self.nonce) <= 32 or not self.nonce.isprintable():
            raise FieldError("nonce", ProblemCode.INVALID_VALUE, "is not 1 to 32 characters")
        if not isinstance(self.body, OPERATIONS[self.op].body):
            raise FieldError("body", ProblemCode.INVALID_VALUE, "does not belong to this operation")
        if isinstance(self.body, Create) and self.body.referral.referral_id != self.referral_id:
            raise FieldError("body.referral.referral_id", ProblemCode.INVALID_VALUE, "is another referral's")


def encode(operation: Operation, wire: Mapping[str, Any] | None = None) -> bytes:
    """The payload bytes; the referral id inside a created referral is left out, because the operation has it.

    wire: `to_wire(operation)`, where the caller has it already.
    """
    wire = to_wire(operation) if wire is None else wire
    if isinstance(operation.body, Create):
        referral = {name: value for name, value in wire["body"]["referral"].items() if name != "referral_id"}
        wire = {**wire, "body": {**wire["body"], "referral": referral}}
    data = canonical(wire)
    if len(data) > PAYLOAD_LIMIT:
        raise FieldError("", ProblemCode.TOO_LARGE, f"is larger than {PAYLOAD_LIMIT} bytes")
    return data


def decode(payload: bytes) -> Operation:
    """The operation in `payload`; raises FieldError. An unknown `op` is `unknown_version`: store first, understand later."""
    if len(payload) > PAYLOAD_LIMIT:
        raise FieldError("", ProblemCode.TOO_LARGE, f"is larger than {PAYLOAD_LIMIT} bytes")
    wire = parse(payload)
    if not isinstance(wire, dict):
        raise FieldError("", ProblemCode.MALFORMED, "is not an object")
    name, body = wire.get("op"), wire.get("body")
    if not isinstance(name, str):
        raise FieldError("op", ProblemCode.MISSING_ANSWER, "is needed")
    if name not in set(Op):
        raise FieldError("op", ProblemCode.UNKNOWN_VERSION, "is not known to this version")
    rule = OPERATIONS[Op(name)]
    if rule.body is Create and isinstance(body, dict) and isinstance(body.get("referral"), dict):
        body = {**body, "referral": {"referral_id": wire.get("referral_id"), **body["referral"]}}
    rest = from_wire(_Rest, {k: v for k, v in wire.items() if k != "body"}, keep_unknown=True)
    return Operation(
        op=rest.op,
        referral_id=rest.referral_id,
        base=rest.base,
        nonce=rest.nonce,
        made_at=rest.made_at,
        made_by=rest.made_by,
        mono_ms=rest.mono_ms,
        offset_ms=rest.offset_ms,
        body=from_wire(rule.body, {} if body is None else body, "body", keep_unknown=True),
        extra=rest.extra,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rest:
    op: Op
    referral_id: ReferralId
    base: int = 0
    nonce: str
    made_at: datetime
    made_by: UserId
    mono_ms: int | None = None
    offset_ms: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


def merge(wire: Any, patch: Any) -> Any:
    """JSON merge patch (RFC 7396): objects merge, null removes, anything else replaces."""
    if not isinstance(patch, Mapping):
        return patch
    out = dict(wire) if isinstance(wire, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = merge(out.get(key), value)
    return out


def amended(referral: Referral, amend: Amend) -> Referral:
    """The referral with the amendment applied; raises FieldError when the result would not be valid."""
    return from_wire(Referral, merge(to_wire(referral), amend.changes), keep_unknown=True)


def allowed(op: Op, role: Role) -> bool:
    """True when the role may ever do the operation (deny by default)."""
    return role in OPERATIONS[op].roles
