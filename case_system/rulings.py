"""What a person decides where the rules cannot: taking down a flag, and whether two referrals are one person's.

Each decision is a code on the timeline, ends the open matters and notices of what it decides, and is in the audit trail like any
operation. Pure effects over a `Turn`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from case_system import admission, arrival
from case_system.matters import Trouble
from case_system.record import Amendment
from case_system.turn import DoesNotFit, NotTheirs, Turn
from referral.codec import from_wire, to_wire
from referral.decisions import DuplicateDecision, JudgeDuplicate, Resolution, Resolve
from referral.lifecycle import Episode, Role
from referral.model import Referral
from referral.operations import merge
from referral.problems import ProblemCode
from referral.views import Flag, Happening, NoticeKind

# What only a supervisor takes down; the rest is for who holds the referral too.
SUPERVISORS = frozenset({Flag.WITHDRAWAL_ASKED, Flag.DEVICE_REVOKED})
_NOTICES = {
    Flag.NEEDS_ATTENTION: frozenset({NoticeKind.NEEDS_ATTENTION}),
    Flag.WITHDRAWAL_ASKED: frozenset({NoticeKind.WITHDRAWAL_ASKED}),
}


def resolve(turn: Turn, body: Resolve) -> None:
    """Take down one flag, with the decision written down."""
    if body.flag in SUPERVISORS and turn.actor.role is not Role.SUPERVISOR:
        raise NotTheirs
    if body.flag not in turn.record.flags:
        raise DoesNotFit(Trouble.NOT_FLAGGED)
    if body.flag is Flag.POSSIBLE_DUPLICATE and turn.scene.unjudged:
        raise DoesNotFit(Trouble.STILL_ALIKE)
    if body.flag is Flag.PARALLEL_UPDATE:
        _settle_answers(turn, later=body.decision is Resolution.LATER_STANDS)
    if body.flag is Flag.OUT_OF_TOUCH:
        turn.change(missed_contacts=0)
    turn.resolve(body.decision.value, [m for m in turn.scene.matters if m.flag is body.flag])
    turn.unflag(body.flag)
    turn.settle(_NOTICES.get(body.flag, frozenset()))
    turn.say(Happening.RESOLVED, body.decision.value)


def _settle_answers(turn: Turn, *, later: bool) -> None:
    """Of answers that two people changed: keep the first, or put the later ones in place; none stays beside the other."""
    record = turn.record
    changes: dict[str, Any] = {}
    for amendment in record.amendments:
        changes = merge(changes, amendment.parallel) if later else changes
    settled = tuple(replace(amendment, parallel={}) for amendment in record.amendments)
    if not changes or record.referral is None:
        turn.change(amendments=settled)
        return
    told = from_wire(Referral, merge(to_wire(record.referral), changes), keep_unknown=True)
    chosen = Amendment(
        revision=record.revision, device_id=turn.device_id, by=turn.actor.user_id, at=turn.now, changes=changes
    )
    turn.change(amendments=(*settled, chosen))
    arrival.restate(turn, told)


def judge_duplicate(turn: Turn, body: JudgeDuplicate) -> None:
    """One person or two, one event or two; decided once for this pair of referrals."""
    record, scene = turn.record, turn.scene
    if Flag.POSSIBLE_DUPLICATE not in record.flags:
        raise DoesNotFit(Trouble.NOT_FLAGGED)
    if body.other not in scene.alike:
        raise DoesNotFit(Trouble.NOT_ALIKE)
    turn.judged = body
    turn.say(Happening.DUPLICATE_JUDGED, body.decision.value)
    if not [other for other in scene.unjudged if other != body.other]:
        turn.unflag(Flag.POSSIBLE_DUPLICATE)
    match body.decision:
        case DuplicateDecision.SAME_EVENT:
            admission.end(turn, "duplicate")
        case DuplicateDecision.DIFFERENT_PEOPLE if record.episode is Episode.ENROLLED and record.pair:
            _count_anew(turn, record.pair)
        case _:
            pass


def _count_anew(turn: Turn, pair: str) -> None:
    """Two people who were counted as one take two places from now on."""
    alone = turn.judged is not None and turn.scene.counted_by == frozenset({turn.judged.other})
    if not alone:
        return
    if turn.world.pairs[pair].enrolled >= turn.world.pack.caps.caseload_hard:
        raise DoesNotFit(Trouble.PAIR_FULL, ProblemCode.CAP_REACHED)
    turn.counted[pair] = 1
