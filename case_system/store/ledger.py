"""The end of every write transaction: feed numbers and the audit chain, given in commit order.

The one row of `ledger` is locked last, after everything else was written; whoever holds it has numbers that nobody can
overtake, because the next holder waits for the commit (S11). Feed rows and audit rows follow under that lock, and nothing
after them takes another lock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from case_system import audit
from case_system.audit import Deed
from case_system.store import schema
from case_system.store.bell import ring

_t = schema.ledger
_HEAD = select(_t.c.feed_seq, _t.c.audit_n, _t.c.audit_hash).with_for_update()
_MOVE = update(_t).values({name: bindparam(f"new_{name}") for name in ("feed_seq", "audit_n", "audit_hash")})
_FEED, _AUDIT = insert(schema.feed), insert(schema.audit)


def close(connection: Connection, feed: Sequence[Mapping[str, Any]], deeds: Sequence[Deed], now: datetime) -> int:
    """Number and write feed rows (`user_id`, `device_id`, `kind`, `object_id`) and audit rows; the newest feed number (0: none was
    written). On PostgreSQL the COMMIT also rings the bell of every process that listens (bell.py)."""
    if not feed and not deeds:
        return 0
    head = connection.execute(_HEAD).one()
    rows = audit.chain(deeds, now, head.audit_n, head.audit_hash)
    connection.execute(
        _MOVE,
        {
            "new_feed_seq": head.feed_seq + len(feed),
            "new_audit_n": head.audit_n + len(rows),
            "new_audit_hash": rows[-1]["hash"] if rows else head.audit_hash,
        },
    )
    if feed:
        numbered = [{**row, "seq": head.feed_seq + n, "at": now} for n, row in enumerate(feed, start=1)]
        connection.execute(_FEED, numbered)
        ring(connection, head.feed_seq + len(feed))
    if rows:
        connection.execute(_AUDIT, rows)
    return head.feed_seq + len(feed) if feed else 0
