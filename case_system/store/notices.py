"""Notices on their way out: taken by one dispatcher at a time, with their recipients' channels, and what became of them.

A claim is a lease: `claimed_by` names the dispatcher, and `next_at` is when the notices are due again if nothing more is heard of
it. Several dispatchers never hold the same notice at once (rows are locked while they are taken, and skipped by the others).
What a dispatcher says late, after its lease, still counts when something was delivered, and no longer when it failed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, Engine, select, update

from case_system import sealing
from case_system.alarms import Kind, kind_of
from case_system.assignment import posts
from case_system.audit import Deed
from case_system.handoff import NoticeState, NoticeStep, advance_notice, can_notice
from case_system.ports import Keys
from case_system.record import SYSTEM
from case_system.store import lookups, schema
from case_system.store.engine import transaction
from case_system.store.ledger import close
from case_system.ways import Fault, Tried
from referral.lifecycle import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A channel of a recipient. kinds, hours: empty for all and for always."""

    channel_id: str
    url: str = field(repr=False)
    kinds: frozenset[str]
    hours: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A staged notice whose time has come, taken by who asked. wake_id: the id that its message carries, the same for all of
    one person and kind. on_post: its recipient is on duty, on call or the like now."""

    notice_id: str
    wake_id: str
    recipient: str
    role: Role
    kind: Kind
    language: str
    attempts: int
    night: bool
    late: bool
    on_post: bool
    lines: tuple[Line, ...]


class NoticeRows:
    """Reads and changes over one engine."""

    def __init__(self, engine: Engine, keys: Keys) -> None:
        self._engine, self._keys = engine, keys

    def claim(self, who: str, now: datetime, until: datetime, limit: int) -> Sequence[Outgoing]:
        """Staged notices whose time has come, oldest first; nobody else gets them before `until`."""
        n, u = schema.notices, schema.users
        due = (n.c.state == NoticeState.STAGED.value) & (n.c.next_at <= now) & (n.c.expires_at > now)
        with transaction(self._engine, write=False) as db:
            if db.execute(select(n.c.notice_id).where(due).limit(1)).first() is None:
                return []
        with transaction(self._engine, write=True) as db:
            taken = (
                select(n.c.notice_id, n.c.wake_id, n.c.kind, n.c.attempts, n.c.night, n.c.late, n.c.recipient, u.c.language, u.c.role)
                .join(u, u.c.user_id == n.c.recipient)
                .where(due)
                .order_by(n.c.due_at, n.c.created_at, n.c.notice_id)
                .limit(limit)
                .with_for_update(skip_locked=True, of=n)
            )  # fmt: skip
            rows = db.execute(taken).all()
            if not rows:
                return []
            together: dict[tuple[str, str], list[str]] = defaultdict(list)
            spoken: dict[tuple[str, str], str] = {}
            for row in rows:
                together[row.recipient, row.kind].append(row.notice_id)
                spoken.setdefault((row.recipient, row.kind), row.wake_id or row.notice_id)
            for key, ids in together.items():
                taking = {"claimed_by": who, "next_at": until, "wake_id": spoken[key]}
                db.execute(update(n).where(n.c.notice_id.in_(ids)).values(**taking))
            lines = self._lines(db, {row.recipient for row in rows})
            standing = posts(lookups.rota(db, now), lookups.users(db).values(), now)
        on_post = frozenset(standing.duty + standing.on_call + standing.supervisors + standing.sao)
        return [
            Outgoing(
                notice_id=row.notice_id,
                wake_id=spoken[row.recipient, row.kind],
                recipient=row.recipient,
                role=Role(row.role),
                kind=kind_of(row.kind),
                language=row.language,
                attempts=row.attempts,
                night=row.night,
                late=row.late,
                on_post=row.recipient in on_post,
                lines=tuple(lines[row.recipient]),
            )
            for row in rows
        ]

    def _lines(self, db: Connection, who: Collection[str]) -> Mapping[str, list[Line]]:
        c, u = schema.channels, schema.users
        lines: dict[str, list[Line]] = defaultdict(list)
        theirs = select(c).join(u, u.c.user_id == c.c.user_id).where(c.c.user_id.in_(who), c.c.active, u.c.active)
        for row in db.execute(theirs.order_by(c.c.created_at, c.c.channel_id)):
            box = sealing.open_(self._keys.storage_key, row.address, "channel", row.channel_id)
            lines[row.user_id].append(
                Line(channel_id=row.channel_id, url=box.decode(), kinds=frozenset(row.kinds.split()), hours=row.hours)
            )
        return lines

    def wait(self, who: str, notice_ids: Collection[str], until: datetime) -> None:
        """Give the claim back: they are due at `until`, and nothing was tried."""
        n = schema.notices
        with transaction(self._engine, write=True) as db:
            mine = n.c.notice_id.in_(notice_ids) & (n.c.claimed_by == who) & (n.c.state == NoticeState.STAGED.value)
            db.execute(update(n).where(mine).values(claimed_by=None, next_at=until))

    def sent(self, notice_ids: Collection[str], now: datetime, outcome: str, tried: Sequence[Tried]) -> None:
        """They went out; what was answered, or is over, since they went on their way stays as it is."""
        n = schema.notices
        with transaction(self._engine, write=True) as db:
            deeds = _told(db, tried, now)
            still = select(n.c.notice_id, n.c.state).where(n.c.notice_id.in_(notice_ids)).with_for_update()
            staged = [row.notice_id for row in db.execute(still) if can_notice(NoticeState(row.state), NoticeStep.SEND)]
            if staged:
                state = advance_notice(NoticeState.STAGED, NoticeStep.SEND)
                values = {"state": state.value, "sent_at": now, "attempts": n.c.attempts + 1, "claimed_by": None}
                db.execute(update(n).where(n.c.notice_id.in_(staged)).values(**values))
            deeds += [Deed(actor=SYSTEM, action="notice", object_id=i, outcome=outcome) for i in staged]
            close(db, [], deeds, now)

    def failed(
        self, who: str, notice_ids: Collection[str], now: datetime, next_at: datetime, tried: Sequence[Tried]
    ) -> None:
        """No channel took them; they are due again at `next_at`, unless another dispatcher has them by now."""
        n = schema.notices
        with transaction(self._engine, write=True) as db:
            mine = n.c.notice_id.in_(notice_ids) & (n.c.claimed_by == who) & (n.c.state == NoticeState.STAGED.value)
            db.execute(update(n).where(mine).values(attempts=n.c.attempts + 1, next_at=next_at, claimed_by=None))
            close(db, [], _told(db, tried, now), now)


def _told(db: Connection, tried: Sequence[Tried], now: datetime) -> list[Deed]:
    """Write down how each channel did; one that is gone for good is not tried again."""
    c = schema.channels
    deeds: list[Deed] = []
    for one in sorted(tried, key=lambda t: t.channel_id):
        this = update(c).where(c.c.channel_id == one.channel_id)
        if one.fault is None:
            db.execute(this.values(failures=0, fault=None, delivered_at=now))
            continue
        db.execute(this.values(failures=c.c.failures + 1, fault=one.fault.value, failed_at=now))
        if one.fault is Fault.GONE:
            db.execute(this.values(active=False))
            deeds.append(Deed(actor=SYSTEM, action="channel_gone", object_id=one.channel_id, outcome="done"))
    return deeds
