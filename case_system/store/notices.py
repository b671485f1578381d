"""Notices on their way out: which are due, with their recipients' sealed channels, and what became of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Engine, select, update

from case_system import sealing
from case_system.audit import Deed
from case_system.handoff import NoticeState, NoticeStep, advance_notice, can_notice
from case_system.ports import Keys
from case_system.record import SYSTEM
from case_system.store import schema
from case_system.store.engine import transaction
from case_system.store.ledger import close
from referral.views import NoticeKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A staged notice whose time has come."""

    notice_id: str
    recipient: str
    kind: NoticeKind
    language: str
    attempts: int
    urls: tuple[str, ...] = field(repr=False)


class NoticeRows:
    """Reads and changes over one engine."""

    def __init__(self, engine: Engine, keys: Keys) -> None:
        self._engine, self._keys = engine, keys

    def due(self, now: datetime, limit: int) -> Sequence[Outgoing]:
        """Staged notices whose time has come, oldest first."""
        n, u, c = schema.notices, schema.users, schema.channels
        with transaction(self._engine, write=False) as db:
            rows = db.execute(
                select(n.c.notice_id, n.c.kind, n.c.attempts, n.c.recipient, u.c.language)
                .join(u, u.c.user_id == n.c.recipient)
                .where(n.c.state == NoticeState.STAGED.value, n.c.next_at <= now)
                .order_by(n.c.next_at, n.c.created_at, n.c.notice_id)
                .limit(limit)
            ).all()
            urls: dict[str, list[str]] = defaultdict(list)
            who = {row.recipient for row in rows}
            if who:
                for row in db.execute(select(c).where(c.c.user_id.in_(who), c.c.active).order_by(c.c.created_at)):
                    box = sealing.open_(self._keys.storage_key, row.address, "channel", row.channel_id)
                    urls[row.user_id].append(box.decode())
        return [
            Outgoing(
                notice_id=row.notice_id,
                recipient=row.recipient,
                kind=NoticeKind(row.kind),
                language=row.language,
                attempts=row.attempts,
                urls=tuple(urls[row.recipient]),
            )
            for row in rows
        ]

    def sent(self, notice_ids: Collection[str], now: datetime, outcome: str) -> None:
        """They went out; what was answered, or is over, since they went on their way stays as it is."""
        n = schema.notices
        with transaction(self._engine, write=True) as db:
            still = select(n.c.notice_id, n.c.state).where(n.c.notice_id.in_(notice_ids)).with_for_update()
            staged = [row.notice_id for row in db.execute(still) if can_notice(NoticeState(row.state), NoticeStep.SEND)]
            if not staged:
                return
            state = advance_notice(NoticeState.STAGED, NoticeStep.SEND)
            db.execute(
                update(n)
                .where(n.c.notice_id.in_(staged))
                .values(state=state.value, sent_at=now, attempts=n.c.attempts + 1)
            )
            close(db, [], [Deed(actor=SYSTEM, action="notice", object_id=i, outcome=outcome) for i in staged], now)

    def failed(self, notice_ids: Collection[str], next_at: datetime) -> None:
        """No channel took them; they are due again at `next_at`."""
        n = schema.notices
        with transaction(self._engine, write=True) as db:
            db.execute(
                update(n)
                .where(n.c.notice_id.in_(notice_ids), n.c.state == NoticeState.STAGED.value)
                .values(attempts=n.c.attempts + 1, next_at=next_at)
            )
