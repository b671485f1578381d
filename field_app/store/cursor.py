"""What the delivery remembers between rounds: how far it has read, from whom, and when it may try again.

One small record, sealed under the device key in the table `carriage`, so that it needs no PIN. It is read and written inside the
transaction of what it speaks of: changes and cursor land together (S11), receipts and the end of a wait too.

A record that is missing or damaged reads as `Carriage()`: no epoch is known then, so everything is offered and fetched again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from weakref import WeakKeyDictionary

from sqlite_utils import Database

from field_app.store.columns import as_bytes
from field_app.store.outbox_rows import from_ms, to_ms
from field_app.sync.backoff import Backoff
from field_app.vault.errors import Damaged
from field_app.vault.vault import DeviceChain
from referral.codec import canonical, from_wire, parse, to_wire
from referral.port import BATCH_ITEMS
from referral.problems import FieldError, ProblemCode

_NAME = "sync"


@dataclass(frozen=True, slots=True, kw_only=True)
class Carriage:
    """epoch: of the case system that the receipts here are from. cursor: how far the feed was applied (None: from the start).
    batch: operations in one request now. offset_ms: the server's clock minus ours. problem: why the last round failed.
    reoffered_at: the last re-offer that a digest asked for. unread_by: the app version that could not read a change; a newer one
    fetches everything again. Times ending in `_ms` are milliseconds since 1970."""

    epoch: str | None = None
    cursor: str | None = None
    batch: int = BATCH_ITEMS
    failures: int = 0
    wait_set_ms: int | None = None
    wait_until_ms: int | None = None
    problem: ProblemCode | None = None
    last_sync: datetime | None = None
    offset_ms: int | None = None
    lease_until: datetime | None = None
    revoked: bool = False
    reoffered_at: datetime | None = None
    unread_by: str | None = None

    @property
    def wait(self) -> Backoff:
        """The wait of the whole queue."""
        if self.wait_set_ms is None or self.wait_until_ms is None:
            return Backoff(failures=self.failures)
        return Backoff(failures=self.failures, set_at=from_ms(self.wait_set_ms), next_at=from_ms(self.wait_until_ms))

    def after(self, wait: Backoff) -> Carriage:
        """The same with this wait of the whole queue."""
        return replace(
            self,
            failures=wait.failures,
            wait_set_ms=None if wait.set_at is None else to_ms(wait.set_at),
            wait_until_ms=None if wait.next_at is None else to_ms(wait.next_at),
        )

    def server_time(self, now: datetime) -> datetime:
        """The best guess of the server's clock at `now`."""
        return now + timedelta(milliseconds=self.offset_ms or 0)


# What each chain's box said last: a round asks several times.
_LAST: Final[WeakKeyDictionary[DeviceChain, tuple[bytes, Carriage]]] = WeakKeyDictionary()


def load(tx: Database, chain: DeviceChain) -> Carriage:
    """What is remembered; `Carriage()` at first, or when it cannot be read."""
    found = tx.conn.execute("SELECT box FROM carriage WHERE name = ?", [_NAME]).fetchone()
    if found is None:
        return Carriage()
    try:
        box = as_bytes(found[0])
        if not chain.locked and (last := _LAST.get(chain)) is not None and last[0] == box:
            return last[1]
        carriage = from_wire(Carriage, parse(chain.open_blob(_NAME, box)), keep_unknown=True)
    except (Damaged, FieldError):
        return Carriage()
    _LAST[chain] = box, carriage
    return carriage


def save(tx: Database, chain: DeviceChain, carriage: Carriage) -> None:
    """Remember this, once the transaction is committed."""
    box = chain.seal_blob(_NAME, canonical(to_wire(carriage)))
    tx.conn.execute("INSERT OR REPLACE INTO carriage (name, box) VALUES (?, ?)", [_NAME, box])
