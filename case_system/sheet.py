"""One referral on one page: the record as its reader may see it, and what happened around it.

Lines, notices, votes and releases follow the record's sight (`grants.py`): who sees it whole sees them all; a reviewer of the
State's Attorney sees the lines and flags of the process and nothing clinical (no contact, intake, release or enrolment), and no
notices. Pure; names are display names of colleagues.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from case_system.grants import Relation, Sight
from case_system.handoff import NoticeState
from case_system.record import Pair, Record
from case_system.views import CLINICAL, NOT_FOR_POLICE
from referral.lifecycle import Episode, Handoff, Release
from referral.model import Referral, ReferralId, UserId
from referral.views import NoticeKind, TimelineEntry

MET = frozenset({Handoff.MET, Handoff.INTAKE_COMPLETE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """Somebody was told something. due_at: not before; sent_at: a channel took it; acknowledged_at: they opened it."""

    recipient: UserId
    kind: NoticeKind
    state: NoticeState
    rings: bool
    created_at: datetime
    due_at: datetime
    sent_at: datetime | None
    acknowledged_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """One entry of the release of information."""

    event: str
    parties: tuple[str, ...]
    scope: tuple[str, ...]
    expires_on: date | None
    method: str | None
    by: UserId
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """A partner's vote."""

    partner: str
    approve: bool
    by: UserId
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What is kept beside a record."""

    lines: tuple[TimelineEntry, ...] = ()
    rungs: tuple[Rung, ...] = ()
    consents: tuple[Consent, ...] = ()
    votes: tuple[Cast, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What a page of one referral is made from. seen: how much of it the reader sees. part2: 42 CFR Part 2 applies."""

    record: Record
    seen: Sight
    relations: frozenset[Relation]
    beside: Beside
    names: Mapping[UserId, str]
    pairs: Mapping[str, Pair]
    part2: bool
    missing: tuple[str, ...] = field(default=())

    def name(self, user_id: UserId | None) -> str:
        """A colleague's name; the id of someone who is not known any more."""
        return "" if user_id is None else self.names.get(user_id, str(user_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class Meanwhile:
    """A button was pressed on a page that is no longer true, and nothing was done. lines: what happened since, oldest first."""

    referral_id: ReferralId
    lines: tuple[TimelineEntry, ...]
    names: Mapping[UserId, str]

    def name(self, user_id: str | None) -> str:
        """A colleague's name."""
        return "" if user_id is None else self.names.get(UserId(user_id), user_id)


def lay(record: Record, seen: Sight, related: frozenset[Relation], beside: Beside, names: Mapping[UserId, str], pairs: Mapping[str, Pair]) -> Sheet:  # fmt: skip
    """The sheet. `record` is what the sight shows of it already (`views.as_seen`)."""
    if seen is not Sight.WHOLE:
        shown = tuple(line for line in beside.lines if line.what not in CLINICAL)
        beside = Beside(lines=shown, votes=beside.votes)
        handoff = Handoff.MET if record.handoff in MET else record.handoff
        record = replace(
            record, handoff=handoff, release=Release.NONE, flags=record.flags - NOT_FOR_POLICE,
            episode=Episode.OPEN if record.episode is Episode.ENROLLED else record.episode, pair=None,
            pair_why=None, waiting_since=None, intake_on=None, missed_contacts=0,
        )  # fmt: skip
    under = seen is Sight.WHOLE and (
        record.episode is Episode.ENROLLED or record.release is not Release.NONE or record.pair is not None
    )
    missing = () if record.referral is None or seen is not Sight.WHOLE else unanswered(record.referral)
    return Sheet(
        record=record,
        seen=seen,
        relations=related,
        beside=beside,
        names=names,
        pairs=pairs,
        part2=under,
        missing=missing,
    )


def unanswered(told: Referral) -> tuple[str, ...]:
    """The questions that are still open, by wire name, in the order in which they are asked."""
    arrest = told.kind.value == "arrest_diversion"
    exclusions = told.exclusions
    open_ = {
        "offence_codes": arrest and not told.offence_codes,
        "quantity": arrest and told.quantity is None and bool(told.offence_codes),
        "place": told.place is None or not told.place.text,
        "exclusions.open_warrant": arrest and exclusions.open_warrant.value == "unknown",
        "exclusions.safety_threat": arrest and exclusions.safety_threat.value == "unknown",
        "exclusions.under_supervision": arrest and exclusions.under_supervision.value == "unknown",
        "exclusions.disqualifying_record": arrest and exclusions.disqualifying_record.value == "unknown",
        "exclusions.open_case": arrest and exclusions.open_case.value == "unknown",
        "person.name": told.person.name is None and told.person.descriptor is None,
        "person.birth": told.person.birth is None,
        "reach": told.reach is None,
        "incident_number": arrest and told.incident_number is None,
        "basis": not arrest and told.basis is None,
        "urgency": not arrest and told.urgency is None,
        "reason": not arrest and told.reason is None,
    }
    return tuple(name for name, still in open_.items() if still)
