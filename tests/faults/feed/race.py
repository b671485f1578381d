"""Writers that commit at random moments, and followers that read by a cursor meanwhile, over one real PostgreSQL database.

How rows get their numbers and how a follower reads on is an argument (`Numbering`): the case system's ledger and feed, or, for the
control, a BIGSERIAL column, whose numbers are given before the commit and so become visible out of order.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final, Protocol

from sqlalchemy import Connection, text

from tests.proof.part import Violation

WRITERS: Final = 6
READERS: Final = ("r0", "r1", "r2")
MOST_ROWS: Final = 24  # of one transaction
PAGE: Final = 40
PATIENCE_S: Final = 60


class Numbering(Protocol):
    """One way of giving numbers to rows, and of reading on from one."""

    def writing(self) -> AbstractContextManager[Connection]:
        """A write transaction, committed when the block ends."""
        ...

    def put(self, connection: Connection, rows: Sequence[tuple[str, str]]) -> None:
        """Write (reader, name) rows."""
        ...

    def read_on(self, reader: str, cursor: str | None, limit: int) -> tuple[list[tuple[int, str]], str, bool]:
        """What is new for a reader: (number, name) rows, the next cursor, and whether there is more."""
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """One transaction. before_ms, held_ms: how long it waits before its numbers are given, and between that and the commit."""

    rows: tuple[tuple[str, str], ...]
    before_ms: float
    held_ms: float


def plan(first: int, count: int) -> list[list[Step]]:
    """Who writes what: the rows `first` and following, in transactions, dealt out to the writers. The same numbers, the same plan."""
    lots = random.Random(f"feed {first} {count}")
    work: list[list[Step]] = [[] for _ in range(WRITERS)]
    at, end = first, first + count
    while at < end:
        n = min(lots.randint(1, MOST_ROWS), end - at)
        rows = tuple((lots.choice(READERS), f"{number:032x}") for number in range(at, at + n))
        slow = lots.random() < 0.15
        step = Step(rows, lots.uniform(0, 4) if lots.random() < 0.3 else 0, lots.uniform(0, 6) if slow else 0)
        lots.choice(work).append(step)
        at += n
    return work


@dataclass(slots=True)
class Seen:
    """What one follower was given, in order. pages: how often it looked and found something."""

    rows: list[tuple[int, str]] = field(default_factory=list)
    pages: int = 0


def run_race(numbering: Numbering, work: Sequence[Sequence[Step]]) -> dict[str, Seen]:
    """Write and follow at the same time; what each follower saw once all was written and read."""
    committed, written = threading.Semaphore(0), threading.Event()
    seen = {reader: Seen() for reader in READERS}
    failed: list[BaseException] = []

    def write(steps: Sequence[Step]) -> None:
        for step in steps:
            with numbering.writing() as connection:
                _wait(connection, step.before_ms)
                numbering.put(connection, step.rows)
                _wait(connection, step.held_ms)
            committed.release(len(READERS))

    def follow(reader: str) -> None:
        cursor: str | None = None
        last, more = False, False
        while not last or more:
            if not more:
                last = written.is_set()  # what was committed before this look is seen by it
                committed.acquire(timeout=0 if last else 0.05)
            rows, cursor, more = numbering.read_on(reader, cursor, PAGE)
            seen[reader].rows += rows
            seen[reader].pages += bool(rows)

    def guarded(job: Callable[[], None]) -> Callable[[], None]:
        def do() -> None:
            try:
                job()
            except BaseException as error:
                failed.append(error)
                raise

        return do

    writers = [threading.Thread(target=guarded(lambda steps=steps: write(steps))) for steps in work]  # type: ignore[misc]
    followers = [threading.Thread(target=guarded(lambda who=who: follow(who))) for who in READERS]  # type: ignore[misc]
    for thread in (*followers, *writers):
        thread.start()
    for thread in writers:
        thread.join(PATIENCE_S)
    written.set()
    for thread in followers:
        thread.join(PATIENCE_S)
    if failed:
        raise failed[0]
    if any(thread.is_alive() for thread in (*writers, *followers)):
        raise TimeoutError("the race did not end")
    return seen


def _wait(connection: Connection, milliseconds: float) -> None:
    if milliseconds:
        connection.execute(text("SELECT pg_sleep(:s)"), {"s": milliseconds / 1000})


def judge(work: Sequence[Sequence[Step]], seen: dict[str, Seen]) -> list[Violation]:
    """Every row once, in order, by the follower that it is for; the case is the row."""
    meant = {name: reader for steps in work for step in steps for reader, name in step.rows}
    found: list[Violation] = []
    for reader, got in seen.items():
        names = Counter(name for _, name in got.rows)
        numbers = [number for number, _ in got.rows]
        for name, times in names.items():
            if meant.get(name) != reader:
                found.append(Violation(case=int(name, 16), sentence=f"{reader} was given somebody else's row"))
            elif times > 1:
                found.append(Violation(case=int(name, 16), sentence=f"{reader} was given it {times} times"))
        missed = [name for name, who in meant.items() if who == reader and name not in names]
        found += [Violation(case=int(name, 16), sentence=f"{reader} never got it") for name in missed]
        for before, (number, name) in zip(numbers, got.rows[1:], strict=False):
            if number <= before:
                found.append(Violation(case=int(name, 16), sentence=f"{reader} got it out of order"))
    return found
