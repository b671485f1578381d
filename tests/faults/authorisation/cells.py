"""Every cell of the matrix: who tries what on which referral by which way, and who looks at what from where."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from case_system.grants import DESK_ROUTES, Channel, Duty
from referral.decisions import DuplicateDecision, JudgeDuplicate, Resolution, Resolve
from referral.model import Exclusions, ReferralId
from referral.operations import (
    Acknowledge,
    Amend,
    Body,
    ChargeDecision,
    ChargeRecord,
    Close,
    CloseReason,
    Contact,
    Create,
    Enrol,
    Intake,
    Met,
    NotCompleted,
    NotCompletedReason,
    OnTheWay,
    Op,
    Reason,
    RecordsCheck,
    ReleaseEvent,
    ReleaseOfInformation,
    SaoAnswer,
    SaoCall,
    Vote,
)
from referral.views import Flag
from tests.faults.authorisation.scene import ACTORS, GONE, STORIES, Scene
from tests.support.device import arrest

NEW: Final = "new"
NOBODYS_NOTICE: Final = "0" * 32


@dataclass(frozen=True, slots=True)
class Act:
    """Somebody tries an operation on a referral, from a device or at the desk. told: of the notice, for an acknowledgement."""

    actor: str
    op: Op
    name: str
    channel: Channel
    told: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """Somebody reads a referral."""

    actor: str
    name: str
    channel: Channel


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Somebody of this agency speaks of, or to, another agency. way: what they try."""

    actor: str
    way: str


@dataclass(frozen=True, slots=True)
class Route:
    """Somebody (None: nobody is signed in) uses a desk route."""

    actor: str | None
    route: str


@dataclass(frozen=True, slots=True)
class Room:
    """Somebody does what the programme is run with; other: whose account or device it is about, where it is about one."""

    actor: str
    duty: Duty
    other: str | None = None


Cell = Act | Look | Elsewhere | Route | Room
WAYS: Final = ("envelope", "token", "session")


@cache
def cells() -> tuple[Cell, ...]:
    """All of them, in order."""
    people, names = (*ACTORS, GONE), (*STORIES, NEW)
    acts = [
        Act(actor, op, name, channel, told)
        for actor in people
        for op in Op
        for name in names
        for channel in Channel
        for told in ((False, True) if op is Op.ACKNOWLEDGE and name != NEW else (False,))
    ]
    looks = [Look(actor, name, channel) for actor in people for name in STORIES for channel in Channel]
    elsewhere = [Elsewhere(actor, way) for actor in ACTORS for way in WAYS]
    routes = [Route(actor, route) for actor in (*people, None) for route in DESK_ROUTES]
    about = {Duty.CHANGE_PEOPLE: ACTORS, Duty.CHANGE_DEVICES: ACTORS}
    rooms = [Room(actor, duty, other) for actor in people for duty in Duty for other in about.get(duty, (None,))]
    return (*acts, *looks, *elsewhere, *routes, *rooms)


def body_of(act: Act, here: Scene) -> Body:
    """What the operation carries."""
    now, own = here.agency.clock(), here.ids.get(act.name, act.name)
    notice = here.notices.get((own, act.actor)) if act.told else next(
        (notice for (name, who), notice in here.notices.items() if name == own and who != act.actor), None
    )  # fmt: skip
    bodies: Mapping[Op, Callable[[], Any]] = {
        Op.CREATE: lambda: Create(referral=arrest(own)),
        Op.INCOMPLETE: lambda: Create(referral=arrest(own)),
        Op.AMEND: lambda: Amend(changes={"language": "fr"}),
        Op.SAO_CALL: lambda: SaoCall(at=now, answer=SaoAnswer.APPROVED),
        Op.ON_THE_WAY: OnTheWay,
        Op.MET: lambda: Met(at=now),
        Op.NOT_COMPLETED: lambda: NotCompleted(reason=NotCompletedReason.LEFT),
        Op.INTAKE: lambda: Intake(on=now.date()),
        Op.CONTACT: lambda: Contact(at=now, reached=True),
        Op.RELEASE: lambda: ReleaseOfInformation(event=ReleaseEvent.VERBAL),
        Op.ACKNOWLEDGE: lambda: Acknowledge(notice_id=notice or NOBODYS_NOTICE),
        Op.RECORDS_CHECK: lambda: RecordsCheck(exclusions=Exclusions()),
        Op.PARTNER_VOTE: lambda: Vote(partner="sao", approve=True),
        Op.CHARGE: lambda: ChargeRecord(decision=ChargeDecision.NOT_FILED),
        Op.ENROL: Enrol,
        Op.CLOSE: lambda: Close(reason=CloseReason.COMPLETED),
        Op.RESOLVE: lambda: Resolve(flag=Flag.NEEDS_ATTENTION, decision=Resolution.SETTLED),
        Op.JUDGE_DUPLICATE: lambda: JudgeDuplicate(other=ReferralId("other"), decision=DuplicateDecision.SAME_PERSON),
    }
    body: Body = bodies.get(act.op, lambda: Reason(reason="because"))()
    return body


def referral_of(act: Act, here: Scene) -> ReferralId:
    """Which referral it is about."""
    return ReferralId(here.ids.get(act.name, act.name))
