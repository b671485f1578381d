"""Makes a new database of what can be read of a damaged one. The damaged one is only read.

Nothing carved is believed without its seal:
- a row of the vault is taken as it is, and tried at the next unlock (`Records.salvage`), since it needs the PIN;
- an operation must carry this device's own signature; it counts as received only with a receipt that opens, else it is offered again,
  which the case system answers as it did before (S5);
- the binding must open under the device chain.
What the delivery remembered (cursor, epoch) is left behind, so that everything is offered and fetched again. Of two forms of a row the
later revision counts. Must not know: where the files lie, what a row means.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from sqlite_utils import Database

from field_app.store import binding as bindings
from field_app.store import incidents
from field_app.store.binding import Binding
from field_app.store.carving import Record
from field_app.store.database import Store
from field_app.store.incidents import Incident
from field_app.store.outbox import BOOK as OUTBOX
from field_app.store.outbox_rows import Row, insert, open_receipt, select
from field_app.store.records import BOOK as ROWS
from field_app.store.records import Shelf
from field_app.sync.machine import State
from field_app.vault.errors import DamagedRow, NewerFormat
from field_app.vault.vault import DeviceChain, Sealed
from referral.envelope import BadSignature, DevicePublicKey, Malformed, fingerprint, verify

_SHELVES: Final = frozenset(Shelf)
_KEPT: Final = frozenset(
    {State.HELD, State.REPLACED, State.QUARANTINED}
)  # states that no receipt stands for, and that send nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Carved:
    """What was found, sorted. rows: columns of vault rows by id. operations: columns with their envelope. notes: by name."""

    rows: dict[bytes, tuple[str, Sealed]] = field(default_factory=dict, repr=False)
    operations: dict[bytes, tuple[Row, bytes | None]] = field(default_factory=dict, repr=False)
    notes: tuple[tuple[str, bytes], ...] = field(default=(), repr=False)

    def binding(self, chain: DeviceChain) -> Binding | None:
        """The binding that lay in the file, if one opens."""
        for box in self._boxes(bindings.NAME):
            with suppress(DamagedRow, NewerFormat):
                return bindings.opened(chain, box)
        return None

    def incidents(self, chain: DeviceChain) -> tuple[Incident, ...]:
        """What had happened before."""
        return next((found for box in self._boxes(incidents.NAME) if (found := incidents.opened(chain, box))), ())

    def _boxes(self, name: str) -> list[bytes]:
        return [box for told, box in self.notes if told == name]


def sort_out(records: Iterable[Record]) -> Carved:
    """The records that have the shape of ours; the later revision of each."""
    found = Carved()
    notes: list[tuple[str, bytes]] = []
    for record in records:
        match record:
            case (bytes() as row_id, str() as shelf, int() as rev, int() as epoch, bytes() as box) if shelf in _SHELVES:
                try:
                    row = Sealed(id=row_id, rev=rev, key_epoch=epoch, box=box)
                except DamagedRow:
                    continue
                if row_id not in found.rows or found.rows[row_id][1].rev < rev:
                    found.rows[row_id] = (shelf, row)
            case (str() as name, bytes() as box):
                notes.append((name, box))
            case _:
                if (operation := _operation(record)) is None:
                    continue
                known = found.operations.get(operation[0].op_id)
                if known is None or known[0].rev < operation[0].rev:
                    found.operations[operation[0].op_id] = operation
    return replace(found, notes=tuple(notes))


def build(
    target: Path, carved: Carved, chain: DeviceChain, binding: Binding, earlier: Sequence[Incident] = ()
) -> tuple[int, int]:
    """Make the database at `target`, which must not be there; how many rows and operations it has. Errors: StoreError.

    earlier: what happened before, and was not read yet.
    """
    device = DevicePublicKey.from_bytes(binding.device_key)
    taken = [one for op in carved.operations.values() if (one := _judged(chain, device, *op)) is not None]
    taken.sort(key=lambda one: one[0].device_seq)
    store = Store(target)
    try:
        with store.write() as tx:
            tx.conn.executemany(
                "INSERT INTO row (id, shelf, rev, key_epoch, box) VALUES (?, ?, ?, ?, ?)",
                [(row.id, shelf, row.rev, row.key_epoch, row.box) for shelf, row in carved.rows.values()],
            )
            for row, envelope in taken:
                insert(tx, row, envelope)
            _chain(tx, chain)
            manifest = next((box for name, box in carved.notes if name == ROWS), None)
            if manifest is not None:
                tx.conn.execute("INSERT INTO manifest (book, box) VALUES (?, ?)", [ROWS, manifest])
            bindings.save(tx, chain, binding)
            incidents.save(tx, chain, earlier)
        store.checkpoint()
    finally:
        store.close()
    return len(carved.rows), len(taken)


def _chain(tx: Database, chain: DeviceChain) -> None:
    box = chain.manifest(OUTBOX).start(row.counted() for row in select(tx, "TRUE"))
    tx.conn.execute("INSERT INTO manifest (book, box) VALUES (?, ?)", [OUTBOX, box])


def _operation(record: Record) -> tuple[Row, bytes | None] | None:
    """The columns of an operation, without waits and troubles; None for what cannot be one."""
    match record:
        case (
            _, bytes() as op_id, int() as rev, state, int() as seq, _, _, _, _, _, None | int() as settled_at, bytes() as print_,
            None | bytes() as meta, None | bytes() as envelope, None | bytes() as receipt,
        ) if len(op_id) == 16 and 0 < rev < 2**62 and 0 <= seq < 2**32:  # fmt: skip
            known = State(state) if state in set(State) else State.WAITING
            row = Row(
                op_id=op_id, rev=rev, state=known.value, device_seq=seq, attempts=0, set_at=None, next_at=None, alone=0, trouble=None,
                settled_at=settled_at, fingerprint=print_, meta=meta, receipt=receipt,
            )  # fmt: skip
            return row, envelope
        case _:
            return None


def _judged(
    chain: DeviceChain, device: DevicePublicKey, row: Row, envelope: bytes | None
) -> tuple[Row, bytes | None] | None:
    """The operation in the state that can be shown; None if neither its bytes nor its receipt can be read (its file may have it)."""
    receipt = open_receipt(chain, row)
    received = receipt is not None and receipt.op_id == row.name and receipt.fingerprint == row.fingerprint.hex()
    if envelope is None:
        return (row, None) if received and row.state == State.ACCEPTED else None
    try:
        header = verify(envelope, device)
    except (BadSignature, Malformed):
        return None
    if header.op_id != row.op_id:
        return None
    row = row._replace(fingerprint=fingerprint(envelope), device_seq=header.device_seq)
    if received or State(row.state) in _KEPT:
        return row, envelope
    return row._replace(state=State.WAITING.value, settled_at=None, receipt=None), envelope
