"""The process that meets the faults: `python -m tests.faults.io.child PLACE FIRST COUNT [careless]`, under the shim.

Prints a tally as JSON. `careless`: the store takes a full disk for a success, which has to be found.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from sqlite_utils import Database

from field_app.store import database
from field_app.store.database import DiskFull, Store
from tests.faults.disk.control import Calls, Control
from tests.faults.disk.judge import Broken
from tests.faults.disk.scenes import Stage
from tests.faults.disk.town import packs_read_once
from tests.faults.io.faults import Faults
from tests.faults.io.play import play

CARELESS: Final = "careless"


def counted(stage: Stage, control: Control) -> dict[str, dict[Calls, int]]:
    """How many calls of each class each step makes."""
    seen: dict[str, dict[Calls, int]] = {}
    for name in stage.scenes:
        _, step = stage.begin(name, seed=1000)
        control.count()
        step()
        seen[name] = control.seen
        control.calm()
    return seen


def be_careless() -> None:
    """Let the store say that it has written what the disk had no room for."""
    write = Store.write

    @contextmanager
    def hopeful(self: Store) -> Iterator[Database]:
        with suppress(DiskFull), write(self) as tx:
            yield tx

    Store.write = hopeful  # type: ignore[method-assign]


def main(place: Path, first: int, count: int) -> None:
    """Meet these cases."""
    database.BUSY_MS = 5  # type: ignore[misc]  # a lock that is not given is not given later either
    control = Control(Path(os.environ["LEAD_DISK_CONTROL"]))
    counts: Counter[str] = Counter()
    violations: list[tuple[int, str]] = []
    with packs_read_once():
        stage = Stage(place)
        faults = Faults(counted(stage, control))
        for number in range(first, first + count):
            fault = faults[number]
            try:
                said = play(stage, control, fault, number)
            except Broken as broken:
                violations.append((number, f"{fault.word}: {broken}"))
                said = "broken"
            if said == "not met":
                counts["not met"] += 1
            else:
                counts[fault.kind] += 1
                counts[f"said {said}"] += 1
                counts["recovered under a second fault"] += fault.recovery is not None
        stage.town.abandon()
    print(json.dumps({"calls": faults.calls, "counts": counts, "violations": violations}))


if __name__ == "__main__":
    if CARELESS in sys.argv[4:]:
        be_careless()
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
