"""Everybody's own ways to be woken, and those of people whom one looks after.

GET /desk/notices   my notices      POST /desk/people/channel   a way to be woken: add, change, remove
"""

from __future__ import annotations

from fastapi import Response

from case_system.alarms import AlarmKind
from case_system.desk.frame import Frame, Visit
from case_system.office.people import People
from referral.model import UserId
from referral.views import NoticeKind


class NoticePages:
    """One's own page, and the form."""

    def __init__(self, people: People) -> None:
        self._people = people

    def attach(self, frame: Frame) -> None:
        """Say the routes and the place."""
        self._frame = frame
        frame.place("/desk/notices", "nav.notices", "bell")
        frame.route("GET /desk/notices", self.own)
        frame.route("POST /desk/people/channel", self.channel)

    async def own(self, visit: Visit) -> Response:
        """My notices."""
        channels = await self._frame.work(self._people.own_channels, visit.who.user_id)
        return self._frame.page(visit, "notices.html", channels=channels, kinds=kinds_of(visit))

    async def channel(self, visit: Visit) -> Response:
        """Add, change or remove a way to be woken."""
        who, whom = visit.who.user_id, UserId(visit.text("user_id"))
        if visit.text("remove"):
            await self._frame.work(self._people.remove_channel, who, whom, visit.text("remove"))
            return self._frame.go(visit.back, "channel_removed")
        settings = {"kinds": [kind for kind in visit.texts("kind") if kind], "hours": visit.text("hours")}
        if visit.text("change"):
            await self._frame.work(self._people.change_channel, who, whom, visit.text("change"), **settings)
            return self._frame.go(visit.back, "channel_changed")
        await self._frame.work(self._people.add_channel, who, whom, visit.text("url"), **settings)
        return self._frame.go(visit.back, "channel_added")


def kinds_of(visit: Visit) -> list[tuple[str, str]]:
    """The kinds of notices, in words."""
    return [(kind.value, visit.say.code("notice", kind)) for kind in (*NoticeKind, *AlarmKind)]
