"""GET /desk/stream: server-sent events without content. "look": the lists may have changed; "over": the session is over.

An open page keeps no session alive: the stream looks at the session with every heartbeat and ends with it. A busy hour does not
redraw a page faster than it can be read: after a look it rests.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import Response
from sse_starlette import EventSourceResponse, ServerSentEvent

from case_system.desk.frame import Frame, Visit
from case_system.streams import Streams

REST_S = 2.0


class Live:
    """What an open page hears."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams

    def attach(self, frame: Frame) -> None:
        """Say the route."""
        self._frame = frame
        frame.route("GET /desk/stream", self.stream, live=True)

    async def stream(self, visit: Visit) -> Response:
        """The events of one open page."""

        async def events() -> AsyncIterator[ServerSentEvent]:
            async for something in self._streams.listen(visit.who.user_id, rest_s=REST_S):
                if something:
                    yield ServerSentEvent(event="look", data="")
                    continue
                if await self._frame.who(visit.request) is None:
                    yield ServerSentEvent(event="over", data="")
                    return
                yield ServerSentEvent(comment="here")

        return EventSourceResponse(events(), ping=3600, headers={"Cache-Control": "no-store"})
