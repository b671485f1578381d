"""The dispatcher's book: what is due outside, and what became of it. Implements `dispatcher.NoticeBook` for one dispatcher.

One message wakes a person once for all notices of a kind that are due (nobody is rung two hundred times for one sync); it
carries the oldest one's id, and what becomes of it becomes of all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime

from case_system.dispatcher import DueNotice
from case_system.notify.channels import Sent
from case_system.store.notices import NoticeRows

_TOGETHER = 50  # notices looked at for each message


class NoticeBook:
    """`climb` is the service's; the rest is in `rows`."""

    def __init__(self, rows: NoticeRows, climb: Callable[[datetime], datetime | None]) -> None:
        self._rows, self._climb = rows, climb
        self._together: dict[str, tuple[str, ...]] = {}  # the notices that one message speaks for

    def climb(self, now: datetime) -> datetime | None:
        """Stage the notices of every rung that is due; when to look again."""
        return self._climb(now)

    def due_notices(self, now: datetime, limit: int) -> Sequence[DueNotice]:
        """One for each person and kind that has staged notices whose time has come, oldest first."""
        due = self._rows.due(now, limit * _TOGETHER)
        groups: dict[tuple[str, str], list[str]] = defaultdict(list)
        for row in due:
            groups[row.recipient, row.kind].append(row.notice_id)
        self._together = {ids[0]: tuple(ids) for ids in groups.values()}
        return [
            DueNotice(
                notice_id=row.notice_id, kind=row.kind, urls=row.urls, language=row.language, attempts=row.attempts
            )
            for row in due
            if row.notice_id in self._together
        ][:limit]

    def notice_sent(self, notice_id: str, now: datetime, outcome: Sent) -> None:
        """Delivered, or there is no channel: do not send again."""
        self._rows.sent(self._all(notice_id), now, outcome.value)

    def notice_failed(self, notice_id: str, next_at: datetime) -> None:
        """No channel took it; try again at `next_at`."""
        self._rows.failed(self._all(notice_id), next_at)

    def _all(self, notice_id: str) -> tuple[str, ...]:
        return self._together.get(notice_id, (notice_id,))
