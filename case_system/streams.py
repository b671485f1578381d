"""Tells open apps and desk pages that there is something to pull: no content, only "look".

`Streams` lives on the server's event loop; `wake` may be called from any thread, after a commit. Work done by another
process on the same database is seen by looking at the newest feed number about once a second.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable

HEARTBEAT_S = 15.0
LOOK_S = 1.0


class Streams:
    """Who listens now, and how they are woken."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listeners: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._closing = asyncio.Event()

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Name the loop that listeners run on; called once at start."""
        self._loop = loop

    @property
    def listening(self) -> int:
        """How many streams are open."""
        return sum(len(events) for events in self._listeners.values())

    def wake(self, user_ids: Iterable[str]) -> None:
        """From any thread: everyone of these users who listens is told to look."""
        users = frozenset(user_ids)
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._set, users)

    def close(self) -> None:
        """End every open stream, so that the server can stop at once."""
        self._closing.set()
        self._set(frozenset(self._listeners))

    def _set(self, user_ids: frozenset[str]) -> None:
        for user_id in user_ids:
            for event in self._listeners.get(user_id, ()):
                event.set()

    async def listen(self, user_id: str, *, heartbeat_s: float = HEARTBEAT_S) -> AsyncIterator[bool]:
        """True for "there is something", False for a heartbeat; at once True, so that nothing is missed on opening."""
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
        finally:
            self._listeners[user_id].discard(event)
            if not self._listeners[user_id]:
                del self._listeners[user_id]
