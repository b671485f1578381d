"""Looks at what a fault left of a device, with the device's own code, and says which promise is broken.

Between two promises (a step was under way) each thing is as in the one or as in the other, and all of them agree with each other.

    opens        without a crash, with nothing recreated or set aside, and no alarm
    operations   every one that was reported is in the outbox, with its bytes; its state does not go back    S1 S2 S4 S7
    files        every one that still waits is a whole file, before anything is opened                        S1
    rows         every own row opens and says what was written; row and operation go together                 S1
    counters     tries never fall below what was persisted
    bindings     keys, pack, epoch, cursor

Must not know: which fault it was.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from field_app.device import Device, Folder, Surroundings, open_folder
from field_app.outcomes import Trouble
from field_app.recovery import ASIDE
from field_app.troubles import FAULTS
from referral.problems import ProblemCode
from tests.faults.disk.truth import OWN_SHELVES, Truth, look
from tests.support.device import social

_WAITS = ("waiting", "stored", "needs_attention", "quarantined")
# from a state to those that a step under way may pass through before it ends elsewhere
_ON_THE_WAY = {"waiting": ("stored",), "held": ("waiting",), "accepted": ("reoffered",)}


class Broken(Exception):
    """A promise was broken; the sentence says which."""


def judge(folder: Path, machine: Surroundings, before: Truth, after: Truth, pins: tuple[str, ...]) -> Device | None:
    """Return the device, open where it should be, if it keeps every promise; None where it was not enrolled yet.

    before, after: what was promised when the step under way began, and what will be when it ends. pins: those that may be valid.
    Errors: Broken.
    """
    enrolled = bool(before.pack)
    for sentence in _files(folder, before, after):
        raise Broken(sentence)
    device = opened(folder, machine, enrolled=enrolled)
    if device is None:
        return None
    try:
        for sentence in _shut(device, before, after, machine.clock.now()):
            raise Broken(sentence)
        _unlock(device, before, after, pins)
        truth = look(device)
        for sentence in (*_operations(truth, before, after), *_rows(truth, before, after)):
            raise Broken(sentence)
    except FAULTS as error:
        device.store.close()
        raise Broken(f"it opens and then fails: {type(error).__name__}: {error}") from error
    except Broken:
        device.store.close()
        raise
    return device


def work_on(device: Device) -> None:
    """Save one more referral on an open device, and look for it. Errors: Broken."""
    session = device.session
    assert session is not None
    referral = social()
    try:
        op_id, new = session.create(referral)
        device.lock()
    except FAULTS as error:
        raise Broken(f"it does not go on: {type(error).__name__}: {error}") from error
    truth = look(device)
    if not new or truth.ops.get(op_id, ("",))[0] != "waiting" or op_id not in truth.files:
        raise Broken("what was saved afterwards is not there")


def opened(folder: Path, machine: Surroundings, *, enrolled: bool) -> Device | None:
    """The device, shut; None where it was not enrolled yet and is not. Errors: Broken."""
    try:
        device = open_folder(Folder(path=folder), machine, threading.RLock())
    except Exception as error:
        raise Broken(f"the app crashes at start: {type(error).__name__}: {error}") from error
    if isinstance(device, Trouble):
        if not enrolled and device.problem is ProblemCode.NOT_ENROLLED:
            return None
        raise Broken(f"it does not open: {device.problem}: {device.detail}")
    return device


def _unlock(device: Device, before: Truth, after: Truth, pins: tuple[str, ...]) -> None:
    outcome: object = None
    for pin in dict.fromkeys(pins):
        outcome = device.unlock(pin)
        if not isinstance(outcome, Trouble):
            break
    if isinstance(outcome, Trouble):
        if before.wiped or after.wiped:
            return
        raise Broken(f"the PIN does not open it: {outcome.problem}: {outcome.detail}")
    if before.wiped:
        raise Broken("what was wiped opens")
    if device.rolled_back:
        raise Broken("it says that an older copy was put back")


def _files(folder: Path, before: Truth, after: Truth) -> Iterator[str]:
    for op_id in before.files:
        try:
            content = (folder / "outbox" / f"{op_id}.env").read_bytes()
        except FileNotFoundError:
            if op_id in after.files:
                yield f"the file of operation {op_id[:8]} is missing"
            continue
        if hashlib.sha256(content).hexdigest() != before.ops[op_id][1]:
            yield f"the file of operation {op_id[:8]} is not what was sealed"


def _shut(device: Device, before: Truth, after: Truth, now: datetime) -> Iterator[str]:
    truth = look(device)
    if truth.tries[0] < min(before.tries[0], after.tries[0]) or truth.tries[1] < min(before.tries[1], after.tries[1]):
        yield f"the tries went back to {truth.tries} from {before.tries}"
    for name in ("pack", "agency_key", "epoch", "wiped", "settings"):
        if getattr(truth, name) not in (getattr(before, name), getattr(after, name)):
            yield f"{name} is neither as before nor as after"
    if not _between(truth, before, after):
        yield f"the cursor is at {truth.cursor}, not between {before.cursor} and {after.cursor}"
    with device.store.read() as tx:
        device.outbox.verify(tx)
        if tx.execute("SELECT 1 FROM carriage WHERE name = 'chain_broken'").fetchone():
            yield "the chain of the outbox was begun anew"
    for incident in device.incidents():
        yield f"it says that something happened to the records: {incident.kind}"
    if aside := [path.name for path in device.folder.path.iterdir() if path.name.startswith(ASIDE)]:
        yield f"files were set aside: {aside}"
    if device.store.check():
        yield "SQLite finds the file damaged"


def _between(truth: Truth, before: Truth, after: Truth) -> bool:
    if truth.cursor in (before.cursor, after.cursor):
        return True
    if truth.cursor is None:
        return before.epoch != after.epoch
    epoch, _, seq = truth.cursor.partition(":")
    starts, _, least = (before.cursor or f"{epoch}:0").partition(":")
    least = least if starts == epoch else "0"
    return epoch == after.epoch and int(least) <= int(seq) <= int((after.cursor or "0:0").partition(":")[2])


def _operations(truth: Truth, before: Truth, after: Truth) -> Iterator[str]:
    for op_id, (state, print_) in before.ops.items():
        later = after.ops.get(op_id)
        if op_id not in truth.ops:
            if later is not None or state != "held":
                yield f"operation {op_id[:8]} ({state}) is lost"
            continue
        found, bytes_found = truth.ops[op_id]
        if found not in {state, "" if later is None else later[0], *_ON_THE_WAY.get(state, ())}:
            yield f"operation {op_id[:8]} was {state} and is {found}"
        if bytes_found not in (print_, "" if later is None else later[1]):
            yield f"the bytes of operation {op_id[:8]} changed"
    for op_id in truth.ops.keys() - before.ops.keys():
        if op_id not in after.ops:
            yield f"operation {op_id[:8]} was never made"
        elif truth.ops[op_id][1] not in (after.ops[op_id][1], "" if after.ops[op_id][1] else truth.ops[op_id][1]):
            yield f"the bytes of the new operation {op_id[:8]} are not those that were sealed"
    for op_id, (state, _) in truth.ops.items():
        if state in _WAITS and op_id not in truth.files:
            yield f"operation {op_id[:8]} waits and has no file, although the app has started"


def _rows(truth: Truth, before: Truth, after: Truth) -> Iterator[str]:
    if not truth.opened or not (before.rows or after.rows):  # shut, or just enrolled and never open before
        return
    own = {shelf.value for shelf in OWN_SHELVES}
    whole = next((t for t in (before, after) if _one_step(before, after) and t.generation == truth.generation), None)
    links = {row_id: op_id for op_id, row_id in truth.steps.items()}
    for row_id in {*before.rows, *truth.rows}:
        was, is_, will = before.rows.get(row_id), truth.rows.get(row_id), after.rows.get(row_id)
        shelf = (is_ or was or ("",))[0]
        if shelf not in own:
            if was is not None and will is not None and is_ is None:
                yield f"a {shelf} that was fetched is lost"
        elif whole is not None:
            if not _same(is_, whole.rows.get(row_id)):
                yield f"a {shelf} is not of the same moment as the rest"
        elif was is None and will is None:
            if shelf != "step" or links.get(row_id) not in truth.ops:
                yield f"a {shelf} that nobody wrote is there"
        elif not (_same(is_, was) or _same(is_, will)):
            yield f"a {shelf} is lost" if is_ is None else f"a {shelf} is neither as before nor as after"
    if whole is not None and truth.ops.keys() != whole.ops.keys():
        yield "operations and rows are not of the same moment"
    for op_id in truth.steps:
        if op_id not in truth.ops:
            yield f"the step {op_id[:8]} has no operation"


def _one_step(before: Truth, after: Truth) -> bool:
    return after.generation == before.generation + 1 and after.cursor == before.cursor


def _same(one: tuple[str, str] | None, other: tuple[str, str] | None) -> bool:
    """Whether two rows hold the same; a row sealed again holds the same under another seal."""
    if one is None or other is None:
        return one is other
    return one[0] == other[0] and (one[1] == other[1] or one[1].split()[1] == other[1].split()[1])
