"""What a new referral sets in motion: what is kept of it, its flags, the offer, the review, and the provisional handoff.

A refusal and a person under 18 stay unnamed, whatever the sender left in (product rules); nobody is rung for them. A person
on the way is offered to the duty pair on receipt, or to their own pair when LEAD knows them (the officer is not told). A
handoff that the desk opened on the call code is carried over: one ring, one acceptance. When it is not plain which one
belongs to this referral, nothing is merged and a person decides.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from case_system.assignment import speaking
from case_system.handoff import Ladder, Posts, due_for
from case_system.matters import Trouble
from case_system.reasons import Why
from case_system.record import Pair, Record
from case_system.reminders import warn_at
from case_system.turn import WAITS_FOR_SOMEONE, Turn
from referral.custody import ENDS, started
from referral.eligibility import Facts, assess
from referral.eligibility_words import OutlookAnswer
from referral.lifecycle import Episode, Handoff
from referral.model import Kind, Referral, Whereabouts, Willing, Zone, must_be_unnamed, unnamed
from referral.operations import Create, Op
from referral.views import Flag, Happening, NoticeKind

RINGING = frozenset({Whereabouts.COMING_IN, Whereabouts.CASE_MANAGER_COMING})
CALL_CODE_LASTS = timedelta(hours=12)


def kept(referral: Referral, day: date) -> Referral:
    """What may be kept of it on the programme's day: unnamed where the product says so."""
    return unnamed(referral, day) if must_be_unnamed(referral, day) else referral


def arrive(turn: Turn) -> None:
    """Fill the turn for a create (or the copy of a draft) whose id nobody has used."""
    body = turn.operation.body
    if not isinstance(body, Create):
        raise ValueError("not a new referral")
    told = kept(body.referral, turn.world.pack.day(turn.now))
    _codes(turn, told, incomplete=turn.operation.op is Op.INCOMPLETE)
    turn.say(Happening.RECEIVED)
    _flags(turn, told)
    if not turn.record.tally:
        _merge(turn)
        ring(turn)
        _review(turn, told)
    arm(turn)


def arm(turn: Turn) -> None:
    """Set when the next warning of the intake window is due."""
    turn.change(intake_warn_at=warn_at(turn.record, turn.world.pack.timers, turn.now))


def _codes(turn: Turn, told: Referral, *, incomplete: bool) -> None:
    turn.change(
        referral=told,
        incomplete=incomplete,
        kind=told.kind,
        tally=must_be_unnamed(told, turn.world.pack.day(turn.now)),
        willing=told.willing,
        whereabouts=told.whereabouts,
        urgency=told.urgency,
        pack=told.pack,
    )
    (turn.flag if incomplete else turn.unflag)(Flag.INCOMPLETE)
    custody(turn, told)


def custody(turn: Turn, told: Referral) -> None:
    """The custody clock as the record says: it runs for an arrest until the person is known to be booked, moved on or let go."""
    record = turn.record
    unnamed_or_draft = record.tally or record.incomplete
    began = None if unnamed_or_draft else started(told, record.recorded_at, record.received_at)
    end = None if told.whereabouts is None else ENDS.get(told.whereabouts)
    if began is None or (record.custody_from is None and end is not None):  # over before LEAD heard of it
        turn.change(custody_from=None, custody_until=None, custody_end=None)
        return
    turn.change(custody_from=began)
    if end is not None:
        turn.end_custody(end)
    elif record.custody_end in ENDS.values():  # put right: they are waiting after all
        turn.change(custody_until=None, custody_end=None)


def restate(turn: Turn, told: Referral) -> None:
    """Take over later knowledge: the codes follow the record, a person now on the way is offered, a no takes it back."""
    was_tally, was_ringing = turn.record.tally, turn.record.whereabouts in RINGING
    told = kept(told, turn.world.pack.day(turn.now))
    _codes(turn, told, incomplete=False)
    turn.unflag(Flag.OUTSIDE_ZONE, Flag.OVERRIDE)
    _flags(turn, told, late=False)
    if turn.record.tally and not was_tally:
        turn.shred = True
        turn.change(amendments=(), person_index=None)
        if turn.record.handoff in WAITS_FOR_SOMEONE:
            turn.change(handoff=Handoff.NONE, holder=None, offered_at=None)
        turn.end_handoff()
        turn.end_sao()
    elif not turn.record.tally:
        if not was_ringing or was_tally:
            ring(turn)
        if Ladder.SAO not in turn.scene.climbs:
            _review(turn, told)
    arm(turn)


