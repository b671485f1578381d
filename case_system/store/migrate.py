"""Brings a database to this version's schema, in one transaction; says what version it has.

Migrations only go forward: an upgrade is preceded by `case-system backup`. The tables of a fresh database come from the same
migrations, so that there is one way to a schema.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from case_system.store.engine import transaction
from case_system.store.schema import Moment

_FOLDER = Path(__file__).parent / "migrations"


def render_item(kind: str, item: Any, context: Any) -> str | Literal[False]:
    """How a new migration writes our own type."""
    return "Moment()" if kind == "type" and isinstance(item, Moment) else False


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.set_main_option("path_separator", "os")
    return config


def upgrade(engine: Engine) -> None:
    """Apply every migration that is missing."""
    config = _config()
    with transaction(engine, write=True) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def is_current(engine: Engine) -> bool:
    """True when the database has exactly this version's schema."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    with transaction(engine, write=False) as connection:
        return MigrationContext.configure(connection).get_current_revision() == head


def new_migration(engine: Engine, message: str, number: str) -> None:
    """Write the next migration from the difference between a database and the schema (for developers)."""
    config = _config()
    with transaction(engine, write=True) as connection:
        config.attributes["connection"] = connection
        command.revision(config, message, autogenerate=True, rev_id=number)
