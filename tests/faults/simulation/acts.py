"""What people do in a case, through the app's own actions; whatever is refused is an ordinary answer.

The only plaintext that is ever typed carries `CANARY`, so that a file that holds it is known. Names are obviously invented.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

from field_app import sealing
from field_app.acting import Failed
from field_app.actions import Actions
from field_app.draft import begin
from field_app.outcomes import Saved
from field_app.projection import possible
from field_app.session import Session
from field_app.snapshot import ReferralRow
from referral.envelope import Header, seal
from referral.lifecycle import Role
from referral.model import Kind, ReferralId, UserId
from referral.operations import (
    SCHEMA,
    Body,
    CloseReason,
    Enrol,
    Intake,
    Met,
    NotCompletedReason,
    Op,
    Reason,
    ReleaseEvent,
    SaoAnswer,
    SaoCall,
    Vote,
    encode,
)
from tests.faults.simulation import desk
from tests.faults.simulation.forms import PARTNERS
from tests.support.agency import MONDAY_NIGHT
from tests.support.station import ARREST, SOCIAL

if TYPE_CHECKING:
    from tests.faults.simulation.phone import Phone
    from tests.faults.simulation.world import World

CANARY: Final = "Zanzibarquux"

Do = Callable[[Actions, ReferralId, Random], Any]
_STEPS: Final[dict[Op, Do]] = {
    Op.AMEND: lambda a, r, d: a.amend(r, {"note": f"{CANARY} note {d.randrange(100)}"}),
    Op.WITHDRAW: lambda a, r, d: a.withdraw(r),
    Op.ASK_WITHDRAWAL: lambda a, r, d: a.ask_withdrawal(r),
    Op.SAO_CALL: lambda a, r, d: a.sao_call(r, f"{CANARY} reviewer", d.choice(list(SaoAnswer))),
    Op.ON_THE_WAY: lambda a, r, d: a.on_the_way(r),
    Op.MET: lambda a, r, d: a.met(r),
    Op.NOT_COMPLETED: lambda a, r, d: a.not_completed(r, d.choice(list(NotCompletedReason))),
    Op.ACCEPT: lambda a, r, d: a.accept(r),
    Op.REDIRECT: lambda a, r, d: a.redirect(r),
    Op.INTAKE: lambda a, r, d: a.intake(r),
    Op.CONTACT: lambda a, r, d: a.contact(r, d.random() < 0.5),
    Op.RELEASE: lambda a, r, d: _release(a, r, d.choice(list(ReleaseEvent))),
    Op.CLOSE: lambda a, r, d: a.close_referral(r, CloseReason.COMPLETED),
}
_OFTEN: Final = {
    Op.ACCEPT: 6,
    Op.MET: 4,
    Op.AMEND: 5,
    Op.INTAKE: 12,
    Op.ASK_WITHDRAWAL: 12,
    Op.WITHDRAW: 1,
    Op.CLOSE: 1,
}


def _release(actions: Actions, referral_id: ReferralId, event: ReleaseEvent) -> Any:
    if event is not ReleaseEvent.SIGNED:
        return actions.release(referral_id, event)
    return actions.release(referral_id, event, ("police",), ("status",), (MONDAY_NIGHT + timedelta(days=90)).date())


def save(world: World, phone: Phone, dice: Random) -> None:
    """Record somebody; other people than officers go on with something instead."""
    actions = phone.actions
    if actions is None or phone.session is None:
        return
    if phone.role is not Role.OFFICER:
        go_on(world, phone, dice)
        return
    _saving(world, phone, lambda: actions.submit_referral(_answers(phone, dice)))


def save_again(world: World, phone: Phone, dice: Random) -> None:
    """Tap Save twice: the same id once more gives the first answer (S2)."""
    actions, session = phone.actions, phone.session
    if actions is None or session is None or not session.holdings.records:
        return
    known = sorted(session.holdings.records)
    record = session.holdings.records[known[dice.randrange(len(known))]]
    outcome = actions.submit_referral(_answers(phone, dice) | {"referral_id": record.referral_id})
    if isinstance(outcome, Saved):
        world.demand(outcome.op_id == record.op_id, "S2: the same referral id was saved twice")


def go_on(world: World, phone: Phone, dice: Random) -> None:
    """What this person may do now, as far as the device knows: one step, or some in a row of who takes care of people."""
    if phone.actions is None or phone.session is None:
        return
    for _ in range(1 if phone.role is Role.OFFICER else dice.choice((1, 4))):
        _step(world, phone, dice)


def _step(world: World, phone: Phone, dice: Random) -> None:
    actions = phone.actions
    if actions is None or phone.session is None:
        return
    shot = actions.snapshot()
    seen = [n for n in shot.notices if not n.acknowledged]
    ways: list[tuple[Op, ReferralRow]] = [
        (op, row) for row in (*shot.inbox, *shot.referrals) for op in possible(row, phone.role) if op in _STEPS
    ]
    if seen and (not ways or dice.random() < 0.25):
        notice = seen[dice.randrange(len(seen))]
        _saving(world, phone, lambda: actions.acknowledge(notice.notice_id))
        return
    if not ways:
        if phone.role is Role.OFFICER:
            save(world, phone, dice)
        return
    op, row = dice.choices(ways, [_OFTEN.get(op, 2) for op, _ in ways])[0]
    _saving(world, phone, lambda: _STEPS[op](actions, row.referral_id, dice))


def draft(world: World, phone: Phone, dice: Random) -> None:
    """Leave a form that could be saved as it is: its sealed copy is held."""
    if phone.actions is None or phone.session is None or phone.role is not Role.OFFICER:
        return
    answers = {
        name: value for name, value in (ARREST | {"person": {"name": f"{CANARY} Draft"}}).items() if name != "kind"
    }
    made = replace(begin(ReferralId(phone.chance.randbytes(16).hex()), Kind.ARREST, phone.clock.now()), answers=answers)
    try:
        with phone.at_work("saving"):
            phone.actions.restore(made)
    except Failed:
        return


def retry(world: World, phone: Phone, dice: Random) -> None:
    """Offer something that needs attention once more."""
    if phone.actions is None or phone.device_or_none is None:
        return
    troubled = sorted(o for o, state in phone.states().items() if state.value in ("quarantined", "needs_attention"))
    if troubled:
        phone.actions.retry(troubled[dice.randrange(len(troubled))])


def take_all(world: World, phone: Phone) -> None:
    """Accept whatever can be accepted."""
    actions = phone.actions
    if actions is None:
        return
    for row in actions.snapshot().inbox:
        _saving(world, phone, lambda row=row: actions.accept(row.referral_id))  # type: ignore[misc]


def enrol_many(world: World, dice: Random) -> bool:
    """Everybody whom the desk lists goes through to the pairs at one moment; how many got a place is checked at the end."""
    ids = _open_referrals(world)[:4]
    now = world.moment
    for referral_id in ids:
        _desk(world, Op.SAO_APPROVE, referral_id, Reason(), dice, "sao1")
        for partner in PARTNERS:
            _desk(world, Op.PARTNER_VOTE, referral_id, Vote(partner=partner, approve=True), dice)
        _desk(world, Op.ACCEPT, referral_id, Reason(), dice, "cm1")
        _desk(world, Op.MET, referral_id, Met(at=now), dice, "cm1")
        _desk(world, Op.INTAKE, referral_id, Intake(on=now.date()), dice, "cm1")
    for referral_id in ids:
        _desk(world, Op.ENROL, referral_id, Enrol(), dice)
    return bool(ids)


def sealed_otherwise(session: Session, header: Header) -> bytes:
    """Other bytes under the same number, validly signed by the same device."""
    pen = session.sealer
    operation = pen.operation(Op.SAO_CALL, ReferralId("0" * 32), _call(session), base=0)
    return seal(encode(operation), replace(header, key_id=pen.agency_key.key_id), pen.agency_key, pen.signing_key)


def _call(session: Session) -> Body:
    return SaoCall(at=session.sealer.clock.now(), answer=SaoAnswer.CALL_BACK)


def _saving(world: World, phone: Phone, act: Callable[[], Any]) -> None:
    """Do it, and note what was promised by `Saved`."""
    newer = world.newer_pen(phone)
    with phone.at_work("saving"), patch.object(sealing, "SCHEMA", SCHEMA + 1) if newer else nullcontext():
        outcome = act()
    if isinstance(outcome, Saved):
        world.watch.saved(phone, outcome, ahead=newer)
    else:
        world.note(f"phone {phone.index}: {getattr(outcome, 'problem', outcome)}")


def _answers(phone: Phone, dice: Random) -> dict[str, Any]:
    name = {"name": f"{CANARY} {dice.choice('ABC')} Example", "birth": {"date": "1990-05-02"}}
    if dice.random() < 0.7:
        where = dice.choice(("coming_in", "coming_in", "case_manager_coming"))
        return ARREST | {"person": name, "whereabouts": where, "willing": dice.choice(("yes", "yes", "yes", "no"))}
    return SOCIAL | {"person": {"descriptor": f"{CANARY}, green coat"}}


def _open_referrals(world: World) -> list[ReferralId]:
    if world.now < world.central_up_at:
        return []
    with world.central.database.read() as reading:
        return [record.referral_id for record in reading.open_work()]


def _desk(world: World, op: Op, referral_id: ReferralId, body: Body, dice: Random, by: str = "sup") -> None:
    desk.do(world, desk.made(world, op, referral_id, body, UserId(by), dice))
