"""BIGSERIAL as a cursor: numbers given when rows are written, seen when they are committed. Needs two writers at once: PostgreSQL.

One writer is held just before its COMMIT; a second one writes, and a follower reads on; then the first one commits. With numbers
in the order of COMMIT the second waits or is told to come again; with BIGSERIAL the follower has passed the first one's rows by.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, event, func, insert, select

from case_system.audit import Deed
from case_system.store import docket, schema
from case_system.store.reading import SqlReading
from referral.port import Refused
from tests.faults.zoo.defect import Defect, swap
from tests.support.agency import Agency
from tests.support.device import arrest
from tests.support.postgres import find_server

_HOLD_MS: Final = 100


def numbers_at_the_insert() -> Any:
    """Feed numbers come from a sequence."""
    sequence = itertools.count(1_000)

    def close_(original: Any) -> Any:
        def close(
            connection: Connection, feed: Sequence[Mapping[str, Any]], deeds: Sequence[Deed], now: datetime
        ) -> None:
            if feed:
                connection.execute(insert(schema.feed), [{**row, "seq": next(sequence), "at": now} for row in feed])

        return close

    def span(original: Any) -> Any:
        def feed_span(self: SqlReading) -> tuple[int, int]:
            return 0, self._db.execute(select(func.coalesce(func.max(schema.feed.c.seq), 0))).scalar_one()

        return feed_span

    stack = ExitStack()
    stack.enter_context(swap(docket, "close", close_))
    stack.enter_context(swap(SqlReading, "feed_span", span))
    return stack


def a_late_commit() -> str | None:
    """The follower sees what both wrote."""
    with _postgres() as url, tempfile.TemporaryDirectory() as folder:
        agency = Agency.found(url, Path(folder))
        engine = agency.engine
        first, second, follower = agency.device("o1"), agency.device("o2"), agency.device("cm1")
        follower.pull()
        engine.dispose()  # connections of before have no limit to their waiting

        @event.listens_for(engine, "connect")
        def _impatient(raw: Any, _: object) -> None:
            with raw.cursor() as cursor:
                cursor.execute(f"SET lock_timeout = {_HOLD_MS}")
            raw.commit()

        one, other = arrest(), arrest()
        envelope = second.create(other)
        held: list[bool] = []

        @event.listens_for(engine, "commit")
        def _late(connection: Connection) -> None:
            if held or not connection.get_execution_options().get("lead_write"):
                return
            held.append(True)
            with suppress(Refused):  # it was not let past: it comes again
                second.send(envelope)
            follower.pull()

        try:
            first.send(first.create(one))
            second.send(envelope)
            seen = follower.pull().referrals
        finally:
            engine.dispose()
        missing = [referral for referral in (one, other) if referral.referral_id not in seen]
        return "a follower passed by what was committed late" if missing else None


@contextmanager
def _postgres() -> Iterator[str]:
    shared = Path(tempfile.mkdtemp(prefix="lead-zoo-"))
    try:
        with find_server(shared, os.getpid()).database() as url:
            yield url
    finally:
        keeper = shared / "keeper.pid"
        if keeper.exists():
            os.kill(int(keeper.read_text(encoding="ascii")), signal.SIGTERM)
        else:
            shutil.rmtree(shared, ignore_errors=True)


OVERTAKING: Final = (Defect(name="BIGSERIAL cursor", breaks="S11", seed=numbers_at_the_insert, own=a_late_commit),)
