"""The device's one SQLite file: opened safely, written in short whole transactions, its faults named.

Invariants
- S1: `write()` returns only after COMMIT in WAL mode at synchronous=FULL; an error inside undoes all of it.
- Every setting that S1 and secrecy rest on is read back after it is set; a file that does not take them is not used.
- BEGIN IMMEDIATE: a writer waits for the other process first, then reads what it will change (a deferred BEGIN fails at
  once when another process wrote in between).
- One connection, one thread at a time; other processes may have the same file open.

Faults of the world, one tree; every SQLite error is translated here:

    StoreError          .code: the problem to show
    ├── DiskFull        nothing of this transaction was kept; what was saved before is safe
    ├── StoreDamaged    the file is not what was written; it is never repaired, deleted or recreated here
    ├── StoreInUse      another program holds the file
    ├── NewerStore      written by a newer app
    └── StoreUnusable   the file cannot be opened or written (permissions, input/output error)

Must not know: what the rows mean. Values are bound, never written into SQL, so no error text holds any.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Final, TypeAlias

from sqlite_utils import Database

from field_app.store.log_tail import keep_unread
from field_app.store.migrations import STEPS
from field_app.vault.errors import NotRead, NotWritten
from referral.problems import ProblemCode

Transaction: TypeAlias = Database  # what `write` and `read` lend
APPLICATION_ID: Final = 0x4C454144  # "LEAD"
BUSY_MS: Final = 5000

# pragma -> (value to set, value that must be read back)
PRAGMAS: Final[dict[str, tuple[str, int | str]]] = {
    "journal_mode": ("WAL", "wal"),
    "synchronous": ("FULL", 2),
    "secure_delete": ("ON", 1),
    "temp_store": ("MEMORY", 2),
    "trusted_schema": ("OFF", 0),
    "foreign_keys": ("ON", 1),
    "cell_size_check": ("ON", 1),
}
APPLE_PRAGMAS: Final[dict[str, tuple[str, int | str]]] = {
    "fullfsync": ("ON", 1),
    "checkpoint_fullfsync": ("ON", 1),
}


class StoreError(Exception):
    """Root of the tree; `code` is the problem to show."""

    code = ProblemCode.VAULT_DAMAGED


class DiskFull(StoreError):
    """There is no room."""

    code = ProblemCode.DISK_FULL


class StoreDamaged(StoreError):
    """The file is not what was written."""

    code = ProblemCode.VAULT_DAMAGED


class StoreInUse(StoreError):
    """Another program holds the file."""

    code = ProblemCode.IN_USE


class NewerStore(StoreError):
    """Written by a newer version of the app."""

    code = ProblemCode.UNKNOWN_VERSION


class StoreUnusable(StoreError):
    """The file cannot be opened, read or written; what was saved before is as it was."""

    code = ProblemCode.VAULT_DAMAGED


_FULL = (sqlite3.SQLITE_FULL,)
_FULL_TOO = ("SQLITE_IOERR_SHMSIZE",)  # there was no room for the index of the log
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_UNUSABLE = (
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_AUTH,
)


def translate(error: sqlite3.Error | OSError) -> StoreError:
    """The fault behind an error of SQLite or the file system. A misuse of SQL (a missing bind) is no fault: RuntimeError."""
    if isinstance(error, OSError):
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return DiskFull("the disk is full")
        return StoreUnusable(f"the file cannot be used: {error.strerror}")
    primary = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    name = getattr(error, "sqlite_errorname", None) or type(error).__name__
    if primary in _FULL or name in _FULL_TOO:
        return DiskFull("the disk is full")
    if primary in _BUSY:
        return StoreInUse("another program is using the file")
    if primary in _DAMAGED or (isinstance(error, sqlite3.OperationalError) and primary in (0, sqlite3.SQLITE_ERROR)):
        # SQLITE_ERROR on statements that are known to be right: a table or column of ours is no longer there.
        # No code at all: Python could not read a text column.
        return StoreDamaged(f"the file is damaged ({name})")
    if primary in _UNUSABLE:
        return StoreUnusable(f"the file cannot be used ({name})")
    if isinstance(error, sqlite3.IntegrityError):
        return StoreDamaged(f"the rows contradict each other ({name})")
    raise RuntimeError(f"SQLite was misused ({name})") from error


class Store:
    """One open database file. Safe for many threads: they take turns."""

    def __init__(self, path: Path, *, max_pages: int | None = None) -> None:
        """Open or create `path` and bring its schema up to date. Errors: StoreError.

        max_pages: the most pages of 4 KiB that the file may have (a test's full disk); None for no limit.
        """
        self.path = path
        self._turn = threading.RLock()
        self._writing = False
        self._reading = False
        self._index: int | None = None  # see keep_unread
        try:
            _create_private(path)
        except OSError as error:
            raise translate(error) from error
        with _faults():
            connection = sqlite3.connect(path, timeout=BUSY_MS / 1000, isolation_level=None, check_same_thread=False)
        try:
            with _faults():
                self.database = Database(connection, execute_plugins=False)
                self._settle(connection)
                self._keep_unread(connection)
                self._migrate()
                _refuse_read_only(connection)
                if max_pages is not None:
                    connection.execute(f"PRAGMA max_page_count = {int(max_pages)}")
        except BaseException:
            connection.close()
            self._let_go()
            raise

    @contextmanager
    def write(self) -> Iterator[Database]:
        """One transaction: all of it is durable when the block ends, or none of it. Never nested, nor inside `read()`: RuntimeError.

        Errors: StoreError; whatever the block raises is passed on after the rollback.
        """
        with self._turn:
            if self._writing or self._reading:
                raise RuntimeError("a transaction is open already")
            self._writing = True
            connection = self.database.conn
            try:
                with _faults():
                    connection.execute("BEGIN IMMEDIATE")
                    yield self.database
                    connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    with suppress(sqlite3.Error):  # SQLite has rolled back by itself, or will when the file is reopened
                        connection.execute("ROLLBACK")
                self._writing = False

    @contextmanager
    def read(self) -> Iterator[Database]:
        """One moment of the file: what the block reads belongs together. Inside `write()` or `read()` it reads that transaction."""
        with self._turn:
            if self._writing or self._reading:
                yield self.database
                return
            connection = self.database.conn
            self._reading = True
            try:
                with _faults():
                    connection.execute("BEGIN")
                    try:
                        yield self.database
                    finally:
                        if connection.in_transaction:
                            connection.execute("ROLLBACK")
            finally:
                self._reading = False

    def data_version(self) -> int:
        """A number that changes when another process or connection has written (own writes do not change it)."""
        with self._turn, _faults():
            return int(self.database.conn.execute("PRAGMA data_version").fetchone()[0])

    def mark(self) -> tuple[int, int]:
        """What differs after any write to the file, by this process or another."""
        with self._turn:
            return self.data_version(), self.database.conn.total_changes

    def checkpoint(self) -> None:
        """Move the write-ahead log into the file and empty it, so that no old page stays in it; skipped when in use."""
        with self._turn, _faults():
            self.database.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def check(self) -> tuple[str, ...]:
        """What SQLite's own check finds wrong, or the schema's text; empty when the file is sound. Reads the whole file.

        Errors: StoreError but damage.
        """
        with self._turn:
            try:
                found = [str(row[0]) for row in self.database.conn.execute("PRAGMA integrity_check(5)")]
                if found == ["ok"] and _schema(self.database.conn) != _schema_of_this_app():
                    found = ["its tables are not those that were made"]
            except sqlite3.DatabaseError as error:
                fault = translate(error)
                if not isinstance(fault, StoreDamaged):
                    raise fault from error
                found = [str(fault)]
            except UnicodeDecodeError:  # SQLite's own words about a damaged schema
                found = ["its text is unreadable"]
        return () if found == ["ok"] else tuple(found)

    def copy_to(self, path: Path) -> None:
        """Copy the file as it is now, log and all, to a new file at `path`; durable when it returns. Errors: StoreError."""
        try:
            _create_private(path)
        except OSError as error:
            raise translate(error) from error
        with self._turn, _faults(), closing(sqlite3.connect(path)) as copy:
            copy.execute("PRAGMA synchronous = FULL")
            self.database.conn.backup(copy)

    def pragmas(self) -> dict[str, int | str]:
        """The settings as SQLite reports them."""
        with self._turn, _faults():
            return {name: _pragma(self.database.conn, name) for name in _wanted()}

    def close(self) -> None:
        """Close the file; the last one to close it empties its log. May be called twice."""
        with self._turn:
            self.database.conn.close()
            self._let_go()

    def _let_go(self) -> None:
        index, self._index = self._index, None
        if index is not None:
            os.close(index)

    def _settle(self, connection: sqlite3.Connection) -> None:
        owner = _pragma(connection, "application_id")
        if owner not in (0, APPLICATION_ID) or (
            owner == 0 and connection.execute("SELECT 1 FROM sqlite_master").fetchone()
        ):
            raise StoreDamaged("this is another program's file")
        for name, (value, expected) in _wanted().items():
            connection.execute(f"PRAGMA {name} = {value}")
            if _pragma(connection, name) != expected:
                raise StoreUnusable(f"SQLite does not grant {name} = {value} here")
        if owner == 0:
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")

    def _keep_unread(self, connection: sqlite3.Connection) -> None:
        try:
            self._index = keep_unread(self.path, connection)
        except NotWritten as error:  # going on would write over what is not kept yet
            raise (DiskFull if error.disk_full else StoreUnusable)("the log of a crash cannot be kept") from error
        except NotRead as error:
            raise StoreUnusable("the log of a crash cannot be read") from error

    def _migrate(self) -> None:
        while (applied := _pragma(self.database.conn, "user_version")) != len(STEPS):
            if not isinstance(applied, int) or not 0 <= applied < len(STEPS):
                if int(applied) < 0 or _schema(self.database.conn) == _schema_of_this_app():
                    raise StoreDamaged("the number of the schema is not what was written")
                raise NewerStore(f"the file has schema {applied}; this app knows {len(STEPS)}")
            with self.write() as tx:
                if _pragma(tx.conn, "user_version") == applied:  # else another process was first
                    for statement in STEPS[applied]:
                        tx.conn.execute(statement)
                    tx.conn.execute(f"PRAGMA user_version = {applied + 1}")


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise translate(error) from error
    except UnicodeDecodeError as error:  # Python reading SQLite's own words about a damaged schema
        raise StoreDamaged("the file is damaged (its text is unreadable)") from error


def _wanted() -> dict[str, tuple[str, int | str]]:
    return PRAGMAS | APPLE_PRAGMAS if sys.platform in ("darwin", "ios") else PRAGMAS


def _pragma(connection: sqlite3.Connection, name: str) -> int | str:
    value = connection.execute(f"PRAGMA {name}").fetchone()[0]
    return value if isinstance(value, int) else str(value)


def _schema(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """What was made, without what SQLite keeps for itself."""
    return connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite#_%' ESCAPE '#' ORDER BY name"
    ).fetchall()


@cache
def _schema_of_this_app() -> list[tuple[str, str]]:
    with closing(sqlite3.connect(":memory:")) as connection:
        for step in STEPS:
            for statement in step:
                connection.execute(statement)
        return _schema(connection)


def _refuse_read_only(connection: sqlite3.Connection) -> None:
    """Where opening for writing fails once, SQLite opens for reading, without a word and for good. Errors: sqlite3.Error."""
    try:
        connection.execute("DELETE FROM carriage WHERE FALSE")  # BEGIN IMMEDIATE would be content with reading
    except sqlite3.OperationalError as error:
        if translate(error).code is not ProblemCode.IN_USE:  # another writes: then this can be written, too
            raise


def _create_private(path: Path) -> None:
    """Create the file for its owner only, before SQLite would create it for more; its log inherits that."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
