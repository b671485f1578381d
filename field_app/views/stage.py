"""What every screen is handed: the snapshot, the words, the actions and the device, for one render.

`Stage.do` is the only way from a tap to an action: off the event loop, with the person's activity noted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import ParamSpec, TypeVar, cast

import flet as ft

from field_app.outcomes import Trouble
from field_app.snapshot import Snapshot
from field_app.views.boundary import Told
from field_app.views.hands import Hands
from field_app.views.port import Actions
from field_app.views.theme import CRAMPED, WIDE
from field_app.wording import Words
from referral.lifecycle import Role
from referral.programme import Programme

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One render's surroundings. `now` is the device's clock (aware UTC); `touched` notes that someone is there.

    `unsaved`: what must run before the door is shut, so that typed text is kept.
    """

    snapshot: Snapshot
    words: Words
    actions: Actions
    hands: Hands
    now: Callable[[], datetime]
    touched: Callable[[], None]
    unsaved: set[Callable[[], Awaitable[None]]]
    width: float

    @property
    def wide(self) -> bool:
        """True where list and detail stand side by side."""
        return self.width >= WIDE

    @property
    def cramped(self) -> bool:
        """True where large text meets a narrow screen: what stood side by side goes under each other."""
        return self.width * 100 / self.snapshot.settings.text_size < CRAMPED

    @property
    def officer(self) -> bool:
        """True for those who refer; case managers and peers receive."""
        me = self.snapshot.me
        return me is None or me.role in (Role.OFFICER, Role.SUPERVISOR)

    @property
    def programme(self) -> Programme:
        """The pack; there is one whenever the vault is open."""
        if self.snapshot.programme is None:
            raise RuntimeError("no programme pack on this device")
        return self.snapshot.programme

    async def do(self, act: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run an action in a thread and return its outcome; a fault of the world is said, and ends the handler (`Told`)."""
        self.touched()
        try:
            return await asyncio.to_thread(act, *args, **kwargs)
        except RuntimeError as fault:
            trouble = getattr(fault, "trouble", None)
            if not isinstance(trouble, Trouble):
                raise
            title, meaning = self.words.problem(trouble.problem)
            self.say(f"{title} {meaning}")
            raise Told from fault

    def say(self, text: str, action: str | None = None, on_action: Callable[..., object] | None = None) -> None:
        """A short message at the bottom, with one thing to tap at most (Undo)."""
        button = None
        if action is not None:
            button = ft.SnackBarAction(
                label=action, on_click=cast("ft.ControlEventHandler[ft.SnackBarAction]", on_action)
            )
        duration = 8000 if action else 4000
        page = ft.context.page
        page.show_dialog(ft.SnackBar(ft.Text(text), action=button, duration=duration, persist=False))


OnStage = ft.create_context(cast(Stage, None))


def stage() -> Stage:
    """The surroundings of the component that is being rendered (a hook: never in an `if`)."""
    return ft.use_context(OnStage)


def go(route: str) -> None:
    """Show another screen."""
    ft.context.page.navigate(route)
