"""Moves a case system into another, empty database: from SQLite to PostgreSQL, or back.

Everything moves, feed numbers and receipts too, so the epoch stays: devices go on where they are, and nothing is fetched or offered
anew. That is only true while one of the two databases is alive, so the old one is marked as moved in the same breath: no program
starts on it again. Both write transactions are open until the copy has been counted and its audit trail walked; the copy is
committed first. Who stops the machine between the two commits finds the copy whole and the old one unmarked: empty the new
database and move again.

    CannotMove      there is something in the new database, or the copy is not the same; the old one goes on
"""

from __future__ import annotations

from sqlalchemy import Connection, Engine, func, select, text

from case_system.audit import Deed, verify
from case_system.ports import Clock
from case_system.store import migrate, schema
from case_system.store.backup import fill, rows_of
from case_system.store.engine import transaction
from case_system.store.ledger import close
from case_system.store.migrate import MOVED, Standing


class CannotMove(Exception):
    """Nothing was moved; says why in a sentence."""


def move(source: Engine, target: Engine, *, clock: Clock, by: str) -> dict[str, int]:
    """Copy everything, check it, and mark the old database; the rows of each table."""
    if migrate.standing(target) is not Standing.EMPTY:
        raise CannotMove("the new database is not empty")
    with transaction(source, write=True) as old:
        old.execute(select(schema.ledger.c.feed_seq).with_for_update()).one()  # whoever writes waits here
        close(old, [], [Deed(actor=by, action="move", outcome="done")], clock())
        with transaction(target, write=True) as new:
            migrate.upgrade_on(new)
            fill(new, rows_of(old))
            counts = _counts(old)
            if _counts(new) != counts:
                raise CannotMove("the copy does not have as many rows; nothing was moved")
            if not _whole(new):
                raise CannotMove("the audit trail of the copy does not hold; nothing was moved")
        old.execute(text("UPDATE alembic_version SET version_num = :moved"), {"moved": MOVED})
    return counts


def _counts(db: Connection) -> dict[str, int]:
    tables = schema.metadata.sorted_tables
    return {table.name: db.execute(select(func.count()).select_from(table)).scalar_one() for table in tables}


def _whole(db: Connection) -> bool:
    a, head = schema.audit, schema.ledger
    n, last = db.execute(select(head.c.audit_n, head.c.audit_hash)).one()
    return verify((dict(row) for row in db.execute(select(a).order_by(a.c.n)).mappings()), n, last).bad_row is None
