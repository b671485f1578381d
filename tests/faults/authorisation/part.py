"""T10: role x operation x relation x field, every cell of `case_system/grants.py` really tried through the service.

A case is a cell (cells.py); what is tried is undone, so that every cell meets the same scene.
"""

from __future__ import annotations

from collections import Counter
from typing import Final, assert_never

from tests.faults.authorisation import deeds, places, rooms
from tests.faults.authorisation.cells import Act, Cell, Elsewhere, Look, Room, Route, cells
from tests.faults.authorisation.scene import ACTORS, Scene, scene
from tests.proof.part import Part, Tally, Violation


def run(first: int, count: int) -> Tally:
    """Try the cells from `first` on."""
    here = scene()
    counts: Counter[str] = Counter()
    violations: list[Violation] = []
    for number in range(first, first + count):
        cell = cells()[number]
        counts[type(cell).__name__.lower()] += 1
        wrong = _try(cell, here)
        if wrong is not None:
            violations.append(Violation(case=number, sentence=f"{describe(cell)}: {wrong}"))
    return Tally(cases=count, counts=dict(counts), violations=tuple(violations))


def _try(cell: Cell, here: Scene) -> str | None:
    match cell:
        case Act():
            return deeds.act(cell, here)
        case Look():
            return deeds.look(cell, here)
        case Elsewhere():
            return places.elsewhere(cell, here)
        case Route():
            return places.route(cell, here)
        case Room():
            return rooms.room(cell, here)
        case _:
            assert_never(cell)


def describe(cell: Cell) -> str:
    """The cell in words."""
    role = ACTORS.get(cell.actor or "", "nobody")
    match cell:
        case Act():
            return f"{cell.actor} ({role}) does {cell.op} on '{cell.name}' by {cell.channel}"
        case Look():
            return f"{cell.actor} ({role}) looks at '{cell.name}' by {cell.channel}"
        case Elsewhere():
            return f"{cell.actor} ({role}) tries another agency by {cell.way}"
        case Route():
            return f"{cell.actor} ({role}) uses {cell.route}"
        case Room():
            return f"{cell.actor} ({role}) has the duty {cell.duty}" + (f" over {cell.other}" if cell.other else "")
        case _:
            assert_never(cell)


PART: Final = Part(
    name="T10",
    title="authorisation matrix",
    unit="cells",
    holds_when="what the one table grants passes, everything else is denied and changes nothing, and no field is seen that it does not show",
    ci=len(cells()),
    release=len(cells()),
    chunk=2_500,
    run=run,
)
