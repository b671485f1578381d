"""The five tracks drawn as five short lines of stops: where a referral has been, where it stands, what lies ahead. Pure.

A track that left its usual way (declined, passed on, did not take place, taken back) ends at that stop, which is marked.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from case_system.record import Record
from referral.lifecycle import Charge, Episode, Handoff, Release, Review, Track
from referral.model import Kind

_WAYS: dict[Track, tuple[StrEnum, ...]] = {
    Track.REVIEW: (Review.SUBMITTED, Review.RECORDS_CHECK, Review.SAO_REVIEW, Review.APPROVED),
    Track.HANDOFF: (Handoff.OFFERED, Handoff.ACCEPTED, Handoff.MET, Handoff.INTAKE_COMPLETE),
    Track.CHARGE: (Charge.HELD, Charge.NOT_FILED),
    Track.RELEASE: (Release.VERBAL, Release.SIGNED),
    Track.EPISODE: (Episode.OPEN, Episode.ENROLLED, Episode.CLOSED),
}
# Stops off the usual way, and after how many of its stops they come.
_ASIDE: dict[StrEnum, int] = {
    Review.DECLINED: 3, Review.NEED_INFO: 3, Handoff.REDIRECTED: 1, Handoff.NOT_COMPLETED: 2, Charge.RETURNED: 1,
    Release.REVOKED: 2, Release.EXPIRED: 2,
}  # fmt: skip
_NOT_BEGUN = frozenset({Handoff.NONE, Charge.NONE, Release.NONE})


class Place(StrEnum):
    """Where a stop lies."""

    DONE = "done"
    NOW = "now"
    ASIDE = "aside"  # now, off the usual way
    AHEAD = "ahead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    state: StrEnum
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One track. stops: empty where the track does not concern this referral. state: where it stands."""

    track: Track
    state: StrEnum
    stops: tuple[Stop, ...]


def strip(record: Record, *, reviewer: bool = False) -> tuple[Lane, ...]:
    """The lanes of a record. reviewer: without intake, release and episode, which are not the
    State's Attorney's."""
    tracks = [t for t in Track if not (reviewer and t in (Track.RELEASE, Track.EPISODE))]
    if record.kind is not Kind.ARREST:
        tracks.remove(Track.CHARGE)
    return tuple(_lane(track, getattr(record, track.value), reviewer=reviewer) for track in tracks)


def _lane(track: Track, state: StrEnum, *, reviewer: bool) -> Lane:
    way = tuple(stop for stop in _WAYS[track] if not (reviewer and stop is Handoff.INTAKE_COMPLETE))
    if state in _ASIDE:
        passed = [Stop(state=s, place=Place.DONE) for s in way[: _ASIDE[state]]]
        return Lane(track=track, state=state, stops=(*passed, Stop(state=state, place=Place.ASIDE)))
    at = -1 if state in _NOT_BEGUN else way.index(state)
    places = (Place.DONE if n < at else Place.NOW if n == at else Place.AHEAD for n in range(len(way)))
    return Lane(track=track, state=state, stops=tuple(Stop(state=s, place=p) for s, p in zip(way, places, strict=True)))
