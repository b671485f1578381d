"""One case from its number to its verdict."""

from __future__ import annotations

import gc
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.disk.town import packs_read_once
from tests.faults.simulation.heal import heal
from tests.faults.simulation.promises import check
from tests.faults.simulation.schedule import Schedule
from tests.faults.simulation.template import template
from tests.faults.simulation.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a case showed. `digest`: of its log, the same for the same schedule on any machine."""

    violations: tuple[str, ...]
    counts: Counter[str]
    digest: str
    log: tuple[str, ...] = field(repr=False)


@contextmanager
def workshop() -> Iterator[None]:
    """What many cases in one process share."""
    with ExitStack() as stack:
        stack.enter_context(packs_read_once())
        template()
        before = gc.get_threshold()
        gc.freeze()  # the template stays: nobody need look for cycles in it
        gc.set_threshold(50_000, 20, 50)
        try:
            yield
        finally:
            gc.set_threshold(*before)
            gc.unfreeze()


def play(schedule: Schedule) -> Outcome:
    """Play a schedule, heal, and check every promise. Inside `workshop`."""
    world = World(template(), schedule)
    try:
        world.run()
        heal(world)
        check(world)
    except Exception as error:  # noqa: BLE001 - the product failed in the open: that is a verdict, and where it was is told
        at = [f"{f.name} in {Path(f.filename).name}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)[-3:]]
        world.demand(False, f"a fault came out into the open: {type(error).__name__} at {', '.join(at)}")
    finally:
        for phone in world.phones:
            phone.die()
    return Outcome(violations=tuple(world.violations), counts=world.counts, digest=world.digest(), log=tuple(world.log))
