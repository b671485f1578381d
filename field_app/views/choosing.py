"""A question with answers to tap: from a fixed list or a list of the pack; a second tap takes the answer back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from enum import StrEnum

import flet as ft

from field_app.views.asking import Asking
from field_app.views.parts import Option, choices, question


def options(ask: Asking, name: str, values: Iterable[StrEnum]) -> list[Option]:
    """The answers of a fixed list, in words."""
    return [Option(value=v.value, label=ask.here.words(f"answer.{name}.{v.value}")) for v in values]


def from_pack(ask: Asking, name: str) -> list[Option]:
    """The answers of a list of the pack."""
    return [Option(value=c.code, label=ask.here.words.pack(c.text)) for c in ask.programme.choices.get(name, ())]


def pick(ask: Asking, path: str, *, clears: bool = True) -> Callable[[str], Awaitable[None]]:
    """Puts the tapped answer; a second tap on the same answer takes it back."""

    async def put(value: str) -> None:
        again = clears and ask.get(path) == value
        await ask.put([(path, None if again else value)])

    return put


def one_of(ask: Asking, path: str, made: list[Option], *, hint: str | None = None) -> ft.Control:
    """A question with one answer of a list."""
    return question(
        ask.here.words(f"ask.{path}"),
        choices(made, ask.get(path), pick(ask, path), narrow=ask.here.cramped),
        hint=hint,
        error=ask.errors.get(path),
        key=f"ask-{path}",
    )
