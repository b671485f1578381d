"""Lays the foundation of a case system: its schema, its one agency, its ledger and its first programme pack.

Also puts a newer pack in force. Both are done once, by an administrator, and are audited.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, Engine, insert, select, update

from case_system import audit
from case_system.audit import Deed
from case_system.packs import packed
from case_system.ports import Clock, RandomBytes
from case_system.store import migrate, schema
from case_system.store.engine import transaction
from case_system.store.ledger import close
from case_system.store.migrate import Standing
from referral.programme import Programme, load


class AlreadyThere(Exception):
    """There is a case system in this database; nothing was changed."""


def lay(
    engine: Engine, files: Mapping[str, bytes], *, clock: Clock, rng: RandomBytes, name: str | None = None
) -> Programme:
    """Make the tables, the agency and the ledger; raises PackError for a bad pack before anything is made."""
    programme = load(files)
    if migrate.standing(engine) not in (Standing.EMPTY, Standing.CURRENT):  # to bring one forward is another command
        raise AlreadyThere
    migrate.upgrade(engine)
    now = clock()
    with transaction(engine, write=True) as db:
        if db.execute(select(schema.agency.c.id)).first() is not None:
            raise AlreadyThere
        _keep(db, programme, files, now)
        db.execute(
            insert(schema.agency).values(
                id=1, agency_id=rng(8).hex(), name=name or programme.agency.name.en, epoch=new_epoch(rng),
                pack_digest=programme.digest, created_at=now,
            )
        )  # fmt: skip
        db.execute(insert(schema.ledger).values(id=1, feed_seq=0, feed_floor=0, audit_n=0, audit_hash=audit.START))
        close(db, [], [Deed(actor="administrator", action="init", object_id=programme.digest, outcome="done")], now)
    return programme


def bring_forward(engine: Engine, *, clock: Clock, by: str = "administrator") -> tuple[str, str]:
    """Apply every migration that is missing, in one transaction with its audit row; the revisions before and after."""
    before, after = str(migrate.revision_of(engine)), migrate.head()
    if before == after:
        return before, after
    with transaction(engine, write=True) as db:
        migrate.upgrade_on(db)
        close(db, [], [Deed(actor=by, action="upgrade", object_id=after, outcome="done")], clock())
    return before, after


def new_epoch(rng: RandomBytes) -> str:
    """The name of a feed's life: made at init and at each restore (S11)."""
    return rng(8).hex()


def put_in_force(engine: Engine, files: Mapping[str, bytes], *, clock: Clock, by: str = "administrator") -> Programme:
    """Check a pack, keep it and make it the one in force; devices get it with their next sync."""
    programme = load(files)
    now = clock()
    with transaction(engine, write=True) as db:
        _keep(db, programme, files, now)
        db.execute(update(schema.agency).values(pack_digest=programme.digest))
        close(db, [], [Deed(actor=by, action="pack", object_id=programme.digest, outcome="done")], now)
    return programme


def _keep(db: Connection, programme: Programme, files: Mapping[str, bytes], now: datetime) -> None:
    t = schema.packs
    if db.execute(select(t.c.digest).where(t.c.digest == programme.digest)).first() is None:
        db.execute(
            insert(t).values(
                digest=programme.digest, stamp=programme.stamp, version=programme.version, files=packed(files), loaded_at=now
            )
        )  # fmt: skip
