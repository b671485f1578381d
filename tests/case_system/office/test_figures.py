"""Figures: counts that say nothing of one person, also not by subtraction."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from case_system.office.building import Office
from case_system.office.figures import SMALLEST, withhold
from referral.model import UserId
from referral.operations import Met, Op
from tests.case_system.office.test_people import trail
from tests.support.agency import Agency
from tests.support.device import arrest, social

COUNTS = st.lists(st.integers(0, 12), min_size=1, max_size=12)


@given(COUNTS)
def test_no_small_count_is_told_or_follows_from_a_sum(counts: list[int]) -> None:
    told = withhold(counts)
    hidden = [value for value, cell in zip(counts, told, strict=True) if cell is None]
    assert all(cell == value for value, cell in zip(counts, told, strict=True) if cell is not None)
    assert not any(cell is not None and 0 < cell < SMALLEST for cell in told)
    others = [value for value in told if value]
    if hidden and others:  # where there is something to hide behind, it is used
        assert len(hidden) > 1
        assert sum(hidden) >= SMALLEST


@given(COUNTS)
def test_nothing_is_withheld_without_a_small_count(counts: list[int]) -> None:
    if not any(0 < value < SMALLEST for value in counts):
        assert withhold(counts) == tuple(counts)


def test_weeks_outlook_time_and_meetings_are_counted_and_small_ones_withheld(office: Office, agency: Agency) -> None:
    o1, cm = agency.device("o1"), agency.device("cm1")
    made = [arrest(offence_codes=("4 3550",)) for _ in range(7)]
    o1.send(*(o1.create(x) for x in made), o1.create(social()), o1.create(social()))
    agency.clock.go(minutes=4)
    cm.send(*(cm.reason(Op.ACCEPT, x.referral_id) for x in made[:6]))
    cm.send(*(cm.seal(cm.operation(Op.MET, x.referral_id, Met(at=agency.clock()), base=2)) for x in made[:6]))
    agency.clock.go(weeks=1)
    o1.send(*(o1.create(arrest()) for _ in range(5)))
    figures = office.evaluation.figures(UserId("eva"))
    weeks, outlook, accept, met = figures.tables
    assert len(weeks.rows) == 26
    assert weeks.rows[-1].label == "2026-03-09"
    assert [row.cells for row in weeks.rows[-2:]] == [(7, None), (5, 0)]
    assert figures.until - figures.since == timedelta(weeks=25, days=1)
    assert {row.label: row.cells[0] for row in accept.rows}["under_6"] == 6
    assert {row.label: row.cells for row in outlook.rows}["cannot_tell_yet"] == (12, None)
    assert {row.label: row.cells[0] for row in met.rows} == {"met": 6, "not_met": 0, "running": 6}
    assert figures.median_minutes == (4, None)
    assert figures.met_percent == (100, None)
    assert trail(agency, "figures") == [("eva", None, "de_identified")]
