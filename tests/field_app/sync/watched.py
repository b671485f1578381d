"""A worker whose every change and request can be waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from field_app.courier import connection_of
from field_app.snapshot import Connection
from field_app.sync.lock import FolderLock
from field_app.sync.worker import Worker
from referral.port import Refused, SyncRequest
from referral.problems import ProblemCode
from tests.field_app.sync.rig import Rig
from tests.support.memory_case_system import MemoryCaseSystem

PATIENCE = 20.0


class Watched:
    """A worker on a device, and a condition that is told of every change and every request."""

    def __init__(self, rig: Rig, server: MemoryCaseSystem) -> None:
        self.rig, self.server = rig, server
        self.told = threading.Condition()
        self.worker = Worker(
            engine=rig.engine, lock=FolderLock(rig.folder / "sync.lock"), now=lambda: rig.now, changed=self.changed
        )
        server.after = self.answered

    def answered(self, response: object) -> None:
        self.changed()

    def changed(self) -> None:
        with self.told:
            self.told.notify_all()

    def until(self, true: Callable[[], bool]) -> None:
        """Return once it is true; it is looked at after every change."""
        with self.told:
            assert self.told.wait_for(true, PATIENCE), f"still not, after {len(self.server.requests)} requests"

    def requests(self) -> int:
        return len(self.server.requests)

    def rested(self) -> int:
        """The number of requests once the worker is idle."""
        self.until(lambda: self.idle())
        return self.requests()

    def connection(self) -> Connection:
        return connection_of(self.worker.state())

    def idle(self) -> bool:
        return self.connection() is not Connection.SYNCING and self.requests() > 0


@contextmanager
def asleep(watched: Watched) -> Iterator[list[float]]:
    """Collects how long the worker's thread decided to sleep."""
    slept: list[float] = []
    inner = watched.worker._sleep

    def sleep(seconds: float | None, *args: object, **named: object) -> None:
        slept.append(-1.0 if seconds is None else seconds)
        watched.changed()
        inner(seconds, *args, **named)

    watched.worker._sleep = sleep  # type: ignore[method-assign]
    yield slept


def refuse(code: ProblemCode, retry_after_s: float | None = None) -> Callable[[SyncRequest], None]:
    def before(request: SyncRequest) -> None:
        raise Refused(code, retry_after_s=retry_after_s)

    return before
