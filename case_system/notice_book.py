"""The dispatcher's book of notices over the database: what is due outside, and what became of it.

Channel addresses are unsealed here and handed on; they are never logged. Implements `dispatcher.NoticeBook`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import Engine, select, update

from case_system import sealing
from case_system.audit import Deed
from case_system.dispatcher import DueNotice
from case_system.handoff import NoticeState, NoticeStep, advance_notice
from case_system.notify.channels import Sent
from case_system.ports import Keys
from case_system.record import SYSTEM
from case_system.store import schema
from case_system.store.engine import transaction
from case_system.store.ledger import close
from referral.views import NoticeKind


class NoticeBook:
    """`climb` is the service's; the rest reads and writes `notices`."""

    def __init__(self, engine: Engine, keys: Keys, climb: Callable[[datetime], datetime | None]) -> None:
        self._engine, self._keys, self._climb = engine, keys, climb

    def climb(self, now: datetime) -> datetime | None:
        """Stage the notices of every rung that is due; when to look again."""
        return self._climb(now)

    def due_notices(self, now: datetime, limit: int) -> Sequence[DueNotice]:
        """Staged notices whose time has come, oldest first."""
        n, u, c = schema.notices, schema.users, schema.channels
        with transaction(self._engine, write=False) as db:
            rows = db.execute(
                select(n.c.notice_id, n.c.kind, n.c.attempts, n.c.recipient, u.c.language)
                .join(u, u.c.user_id == n.c.recipient)
                .where(n.c.state == NoticeState.STAGED.value, n.c.next_at <= now)
                .order_by(n.c.next_at, n.c.created_at)
                .limit(limit)
            ).all()
            who = {row.recipient for row in rows}
            urls: dict[str, list[str]] = defaultdict(list)
            if who:
                for row in db.execute(select(c).where(c.c.user_id.in_(who), c.c.active).order_by(c.c.created_at)):
                    box = sealing.open_(self._keys.storage_key, row.address, "channel", row.channel_id)
                    urls[row.user_id].append(box.decode())
        return [
            DueNotice(
                notice_id=row.notice_id,
                kind=NoticeKind(row.kind),
                urls=tuple(urls[row.recipient]),
                language=row.language,
                attempts=row.attempts,
            )
            for row in rows
        ]

    def notice_sent(self, notice_id: str, now: datetime, outcome: Sent) -> None:
        """Delivered, or there is no channel: do not send again."""
        n = schema.notices
        with transaction(self._engine, write=True) as db:
            state = db.execute(select(n.c.state).where(n.c.notice_id == notice_id).with_for_update()).scalar_one()
            if state != NoticeState.STAGED.value:  # answered or over while it was on its way
                return
            sent = advance_notice(NoticeState(state), NoticeStep.SEND)
            db.execute(
                update(n)
                .where(n.c.notice_id == notice_id)
                .values(state=sent.value, sent_at=now, attempts=n.c.attempts + 1)
            )
            close(db, [], [Deed(actor=SYSTEM, action="notice", object_id=notice_id, outcome=outcome.value)], now)

    def notice_failed(self, notice_id: str, next_at: datetime) -> None:
        """No channel took it; try again at `next_at`."""
        n = schema.notices
        with transaction(self._engine, write=True) as db:
            db.execute(update(n).where(n.c.notice_id == notice_id).values(attempts=n.c.attempts + 1, next_at=next_at))
