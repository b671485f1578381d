"""What a device holds, in a form that two moments can be compared by: operations, rows, counters, who it is bound to.

Taken by the same code from the device at work and from what a fault left of it. No content is in it: ids, states and digests.
Must not know: which fault, what may differ.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from field_app.acting import SETTINGS
from field_app.device import Device
from field_app.store.records import Row, Shelf
from field_app.vault import attempts
from field_app.vault.attempts import Attempts
from field_app.vault.files import read_whole
from referral.codec import canonical

OWN_SHELVES = (Shelf.RECORD, Shelf.STEP, Shelf.DRAFT, Shelf.OWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """ops: state and SHA-256 of the sealed bytes by op_id. rows: shelf and "tag digest" of the plain text, by row id.
    steps: row id of the readable step by op_id. files: the envelope files. tries: started and wrong."""

    ops: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    rows: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    steps: Mapping[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    generation: int = 0
    epoch: str | None = None
    cursor: str | None = None
    agency_key: str = ""
    pack: str = ""
    wiped: bool = False
    settings: str = ""
    tries: tuple[int, int] = (0, 0)
    opened: bool = False

    def to_text(self) -> str:
        """As one line."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_text(cls, text: str) -> Truth:
        """The same again."""
        wire: dict[str, Any] = json.loads(text)
        ops = {name: (state, print_) for name, (state, print_) in wire.pop("ops").items()}
        rows = {name: (shelf, print_) for name, (shelf, print_) in wire.pop("rows").items()}
        started, wrong = wire.pop("tries")
        return cls(ops=ops, rows=rows, files=tuple(wire.pop("files")), tries=(started, wrong), **wire)

    def over(self, before: Truth) -> Truth:
        """This, with what a shut vault does not show taken from before."""
        if self.opened or self.wiped:
            return self
        return replace(self, rows=before.rows, steps=before.steps, generation=before.generation)


def look(device: Device) -> Truth:
    """What is there now. Writes nothing. Errors: StoreError, VaultError."""
    with device.store.read() as tx:
        ops = {
            op_id.hex(): (state, "" if envelope is None else hashlib.sha256(envelope).hexdigest())
            for op_id, state, envelope in tx.conn.execute("SELECT op_id, state, envelope FROM outbox")
        }
    carriage, binding = device.carriage(), device.binding
    session = device.session
    rows: dict[str, tuple[str, str]] = {}
    steps: dict[str, str] = {}
    if session is not None:
        session.holdings.follow()
        for shelf in Shelf:
            rows.update((row.id.hex(), (shelf.value, print_of(row))) for row in session.records.on(shelf))
        steps = {s.op_id: s.row_id.hex() for found in session.holdings.steps.values() for s in found}
    count = tries(device, device.surroundings.clock.now())
    return Truth(
        ops=ops,
        rows=rows,
        steps=steps,
        files=tuple(sorted(device.outbox._files.present())),
        generation=0 if session is None else session.records.generation,
        epoch=carriage.epoch,
        cursor=carriage.cursor,
        agency_key=hashlib.sha256(binding.agency_key).hexdigest()[:16],
        pack=binding.pack,
        wiped=binding.wiped,
        settings=hashlib.sha256(read_whole(device.folder.path / SETTINGS) or b"").hexdigest()[:16],
        tries=(count.started, count.wrong),
        opened=session is not None,
    )


def print_of(row: Row) -> str:
    """A row's seal, and the digest of what is in it."""
    return f"{row.tag.hex()} {hashlib.sha256(canonical(row.data)).hexdigest()[:32]}"


def tries(device: Device, now: datetime) -> Attempts:
    """The two counters, as the door reads them."""
    header = device.door._file.load()
    return Attempts() if header is None else attempts.load(device.door._places(header), now)
