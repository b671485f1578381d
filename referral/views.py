"""What the case system shows each person of a referral: process states always, personal data only to the role's need.

A view is the server's present truth about one referral for one reader. The device projects its own waiting operations on
top. The officer's view holds no person, no place and no clinical word: only received, accepted (by whom), the `met` they
confirmed, and, under a signed release that names police, intake done and closed (42 CFR Part 2).

An app of version 0.1.0 cannot read a view with a flag or a happening that it does not know: it would pass over the whole view.
So words that came later travel beside the view, in its member `more` (`spoken`), which older apps keep unread; whoever reads
puts them back in their places and leaves out what they do not know (`heard`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from referral.codec import from_wire, to_wire
from referral.custody import CustodyClock
from referral.lifecycle import Charge, Episode, Handoff, Release, Review
from referral.model import Kind, Referral, ReferralId, UserId
from referral.problems import FieldError


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
    # since 0.2.0
    SENT_TO_SAO = "sent_to_sao"
    SAO_NO_ANSWER = "sao_no_answer"  # code: what the pack says to do then
    VOTED_YES = "voted_yes"  # code: the partner
    VOTED_NO = "voted_no"
    RESOLVED = "resolved"  # code: the decision
    DUPLICATE_JUDGED = "duplicate_judged"  # code: the decision
    WAIT_LISTED = "wait_listed"
    OVER_SOFT_LINE = "over_soft_line"  # code: the reason that was given


LATER_WORDS: Final[frozenset[StrEnum]] = frozenset({  # what version 0.1.0 does not know
    Happening.SENT_TO_SAO, Happening.SAO_NO_ANSWER, Happening.VOTED_YES, Happening.VOTED_NO, Happening.RESOLVED, Happening.DUPLICATE_JUDGED,
    Happening.WAIT_LISTED, Happening.OVER_SOFT_LINE,
})  # fmt: skip


class Side(StrEnum):
    """The two who confirm a meeting."""

    OFFICER = "officer"
    CASE_MANAGER = "case_manager"


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
    recorded_at: datetime | None = None  # by the maker's clock, as far as it was known to be wrong
    custody: CustodyClock | None = None  # arrests: since when the person has been waiting
    met_by: tuple[Side, ...] = ()  # who has confirmed the meeting, as far as the reader may know
    no_answer: str | None = (
        None  # the prosecutor did not answer: what the programme says to do (`meet_pending`, `book`)
    )
    waiting_since: datetime | None = None  # on the list for a pair
    timeline: tuple[TimelineEntry, ...] = ()
    referral: Referral | None = field(default=None, repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)


def spoken(view: ReferralView) -> ReferralView:
    """The view as it travels: words that not every version knows stand in `extra["more"]`, each line with its place."""
    later = tuple(flag for flag in view.flags if flag in LATER_WORDS)
    lines = [{"n": n, "line": to_wire(line)} for n, line in enumerate(view.timeline) if line.what in LATER_WORDS]
    if not later and not lines:
        return view
    more = {"flags": [flag.value for flag in later], "timeline": lines}
    return replace(
        view,
        flags=tuple(flag for flag in view.flags if flag not in LATER_WORDS),
        timeline=tuple(line for line in view.timeline if line.what not in LATER_WORDS),
        extra={**view.extra, "more": {name: words for name, words in more.items() if words}},
    )


def heard(view: ReferralView) -> ReferralView:
    """The view with the later words back in their places; what this version does not know is left out."""
    more = view.extra.get("more")
    if not isinstance(more, Mapping):
        return view
    known = set(Flag)
    flags = tuple(Flag(word) for word in _list(more.get("flags")) if isinstance(word, str) and word in known)
    timeline = list(view.timeline)
    for item in _list(more.get("timeline")):
        line = _line(item)
        if line is not None:
            timeline.insert(item["n"], line)
    return replace(
        view,
        flags=(*view.flags, *(flag for flag in flags if flag not in view.flags)),
        timeline=tuple(timeline),
        extra={name: value for name, value in view.extra.items() if name != "more"},
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _line(item: Any) -> TimelineEntry | None:
    if not isinstance(item, Mapping) or not isinstance(item.get("n"), int):
        return None
    try:
        return from_wire(TimelineEntry, item.get("line"))
    except FieldError:
        return None


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
    # since 0.2.0: an older app passes over such a notice, and fetches it when it is updated
    INTAKE_DUE = "intake_due"
    OVER_SOFT_LINE = "over_soft_line"
    PLACE_FREE = "place_free"


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
