"""What each operation does to a referral: one function per operation, over the tables of `referral/lifecycle.py`.

Theory. An operation is judged once, when its turn has come, by the present state and the maker's role (S10, S19):

    the role may never do it, or it is somebody else's referral      refused, not_permitted
    the step does not fit what happened meanwhile                    needs_attention, kept and flagged; nothing else changes
    otherwise                                                        accepted, with everything that follows from it

Accepted and flagged operations both count in the revision, so that what the maker did on top of them finds its place.
No device clock decides anything (S12). Pure: reads a `Scene`, returns a `Judgement`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

from case_system import arrival
from case_system.assignment import Full, choose
from case_system.audience import may_act, officers, staff_rung
from case_system.grants import Relation, may
from case_system.handoff import Ladder, NoticeStep, Ring, advance_notice, can_notice
from case_system.record import DESK, Amendment, Record, User
from case_system.turn import UNDECIDED, WAITS_FOR_SOMEONE, Judgement, Scene, Turn, World
from referral.codec import from_wire, to_wire
from referral.lifecycle import Episode, Handoff, IllegalStep, Release, Review, Role, Step, Track
from referral.model import Kind, Referral, Whereabouts
from referral.operations import (
    OPERATIONS,
    Acknowledge,
    Amend,
    ChargeDecision,
    ChargeRecord,
    Close,
    Contact,
    Create,
    Enrol,
    Intake,
    NotCompleted,
    OnTheWay,
    Op,
    Operation,
    Reason,
    RecordsCheck,
    ReleaseEvent,
    ReleaseOfInformation,
    SaoAnswer,
    SaoCall,
    Vote,
    merge,
)
from referral.port import Outcome
from referral.problems import FieldError, ProblemCode
from referral.views import Flag, Happening, NoticeKind


class _DoesNotFit(Exception):
    """The step is not possible now; the turn is dropped."""

    def __init__(self, code: ProblemCode = ProblemCode.NOT_POSSIBLE_NOW, *flags: Flag) -> None:
        super().__init__(code.value)
        self.code, self.flags = code, flags


def judge(operation: Operation, actor: User, device_id: str, record: Record, scene: Scene, world: World, *, new: bool) -> Judgement:  # fmt: skip
    """The judgement of one operation.

    record: the present truth, or (new) the blank that a create fills. device_id: `DESK` for the pages. The caller has
    checked that the operation's base has been reached (S10).
    """
    rule = OPERATIONS[operation.op]
    foreign = device_id != DESK and not rule.from_device
    if not may(operation.op, actor.role, frozenset(Relation)) or foreign or operation.made_by != actor.user_id:
        return Judgement(outcome=Outcome.REFUSED, code=ProblemCode.NOT_PERMITTED, record=None if new else record)
    if isinstance(operation.body, Create) and not new:
        return _again(operation, actor, device_id, record, scene, world)
    if not new and not may_act(operation, actor, record, scene, world):
        if actor.user_id in staff_rung(scene):  # it was theirs when they did it
            return _kept(operation, actor, record, world, ProblemCode.NOT_POSSIBLE_NOW)
        return Judgement(outcome=Outcome.REFUSED, code=ProblemCode.NOT_PERMITTED, record=record)
    turn = Turn(
        operation=operation, actor=actor, device_id=device_id, world=world, scene=scene,
        record=replace(record, revision=record.revision + 1),
    )  # fmt: skip
    try:
        _EFFECTS[operation.op](turn, cast(Any, operation.body))
    except IllegalStep:
        return _kept(operation, actor, record, world, ProblemCode.NOT_POSSIBLE_NOW)
    except _DoesNotFit as error:
        return _kept(operation, actor, record, world, error.code, *error.flags)
    except FieldError:  # a later answer that the record cannot hold any more
        return _kept(operation, actor, record, world, ProblemCode.NOT_POSSIBLE_NOW)
    return turn.done()


def _kept(
    operation: Operation, actor: User, record: Record, world: World, code: ProblemCode, *flags: Flag
) -> Judgement:
    """Needs attention: counted, flagged, told to who did it and to the supervisors; nothing else changes (S19)."""
    kept = replace(record, revision=record.revision + 1, flags=record.flags | {Flag.NEEDS_ATTENTION, *flags})
    told = tuple(
        Ring(recipient=who, kind=NoticeKind.NEEDS_ATTENTION, round=kept.revision, due_at=world.now, rings=False)
        for who in dict.fromkeys((actor.user_id, *world.posts.supervisors))
    )
    return Judgement(outcome=Outcome.NEEDS_ATTENTION, code=code, record=kept, rings=told)


def _again(operation: Operation, actor: User, device_id: str, record: Record, scene: Scene, world: World) -> Judgement:
    """A create for an id that is known: the same person's again, the full form of a draft's copy, or another's id."""
    body = cast(Create, operation.body)
    if not may_act(operation, actor, record, scene, world):
        return Judgement(outcome=Outcome.REFUSED, code=ProblemCode.ID_TAKEN, record=record)
    turn = Turn(
        operation=operation, actor=actor, device_id=device_id, world=world, scene=scene,
        record=replace(record, revision=record.revision + 1),
    )  # fmt: skip
    if record.incomplete and operation.op is Op.CREATE:
        turn.say(Happening.AMENDED)
        arrival.restate(turn, body.referral)
        return turn.done()
    if operation.op is Op.INCOMPLETE or arrival.kept(body.referral, world.pack.day(world.now)) == record.referral:
        return turn.done()
    return _kept(operation, actor, record, world, ProblemCode.NOT_POSSIBLE_NOW, Flag.PARALLEL_UPDATE)


