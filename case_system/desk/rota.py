"""The duty rota: who is rung now and next, shifts, the lists that stand where no shift runs, and who is away.

GET  /desk/rota         every post           POST /desk/rota        the list of one post, set anew
POST /desk/rota/shift   a shift more or less POST /desk/rota/away   somebody is away with a cover, or back
"""

from __future__ import annotations

from datetime import datetime

from fastapi import Response

from case_system.assignment import Post
from case_system.desk.frame import Frame, Visit, number_of
from case_system.office.rota import DutyRota
from referral.model import UserId
from referral.port import Refused
from referral.problems import FieldError, ProblemCode

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
        frame.route("POST /desk/rota/shift", self.shift)
        frame.route("POST /desk/rota/away", self.away)

    async def show(self, visit: Visit) -> Response:
        """Every post."""
        view = await self._frame.work(self._rota.view, visit.who.user_id)
        return self._frame.page(visit, "rota.html", view=view, spare=SPARE)

    async def set(self, visit: Visit) -> Response:
        """Who stands on one post from now on."""
        post = _post(visit)
        users = [UserId(user) for user in visit.texts("user") if user]
        await self._frame.work(self._rota.set, visit.who.user_id, post, users)
        return self._frame.go("/desk/rota", "rota_set")

    async def shift(self, visit: Visit) -> Response:
        """A shift more, or one less."""
        who = visit.who.user_id
        if visit.text("remove"):
            await self._frame.work(self._rota.remove_shift, who, visit.text("remove"))
            return self._frame.go("/desk/rota", "shift_removed")
        weeks = number_of(visit.text("weeks"), 3) or 0
        span = _moment(visit, "starts"), _moment(visit, "ends")
        await self._frame.work(self._rota.add_shift, who, _post(visit), UserId(visit.text("user_id")), *span, weeks)
        return self._frame.go("/desk/rota", "shift_added")

    async def away(self, visit: Visit) -> Response:
        """Somebody is away, or back."""
        who, whom = visit.who.user_id, UserId(visit.text("user_id"))
        if visit.text("back_again"):
            await self._frame.work(self._rota.back, who, whom)
            return self._frame.go("/desk/rota", "away_back")
        cover = UserId(visit.text("cover")) if visit.text("cover") else None
        await self._frame.work(self._rota.set_away, who, whom, _moment(visit, "starts"), _moment(visit, "ends"), cover)
        return self._frame.go("/desk/rota", "away_set")


def _post(visit: Visit) -> Post:
    try:
        return Post(visit.text("post"))
    except ValueError as error:
        raise Refused(ProblemCode.INVALID_VALUE) from error


def _moment(visit: Visit, name: str) -> datetime:
    """A local time of the programme, as a browser's field gives it."""
    try:
        return datetime.fromisoformat(visit.text(name)).replace(tzinfo=visit.say.zone)
    except ValueError as error:
        raise FieldError(name, ProblemCode.INVALID_VALUE, "is no time") from error
