"""What people at the desk do in a case: every button, decision and deed of its pages, through the service as the pages do.

A sitting is one person after another with what the database shows just then. The case system may die under a step, before or after
its COMMIT; then the page is sent once more when another process answers, and the act must be there once. What was answered is kept
in the book (`Book`), for the promises in `decisions.py`. Must not know: devices' insides, the wire.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Final, TypeVar

from case_system.desk.steps import BY_NAME, Button, fits, possible
from case_system.grants import Relation
from case_system.record import Record
from case_system.sheet import Meanwhile
from case_system.storage import StorageError
from referral.decisions import RESOLUTIONS, DuplicateDecision, JudgeDuplicate, Resolve
from referral.lifecycle import Role
from referral.model import OpId, ReferralId, UserId
from referral.numbers import call_code
from referral.operations import Body, Op, Operation
from referral.port import Outcome, Receipt, Refused
from referral.problems import ProblemCode
from referral.views import Flag
from tests.faults.simulation.central import ServerCrashed
from tests.faults.simulation.forms import filled

if TYPE_CHECKING:
    from tests.faults.simulation.world import World

T = TypeVar("T")
PEOPLE: Final = (
    ("sup", Role.SUPERVISOR, 5),
    ("sao1", Role.SAO_REVIEWER, 3),
    ("cm1", Role.CASE_MANAGER, 2),
    ("p2", Role.PEER, 1),
)
DEEDS: Final = ("pressed again", "page was old", "handoff opened on a call code", "held operation let pass")
_OFTEN: Final = {
    Op.CLOSE: 1,
    Op.NOT_COMPLETED: 1,
    Op.REDIRECT: 2,
    Op.RESOLVE: 6,
    Op.JUDGE_DUPLICATE: 12,
    Op.REOPEN: 6,
    Op.CHARGE: 2,
    Op.RELEASE: 24,
    Op.CONTACT: 8,
    Op.CONFIRM_SAO_CALL: 20,
    Op.RECORDS_CHECK: 2,
}
_USUAL: Final = 4
_ANYTHING: Final = frozenset(Relation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a person at the desk was answered, in which life of the database. open: matters that a decision was about."""

    epoch: str
    operation: Operation
    receipt: Receipt
    open: frozenset[str]


class Book:
    """Every answer that the desk was given in a case."""

    def __init__(self) -> None:
        self.told: list[Told] = []


def sit(world: World, dice: Random) -> None:
    """Some steps in a row, each by whoever may do one."""
    for _ in range(dice.choice((1, 2, 3, 6))):
        if world.now < world.central_up_at:
            return
        chance = dice.random()
        if chance < 0.4 and _let_pass(world, dice):
            continue
        if chance < 0.05:
            _open_on_call(world, dice)
            continue
        name, role, _ = dice.choices(PEOPLE, [often for _, _, often in PEOPLE])[0]
        _one_step(world, UserId(name), role, dice)


def do(world: World, operation: Operation, button: Button | None = None) -> None:
    """One step through the service: pressed on the referral's page where there is a button for it. The page is sent again after a crash."""

    about = _matters(world, operation)

    def work() -> Receipt | Meanwhile:
        service = world.central.service
        if button is None:
            return service.apply_desk(operation.made_by, operation)
        role = next(role for name, role, _ in PEOPLE if name == operation.made_by)
        return service.press(
            operation.made_by, operation, fits(button, role, operation.base), world.moment - timedelta(minutes=5)
        )

    def heard(got: Receipt | Meanwhile) -> None:
        if isinstance(got, Meanwhile):
            world.counts["page was old"] += 1
            world.note(f"desk {operation.op.value}: meanwhile")
            return
        world.book.told.append(Told(epoch=world.central.epoch, operation=operation, receipt=got, open=about))
        world.note(f"desk {operation.op.value}: {got.outcome.value} {got.code or ''}")

    _at_the_door(world, operation.op.value, work, heard)


def _matters(world: World, operation: Operation) -> frozenset[str]:
    if not isinstance(operation.body, Resolve) or world.now < world.central_up_at:
        return frozenset()
    with world.central.engine.connect() as db:
        found = db.exec_driver_sql(
            "SELECT matter_id FROM matters WHERE referral_id = ? AND flag = ? AND settled_at IS NULL", (operation.referral_id, operation.body.flag.value)
        )  # fmt: skip
        return frozenset(str(row.matter_id) for row in found)


def press_again(world: World) -> None:
    """The newest page is sent twice: the first answer, and nothing more."""
    if not world.book.told or world.now < world.central_up_at:
        return
    before = world.book.told[-1]
    if before.epoch != world.central.epoch or before.receipt.outcome is Outcome.REFUSED:
        return

    def heard(receipt: Receipt) -> None:
        world.counts["pressed again"] += 1
        world.demand(receipt == before.receipt, "S3: the same press at the desk got two answers")

    _at_the_door(
        world, "again", lambda: world.central.service.apply_desk(before.operation.made_by, before.operation), heard
    )


