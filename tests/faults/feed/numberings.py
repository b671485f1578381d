"""The case system's own numbering, from its ledger and read by its feed; and the control that loses rows."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path

from sqlalchemy import Connection, text

from case_system import feed
from case_system.keyfolder import KeyFolder
from case_system.store import foundation
from case_system.store.database import Database
from case_system.store.engine import Engine, open_engine, transaction
from case_system.store.ledger import close
from referral.model import UserId
from referral.port import ChangeKind
from tests.faults.feed.race import Numbering
from tests.support.agency import StillClock
from tests.support.packs import baltimore, baltimore_files
from tests.support.postgres import PostgresServer, find_server

_given: list[PostgresServer] = []


def use(server: PostgresServer) -> None:
    """Race on this server instead of one of this process's own."""
    _given[:] = [server]


@cache
def _own() -> PostgresServer:
    shared = Path(tempfile.mkdtemp(prefix="lead-feed-"))
    atexit.register(shutil.rmtree, shared, ignore_errors=True)
    return find_server(shared, os.getpid())


@contextmanager
def _database() -> Iterator[Engine]:
    server = _given[0] if _given else _own()
    with server.database() as url:
        engine = open_engine(url)
        try:
            yield engine
        finally:
            engine.dispose()


class Ledger:
    """As the case system does it: numbers from the one row that is locked last, read by `feed.pull`."""

    def __init__(self, engine: Engine, keys: KeyFolder) -> None:
        self._engine, self._clock = engine, StillClock()
        self._database = Database(engine, clock=self._clock, rng=os.urandom, keys=keys)

    def writing(self) -> AbstractContextManager[Connection]:
        return transaction(self._engine, write=True)

    def put(self, connection: Connection, rows: Sequence[tuple[str, str]]) -> None:
        kind = ChangeKind.GONE.value
        told = [{"user_id": reader, "device_id": None, "kind": kind, "object_id": name} for reader, name in rows]
        close(connection, told, (), self._clock())

    def read_on(self, reader: str, cursor: str | None, limit: int) -> tuple[list[tuple[int, str]], str, bool]:
        with self._database.read() as reading:
            page = feed.pull(reading, UserId(reader), "0" * 32, cursor, baltimore().caps, limit)
        if page.reset:
            raise AssertionError("a cursor of this very feed was not known")
        return [(c.seq, c.referral_id or "") for c in page.changes], page.cursor, page.more


class Serial:
    """The control: a number from a sequence, given before the commit, and the highest one seen as the cursor."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE serial_feed (seq BIGSERIAL PRIMARY KEY, reader TEXT, name TEXT)"))

    def writing(self) -> AbstractContextManager[Connection]:
        return self._engine.begin()

    def put(self, connection: Connection, rows: Sequence[tuple[str, str]]) -> None:
        new = text("INSERT INTO serial_feed (reader, name) VALUES (:reader, :name)")
        connection.execute(new, [{"reader": reader, "name": name} for reader, name in rows])

    def read_on(self, reader: str, cursor: str | None, limit: int) -> tuple[list[tuple[int, str]], str, bool]:
        found = text("SELECT seq, name FROM serial_feed WHERE reader = :r AND seq > :c ORDER BY seq LIMIT :n")
        with self._engine.connect() as connection:
            rows = [
                (row.seq, row.name)
                for row in connection.execute(found, {"r": reader, "c": int(cursor or 0), "n": limit})
            ]
        return rows, str(rows[-1][0]) if rows else cursor or "0", len(rows) == limit


@contextmanager
def ledger() -> Iterator[Numbering]:
    """The case system's own, in a database of its own."""
    with _database() as engine, tempfile.TemporaryDirectory(prefix="lead-feed-") as place:
        keys = KeyFolder.create(Path(place) / "keys", os.urandom)
        foundation.lay(engine, baltimore_files(), clock=StillClock(), rng=os.urandom)
        yield Ledger(engine, keys)


@contextmanager
def serial() -> Iterator[Numbering]:
    """The control, in a database of its own."""
    with _database() as engine:
        yield Serial(engine)
