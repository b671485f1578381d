"""Tells every process on a PostgreSQL database that something was committed: NOTIFY in the write transaction, LISTEN beside it.

    channel  lead_field
    payload  the newest feed number, and nothing else: no person, no user, no referral

The notification arrives at COMMIT or not at all. Losing one costs a second at most, because everybody who listens also looks by
themselves; so a listener that lost its connection only rings once more when it is back. SQLite has no such thing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import psycopg
from sqlalchemy import Connection, Engine, func, select

log = logging.getLogger(__name__)
CHANNEL = "lead_field"
BACK_AFTER_S = 1.0  # how long a listener waits before it connects again
LOOK_S = 1.0  # how often it looks whether it should end


def ring(connection: Connection, seq: int) -> None:
    """Inside a write transaction: ring at COMMIT. Nothing on SQLite."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_notify(CHANNEL, str(seq))))


def has_bell(engine: Engine) -> bool:
    """True when other processes can be heard."""
    return engine.dialect.name == "postgresql"


def listen(engine: Engine, rung: Callable[[], None], stop: threading.Event) -> None:
    """Call `rung` for what any process commits, until `stop` is set; connects again as often as it must. Blocks."""
    address = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    while not stop.is_set():
        try:
            with psycopg.connect(address, autocommit=True, connect_timeout=10, keepalives_idle=30) as connection:
                connection.execute(f"LISTEN {CHANNEL}")
                rung()  # whatever was said before is not heard any more
                while not stop.is_set():
                    if any(True for _ in connection.notifies(timeout=LOOK_S, stop_after=1)):
                        rung()
        except psycopg.Error:
            log.warning("the database's bell is not heard; it is asked again", exc_info=True)
            stop.wait(BACK_AFTER_S)
