"""One row of the outbox: its columns, what is sealed in it, and what the chain counts of it.

    meta     key_epoch u32 | box     {"referral_id", "op", "made_at"} sealed under the device key, so that a list needs no PIN
    receipt  key_epoch u32 | box     the server's word as it came
    tag      SHA-256 of canonical("outbox/row/v1", state, device_seq, fingerprint, meta, receipt, settled_at)

The chain (a manifest under the device key) counts every row by op_id, rev and tag, so that a row that was taken out, put back or
changed is noticed. Attempts and waits are not part of it: they are counters of trying, not of what is true.
`settled_at` is the receipt's own time by the server's clock. Times are milliseconds since 1970.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlite_utils import Database

from field_app.sync.machine import State
from field_app.vault.errors import Damaged, DamagedRow
from field_app.vault.keys import canonical
from field_app.vault.manifest import Entry as Counted
from field_app.vault.vault import DeviceChain, Sealed
from referral.codec import canonical as canonical_json
from referral.codec import from_wire, parse, to_wire
from referral.model import OpId, ReferralId
from referral.operations import Op
from referral.port import Receipt
from referral.problems import FieldError

COLUMNS = (
    "op_id, rev, state, device_seq, attempts, set_at, next_at, alone, trouble, settled_at, fingerprint, meta, receipt"
)
_META, _RECEIPT = "outbox", "outbox.receipt"
_STATES = frozenset(State)
_END_MS = 253_402_300_800_000  # the year 10,000: what a datetime can hold
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


class Row(NamedTuple):
    """The columns in the order of `COLUMNS`; the envelope is read only where it is needed."""

    op_id: bytes
    rev: int
    state: str
    device_seq: int
    attempts: int
    set_at: int | None
    next_at: int | None
    alone: int
    trouble: str | None
    settled_at: int | None
    fingerprint: bytes
    meta: bytes | None
    receipt: bytes | None

    def counted(self) -> Counted:
        """What the chain counts."""
        tag = canonical(
            "outbox/row/v1",
            self.state,
            self.device_seq,
            self.fingerprint,
            self.meta or b"",
            self.receipt or b"",
            0 if self.settled_at is None else self.settled_at,
        )
        return Counted(id=self.op_id, rev=self.rev, tag=hashlib.sha256(tag).digest())

    def moved(self, state: State) -> Row:
        """The row one revision later in this state, with waits and troubles cleared."""
        return self._replace(rev=self.rev + 1, state=state.value, set_at=None, next_at=None, alone=0, trouble=None)

    @property
    def name(self) -> OpId:
        """The operation's id as text."""
        return OpId(self.op_id.hex())


def select(tx: Database, where: str, values: Sequence[bytes | str | int] = ()) -> Iterator[Row]:
    """The rows of a fixed WHERE clause, in the order of saving; values are bound. Errors: DamagedRow."""
    found = tx.conn.execute(f"SELECT {COLUMNS} FROM outbox WHERE {where} ORDER BY n", list(values))  # noqa: S608 - no data
    return (_whole(Row(*columns)) for columns in found)


def _whole(row: Row) -> Row:
    """The row, if its columns are of the kind that is written. Errors: DamagedRow, else a bad sector would surface anywhere."""
    op_id, rev, state, seq, attempts, set_at, next_at, alone, trouble, settled_at, print_, meta, receipt = row
    if not (
        type(op_id) is bytes
        and len(op_id) == 16
        and state in _STATES
        and _is_count(rev)
        and _is_count(seq)
        and _is_count(attempts)
        and _is_count(alone)
        and (set_at is None or _is_time(set_at))
        and (next_at is None or _is_time(next_at))
        and (settled_at is None or _is_time(settled_at))
        and type(print_) is bytes
        and (meta is None or type(meta) is bytes)
        and (receipt is None or type(receipt) is bytes)
        and (trouble is None or type(trouble) is str)
    ):
        raise DamagedRow("a row of the outbox is not what was written")
    return row


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _is_time(value: object) -> bool:
    return type(value) is int and abs(value) < _END_MS


def as_state(state: object) -> State:
    """The value of the state column. Errors: DamagedRow when it is none."""
    if type(state) is not str or state not in _STATES:
        raise DamagedRow("a row of the outbox is in no state")
    return State(state)


def insert(tx: Database, row: Row, envelope: bytes | None) -> None:
    """Write a new row with its sealed bytes."""
    marks = ", ".join("?" * (len(row) + 1))
    tx.conn.execute(f"INSERT INTO outbox ({COLUMNS}, envelope) VALUES ({marks})", [*row, envelope])  # noqa: S608 - no data


def update(tx: Database, rows: Sequence[Row]) -> None:
    """Write what can change of these rows."""
    tx.conn.executemany(
        "UPDATE outbox SET rev = ?, state = ?, attempts = ?, set_at = ?, next_at = ?, alone = ?, trouble = ?,"
        " settled_at = ?, receipt = ? WHERE op_id = ?",
        [
            (r.rev, r.state, r.attempts, r.set_at, r.next_at, r.alone, r.trouble, r.settled_at, r.receipt, r.op_id)
            for r in rows
        ],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """What a person is shown of an operation while the vault is shut."""

    referral_id: ReferralId
    op: Op
    made_at: datetime


def seal_meta(chain: DeviceChain, op_id: bytes, meta: Meta) -> bytes:
    """The sealed form of `meta` for this row."""
    return _pack(chain.seal_row(_META, op_id, 0, 1, canonical_json(to_wire(meta))))


def open_meta(chain: DeviceChain, row: Row) -> Meta | None:
    """What was sealed, or None: the operation came back from its file, or the sealed note is damaged."""
    wire = _opened(chain, _META, row.op_id, row.meta)
    try:
        return None if wire is None else from_wire(Meta, wire, keep_unknown=True)
    except FieldError:
        return None


def seal_receipt(chain: DeviceChain, op_id: bytes, receipt: Receipt) -> bytes:
    """The sealed form of `receipt` for this row."""
    return _pack(chain.seal_row(_RECEIPT, op_id, 0, 1, canonical_json(to_wire(receipt))))


def open_receipt(chain: DeviceChain, row: Row) -> Receipt | None:
    """The receipt that was filed, or None when there is none that can be read."""
    wire = _opened(chain, _RECEIPT, row.op_id, row.receipt)
    try:
        return None if wire is None else from_wire(Receipt, wire, keep_unknown=True)
    except FieldError:
        return None


def state_of(row: Row) -> State:
    """The row's state."""
    return State(row.state)


def to_ms(moment: datetime) -> int:
    """Milliseconds since 1970."""
    return (moment - _EPOCH) // _MS


def from_ms(ms: int) -> datetime:
    """The moment, in UTC."""
    return _EPOCH + ms * _MS


def _pack(sealed: Sealed) -> bytes:
    return sealed.key_epoch.to_bytes(4) + sealed.box


def _opened(chain: DeviceChain, table: str, op_id: bytes, blob: bytes | None) -> Mapping[str, Any] | None:
    if blob is None:
        return None
    try:
        sealed = Sealed(id=op_id, rev=0, key_epoch=int.from_bytes(blob[:4]), box=blob[4:])
        wire: Mapping[str, Any] = parse(chain.open_row(table, sealed))
    except (Damaged, FieldError):
        return None
    return wire
