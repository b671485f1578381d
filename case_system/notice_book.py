"""The dispatcher's book of notices over the database: what is due outside, and what became of it.

One message wakes a person once for all notices of a kind that are due (nobody is rung two hundred times for one sync); it
carries the oldest one's id, and what becomes of it becomes of all. Channel addresses are unsealed here and handed on; they
are never logged. Implements `dispatcher.NoticeBook` for one dispatcher.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import Engine, select, update

from case_system import sealing
from case_system.audit import Deed
from case_system.dispatcher import DueNotice
from case_system.handoff import NoticeState, NoticeStep, advance_notice, can_notice
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
        self._together: dict[str, tuple[str, ...]] = {}  # the notices that one message speaks for

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
                .order_by(n.c.next_at, n.c.created_at, n.c.notice_id)
                .limit(limit * 50)
            ).all()
            who = {row.recipient for row in rows}
            urls: dict[str, list[str]] = defaultdict(list)
            if who:
                for row in db.execute(select(c).where(c.c.user_id.in_(who), c.c.active).order_by(c.c.created_at)):
                    box = sealing.open_(self._keys.storage_key, row.address, "channel", row.channel_id)
                    urls[row.user_id].append(box.decode())
        groups: dict[tuple[str, str], list[str]] = defaultdict(list)
        for row in rows:
            groups[row.recipient, row.kind].append(row.notice_id)
        self._together = {ids[0]: tuple(ids) for ids in groups.values()}
        return [
            DueNotice(
                notice_id=row.notice_id,
                kind=NoticeKind(row.kind),
                urls=tuple(urls[row.recipient]),
                language=row.language,
                attempts=row.attempts,
            )
            for row in rows
            if row.notice_id in self._together
        ][:limit]

    def notice_sent(self, notice_id: str, now: datetime, outcome: Sent) -> None:
        """Delivered, or there is no channel: do not send again."""
        n = schema.notices
        with transaction(self._engine, write=True) as db:
            # what was answered, or is over, since it went on its way stays as it is
            still = select(n.c.notice_id, n.c.state).where(n.c.notice_id.in_(self._all(notice_id))).with_for_update()
            staged = [row.notice_id for row in db.execute(still) if can_notice(NoticeState(row.state), NoticeStep.SEND)]
            if not staged:
                return
            sent = advance_notice(NoticeState.STAGED, NoticeStep.SEND)
            db.execute(
                update(n)
                .where(n.c.notice_id.in_(staged))
                .values(state=sent.value, sent_at=now, attempts=n.c.attempts + 1)
            )
            deeds = [Deed(actor=SYSTEM, action="notice", object_id=one, outcome=outcome.value) for one in staged]
            close(db, [], deeds, now)

    def _all(self, notice_id: str) -> tuple[str, ...]:
        return self._together.get(notice_id, (notice_id,))

    def notice_failed(self, notice_id: str, next_at: datetime) -> None:
        """No channel took it; try again at `next_at`."""
        n = schema.notices
        with transaction(self._engine, write=True) as db:
            db.execute(
                update(n)
                .where(n.c.notice_id.in_(self._all(notice_id)), n.c.state == NoticeState.STAGED.value)
                .values(attempts=n.c.attempts + 1, next_at=next_at)
            )
