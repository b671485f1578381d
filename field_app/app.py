"""The composition root of the screens: one page, one model, the actions of this process's data folder.

`main(page)` is what Flet runs. The device behind it is made once per process (a browser may show several pages of it); the
page only ever sees snapshots, handed over on its own loop.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import flet as ft

from field_app.snapshot import Snapshot
from field_app.views.hands import DeviceHands, Hands
from field_app.views.model import Model
from field_app.views.port import Actions
from field_app.views.root import App

if TYPE_CHECKING:
    from collections.abc import Awaitable

ASSETS = Path(os.environ.get("FLET_ASSETS_DIR") or Path(__file__).resolve().parent.parent / "assets")


def data_folder() -> Path:
    """Where this app keeps its data: the packaged app's own folder, else one in the home folder; made when needed."""
    folder = Path(os.environ.get("FLET_APP_STORAGE_DATA") or Path.home() / ".lead-field")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def system_now() -> datetime:
    """The device's clock."""
    return datetime.now(UTC)


def region_of(page: ft.Page) -> str:
    """The region of the device, for its clock: "US" unless it says otherwise."""
    locales = page.locale_configuration.current_locale if page.locale_configuration else None
    return (locales.country_code if locales is not None else None) or "US"


def show(
    page: ft.Page,
    actions: Actions,
    *,
    hands: Hands | None = None,
    now: Callable[[], datetime] = system_now,
    own_door: bool | None = None,
) -> None:
    """Put the app on a page, over the actions of a device."""
    model = Model(actions.snapshot())

    async def take(snapshot: Snapshot) -> None:
        model.snapshot = snapshot

    def changed(snapshot: Snapshot) -> None:  # from any thread
        page.run_task(take, snapshot)

    dispose = actions.subscribe(changed)

    def gone(_: object) -> None:
        dispose()

    page.on_close = gone
    page.title = "LEAD Field"
    page.padding = 0
    door = page.web if own_door is None else own_door
    page.render_views(App, model, actions, hands or DeviceHands(page), now, region_of(page), door)


def main(page: ft.Page) -> Awaitable[None] | None:
    """What Flet runs on phones and desktops: one process, one page, one data folder."""
    from field_app.compose import open_device

    show(page, open_device(data_folder()))
    return None
