"""Tells open apps and desk pages that there is something to pull: no content, only "look".

`Streams` lives on the server's event loop; `wake`, `grown` and `look` may be called from any thread. `grown` says how far each
user's feed has grown, so that what two sources tell of (this process's own commit and the watch over the database) wakes once.
Work done by another process is seen when its bell rings (PostgreSQL), and at the latest about a second later.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import suppress

HEARTBEAT_S = 15.0
LOOK_S = 1.0


class Streams:
    """Who listens now, and how they are woken."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listeners: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._told: dict[str, int] = {}  # up to which feed number each listening user was woken
        self._closing = asyncio.Event()
        self.nudge = asyncio.Event()  # set when the database may hold something new from elsewhere

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Name the loop that listeners run on; called once at start."""
        self._loop = loop

    @property
    def listening(self) -> int:
        """How many streams are open."""
        return sum(len(events) for events in self._listeners.values())

    def wake(self, user_ids: Iterable[str]) -> None:
        """From any thread: everyone of these users who listens is told to look."""
        self._soon(self._set, frozenset(user_ids))

    def grown(self, feeds: Mapping[str, int]) -> None:
        """From any thread: everyone of these users who listens is told to look, unless they were told of that number before."""
        if feeds:
            self._soon(self._grow, dict(feeds))

    def begin_anew(self) -> None:
        """The feed has begun anew (a backup was restored): everyone who listens is told to look. Called on the loop."""
        self._told.clear()
        self._set(frozenset(self._listeners))

    def look(self) -> None:
        """From any thread: another process may have committed something; whoever watches the database looks now."""
        self._soon(self.nudge.set)

    def close(self) -> None:
        """End every open stream, so that the server can stop at once."""
        self._closing.set()
        self._set(frozenset(self._listeners))

    def _soon(self, act: Callable[..., None], *arguments: object) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(act, *arguments)

    def _set(self, user_ids: frozenset[str]) -> None:
        for user_id in user_ids:
            for event in self._listeners.get(user_id, ()):
                event.set()

    def _grow(self, feeds: Mapping[str, int]) -> None:
        new = {user: seq for user, seq in feeds.items() if user in self._listeners and self._told.get(user, -1) < seq}
        self._told.update(new)
        self._set(frozenset(new))

    async def listen(
        self, user_id: str, *, heartbeat_s: float = HEARTBEAT_S, rest_s: float = 0.0
    ) -> AsyncIterator[bool]:
        """True for "there is something", False for a heartbeat; at once True, so that nothing is missed on opening.

        rest_s: what comes within so many seconds of a True is told by one True after them; the first is never held back.
        """
        event = asyncio.Event()
        event.set()
        self._listeners[user_id].add(event)
        try:
            while not self._closing.is_set():
                try:
                    await asyncio.wait_for(event.wait(), heartbeat_s)
                except TimeoutError:
                    yield False
                else:
                    if self._closing.is_set():
                        return
                    event.clear()
                    yield True
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._closing.wait(), rest_s)
        finally:
            self._listeners[user_id].discard(event)
            if not self._listeners[user_id]:
                del self._listeners[user_id]
                self._told.pop(user_id, None)
