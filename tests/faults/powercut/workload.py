"""The device to be recorded: `python -m tests.faults.powercut.workload PLACE [careless]`, under the shim.

After each step the child writes into the log what it now promises: the step's name, the time, the PIN, and the whole truth.
`careless`: SQLite is told to sync at NORMAL, which is the control run that has to be found.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from pathlib import Path
from typing import Final

from field_app.store import database
from tests.faults.disk.control import Control
from tests.faults.disk.fortnight import Fortnight, expected
from tests.faults.disk.town import Town
from tests.faults.disk.truth import Truth, look

CARELESS: Final = "careless"


def promise(fortnight: Fortnight, name: str, before: Truth) -> Truth:
    """Write into the log what the device has promised by now."""
    town = fortnight.town
    device = town.actions._device
    truth = before if device is None else look(device).over(before)
    text = json.dumps({"step": name, "now": town.clock().isoformat(), "pin": fortnight.pin, "truth": truth.to_text()})
    data = text.encode()
    ctypes.CDLL(None).disk_mark(data, len(data))
    return truth


def main(place: Path, *, careless: bool) -> None:
    """Do all of it."""
    if careless:
        database.PRAGMAS["synchronous"] = ("NORMAL", 1)
    control = Control(Path(os.environ["LEAD_DISK_CONTROL"]))
    town = Town.found(place)
    fortnight, truth = Fortnight(town), Truth()
    control.record(on=True)
    promise(fortnight, "nothing", truth)
    for step in fortnight.steps():
        outcome = step()
        if not expected(step.__name__, outcome):
            raise RuntimeError(f"{step.__name__}: {outcome}")
        truth = promise(fortnight, step.__name__, truth)
    if not truth.wiped:
        raise RuntimeError("the fortnight ends with a wipe")
    control.record(on=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), careless=CARELESS in sys.argv[2:])
