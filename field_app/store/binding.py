"""Whose device this is and which case system it is bound to: what enrolment settled, readable without a PIN.

Sealed and authenticated under the device key (table `carriage`), because a changed server key would let another server in.
The append token lies here too: it sends and files receipts, and reads nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from sqlite_utils import Database

from field_app.store.columns import as_bytes
from field_app.vault.errors import Damaged, DamagedRow
from field_app.vault.vault import DeviceChain
from referral.codec import canonical, from_wire, parse, to_wire
from referral.lifecycle import Role
from referral.model import DeviceId, UserId
from referral.problems import FieldError

NAME: Final = "binding"


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """What enrolment settled. agency: 16 hex digits. agency_key, server_key: 65-byte P-256 points. pack: digest in hex."""

    server: str
    device_id: DeviceId
    user: UserId
    name: str
    role: Role
    unit: str | None = None
    agency: str
    agency_name: str
    agency_key: bytes
    server_key: bytes
    device_key: bytes
    append_token: str = field(repr=False)
    pack: str
    wiped: bool = False


def load(tx: Database, chain: DeviceChain) -> Binding:
    """The binding. Errors: DamagedRow when it is missing or is not what was written."""
    found = tx.execute("SELECT box FROM carriage WHERE name = ?", [NAME]).fetchone()
    if found is None:
        raise DamagedRow("the device's binding is missing")
    return opened(chain, as_bytes(found[0]))


def opened(chain: DeviceChain, box: bytes) -> Binding:
    """The binding in a sealed note. Errors: DamagedRow."""
    try:
        return from_wire(Binding, parse(chain.open_blob(NAME, box)), keep_unknown=True)
    except (FieldError, Damaged) as error:
        raise DamagedRow("the device's binding is damaged") from error


def save(tx: Database, chain: DeviceChain, binding: Binding) -> None:
    """Keep this binding, once the transaction is committed."""
    box = chain.seal_blob(NAME, canonical(to_wire(binding)))
    tx.execute("INSERT OR REPLACE INTO carriage (name, box) VALUES (?, ?)", [NAME, box])
