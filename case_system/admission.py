"""Who is let in and when it ends: the prosecutor's review, the partners' votes, enrolment under the cap, closing, reopening.

Theory. The review is the State's Attorney's answer, which an arrest cannot wait for; the partners' votes let a person into LEAD.
Where the pack says that all partners vote, enrolment needs a yes of each of them on top of the review: n of n. The prosecutor's
approval is the prosecutor's vote; on an arrest nobody else can give it. A review that is still open when the last yes comes is
approved by it: so a social contact, which the prosecutor never sees here, is decided by the votes alone. Where the pack asks for
no votes, the review is enough, and for a social contact the supervisor's own decision.

Pure effects over a `Turn`; what is possible is in `referral/lifecycle.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from case_system.assignment import Full, Waiting, choose, free_places, speaking
from case_system.audience import officers
from case_system.handoff import Ladder
from case_system.matters import Trouble
from case_system.record import Record
from case_system.reminders import warn_at
from case_system.turn import DoesNotFit, Turn, World
from referral.custody import CustodyEnd
from referral.lifecycle import Episode, Handoff, Review, Role, Step, Track
from referral.model import Kind
from referral.operations import Close, Enrol, Op, Reason, SaoAnswer, Vote
from referral.problems import ProblemCode
from referral.programme import Programme
from referral.views import Flag, Happening, NoticeKind

SAO_PARTNER = "sao"  # what packs call the State's Attorney's Office among the partners
OPEN_TO_VOTES = frozenset(
    {Review.SUBMITTED, Review.RECORDS_CHECK, Review.SAO_REVIEW, Review.NEED_INFO, Review.APPROVED}
)


def voting(pack: Programme) -> tuple[str, ...]:
    """The partners that have a vote, in the pack's order."""
    return tuple(partner.id for partner in pack.partners if partner.votes)


def votes_missing(votes: Mapping[str, bool], pack: Programme) -> tuple[str, ...]:
    """The partners whose yes is needed before enrolment and is not there; none where the pack asks for no votes."""
    return tuple(p for p in voting(pack) if not votes.get(p)) if pack.rules.all_partners_vote else ()


# ------------------------------------------------------------------------------------------------ the review
def answered(turn: Turn) -> None:
    """The prosecutor has answered: nobody is rung any more, and those concerned are told."""
    turn.end_sao()
    turn.unflag(Flag.AWAITING_INFO)
    turn.change(no_answer=None)
    turn.tell((*sorted(officers(turn.record)), turn.record.holder), NoticeKind.SAO_ANSWERED, rings=False)


def _theirs(turn: Turn, approve: bool) -> None:
    if SAO_PARTNER in voting(turn.world.pack):
        turn.vote = Vote(partner=SAO_PARTNER, approve=approve)


def approve(turn: Turn, body: Reason) -> None:
    turn.step(Track.REVIEW, Step.APPROVE)
    _theirs(turn, True)
    turn.say(Happening.SAO_APPROVED, body.reason)
    answered(turn)


def decline(turn: Turn, body: Reason) -> None:
    turn.step(Track.REVIEW, Step.DECLINE)
    _theirs(turn, False)
    turn.change(intake_warn_at=None)
    turn.say(Happening.SAO_DECLINED, body.reason)
    answered(turn)


def confirm_call(turn: Turn, body: Reason) -> None:
    """The desk confirms what the officer heard on the phone."""
    match turn.record.sao_answer:
        case SaoAnswer.APPROVED:
            approve(turn, body)
        case SaoAnswer.DECLINED:
            decline(turn, body)
        case SaoAnswer.NO_ANSWER | SaoAnswer.CALL_BACK:
            answered(turn)
        case None:
            raise DoesNotFit(Trouble.NO_CALL)
    turn.change(sao_confirmed=True)


def send_to_sao(turn: Turn, body: Reason) -> None:
    """The desk has what it needs: the prosecutor's review begins, or begins again."""
    if turn.record.kind is not Kind.ARREST:
        raise DoesNotFit(Trouble.NOT_AN_ARREST)
    if turn.record.episode is Episode.CLOSED:
        raise DoesNotFit(Trouble.CLOSED)
    again = turn.record.review is Review.DECLINED
    turn.step(Track.REVIEW, Step.SEND_TO_SAO)
    turn.change(intake_warn_at=warn_at(turn.record, turn.world.pack.timers, turn.now))
    turn.say(Happening.SENT_TO_SAO, body.reason)
    if again or Ladder.SAO not in turn.scene.climbs:
        turn.start(Ladder.SAO)


def vote(turn: Turn, body: Vote) -> None:
    """n of n: a yes may be the last one, a no waits for the partners' meeting."""
    record, pack = turn.record, turn.world.pack
    reviewer = turn.actor.role is Role.SAO_REVIEWER
    own = body.partner == SAO_PARTNER
    speaks = (
        own if reviewer else not (own and record.kind is Kind.ARREST)
    )  # on an arrest nobody votes for the prosecutor
    if body.partner not in voting(pack) or not speaks or record.review not in OPEN_TO_VOTES or record.tally:
        raise DoesNotFit(Trouble.NO_SUCH_VOTE)
    if record.episode is Episode.CLOSED:
        raise DoesNotFit(Trouble.CLOSED)
    turn.vote = body
    turn.say(Happening.VOTED_YES if body.approve else Happening.VOTED_NO, body.partner)
    before = [m for m in turn.scene.matters if m.why is Trouble.PARTNER_SAID_NO and m.stood == body.partner]
    turn.resolve("voted_again", before)
    if not body.approve:
        turn.ask(Trouble.PARTNER_SAID_NO, stood=body.partner)
        return
    votes = {**turn.scene.votes, body.partner: True}
    if record.review is not Review.APPROVED and all(votes.get(partner) for partner in voting(pack)):
        turn.step(Track.REVIEW, Step.APPROVE, Role.SAO_REVIEWER)  # theirs is one of the votes
        turn.say(Happening.SAO_APPROVED, "partners")
        answered(turn)


