"""T1b: every seeded defect still applies to the code, and is found."""

from __future__ import annotations

import pytest

from tests.faults.zoo.defect import Defect, DoesNotApply, swap
from tests.faults.zoo.hunt import DEFECTS
from tests.faults.zoo.part import PART, run
from tests.proof.part import require_clean


def test_there_are_at_least_sixteen_of_different_names() -> None:
    assert len({defect.name for defect in DEFECTS}) == len(DEFECTS) >= 16


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_it_still_applies_to_the_code(defect: Defect) -> None:
    with defect.seed():
        pass


@pytest.mark.parametrize("case", range(len(DEFECTS)), ids=lambda case: DEFECTS[case].name)
def test_it_is_found(case: int) -> None:
    require_clean(PART, run(case, 1))


class Place:
    """What a refactoring may move."""

    def work(self, n: int) -> int:
        return n


def test_a_place_that_is_gone_or_takes_other_arguments_is_refused() -> None:
    with pytest.raises(DoesNotApply), swap(Place, "play", lambda original: original):
        pass
    with pytest.raises(DoesNotApply), swap(Place, "work", lambda original: lambda self, m: m):
        pass
    with pytest.raises(DoesNotApply), swap(Place, "work", lambda original: original, reads="return 2 * n"):
        pass


def test_a_swap_ends_with_its_block() -> None:
    with swap(Place, "work", lambda original: lambda self, n: 2 * n):
        assert Place().work(2) == 4
    assert Place().work(2) == 2


@pytest.mark.parametrize("defect", [d for d in DEFECTS if d.own is not None], ids=lambda defect: defect.name)
def test_its_own_test_is_green_without_it(defect: Defect) -> None:
    from tests.faults.simulation.case import workshop

    assert defect.own is not None
    with workshop():
        assert defect.own() is None
