"""Runs migrations on the connection that `store/migrate.py` hands over; there is no ini file and no URL of its own."""

from alembic import context

from case_system.store.migrate import render_item
from case_system.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_item=render_item,
    render_as_batch=context.config.attributes["connection"].dialect.name == "sqlite",
    transaction_per_migration=False,
)
context.run_migrations()
