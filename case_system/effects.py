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

from case_system import admission, arrival, rulings
from case_system.audience import may_act, officers, staff_rung
from case_system.grants import Relation, may
from case_system.handoff import Ladder, NoticeStep, Ring, advance_notice, can_notice
from case_system.matters import NewMatter, Trouble
from case_system.reasons import Why
from case_system.record import DESK, Amendment, Record, User
from case_system.turn import (
    UNDECIDED,
    WAITS_FOR_SOMEONE,
    DoesNotFit,
    Happened,
    Judgement,
    NotTheirs,
    Scene,
    Turn,
    World,
)
from referral.codec import from_wire, to_wire
from referral.custody import CustodyEnd
from referral.lifecycle import Episode, Handoff, IllegalStep, Release, Review, Role, Step, Track
from referral.model import Kind, Referral, Whereabouts
from referral.operations import (
    OPERATIONS,
    Acknowledge,
    Amend,
    ChargeDecision,
    ChargeRecord,
    Contact,
    Create,
    Intake,
    NotCompleted,
    NotCompletedReason,
    OnTheWay,
    Op,
    Operation,
    Reason,
    RecordsCheck,
    ReleaseEvent,
    ReleaseOfInformation,
    SaoAnswer,
    SaoCall,
    merge,
)
from referral.port import Outcome
from referral.problems import FieldError, ProblemCode
from referral.views import Flag, Happening, NoticeKind

OUT_OF_TOUCH_AFTER = 3  # tries in a row that reached nobody


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
            return _kept(operation, actor, record, world, DoesNotFit(Trouble.NOT_THEIRS_ANY_MORE))
        return Judgement(outcome=Outcome.REFUSED, code=ProblemCode.NOT_PERMITTED, record=record)
    turn = Turn(
        operation=operation, actor=actor, device_id=device_id, world=world, scene=scene,
        record=replace(record, revision=record.revision + 1),
    )  # fmt: skip
    try:
        _EFFECTS[operation.op](turn, cast(Any, operation.body))
    except IllegalStep as step:
        closed = step.track is Track.EPISODE and step.state == Episode.CLOSED
        why = DoesNotFit(Trouble.CLOSED if closed else Trouble.STEP_DOES_NOT_FIT)
        return _kept(operation, actor, record, world, why, stood=f"{step.track}:{step.state}")
    except DoesNotFit as why:
        return _kept(operation, actor, record, world, why)
    except FieldError:  # a later answer that the record cannot hold any more
        return _kept(operation, actor, record, world, DoesNotFit(Trouble.ANSWER_DOES_NOT_FIT))
    except NotTheirs:
        return Judgement(outcome=Outcome.REFUSED, code=ProblemCode.NOT_PERMITTED, record=record)
    return turn.done()


def _kept(operation: Operation, actor: User, record: Record, world: World, why: DoesNotFit, stood: str | None = None) -> Judgement:  # fmt: skip
    """Needs attention: counted, flagged, told to who did it and to the supervisors, with the reason for whoever acts on it (S19)."""
    flags = record.flags | {Flag.NEEDS_ATTENTION, *why.flags}
    kept = replace(record, revision=record.revision + 1, flags=flags, **why.changes)
    told = tuple(
        Ring(recipient=who, kind=NoticeKind.NEEDS_ATTENTION, round=kept.revision, due_at=world.now, rings=False)
        for who in dict.fromkeys((actor.user_id, *world.posts.supervisors))
    )
    matter = NewMatter(why=why.why, op=operation.op, by=actor.user_id, stood=stood)
    said = () if why.said is None else (Happened(what=why.said),)
    return Judgement(
        outcome=Outcome.NEEDS_ATTENTION, code=why.code, record=kept, rings=told, happenings=said, matters=(matter,)
    )


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
    return _kept(
        operation,
        actor,
        record,
        world,
        DoesNotFit(Trouble.OTHER_FORM, ProblemCode.NOT_POSSIBLE_NOW, Flag.PARALLEL_UPDATE),
    )


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
    if record.episode is Episode.CLOSED:
        raise DoesNotFit(Trouble.CLOSED)
    if record.referral is None:
        raise DoesNotFit(Trouble.NOT_ARRIVED)
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
    turn.change(close_reason="withdrew", holder=None, intake_warn_at=None)
    turn.end_custody(CustodyEnd.CLOSED)
    turn.end_handoff()
    turn.end_sao()
    turn.say(Happening.WITHDRAWN, body.reason)


def _ask_withdrawal(turn: Turn, body: Reason) -> None:
    if turn.record.episode is Episode.CLOSED:
        raise DoesNotFit(Trouble.CLOSED)
    turn.flag(Flag.WITHDRAWAL_ASKED)
    turn.say(Happening.WITHDRAWAL_ASKED, body.reason)
    turn.tell((turn.record.holder, *turn.world.posts.supervisors), NoticeKind.WITHDRAWAL_ASKED, rings=False)


def _sao_call(turn: Turn, body: SaoCall) -> None:
    """What the officer heard; when nobody answered, what the pack says to do then is written down and shown."""
    if turn.record.kind is not Kind.ARREST:
        raise DoesNotFit(Trouble.NOT_AN_ARREST)
    turn.change(sao_answer=body.answer, sao_confirmed=False, no_answer=None)
    turn.say(Happening.SAO_CALLED, body.answer.value)
    if body.answer is SaoAnswer.NO_ANSWER and turn.record.review in UNDECIDED:
        then = turn.world.pack.rules.sao_no_answer
        turn.change(no_answer=then)
        turn.note(Happening.SAO_NO_ANSWER, then.value)
    if body.answer in (SaoAnswer.APPROVED, SaoAnswer.DECLINED):
        turn.end_sao()


