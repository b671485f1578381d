"""The dispatcher sends after the fact, again after a failure, once after a success, and never past a batch or a lease."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from case_system.dispatcher import BATCH, LEASE, LONGEST_PAUSE, Dispatcher, DueNotice, pause_after
from case_system.ways import Fault, Sent, Tried, WakeUp, Way, outcome
from referral.views import NoticeKind

START = datetime(2026, 2, 3, 1, tzinfo=UTC)


@dataclass
class Book:
    due: list[DueNotice]
    done: list[tuple[str, Sent]] = field(default_factory=list)
    again: dict[str, datetime] = field(default_factory=dict)

    def climb(self, now: datetime) -> datetime | None:
        return now + timedelta(minutes=3)

    def due_notices(self, now: datetime, until: datetime, limit: int) -> Sequence[DueNotice]:
        return self.due[:limit]

    def sent(self, notice: DueNotice, now: datetime, tried: Sequence[Tried]) -> None:
        self.done.append((notice.notice_id, outcome(tried)))

    def failed(self, notice: DueNotice, now: datetime, next_at: datetime, tried: Sequence[Tried]) -> None:
        self.again[notice.notice_id] = next_at


@dataclass
class Channel:
    fault: Fault | None = None
    messages: list[WakeUp] = field(default_factory=list)

    def send(self, ways: Iterable[Way], message: WakeUp) -> Sequence[Tried]:
        self.messages.append(message)
        return [Tried(channel_id=way.channel_id, fault=self.fault) for way in ways]


def notice(n: int = 1, attempts: int = 0, *urls: str, late: bool = False, quiet: bool = False) -> DueNotice:
    return DueNotice(
        notice_id=f"n-{n}",
        kind=NoticeKind.HANDOFF_OFFERED,
        ways=tuple(Way(channel_id=url, url=url) for url in urls or ("console://x",)),
        language="es",
        attempts=attempts,
        late=late,
        quiet=quiet,
    )


def test_a_delivered_notice_is_recorded_and_speaks_the_recipients_language() -> None:
    book, channel = Book([notice()]), Channel()
    assert Dispatcher(book=book, channels=channel, clock=lambda: START).run_once() == START + timedelta(minutes=3)
    assert book.done == [("n-1", Sent.DELIVERED)]
    assert channel.messages[0].dedup_id == "n-1"
    assert "entrega" in channel.messages[0].line
    assert channel.messages[0].rings


def test_a_late_referral_says_so_and_an_officers_device_stays_dark() -> None:
    channel = Channel()
    Dispatcher(book=Book([notice(late=True, quiet=True)]), channels=channel, clock=lambda: START).run_once()
    (message,) = channel.messages
    assert "tarde" in message.line
    assert (message.quiet, message.rings) == (True, False)


def test_a_failed_notice_waits_longer_each_time() -> None:
    book = Book([notice(1, 0), notice(2, 4), notice(3, 40)])
    Dispatcher(book=book, channels=Channel(Fault.NOT_TAKEN), clock=lambda: START).run_once()
    assert book.done == []
    assert [book.again[f"n-{i}"] - START for i in (1, 2, 3)] == [
        timedelta(seconds=1),
        timedelta(seconds=16),
        LONGEST_PAUSE,
    ]
    assert pause_after(10_000) == LONGEST_PAUSE


def test_a_person_without_a_channel_is_not_tried_for_ever() -> None:
    book = Book([notice()])
    Dispatcher(book=book, channels=Channel(Fault.GONE), clock=lambda: START).run_once()
    assert book.done == [("n-1", Sent.NO_CHANNEL)]
    assert outcome([]) is Sent.NO_CHANNEL


def test_one_channel_that_took_it_is_enough() -> None:
    assert outcome([Tried(channel_id="a", fault=Fault.GONE), Tried(channel_id="b")]) is Sent.DELIVERED
    assert outcome([Tried(channel_id="a", fault=Fault.GONE), Tried(channel_id="b", fault=Fault.BUSY)]) is Sent.FAILED


def test_a_full_batch_comes_back_at_once() -> None:
    book = Book([notice(i) for i in range(BATCH + 5)])
    assert Dispatcher(book=book, channels=Channel(), clock=lambda: START).run_once() == START
    assert len(book.done) == BATCH


def test_nothing_is_begun_that_could_outlast_the_lease() -> None:
    moments = iter([START, START, START, START, START + LEASE])
    book = Book([notice(1), notice(2)])
    Dispatcher(book=book, channels=Channel(), clock=lambda: next(moments)).run_once()
    assert book.done == [("n-1", Sent.DELIVERED)]
