"""kill -9 on a device at work, in a process forked for it; what it had acknowledged by then must be there.

The child puts itself into a scene, goes on from there, and after each step writes its acknowledgement into a pipe before the next
step begins. It dies at a call to the disk, before, after or in the middle of it, or at a moment that the clock chooses.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.faults.disk.control import CHANGING, Action, Control
from tests.faults.disk.fortnight import Fortnight, Step
from tests.faults.disk.judge import Broken, judge, opened
from tests.faults.disk.scenes import Stage
from tests.faults.disk.town import CHOSEN_PIN, FIRST_PIN, machine
from tests.faults.disk.truth import Truth, look
from tests.faults.kills.server import killed_after, require_sound

DEATHS: Final = (Action.DIE_BEFORE, Action.DIE_AFTER, Action.DIE_HALF)
LONGEST_S: Final = 0.08  # such a stretch takes about this long
_DRAFT_GOES: Final = ("submit", "discard")


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """What the device had said when a step had ended."""

    step: str
    pin: str
    saved: tuple[str, ...]
    truth: Truth


def kill_device(stage: Stage, control: Control, number: int, *, by_clock: bool) -> str:
    """Do the case; how it ended, in a word. Errors: Broken."""
    lot = random.Random(f"device {number}")
    name = lot.choice([scene for scene in stage.scenes if scene != "close"])
    steps = _stretch(name)
    heard = _in_a_child(stage, control, name, steps, number, lot, by_clock=by_clock)
    return _checked(stage, name, steps, heard, number)


def _stretch(name: str) -> list[str]:
    """The steps from a scene on: its own, and a few that any device can do afterwards."""
    door = {"enrol": ["unlock"], "lock": ["unlock"], "wrong_pin": ["unlock"], "start": ["unlock"], "crash": ["unlock"]}
    if name in ("wipe", "sync_wiped"):
        return [name, "sync_locked"]
    if name == "sync_locked":
        return [name, "unlock", "save", "sync"]
    return [name, *door.get(name, []), "save", "amend", "save", "sync", "lock", "unlock"]


def _in_a_child(
    stage: Stage, control: Control, name: str, steps: list[str], number: int, lot: random.Random, *, by_clock: bool
) -> list[Acknowledged]:
    stage.rest()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        try:
            fortnight, _ = stage.begin(name, seed=1000 + number)
            if not by_clock:
                at = 1 + int(lot.random() ** 2 * 150)
                control.arm(lot.choice(DEATHS), at=at, calls=CHANGING)
            os.write(writing, b"\n")
            _live(fortnight, steps, stage.scenes[name].truth, lambda line: os.write(writing, line))
            os._exit(0)
        except BaseException as error:  # noqa: BLE001 - it ends here, and says why
            os.write(writing, f"{type(error).__name__}: {error}\n".encode())
            os._exit(1)
    os.close(writing)
    told = b""
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        told += pipe.read(1) or b""  # it has begun
        with killed_after(child, lot.random() * LONGEST_S if by_clock else None):
            while piece := pipe.read(65536):
                told += piece
    _, status = os.waitpid(child, 0)
    control.calm()
    lines = told.decode().split("\n")[1:-1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise Broken(f"the device ended by itself: {lines[-1:]}")
    return [
        Acknowledged(step=step, pin=pin, saved=tuple(saved), truth=Truth.from_text(truth))
        for step, pin, saved, truth in (json.loads(line) for line in lines)
    ]


def _live(fortnight: Fortnight, steps: list[str], truth: Truth, tell: Callable[[bytes], object]) -> None:
    for name in steps:
        step: Step = getattr(fortnight, name)
        step()
        if (device := fortnight.town.actions._device) is not None:
            truth = look(device).over(truth)
        saved = [known.op_id for known in fortnight.saved]
        tell(json.dumps([name, fortnight.pin, saved, truth.to_text()]).encode() + b"\n")


def _checked(stage: Stage, name: str, steps: list[str], heard: list[Acknowledged], number: int) -> str:
    town, scene = stage.town, stage.scenes[name]
    before = heard[-1].truth if heard else scene.truth
    under_way = steps[len(heard)] if len(heard) < len(steps) else ""
    surroundings = machine(town.folder, town.clock, number)
    pins = (heard[-1].pin if heard else scene.pin, CHOSEN_PIN, FIRST_PIN)
    device = opened(town.folder, surroundings, enrolled=bool(before.pack))
    if device is None:
        return "not enrolled yet"
    for pin in dict.fromkeys(pins):
        if device.unlock(pin) is device.session:
            break
    after = look(device)
    device.store.close()
    left = judge(town.folder, surroundings, before, after, pins)
    if left is not None:
        left.store.close()
    for op_id in heard[-1].saved if heard else ():
        if op_id not in after.ops:
            raise Broken(f"operation {op_id[:8]} was called saved and is not there")
    _kept(before, after, under_way)
    require_sound(town.agency)
    return f"in {under_way}" if under_way else "too late"


def _kept(before: Truth, after: Truth, under_way: str) -> None:
    for op_id, (state, _) in before.ops.items():
        found = after.ops.get(op_id, ("",))[0]
        if state != "held" and not found:
            raise Broken(f"operation {op_id[:8]} ({state}) was acknowledged and is lost")
        if state in ("accepted", "replaced") and found in ("waiting", "stored"):
            raise Broken(f"operation {op_id[:8]} was {state} and is {found}")
    if after.wiped or not (before.rows and after.opened):
        return
    for row_id, (shelf, _) in before.rows.items():
        goes = shelf == "draft" and under_way in _DRAFT_GOES
        if shelf in ("record", "own", "draft") and row_id not in after.rows and not goes:
            raise Broken(f"a {shelf} was acknowledged and is lost")
