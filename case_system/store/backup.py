"""Backup and restore of the whole database, the same file for SQLite and PostgreSQL.

    line 1     {"format": "lead-backup/1", "schema", "epoch", "at"}
    then       ["table", {column: value}]          bytes as {"b": base64}, times as {"t": ms}, dates as {"d": iso}
    last       {"rows": n, "sha256": of all lines before}

gzip of UTF-8 lines, read in one transaction, written to a temporary file, fsynced and renamed; the whole in an encrypted file
(`strongbox.py`) unless it is asked for plain. Sealed values stay sealed: the key folder is kept apart, and a backup without it opens nothing. A restored case system gets a new epoch, so that every
device fetches everything anew and offers again what the backup does not have (S11).

    BackupError     not a whole backup of this format, or the database is not empty
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import os
import zlib
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, cast

from sqlalchemy import Connection, Engine, Table, delete, func, insert, inspect, select, text, update

from case_system.audit import Deed
from case_system.ports import Clock, RandomBytes
from case_system.store import migrate, schema
from case_system.store.engine import transaction
from case_system.store.foundation import new_epoch
from case_system.store.ledger import close
from case_system.store.migrate import Standing
from case_system.strongbox import MAGIC, BoxError, Key, Lock, Opening, Sealing, is_box

FORMAT = "lead-backup/1"
HOLDS = "backup"
_ZERO = datetime(1970, 1, 1, tzinfo=UTC)
_CHUNK = 500


class BackupError(Exception):
    """Not a whole backup, or no place to restore it to; nothing was changed."""


def _out(value: Any) -> Any:
    match value:
        case bytes():
            return {"b": base64.b64encode(value).decode()}
        case datetime():
            return {"t": (value - _ZERO) // timedelta(milliseconds=1)}
        case date():
            return {"d": value.isoformat()}
        case _:
            return value


def _in(value: Any) -> Any:
    match value:
        case {"b": str(data)}:
            return base64.b64decode(data)
        case {"t": int(ms)}:
            return _ZERO + timedelta(milliseconds=ms)
        case {"d": str(day)}:
            return date.fromisoformat(day)
        case _:
            return value


def write(
    engine: Engine, target: Path, *, clock: Clock, lock: Lock | None = None, rng: RandomBytes = os.urandom
) -> int:
    """Write a backup file (readable by its owner only); how many rows it has. lock: what opens it; None: it is not encrypted."""
    part = target.with_name(target.name + ".part")
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "wb") as raw:
        if lock is None:
            rows = _write_into(raw, engine, clock)
        else:
            box = Sealing(raw, lock, HOLDS, rng)
            rows = _write_into(cast(BinaryIO, box), engine, clock)
            box.finish()
        raw.flush()
        os.fsync(raw.fileno())
    os.replace(part, target)
    return rows


def _write_into(raw: BinaryIO, engine: Engine, clock: Clock) -> int:
    digest, rows = hashlib.sha256(), 0
    with gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as file:

        def put(document: Any) -> None:
            line = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
            digest.update(line)
            file.write(line)

        with transaction(engine, write=False) as db:
            if db.dialect.name == "postgresql":
                db.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
            agency = db.execute(select(schema.agency)).one()
            put({"format": FORMAT, "schema": _version(db), "epoch": agency.epoch, "at": _out(clock())})
            for table, row in rows_of(db):
                put([table.name, {name: _out(value) for name, value in row.items() if value is not None}])
                rows += 1
        file.write(json.dumps({"rows": rows, "sha256": digest.hexdigest()}).encode() + b"\n")
    return rows


def rows_of(db: Connection) -> Iterator[tuple[Table, dict[str, Any]]]:
    """Every row of every table that is here, what is referred to first; of an earlier version too."""
    columns = _columns(db)
    for table in (t for t in schema.metadata.sorted_tables if t.name in columns):
        wanted = [column for column in table.columns if column.name in columns[table.name]]
        for row in db.execute(select(*wanted).order_by(*table.primary_key.columns)).mappings():
            yield table, dict(row)


def _columns(db: Connection) -> dict[str, frozenset[str]]:
    """The tables and columns that this database has of those we know."""
    here = inspect(db)
    known = [table.name for table in schema.metadata.sorted_tables if here.has_table(table.name)]
    return {name: frozenset(column["name"] for column in here.get_columns(name)) for name in known}


def _version(db: Connection) -> str:
    return str(db.execute(text("SELECT version_num FROM alembic_version")).scalar_one())


def _lines(source: Path, key: Key | None) -> Iterator[bytes]:
    try:
        with source.open("rb") as raw:
            file: BinaryIO = raw
            sealed = is_box(raw.read(len(MAGIC)))
            raw.seek(0)
            if sealed:
                if key is None:
                    raise BackupError("the file is encrypted")
                file = cast(BinaryIO, io.BufferedReader(Opening(raw, key, HOLDS)))
            with gzip.open(file, "rb") as lines:
                yield from lines
    except BoxError as error:
        raise BackupError(str(error)) from error
    except (OSError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise BackupError("the file is cut off or is no backup") from error


def check(source: Path, key: Key | None = None) -> dict[str, Any]:
    """The head of a backup file, after reading it to its end; BackupError unless it is whole."""
    head: dict[str, Any] = {}
    digest, rows, end = hashlib.sha256(), 0, None
    for line in _lines(source, key):
        if end is not None:
            raise BackupError("there is something after the end")
        try:
            document = json.loads(line)
        except ValueError as error:
            raise BackupError("a line cannot be read") from error
        if isinstance(document, dict) and "sha256" in document:
            end = document
            continue
        if not head:
            if not isinstance(document, dict) or document.get("format") != FORMAT:
                raise BackupError("this is not a backup of this format")
            head = document
        else:
            rows += 1
        digest.update(line)
    if end is None or end["sha256"] != digest.hexdigest() or end["rows"] != rows:
        raise BackupError("the file is cut off or was changed")
    return head | {"rows": rows}


def restore(
    engine: Engine, source: Path, *, clock: Clock, rng: RandomBytes, replace: bool = False, key: Key | None = None
) -> int:
    """Put a backup into an empty database, or (replace) over everything that is there; how many rows. A new epoch begins.

    A backup of an earlier version is put into tables of that version first, and these are brought forward, in one transaction.
    Where both are of this version, the tables stay and are emptied.
    """
    head = check(source, key)
    if not migrate.knows(head["schema"]):
        raise BackupError("the backup was made by a later version; restore it with that version")
    standing = migrate.standing(engine)
    now, same = clock(), head["schema"] == migrate.head()
    with transaction(engine, write=True) as db:
        if standing is not Standing.EMPTY:
            if not replace and db.execute(select(func.count()).select_from(schema.agency)).scalar_one():
                raise BackupError("there is a case system in this database already")
            if not same or standing is not Standing.CURRENT:
                schema.metadata.drop_all(db)
                db.execute(text("DROP TABLE alembic_version"))
        if same and standing is Standing.CURRENT:
            for table in reversed(schema.metadata.sorted_tables):
                db.execute(delete(table))
        else:
            migrate.upgrade_on(db, head["schema"])
        rows = fill(db, rows_in(source, key))
        if not same:
            migrate.upgrade_on(db)
        db.execute(update(schema.agency).values(epoch=new_epoch(rng)))
        close(db, [], [Deed(actor="administrator", action="restore", outcome="done")], now)
    return rows


def rows_in(source: Path, key: Key | None = None) -> Iterator[tuple[Table, dict[str, Any]]]:
    """The rows of a backup file."""
    tables = {table.name: table for table in schema.metadata.sorted_tables}
    for line in _lines(source, key):
        document = json.loads(line)
        if isinstance(document, list):
            yield tables[document[0]], {name: _in(value) for name, value in document[1].items()}


def fill(db: Connection, rows: Iterable[tuple[Table, dict[str, Any]]]) -> int:
    """Put rows into empty tables, those of one table together; how many."""
    columns = _columns(db)
    waiting: list[dict[str, Any]] = []
    current: Table | None = None
    count = 0
    for table, row in rows:
        if current is not None and (table is not current or len(waiting) >= _CHUNK):
            _put(db, current, columns[current.name], waiting)
        current = table
        waiting.append(row)
        count += 1
    if current is not None:
        _put(db, current, columns[current.name], waiting)
    _count_on(db, columns)
    return count


def _put(db: Connection, table: Table, names: Collection[str], rows: list[dict[str, Any]]) -> None:
    """Insert rows whole: what a row does not say is NULL, in the columns that the table has at this revision."""
    if rows:
        db.execute(insert(table), [{name: row.get(name) for name in names} for row in rows])
    rows.clear()


def _count_on(db: Connection, here: Collection[str]) -> None:
    """PostgreSQL's own counters go on after the restored numbers."""
    if db.dialect.name != "postgresql":
        return
    for table in (t for t in schema.metadata.sorted_tables if t.name in here):
        for column in table.columns:
            if column.name == "id" and column.autoincrement is True:
                highest = db.execute(select(func.coalesce(func.max(column), 0))).scalar_one()
                db.execute(
                    text("SELECT setval(pg_get_serial_sequence(:t, 'id'), :n, true)"),
                    {"t": table.name, "n": max(1, highest)},
                )
