"""A person's channels: added, changed, taken away and listed, with how each did lately. Every change is audited.

An address holds secrets and phone numbers; it is sealed under the storage key, and nothing here gives it back. A person changes
their own channels (`of`), an administrator anybody's. A browser has one subscription: whoever switches it on last is woken by it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from case_system import sealing
from case_system.alarms import kind_of
from case_system.audit import Deed
from case_system.handoff import NoticeState
from case_system.ports import Clock, Keys, RandomBytes
from case_system.storage import NotSo
from case_system.store import schema, staff
from case_system.store.engine import transaction
from case_system.store.ledger import close
from case_system.waking import BadHours, spans, written
from case_system.ways import Channel

MOST = 20  # channels of one person
PUSH = "webpush"
_SCHEME = re.compile(r"[a-z0-9]{1,40}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Channels:
    """Changes over one engine."""

    engine: Engine = field(repr=False)
    clock: Clock
    rng: RandomBytes
    keys: Keys

    def add(
        self, user_id: str, url: str, *, kinds: Collection[str] = (), hours: str = "", by: str = "administrator"
    ) -> str:
        """A way to wake a person outside the app: an Apprise URL. Its id. Raises NotSo."""
        scheme, colon, _ = url.partition(":")
        if not colon or not _SCHEME.match(scheme):
            raise NotSo("a channel is a URL such as mailtos://... or console://", "no_channel_url")
        return self._put(self.rng(16).hex(), user_id, scheme, url, _settings(kinds, hours), by)

    def add_push(self, user_id: str, subscription: Mapping[str, str], *, by: str = "administrator") -> str:
        """Wake a person through the browser that this subscription belongs to, and nobody else through it. Its id."""
        address = json.dumps(dict(subscription), sort_keys=True)
        channel_id = self._push_id(subscription["endpoint"])
        return self._put(channel_id, user_id, PUSH, f"{PUSH}:{address}", None, by)

    def _put(self, channel_id: str, user_id: str, kind: str, url: str, settings: Mapping[str, str] | None, by: str) -> str:  # fmt: skip
        c, now = schema.channels, self.clock()
        with transaction(self.engine, write=True) as db:
            staff.need(db, user_id)
            others = select(func.count()).select_from(c).where(c.c.user_id == user_id, c.c.active, c.c.channel_id != channel_id)  # fmt: skip
            if db.execute(others).scalar_one() >= MOST:
                raise NotSo(f"a person has at most {MOST} channels", "too_many_channels")
            before = db.execute(select(c.c.user_id, c.c.kinds, c.c.hours).where(c.c.channel_id == channel_id)).one_or_none()  # fmt: skip
            if settings is None:
                same = before is not None and before.user_id == user_id
                settings = {"kinds": before.kinds, "hours": before.hours} if same and before else _settings((), "")
            db.execute(delete(c).where(c.c.channel_id == channel_id))
            address = sealing.seal(self.keys.storage_key, url.encode(), "channel", channel_id, self.rng)
            db.execute(
                insert(c).values(
                    channel_id=channel_id, user_id=user_id, kind=kind, address=address, created_at=now, **settings
                )
            )
            _due_again(db, user_id)
            close(db, [], [Deed(actor=by, action="channel_add", object_id=channel_id, outcome=kind)], now)
        return channel_id

    def change(self, channel_id: str, *, kinds: Collection[str] | None = None, hours: str | None = None, of: str | None = None, by: str = "administrator") -> None:  # fmt: skip
        """Which notices a channel is for, and when it may be used. of: only where it is this person's. Raises NotSo."""
        now = self.clock()
        with transaction(self.engine, write=True) as db:
            whose, had, open_at = self._need(db, channel_id, of)
            new = _settings(had.split() if kinds is None else kinds, open_at if hours is None else hours)
            db.execute(update(schema.channels).where(schema.channels.c.channel_id == channel_id).values(**new))
            _due_again(db, whose)
            close(db, [], [Deed(actor=by, action="channel_set", object_id=channel_id, outcome="done")], now)

    def remove(self, channel_id: str, *, of: str | None = None, by: str = "administrator") -> None:
        """Wake nobody through it any more; its address is forgotten. Raises NotSo."""
        now = self.clock()
        with transaction(self.engine, write=True) as db:
            self._need(db, channel_id, of)
            db.execute(delete(schema.channels).where(schema.channels.c.channel_id == channel_id))
            close(db, [], [Deed(actor=by, action="channel_remove", object_id=channel_id, outcome="done")], now)

    def remove_push(self, user_id: str, endpoint: str, *, by: str = "administrator") -> None:
        """Forget a browser's subscription, if it is this person's."""
        with suppress(NotSo):  # it is gone already, which is what was wanted
            self.remove(self._push_id(endpoint), of=user_id, by=by)

    def listed(self, user_id: str | None = None, *, failing: bool = False) -> tuple[Channel, ...]:
        """The channels of a person, or everybody's; failing: only those whose last try failed."""
        c = schema.channels
        found = select(c).order_by(c.c.user_id, c.c.created_at, c.c.channel_id)
        if user_id is not None:
            found = found.where(c.c.user_id == user_id)
        if failing:
            found = found.where(c.c.fault.is_not(None))
        with transaction(self.engine, write=False) as db:
            return tuple(
                Channel(
                    channel_id=row.channel_id,
                    user_id=row.user_id,
                    kind=row.kind,
                    active=row.active,
                    kinds=tuple(row.kinds.split()),
                    hours=row.hours,
                    failures=row.failures,
                    fault=row.fault,
                    failed_at=row.failed_at,
                    delivered_at=row.delivered_at,
                    added_at=row.created_at,
                )
                for row in db.execute(found)
            )

    def _push_id(self, endpoint: str) -> str:
        return sealing.blind(self.keys.index_key, "push", endpoint)[:32]

    @staticmethod
    def _need(db: Connection, channel_id: str, of: str | None) -> tuple[str, str, str]:
        """Whose it is, what it is for and when."""
        c = schema.channels
        row = db.execute(select(c.c.user_id, c.c.kinds, c.c.hours).where(c.c.channel_id == channel_id)).one_or_none()
        if row is None or of not in (None, row.user_id):
            raise NotSo("there is no such channel", "no_channel")
        return row.user_id, row.kinds, row.hours


def _settings(kinds: Collection[str], hours: str) -> dict[str, str]:
    try:
        words = sorted({kind_of(word).value for word in kinds})
    except ValueError:
        raise NotSo("there is no such kind of notice", "no_such_kind") from None
    try:
        return {"kinds": " ".join(words), "hours": written(spans(hours))}
    except BadHours as error:
        raise NotSo(str(error), "bad_hours") from None


def _due_again(db: Connection, user_id: str) -> None:
    """What waited for the channels' old hours is looked at again."""
    n = schema.notices
    waits = (n.c.recipient == user_id) & (n.c.state == NoticeState.STAGED.value) & n.c.claimed_by.is_(None)
    db.execute(update(n).where(waits).values(next_at=n.c.due_at))
