"""Figures: ratios, targets, the table."""

from __future__ import annotations

import pytest

from benchmarks.figures import Figure, Left, number, percentile, spread, table


def figure(**more: float) -> Figure:
    return Figure(bench="b", what="w", unit="ms", **({"value": 3.0} | more))  # type: ignore[arg-type]


def test_a_ratio_needs_something_beside_it() -> None:
    assert figure().ratio is None
    assert figure(against=2.0).ratio == 1.5


@pytest.mark.parametrize(
    ("more", "holds"),
    [
        ({}, None),
        ({"at_most": 3.0}, True),
        ({"at_most": 2.9}, False),
        ({"against": 2.0, "ratio_at_most": 1.5}, True),
        ({"against": 2.0, "ratio_at_most": 1.4}, False),
        ({"against": 2.0, "ratio_at_most": 1.4, "at_most": 9.0}, False),
        ({"against": 2.0, "ratio_at_most": 1.6, "at_most": 2.0}, False),
    ],
)
def test_a_target_holds_or_not(more: dict[str, float], holds: bool | None) -> None:
    assert figure(**more).holds is holds


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(n) for n in range(101)][::-1]
    assert (percentile(values, 0.0), percentile(values, 0.5), percentile(values, 0.99)) == (0.0, 50.0, 99.0)
    assert spread(values) == (5.0, 95.0)
    with pytest.raises(ValueError, match="nothing was measured"):
        percentile([], 0.5)


def test_the_table_says_what_is_missed_and_what_is_missing() -> None:
    text = table([figure(at_most=2.0), figure(against=2.0), Left(bench="x", why="no tool.")])
    head, rule, missed, beside, _, left = text.splitlines()
    assert head.startswith("| bench | what")
    assert set(rule) <= {"|", "-", " "}
    assert "MISSED" in missed
    assert "1.50x" in beside
    assert left == "Not measured: x: no tool."
    assert len({len(line) for line in (head, rule, missed, beside)}) == 1


@pytest.mark.parametrize(
    ("value", "said"),
    [(3.0, "3"), (1234567.0, "1,234,567"), (123.4, "123"), (12.34, "12.3"), (1.234, "1.23"), (0.1234, "0.123")],
)
def test_numbers_say_no_more_than_they_know(value: float, said: str) -> None:
    assert number(value) == said
