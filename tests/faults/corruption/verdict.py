"""Compares what a damaged device shows with the truth, and says which promise was broken, if any.

Allowed: all that was written, as it was written; or words of trouble that speak of the part that is not. Forbidden:

    wrong      a row or a referral is shown that was never written (with a word of trouble: one that was never written at this or an
               earlier moment)
    silent     something is missing or old and no word speaks of it
    surprise   an exception that is none of the device's own
    deleted    a file of the device is gone, or was written over, without a copy of the bytes anywhere in the folder
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace

from field_app.snapshot import Connection, Snapshot
from tests.faults.corruption.images import Image
from tests.faults.corruption.sight import Sight

_ALL = {"folder", "doctor", "doctor.database", "doctor.log", "incident.database_lost", "incident.database_rebuilt"}
_ALL |= {"incident.operations_returned"}  # the database was older than the files: of rows and operations alike
OF_ROWS = _ALL | {"unlock", "rows", "rolled_back", "doctor.rows", "close", "incident.rows_salvaged"}
OF_OPERATIONS = _ALL | {
    "operations",
    "rolled_back",
    "unlock",
    "incident.operations_changed",
    "doctor.outbox",
    "doctor.envelope_files",
    "doctor.sealed",
}
OF_SCREEN = (
    OF_ROWS
    | OF_OPERATIONS
    | {"doctor.incidents", "gate", "detail", "doctor.vault_key", "doctor.programme", "doctor.lease"}
)
_REWRITTEN = ("attempts", ".attempts", ".generation", "field.db-shm", "settings.json", "sync.lock")


def broken(truth: Sight, sight: Sight, earlier: Sequence[Sight] = ()) -> list[str]:
    """The promises that this sight breaks, a sentence each. earlier: what the device held before, rightly shown with a word."""
    if sight.surprise is not None:
        return [f"surprise: {sight.surprise}"]
    said = _about(sight)
    found = [f"wrong: row on shelf {row[0]}" for row_id, row in sight.rows.items() if not _known(row_id, row, "rows", truth, earlier, said & OF_ROWS)]  # fmt: skip
    found += [f"wrong: referral {name} on the screen" for name, shown in sight.details.items() if not _known(name, shown, "details", truth, earlier, said & OF_ROWS)]  # fmt: skip
    lost = truth.rows.keys() - sight.rows.keys()
    if lost and not said & OF_ROWS:
        shelves = sorted({truth.rows[row_id][0] for row_id in lost})
        found.append(f"silent: {len(lost)} rows are missing ({', '.join(shelves)})")
    if _ops(sight, truth) != truth.ops and not said & OF_OPERATIONS:
        found.append(f"silent: {_difference(truth, sight)}")
    if _screen(sight) != _screen(truth) and not said & OF_SCREEN:
        found.append("silent: the screen shows something else")
    return found


def deleted(before: Image, after: Mapping[str, bytes], truth: Image, sight: Sight) -> list[str]:
    """Which files are gone without a copy. Envelope files may be mended: `truth` has the bytes they should hold."""
    kept = set(after.values())
    found = []
    for name, data in before.items():
        if name.startswith("programme") or name.endswith(_REWRITTEN) or after.get(name) == data or data in kept:
            continue
        if name == "field.db" and "field.db-wal" in before:
            continue  # SQLite replays the log into it
        if name == "field.db-wal" and "doctor.log" not in sight.said:
            continue  # replayed whole, and emptied
        if name == "field.db" and not any("damage" in word or "broken" in word for word in sight.said.values()):
            continue  # whole, and written on as every day
        if name == "field.db" and (had := content(data)) is not None and _wanted(had, truth) <= _contents(after):
            continue  # every row as it was, in this file or in a copy
        if name.startswith("outbox") and after.get(name) == truth.get(name):
            continue
        found.append(f"deleted: {name.split('/')[0]}")
    return found


def _known(name: object, value: object, what: str, truth: Sight, earlier: Sequence[Sight], said: set[str]) -> bool:
    sights = (truth, *earlier) if said else (truth,)
    if any(getattr(sight, what).get(name) == value for sight in sights):
        return True
    if not said:
        return False
    if what == "details":  # where the own record is gone, the case system's form of it is shown
        return any(sight.views.get(str(name)) == value for sight in sights)
    # own values are written anew from the sealed file that has them too
    return isinstance(value, tuple) and value[0] == "own" and any(value in sight.rows.values() for sight in sights)


def content(database: bytes) -> set[tuple[object, ...]] | None:
    """Every row, and every sealed piece of an operation, in a database's bytes; None where SQLite cannot read it all."""
    if len(database) < 100:
        return None
    with closing(sqlite3.connect(":memory:")) as db:
        try:
            db.deserialize(database[:18] + b"\1\1" + database[20:])  # as if it had no log
            if db.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",):
                return None
            rows = set(db.execute("SELECT id, shelf, rev, key_epoch, box FROM row"))
            pieces = [
                piece for row in db.execute("SELECT meta, envelope, receipt FROM outbox") for piece in row if piece
            ]
            return rows | {(piece,) for piece in pieces}
        except (sqlite3.Error, UnicodeDecodeError):
            return None


def _wanted(had: set[tuple[object, ...]], truth: Image) -> set[tuple[object, ...]]:
    """What must still be there: all rows, and the pieces that are as they were written; a harmed one may be mended from its file."""
    whole = content(truth["field.db"]) or set()
    return {piece for piece in had if len(piece) > 1 or piece in whole}


def _contents(files: Mapping[str, bytes]) -> set[tuple[object, ...]]:
    found: set[tuple[object, ...]] = {(data,) for data in files.values()}
    for name, data in files.items():
        if name.endswith("field.db"):
            found |= content(data) or set()
    return found


def _about(sight: Sight) -> set[str]:
    """What the words speak of. Envelope files that the database does not know say of all of it that it is not the newest."""
    unknown = "unknown files" in sight.said.get("doctor.envelope_files", "")
    return set(sight.said) | ({"rows"} if unknown else set())


def _screen(sight: Sight) -> Snapshot | None:
    """What is shown, without the notes of trying, which any round makes new and no seal holds: when, how often, why not."""
    shot = sight.shot
    if shot is None:
        return None
    line = replace(shot.delivery, connection=Connection.NOT_TRIED, last_sync=None, next_try=None)
    outbox = tuple(replace(row, attempts=0, reason=None) for row in shot.outbox)
    return replace(
        shot, delivery=line, outbox=outbox, referrals=tuple(replace(row, reason=None) for row in shot.referrals)
    )


def _ops(sight: Sight, truth: Sight) -> dict[str, tuple[str, bytes | None, bytes]]:
    """The operations; sealed bytes of what was received may be let go of at any time."""
    return {
        name: truth.ops[name]
        if op[0] == "accepted" and op[1] is None and truth.ops.get(name, op)[::2] == op[::2] and name in truth.ops
        else op
        for name, op in sight.ops.items()
    }


def _difference(truth: Sight, sight: Sight) -> str:
    missing = truth.ops.keys() - sight.ops.keys()
    if missing:
        return f"{len(missing)} operations are missing"
    if sight.ops.keys() - truth.ops.keys():
        return "an operation appeared"
    for name, (state, envelope, told) in truth.ops.items():
        other = sight.ops[name]
        if other[0] != state:
            return f"an operation that was {state} is {other[0]}"
        if other[1] != envelope:
            return f"the sealed bytes of an operation that is {state} differ"
        if other[2] != told:
            return f"what is told of an operation that is {state} differs"
    return "operations differ"
