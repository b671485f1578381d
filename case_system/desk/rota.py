"""The duty rota: who is rung and in which order.

GET /desk/rota   every post      POST /desk/rota   one post, set anew
"""

from __future__ import annotations

from fastapi import Response

from case_system.assignment import Post
from case_system.desk.frame import Frame, Visit
from case_system.office.rota import DutyRota
from referral.model import UserId
from referral.port import Refused
from referral.problems import ProblemCode

SPARE = 2  # empty lines below the people who stand there


class RotaPages:
    """The page."""

    def __init__(self, rota: DutyRota) -> None:
        self._rota = rota

    def attach(self, frame: Frame) -> None:
        """Say the routes and the place."""
        self._frame = frame
        frame.place("/desk/rota", "nav.rota", "calendar")
        frame.route("GET /desk/rota", self.show)
        frame.route("POST /desk/rota", self.set)

    async def show(self, visit: Visit) -> Response:
        """Every post."""
        view = await self._frame.work(self._rota.view, visit.who.user_id)
        return self._frame.page(visit, "rota.html", view=view, spare=SPARE)

    async def set(self, visit: Visit) -> Response:
        """Who stands on one post from now on."""
        try:
            post = Post(visit.text("post"))
        except ValueError as error:
            raise Refused(ProblemCode.INVALID_VALUE) from error
        users = [UserId(user) for user in visit.texts("user") if user]
        await self._frame.work(self._rota.set, visit.who.user_id, post, users)
        return self._frame.go("/desk/rota", "rota_set")
