"""The audit trail: who did what to which id, in one chain of hashes that cannot be mended unseen.

    hash(n) = SHA-256("lead/audit/v1" | prev | canonical [n, at, actor, device_id, action, object_id, outcome])
                                                          with a ninth, made_at, where a device's clock said when it was done

Every row names the hash of the one before; the head stands in `ledger`, so that cutting off the end shows too. Rows hold
ids only and survive erasure. Writing is `store/ledger.py`'s business: in the transaction of what happened, never beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from referral.codec import canonical

START = "0" * 64
# What is reading, and through what. `deliver` is a view with personal data that a device was given.
SAW = {"look": "page", "deliver": "device", "export": "file", "search": "page", "meeting_list": "page"}
_DOMAIN = b"lead/audit/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One thing that somebody did, before it has its number. `actor` "system" is the case system itself.
    made_at: when, by the clock of the device that did it; the row's own time is the server's."""

    actor: str
    action: str
    outcome: str
    object_id: str | None = None
    device_id: str | None = None
    made_at: datetime | None = None


def row_hash(n: int, at: datetime, deed: Deed, prev: str) -> str:
    """The hash of row `n`, after the row whose hash is `prev`."""
    when = at.astimezone(UTC).isoformat(timespec="milliseconds")
    said = [n, when, deed.actor, deed.device_id, deed.action, deed.object_id, deed.outcome]
    if deed.made_at is not None:
        said.append(deed.made_at.astimezone(UTC).isoformat(timespec="milliseconds"))
    return hashlib.sha256(_DOMAIN + prev.encode() + canonical(said)).hexdigest()


def chain(deeds: Iterable[Deed], at: datetime, n: int, prev: str) -> list[dict[str, Any]]:
    """The rows to write for `deeds` after row `n` whose hash is `prev`."""
    at = _kept(at)
    rows = []
    for deed in deeds:
        n += 1
        deed = deed if deed.made_at is None else replace(deed, made_at=_kept(deed.made_at))
        own = row_hash(n, at, deed, prev)
        rows.append(
            {
                "n": n,
                "at": at,
                "actor": deed.actor,
                "device_id": deed.device_id,
                "action": deed.action,
                "object_id": deed.object_id,
                "outcome": deed.outcome,
                "made_at": deed.made_at,
                "prev": prev,
                "hash": own,
            }
        )
        prev = own
    return rows


def _kept(moment: datetime) -> datetime:
    """As the table keeps it: whole milliseconds."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`rows` were checked; `bad_row` is the first that does not fit (None: all do)."""

    rows: int
    bad_row: int | None
    reason: str = ""


def verify(
    rows: Iterable[Mapping[str, Any]], head_n: int, head_hash: str, kept: tuple[int, str] | None = None
) -> Verdict:
    """Check rows in the order of their number against each other and against the head in the ledger.

    kept: a number and its hash that were noted elsewhere; who mends the whole chain cannot mend that.
    """
    n, prev = 0, START
    for row in rows:
        deed = Deed(
            actor=row["actor"],
            action=row["action"],
            outcome=row["outcome"],
            object_id=row["object_id"],
            device_id=row["device_id"],
            made_at=row["made_at"],
        )
        if row["n"] != n + 1:
            return Verdict(rows=n, bad_row=n + 1, reason="a row is missing")
        if row["prev"] != prev:
            return Verdict(rows=n, bad_row=row["n"], reason="a row does not follow the one before")
        if row["hash"] != row_hash(row["n"], row["at"], deed, prev):
            return Verdict(rows=n, bad_row=row["n"], reason="a row was changed")
        n, prev = row["n"], row["hash"]
        if kept is not None and n == kept[0] and prev != kept[1]:
            return Verdict(
                rows=n, bad_row=n, reason="this row or one before it is not what it was when its hash was noted"
            )
    if (n, prev) != (head_n, head_hash):
        return Verdict(rows=n, bad_row=n + 1, reason="the last rows are missing")
    if kept is not None and kept[0] > n:
        return Verdict(rows=n, bad_row=n + 1, reason="rows that were here when a hash was noted are missing")
    return Verdict(rows=n, bad_row=None)
