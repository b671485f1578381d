"""What the case system shows each person of a referral: process states always, personal data only to the role's need.

A view is the server's present truth about one referral for one reader. The device projects its own waiting operations on
top. The officer's view holds no person, no place and no clinical word: only received, accepted (by whom), the `met` they
confirmed, and, under a signed release that names police, intake done and closed (42 CFR Part 2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from referral.lifecycle import Charge, Episode, Handoff, Release, Review
from referral.model import Kind, Referral, ReferralId, UserId


class Flag(StrEnum):
    POSSIBLE_DUPLICATE = "possible_duplicate"
    OUTSIDE_ZONE = "outside_zone"
    OVERRIDE = "override"
    AWAITING_INFO = "awaiting_info"
    LATE_SYNC = "late_sync"
    WAIT_LIST = "wait_list"
    OUT_OF_TOUCH = "out_of_touch"
    DEVICE_REVOKED = "device_revoked"
    PARALLEL_UPDATE = "parallel_update"
    WITHDRAWAL_ASKED = "withdrawal_asked"
    NEEDS_ATTENTION = "needs_attention"
    INCOMPLETE = "incomplete"  # only the sealed copy of a draft has arrived, from a device that was wiped


class Happening(StrEnum):
    """The lines of a timeline."""

    RECEIVED = "received"
    AMENDED = "amended"
    OFFERED = "offered"
    NOBODY_ANSWERED = "nobody_answered"
    ACCEPTED = "accepted"
    REDIRECTED = "redirected"
    ON_THE_WAY = "on_the_way"
    MET_BY_OFFICER = "met_by_officer"
    MET_BY_CASE_MANAGER = "met_by_case_manager"
    NOT_COMPLETED = "not_completed"
    INTAKE_COMPLETE = "intake_complete"
    SAO_CALLED = "sao_called"
    SAO_APPROVED = "sao_approved"
    SAO_DECLINED = "sao_declined"
    SAO_ASKED = "sao_asked"
    RECORDS_CHECKED = "records_checked"
    CHARGE_NOT_FILED = "charge_not_filed"
    CHARGE_RETURNED = "charge_returned"
    RELEASE_CHANGED = "release_changed"
    ENROLLED = "enrolled"
    CLOSED = "closed"
    REOPENED = "reopened"
    WITHDRAWN = "withdrawn"
    WITHDRAWAL_ASKED = "withdrawal_asked"
    CONTACTED = "contacted"
    PROVISIONAL_MERGED = "provisional_merged"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    what: Happening
    at: datetime  # the server's time
    by: str | None = None  # a staff member's display name
    code: str | None = None  # a pack reason or an answer


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferralView:
    """One referral as one reader may see it. `revision` counts applied operations; `referral` is None for officers."""

    referral_id: ReferralId
    revision: int
    kind: Kind
    receipt: str
    received_at: datetime
    review: Review
    handoff: Handoff
    charge: Charge
    release: Release
    episode: Episode = Episode.OPEN
    flags: tuple[Flag, ...] = ()
    officer: UserId | None = None
    officer_name: str | None = None
    case_manager: str | None = None  # display name of who holds or accepted the handoff
    offered_at: datetime | None = None
    unanswered_since: datetime | None = None  # set when the ladder climbed: "No one has answered. Call ..."
    mine: bool = False  # the reader holds the open offer or the accepted handoff
    timeline: tuple[TimelineEntry, ...] = ()
    referral: Referral | None = field(default=None, repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)


class NoticeKind(StrEnum):
    HANDOFF_OFFERED = "handoff_offered"
    HANDOFF_ESCALATED = "handoff_escalated"
    SAO_REVIEW = "sao_review"
    ACCEPTED = "accepted"
    NOBODY_ANSWERED = "nobody_answered"
    NEEDS_ATTENTION = "needs_attention"
    NEW_SOCIAL_CONTACT = "new_social_contact"
    WITHDRAWAL_ASKED = "withdrawal_asked"
    SAO_ANSWERED = "sao_answered"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeView:
    """An inbox entry; once per (referral, recipient, kind, round) (S16). It holds no personal data."""

    notice_id: str
    referral_id: ReferralId
    kind: NoticeKind
    round: int
    created_at: datetime
    acknowledged_at: datetime | None = None
    expired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseloadView:
    """How full the reader's pair is, counted over enrolled people."""

    pair: str
    enrolled: int
    soft: int
    cap: int
