"""A button that was pressed on a page: done if the page is still true enough, else nothing is done and the page says why.

A page shows a revision, and a person decides by what it shows. When their button is pressed, others may have been first:

    the same press again (a double click, a page sent twice)   the first answer
    the step no longer fits, or the decision stood on answers   Meanwhile: nothing is done, and who did what since
    that changed
    otherwise                                                   done, on top of what happened

So a page makes no operation that the door would have to keep and flag; only a race inside the pair count still can.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from case_system.audience import relations, staff_rung
from case_system.door import Door
from case_system.grants import GRANTS, Channel, Relation, Sight, sight
from case_system.record import DESK, Record
from case_system.sheet import Meanwhile
from case_system.views import CLINICAL
from referral.model import OpId
from referral.operations import Operation
from referral.port import Receipt, Refused
from referral.problems import ProblemCode

Fits = Callable[[Record], bool]


def press(door: Door, operation: Operation, op_id: OpId, fingerprint: str, payload: bytes, *, fits: Fits, since: datetime) -> Receipt | Meanwhile:  # fmt: skip
    """Do it, or say what happened since the page was made; raises Refused(not_permitted, invalid_value).

    fits: true when a record lets this button be pressed by someone who saw revision `operation.base` (pure).
    """
    docket, actor = door.docket, operation.made_by
    record = docket.record(operation.referral_id)
    if record is not None:
        same = docket.same_act(operation.referral_id, operation.base, operation.nonce)
        again = same is not None and (same.user_id, same.op) == (actor, operation.op)
        if operation.base > record.revision:
            raise Refused(ProblemCode.INVALID_VALUE)
        if not again and not fits(record):
            return _meanwhile(door, operation, record, since)
    return door.at_desk(operation, DESK, op_id, fingerprint, payload).as_receipt


def _meanwhile(door: Door, operation: Operation, record: Record, since: datetime) -> Meanwhile:
    docket, world, actor = door.docket, door.world, door.world.users.get(operation.made_by)
    scene = docket.scene(record)
    seen = Sight.NOTHING if actor is None else sight(Channel.PAGE, actor.role, relations(actor, record, scene, world))
    granted = frozenset[Relation]() if actor is None else GRANTS[operation.op].get(actor.role, frozenset())
    waited = Relation.WAITS in granted  # it was on their list
    if not granted or (seen is Sight.NOTHING and not waited and operation.made_by not in staff_rung(scene)):
        raise Refused(ProblemCode.NOT_PERMITTED)
    lines = docket.beside(record.referral_id).lines
    return Meanwhile(
        referral_id=record.referral_id,
        lines=tuple(line for line in lines if line.at >= since and (seen is Sight.WHOLE or line.what not in CLINICAL)),
        names={user.user_id: user.name for user in world.users.values()},
    )
