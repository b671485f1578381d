"""What each reader sees of a referral: pure projections of a record, by the reader's relation to it.

An officer gets process states and no personal data, and nothing clinical: `met` once they confirmed it themselves; "intake
done" and "closed" only under a signed release that names police (42 CFR Part 2). That LEAD knows the person is not told.
A case manager or peer who holds the handoff, is rung for it, or works in the pair gets the referral. Reviewers of the
State's Attorney get it without note, descriptor and reach; evaluators get no name anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, assert_never

from case_system.audience import officers
from case_system.grants import Channel, Relation, Sight, sight
from case_system.record import Record, User
from referral.codec import to_wire
from referral.custody import CustodyClock, CustodyEnd
from referral.lifecycle import Episode, Handoff, Release
from referral.model import Person, Referral, UserId, utc
from referral.views import Flag, Happening, ReferralView, Side, TimelineEntry, spoken

NOT_FOR_POLICE = frozenset({Flag.POSSIBLE_DUPLICATE, Flag.WAIT_LIST, Flag.OUT_OF_TOUCH})
CLINICAL = frozenset({  # and what would tell that LEAD knows the person
    Happening.CONTACTED, Happening.INTAKE_COMPLETE, Happening.RELEASE_CHANGED, Happening.ENROLLED, Happening.CLOSED,
    Happening.REOPENED, Happening.MET_BY_CASE_MANAGER, Happening.WAIT_LISTED, Happening.OVER_SOFT_LINE,
    Happening.DUPLICATE_JUDGED, Happening.VOTED_YES, Happening.VOTED_NO,
})  # fmt: skip
_UNDER_RELEASE = frozenset({Happening.INTAKE_COMPLETE, Happening.CLOSED, Happening.MET_BY_CASE_MANAGER})
_REASONS_STAY = frozenset({Happening.REDIRECTED, Happening.SAO_ASKED, Happening.OFFERED, Happening.RESOLVED})
_SEEN_ENDS = frozenset({CustodyEnd.BOOKED, CustodyEnd.TRANSFERRED, CustodyEnd.RELEASED})  # the officer's own answers


def name_of(users: Mapping[UserId, User], user_id: str | None) -> str | None:
    """The display name of a colleague; the id of someone who is no longer known."""
    if user_id is None:
        return None
    user = users.get(UserId(user_id))
    return user.name if user is not None else user_id


def view(
    record: Record, reader: User, users: Mapping[UserId, User], lines: Sequence[TimelineEntry]
) -> ReferralView | None:
    """The view on a device of someone who is among the referral's readers; None where their role sees nothing there."""
    related = {Relation.MADE, Relation.HOLDS} if reader.user_id in officers(record) else {Relation.HOLDS}
    match sight(Channel.DEVICE, reader.role, related):
        case Sight.WHOLE:
            return spoken(_view(record, reader, users, lines))
        case Sight.PROCESS:
            return spoken(_for_officer(record, _view(record, reader, users, lines)))
        case _:
            return None


def as_seen(record: Record, seen: Sight) -> Record | None:
    """The record as a page may show it."""
    told = record.referral
    match seen:
        case Sight.WHOLE:
            return record
        case Sight.REVIEW:
            return replace(record, referral=None if told is None else for_reviewer(told), amendments=())
        case Sight.DE_IDENTIFIED:
            return replace(record, referral=None if told is None else de_identified(told), amendments=())
        case Sight.PROCESS | Sight.NOTHING:  # process alone has no page
            return None
        case _:
            assert_never(seen)


def _view(record: Record, reader: User, users: Mapping[UserId, User], lines: Sequence[TimelineEntry]) -> ReferralView:
    extra: dict[str, Any] = {}
    parallel = [to_wire(a.parallel) for a in record.amendments if a.parallel]
    if parallel:
        extra["parallel"] = parallel
    if record.provisional:
        extra["provisional"] = True
    return ReferralView(
        referral_id=record.referral_id,
        revision=record.revision,
        kind=record.kind,
        receipt=record.receipt,
        received_at=record.received_at,
        review=record.review,
        handoff=record.handoff,
        charge=record.charge,
        release=record.release,
        episode=record.episode,
        flags=tuple(sorted(record.flags)),
        officer=record.officer or None,
        officer_name=name_of(users, record.officer or None),
        case_manager=name_of(users, record.holder),
        offered_at=record.offered_at,
        unanswered_since=record.unanswered_since,
        mine=record.holder == reader.user_id,
        recorded_at=utc(record.recorded_at),
        custody=record.custody,
        met_by=record.met_by,
        no_answer=record.no_answer,
        waiting_since=record.waiting_since,
        timeline=tuple(replace(line, by=name_of(users, line.by)) for line in lines),
        referral=record.referral,
        extra=extra,
    )


def _officers_clock(record: Record) -> CustodyClock | None:
    """The custody clock without an end that would tell of a meeting which only the case manager has confirmed."""
    clock = record.custody
    if clock is None or clock.end is None or clock.end in _SEEN_ENDS or record.police_released:
        return clock
    hidden = (clock.end is CustodyEnd.MET and not record.met_by_officer) or (
        clock.end is CustodyEnd.CLOSED and record.close_reason != "withdrew"
    )
    return replace(clock, ended_at=None, end=None) if hidden else clock


def _for_officer(record: Record, whole: ReferralView) -> ReferralView:
    open_to_police = record.police_released
    handoff, episode = record.handoff, record.episode
    if not open_to_police:
        done = any(line.what is Happening.NOT_COMPLETED for line in whole.timeline)
        if handoff in (Handoff.MET, Handoff.INTAKE_COMPLETE):
            handoff = Handoff.MET if record.met_by_officer else Handoff.ACCEPTED
        elif handoff is Handoff.NOT_COMPLETED and not done:
            handoff = Handoff.ACCEPTED
        if record.close_reason != "withdrew":
            episode = Episode.OPEN
    hidden = CLINICAL - (_UNDER_RELEASE if open_to_police else frozenset())
    return replace(
        whole,
        handoff=handoff,
        episode=episode,
        release=record.release if open_to_police else Release.NONE,
        flags=tuple(flag for flag in whole.flags if flag not in NOT_FOR_POLICE),
        mine=False,
        custody=_officers_clock(record),
        met_by=tuple(side for side in record.met_by if side is Side.OFFICER or open_to_police),
        waiting_since=None,
        timeline=tuple(
            replace(line, code=None) if line.what in _REASONS_STAY else line
            for line in whole.timeline
            if line.what not in hidden
        ),
        referral=None,
        extra={},
    )


def for_reviewer(referral: Referral) -> Referral:
    """What the State's Attorney's reviewer may read: never note, descriptor or reach."""
    return replace(referral, note=None, reach=None, person=replace(referral.person, descriptor=None), extra={})


def de_identified(referral: Referral) -> Referral:
    """What an evaluator may read: no name, descriptor, reach, note, birth date, place text, point or incident."""
    birth = referral.person.birth
    kept = birth if birth is not None and birth.date is None else None
    return replace(
        referral,
        person=Person(birth=kept),
        reach=None,
        note=None,
        place=None,
        incident_number=None,
        scene_id=None,
        for_officer=None,
        extra={},
    )