# ------------------------------------------------------------------------------------------------ the officer's
def _create(turn: Turn, body: Create) -> None:
    arrival.arrive(turn)


def _leaves(changes: Any, path: str = "") -> Mapping[str, Any]:
    if isinstance(changes, Mapping) and changes:
        return {k: v for name, inner in changes.items() for k, v in _leaves(inner, f"{path}/{name}").items()}
    return {path: changes}


def _without(
    changes: Mapping[str, Any], taken: frozenset[str], path: str = ""
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The changes split into those that nobody else made meanwhile and those that somebody did."""
    free: dict[str, Any] = {}
    both: dict[str, Any] = {}
    for name, value in changes.items():
        here = f"{path}/{name}"
        if any(t == here or here.startswith(t + "/") for t in taken):
            both[name] = value
        elif isinstance(value, Mapping) and value:
            inner_free, inner_both = _without(value, taken, here)
            if inner_free:
                free[name] = inner_free
            if inner_both:
                both[name] = inner_both
        elif any(t.startswith(here + "/") for t in taken):
            both[name] = value
        else:
            free[name] = value
    return free, both


def _amend(turn: Turn, body: Amend) -> None:
    record = turn.record
    if record.referral is None or record.episode is Episode.CLOSED:
        raise _DoesNotFit
    unseen = [a for a in record.amendments if a.revision > turn.operation.base and a.device_id != turn.device_id]
    taken = frozenset(leaf for a in unseen for leaf in _leaves(a.changes))
    free, both = _without(body.changes, taken)
    if unseen:
        turn.flag(Flag.PARALLEL_UPDATE)
    told = from_wire(Referral, merge(to_wire(record.referral), free), keep_unknown=True)
    added = Amendment(
        revision=record.revision, device_id=turn.device_id, by=turn.actor.user_id, at=turn.now, changes=free, parallel=both
    )  # fmt: skip
    turn.change(amendments=(*record.amendments, added))
    turn.say(Happening.AMENDED)
    if turn.record.review is Review.NEED_INFO:
        turn.step(Track.REVIEW, Step.GIVE_INFO)
        turn.unflag(Flag.AWAITING_INFO)
        turn.start(Ladder.SAO)
    arrival.restate(turn, told)


def _withdraw(turn: Turn, body: Reason) -> None:
    _steps(turn)
    turn.change(close_reason="withdrew", holder=None)
    turn.end_handoff()
    turn.end_sao()
    turn.say(Happening.WITHDRAWN, body.reason)


def _ask_withdrawal(turn: Turn, body: Reason) -> None:
    if turn.record.episode is Episode.CLOSED:
        raise _DoesNotFit
    turn.flag(Flag.WITHDRAWAL_ASKED)
    turn.say(Happening.WITHDRAWAL_ASKED, body.reason)
    turn.tell((turn.record.holder, *turn.world.posts.supervisors), NoticeKind.WITHDRAWAL_ASKED, rings=False)


def _sao_call(turn: Turn, body: SaoCall) -> None:
    if turn.record.kind is not Kind.ARREST:
        raise _DoesNotFit
    turn.change(sao_answer=body.answer, sao_confirmed=False)
    turn.say(Happening.SAO_CALLED, body.answer.value)
    if body.answer in (SaoAnswer.APPROVED, SaoAnswer.DECLINED):
        turn.end_sao()


def _on_the_way(turn: Turn, body: OnTheWay) -> None:
    record = turn.record
    if record.episode is Episode.CLOSED or record.tally:
        raise _DoesNotFit
    if record.referral is not None and record.kind is Kind.ARREST:
        told = replace(
            record.referral, whereabouts=Whereabouts.COMING_IN, eta_at=body.eta_at, destination=body.destination
        )
        turn.change(referral=told, whereabouts=Whereabouts.COMING_IN)
    turn.say(Happening.ON_THE_WAY, body.destination)
    if turn.record.handoff is Handoff.NONE:
        turn.offer(quiet=turn.scene.scene_rings)


def _met(turn: Turn, body: Any) -> None:
    officer = turn.actor.role is Role.OFFICER
    early = officer and turn.record.handoff in (Handoff.NONE, *WAITS_FOR_SOMEONE)  # the acceptance is still on its way
    if turn.record.episode is Episode.CLOSED:
        raise _DoesNotFit
    if not early and turn.record.handoff not in (
        Handoff.MET,
        Handoff.INTAKE_COMPLETE,
    ):  # the second of the two confirms
        _steps(turn)
    if officer:
        turn.change(met_by_officer=True)
    turn.say(Happening.MET_BY_OFFICER if officer else Happening.MET_BY_CASE_MANAGER)


def _not_completed(turn: Turn, body: NotCompleted) -> None:
    _steps(turn)
    turn.end_handoff()
    turn.say(Happening.NOT_COMPLETED, body.reason.value)


# ------------------------------------------------------------------------------------------------ case managers and peers
def _accept(turn: Turn, body: Reason) -> None:
    record = turn.record
    if record.handoff is Handoff.ACCEPTED and record.holder == turn.actor.user_id:
        return  # the same person once more, from another place
    if record.episode is Episode.CLOSED or record.tally:
        raise _DoesNotFit
    _steps(turn)
    turn.change(holder=turn.actor.user_id, accepted_at=turn.now, unanswered_since=None)
    turn.say(Happening.ACCEPTED)
    turn.end_handoff()
    turn.tell(sorted(officers(record)), NoticeKind.ACCEPTED, rings=False)


def _redirect(turn: Turn, body: Reason) -> None:
    _steps(turn)
    turn.change(holder=None, accepted_at=None)
    turn.say(Happening.REDIRECTED, body.reason)
    turn.end_handoff()
    turn.start(
        Ladder.HANDOFF, first=1, not_to=frozenset({turn.actor.user_id})
    )  # the duty pair has answered: ring the rest


def _intake(turn: Turn, body: Intake) -> None:
    _steps(turn)
    turn.change(intake_on=body.on)
    turn.say(Happening.INTAKE_COMPLETE)


def _contact(turn: Turn, body: Contact) -> None:
    turn.say(Happening.CONTACTED, "reached" if body.reached else "not_reached")


def _release(turn: Turn, body: ReleaseOfInformation) -> None:
    step = {ReleaseEvent.VERBAL: Step.SAY_YES, ReleaseEvent.SIGNED: Step.SIGN, ReleaseEvent.REVOKED: Step.REVOKE}
    turn.step(Track.RELEASE, step[body.event])
    signed = turn.record.release is Release.SIGNED
    last_day = body.expires_on if signed else None  # a release that arrives after it opens nothing
    in_time = last_day is not None and turn.now.date() <= last_day
    turn.change(police_released=in_time and "police" in body.parties, release_expires_on=last_day)
    turn.release = body
    turn.say(Happening.RELEASE_CHANGED, body.event.value)


def _acknowledge(turn: Turn, body: Acknowledge) -> None:
    notice = next(n for n in turn.scene.notices if n.notice_id == body.notice_id)
    if can_notice(notice.state, NoticeStep.ACKNOWLEDGE):
        turn.settled[notice.notice_id] = advance_notice(notice.state, NoticeStep.ACKNOWLEDGE)


# ------------------------------------------------------------------------------------------------ the desk's
def _offer(turn: Turn, body: Reason) -> None:
    if turn.record.tally or turn.record.episode is Episode.CLOSED:
        raise _DoesNotFit
    _steps(turn)
    turn.change(handoff=Handoff.NONE)
    turn.offer()


def _records_check(turn: Turn, body: RecordsCheck) -> None:
    if turn.record.referral is None:
        raise _DoesNotFit
    if turn.record.review is Review.SUBMITTED:  # what is found later is written down too
        _steps(turn)
    elif turn.record.review not in UNDECIDED:
        raise _DoesNotFit
    turn.change(referral=replace(turn.record.referral, exclusions=body.exclusions))
    turn.say(Happening.RECORDS_CHECKED)


def _answered(turn: Turn) -> None:
    turn.end_sao()
    turn.unflag(Flag.AWAITING_INFO)
    turn.tell((*sorted(officers(turn.record)), turn.record.holder), NoticeKind.SAO_ANSWERED, rings=False)


def _sao_approve(turn: Turn, body: Reason) -> None:
    _steps(turn)
    turn.say(Happening.SAO_APPROVED, body.reason)
    _answered(turn)


def _sao_decline(turn: Turn, body: Reason) -> None:
    _steps(turn)
    turn.say(Happening.SAO_DECLINED, body.reason)
    _answered(turn)


def _sao_ask(turn: Turn, body: Reason) -> None:
    _steps(turn)
    turn.end_sao()
    turn.flag(Flag.AWAITING_INFO)
    turn.say(Happening.SAO_ASKED, body.reason)
    turn.tell(sorted(officers(turn.record)), NoticeKind.SAO_ANSWERED, rings=False)


def _confirm_sao_call(turn: Turn, body: Reason) -> None:
    match turn.record.sao_answer:
        case SaoAnswer.APPROVED:
            turn.step(Track.REVIEW, Step.APPROVE)
            turn.say(Happening.SAO_APPROVED, body.reason)
        case SaoAnswer.DECLINED:
            turn.step(Track.REVIEW, Step.DECLINE)
            turn.say(Happening.SAO_DECLINED, body.reason)
        case SaoAnswer.NO_ANSWER | SaoAnswer.CALL_BACK:
            pass
        case None:
            raise _DoesNotFit
    turn.change(sao_confirmed=True)
    _answered(turn)


def _partner_vote(turn: Turn, body: Vote) -> None:
    """n of n: the review is approved by the last missing yes of the pack's voting partners."""
    voting = {partner.id for partner in turn.world.pack.partners if partner.votes}
    if body.partner not in voting or turn.record.review not in UNDECIDED:
        raise _DoesNotFit
    turn.vote = body
    votes = {**turn.scene.votes, body.partner: body.approve}
    if all(votes.get(partner) for partner in voting):
        turn.step(Track.REVIEW, Step.APPROVE, Role.SAO_REVIEWER)  # theirs is one of the votes
        turn.say(Happening.SAO_APPROVED, "partners")
        _answered(turn)


def _charge(turn: Turn, body: ChargeRecord) -> None:
    filed = body.decision is ChargeDecision.RETURNED
    turn.step(Track.CHARGE, Step.RETURN_CHARGE if filed else Step.NOT_FILE)
    turn.say(Happening.CHARGE_RETURNED if filed else Happening.CHARGE_NOT_FILED)


def _enrol(turn: Turn, body: Enrol) -> None:
    record, world = turn.record, turn.world
    if record.review is not Review.APPROVED or record.handoff is not Handoff.INTAKE_COMPLETE:
        raise _DoesNotFit
    held = world.pair_of(record.holder)
    chosen = choose(
        tuple(world.pairs.values()),
        cap=world.pack.caps.caseload_hard,
        soft=world.pack.caps.caseload_soft,
        wanted=body.pair,
        own=turn.scene.counted_in,
        holding=held.pair if held else None,
    )
    if isinstance(chosen, Full):
        raise _DoesNotFit(ProblemCode.CAP_REACHED, *((Flag.WAIT_LIST,) if chosen.pair is None else ()))
    _steps(turn)
    turn.change(pair=chosen.pair)
    turn.unflag(Flag.WAIT_LIST)
    if chosen.counts:
        turn.counted[chosen.pair] = 1
    turn.say(Happening.ENROLLED, chosen.why.value)


def _close(turn: Turn, body: Close) -> None:
    enrolled = turn.record.episode is Episode.ENROLLED
    _steps(turn)
    if enrolled and turn.record.pair and turn.scene.counted_in is None:
        turn.counted[turn.record.pair] = -1
    turn.change(close_reason=body.reason.value)
    turn.end_handoff()
    turn.end_sao()
    turn.say(Happening.CLOSED, body.reason.value)


def _reopen(turn: Turn, body: Reason) -> None:
    if body.reason is None:
        raise _DoesNotFit
    _steps(turn)
    turn.change(close_reason=None, pair=None)
    turn.say(Happening.REOPENED, body.reason)


def _steps(turn: Turn) -> None:
    for track, step in OPERATIONS[turn.operation.op].steps:
        turn.step(track, step)


_EFFECTS: Mapping[Op, Callable[[Turn, Any], None]] = {
    Op.CREATE: _create,
    Op.INCOMPLETE: _create,
    Op.AMEND: _amend,
    Op.WITHDRAW: _withdraw,
    Op.ASK_WITHDRAWAL: _ask_withdrawal,
    Op.SAO_CALL: _sao_call,
    Op.ON_THE_WAY: _on_the_way,
    Op.MET: _met,
    Op.NOT_COMPLETED: _not_completed,
    Op.ACCEPT: _accept,
    Op.REDIRECT: _redirect,
    Op.INTAKE: _intake,
    Op.CONTACT: _contact,
    Op.RELEASE: _release,
    Op.ACKNOWLEDGE: _acknowledge,
    Op.OFFER: _offer,
    Op.RECORDS_CHECK: _records_check,
    Op.SAO_APPROVE: _sao_approve,
    Op.SAO_DECLINE: _sao_decline,
    Op.SAO_ASK: _sao_ask,
    Op.CONFIRM_SAO_CALL: _confirm_sao_call,
    Op.PARTNER_VOTE: _partner_vote,
    Op.CHARGE: _charge,
    Op.ENROL: _enrol,
    Op.CLOSE: _close,
    Op.REOPEN: _reopen,
}
