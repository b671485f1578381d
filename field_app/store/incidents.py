"""What happened to this device's records that a person must hear of, until somebody has read it.

A small list, sealed under the device key in the table `carriage`, so that it is told at the shut door too. Counts and names of copies;
no personal data. A list that does not open is empty: the doctor's other checks still see what is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlite_utils import Database

from field_app.vault.errors import VaultError
from field_app.vault.vault import DeviceChain
from referral.codec import canonical, from_wire, parse, to_wire
from referral.problems import FieldError

NAME: Final = "incidents"
_MOST: Final = 12


class IncidentKind(StrEnum):
    """What happened."""

    DATABASE_LOST = "database_lost"  # the file was gone: a new one was begun
    DATABASE_REBUILT = "database_rebuilt"  # the file was damaged: what could be read is in a new one
    ROWS_SALVAGED = "rows_salvaged"  # rows of the vault were missing, damaged, old or swapped
    OPERATIONS_RETURNED = "operations_returned"  # operations came back from their files
    OPERATIONS_CHANGED = "operations_changed"  # rows of the outbox are not those that were written
    HEADER_MENDED = "header_mended"  # a header was damaged, its copy was whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """kept, lost: records or operations, by kind; None where it cannot be known. copy: the folder in which the damaged file is."""

    kind: IncidentKind
    at: datetime
    kept: int = 0
    lost: int | None = None
    copy: str | None = None


def load(tx: Database, chain: DeviceChain) -> tuple[Incident, ...]:
    """What was not read yet, oldest first."""
    found = tx.conn.execute("SELECT box FROM carriage WHERE name = ?", [NAME]).fetchone()
    return () if found is None or type(found[0]) is not bytes else opened(chain, found[0])


def opened(chain: DeviceChain, box: bytes) -> tuple[Incident, ...]:
    """The incidents in a sealed note."""
    try:
        return tuple(from_wire(Incident, one, keep_unknown=True) for one in parse(chain.open_blob(NAME, box)))
    except (FieldError, VaultError, TypeError):
        return ()


def save(tx: Database, chain: DeviceChain, incidents: Sequence[Incident]) -> None:
    """Keep these, once the transaction is committed."""
    box = chain.seal_blob(NAME, canonical([to_wire(one) for one in incidents[-_MOST:]]))
    tx.conn.execute("INSERT OR REPLACE INTO carriage (name, box) VALUES (?, ?)", [NAME, box])


def add(tx: Database, chain: DeviceChain, incident: Incident) -> None:
    """Keep one more."""
    save(tx, chain, (*load(tx, chain), incident))