def _flags(turn: Turn, told: Referral, *, late: bool = True) -> None:
    pack, record = turn.world.pack, turn.record
    facts = Facts.of(told, pack, on=pack.day(turn.now))
    if facts.zone is Zone.OUTSIDE:
        turn.flag(Flag.OUTSIDE_ZONE)
    outlook = assess(facts, pack)
    if outlook.answer is OutlookAnswer.NOT and told.kind is Kind.ARREST:
        turn.flag(Flag.OVERRIDE)
    if late and turn.now - record.recorded_at > timedelta(minutes=pack.timers.unsent_officer_minutes):
        turn.flag(Flag.LATE_SYNC)
    if turn.scene.unjudged and not record.tally:
        turn.flag(Flag.POSSIBLE_DUPLICATE)


def ring(turn: Turn) -> None:
    """Offer the handoff when the person is on the way; tell the pair about the others when the desk is open."""
    record, world, known = turn.record, turn.world, turn.scene.known_as
    if record.episode is not Episode.OPEN or record.handoff is not Handoff.NONE:
        return
    own = (
        world.pairs.get(known.pair)
        if known is not None and known.pair
        else world.pair_of(known.holder if known else None)
    )
    posts, why = _whom(turn, own)
    if record.whereabouts in RINGING:
        turn.offer(posts=posts, quiet=turn.scene.scene_rings, why=why)
    elif record.willing is not Willing.NO:
        due = due_for(record.urgency, turn.now, world.pack.hours)
        turn.tell(posts.duty or posts.on_call or posts.supervisors, NoticeKind.NEW_SOCIAL_CONTACT, due_at=due)


def _whom(turn: Turn, own: Pair | None) -> tuple[Posts, Why | None]:
    """Who is rung first, and why: their own pair, or the pair on duty with somebody who speaks the person's language."""
    world, posts = turn.world, turn.world.posts
    if own is not None and own.active:
        both = world.here(u for u in (own.case_manager, own.peer) if u is not None)
        if both:
            others = tuple(u for u in posts.duty + posts.on_call if u not in both)
            return replace(posts, duty=both, on_call=others), Why.OWN_PAIR
    language = turn.record.referral.language if turn.record.referral is not None else None
    also = speaking(language, posts.on_call, world.users)
    if not also or not posts.duty or speaking(language, posts.duty, world.users):
        return posts, None
    others = tuple(u for u in posts.on_call if u not in also)
    return replace(posts, duty=posts.duty + also, on_call=others), Why.ALSO_SPEAKS


def _review(turn: Turn, told: Referral) -> None:
    if told.kind is Kind.ARREST and told.willing is Willing.YES:
        turn.start(Ladder.SAO, quiet=turn.scene.scene_rings)


def _merge(turn: Turn) -> None:
    """Carry over the handoff that the desk opened on this referral's call code."""
    fitting = [
        p
        for p in turn.scene.provisional
        if turn.now - p.received_at <= CALL_CODE_LASTS and p.officer in ("", turn.record.officer, turn.record.made_by)
    ]
    if len(fitting) != 1:
        if turn.scene.provisional:
            turn.ask(Trouble.CALL_CODE_UNCLEAR)
        return
    before: Record = fitting[0]
    turn.merges = before
    turn.change(
        handoff=before.handoff,
        holder=before.holder,
        offered_at=before.offered_at,
        accepted_at=before.accepted_at,
        unanswered_since=before.unanswered_since,
        met_by_officer=before.met_by_officer,
        met_by_staff=before.met_by_staff,
        flags=turn.record.flags | before.flags,
    )
    turn.note(Happening.PROVISIONAL_MERGED)


def open_on_call(turn: Turn) -> None:
    """Begin a handoff for a referral that is known by its call code only."""
    turn.say(Happening.RECEIVED)
    turn.offer()
