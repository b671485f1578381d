"""The audit trail for administrators: who saw and who did, for a referral or by a person; and the check of its chain.

GET  /desk/trail?about=&by=&before=   rows, the newest first      POST /desk/trail/verify   the whole chain
POST /desk/trail                      the same, for what was typed: that is in no address
"""

from __future__ import annotations

from fastapi import Response

from case_system.desk.frame import Frame, Visit, number_of
from case_system.office.trail import Trail


class TrailPages:
    """The page."""

    def __init__(self, trail: Trail) -> None:
        self._trail = trail

    def attach(self, frame: Frame) -> None:
        """Say the routes and the place."""
        self._frame = frame
        frame.place("/desk/trail", "nav.trail", "shield")
        frame.route("GET /desk/trail", self.show)
        frame.route("POST /desk/trail", self.find)
        frame.route("POST /desk/trail/verify", self.verify)

    async def show(self, visit: Visit) -> Response:
        """Rows that fit what is asked for."""
        return await self._show(visit, visit.asked("about"), visit.asked("by"), visit.asked("before"))

    async def find(self, visit: Visit) -> Response:
        """Rows for what was typed."""
        return await self._show(visit, visit.text("about"), visit.text("by"), "")

    async def _show(self, visit: Visit, about: str, by: str, before: str) -> Response:
        page = await self._frame.work(
            self._trail.page, visit.who.user_id, about=about, by=by, before=number_of(before, 17)
        )
        return self._frame.page(visit, "trail.html", page=page, about=about, by=by)

    async def verify(self, visit: Visit) -> Response:
        """Check the chain and say what was found."""
        verdict = await self._frame.work(self._trail.verify, visit.who.user_id)
        return self._frame.page(visit, "trail_verdict.html", verdict=verdict)
