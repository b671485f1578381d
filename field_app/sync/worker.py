"""The one thread that delivers: it sleeps until something is due or it is woken, makes a round, and tells the app.

It alone touches the outbox's deliveries. An idle worker makes no request. A tap, a save, an unlock, a connection that came back
wake it `at_once`, past every wait; news from the stream wake it politely. `pause` is by hand and stops requests, never saving.
A round runs under the lock of the data folder, so that the command line may sync beside the app.

Must not know: what is delivered. Any method may be called from any thread.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from field_app.sync.engine import SyncEngine, SyncReport
from field_app.sync.lock import FolderLock
from referral.problems import ProblemCode

log = logging.getLogger(__name__)

LOOK_S = 30.0  # looks (without a request) whether another process saved something, or the clock was set
AFTER_FAULT = timedelta(seconds=60)  # after an error of our own, such as a file that cannot be written


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerState:
    """For the status line. busy: a round is under way. problem: why the last one failed. last_sync: when one worked.
    next_try: when the queue's wait is over."""

    busy: bool = False
    paused: bool = False
    problem: ProblemCode | None = None
    last_sync: datetime | None = None
    next_try: datetime | None = None


class _Wish(IntEnum):
    NONE = 0
    NEWS = 1  # a round when the queue's wait is over
    AT_ONCE = 2


class _Asked:
    """A call of `sync_now` that waits for its report."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.report: SyncReport | None = None
        self.error: BaseException | None = None


class Worker:
    """Delivers for one data folder, in a thread of its own once `start` is called."""

    def __init__(
        self,
        *,
        engine: SyncEngine,
        lock: FolderLock,
        now: Callable[[], datetime],
        changed: Callable[[], None],
        paused: bool = False,
    ) -> None:
        """changed: called from the worker's thread whenever the state or the outbox may look different."""
        self._engine, self._lock, self._now, self._changed = engine, lock, now, changed
        self._turn = threading.Condition()
        self._wish = _Wish.AT_ONCE  # the first round says hello and looks for news
        self._asked: list[_Asked] = []
        self._paused, self._stopping, self._busy, self._stirred = paused, False, False, False
        self._fault_until: datetime | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to deliver. Once."""
        if self._thread is not None:
            raise RuntimeError("the worker runs already")
        self._thread = threading.Thread(target=self._run, name="sync-worker", daemon=True)
        self._thread.start()

    def stop(self, timeout: float | None = 5.0) -> bool:
        """Begin no other round, and wait up to `timeout` seconds for the present one; whether it ended. A kill is safe too."""
        with self._turn:
            self._stopping = True
            self._turn.notify_all()
        if self._thread is None or self._thread is threading.current_thread():
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def wake(self, *, at_once: bool = False) -> None:
        """There is something to send or to fetch. at_once: ignore every wait (a tap, a save, the connection came back)."""
        with self._turn:
            self._wish = max(self._wish, _Wish.AT_ONCE if at_once else _Wish.NEWS)
            self._stirred = True
            self._turn.notify_all()

    def pause(self) -> None:
        """Make no request until `resume`, except for `sync_now`."""
        with self._turn:
            self._paused = self._stirred = True
            self._turn.notify_all()
        self._changed()

    def resume(self) -> None:
        """Deliver again, at once."""
        with self._turn:
            self._paused = False
        self.wake(at_once=True)
        self._changed()

    def sync_now(self) -> SyncReport:
        """Sync until nothing is due and there is nothing more to pull; by the worker's thread, or here if it does not run."""
        asked = _Asked()
        with self._turn:
            runs = self._thread is not None and self._thread.is_alive() and not self._stopping
            if runs:
                self._asked.append(asked)
                self._turn.notify_all()
        if not runs:
            return self._until_quiet()
        asked.done.wait()
        if asked.error is not None:
            raise asked.error
        if asked.report is None:
            raise RuntimeError("the worker was stopped")
        return asked.report

    def state(self) -> WorkerState:
        """How it stands just now."""
        with self._turn:
            busy, paused = self._busy, self._paused
        carriage = self._engine.state()
        return WorkerState(
            busy=busy,
            paused=paused,
            problem=carriage.problem,
            last_sync=carriage.last_sync,
            next_try=None if paused else carriage.wait.next_at,
        )

    # ------------------------------------------------------------------------------------------------ the thread
    def _run(self) -> None:
        try:
            while not self._stopping:
                self._step()
        finally:
            with self._turn:
                self._stopping = True
                left, self._asked = self._asked, []
            for asked in left:
                asked.done.set()

    def _step(self) -> None:
        """Answer who asked, or make a round that is due, or sleep."""
        with self._turn:
            asked = self._asked.pop(0) if self._asked else None
            wish, paused, self._stirred = self._wish, self._paused, False
            if asked is None and not paused:
                self._wish = _Wish.NONE
        if asked is not None:
            self._answer(asked)
        elif paused:
            self._sleep(None)
        else:
            try:
                self._deliver(wish)
            except Exception:  # the thread must live on; what failed is recorded, and tried again after a while
                log.exception("a round of the delivery failed")
                self._fault_until = self._now() + AFTER_FAULT
                self._changed()

    def _deliver(self, wish: _Wish) -> None:
        now = self._now()
        at_once = wish is _Wish.AT_ONCE
        if not at_once and self._fault_until is not None and self._fault_until - AFTER_FAULT <= now < self._fault_until:
            self._keep(wish)
            self._sleep((self._fault_until - now).total_seconds())
            return
        self._fault_until = None
        due = now if at_once else self._engine.next_due(now, pull=wish is _Wish.NEWS)
        if due is None or due > now:
            self._keep(wish)
            self._sleep(None if due is None else (due - now).total_seconds())
            return
        self._mark(busy=True)
        try:
            with self._lock.hold():
                result = self._engine.round(now, at_once=at_once)
        finally:
            self._mark(busy=False)
        if result.more or result.again or (result.problem is not None and wish is not _Wish.NONE):
            self._keep(_Wish.NEWS)

    def _answer(self, asked: _Asked) -> None:
        try:
            asked.report = self._until_quiet()
        except BaseException as error:
            asked.error = error  # raised again in the thread that asked
            if not isinstance(error, Exception):
                raise
        finally:
            asked.done.set()

    def _until_quiet(self) -> SyncReport:
        self._mark(busy=True)
        try:
            with self._lock.hold():
                return self._engine.sync_until_quiet(self._now())
        finally:
            self._mark(busy=False)

    def _mark(self, *, busy: bool) -> None:
        with self._turn:
            self._busy = busy
        self._changed()

    def _keep(self, wish: _Wish) -> None:
        """Remember a wish that could not be granted yet, beside what came meanwhile."""
        with self._turn:
            self._wish = max(self._wish, wish)

    def _sleep(self, seconds: float | None) -> None:
        """Until the time is over, or something happened since the step began."""
        with self._turn:
            pause = LOOK_S if seconds is None else min(seconds, LOOK_S)
            self._turn.wait_for(lambda: self._stopping or self._asked or self._stirred, pause)