# ------------------------------------------------------------------------------------------------ the caseload
def _check_admitted(record: Record, votes: Mapping[str, bool], pack: Programme) -> None:
    if record.handoff is not Handoff.INTAKE_COMPLETE:
        raise DoesNotFit(Trouble.NO_INTAKE)
    supervisor_decides = record.kind is Kind.SOCIAL and not pack.rules.all_partners_vote
    if record.review is not Review.APPROVED and not (supervisor_decides and record.review is not Review.DECLINED):
        undecided = record.kind is Kind.SOCIAL and votes_missing(votes, pack) and record.review is not Review.DECLINED
        raise DoesNotFit(Trouble.VOTES_MISSING if undecided else Trouble.NO_APPROVAL)
    if votes_missing(votes, pack):
        raise DoesNotFit(Trouble.VOTES_MISSING)


def _ahead(record: Record, world: World) -> int:
    """How many others have been waiting longer for a pair."""
    own = Waiting(referral_id=record.referral_id, since=record.waiting_since or world.now, intake_on=record.intake_on)
    return sum(w.referral_id != own.referral_id and w.turn < own.turn for w in world.line)


def enrol(turn: Turn, body: Enrol) -> None:
    """The person joins a pair under its cap, with the reason written down; or the list, in order."""
    record, world = turn.record, turn.world
    turn.step(Track.EPISODE, Step.ENROL)
    _check_admitted(record, turn.scene.votes, world.pack)
    caps, pairs = world.pack.caps, tuple(world.pairs.values())
    held, ahead = world.pair_of(record.holder), _ahead(record, world)
    free = free_places(pairs, caps.caseload_hard)
    own = turn.scene.counted_in
    if body.pair is not None and own is None and body.reason is None and free and free <= ahead:
        raise DoesNotFit(Trouble.REASON_MISSING)  # out of turn
    language = record.referral.language if record.referral is not None else None
    chosen = choose(
        pairs,
        cap=caps.caseload_hard,
        soft=caps.caseload_soft,
        wanted=body.pair,
        own=own,
        holding=held.pair if held else None,
        speakers=speaking(language, tuple(world.users), world.users),
        ahead=ahead,
    )
    if isinstance(chosen, Full):
        if chosen.pair is not None:
            raise DoesNotFit(Trouble.PAIR_FULL, ProblemCode.CAP_REACHED)
        raise DoesNotFit(
            Trouble.IN_LINE if free else Trouble.ALL_PAIRS_FULL,
            ProblemCode.CAP_REACHED,
            Flag.WAIT_LIST,
            said=None if record.waiting_since is not None else Happening.WAIT_LISTED,
            waiting_since=record.waiting_since or turn.now,
        )
    turn.change(pair=chosen.pair, pair_why=chosen.why, waiting_since=None, place_told=False, intake_warn_at=None)
    turn.unflag(Flag.WAIT_LIST)
    if chosen.counts:
        turn.counted[chosen.pair] = 1
    turn.say(Happening.ENROLLED, chosen.why.value)
    turn.resolve("done_since", [m for m in turn.scene.matters if m.op is Op.ENROL])
    if chosen.counts and chosen.over_soft_line:
        turn.say(Happening.OVER_SOFT_LINE, body.reason or chosen.why.value)
        turn.tell(world.posts.supervisors, NoticeKind.OVER_SOFT_LINE, rings=False)


def end(turn: Turn, reason: str) -> None:
    """Close the referral: its place is free, and nobody is rung or warned any more."""
    enrolled = turn.record.episode is Episode.ENROLLED
    turn.step(Track.EPISODE, Step.CLOSE)
    if enrolled and turn.record.pair and turn.scene.counted_in is None:
        turn.counted[turn.record.pair] = -1
    turn.change(close_reason=reason, intake_warn_at=None, waiting_since=None, place_told=False)
    turn.unflag(Flag.WAIT_LIST, Flag.WITHDRAWAL_ASKED)
    turn.end_custody(CustodyEnd.CLOSED)
    turn.end_handoff()
    turn.end_sao()
    turn.say(Happening.CLOSED, reason)


def close(turn: Turn, body: Close) -> None:
    end(turn, body.reason.value)


def reopen(turn: Turn, body: Reason) -> None:
    if body.reason is None:
        raise DoesNotFit(Trouble.REASON_MISSING)
    turn.step(Track.EPISODE, Step.REOPEN)
    turn.change(close_reason=None, pair=None, pair_why=None)
    turn.change(intake_warn_at=warn_at(turn.record, turn.world.pack.timers, turn.now))
    turn.say(Happening.REOPENED, body.reason)
    turn.resolve("done_since", [m for m in turn.scene.matters if m.op is Op.REOPEN])
