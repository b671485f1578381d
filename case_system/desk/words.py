"""What the pages say, in English and Spanish: one table, a file of `locale/` for each area of pages.

A row is `"key": [English, Spanish]`, so that no text can be there in one language only; `{name}` stands for a value, and what
counts has two rows, KEY.one and KEY.other. A missing key raises. Codes have rows under `KIND.CODE`. `shared.json` and `problems.json` are
the app's own words, held equal by a test. Times are written in the programme's zone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import cache
from pathlib import Path

from referral.problems import ProblemCode
from referral.programme import Text

LANGUAGES = ("en", "es")
LOCALE = Path(__file__).resolve().parent / "locale"


@cache
def table() -> Mapping[str, tuple[str, str]]:
    """Every text by key; ValueError where two files have the same key."""
    rows: dict[str, tuple[str, str]] = {}
    for file in sorted(LOCALE.glob("*.json")):
        for key, (english, spanish) in json.loads(file.read_text(encoding="utf-8")).items():
            if key in rows:
                raise ValueError(f"{key} is in two files of the desk's words")
            rows[key] = (english, spanish)
    return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """One language and the programme's time zone. `say("work.title")`, `say.count("work.waiting", 3)`."""

    language: str = "en"
    zone: tzinfo = UTC

    def __call__(self, key: str, **values: object) -> str:
        """The text of `key` with its values; KeyError for a key that does not exist."""
        text = table()[key][LANGUAGES.index(self.language)]
        return text.format(**values) if values else text

    def has(self, key: str) -> bool:
        """True when there is such a text."""
        return key in table()

    def count(self, key: str, n: int, **values: object) -> str:
        """The text that fits a number: KEY.one or KEY.other."""
        return self(f"{key}.{'one' if n == 1 else 'other'}", n=n, **values)

    def code(self, kind: str, code: object) -> str:
        """A code in words; the code itself, readable, where there is no row (a later version's, or another city's)."""
        key = f"{kind}.{code}"
        return self(key) if self.has(key) else str(code).replace("_", " ").capitalize()

    def pack(self, text: Text) -> str:
        """A text of the programme pack."""
        return text.in_(self.language)

    def problem(self, code: ProblemCode) -> tuple[str, str]:
        """What happened, and what it means and what to do."""
        return self(f"problem.{code}.title"), self(f"problem.{code}.meaning")

    # ------------------------------------------------------------------------------------------------ times
    def time(self, at: datetime) -> str:
        """2:10 am"""
        local = at.astimezone(self.zone)
        half = self("time.pm" if local.hour >= 12 else "time.am")
        return f"{local.hour % 12 or 12}:{local.minute:02d} {half}"

    def day(self, at: datetime) -> str:
        """Tue, Mar 3, 2026"""
        local = at.astimezone(self.zone)
        weekday, month = self(f"time.weekday.{local.weekday()}"), self(f"time.month.{local.month}")
        if self.language == "en":
            return f"{weekday}, {month} {local.day}, {local.year}"
        return f"{weekday} {local.day} de {month} {local.year}"

    def when(self, at: datetime, now: datetime) -> str:
        """The time alone today, with the day before that."""
        same = at.astimezone(self.zone).date() == now.astimezone(self.zone).date()
        return self.time(at) if same else f"{self.day(at)}, {self.time(at)}"


def running(since: datetime | None, now: datetime) -> str:
    """A running clock: 4:05, 1:02:09 after an hour, 3 d 4 h after a day."""
    seconds = 0 if since is None else max(0, int((now - since).total_seconds()))
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    if hours >= 24:
        return f"{hours // 24} d {hours % 24} h"
    return f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"
