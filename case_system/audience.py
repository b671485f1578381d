"""How people stand to a referral, and who reads it: the facts that the table of `grants.py` is asked with.

Deny by default. An officer sees what they referred. While a handoff waits, those who are rung see it; once someone has
accepted, that person and the other half of their pair; after enrolment the pair. Who stands in for somebody who is away stands where
they stand, as long as they are away: at the desk, where this is asked at each look, and not on a device, which would have to be told
when it ends. An unnamed tally has no reader beside the officer. Supervisors and reviewers work on the pages, whose reading is audited, not through this list.
"""

from __future__ import annotations

from case_system.grants import Relation, may
from case_system.record import Record, User
from case_system.turn import HANDOFF_NOTICES, WAITS_FOR_SOMEONE, Scene, World
from referral.lifecycle import Episode, Handoff
from referral.model import Kind, UserId
from referral.operations import Acknowledge, Operation
from referral.views import NoticeKind

STAFF_NOTICES = HANDOFF_NOTICES | {NoticeKind.NEW_SOCIAL_CONTACT}
_NOBODYS = WAITS_FOR_SOMEONE | {Handoff.NONE, Handoff.NOT_COMPLETED}


def officers(record: Record) -> frozenset[UserId]:
    """Whose referral it is: who made it and for whom."""
    return frozenset(user for user in (record.officer, record.made_by) if user)


def readers(record: Record, rung: frozenset[UserId], world: World) -> frozenset[UserId]:
    """Everyone whose device may show the referral now; `rung` are the recipients of its handoff and new-referral notices."""
    if record.merged_into is not None:
        return frozenset()
    return staff(record, rung, world) | (frozenset() if record.provisional else officers(record))


def staff(record: Record, rung: frozenset[UserId], world: World) -> frozenset[UserId]:
    """Those of LEAD whose referral it is now: its holder, the holder's pair, its own pair, and who is rung while it waits."""
    if record.tally or record.merged_into is not None:
        return frozenset()
    who: set[UserId] = set()
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


def relations(person: User, record: Record, scene: Scene, world: World) -> frozenset[Relation]:
    """Every way in which an active person stands to a referral that is here."""
    return stands(person, record, staff_rung(scene), world)


def stands(person: User, record: Record, rung: frozenset[UserId], world: World) -> frozenset[Relation]:
    """The same for a list of referrals, whose rung people were read together."""
    found = {Relation.ANY}
    if (
        person.user_id in officers(record) and not record.provisional
    ):  # what was opened on a call code is no officer's yet
        found.add(Relation.MADE)
    if record.tally:
        return frozenset(found)
    if record.kind is Kind.ARREST and not record.provisional:
        found.add(Relation.REVIEWS)
    held = staff(record, rung, world)
    if person.user_id in held or any(world.away.get(who) == person.user_id for who in held):
        found.add(Relation.HOLDS)
    if record.handoff in WAITS_FOR_SOMEONE:
        found.add(Relation.WAITS)
    if record.handoff in _NOBODYS and person.user_id in world.posts.duty + world.posts.on_call:
        found.add(Relation.FREE)
    return frozenset(found)


def may_act(operation: Operation, actor: User, record: Record, scene: Scene, world: World) -> bool:
    """True when the table grants the operation on a referral that is here (whether the step fits is the tracks' business)."""
    known = relations(actor, record, scene, world)
    if isinstance(operation.body, Acknowledge):
        notice_id = operation.body.notice_id
        if any(n.notice_id == notice_id and n.recipient == actor.user_id for n in scene.notices):
            known |= {Relation.TOLD}
    return may(operation.op, actor.role, known)
