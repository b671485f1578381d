"""Figures for evaluators: charts with their tables beside them, and the same counts as CSV. De-identified, small counts withheld.

GET /desk/figures   the page      GET /desk/figures/csv   the counts
"""

from __future__ import annotations

import csv
import io

from fastapi import Response

from case_system.desk.frame import HEADERS, Frame, Visit
from case_system.office.figures import KINDS, SMALLEST, Evaluation, Figures


class FigurePages:
    """The page and the file."""

    def __init__(self, evaluation: Evaluation) -> None:
        self._evaluation = evaluation

    def attach(self, frame: Frame) -> None:
        """Say the routes and the place."""
        self._frame = frame
        frame.place("/desk/figures", "nav.figures", "board")
        frame.route("GET /desk/figures", self.show)
        frame.route("GET /desk/figures/csv", self.download)

    async def show(self, visit: Visit) -> Response:
        """Charts and tables."""
        figures = await self._frame.work(self._evaluation.figures, visit.who.user_id)
        return self._frame.page(visit, "figures.html", figures=figures, kinds=KINDS, smallest=SMALLEST)

    async def download(self, visit: Visit) -> Response:
        """The counts as a file."""
        figures = await self._frame.work(self._evaluation.figures, visit.who.user_id)
        named = {"Content-Disposition": f'attachment; filename="lead-figures-{figures.until.isoformat()}.csv"'}
        return Response(as_csv(figures), 200, HEADERS | named, media_type="text/csv; charset=utf-8")


def as_csv(figures: Figures) -> str:
    """One line a count: table, label, kind, count ("<5" and what it would tell: "withheld")."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("table", "label", "kind", "count"))
    for table in figures.tables:
        for row in table.rows:
            for kind, cell in zip(KINDS, row.cells, strict=True):
                writer.writerow((table.key, row.label, kind.value, "withheld" if cell is None else cell))
    return out.getvalue()
