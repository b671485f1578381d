"""Everything the app says, in English and Spanish, and how it writes times. Plain words, 6th-grade level.

The texts are `locale/en.json` and `locale/es.json`: flat keys, `{name}` for values; a key that counts has two forms,
KEY.one and KEY.other. A missing key raises: a test proves that both languages have every key. Problems come from
`referral/problems.py` in English and from the Spanish file as problem.CODE.title and problem.CODE.meaning.

Times are shown in the device's zone, in the 12 or 24 h clock of its region.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from pathlib import Path

from referral.problems import PROBLEMS, ProblemCode
from referral.programme import Text

LANGUAGES = ("en", "es")
LOCALE = Path(__file__).resolve().parent / "locale"
_TWELVE_HOURS = frozenset({"US", "CA", "AU", "NZ", "PH", "IN", "MX", "CO", "SV", "HN", "NI", "EG", "PK", "BD", "MY"})


@cache
def texts(language: str) -> Mapping[str, str]:
    """All texts of a language by key; English for a language that is not there."""
    name = language if language in LANGUAGES else LANGUAGES[0]
    found: dict[str, str] = json.loads((LOCALE / f"{name}.json").read_text(encoding="utf-8"))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """One language, one region, one time zone. `words("home.title")`, `words("age.minutes", n=3)`."""

    language: str = "en"
    region: str = "US"
    zone: tzinfo | None = None  # None: the device's own

    def __call__(self, key: str, **values: object) -> str:
        """The text of `key` with its values; KeyError for a key that does not exist."""
        found = texts(self.language)[key]
        return found.format(**values) if values else found

    def has(self, key: str) -> bool:
        """True when there is such a text."""
        return key in texts(self.language)

    def count(self, key: str, n: int, **values: object) -> str:
        """The text that fits a number: KEY.one or KEY.other."""
        return self(f"{key}.{'one' if n == 1 else 'other'}", n=n, **values)

    def pack(self, text: Text) -> str:
        """A text of the programme pack in this language."""
        return text.in_(self.language)

    def problem(self, code: ProblemCode) -> tuple[str, str]:
        """What happened, and what it means and what to do next."""
        if self.language == "es":
            return self(f"problem.{code}.title"), self(f"problem.{code}.meaning")
        return PROBLEMS[code].title, PROBLEMS[code].meaning

    def local(self, moment: datetime) -> datetime:
        """An aware moment in the device's time."""
        return moment.astimezone(self.zone)

    def time(self, moment: datetime) -> str:
        """The time of day: "2:10 am" or "02:10"."""
        at = self.local(moment)
        if self.region not in _TWELVE_HOURS:
            return f"{at:%H:%M}"
        return f"{at.hour % 12 or 12}:{at:%M} {self('time.am' if at.hour < 12 else 'time.pm')}"

    def day(self, moment: datetime) -> str:
        """The day: "Feb 3" or "3 de feb."."""
        at = self.local(moment)
        return self("time.day", day=at.day, month=self(f"time.month.{at.month}"))

    def when(self, moment: datetime, now: datetime) -> str:
        """The time, with the day unless it is today."""
        if self.local(moment).date() == self.local(now).date():
            return self.time(moment)
        return self("time.when", day=self.day(moment), time=self.time(moment))

    def age(self, seconds: float) -> str:
        """A length of time in its largest unit: "just now", "12 min", "3 h", "2 days"."""
        span = timedelta(seconds=max(0, int(seconds)))
        minutes = int(span.total_seconds()) // 60
        if minutes < 1:
            return self("age.now")
        if minutes < 120:
            return self("age.minutes", n=minutes)
        if minutes < 48 * 60:
            return self("age.hours", n=minutes // 60)
        return self("age.days", n=minutes // (24 * 60))

    def since(self, moment: datetime, now: datetime) -> str:
        """How long ago it was."""
        return self.age((now.astimezone(UTC) - moment.astimezone(UTC)).total_seconds())

    def clock(self, seconds: float) -> str:
        """A running clock: "4:07", "1:02:33"."""
        total = max(0, int(seconds))
        hours, minutes, rest = total // 3600, total // 60 % 60, total % 60
        return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
