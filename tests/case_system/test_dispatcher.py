"""The dispatcher sends after the fact, again after a failure, once after a success, and never past a full batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from case_system.dispatcher import BATCH, LONGEST_PAUSE, Dispatcher, DueNotice, pause_after
from case_system.notify.channels import Sent, WakeUp
from referral.views import NoticeKind

START = datetime(2026, 2, 3, 1, tzinfo=UTC)


@dataclass
class Book:
    due: list[DueNotice]
    sent: list[tuple[str, Sent]] = field(default_factory=list)
    failed: dict[str, datetime] = field(default_factory=dict)

    def climb(self, now: datetime) -> datetime | None:
        return now + timedelta(minutes=3)

    def due_notices(self, now: datetime, limit: int) -> Sequence[DueNotice]:
        return self.due[:limit]

    def notice_sent(self, notice_id: str, now: datetime, outcome: Sent) -> None:
        self.sent.append((notice_id, outcome))

    def notice_failed(self, notice_id: str, next_at: datetime) -> None:
        self.failed[notice_id] = next_at


@dataclass
class Channel:
    answer: Sent
    messages: list[WakeUp] = field(default_factory=list)

    def send(self, urls: Iterable[str], message: WakeUp) -> Sent:
        self.messages.append(message)
        return self.answer


def notice(n: int = 1, attempts: int = 0) -> DueNotice:
    return DueNotice(
        notice_id=f"n-{n}", kind=NoticeKind.HANDOFF_OFFERED, urls=("console://x",), language="es", attempts=attempts
    )


def test_a_delivered_notice_is_recorded_and_speaks_the_recipients_language() -> None:
    book, channel = Book([notice()]), Channel(Sent.DELIVERED)
    assert Dispatcher(book=book, channels=channel, clock=lambda: START).run_once() == START + timedelta(minutes=3)
    assert book.sent == [("n-1", Sent.DELIVERED)]
    assert channel.messages[0].dedup_id == "n-1"
    assert "entrega" in channel.messages[0].line


def test_a_failed_notice_waits_longer_each_time() -> None:
    book = Book([notice(1, 0), notice(2, 4), notice(3, 40)])
    Dispatcher(book=book, channels=Channel(Sent.FAILED), clock=lambda: START).run_once()
    assert book.sent == []
    assert [book.failed[f"n-{i}"] - START for i in (1, 2, 3)] == [
        timedelta(seconds=1),
        timedelta(seconds=16),
        LONGEST_PAUSE,
    ]
    assert pause_after(10_000) == LONGEST_PAUSE


def test_a_person_without_a_channel_is_not_tried_for_ever() -> None:
    book = Book([notice()])
    Dispatcher(book=book, channels=Channel(Sent.NO_CHANNEL), clock=lambda: START).run_once()
    assert book.sent == [("n-1", Sent.NO_CHANNEL)]


def test_a_full_batch_comes_back_at_once() -> None:
    book = Book([notice(i) for i in range(BATCH + 5)])
    assert Dispatcher(book=book, channels=Channel(Sent.DELIVERED), clock=lambda: START).run_once() == START
    assert len(book.sent) == BATCH
