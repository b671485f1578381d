"""The process that forks those that are killed: `python -m tests.faults.kills.nursery PLACE FIRST COUNT [careless | hasty]`, under the shim.

Everything is imported here once, so that a kill costs a fork. Prints a tally as JSON. `careless`: the store says "saved" before it
commits, which has to be found. `hasty`: a dispatcher records a message before it sends it, which has to be found too.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlite_utils import Database

from case_system.dispatcher import Dispatcher, DueNotice
from case_system.notify.wording import wake_up
from case_system.ways import Tried
from field_app.store.database import Store
from tests.faults.disk.control import Control
from tests.faults.disk.judge import Broken
from tests.faults.disk.scenes import Stage
from tests.faults.disk.town import packs_read_once
from tests.faults.kills.device import kill_device
from tests.faults.kills.dispatcher import Point, kill_dispatcher
from tests.faults.kills.server import kill_server

CARELESS: Final = "careless"
HASTY: Final = "hasty"
POINTS: Final = tuple(Point)
HTTP: Final = 30  # one case in so many is a server over HTTP


def kill(stage: Stage, control: Control, number: int) -> tuple[str, str]:
    """Do the case: who was killed and how, and how it ended. Errors: Broken."""
    match number % 10:
        case 0 | 1 | 2 | 3 | 4:
            return "device at a call", kill_device(stage, control, number, by_clock=False)
        case 5:
            point = POINTS[number // 10 % len(POINTS)]
            return f"dispatcher {point.value}", kill_dispatcher(stage, control, number, point)
        case 6:
            return "device by the clock", kill_device(stage, control, number, by_clock=True)
        case 7 | 8:
            return "server at a call", kill_server(stage, control, number, http=False, by_clock=False)
        case _:
            http = number % HTTP == HTTP - 1
            how = "server over HTTP at a call" if http else "server by the clock"
            return how, kill_server(stage, control, number, http=http, by_clock=not http)


def main(place: Path, first: int, count: int, *words: str) -> None:
    """Kill in these cases."""
    control = Control(Path(os.environ["LEAD_DISK_CONTROL"]))
    counts: Counter[str] = Counter()
    violations: list[tuple[int, str]] = []
    with packs_read_once():
        stage = Stage(place)
        if CARELESS in words:
            be_careless()
        if HASTY in words:
            be_hasty()
        for number in range(first, first + count):
            try:
                who, ended = kill(stage, control, number)
                counts[who] += 1
                counts[ended] += 1
            except Broken as broken:
                violations.append((number, str(broken)))
        stage.rest()
    print(json.dumps({"counts": counts, "violations": violations}))


def be_careless() -> None:
    """Let the store say "saved" at once and commit with the next write."""
    read = Store.read

    @contextmanager
    def later(self: Store) -> Iterator[Database]:
        connection = self.database.conn
        if connection.in_transaction:
            connection.execute("COMMIT")
        connection.execute("BEGIN IMMEDIATE")
        yield self.database

    @contextmanager
    def as_it_seems(self: Store) -> Iterator[Database]:
        if self.database.conn.in_transaction:
            yield self.database
        else:
            with read(self) as tx:
                yield tx

    Store.write, Store.read = later, as_it_seems  # type: ignore[method-assign]


def be_hasty() -> None:
    """Let a dispatcher record that a message went out, and send it then."""

    def carry(self: Dispatcher, notice: DueNotice) -> None:
        self.book.sent(notice, self.clock(), [Tried(channel_id=way.channel_id) for way in notice.ways])
        self.channels.send(notice.ways, wake_up(notice.kind, notice.notice_id, notice.language))

    Dispatcher._carry = carry  # type: ignore[method-assign]


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])