# ------------------------------------------------------------------------------------------------ one step
def _one_step(world: World, who: UserId, role: Role, dice: Random) -> None:
    """One thing that the pages offer this person now."""
    with world.central.database.read() as reading:
        everyone = list(reading.records(_referrals(world), opened=True).values())
        judged = reading.judged()
    ways: list[tuple[Record, Op, Button | Body]] = []
    for record in everyone:
        mine = role is Role.SUPERVISOR or (role is Role.CASE_MANAGER and record.holder == who)
        near = frozenset({Relation.WAITS} if record.holder != who else {Relation.HOLDS})
        buttons = possible(record, role, _ANYTHING if role in (Role.SUPERVISOR, Role.SAO_REVIEWER) else near)
        ways += [(record, button.op, button) for button in buttons]
        if mine:
            ways += [(record, Op.RESOLVE, body) for body in _resolutions(record, role)]
            ways += [(record, Op.JUDGE_DUPLICATE, body) for body in _likenesses(record, everyone, judged)]
    if not ways:
        return
    record, op, form = dice.choices(ways, [_OFTEN.get(op, _USUAL) for _, op, _ in ways])[0]
    button = form if isinstance(form, Button) else BY_NAME.get(op.value)
    body = (
        filled(form, world.moment, world.central.template.programme.choices, dice) if isinstance(form, Button) else form
    )
    old = button is not None and record.revision > 1 and dice.random() < 0.1  # the page was made before the newest step
    do(world, made(world, op, record.referral_id, body, who, dice, base=record.revision - old), button)
    if dice.random() < 0.1:
        press_again(world)


def made(
    world: World, op: Op, referral_id: ReferralId, body: Body, by: UserId, dice: Random, base: int = 0
) -> Operation:
    """An operation of a page."""
    return Operation(
        op=op, referral_id=referral_id, base=base, nonce=dice.randbytes(6).hex(), made_at=world.moment, made_by=by, body=body
    )  # fmt: skip


def _referrals(world: World) -> list[ReferralId]:
    with world.central.engine.connect() as db:
        found = db.exec_driver_sql(
            "SELECT referral_id FROM referrals WHERE merged_into IS NULL ORDER BY received_at, referral_id"
        )
        return [ReferralId(row.referral_id) for row in found]


def _resolutions(record: Record, role: Role) -> Iterator[Body]:
    for flag in sorted(record.flags & RESOLUTIONS.keys()):
        if role is Role.SUPERVISOR or flag not in (Flag.WITHDRAWAL_ASKED, Flag.DEVICE_REVOKED):
            yield from (Resolve(flag=flag, decision=decision) for decision in RESOLUTIONS[flag])


def _likenesses(record: Record, everyone: Sequence[Record], judged: frozenset[frozenset[ReferralId]]) -> Iterator[Body]:
    if Flag.POSSIBLE_DUPLICATE not in record.flags:
        return
    for other in everyone:
        alike = other.person_index == record.person_index and other.referral_id != record.referral_id
        if alike and frozenset({other.referral_id, record.referral_id}) not in judged:
            yield from (JudgeDuplicate(other=other.referral_id, decision=decision) for decision in DuplicateDecision)


# ------------------------------------------------------------------------------------------------ other deeds
def _open_on_call(world: World, dice: Random) -> None:
    """Open a handoff on a call code that an officer read out, mostly before the referral has arrived."""
    known = sorted(
        i for phone in world.phones if phone.session is not None and phone.role is Role.OFFICER for i in phone.session.holdings.records
    )  # fmt: skip
    if not known:
        return
    code = call_code(known[dice.randrange(len(known))])

    def heard(referral_id: ReferralId) -> None:
        world.counts["handoff opened on a call code"] += 1
        world.note(f"desk opens a handoff on a call code: {referral_id}")

    _at_the_door(world, "provisional", lambda: world.central.service.open_provisional(UserId("sup"), code), heard)


def _let_pass(world: World, dice: Random) -> bool:
    """Let something pass that a device sent after it was taken out of service; False when nothing is held."""
    with world.central.engine.connect() as db:
        held = db.exec_driver_sql(
            "SELECT device_id, op_id FROM operations WHERE outcome = 'stored' AND code = ? ORDER BY device_seq", (ProblemCode.DEVICE_REVOKED.value,)
        ).all()  # fmt: skip
    if not held:
        return False
    row = held[dice.randrange(len(held))]

    def heard(receipt: Receipt) -> None:
        world.counts["held operation let pass"] += 1
        world.note(f"desk lets pass {row.op_id}: {receipt.outcome.value} {receipt.code or ''}")

    _at_the_door(
        world, "held", lambda: world.central.service.decide_held(UserId("sup"), row.device_id, OpId(row.op_id)), heard
    )
    return True


def _at_the_door(world: World, what: str, work: Callable[[], T], heard: Callable[[T], None]) -> None:
    """Do it; when the case system dies under it, do the same again once it answers. Whatever is refused is an ordinary answer."""
    if world.now < world.central_up_at:
        return
    try:
        with world.at_the_desk():
            got = work()
    except ServerCrashed:
        world.server_died()
        world.later(world.central_up_at - world.now + 500, lambda: _at_the_door(world, what, work, heard))
    except (Refused, StorageError) as error:
        world.note(f"desk {what}: {error.code.value if isinstance(error, Refused) else type(error).__name__}")
    else:
        heard(got)
