"""The dispatcher's book: what it has taken to carry outside, and what became of it. Implements `dispatcher.NoticeBook`.

One message wakes a person once for all notices of a kind that are due (nobody is rung two hundred times for one sync); it
carries the oldest one's id, and what becomes of it becomes of all. A person whose channels are closed at this hour is left
alone until the first of them opens, unless the notice rings whatever the hour (`waking.py`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime

from case_system.dispatcher import DueNotice
from case_system.store.notices import Line, NoticeRows, Outgoing
from case_system.waking import next_open, spans
from case_system.ways import Tried, Way, outcome
from referral.lifecycle import Role

_TOGETHER = 50  # notices looked at for each message


class NoticeBook:
    """The book of the dispatcher `name`. `climb` is the service's; the rest is in `rows`; `time_zone` is the pack's."""

    def __init__(
        self, rows: NoticeRows, climb: Callable[[datetime], datetime | None], *, name: str, time_zone: Callable[[], str]
    ) -> None:
        self._rows, self._climb, self._name, self._time_zone = rows, climb, name, time_zone
        self._together: dict[str, tuple[str, ...]] = {}  # the notices that one message speaks for

    def climb(self, now: datetime) -> datetime | None:
        """Stage the notices of every rung that is due; when to look again."""
        return self._climb(now)

    def due_notices(self, now: datetime, until: datetime, limit: int) -> Sequence[DueNotice]:
        """One for each person and kind that has staged notices whose time has come, oldest first; ours until then."""
        groups: dict[str, list[Outgoing]] = defaultdict(list)
        for row in self._rows.claim(self._name, now, until, limit * _TOGETHER):
            groups[row.wake_id].append(row)
        self._together = {wake_id: tuple(row.notice_id for row in rows) for wake_id, rows in groups.items()}
        zone = self._time_zone() if groups else "UTC"
        due: list[DueNotice] = []
        for wake_id, rows in groups.items():
            wanted = [line for line in rows[0].lines if not line.kinds or rows[0].kind in line.kinds]
            through = any(row.night and (row.on_post or row.role is Role.OFFICER) for row in rows)
            opens = {line.channel_id: now if through else next_open(spans(line.hours), now, zone) for line in wanted}
            if len(due) == limit or (wanted and min(opens.values()) > now):
                self._rows.wait(self._name, self._together.pop(wake_id), max(now, min(opens.values(), default=now)))
                continue
            due.append(_due(wake_id, rows, [line for line in wanted if opens[line.channel_id] <= now]))
        return due

    def sent(self, notice: DueNotice, now: datetime, tried: Sequence[Tried]) -> None:
        """Delivered, or there is no channel: do not send again."""
        self._rows.sent(self._all(notice), now, outcome(tried).value, tried)

    def failed(self, notice: DueNotice, now: datetime, next_at: datetime, tried: Sequence[Tried]) -> None:
        """No channel took it; try again at `next_at`."""
        self._rows.failed(self._name, self._all(notice), now, next_at, tried)

    def _all(self, notice: DueNotice) -> tuple[str, ...]:
        return self._together.get(notice.notice_id, (notice.notice_id,))


def _due(wake_id: str, rows: Sequence[Outgoing], lines: Sequence[Line]) -> DueNotice:
    first = rows[0]
    return DueNotice(
        notice_id=wake_id,
        kind=first.kind,
        ways=tuple(Way(channel_id=line.channel_id, url=line.url) for line in lines),
        language=first.language,
        attempts=max(row.attempts for row in rows),
        late=all(row.late for row in rows),
        quiet=first.role is Role.OFFICER,
    )
