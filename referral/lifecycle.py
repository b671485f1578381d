"""What may follow what, and who may do it: the tables of review, handoff, charge, release and episode.

Theory. A referral has five tracks that move independently, never one status field (delivery, the first of the product's
five, lives on the device: `field_app/sync/machine.py`; "enrolled and closed" is the episode here). A step is a verb of the
people who work with it. A row says: in this state, this step leads there, and these roles may do it. What is not in the
table raises and changes nothing. Silence never moves a track: only a named person accepts.

`Role.SYSTEM` stands for the case system itself (an offer on receipt); no person can sign in as it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from referral.model import Kind


class Role(StrEnum):
    OFFICER = "officer"
    CASE_MANAGER = "case_manager"
    PEER = "peer"
    SAO_REVIEWER = "sao_reviewer"
    DEFENDER = "defender"
    SUPERVISOR = "supervisor"
    EVALUATOR = "evaluator"
    ADMINISTRATOR = "administrator"
    SYSTEM = "system"


class Track(StrEnum):
    REVIEW = "review"
    HANDOFF = "handoff"
    CHARGE = "charge"
    RELEASE = "release"
    EPISODE = "episode"


class Review(StrEnum):
    SUBMITTED = "submitted"
    RECORDS_CHECK = "records_check"
    SAO_REVIEW = "sao_review"
    APPROVED = "approved"
    DECLINED = "declined"
    NEED_INFO = "need_info"


class Handoff(StrEnum):
    NONE = "none"
    OFFERED = "offered"
    ACCEPTED = "accepted"
    REDIRECTED = "redirected"
    MET = "met"
    INTAKE_COMPLETE = "intake_complete"
    NOT_COMPLETED = "not_completed"


class Charge(StrEnum):
    NONE = "none"
    HELD = "held"
    NOT_FILED = "not_filed"
    RETURNED = "returned"


class Release(StrEnum):
    NONE = "none"
    VERBAL = "verbal"
    SIGNED = "signed"
    REVOKED = "revoked"
    EXPIRED = "expired"


class Episode(StrEnum):
    OPEN = "open"
    ENROLLED = "enrolled"
    CLOSED = "closed"


class Step(StrEnum):
    """The verbs that move a track."""

    CHECK_RECORDS = "check_records"
    SEND_TO_SAO = "send_to_sao"
    APPROVE = "approve"
    DECLINE = "decline"
    ASK_INFO = "ask_info"
    GIVE_INFO = "give_info"
    OFFER = "offer"
    ACCEPT = "accept"
    REDIRECT = "redirect"
    MEET = "meet"
    COMPLETE_INTAKE = "complete_intake"
    NOT_COMPLETE = "not_complete"
    TAKE_BACK = "take_back"
    NOT_FILE = "not_file"
    RETURN_CHARGE = "return_charge"
    SAY_YES = "say_yes"
    SIGN = "sign"
    REVOKE = "revoke"
    EXPIRE = "expire"
    ENROL = "enrol"
    CLOSE = "close"
    REOPEN = "reopen"


class IllegalStep(RuntimeError):
    """The table has no such row, or the role may not do it; nothing was changed."""

    def __init__(self, track: Track, state: str, step: Step) -> None:
        super().__init__(f"{track}: {step} is not possible in state {state}")
        self.track, self.state, self.step = track, state, step


_CM = frozenset({Role.CASE_MANAGER, Role.PEER})
_CM_ONLY = frozenset({Role.CASE_MANAGER})
_ACCEPTS = frozenset({Role.CASE_MANAGER, Role.PEER, Role.SUPERVISOR})
_MEETS = frozenset({Role.OFFICER, Role.CASE_MANAGER, Role.PEER})
_OFFERS = frozenset({Role.SYSTEM, Role.SUPERVISOR, Role.CASE_MANAGER})
_SAO = frozenset({Role.SAO_REVIEWER})
_DESK = frozenset({Role.SUPERVISOR, Role.CASE_MANAGER})
_SUPERVISOR = frozenset({Role.SUPERVISOR})
_SYSTEM = frozenset({Role.SYSTEM})

Row = tuple[Track, tuple[StrEnum, ...], Step, StrEnum, frozenset[Role]]

ROWS: tuple[Row, ...] = (
    # review: the server decides; the SAO may answer before the paper is through, because a person waits in cuffs
    (Track.REVIEW, (Review.SUBMITTED,), Step.CHECK_RECORDS, Review.RECORDS_CHECK, _DESK),
    (Track.REVIEW, (Review.SUBMITTED, Review.RECORDS_CHECK), Step.SEND_TO_SAO, Review.SAO_REVIEW, _DESK | _SYSTEM),
    (Track.REVIEW, (Review.DECLINED,), Step.SEND_TO_SAO, Review.SAO_REVIEW, _SUPERVISOR),  # asked again, with new facts
    (Track.REVIEW, (Review.SUBMITTED, Review.RECORDS_CHECK, Review.SAO_REVIEW, Review.NEED_INFO), Step.APPROVE, Review.APPROVED, _SAO),
    (Track.REVIEW, (Review.SUBMITTED, Review.RECORDS_CHECK, Review.SAO_REVIEW, Review.NEED_INFO), Step.DECLINE, Review.DECLINED, _SAO),
    (Track.REVIEW, (Review.SUBMITTED, Review.RECORDS_CHECK, Review.SAO_REVIEW), Step.ASK_INFO, Review.NEED_INFO, _SAO | _DESK),
    (Track.REVIEW, (Review.NEED_INFO,), Step.GIVE_INFO, Review.SAO_REVIEW, _DESK | frozenset({Role.OFFICER})),
    # handoff: runs beside the review, so that nobody waits for paper
    (Track.HANDOFF, (Handoff.NONE, Handoff.REDIRECTED), Step.OFFER, Handoff.OFFERED, _OFFERS),
    (Track.HANDOFF, (Handoff.NONE, Handoff.OFFERED, Handoff.REDIRECTED), Step.ACCEPT, Handoff.ACCEPTED, _ACCEPTS),
    (Track.HANDOFF, (Handoff.OFFERED, Handoff.ACCEPTED), Step.REDIRECT, Handoff.REDIRECTED, _ACCEPTS),
    (Track.HANDOFF, (Handoff.ACCEPTED,), Step.MEET, Handoff.MET, _MEETS),
    (Track.HANDOFF, (Handoff.MET,), Step.COMPLETE_INTAKE, Handoff.INTAKE_COMPLETE, _CM_ONLY),
    (Track.HANDOFF, (Handoff.OFFERED, Handoff.ACCEPTED, Handoff.MET), Step.NOT_COMPLETE, Handoff.NOT_COMPLETED, _MEETS | _SUPERVISOR),
    (Track.HANDOFF, (Handoff.NONE, Handoff.OFFERED, Handoff.REDIRECTED), Step.TAKE_BACK, Handoff.NONE, frozenset({Role.OFFICER, Role.SUPERVISOR})),
    (Track.HANDOFF, (Handoff.NOT_COMPLETED,), Step.OFFER, Handoff.OFFERED, _DESK),
    # charge: owned by the State's Attorney; recorded here, never made here
    (Track.CHARGE, (Charge.HELD,), Step.NOT_FILE, Charge.NOT_FILED, _SAO),
    (Track.CHARGE, (Charge.HELD, Charge.NOT_FILED), Step.RETURN_CHARGE, Charge.RETURNED, _SAO),
    # release of information
    (Track.RELEASE, (Release.NONE,), Step.SAY_YES, Release.VERBAL, _CM),
    (Track.RELEASE, (Release.NONE, Release.VERBAL, Release.REVOKED, Release.EXPIRED), Step.SIGN, Release.SIGNED, _CM_ONLY),
    (Track.RELEASE, (Release.VERBAL, Release.SIGNED), Step.REVOKE, Release.REVOKED, _CM),
    (Track.RELEASE, (Release.SIGNED,), Step.EXPIRE, Release.EXPIRED, _SYSTEM),
    # episode
    (Track.EPISODE, (Episode.OPEN,), Step.ENROL, Episode.ENROLLED, _SUPERVISOR),
    (Track.EPISODE, (Episode.OPEN, Episode.ENROLLED), Step.CLOSE, Episode.CLOSED, _DESK | frozenset({Role.OFFICER, Role.SYSTEM})),
    (Track.EPISODE, (Episode.CLOSED,), Step.REOPEN, Episode.OPEN, _SUPERVISOR),
)  # fmt: skip

TABLE: Mapping[tuple[Track, str, Step], tuple[StrEnum, frozenset[Role]]] = MappingProxyType(
    {(track, str(state), step): (to, roles) for track, states, step, to, roles in ROWS for state in states}
)


def advance(track: Track, state: str, step: Step, role: Role) -> StrEnum:
    """The state that `step` by `role` leads to; raises `IllegalStep` when the table has no such row for the role."""
    row = TABLE.get((track, str(state), step))
    if row is None or role not in row[1]:
        raise IllegalStep(track, str(state), step)
    return row[0]


def can(track: Track, state: str, step: Step, role: Role) -> bool:
    """True when the table allows it: for showing a button, never instead of `advance`."""
    row = TABLE.get((track, str(state), step))
    return row is not None and role in row[1]


def first_states(kind: Kind) -> dict[Track, StrEnum]:
    """Where the tracks of a newly received referral stand."""
    return {
        Track.REVIEW: Review.SUBMITTED,
        Track.HANDOFF: Handoff.NONE,
        Track.CHARGE: Charge.HELD if kind is Kind.ARREST else Charge.NONE,
        Track.RELEASE: Release.NONE,
        Track.EPISODE: Episode.OPEN,
    }
