"""Notices find their person: claims of dispatchers, hours and faults of channels, alarms about devices."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from case_system.store.schema import Moment

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("channels", schema=None) as batch_op:
        batch_op.add_column(sa.Column("kinds", sa.Text(), server_default="", nullable=False))
        batch_op.add_column(sa.Column("hours", sa.Text(), server_default="", nullable=False))
        batch_op.add_column(sa.Column("failures", sa.Integer(), server_default="0", nullable=False))
        batch_op.add_column(sa.Column("fault", sa.String(length=40), nullable=True))
        batch_op.add_column(sa.Column("failed_at", Moment(), nullable=True))
        batch_op.add_column(sa.Column("delivered_at", Moment(), nullable=True))

    with op.batch_alter_table("notices", schema=None) as batch_op:
        batch_op.add_column(sa.Column("device_id", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("night", sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.add_column(sa.Column("late", sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.add_column(sa.Column("claimed_by", sa.String(length=32), nullable=True))
        batch_op.add_column(sa.Column("wake_id", sa.String(length=64), nullable=True))
        batch_op.alter_column("referral_id", existing_type=sa.String(length=64), nullable=True)
        batch_op.create_unique_constraint(
            batch_op.f("uq_notices_device_id_recipient_kind_round"), ["device_id", "recipient", "kind", "round"]
        )
        batch_op.create_foreign_key(batch_op.f("fk_notices_device_id"), "devices", ["device_id"], ["device_id"])
        batch_op.create_check_constraint(
            batch_op.f("ck_notices_about_one_thing"), "(referral_id IS NULL) <> (device_id IS NULL)"
        )


def downgrade() -> None:
    """A case system never goes back: restore the backup that was made before the upgrade."""
    raise NotImplementedError("restore the backup that was made before the upgrade")
