"""Finds a PostgreSQL server for the tests, or starts a private one that ends with the test run.

In this order: the server named by CASE_SYSTEM_TEST_POSTGRES; one on 127.0.0.1:5432 that lets us make databases; a
throw-away cluster started by `postgres_keeper`, shared by all workers of one run. Every test gets a database of its
own, dropped afterwards. Nothing here knows what the case system stores.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy.engine import URL, make_url

from tests.support.requirements import REQUIRE_POSTGRES, missing

NAMED = "CASE_SYSTEM_TEST_POSTGRES"
LOCAL = "postgresql://127.0.0.1:5432/postgres"
ENABLE = f"apt-get install postgresql, or set {NAMED} to the address of a server"


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresServer:
    """A server on which we may make and drop databases."""

    admin: URL = field(repr=False)

    def create(self, like: str | None = None) -> str:
        """Make an empty database, or a copy of the one at `like` (nobody may be connected to it); returns its SQLAlchemy URL
        (postgresql+psycopg://)."""
        name = f"lead_test_{uuid.uuid4().hex}"
        template = "template1" if like is None else make_url(like).database or ""
        self._execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))
        return self.admin.set(database=name).render_as_string(hide_password=False)

    def drop(self, url: str) -> None:
        """Drop a database that `create` made, with whatever is still connected to it."""
        name = make_url(url).database
        if name is None or not name.startswith("lead_test_"):
            raise ValueError("only databases made by create() are dropped")
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    @contextlib.contextmanager
    def database(self, like: str | None = None) -> Iterator[str]:
        """An empty database (or a copy of `like`) for the length of a `with` block, as a SQLAlchemy URL."""
        url = self.create(like)
        try:
            yield url
        finally:
            self.drop(url)

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(_libpq(self.admin), autocommit=True, connect_timeout=10) as connection:
            connection.execute(statement)


def find_server(shared: Path, controller: int) -> PostgresServer:
    """The server to use, started if need be.

    `shared` is a folder known to all workers of this run, `controller` the process whose end ends a private cluster.
    Skips (or, in continuous integration, fails) when there is no server and PostgreSQL's programs are missing.
    """
    if named := os.environ.get(NAMED):
        return PostgresServer(admin=_sqlalchemy(named))
    with _exclusive(shared / "lock"):
        address = shared / "address"
        if not address.exists():
            address.write_text(_usable_local() or _start_private(shared, controller), encoding="utf-8")
    return PostgresServer(admin=_sqlalchemy(address.read_text(encoding="utf-8")))


def programs() -> Path | None:
    """The folder of the newest initdb and postgres on this machine, or None."""
    installed = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = sorted(installed, key=lambda path: float(path.parts[-3]), reverse=True)
    on_path = shutil.which("initdb")
    candidates = [*newest, *([Path(on_path).resolve()] if on_path else [])]
    return next((path.parent for path in candidates if (path.parent / "postgres").exists()), None)


def _usable_local() -> str | None:
    """The URL of a server on the usual port that lets us make databases without being asked for a password."""
    for user in ("postgres", None):
        url = make_url(LOCAL).set(username=user)
        try:
            with psycopg.connect(_libpq(url), connect_timeout=3) as connection:
                role = "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
                row = connection.execute(role).fetchone()
        except psycopg.OperationalError:
            continue
        if row and row[0]:
            return url.render_as_string(hide_password=False)
    return None


def _start_private(shared: Path, controller: int) -> str:
    """Start a keeper with a cluster of its own and wait until it answers; returns the URL."""
    binaries = programs()
    if binaries is None:
        missing("PostgreSQL", ENABLE, REQUIRE_POSTGRES)
    log = shared / "keeper.log"
    command = [sys.executable, "-m", "tests.support.postgres_keeper", str(binaries), str(shared), str(controller)]
    with log.open("wb") as output:
        keeper = subprocess.Popen(
            command,
            cwd=Path(__file__).parents[2],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            start_new_session=True,  # Ctrl-C reaches the controller, whose end ends the keeper
        )
    if keeper.stdout is None:
        raise RuntimeError("the keeper was started without a pipe")
    with keeper.stdout as answer:
        url = answer.readline().decode().strip()
    if not url:
        raise RuntimeError(f"the private PostgreSQL did not start: {log.read_text(errors='replace')[-2000:]}")
    keeper.returncode = 0  # it outlives this worker on purpose; nobody here waits for it
    return url


@contextlib.contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    """Hold an advisory lock on the file for the length of a `with` block."""
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _sqlalchemy(url: str) -> URL:
    return make_url(url).set(drivername="postgresql+psycopg")


def _libpq(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)
