"""Puts many referrals into an open device at once: the rows that `Session.create` writes, one transaction for all of them.

For benches that need a full device and do not measure saving. Envelope files are left out; the next start would write those that
are still missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from benchmarks.ground import BenchFailed
from field_app.actions import Actions
from field_app.answers import complete
from field_app.device import Device
from field_app.holdings import record_data
from field_app.session import Session
from field_app.store.records import Shelf
from referral.codec import to_wire
from referral.operations import Create, Op, encode


def fill(actions: Actions, wires: Iterable[Mapping[str, Any]]) -> int:
    """Save these referrals, to be delivered; how many bytes their envelopes have."""
    device, session = inside(actions)
    today = datetime.now(UTC).date()
    with device.turn, session.records.write() as page:
        for wire in wires:
            referral = complete(wire, device.programme, today)
            operation = session._operation(Op.CREATE, referral.referral_id, Create(referral=referral))
            op_id, _ = session._add(page, operation, encode(operation))
            page.put(Shelf.RECORD, record_data(to_wire(referral), op_id, operation.made_at))
    session.holdings.follow()
    with device.store.read() as tx:
        size = tx.execute("SELECT total(length(envelope)) FROM outbox WHERE state = 'waiting'").fetchone()[0]
    return int(size)


def inside(actions: Actions) -> tuple[Device, Session]:
    """The device behind the actions, and its open session."""
    device = actions._device
    if device is None or device.session is None:
        raise BenchFailed("the device is shut")
    return device, device.session


def deliver(actions: Actions, n: int) -> None:
    """Deliver, and make sure that `n` operations were received."""
    counts, trouble = actions.deliver()
    if trouble is not None or counts.accepted != n or counts.waiting:
        raise BenchFailed(f"{n} operations were to be received: {counts} {trouble}")
