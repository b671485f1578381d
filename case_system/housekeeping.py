"""Runs the clock's housework beside the server: once at start, then every hour, whatever happened the time before.

A fault is logged and the next hour tries again; nothing waits for it. Must not know: what the housework is.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from case_system.storage import StorageError

log = logging.getLogger(__name__)
EVERY_S = 3600.0


class Housekeeping:
    """A thread that calls `work` at start and every `every_s` seconds until it is stopped."""

    def __init__(self, work: Callable[[], object], every_s: float = EVERY_S) -> None:
        self._work, self._every_s, self._stop = work, every_s, threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after what is in hand, in at most five seconds."""
        self._stop.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._work()
            except StorageError:
                log.warning("the housework could not reach the database; it tries again", exc_info=True)
            except Exception:  # it must outlive one bad row; the traceback is kept
                log.exception("the housework met a fault; it tries again")
            self._stop.wait(self._every_s)
