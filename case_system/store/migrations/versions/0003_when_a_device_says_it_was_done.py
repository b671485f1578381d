"""When a deed was done by the clock of the device that did it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from case_system.store.schema import Moment

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("audit", sa.Column("made_at", Moment(), nullable=True))


def downgrade() -> None:
    """A case system never goes back: restore the backup that was made before the upgrade."""
    raise NotImplementedError("restore the backup that was made before the upgrade")
