"""A text field that never takes back what is being typed.

Theory. What a person types reaches the app a moment later, and what the app draws reaches the screen a moment later still. A
field that is drawn again with the text of two keystrokes ago would overwrite the newer ones: letters of a name would be
lost on a busy device. So a drawn text that the person has typed before is an echo, and the newest text stands; only a text
that was never typed (the app put it there), or an explicit `clears`, replaces it.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Callable
from typing import Any

import flet as ft

REMEMBERED = 64  # keystrokes that can be under way at once, with room to spare


@ft.control
class TypedField(ft.TextField):
    """A TextField that keeps the newest typed text over an older drawn one. Made by `typed_field`."""

    def _migrate_state(self, other: Any) -> None:
        """Called when a newly drawn field takes the place of `other`, whose value is what the person sees."""
        super()._migrate_state(other)
        if not isinstance(other, TypedField):
            return
        before: tuple[deque[str], object] | None = getattr(other, "_memory", None)
        mine: tuple[deque[str], object] | None = getattr(self, "_memory", None)
        if before is None or mine is None:
            return
        said, clears = before
        drawn = self.value or ""
        if clears == mine[1] and drawn in said:
            drawn = other.value or ""
        else:
            said.append(drawn)
        if drawn != (self.value or ""):
            self._values["value"] = drawn
        object.__setattr__(self, "_memory", (said, mine[1]))


def typed_field(
    *, value: str, on_change: Callable[[ft.Event[ft.TextField]], Any] | None, clears: object = None, **more: Any
) -> ft.TextField:
    """A field showing `value`. clears: when it differs from the last drawing's, `value` replaces whatever was typed."""

    async def heard(event: ft.Event[ft.TextField]) -> None:  # Flet awaits coroutine functions only
        memory = getattr(event.control, "_memory", None)
        if memory is not None:
            memory[0].append(str(event.control.value or ""))
        result = on_change(event) if on_change is not None else None
        if inspect.isawaitable(result):
            await result

    field = TypedField(value=value, on_change=heard, **more)
    object.__setattr__(field, "_memory", (deque([value], REMEMBERED), clears))
    return field
