"""Devices and what revoked ones sent, as the office reads them. Implements `office.fleet.FleetRows`."""

from __future__ import annotations

from sqlalchemy import Engine, select

from case_system.office.fleet import DeviceRow, HeldRow
from case_system.store import schema
from case_system.store.engine import transaction
from referral.lifecycle import Role
from referral.model import OpId, UserId
from referral.port import Outcome
from referral.problems import ProblemCode


class FleetRows:
    """Reads over one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def devices(self) -> tuple[DeviceRow, ...]:
        """Every device, the first enrolled first."""
        d = schema.devices
        with transaction(self._engine, write=False) as db:
            rows = db.execute(select(d).order_by(d.c.enrolled_at, d.c.device_id)).all()
        return tuple(
            DeviceRow(
                device_id=row.device_id,
                user_id=UserId(row.user_id),
                role=Role(row.role),
                active=row.state == "active",
                wipe=row.wipe,
                release=row.release,
                app=row.app,
                platform=row.platform,
                enrolled_at=row.enrolled_at,
                revoked_at=row.revoked_at,
                lease_until=row.lease_until,
                seen_at=row.seen_at,
                waiting=row.waiting or 0,
                needs_attention=row.needs_attention or 0,
                oldest_unsent_s=row.oldest_unsent_s,
                locked=bool(row.locked),
            )
            for row in rows
        )

    def held(self) -> tuple[HeldRow, ...]:
        """What revoked devices sent and nobody let pass, oldest first, with the last decision to keep it."""
        t, a = schema.operations, schema.audit
        found = select(t.c.device_id, t.c.op_id, t.c.user_id, t.c.op, t.c.referral_id, t.c.received_at).where(
            t.c.outcome == Outcome.STORED.value, t.c.code == ProblemCode.DEVICE_REVOKED.value
        )
        with transaction(self._engine, write=False) as db:
            rows = db.execute(found.order_by(t.c.received_at, t.c.op_id)).all()
            kept = {
                row.object_id: row
                for row in db.execute(
                    select(a.c.object_id, a.c.actor, a.c.at)
                    .where(a.c.object_id.in_([r.op_id for r in rows]), a.c.action == "decide_held", a.c.outcome == "kept")
                    .order_by(a.c.n)
                )
            }  # fmt: skip
        return tuple(
            HeldRow(
                device_id=row.device_id,
                op_id=OpId(row.op_id),
                user_id=UserId(row.user_id),
                op=row.op,
                referral_id=row.referral_id,
                received_at=row.received_at,
                kept_by=kept[row.op_id].actor if row.op_id in kept else None,
                kept_at=kept[row.op_id].at if row.op_id in kept else None,
            )
            for row in rows
        )
