"""What lies on one's own desk about devices, everybody's own ways to be woken, and those of people whom one looks after.

GET /desk/notices         my notices
POST /desk/notices/seen   an alarm about a device was seen
POST /desk/people/channel a way to be woken: add, change, remove
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fastapi import Response

from case_system.alarms import AlarmKind, OpenAlarm
from case_system.desk.choices import age
from case_system.desk.frame import Frame, Visit
from case_system.office.people import People
from referral.model import UserId
from referral.views import NoticeKind


class Alarms(Protocol):
    """What the page asks of the service."""

    def open_alarms(self, actor: UserId) -> Sequence[OpenAlarm]:
        """The alarms that lie on a person's desk."""

    def acknowledge_alarm(self, actor: UserId, notice_id: str) -> None:
        """A person has seen one of theirs; raises Refused(not_found) where it is not."""


class NoticePages:
    """One's own page, and its forms."""

    def __init__(self, people: People, alarms: Alarms) -> None:
        self._people, self._alarms = people, alarms

    def attach(self, frame: Frame) -> None:
        """Say the routes and the place."""
        self._frame = frame
        frame.place("/desk/notices", "nav.notices", "bell")
        frame.route("GET /desk/notices", self.own)
        frame.route("POST /desk/notices/seen", self.seen)
        frame.route("POST /desk/people/channel", self.channel)

    async def own(self, visit: Visit) -> Response:
        """My notices."""
        channels = await self._frame.work(self._people.own_channels, visit.who.user_id)
        alarms = await self._frame.work(self._alarms.open_alarms, visit.who.user_id)
        return self._frame.page(visit, "notices.html", channels=channels, alarms=alarms, age=age, kinds=kinds_of(visit))

    async def seen(self, visit: Visit) -> Response:
        """An alarm about a device was seen."""
        await self._frame.work(self._alarms.acknowledge_alarm, visit.who.user_id, visit.text("notice_id"))
        return self._frame.go("/desk/notices", "alarm_seen")

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
