"""The case system's truth about one referral: its five tracks, who holds it, and (opened) what was recorded.

A record is immutable; `effects` makes the next one. Only codes, ids and times stand outside `referral` and `amendments`,
which are sealed in the store.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from case_system.reasons import Why
from referral.custody import CustodyClock, CustodyEnd
from referral.lifecycle import Charge, Episode, Handoff, Release, Review, Role
from referral.model import Kind, Referral, ReferralId, Urgency, UserId, Whereabouts, Willing
from referral.operations import SaoAnswer
from referral.programme import NoAnswer
from referral.views import Flag, Side

DESK = "desk"  # stands for a device where an operation was made on the pages
SYSTEM = UserId("system")


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Someone who may sign in or hold a device. `pair` is set for case managers and peers who work in one."""

    user_id: UserId
    name: str
    role: Role
    unit: str | None = None
    active: bool = True
    pair: str | None = None
    language: str = "en"
    languages: tuple[str, ...] = ()  # spoken, as pack codes


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A case manager and a peer, and how many people they have."""

    pair: str
    case_manager: UserId | None
    peer: UserId | None
    enrolled: int
    active: bool = True

    @property
    def members(self) -> frozenset[UserId]:
        return frozenset(user for user in (self.case_manager, self.peer) if user is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """What was said later. `parallel`: answers that another device had changed meanwhile, kept beside the first ones."""

    revision: int
    device_id: str
    by: UserId
    at: datetime
    changes: Mapping[str, Any] = field(repr=False)
    parallel: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    referral_id: ReferralId
    revision: int
    kind: Kind
    receipt: str
    call_code: str
    provisional: bool = False
    merged_into: ReferralId | None = None
    received_at: datetime
    recorded_at: datetime
    officer: UserId
    made_by: UserId
    device_id: str
    pack: str | None = None
    review: Review = Review.SUBMITTED
    handoff: Handoff = Handoff.NONE
    charge: Charge = Charge.NONE
    release: Release = Release.NONE
    episode: Episode = Episode.OPEN
    flags: frozenset[Flag] = frozenset()
    tally: bool = False
    willing: Willing = Willing.NOT_ASKED
    whereabouts: Whereabouts | None = None
    urgency: Urgency | None = None
    holder: UserId | None = None
    pair: str | None = None
    offered_at: datetime | None = None
    accepted_at: datetime | None = None
    unanswered_since: datetime | None = None
    met_by_officer: bool = False
    police_released: bool = False
    release_expires_on: date | None = None
    sao_answer: SaoAnswer | None = None
    sao_confirmed: bool = False
    intake_on: date | None = None
    close_reason: str | None = None
    person_index: str | None = None
    scene_index: str | None = None
    incomplete: bool = False  # only the sealed copy of a draft has arrived
    met_by_staff: bool = False
    custody_from: datetime | None = None  # the custody clock of an arrest
    custody_until: datetime | None = None
    custody_end: CustodyEnd | None = None
    no_answer: NoAnswer | None = None  # the prosecutor did not answer: what the pack says to do then
    intake_warn_at: datetime | None = None  # when the next warning of the intake window is due
    waiting_since: datetime | None = None  # on the list for a pair
    place_told: bool = False  # the supervisors know that a place is free for this person
    pair_why: Why | None = None  # why this pair
    missed_contacts: int = 0  # tries in a row that did not reach the person
    referral: Referral | None = field(default=None, repr=False)
    amendments: tuple[Amendment, ...] = field(default=(), repr=False)

    @property
    def custody(self) -> CustodyClock | None:
        """The custody clock, None where none runs."""
        if self.custody_from is None:
            return None
        return CustodyClock(started_at=self.custody_from, ended_at=self.custody_until, end=self.custody_end)

    @property
    def met_by(self) -> tuple[Side, ...]:
        """Who has confirmed the meeting."""
        said = ((Side.OFFICER, self.met_by_officer), (Side.CASE_MANAGER, self.met_by_staff))
        return tuple(side for side, true in said if true)

    @property
    def met_lacks(self) -> tuple[Side, ...]:
        """Who has still to confirm a meeting that somebody confirmed."""
        return tuple(side for side in Side if side not in self.met_by) if self.met_by else ()
