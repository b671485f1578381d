"""One referral: what this role may read of it, and its buttons.

GET  /desk/r/ID   the page; looking is audited        POST /desk/do   one button, an operation of who pressed it
"""

from __future__ import annotations

from typing import Protocol

from fastapi import Response

from case_system.board import Board
from case_system.desk.frame import Frame, Visit
from case_system.desk.steps import BY_NAME, operation
from case_system.record import Record
from case_system.streams import Streams
from referral.model import ReferralId, UserId
from referral.operations import Operation
from referral.port import Outcome, Receipt, Refused
from referral.problems import ProblemCode


class ReferralService(Protocol):
    """What one referral's page asks of the service."""

    def board(self, actor: UserId) -> Board: ...
    def look(self, actor: UserId, referral_id: ReferralId) -> Record: ...
    def apply_desk(self, actor: UserId, operation: Operation) -> Receipt: ...


class OneReferral:
    """The page of one referral."""

    def __init__(self, service: ReferralService, streams: Streams) -> None:
        self._service, self._streams = service, streams

    def attach(self, frame: Frame) -> None:
        """Say the routes."""
        self._frame = frame
        frame.route("GET /desk/r/{referral_id}", self.one)
        frame.route("POST /desk/do", self.do)

    async def one(self, visit: Visit) -> Response:
        """The page."""
        record = await self._frame.work(self._service.look, visit.who.user_id, ReferralId(visit.part("referral_id")))
        board = await self._frame.work(self._service.board, visit.who.user_id)
        return self._frame.page(visit, "referral.html", record=record, names=board.names)

    async def do(self, visit: Visit) -> Response:
        """Press a button."""
        return self._frame.go(visit.back, await self._frame.work(self._press, visit))

    def _press(self, visit: Visit) -> str:
        who, now, pack = visit.who, visit.now, self._frame.pack()
        button = BY_NAME.get(visit.text("button"))
        if button is None:
            raise Refused(ProblemCode.INVALID_VALUE)
        reason = visit.text("reason") or None
        if button.reasons is not None and pack.choice(button.reasons, reason or "") is None:
            raise Refused(ProblemCode.MISSING_ANSWER)
        record = self._service.look(who.user_id, ReferralId(visit.text("referral_id")))
        made = operation(button, record, who.user_id, reason, now, self._frame.rng(6).hex(), pack)
        receipt = self._service.apply_desk(who.user_id, made)
        self._streams.wake({who.user_id})
        if receipt.outcome is Outcome.ACCEPTED:
            return "done"
        return (receipt.code or ProblemCode.NOT_POSSIBLE_NOW).value
