"""One measured figure beside its limit, and the table of all of them. Pure: nothing is timed here.

A figure says what was measured, with its spread, against what it was measured in the same run (a limit that nothing can beat, or a
peer), and the target that it should hold. `holds` is a finding, never a test: machines differ.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table.

    value: in `unit`. spread: the 5th and 95th percentile, or the smallest and largest of a few runs. against: the limit's or the
    peer's value in the same unit, described by `beside`. at_most: the target in `unit`; ratio_at_most: the target of value / against.
    """

    bench: str
    what: str
    value: float
    unit: str
    spread: tuple[float, float] | None = None
    against: float | None = None
    beside: str = ""
    at_most: float | None = None
    ratio_at_most: float | None = None

    @property
    def ratio(self) -> float | None:
        """value / against, or None where there is nothing beside it."""
        return self.value / self.against if self.against else None

    @property
    def holds(self) -> bool | None:
        """Whether the target is kept; None where there is none."""
        if self.at_most is None and self.ratio_at_most is None:
            return None
        kept = self.at_most is None or self.value <= self.at_most
        if self.ratio_at_most is not None:
            kept = kept and self.ratio is not None and self.ratio <= self.ratio_at_most
        return kept

    def wire(self) -> dict[str, Any]:
        """For the results file."""
        return asdict(self) | {"ratio": self.ratio, "holds": self.holds}


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A figure that could not be measured here, and why, in a sentence."""

    bench: str
    why: str


def percentile(values: Sequence[float], part: float) -> float:
    """The value below which `part` (0 to 1) of the values lie, the nearest that was measured. Raises ValueError for none."""
    if not values:
        raise ValueError("nothing was measured")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(part * (len(ordered) - 1)))]


def middle(values: Sequence[float]) -> float:
    """The median."""
    return statistics.median(values)


def spread(values: Sequence[float]) -> tuple[float, float]:
    """The 5th and 95th percentile; the smallest and the largest of fewer than twenty."""
    return percentile(values, 0.05), percentile(values, 0.95)


HEAD = ("bench", "what", "measured", "spread", "limit or peer, same run", "ratio", "target", "")


def table(found: Iterable[Figure | Left]) -> str:
    """A Markdown table whose columns line up, then a sentence for each figure that is missing."""
    figures = [one for one in found if isinstance(one, Figure)]
    lines = [HEAD, *(_cells(one) for one in figures)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    rule = tuple("-" * width for width in widths)
    body = [_row(line, widths) for line in (HEAD, rule, *lines[1:])]
    return "\n".join(body + [f"\nNot measured: {one.bench}: {one.why}" for one in found if isinstance(one, Left)])


def number(value: float) -> str:
    """The value with three figures that mean something."""
    if value == int(value) and abs(value) < 1e9:
        return f"{int(value):,}"
    for limit, digits in ((100, 0), (10, 1), (1, 2), (0, 3)):
        if abs(value) >= limit:
            return f"{value:,.{digits}f}"
    return f"{value:.3f}"


def _cells(figure: Figure) -> tuple[str, ...]:
    between = "" if figure.spread is None else f"{number(figure.spread[0])} to {number(figure.spread[1])}"
    beside = figure.beside
    if figure.against is not None:
        beside = f"{beside}: {number(figure.against)} {figure.unit}".strip()
    targets = []
    if figure.at_most is not None:
        targets.append(f"<= {number(figure.at_most)} {figure.unit}")
    if figure.ratio_at_most is not None:
        targets.append(f"<= {figure.ratio_at_most:.2f}x")
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}x"
    verdict = {True: "held", False: "MISSED", None: ""}[figure.holds]
    measured = f"{number(figure.value)} {figure.unit}".strip()
    return figure.bench, figure.what, measured, between, beside, ratio, ", ".join(targets), verdict


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"
