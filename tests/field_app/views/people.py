"""A person in front of the screens, for tests: taps and types by name, and counts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import flet as ft

from field_app.app import show
from field_app.views.hands import Fix
from field_app.views.port import Actions
from tests.support.demo_actions import NOW, PIN
from tests.support.headless import HeadlessApp

MARKET = Fix(lat=39.2915, lon=-76.6203, accuracy_m=9.0)


class TestHands:
    """A device whose position is given and whose calls are noted."""

    __test__ = False

    def __init__(self, fix: Fix | None = None, phone: bool = True) -> None:
        self.fix, self.phone, self.dialled = fix, phone, list[str]()

    async def position(self, *, ask: bool) -> Fix | None:
        return self.fix

    async def dial(self, phone: str) -> bool:
        self.dialled.append(phone)
        return self.phone


class Person:
    """Taps what can be seen. `taps` counts taps, and one for each field that is typed into."""

    def __init__(self, ui: HeadlessApp, hands: TestHands) -> None:
        self.ui, self.hands, self.taps, self.typed = ui, hands, 0, 0

    def buttons(self, name: str) -> list[ft.Control]:
        found: list[ft.Control] = []
        kinds: tuple[type[ft.Control], ...] = (
            ft.FilledButton,
            ft.FilledTonalButton,
            ft.OutlinedButton,
            ft.TextButton,
            ft.IconButton,
        )
        for kind in kinds:
            for control in self.ui.all(kind, name):
                if control not in found:
                    found.append(control)
        return found

    async def tap(self, name: str, nth: int = 0) -> None:
        """Tap the button with that name or key."""
        await self.ui.until(lambda: len(self.buttons(name)) > nth)
        self.taps += 1
        await self.ui.click(self.buttons(name)[nth])
        await self.ui.settle()

    async def answer(self, question: str, value: str) -> None:
        """Tap an answer of the question with that wire name."""

        def found() -> list[ft.FilledButton]:
            return [
                button
                for part in self.ui.all(ft.Column)
                if isinstance(part.key, ft.ScrollKey) and part.key.value == f"ask-{question}"
                for button in self.ui.walk(part)
                if isinstance(button, ft.FilledButton) and button.key == value
            ]

        await self.ui.until(found)
        chosen = found()[0].icon is not None
        self.taps += 1
        await self.ui.click(found()[0])
        await self.ui.until(lambda: not found() or (found()[0].icon is not None) is not chosen)

    async def type(self, label: str, text: str) -> None:
        """Type into a field and leave it."""
        self.taps += 1
        self.typed += len(text)
        field = self.ui.one(ft.TextField, label)
        await self.ui.type(field, text)
        await self.ui.event(self.ui.one(ft.TextField, label), "blur")

    async def tap_card(self, key: str) -> None:
        """Tap a card or a row by its key."""
        await self.ui.until(lambda: self.ui.all(ft.Container, key))
        self.taps += 1
        await self.ui.click(self.ui.one(ft.Container, key))

    async def unlock(self, pin: str = PIN) -> None:
        """Enter the PIN."""
        for digit in pin:
            await self.tap(f"pin-{digit}")
        await self.tap("pin-open")
        self.taps = 0

    async def sees(self, *parts: str) -> None:
        """Wait until every part is on the screen."""
        await self.ui.until(lambda: all(self.ui.says(part) for part in parts))


@asynccontextmanager
async def in_front_of(
    actions: Actions,
    *,
    fix: Fix | None = None,
    phone: bool = True,
    width: float = 390,
    height: float = 844,
    route: str = "/",
    platform: str = "android",
    own_door: bool = False,
    now: Callable[[], datetime] | None = None,
) -> AsyncIterator[Person]:
    """The whole app over `actions`, with a person in front of it."""
    hands = TestHands(fix, phone)

    def main(page: ft.Page) -> None:
        show(page, actions, hands=hands, now=now or (lambda: NOW), own_door=own_door)

    async with HeadlessApp(main, width=width, height=height, platform=platform, route=route) as ui:
        yield Person(ui, hands)


def later(minutes: float) -> datetime:
    """Some minutes after the tests' now."""
    return NOW + timedelta(minutes=minutes)
