"""The threads beside a server: a dispatcher that runs again and again, and an ear for what other processes commit.

Each ends when it is asked to, after what is in hand. Neither knows the rules: the one runs `Dispatcher.run_once`, the other
tells that it was rung. The composition root starts them.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from case_system.dispatcher import Dispatcher, DueNotice, one_by_one
from case_system.ports import Clock
from case_system.storage import StorageError
from case_system.store.bell import has_bell, listen
from case_system.store.engine import Engine
from referral.port import Refused

log = logging.getLogger(__name__)
LOOK_S = 1.0  # how long the dispatcher sleeps at most: other processes may have staged something
SHORTEST_S = 0.05
CARRIERS = 8  # threads that carry notices side by side


def side_by_side(work: Callable[[DueNotice], None], notices: Sequence[DueNotice]) -> None:
    """Carry notices by several threads, so that a channel that hangs keeps nobody else waiting."""
    if len(notices) < 2:
        one_by_one(work, notices)
        return
    with ThreadPoolExecutor(min(CARRIERS, len(notices)), "carrier") as pool:
        for _ in pool.map(work, notices):
            pass  # raises what a carrier raised


class DispatcherLoop:
    """A dispatcher's thread: runs when `changed` is set, when a rung is due, and at least once a second."""

    def __init__(self, dispatcher: Dispatcher, *, changed: threading.Event, clock: Clock) -> None:
        self._dispatcher, self._changed, self._clock = dispatcher, changed, clock
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dispatcher", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self) -> None:
        """Wait until it has ended."""
        self._thread.join()

    def stop(self, *, within_s: float = 5.0) -> None:
        """End after what is in hand; wait so long for it and no longer. What is cut off is due again when its lease is over."""
        self._stop.set()
        self._changed.set()
        self._thread.join(within_s)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._changed.clear()
            wait = LOOK_S
            try:
                next_at = self._dispatcher.run_once()
                if next_at is not None:
                    wait = min(LOOK_S, max(0.0, (next_at - self._clock()).total_seconds()))
            except (Refused, StorageError):
                log.warning("the dispatcher could not reach the database; it tries again", exc_info=True)
            except Exception:  # the loop must outlive a fault of one notice; the traceback is kept
                log.exception("the dispatcher met a fault; it goes on")
            if not self._stop.is_set():
                self._changed.wait(max(wait, SHORTEST_S))


class Ear:
    """A thread that hears what other processes commit (PostgreSQL); on SQLite there is none, and everybody looks by themselves."""

    def __init__(self, engine: Engine, heard: Callable[[], None]) -> None:
        self._engine, self._heard, self._stop = engine, heard, threading.Event()
        self._thread = threading.Thread(target=self._run, name="bell", daemon=True)

    def start(self) -> None:
        """Begin, where there is something to hear."""
        if has_bell(self._engine):
            self._thread.start()

    def stop(self) -> None:
        """End within a moment."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(2)

    def _run(self) -> None:
        listen(self._engine, self._heard, self._stop)
