"""Carries staged notices out and lets the ladder climb: the only loop of the case system.

Invariants. A notice is sent after the transaction that staged it, never in it. Sending is at least once, always with the
notice's id (S16); an answer from a channel is recorded before the next notice is taken. A notice that fails is tried again
after 2^n s, at most five minutes, until it is answered or expires; a person without a channel still has the notice in the
inbox, and the ladder goes on. Silence climbs: nobody is ever accepted by the clock.

Knows a book of notices, channels and a clock; not the database, not the referral.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from case_system.notify.channels import Sent, WakeUp
from case_system.notify.wording import wake_up
from referral.views import NoticeKind

LONGEST_PAUSE = timedelta(minutes=5)
BATCH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class DueNotice:
    """A staged notice whose time has come, with what its recipient can be woken by."""

    notice_id: str
    kind: NoticeKind
    urls: tuple[str, ...]
    language: str
    attempts: int


class NoticeBook(Protocol):
    """What the dispatcher needs of the case system's store."""

    def climb(self, now: datetime) -> datetime | None:
        """Stage the notices of every rung that is due; the moment of the next rung, or None."""
        ...

    def due_notices(self, now: datetime, limit: int) -> Sequence[DueNotice]:
        """Staged notices whose time has come, oldest first."""
        ...

    def notice_sent(self, notice_id: str, now: datetime, outcome: Sent) -> None:
        """Delivered, or there is no channel: do not send again."""
        ...

    def notice_failed(self, notice_id: str, next_at: datetime) -> None:
        """No channel took it; try again at `next_at`."""
        ...


class Channels(Protocol):
    def send(self, urls: Iterable[str], message: WakeUp) -> Sent: ...


def pause_after(attempts: int) -> timedelta:
    """2^n seconds, at most five minutes."""
    return min(LONGEST_PAUSE, timedelta(seconds=2 ** min(attempts, 12)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatcher:
    """One pass at a time; the composition root calls `run_once` and sleeps until what it returns, or until it is woken."""

    book: NoticeBook
    channels: Channels
    clock: Callable[[], datetime]

    def run_once(self) -> datetime | None:
        """Climb, send what is due, and return when the next rung is due (None: nothing is open)."""
        next_rung = self.book.climb(self.clock())
        due = self.book.due_notices(self.clock(), BATCH)
        for notice in due:
            outcome = self.channels.send(notice.urls, wake_up(notice.kind, notice.notice_id, notice.language))
            if outcome is Sent.FAILED:
                self.book.notice_failed(notice.notice_id, self.clock() + pause_after(notice.attempts))
            else:
                self.book.notice_sent(notice.notice_id, self.clock(), outcome)
        return self.clock() if len(due) == BATCH else next_rung
