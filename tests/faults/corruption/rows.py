"""Tampering by someone who knows the schema: rows exchanged, changed, taken out, put back, with and without the manifest.

Each deed is one or a few statements on the shut device's database, done with plain SQLite and no key. The list is worked out from what
the image holds, in a fixed order.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any, Final

from field_app.sync.machine import State

_ROW: Final = ("id", "shelf", "rev", "key_epoch", "box")
_OUT: Final = ("op_id", "state", "device_seq", "fingerprint", "meta", "envelope", "receipt")
_SHELVES: Final = ("own", "record", "step", "view", "notice", "caseload", "draft", "nowhere")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One tampering. older: it puts back what was there once."""

    how: str
    statements: tuple[tuple[str, tuple[Any, ...]], ...] = field(repr=False)

    def do(self, database: Path) -> None:
        """Change the file."""
        with closing(sqlite3.connect(database, isolation_level=None)) as db:
            db.execute("PRAGMA ignore_check_constraints = ON")
            for statement, values in self.statements:
                db.execute(statement, values)


def deeds(late: Path, early: Path) -> tuple[Deed, ...]:
    """All tamperings of the database `late`; `early` is the same one at an earlier moment."""
    with closing(sqlite3.connect(late)) as db, closing(sqlite3.connect(early)) as old:
        rows = list(db.execute("SELECT id, shelf, rev, key_epoch, box FROM row ORDER BY id"))
        former = {row[0]: row for row in old.execute("SELECT id, shelf, rev, key_epoch, box FROM row ORDER BY id")}
        out = [row[0] for row in db.execute("SELECT op_id FROM outbox ORDER BY n")]
        notes = [row[0] for row in db.execute("SELECT name FROM carriage ORDER BY name")]
        manifests = dict(old.execute("SELECT book, box FROM manifest"))
    found = [*_of_rows(rows), *_put_back(rows, former, manifests), *_of_outbox(out), *_of_notes(notes, manifests)]
    return tuple(found)


def _of_rows(rows: Sequence[tuple[Any, ...]]) -> list[Deed]:
    found = []
    for one, other in combinations([row[0] for row in rows], 2):
        found += [_swap("row", "id", column, one, other) for column in ("box", "shelf", "rev")]
        found.append(_swap("row", "id", "id", one, other))
        found.append(Deed(how="rows deleted", statements=(_delete(one), _delete(other))))
        found.append(Deed(how="row over another", statements=(_delete(other), ("UPDATE row SET id = ? WHERE id = ?", (other, one)))))  # fmt: skip
    for row in rows:
        found.append(Deed(how="row deleted", statements=(_delete(row[0]),)))
        found.append(Deed(how="row deleted", statements=(_delete(row[0]), _NO_MANIFEST)))
        for column, value in [*(("shelf", name) for name in _SHELVES), ("rev", row[2] + 1), ("rev", -1), ("key_epoch", 2), ("key_epoch", -1), ("box", b""), ("box", b"\x01")]:  # fmt: skip
            found.append(_set("row", "id", column, value, row[0]))
        twin = bytes(16 - len(b"twin")) + b"twin"
        found.append(Deed(how="row doubled", statements=(("INSERT INTO row SELECT ?, shelf, rev, key_epoch, box FROM row WHERE id = ?", (twin, row[0])),)))  # fmt: skip
    found.append(Deed(how="rows deleted", statements=(("DELETE FROM row", ()),)))
    found.append(Deed(how="rows deleted", statements=(("DELETE FROM row", ()), _NO_MANIFEST)))
    found.append(Deed(how="manifest deleted", statements=(_NO_MANIFEST,)))
    return found


def _put_back(rows: Sequence[tuple[Any, ...]], former: dict[bytes, Any], manifests: dict[str, bytes]) -> list[Deed]:
    changed = [row[0] for row in rows if row[0] in former and former[row[0]] != row]
    gone = [row_id for row_id in former if row_id not in {row[0] for row in rows}]
    again = {row_id: _insert(former[row_id]) for row_id in [*changed, *gone]}
    old_book = ("UPDATE manifest SET box = ? WHERE book = 'vault'", (manifests["vault"],))
    found = [Deed(how="old row", statements=(statement,)) for statement in again.values()]
    found += [Deed(how="old row", statements=(statement, old_book)) for statement in again.values()]
    found.append(Deed(how="old manifest", statements=(old_book,)))
    everything = tuple(_insert(row) for row in former.values())
    found.append(Deed(how="old rows", statements=(("DELETE FROM row", ()), *everything, old_book)))
    found.append(Deed(how="old rows", statements=(("DELETE FROM row", ()), *everything)))
    return found


