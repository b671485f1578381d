"""What the programme is run with, as each person: what a duty opens is open to its roles, and to nobody else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Final

from case_system.assignment import Post
from case_system.grants import DUTIES, MANAGED_ROLES, Duty
from case_system.office.building import Office
from case_system.office.finding import Query
from case_system.office.upload import PackRefused
from case_system.storage import NotSo, Standing
from referral.model import OpId, UserId
from referral.port import Refused
from referral.problems import ProblemCode
from tests.faults.authorisation.cells import Room
from tests.faults.authorisation.scene import ACTORS, Scene, scene
from tests.support.office import office_of

# What is changed here makes no sense on purpose: whoever may do it hears that, and nothing changes.
_TRIES: Final[Mapping[Duty, Callable[[Office, UserId, UserId], object]]] = {
    Duty.SEE_CASELOADS: lambda office, who, _: office.caseloads.board(who),
    Duty.SEE_MEETING: lambda office, who, _: office.caseloads.meeting(who),
    Duty.SEE_PEOPLE: lambda office, who, _: office.people.listed(who),
    Duty.CHANGE_PEOPLE: lambda office, who, other: office.people.change(
        who, other, Standing(name="", role=ACTORS[other])
    ),
    Duty.SEE_ROTA: lambda office, who, _: office.rota.view(who),
    Duty.CHANGE_ROTA: lambda office, who, _: office.rota.set(who, Post.DUTY, [UserId("nobody")]),
    Duty.SEE_DEVICES: lambda office, who, _: office.devices.view(who),
    Duty.CHANGE_DEVICES: lambda office, who, other: office.devices.invite(who, other, "no address", 24),
    Duty.DECIDE_HELD: lambda office, who, _: office.devices.keep(who, "0" * 32, OpId("0" * 32)),
    Duty.SEE_PACKS: lambda office, who, _: office.pack.listed(who),
    Duty.CHANGE_PACK: lambda office, who, _: office.pack.take(who, b"no pack"),
    Duty.SEARCH: lambda office, who, _: office.finding.find(who, Query(call_code="Z9-99")),
    Duty.SEE_DUPLICATES: lambda office, who, _: office.duplicates.listed(who),
    Duty.SEE_TRAIL: lambda office, who, _: office.trail.page(who),
    Duty.SEE_FIGURES: lambda office, who, _: office.evaluation.figures(who),
    Duty.SEE_DEFENCE: lambda office, who, _: office.defenders.clients(who),
    Duty.OWN_NOTICES: lambda office, who, _: office.people.own_channels(who),
}


@cache
def _office() -> Office:
    return office_of(scene().agency)


def room(cell: Room, here: Scene) -> str | None:
    """Try it; what is wrong with the answer, if anything."""
    role = ACTORS.get(cell.actor)
    allowed = role is not None and role in DUTIES[cell.duty]
    if cell.other is not None and allowed and role is not None:
        own = cell.duty is Duty.CHANGE_PEOPLE and cell.actor == cell.other  # told that it is one's own account
        allowed = own or ACTORS[cell.other] in MANAGED_ROLES.get(role, frozenset())
    try:
        _TRIES[cell.duty](_office(), UserId(cell.actor), UserId(cell.other or "nobody"))
    except Refused as refused:
        denied = refused.code is ProblemCode.NOT_PERMITTED
    except NotSo as error:
        denied = error.code == "not_yours"
    except PackRefused:
        denied = False
    else:
        denied = False
    return (
        None if denied is not allowed else "denied" if denied else "done, or refused for another reason than the role"
    )
