"""Who may see a referral, and who may act on it: one rule for the feed, the pages and the door.

Deny by default. An officer sees what they referred. While a handoff waits, those who are rung see it; once someone has
accepted, that person and the other half of their pair; after enrolment the pair. An unnamed tally has no reader beside the
officer. Supervisors and reviewers work on the pages, whose reading is audited, not through this list.
"""

from __future__ import annotations

from case_system.record import Record, User
from case_system.turn import HANDOFF_NOTICES, WAITS_FOR_SOMEONE, Scene, World
from referral.lifecycle import Episode, Handoff, Role
from referral.model import Kind, UserId
from referral.operations import Op
from referral.views import NoticeKind

STAFF_NOTICES = HANDOFF_NOTICES | {NoticeKind.NEW_SOCIAL_CONTACT}
_STEPS_UP = frozenset({Op.ACCEPT, Op.REDIRECT})  # whoever answers is right, rung or not
_DESK_STEPS = frozenset({Op.OFFER, Op.RECORDS_CHECK, Op.ACCEPT})
_NOBODYS = WAITS_FOR_SOMEONE | {Handoff.NONE, Handoff.NOT_COMPLETED}


def officers(record: Record) -> frozenset[UserId]:
    """Whose referral it is: who made it and for whom."""
    return frozenset(user for user in (record.officer, record.made_by) if user)


def readers(record: Record, rung: frozenset[UserId], world: World) -> frozenset[UserId]:
    """Everyone whose device may show the referral now; `rung` are the recipients of its handoff and new-referral notices."""
    if record.merged_into is not None:
        return frozenset()
    who = set() if record.provisional else set(officers(record))
    if record.tally:
        return frozenset(who)
    held = world.pair_of(record.holder)
    own = world.pairs.get(record.pair) if record.pair else None
    if own is not None:
        who |= own.members
    if record.holder is not None:
        who |= {record.holder} | (held.members if held else frozenset())
    if record.handoff in WAITS_FOR_SOMEONE or (record.handoff is Handoff.NONE and record.episode is Episode.OPEN):
        who |= rung
    return frozenset(who)


def staff_rung(scene: Scene) -> frozenset[UserId]:
    """Who was rung about this referral so far."""
    return frozenset(n.recipient for n in scene.notices if n.kind in STAFF_NOTICES)


def may_read(reader: User, record: Record, scene: Scene, world: World) -> bool:
    """True when a case manager or peer may open the record on a page: it waits for someone, or it is theirs."""
    if record.tally or reader.role not in (Role.CASE_MANAGER, Role.PEER):
        return False
    return record.handoff in WAITS_FOR_SOMEONE or reader.user_id in readers(record, staff_rung(scene), world)


def may_act(op: Op, actor: User, record: Record, scene: Scene, world: World) -> bool:
    """True when the person has to do with this referral (whether the step fits is the tables' business)."""
    match actor.role:
        case Role.OFFICER:
            return actor.user_id in officers(record)
        case Role.SUPERVISOR:
            return True
        case Role.SAO_REVIEWER:
            return record.kind is Kind.ARREST and not record.tally and not record.provisional
        case Role.CASE_MANAGER | Role.PEER:
            if record.tally:
                return False
            if op in _STEPS_UP and record.handoff in WAITS_FOR_SOMEONE:
                return True
            on_post = actor.user_id in world.posts.duty + world.posts.on_call
            free = record.handoff in _NOBODYS and op in _DESK_STEPS and on_post
            return free or actor.user_id in readers(record, staff_rung(scene), world)
        case _:
            return False
