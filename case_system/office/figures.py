"""Figures for evaluators: counts by week, outlook, time to accept and whether people met; never a person, a place or a name.

Small cells. A count from 1 to 4 is not told. So that it cannot be worked out from a sum either, the smallest other count of the
same column is withheld with it when it would stand alone, or when all that is withheld sums to less than 5. Sums are never
given beside them. What is not counted here cannot be asked for: evaluators get no finer table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median
from typing import Final, Protocol

from case_system.audit import Deed
from case_system.grants import Duty
from case_system.office.entry import Entry, asking
from case_system.record import Record
from referral.eligibility import Facts, OutlookAnswer, assess
from referral.lifecycle import Handoff
from referral.model import Kind, UserId
from referral.programme import Programme

SMALLEST: Final = 5
WEEKS: Final = 26
KINDS: Final = (Kind.ARREST, Kind.SOCIAL)
ACCEPT_MINUTES: Final = (3, 6, 15, 30)
_MET = frozenset({Handoff.MET, Handoff.INTAKE_COMPLETE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """label: a code, or a day. cells: a count for each kind of referral, None where it is withheld."""

    label: str
    cells: tuple[int | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table and the chart of it."""

    key: str
    rows: tuple[Row, ...]

    @property
    def withheld(self) -> int:
        """How many counts are not told."""
        return sum(cell is None for row in self.rows for cell in row.cells)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """since, until: days of receipt. median_minutes: from offer to acceptance, by kind, None where fewer than 5 were accepted.

    met_percent: of those whose handoff is over, by kind, None where a count of it is withheld.
    """

    since: date
    until: date
    tables: tuple[Table, ...]
    median_minutes: tuple[int | None, ...]
    met_percent: tuple[int | None, ...]


class FigureRows(Protocol):
    """Opened records (`store/figures.py`)."""

    def received_since(self, moment: datetime) -> Sequence[Record]: ...


class Evaluation:
    """The figures."""

    def __init__(self, entry: Entry, rows: FigureRows) -> None:
        self._entry, self._rows = entry, rows

    def figures(self, actor: UserId) -> Figures:
        """The last 26 weeks, the running one included."""
        self._entry.let(actor, Duty.SEE_FIGURES)
        now, pack = self._entry.clock(), self._entry.transactions.pack()
        with asking():
            records = self._rows.received_since(now - timedelta(weeks=WEEKS + 1))
        self._entry.note(now, Deed(actor=actor, action="figures", outcome="de_identified"))
        return count(records, pack, pack.day(now))


def count(records: Iterable[Record], pack: Programme, today: date) -> Figures:
    """The figures of these records over the 26 weeks that end with the one of `today`."""
    first = _monday(today) - timedelta(weeks=WEEKS - 1)
    here = [r for r in records if pack.day(r.received_at) >= first]
    weeks = [first + timedelta(weeks=n) for n in range(WEEKS)]
    tables = (
        _table("weeks", [day.isoformat() for day in weeks], ((r, _monday(pack.day(r.received_at)).isoformat()) for r in here)),
        _table("outlook", [answer.value for answer in OutlookAnswer], ((r, _outlook(r, pack)) for r in here)),
        _table("accept", [*(f"under_{m}" for m in ACCEPT_MINUTES), "longer", "never"], ((r, _wait(r)) for r in here if r.offered_at is not None)),
        _table("met", ["met", "not_met", "running"], ((r, _met(r)) for r in here if r.offered_at is not None)),
    )  # fmt: skip
    met, not_met = tables[3].rows[0].cells, tables[3].rows[1].cells
    return Figures(
        since=first,
        until=today,
        tables=tables,
        median_minutes=tuple(_median(here, kind) for kind in KINDS),
        met_percent=tuple(_percent(a, b) for a, b in zip(met, not_met, strict=True)),
    )


def withhold(counts: Sequence[int]) -> tuple[int | None, ...]:
    """The counts of one column, small ones and what would tell them replaced by None."""
    hidden = {n for n, value in enumerate(counts) if 0 < value < SMALLEST}
    while hidden and (len(hidden) == 1 or sum(counts[n] for n in hidden) < SMALLEST):
        others = [n for n, value in enumerate(counts) if n not in hidden and value]
        if not others:
            break
        hidden.add(min(others, key=lambda n: (counts[n], n)))
    return tuple(None if n in hidden else value for n, value in enumerate(counts))


def _table(key: str, labels: Sequence[str], marked: Iterable[tuple[Record, str]]) -> Table:
    counted = Counter((record.kind, label) for record, label in marked)
    columns = [withhold([counted[kind, label] for label in labels]) for kind in KINDS]
    return Table(key=key, rows=tuple(Row(label=label, cells=tuple(c[n] for c in columns)) for n, label in enumerate(labels)))  # fmt: skip


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _outlook(record: Record, pack: Programme) -> str:
    if record.referral is None:
        return OutlookAnswer.CANNOT_TELL.value
    return assess(Facts.of(record.referral, pack, on=pack.day(record.received_at)), pack).answer.value


def _wait(record: Record) -> str:
    if record.offered_at is None or record.accepted_at is None:
        return "never"
    minutes = (record.accepted_at - record.offered_at).total_seconds() / 60
    return next((f"under_{most}" for most in ACCEPT_MINUTES if minutes < most), "longer")


def _met(record: Record) -> str:
    if record.handoff in _MET:
        return "met"
    return "not_met" if record.handoff is Handoff.NOT_COMPLETED else "running"


def _median(records: Iterable[Record], kind: Kind) -> int | None:
    waits = [
        (r.accepted_at - r.offered_at).total_seconds() / 60
        for r in records
        if r.kind is kind and r.offered_at is not None and r.accepted_at is not None
    ]
    return round(median(waits)) if len(waits) >= SMALLEST else None


def _percent(met: int | None, not_met: int | None) -> int | None:
    if met is None or not_met is None or not met + not_met:
        return None
    return round(100 * met / (met + not_met))
