"""One case: a step under a fault, and what the app says, keeps, and can still do when the fault is over.

    S1, S7   what was reported is there, with its bytes; what was there before stays
    S18      a full disk says so
    words    every answer is one of the app's own: an outcome, or `Failed` with its trouble; nothing else is ever raised
    after    in the same process, or in a new one whose start met a fault of its own, the app saves again

Must not know: how faults are numbered.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Final

from field_app.acting import Failed
from field_app.outcomes import Enrolled, Opened, Saved, Trouble
from field_app.store.records import Shelf
from referral.problems import FieldError, ProblemCode
from tests.faults.disk.control import CHANGING, Action, Calls, Control
from tests.faults.disk.fortnight import Fortnight, Outcome
from tests.faults.disk.judge import Broken, judge
from tests.faults.disk.scenes import Scene, Stage
from tests.faults.disk.town import CHOSEN_PIN, machine
from tests.faults.disk.truth import Truth, look
from tests.faults.io.faults import Fault

STAYS: Final = (Shelf.RECORD.value, Shelf.DRAFT.value, Shelf.OWN.value)
SAVING: Final = ("save", "save_social", "save_unnamed", "draft", "agree", "answer", "submit", "amend", "withdraw")
SENDS: Final = 10  # one case in so many sends afterwards, too
_HONEST: Final = {
    errno.ENOSPC: (ProblemCode.DISK_FULL,),
    errno.EAGAIN: (ProblemCode.IN_USE, ProblemCode.VAULT_DAMAGED),
}


def play(stage: Stage, control: Control, fault: Fault, number: int) -> str:
    """Do the case; what the app said, in a word. Errors: Broken."""
    scene = stage.scenes[fault.step]
    fortnight, step = stage.begin(fault.step, seed=1000 + number)
    town = stage.town
    kept = town.actions._device is not None and town.device.ballast.whole
    if fault.room is None:
        control.arm(fault.action, at=fault.at, calls=fault.calls, error=fault.error, sticky=fault.sticky)
    else:
        control.leave_room(fault.room)
    try:
        said = ask(step)
        if fault.sticky and isinstance(said, Trouble):
            said = ask(step)
        met = control.hits > 0 or fault.room is not None
    finally:
        control.calm()
    _understood(said, fault)
    if not met:
        return "not met"
    if fault.room is not None and kept and fault.step in SAVING and isinstance(said, Trouble):
        raise Broken(f"the ballast was there, and the app says {said.problem} ({said.detail})")
    if fault.recovery is not None:
        town.abandon()
        control.arm(Action.FAIL, at=fault.recovery, calls=CHANGING | Calls.READ | Calls.LOCK, error=errno.EIO)
        try:
            ask(fortnight.start)
            if town.actions._device is not None:
                ask(fortnight.unlock)
        finally:
            control.calm()
        town.abandon()
        fortnight.start()
    _goes_on(fortnight, scene, sends=number % SENDS == 0)
    device = town.device
    device.tidy()
    truth = look(device)
    for saved in fortnight.saved:
        if saved.op_id not in truth.ops:
            raise Broken(f"operation {saved.op_id[:8]} was called saved and is not there")
    _stays(scene, stage, truth)
    town.actions.close()
    left = judge(town.folder, machine(town.folder, town.clock, number), scene.truth, truth, (fortnight.pin, scene.pin))
    if left is not None:
        left.store.close()
    return "as if nothing" if not isinstance(said, Trouble) else said.problem.value


def ask(step: Callable[[], Outcome]) -> Outcome:
    """What the app says to a step; `Failed` is one of its words. Errors: Broken for anything else that it raises."""
    try:
        return step()
    except Failed as failed:
        return failed.trouble
    except FieldError as error:
        raise Broken(f"{step.__name__} refuses the answer {error.field}") from error
    except Exception as error:
        where = error.__traceback__
        while where is not None and where.tb_next is not None:
            where = where.tb_next
        place = "" if where is None else f" in {where.tb_frame.f_code.co_qualname}"
        raise Broken(f"{step.__name__} raises {type(error).__name__}{place}: {error}") from error


def _understood(said: Outcome, fault: Fault) -> None:
    if not isinstance(said, Trouble) or fault.step == "wrong_pin":
        return
    honest = None if fault.calls is Calls.SYNC else _HONEST.get(fault.error)  # SQLite does not say why a sync failed
    if honest is not None and said.problem not in honest:
        raise Broken(f"the app says {said.problem} ({said.detail})")


def _goes_on(fortnight: Fortnight, scene: Scene, *, sends: bool) -> None:
    """The fault is over: the app opens, saves and sends."""
    if fortnight.town.actions._device is None and isinstance(said := ask(fortnight.start), Trouble):
        if scene.truth.pack or said.problem is not ProblemCode.NOT_ENROLLED:
            raise Broken(f"it does not start afterwards: {said.problem}: {said.detail}")
        if not isinstance(said := ask(fortnight.enrol), Enrolled):  # the enrolment failed: it can be done again
            raise Broken(f"it cannot be enrolled afterwards: {said}")
    device = fortnight.town.device
    if scene.name in ("wipe", "sync_wiped"):  # the order comes again with every answer
        if (said := ask(fortnight.sync_locked)) is not None or not device.binding.wiped:
            raise Broken(f"it is not wiped afterwards: {said}")
        return
    said = ask(fortnight.unlock)
    if isinstance(said, Trouble) and said.problem is ProblemCode.LOCKED:  # starts without an end count, too
        fortnight.town.clock.at += device.release_after
        said = ask(fortnight.unlock)
    if isinstance(said, Trouble) and scene.name == "change_pin":  # either may be the valid one
        fortnight.pin = CHOSEN_PIN
        said = ask(fortnight.unlock)
    if not isinstance(said, Opened):
        raise Broken(f"it does not open afterwards: {said}")
    if not isinstance(said := ask(fortnight.save), Saved):
        raise Broken(f"it does not save afterwards: {said}")
    if sends and (said := ask(fortnight.sync)) is not None:
        raise Broken(f"it does not send afterwards: {said}")


def _stays(scene: Scene, stage: Stage, truth: Truth) -> None:
    for op_id, (state, _) in scene.truth.ops.items():
        if op_id not in truth.ops and state != "held":
            raise Broken(f"operation {op_id[:8]} ({state}) is lost")
    if truth.wiped or not truth.opened:
        return
    after = stage.after.get(scene.name, scene.truth)
    for row_id, row in scene.truth.rows.items():
        if row[0] in STAYS and after.rows.get(row_id) == row and truth.rows.get(row_id) != row:
            raise Broken(f"a {row[0]} that the step has nothing to do with changed")
