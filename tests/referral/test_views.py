"""Later words travel beside the view, so that an app of version 0.1.0 reads it, and come back in their places."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from referral.codec import canonical, from_wire, parse, to_wire
from referral.lifecycle import Charge, Handoff, Release, Review
from referral.model import Kind, ReferralId
from referral.views import LATER_WORDS, Flag, Happening, ReferralView, TimelineEntry, heard, spoken

NOW = datetime(2026, 3, 3, 7, 10, tzinfo=UTC)
FIRST_FLAGS = {
    "possible_duplicate", "outside_zone", "override", "awaiting_info", "late_sync", "wait_list", "out_of_touch", "device_revoked",
    "parallel_update", "withdrawal_asked", "needs_attention", "incomplete",
}  # fmt: skip
FIRST_HAPPENINGS = {
    "received", "amended", "offered", "nobody_answered", "accepted", "redirected", "on_the_way", "met_by_officer", "met_by_case_manager",
    "not_completed", "intake_complete", "sao_called", "sao_approved", "sao_declined", "sao_asked", "records_checked", "charge_not_filed",
    "charge_returned", "release_changed", "enrolled", "closed", "reopened", "withdrawn", "withdrawal_asked", "contacted",
    "provisional_merged",
}  # fmt: skip


def view(*happenings: Happening, flags: tuple[Flag, ...] = ()) -> ReferralView:
    """A view with these lines."""
    lines = tuple(TimelineEntry(what=what, at=NOW + timedelta(minutes=n)) for n, what in enumerate(happenings))
    return ReferralView(
        referral_id=ReferralId("r"), revision=1, kind=Kind.ARREST, receipt="7K42-9QXM", received_at=NOW, review=Review.SUBMITTED,
        handoff=Handoff.NONE, charge=Charge.HELD, release=Release.NONE, flags=flags, timeline=lines, extra={"newer": 1},
    )  # fmt: skip


def test_what_version_0_1_0_does_not_know_is_named() -> None:
    words = {*Flag, *Happening}
    assert {word.value for word in words - LATER_WORDS} == FIRST_FLAGS | FIRST_HAPPENINGS


@given(happenings=st.lists(st.sampled_from(Happening), max_size=12), flags=st.sets(st.sampled_from(Flag)))
def test_a_view_comes_back_as_it_was_said(happenings: list[Happening], flags: set[Flag]) -> None:
    told = view(*happenings, flags=tuple(sorted(flags)))
    wire = parse(canonical(to_wire(spoken(told))))
    assert {line["what"] for line in wire.get("timeline", [])} <= FIRST_HAPPENINGS
    assert set(wire.get("flags", [])) <= FIRST_FLAGS
    assert heard(from_wire(ReferralView, wire, keep_unknown=True)) == told


def test_words_of_a_newer_version_are_left_out_and_the_others_keep_their_order() -> None:
    wire = to_wire(spoken(view(Happening.RECEIVED, Happening.VOTED_YES, Happening.CLOSED)))
    wire["more"] |= {"flags": ["teleported", 7], "other": [1]}
    wire["more"]["timeline"] += [{"n": 1, "line": {"what": "teleported", "at": "2026-03-03T07:10:00Z"}}, 5, {"n": "x"}]
    read = heard(from_wire(ReferralView, wire, keep_unknown=True))
    assert [line.what for line in read.timeline] == [Happening.RECEIVED, Happening.VOTED_YES, Happening.CLOSED]
    assert read.flags == ()
    odds: tuple[Any, ...] = (None, 5, [], {"timeline": 5, "flags": {}})
    for odd in odds:
        told = view(Happening.RECEIVED)
        assert (
            heard(from_wire(ReferralView, to_wire(told) | {"more": odd}, keep_unknown=True)).timeline == told.timeline
        )
