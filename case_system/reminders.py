"""What the clock reminds people of: an intake that is not done, and a place that is free for a person who waits.

    intake      at each warning day of the pack (14, 21, 28) after receipt, once: the pair and the supervisors, with the next digest;
                a clock that was late gives the newest warning only
    place       to the supervisors, when there are as many free places as people in line up to this one; again when the place
                was taken meanwhile and another is free

Pure: what comes out depends on the arguments alone. Silence moves nothing but these notices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from case_system.assignment import Waiting, free_places
from case_system.handoff import Ring, due_for
from case_system.record import Pair, Record
from case_system.turn import Judgement, Scene, World
from referral.lifecycle import Episode, Handoff, Review
from referral.port import Outcome
from referral.programme import Caps, Timers
from referral.views import NoticeKind


def warn_at(record: Record, timers: Timers, now: datetime) -> datetime | None:
    """When the next warning of the intake window is due after `now`; None where no intake is expected or all were given."""
    awaited = record.episode is Episode.OPEN and record.handoff is not Handoff.INTAKE_COMPLETE
    if not awaited or record.tally or record.incomplete or record.review is Review.DECLINED:
        return None
    moments = (record.received_at + timedelta(days=day) for day in sorted(timers.intake_warning_days))
    return next((moment for moment in moments if moment > now), None)


def warn(record: Record, world: World) -> Judgement:
    """The warning that is due, and when the next one is."""
    timers, now = world.pack.timers, world.now
    following = replace(record, intake_warn_at=warn_at(record, timers, now))
    passed = [d for d in timers.intake_warning_days if record.received_at + timedelta(days=d) <= now]
    awaited = warn_at(record, timers, record.received_at - timedelta(days=1)) is not None
    if not passed or not awaited:
        return Judgement(outcome=Outcome.ACCEPTED, record=following)
    pair = world.pair_of(record.holder)
    both = () if pair is None else tuple(u for u in (pair.case_manager, pair.peer) if u is not None)
    due = due_for(None, now, world.pack.hours)
    told = world.here((*both, *((record.holder,) if record.holder is not None else ()), *world.posts.supervisors))
    rings = tuple(Ring(recipient=who, kind=NoticeKind.INTAKE_DUE, round=max(passed), due_at=due) for who in told)
    return Judgement(outcome=Outcome.ACCEPTED, record=following, rings=rings)


def place_news(pairs: Sequence[Pair], line: Sequence[Waiting], caps: Caps) -> tuple[tuple[Waiting, bool], ...]:
    """Of whom the supervisors are to be told that a place is free (True), and of whom that it was taken (False)."""
    if not line:
        return ()
    free = free_places(pairs, caps.caseload_hard)
    return tuple((waiting, n < free) for n, waiting in enumerate(line) if waiting.told != (n < free))


def place(record: Record, scene: Scene, free: bool, world: World) -> Judgement:
    """Tell of a free place, or note that it is gone."""
    told = replace(record, place_told=free)
    if not free:
        return Judgement(outcome=Outcome.ACCEPTED, record=told)
    before = max((n.round for n in scene.notices if n.kind is NoticeKind.PLACE_FREE), default=0)
    rings = tuple(
        Ring(recipient=who, kind=NoticeKind.PLACE_FREE, round=before + 1, due_at=world.now)
        for who in world.posts.supervisors
    )
    return Judgement(outcome=Outcome.ACCEPTED, record=told, rings=rings)
