"""Kept programme packs, as the office reads and changes them. Implements `office.programme.EditionRows`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Engine, insert, select, update

from case_system.audit import Deed
from case_system.office.programme import Edition
from case_system.packs import packed
from case_system.store import schema
from case_system.store.engine import transaction
from case_system.store.ledger import close
from referral.programme import Programme


class EditionRows:
    """Reads and changes over one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def listed(self) -> tuple[Edition, ...]:
        """Every kept pack, the newest first."""
        p, a = schema.packs, schema.audit
        kept = select(p.c.digest, p.c.stamp, p.c.loaded_at).order_by(p.c.loaded_at.desc(), p.c.digest)
        deeds = select(a.c.object_id, a.c.actor, a.c.at).where(a.c.action.in_(("init", "pack")), a.c.outcome == "done")
        with transaction(self._engine, write=False) as db:
            now = db.execute(select(schema.agency.c.pack_digest)).scalar_one()
            rows = db.execute(kept).all()
            ruled = {row.object_id: row for row in db.execute(deeds.order_by(a.c.n))}
        return tuple(
            Edition(
                digest=row.digest,
                stamp=row.stamp,
                kept_at=row.loaded_at,
                in_force=row.digest == now,
                in_force_at=ruled[row.digest].at if row.digest in ruled else None,
                by=ruled[row.digest].actor if row.digest in ruled else None,
            )
            for row in rows
        )

    def keep(self, programme: Programme, files: Mapping[str, bytes], now: datetime, by: str) -> None:
        """Keep a checked pack; nothing changes by that."""
        with transaction(self._engine, write=True) as db:
            db.execute(
                insert(schema.packs).values(
                    digest=programme.digest, stamp=programme.stamp, version=programme.version, files=packed(files),
                    loaded_at=now,
                )
            )  # fmt: skip
            close(db, [], [Deed(actor=by, action="pack_keep", object_id=programme.digest, outcome="done")], now)

    def put_in_force(self, digest: str, now: datetime, by: str) -> bool:
        """Put a kept pack in force; False when there is none of that digest."""
        p = schema.packs
        with transaction(self._engine, write=True) as db:
            if db.execute(select(p.c.digest).where(p.c.digest == digest)).first() is None:
                return False
            db.execute(update(schema.agency).values(pack_digest=digest))
            close(db, [], [Deed(actor=by, action="pack", object_id=digest, outcome="done")], now)
        return True