def _on_the_way(turn: Turn, body: OnTheWay) -> None:
    record = turn.record
    _check_alive(turn)
    if record.referral is not None and record.kind is Kind.ARREST:
        told = replace(
            record.referral, whereabouts=Whereabouts.COMING_IN, eta_at=body.eta_at, destination=body.destination
        )
        turn.change(referral=told, whereabouts=Whereabouts.COMING_IN)
        arrival.custody(turn, told)
    turn.say(Happening.ON_THE_WAY, body.destination)
    if turn.record.handoff is Handoff.NONE:
        turn.offer(quiet=turn.scene.scene_rings)


def _met(turn: Turn, body: Any) -> None:
    officer = turn.actor.role is Role.OFFICER
    early = officer and turn.record.handoff in (Handoff.NONE, *WAITS_FOR_SOMEONE)  # the acceptance is still on its way
    if turn.record.episode is Episode.CLOSED:
        raise DoesNotFit(Trouble.CLOSED)
    if not early and turn.record.handoff not in (
        Handoff.MET,
        Handoff.INTAKE_COMPLETE,
    ):  # the second of the two confirms
        _steps(turn)
    turn.change(**{"met_by_officer" if officer else "met_by_staff": True})
    turn.end_custody(CustodyEnd.MET)
    turn.say(Happening.MET_BY_OFFICER if officer else Happening.MET_BY_CASE_MANAGER)


def _not_completed(turn: Turn, body: NotCompleted) -> None:
    _steps(turn)
    turn.end_custody(CustodyEnd.BOOKED if body.reason is NotCompletedReason.BOOKED else CustodyEnd.NOT_COMPLETED)
    turn.end_handoff()
    turn.say(Happening.NOT_COMPLETED, body.reason.value)


# ------------------------------------------------------------------------------------------------ case managers and peers
def _accept(turn: Turn, body: Reason) -> None:
    record = turn.record
    if record.handoff is Handoff.ACCEPTED and record.holder == turn.actor.user_id:
        return  # the same person once more, from another place
    _check_alive(turn)
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
    turn.change(intake_on=body.on, intake_warn_at=None)
    turn.settle(frozenset({NoticeKind.INTAKE_DUE}))
    turn.say(Happening.INTAKE_COMPLETE)


def _contact(turn: Turn, body: Contact) -> None:
    """After some tries in a row that reached nobody, the person counts as out of touch until somebody reaches them."""
    missed = 0 if body.reached else turn.record.missed_contacts + 1
    turn.change(missed_contacts=missed)
    if missed >= OUT_OF_TOUCH_AFTER:
        turn.flag(Flag.OUT_OF_TOUCH)
    elif body.reached:
        turn.unflag(Flag.OUT_OF_TOUCH)
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
    _check_alive(turn)
    _steps(turn)
    turn.change(handoff=Handoff.NONE)
    if turn.record.custody_end is CustodyEnd.NOT_COMPLETED:  # waiting again
        turn.change(custody_until=None, custody_end=None)
    turn.offer(why=Why.OFFERED_AGAIN)


def _records_check(turn: Turn, body: RecordsCheck) -> None:
    if turn.record.referral is None:
        raise DoesNotFit(Trouble.NOT_ARRIVED)
    if turn.record.review not in UNDECIDED:
        raise IllegalStep(Track.REVIEW, turn.record.review, Step.CHECK_RECORDS)
    if turn.record.review is Review.SUBMITTED:  # what is found later is written down too
        _steps(turn)
    turn.change(referral=replace(turn.record.referral, exclusions=body.exclusions))
    turn.say(Happening.RECORDS_CHECKED)


def _sao_ask(turn: Turn, body: Reason) -> None:
    _steps(turn)
    turn.end_sao()
    turn.change(no_answer=None)
    turn.flag(Flag.AWAITING_INFO)
    turn.say(Happening.SAO_ASKED, body.reason)
    turn.tell(sorted(officers(turn.record)), NoticeKind.SAO_ANSWERED, rings=False)


def _charge(turn: Turn, body: ChargeRecord) -> None:
    filed = body.decision is ChargeDecision.RETURNED
    turn.step(Track.CHARGE, Step.RETURN_CHARGE if filed else Step.NOT_FILE)
    turn.say(Happening.CHARGE_RETURNED if filed else Happening.CHARGE_NOT_FILED)


def _check_alive(turn: Turn) -> None:
    if turn.record.episode is Episode.CLOSED:
        raise DoesNotFit(Trouble.CLOSED)
    if turn.record.tally:
        raise DoesNotFit(Trouble.UNNAMED)


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
    Op.SAO_APPROVE: admission.approve,
    Op.SAO_DECLINE: admission.decline,
    Op.SAO_ASK: _sao_ask,
    Op.CONFIRM_SAO_CALL: admission.confirm_call,
    Op.PARTNER_VOTE: admission.vote,
    Op.CHARGE: _charge,
    Op.ENROL: admission.enrol,
    Op.CLOSE: admission.close,
    Op.REOPEN: admission.reopen,
    Op.SEND_TO_SAO: admission.send_to_sao,
    Op.RESOLVE: rulings.resolve,
    Op.JUDGE_DUPLICATE: rulings.judge_duplicate,
}