def _of_outbox(out: Sequence[bytes]) -> list[Deed]:
    found = []
    for one, other in combinations(out, 2):
        found += [_swap("outbox", "op_id", column, one, other) for column in _OUT if column != "op_id"]
        found.append(_swap("outbox", "op_id", "op_id", one, other))
    for op_id in out:
        gone = ("DELETE FROM outbox WHERE op_id = ?", (op_id,))
        found.append(Deed(how="operation deleted", statements=(gone,)))
        found.append(
            Deed(how="operation deleted", statements=(gone, ("DELETE FROM manifest WHERE book = 'outbox'", ())))
        )
        values: list[tuple[str, Any]] = [("state", state.value) for state in State]
        values += [("state", "nowhere"), ("device_seq", 2**40), ("settled_at", 1), ("settled_at", 2**62), ("rev", 99)]
        values += [("envelope", None), ("meta", None), ("receipt", None), ("envelope", b""), ("meta", b"\0\0\0\1x")]
        values += [("attempts", 2**40), ("next_at", 2**62), ("next_at", -(2**62)), ("set_at", 2**62), ("alone", 1)]
        values += [("trouble", "nonsense"), ("trouble", "bad_signature"), ("fingerprint", bytes(32))]
        found += [_set("outbox", "op_id", column, value, op_id) for column, value in values]
    found.append(Deed(how="operations deleted", statements=(("DELETE FROM outbox", ()),)))
    found.append(Deed(how="operations deleted", statements=(("DELETE FROM outbox", ()), ("DELETE FROM manifest", ()))))
    return found


def _of_notes(notes: Sequence[str], manifests: dict[str, bytes]) -> list[Deed]:
    found = [_swap("carriage", "name", "box", one, other) for one, other in combinations(notes, 2)]
    found += [
        Deed(how="note deleted", statements=(("DELETE FROM carriage WHERE name = ?", (name,)),)) for name in notes
    ]
    found += [
        _set("carriage", "name", "box", value, name) for name in notes for value in (b"", bytes(60), b"\xff" * 60)
    ]
    for book, box in manifests.items():
        found.append(
            Deed(how="old manifest", statements=(("UPDATE manifest SET box = ? WHERE book = ?", (box, book)),))
        )
        for other in (b"", b"\x02" + box[1:], box[:-1]):
            found.append(Deed(how="manifest changed", statements=(("UPDATE manifest SET box = ? WHERE book = ?", (other, book)),)))  # fmt: skip
    found.append(Deed(how="manifests exchanged", statements=(("UPDATE manifest SET box = (SELECT m.box FROM manifest m WHERE m.book <> manifest.book)", ()),)))  # fmt: skip
    return found


_NO_MANIFEST: Final = ("DELETE FROM manifest WHERE book = 'vault'", ())


def _delete(row_id: bytes) -> tuple[str, tuple[Any, ...]]:
    return "DELETE FROM row WHERE id = ?", (row_id,)


def _insert(row: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    return f"INSERT OR REPLACE INTO row ({', '.join(_ROW)}) VALUES (?, ?, ?, ?, ?)", row


def _set(table: str, key: str, column: str, value: Any, name: Any) -> Deed:
    return Deed(how=f"{table}.{column} changed", statements=((f"UPDATE {table} SET {column} = ? WHERE {key} = ?", (value, name)),))  # fmt: skip


def _swap(table: str, key: str, column: str, one: Any, other: Any) -> Deed:
    how = f"{table}.{column} exchanged"
    if column == key:
        aside = f"UPDATE {table} SET {column} = ? WHERE {key} = ?"
        steps = ((aside, (bytes(16), one)), (aside, (one, other)), (aside, (other, bytes(16))))
        return Deed(how=how, statements=steps)
    sql = f"UPDATE {table} SET {column} = (SELECT t.{column} FROM {table} t WHERE t.{key} = CASE {table}.{key} WHEN ? THEN ? ELSE ? END) WHERE {key} IN (?, ?)"
    return Deed(how=how, statements=((sql, (one, other, one, one, other)),))
