"""What really happens in a cell: the operation is done through the service, and what it would have left is compared with what was."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, Final

from case_system.grants import GRANTS, PROCESS_SHOWN, SHOWN, Channel, Relation, Sight, may, sight
from referral.codec import to_wire
from referral.lifecycle import Episode, Handoff, Release
from referral.model import UserId
from referral.operations import OPERATIONS, Op, Operation
from referral.port import ChangeKind, Outcome, Refused
from referral.problems import ProblemCode
from referral.views import Happening
from tests.faults.authorisation.cells import NEW, Act, Look, body_of, referral_of
from tests.faults.authorisation.scene import ACTORS, GONE, STORIES, Scene, full_arrest, full_contact, related

FULL: Final = {"waits": full_arrest, "talk": full_contact}
CLINICAL: Final = frozenset({Happening.INTAKE_COMPLETE, Happening.ENROLLED, Happening.MET_BY_CASE_MANAGER})
_MAY_MOVE: Final = frozenset(
    {"revision", "flags", "data_key", "body"}
)  # of what is kept and flagged: the body is sealed anew


def act(cell: Act, here: Scene) -> str | None:
    """Try it; what is wrong with what happened, if anything."""
    operation = Operation(
        op=cell.op, referral_id=referral_of(cell, here), base=here.base[cell.name]["revision"] if cell.name != NEW else 0,
        nonce=os.urandom(4).hex(), made_at=here.agency.clock(), made_by=UserId(cell.actor), body=body_of(cell, here),
    )  # fmt: skip
    here.database.watch(operation.referral_id)
    if cell.channel is Channel.DEVICE:
        device = here.devices[cell.actor]
        device.cursor = None
        (receipt,) = device.sync([device.seal(operation)], locked=True).results
    else:
        receipt = here.service.apply_desk(UserId(cell.actor), operation)
    changed = _changed(here.base.get(cell.name), here.database.after)
    return _wrong(cell, here, receipt.outcome, receipt.code, changed)


def _changed(was: Mapping[str, Any] | None, left: Mapping[str, Any] | None) -> set[str]:
    if left is None:  # nothing was written
        return set()
    return {"all"} if was is None else {name for name in was if left[name] != was[name]}


def _wrong(cell: Act, here: Scene, outcome: Outcome, code: ProblemCode | None, changed: set[str]) -> str | None:
    said = f"{outcome} {code or ''}".strip()
    if cell.actor == GONE:
        held = outcome is Outcome.STORED and code is ProblemCode.DEVICE_REVOKED
        refused = outcome is Outcome.REFUSED and code in (ProblemCode.NOT_PERMITTED, ProblemCode.NOT_FOUND)
        ok = (held if cell.channel is Channel.DEVICE else refused) and changed <= {"flags", "data_key", "body"}
        return None if ok else f"someone who was let out: {said}, changed {sorted(changed)}"
    creates = cell.op in (Op.CREATE, Op.INCOMPLETE)
    if cell.name == NEW and not creates:
        waits = (Outcome.STORED, ProblemCode.REFERRAL_UNKNOWN) if cell.channel is Channel.DEVICE else (Outcome.REFUSED, ProblemCode.NOT_FOUND)  # fmt: skip
        return None if (outcome, code) == waits and not changed else f"nothing is there: {said}"
    role, relations = ACTORS[cell.actor], _relations(cell, here)
    way = cell.channel is Channel.PAGE or OPERATIONS[cell.op].from_device
    if may(cell.op, role, relations) and way:
        passed = outcome in (Outcome.ACCEPTED, Outcome.NEEDS_ATTENTION)
        return None if passed and code is not ProblemCode.NOT_PERMITTED else f"granted, but {said}"
    if changed - _MAY_MOVE or (changed and outcome is Outcome.REFUSED):
        return f"denied, but {sorted(changed)} changed ({said})"
    ever = role in GRANTS[cell.op] and way
    if ever and creates:
        expected = (Outcome.REFUSED, ProblemCode.ID_TAKEN)
    elif ever and cell.actor in STORIES[cell.name].rung:  # it was theirs when they did it
        expected = (Outcome.NEEDS_ATTENTION, ProblemCode.NOT_POSSIBLE_NOW)
    else:
        expected = (Outcome.REFUSED, ProblemCode.NOT_PERMITTED)
    return None if (outcome, code) == expected else f"denied, but {said} instead of {expected[0]} {expected[1]}"


def _relations(cell: Act, here: Scene) -> frozenset[Relation]:
    if cell.name == NEW:
        return frozenset({Relation.NEW})
    told = cell.told and (referral_of(cell, here), cell.actor) in here.notices
    return related(cell.actor, cell.name) | ({Relation.TOLD} if told else frozenset())


def look(cell: Look, here: Scene) -> str | None:
    """Read it; what is wrong with what was seen, if anything."""
    role = ACTORS.get(cell.actor)
    seen = Sight.NOTHING if role is None else sight(cell.channel, role, related(cell.actor, cell.name))
    found = "; ".join(_page(cell, here, seen) if cell.channel is Channel.PAGE else _device(cell, here, seen))
    return f"{seen} expected: {found}" if found else None


def _page(cell: Look, here: Scene, seen: Sight) -> Iterator[str]:
    try:
        record = here.service.look(
            UserId(cell.actor), referral_of(Act(cell.actor, Op.AMEND, cell.name, cell.channel), here)
        )
    except Refused as refused:
        if seen is not Sight.NOTHING or refused.code is not ProblemCode.NOT_FOUND:
            yield f"refused with {refused.code}"
        return
    if seen is Sight.NOTHING:
        yield "it was shown"
        return
    if seen is not Sight.WHOLE and record.amendments:
        yield "amendments were shown"
    yield from _fields(cell, None if record.referral is None else to_wire(record.referral), seen)


def _device(cell: Look, here: Scene, seen: Sight) -> Iterator[str]:
    device, name = here.devices[cell.actor], here.ids[cell.name]
    device.cursor = None
    changes = [c for c in device.sync().changes if c.referral is not None and c.kind is ChangeKind.REFERRAL]
    view = next((c.referral for c in changes if c.referral is not None and c.referral.referral_id == name), None)
    if view is None:
        if seen is not Sight.NOTHING:
            yield "it was not shown"
        return
    if seen is Sight.NOTHING:
        yield "it was shown"
        return
    if seen is Sight.PROCESS and cell.name == "enrolled":  # clinical: no release names police
        told = (view.handoff, view.episode, view.release, {line.what for line in view.timeline} & CLINICAL)
        if told != (Handoff.ACCEPTED, Episode.OPEN, Release.NONE, set()):
            yield f"{told} told to police"
    if seen is Sight.PROCESS and (more := set(to_wire(view)) - PROCESS_SHOWN):
        yield f"{sorted(more)} shown"
    yield from _fields(cell, None if view.referral is None else to_wire(view.referral), seen)


def _fields(cell: Look, told: Mapping[str, Any] | None, seen: Sight) -> Iterator[str]:
    got = set(leaves(told or {}))
    if seen is not Sight.WHOLE and (more := got - SHOWN[seen]):
        yield f"{sorted(more)} shown"
    if cell.name in FULL:
        all_ = set(leaves(to_wire(FULL[cell.name]())))
        if missing := (all_ if seen is Sight.WHOLE else all_ & SHOWN[seen]) - got:
            yield f"{sorted(missing)} not shown"


def leaves(wire: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """The wire paths of everything that is said."""
    for name, value in wire.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{path}{name}.")
        else:
            yield f"{path}{name}"
