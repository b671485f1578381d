"""One question at a time, for a form or an amendment: where its answer lies, and how a new one is put.

Answers are in wire form, nested; a path is a wire name with dots ("person.name"). Typed text is kept while the person
types and put a moment later, when the field is left, on Save, and before a lock: no answer is ever lost to a pause.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import flet as ft

from field_app.views.boundary import component, handler
from field_app.views.parts import text_field
from field_app.views.stage import Stage
from referral.model import Kind
from referral.programme import Programme

Json = Any
Change = tuple[str, Json]
PAUSE_SECONDS = 0.5


def at(answers: Mapping[str, Json], path: str) -> Json:
    """The answer at a path, or None."""
    found: Json = answers
    for name in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What every question needs. `put` saves answers now; `pen` saves typed text a moment later."""

    here: Stage
    kind: Kind
    answers: Mapping[str, Json] = field(repr=False)
    put: Callable[[Sequence[Change]], Awaitable[None]]
    pen: Pen
    errors: Mapping[str, str]
    width: float

    def get(self, path: str) -> Json:
        """The present answer."""
        return at(self.answers, path)

    @property
    def programme(self) -> Programme:
        """The pack."""
        return self.here.programme


class Pen:
    """Typed text that is not put yet. One per form; `flush` leaves nothing behind."""

    def __init__(self, put: Callable[[Sequence[Change]], Awaitable[None]], page: ft.Page) -> None:
        self._put, self._page = put, page
        self._waiting: dict[str, Json] = {}
        self._turn = 0

    def write(self, path: str, value: Json) -> None:
        """Keep the newest text for a path and put it after a short pause."""
        self._waiting[path] = value
        self._turn += 1
        self._page.run_task(self._later, self._turn)

    async def _later(self, turn: int) -> None:
        await asyncio.sleep(PAUSE_SECONDS)
        if turn == self._turn:
            await self.flush()

    async def flush(self) -> None:
        """Put everything that was typed."""
        waiting, self._waiting = self._waiting, {}
        if waiting:
            await self._put(list(waiting.items()))


@component
def TextAnswer(
    ask: Asking,
    path: str,
    label: str,
    *,
    initial: str = "",
    hint: str | None = None,
    read: Callable[[str], Json] | None = None,
    wrong: str | None = None,
    keyboard: ft.KeyboardType = ft.KeyboardType.TEXT,
    limit: int | None = None,
    lines: int = 1,
    autofocus: bool = False,
    capitals: ft.TextCapitalization = ft.TextCapitalization.NONE,
    on_text: Callable[[str], object] | None = None,
) -> ft.Control:
    """A field that is saved while it is typed. `read` turns the text into an answer, or raises ValueError: not yet one."""
    typed, set_typed = ft.use_state(initial)
    error, set_error = ft.use_state("")

    def value_of(said: str) -> Json:
        return read(said) if read is not None and said.strip() else (said.strip() or None)

    def change(event: ft.Event[ft.TextField]) -> None:
        ask.here.touched()
        said = str(event.control.value or "")
        set_typed(said)
        if on_text is not None:
            on_text(said)
        try:
            ask.pen.write(path, value_of(said))
        except ValueError:
            return
        set_error("")

    async def leave(_: object) -> None:
        try:
            value_of(typed)
        except ValueError:
            set_error(wrong or "")
        await ask.pen.flush()

    shown = error or ask.errors.get(path)
    return text_field(
        label=label,
        value=typed,
        helper=hint,
        helper_max_lines=3,
        error=shown or None,
        keyboard_type=keyboard,
        max_length=limit,
        multiline=lines > 1,
        min_lines=lines if lines > 1 else None,
        max_lines=lines + 2 if lines > 1 else None,
        autofocus=autofocus,
        capitalization=capitals,
        autocorrect=False,
        enable_suggestions=False,
        enable_ime_personalized_learning=False,
        on_change=handler(change),
        on_blur=handler(leave),
        on_submit=handler(leave),
    )


def read_birth(said: str) -> Json:
    """An age in years or a birth date (month/day/year, or year-month-day); ValueError for anything else."""
    plain = said.strip()
    if plain.isdigit() and len(plain) <= 3:
        age = int(plain)
        if age > 120:
            raise ValueError("not an age in years")
        return {"age": age}
    return {"date": read_date(plain).isoformat()}


def read_date(said: str) -> date:
    """A day as written in Baltimore (2/29/1988) or ISO (1988-02-29); ValueError for anything else."""
    plain = said.strip().replace(".", "/").replace("-", "/")
    parts = plain.split("/")
    if len(parts) != 3 or not all(p.isdigit() for p in parts):
        raise ValueError("not a date")
    first, second, third = (int(p) for p in parts)
    year, month, day = (first, second, third) if first > 31 else (third, first, second)
    if year < 1890:
        raise ValueError("not a year in four digits")
    return date(year, month, day)


def write_birth(birth: Json) -> str:
    """A birth answer as it is typed; "" when none or only "adult"."""
    if not isinstance(birth, Mapping):
        return ""
    if birth.get("age") is not None:
        return str(birth["age"])
    if isinstance(birth.get("date"), str):
        day = date.fromisoformat(birth["date"])
        return f"{day.month}/{day.day}/{day.year}"
    return ""


def read_moment(value: Json) -> datetime | None:
    """A wire time as an aware datetime, or None."""
    return datetime.fromisoformat(value) if isinstance(value, str) else None
