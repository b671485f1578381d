"""Brings a database to this version's schema, in one transaction; says what version it has.

Migrations only go forward: an upgrade is preceded by `case-system backup`. The tables of a fresh database come from the same
migrations, so that there is one way to a schema.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Literal

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from case_system.store.engine import transaction
from case_system.store.schema import Moment

MOVED = "moved"  # stands in place of a revision
_FOLDER = Path(__file__).parent / "migrations"


def render_item(kind: str, item: Any, context: Any) -> str | Literal[False]:
    """How a new migration writes our own type."""
    return "Moment()" if kind == "type" and isinstance(item, Moment) else False


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.set_main_option("path_separator", "os")
    return config


class Standing(StrEnum):
    """How a database's schema stands to this program's."""

    EMPTY = "empty"
    OLDER = "older"
    CURRENT = "current"
    NEWER = "newer"  # made by a later program: this one must not touch it
    MOVED = "moved"  # its case system lives in another database now


def upgrade(engine: Engine) -> None:
    """Apply every migration that is missing."""
    with transaction(engine, write=True) as connection:
        upgrade_on(connection)


def upgrade_on(connection: Connection, revision: str = "head") -> None:
    """Apply migrations up to a revision, within the caller's transaction."""
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def revision_of(engine: Engine) -> str | None:
    """The schema's revision, None when there is none."""
    with transaction(engine, write=False) as connection:
        return MigrationContext.configure(connection).get_current_revision()


def standing(engine: Engine) -> Standing:
    """How the database's schema stands to this program's."""
    found = revision_of(engine)
    if found is None:
        return Standing.EMPTY
    if found == MOVED:
        return Standing.MOVED
    if found == head():
        return Standing.CURRENT
    return Standing.OLDER if knows(found) else Standing.NEWER


def head() -> str:
    """The revision that this program works with."""
    return _revisions()[0]


def knows(revision: str) -> bool:
    """True when this program can bring a database of that revision forward."""
    return revision in _revisions()


@cache
def _revisions() -> tuple[str, ...]:
    """Every revision, the newest first. Read once: the files of a program that runs do not change."""
    return tuple(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


def is_current(engine: Engine) -> bool:
    """True when the database has exactly this version's schema."""
    return standing(engine) is Standing.CURRENT


def new_migration(engine: Engine, message: str, number: str) -> None:
    """Write the next migration from the difference between a database and the schema (for developers)."""
    config = _config()
    with transaction(engine, write=True) as connection:
        config.attributes["connection"] = connection
        command.revision(config, message, autogenerate=True, rev_id=number)
