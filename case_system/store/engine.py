"""Opens the database: SQLite beside its keys, or PostgreSQL; and translates its faults.

SQLite: WAL, synchronous=FULL, foreign keys, and BEGIN IMMEDIATE for every write (a deferred one that reads first fails at
once when another process wrote in between). PostgreSQL: READ COMMITTED with row locks taken in one order.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, create_engine, event, make_url
from sqlalchemy import Engine as Engine  # the composition root names the type from here
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from case_system.storage import Contention, StorageFull, Unreachable

BUSY_MS = 15_000


def open_engine(url: str) -> Engine:
    """The engine for a database URL: `sqlite:///FILE`, `postgresql://...`."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        return create_engine(parsed, pool_size=8, max_overflow=16, pool_pre_ping=True, hide_parameters=True)
    if parsed.get_backend_name() != "sqlite":
        raise ValueError("the database is SQLite or PostgreSQL")
    waits = {"timeout": BUSY_MS / 1000, "check_same_thread": False}
    engine = create_engine(parsed, connect_args=waits, hide_parameters=True)  # values stay out of error texts

    @event.listens_for(engine, "connect")
    def _prepare(raw: Any, _: object) -> None:
        raw.isolation_level = None  # we begin transactions ourselves
        cursor = raw.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "trusted_schema=OFF",
            "temp_store=MEMORY",
            "secure_delete=ON",
            f"busy_timeout={BUSY_MS}",
            "cache_size=-65536",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get("lead_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


@contextmanager
def transaction(engine: Engine, *, write: bool) -> Iterator[Connection]:
    """One transaction: committed when the block ends well, else undone; faults come out as StorageError."""
    with translated(), engine.connect() as connection:
        connection = connection.execution_options(lead_write=write)
        with connection.begin():
            yield connection


_RETRY_STATES = frozenset({"40001", "40P01", "55P03"})  # serialization failure, deadlock, lock not available


@contextmanager
def translated() -> Iterator[None]:
    """Database faults as StorageError. Texts of the database may quote values, so they are not carried on."""
    try:
        yield
    except IntegrityError as error:
        raise Contention("somebody else was first") from error
    except OperationalError as error:
        text = str(error.orig).lower()
        state = getattr(error.orig, "sqlstate", None)
        if "locked" in text or "busy" in text or state in _RETRY_STATES:
            raise Contention("the database is busy") from error
        if "disk is full" in text or "full" in text.split() or state == "53100":
            raise StorageFull("no space") from error
        raise Unreachable("the database does not answer") from error
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) in _RETRY_STATES:
            raise Contention("the database is busy") from error
        raise
