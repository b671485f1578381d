"""The whole app on one page: the door or the screens behind it, the theme, the lock by idleness, and the privacy cover.

A page opens for itself: where several pages share a device (a browser on loopback), each asks for the PIN. Typed text is
kept before the door is shut.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import cast

import flet as ft

from field_app.outcomes import Enrolled
from field_app.snapshot import Phase, Sending
from field_app.views import theme
from field_app.views.boundary import component, handler, screen
from field_app.views.card import CardScreen
from field_app.views.detail import DetailScreen
from field_app.views.enrol import Enrol, PinOnce
from field_app.views.finish import Finish
from field_app.views.form import Form
from field_app.views.hands import Hands
from field_app.views.home import Home
from field_app.views.inbox import Inbox, PeopleScreen
from field_app.views.model import Model
from field_app.views.outbox import Outbox
from field_app.views.parts import C
from field_app.views.port import Actions
from field_app.views.saved import SavedScreen
from field_app.views.settings import SettingsScreen
from field_app.views.stage import OnStage, Stage
from field_app.views.unlock import Unlock, brand
from field_app.wording import Words

IDLE_CHECK_SECONDS = 5.0
FRESH_SECONDS = 30.0
_HIDDEN = (ft.AppLifecycleState.HIDE, ft.AppLifecycleState.PAUSE)
_SHOWN = (ft.AppLifecycleState.RESUME, ft.AppLifecycleState.SHOW)


@screen
def Cover(here: Stage) -> ft.View:
    """What the app switcher shows: the name of the app."""
    mark = ft.Container(brand(here), expand=True, alignment=ft.Alignment.CENTER)
    return ft.View(route="/", padding=0, bgcolor=C.SURFACE, controls=[mark])


def routes(here: Stage) -> list[ft.Route]:
    """Every screen behind the door; each is one step above the first."""
    referral = ft.Route(
        path="referral/:id", component=DetailScreen, children=[ft.Route(path="finish/:name", component=Finish)]
    )
    return [
        ft.Route(
            path="/",
            component=Home if here.officer else Inbox,
            children=[
                ft.Route(path="form/:id", component=Form),
                ft.Route(path="saved/:id", component=SavedScreen),
                referral,
                ft.Route(
                    path="people",
                    component=PeopleScreen,
                    children=[ft.Route(path="referral/:id", component=DetailScreen)],
                ),
                ft.Route(path="outbox", component=Outbox),
                ft.Route(path="card", component=CardScreen),
                ft.Route(path="settings", component=SettingsScreen),
            ],
        )
    ]


def on_phone(page: ft.Page) -> bool:
    """True for the packaged app of a phone or tablet; a browser on one is a browser."""
    return page.platform is not None and page.platform.is_mobile() and not page.web


@component
def App(
    model: Model,
    actions: Actions,
    hands: Hands,
    now: Callable[[], datetime],
    region: str,
    own_door: bool,
) -> ft.Control:
    """The app. `own_door`: this page asks for the PIN even when another page has opened the vault."""
    page = ft.context.page
    snapshot = model.snapshot
    width, set_width = ft.use_state(float(page.width or 390))
    covered, set_covered = ft.use_state(False)
    passed, set_passed = ft.use_state(not own_door)
    fresh, set_fresh = ft.use_state(cast("Enrolled | None", None))
    seen = ft.use_ref(now())
    unsaved = ft.use_memo(lambda: cast("set[Callable[[], Awaitable[None]]]", set()), [])
    current = ft.use_ref(snapshot)
    current.current = snapshot

    def touched() -> None:
        seen.current = now()

    async def shut() -> None:
        for keep in tuple(unsaved):
            await keep()
        await asyncio.to_thread(actions.lock)

    async def nudge(_: object = None) -> None:
        """The network may be back: send what waits, unless the person has paused it. Needs no PIN."""
        held = current.current
        if held is not None and held.phase is not Phase.NOT_ENROLLED and held.settings.sending is not Sending.PAUSED:
            await asyncio.to_thread(actions.sync_now)

    async def lifecycle(event: ft.AppLifecycleStateChangeEvent) -> None:
        if not on_phone(page):  # a browser says HIDE at every switch of tabs
            return
        if event.state is ft.AppLifecycleState.INACTIVE:
            set_covered(True)
        elif event.state in _HIDDEN:
            set_covered(True)
            if current.current is not None and current.current.phase is Phase.OPEN:
                await shut()
        elif event.state in _SHOWN:
            set_covered(False)
            await nudge()

    async def look() -> None:
        """Take in what another process wrote; now and then everything, so that ages grow."""
        await asyncio.to_thread(actions.poll)
        held = model.snapshot
        if (now() - held.now).total_seconds() >= FRESH_SECONDS:
            newest = await asyncio.to_thread(actions.snapshot)
            # A newer one may have come meanwhile: after a lock, nothing from before may be shown.
            if model.snapshot is held:
                model.snapshot = newest

    async def watch() -> None:
        while True:
            await asyncio.sleep(IDLE_CHECK_SECONDS)
            await handler(look)()
            held = current.current
            if held is None or held.phase is not Phase.OPEN or seen.current is None:
                continue
            if (now() - seen.current).total_seconds() >= held.settings.idle_minutes * 60:
                await shut()

    task = ft.use_ref(cast("asyncio.Task[None] | None", None))
    network = ft.use_ref(cast("ft.Connectivity | None", None))

    def begin() -> None:
        page.on_resize = handler(lambda e: set_width(float(e.width)))
        page.on_app_lifecycle_state_change = handler(lifecycle)
        task.current = asyncio.ensure_future(watch())
        if on_phone(page):
            network.current = ft.Connectivity(on_change=handler(nudge))

    def end() -> None:
        if task.current is not None:
            task.current.cancel()

    ft.use_effect(begin, [], end)
    settings = snapshot.settings
    ft.use_effect(lambda: theme.apply(page, settings.theme, settings.text_size), [settings.theme, settings.text_size])

    def close_door() -> None:
        if own_door and current.current is not None and current.current.phase is not Phase.OPEN:
            set_passed(False)

    ft.use_effect(close_door, [snapshot.phase])
    here = Stage(
        snapshot=snapshot,
        words=Words(language=settings.language, region=region),
        actions=actions,
        hands=hands,
        now=now,
        touched=touched,
        unsaved=unsaved,
        width=width,
    )

    def opened() -> None:
        touched()
        set_passed(True)

    def enrolled(outcome: Enrolled) -> None:
        if outcome.pin is not None:
            set_fresh(outcome)

    def show() -> ft.Control:
        if covered:
            return cast(ft.Control, [Cover(here)])
        if fresh is not None:
            return cast(ft.Control, [PinOnce(fresh, lambda: set_fresh(None))])
        if snapshot.phase is Phase.NOT_ENROLLED:
            return cast(ft.Control, [Enrol(enrolled)])
        if snapshot.phase is Phase.SHUT or not passed:
            return cast(ft.Control, [Unlock(opened)])
        return ft.Router(routes(here), manage_views=True)

    return OnStage(here, show)
