"""Bad input in the audit trail: what was refused, by whom and why, so that no flood can fill the disk.

Every refusal counts; the trail gets the first of a kind at once, and the number of the others of its hour as one row when the
hour is over. A kind is (actor, device, action, code): as many as there are devices and codes, whatever is sent. So a flood costs
at most two rows an hour for each kind, and who reads the trail still sees how large it was. Where an attempt names nobody whom
the case system knows, the actor is "unknown": what was sent is never kept.

Keeps counts of the running hour in memory; `rest` gives them back before the process ends. Knows no database and no clock.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from case_system.audit import Deed

WINDOW = timedelta(hours=1)
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class _Counted:
    until: datetime
    more: int = 0


class Refusals:
    """Counts refusals by kind. Thread-safe."""

    def __init__(self) -> None:
        self._kinds: dict[Deed, _Counted] = {}
        self._lock = threading.Lock()

    def heard(self, kind: Deed, now: datetime, times: int = 1) -> tuple[Deed, ...]:
        """Count `times` refusals of a kind; the rows to write now, which are none for most."""
        with self._lock:
            over = self._over(now)
            counted = self._kinds.get(kind)
            if counted is None:
                self._kinds[kind] = _Counted(now + WINDOW, times - 1)
                return (*over, kind)
            self._kinds[kind] = replace(counted, more=counted.more + times)
            return over

    def rest(self) -> tuple[Deed, ...]:
        """The rows of everything that was counted and is not written yet."""
        with self._lock:
            return self._over(None)

    def _over(self, now: datetime | None) -> tuple[Deed, ...]:
        ended = [kind for kind, counted in self._kinds.items() if now is None or counted.until <= now]
        found = [(kind, self._kinds.pop(kind).more) for kind in ended]
        return tuple(replace(kind, object_id=f"{more}_more") for kind, more in found if more)
