"""Carries staged notices out and lets the ladder climb: the only loop of the case system. Several may run at once.

Invariants. A notice is sent after the transaction that staged it, never in it. A dispatcher takes notices for the length of a
lease; one that is killed loses nothing, because what it held is due again when the lease is over. So sending is at least once,
always with the same id (S16), and the inbox, which is no message, has each notice once. What a channel answers is recorded
before the same thread takes the next notice. A notice that fails is tried again after 2^n s, at most five minutes, until it is
answered or expires; a person without a channel still has the notice in the inbox, and the ladder goes on. Silence climbs:
nobody is ever accepted by the clock.

Knows a book of notices, channels and a clock; not the database, not the referral.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from case_system.alarms import Kind
from case_system.notify.wording import wake_up
from case_system.ways import Sent, Tried, WakeUp, Way, outcome

LONGEST_PAUSE = timedelta(minutes=5)
LEASE = timedelta(minutes=2)
BATCH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class DueNotice:
    """What one message speaks for, taken by this dispatcher. notice_id: what the message carries.

    late: the referral came long after it was recorded. quiet: the recipient's device vibrates and stays dark.
    """

    notice_id: str
    kind: Kind
    ways: tuple[Way, ...]
    language: str
    attempts: int
    late: bool = False
    quiet: bool = False


class NoticeBook(Protocol):
    """What the dispatcher needs of the case system's store."""

    def climb(self, now: datetime) -> datetime | None:
        """Stage the notices of every rung that is due; the moment of the next rung, or None."""
        ...

    def due_notices(self, now: datetime, until: datetime, limit: int) -> Sequence[DueNotice]:
        """Staged notices whose time has come, oldest first; nobody else gets them before `until`, the end of the lease."""
        ...

    def sent(self, notice: DueNotice, now: datetime, tried: Sequence[Tried]) -> None:
        """Delivered, or there is no channel: do not send again."""
        ...

    def failed(self, notice: DueNotice, now: datetime, next_at: datetime, tried: Sequence[Tried]) -> None:
        """No channel took it; try again at `next_at`."""
        ...


class Channels(Protocol):
    def send(self, ways: Iterable[Way], message: WakeUp) -> Sequence[Tried]: ...


class Carriers(Protocol):
    """Runs the work on each notice, side by side or one after the other, and returns when all is done."""

    def __call__(self, work: Callable[[DueNotice], None], notices: Sequence[DueNotice], /) -> None: ...


def one_by_one(work: Callable[[DueNotice], None], notices: Sequence[DueNotice]) -> None:
    """The carriers of a single thread."""
    for notice in notices:
        work(notice)


def pause_after(attempts: int) -> timedelta:
    """2^n seconds, at most five minutes."""
    return min(LONGEST_PAUSE, timedelta(seconds=2 ** min(attempts, 12)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatcher:
    """One pass at a time; the composition root calls `run_once` and sleeps until what it returns, or until it is woken."""

    book: NoticeBook
    channels: Channels
    clock: Callable[[], datetime]
    carriers: Carriers = field(default=one_by_one)
    lease: timedelta = LEASE

    def run_once(self) -> datetime | None:
        """Climb, send what is due, and return when the next rung is due (None: nothing is open)."""
        next_rung = self.book.climb(self.clock())
        now = self.clock()
        due = self.book.due_notices(now, now + self.lease, BATCH)
        last_start = now + self.lease / 2  # no message is begun that could outlast the lease; it is due again by itself

        def carry(notice: DueNotice) -> None:
            if self.clock() <= last_start:
                self._carry(notice)

        self.carriers(carry, due)
        return self.clock() if len(due) == BATCH else next_rung

    def _carry(self, notice: DueNotice) -> None:
        message = wake_up(notice.kind, notice.notice_id, notice.language, late=notice.late, quiet=notice.quiet)
        tried = self.channels.send(notice.ways, message)
        now = self.clock()
        if outcome(tried) is Sent.FAILED:
            self.book.failed(notice, now, now + pause_after(notice.attempts), tried)
        else:
            self.book.sent(notice, now, tried)
