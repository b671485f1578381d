"""The hunt for one defect: the simulator's first thousand schedules with the defect in place, likely ones first; or its own test."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from tests.faults.simulation.case import play, workshop
from tests.faults.simulation.schedule import draw
from tests.faults.zoo.at_the_case_system import AT_THE_CASE_SYSTEM
from tests.faults.zoo.by_itself import BY_THEMSELVES
from tests.faults.zoo.defect import Defect
from tests.faults.zoo.on_the_device import ON_THE_DEVICE
from tests.faults.zoo.overtaking import OVERTAKING

WITHIN: Final = 1_000
DEFECTS: Final = (*ON_THE_DEVICE, *AT_THE_CASE_SYSTEM, *BY_THEMSELVES, *OVERTAKING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What gave it away, and after how many schedules."""

    sentence: str
    schedules: int
    case: int | None = None


def hunt(defect: Defect, within: int = WITHIN) -> Found | None:
    """Look for it; None when it was not noticed."""
    with quiet():
        if defect.own is not None:
            with workshop(), defect.seed():
                seen = defect.own()
            return None if seen is None else Found(sentence=seen, schedules=0)
        with workshop():
            for n, case in enumerate(_order(defect, within), start=1):
                with defect.seed():
                    try:
                        outcome = play(draw(case))
                    except Exception as error:  # noqa: BLE001 - a defect may also show as a fault in the open
                        return Found(sentence=f"{type(error).__name__}", schedules=n, case=case)
                if outcome.violations:
                    return Found(sentence=outcome.violations[0], schedules=n, case=case)
    return None


def _order(defect: Defect, within: int) -> Iterator[int]:
    """The cases 0 to `within`, those with a likely fault first."""
    kinds = set(defect.likely)
    likely = [case for case in range(within) if kinds & {entry.what for entry in draw(case).entries}]
    yield from likely
    yield from sorted(set(range(within)) - set(likely))


@contextmanager
def quiet() -> Iterator[None]:
    """What the product logs of a defect is not news."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
