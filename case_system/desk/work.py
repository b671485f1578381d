"""The work lists: what waits for this person, with running clocks, and a handoff on the code that an officer reads out.

GET  /desk               the lists            GET /desk/board   the lists alone, for an open page
POST /desk/provisional   an officer calls with a code
"""

from __future__ import annotations

from typing import Protocol

from fastapi import Response

from case_system.board import Board
from case_system.desk.frame import HOME, Frame, Visit
from case_system.grants import DESK_ROUTES
from case_system.inquiry import Inquiry
from case_system.matters import Attention
from referral.model import ReferralId, UserId

# Cards of one list on the page; the rest are counted, found by search, and move up. Who waits to be met, what is late and what
# needs a decision is never left out.
MOST = 30
WHOLE = ("incoming", "overdue", "attention")


class WorkService(Protocol):
    """What the lists ask of the service."""

    @property
    def inquiry(self) -> Inquiry:
        """Why something needs a person, and what to do about it."""
        ...

    def board(self, actor: UserId) -> Board: ...
    def open_provisional(self, actor: UserId, call_code: str, officer: UserId | None = None) -> ReferralId: ...


class Work:
    """The lists."""

    def __init__(self, service: WorkService) -> None:
        self._service = service

    def attach(self, frame: Frame) -> None:
        """Say the routes and the place."""
        self._frame = frame
        frame.place(HOME, "nav.work", "inbox")
        frame.route("GET /desk", self.lists)
        frame.route("GET /desk/board", self.alone, live=True)
        frame.route("POST /desk/provisional", self.provisional)

    async def lists(self, visit: Visit) -> Response:
        """The page."""
        return await self._lists(visit, "work.html")

    async def alone(self, visit: Visit) -> Response:
        """The lists without the page around them."""
        return await self._lists(visit, "work_lists.html")

    async def _lists(self, visit: Visit, template: str) -> Response:
        board: Board = await self._frame.work(self._service.board, visit.who.user_id)
        todo: dict[ReferralId, list[Attention]] = {}
        if board.records("attention"):
            for one in await self._frame.work(self._service.inquiry.attention, visit.who.user_id):
                todo.setdefault(one.referral_id, []).append(one)
        calls = visit.who.role in DESK_ROUTES["POST /desk/provisional"]
        return self._frame.page(
            visit,
            template,
            board=board,
            names=board.names,
            now=board.now,
            calls=calls,
            todo=todo,
            most=MOST,
            whole=WHOLE,
        )

    async def provisional(self, visit: Visit) -> Response:
        """Open a handoff on the code that an officer reads out."""
        officer = UserId(visit.text("officer")) if visit.text("officer") else None
        await self._frame.work(self._service.open_provisional, visit.who.user_id, visit.text("code"), officer)
        return self._frame.go(HOME, "opened")
