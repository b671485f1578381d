"""The composition root of the screens: one page, one model, the actions of this process's data folder.

`main(page)` is what Flet runs. The device behind it is made once per process (a browser may show several pages of it); the
page only ever sees snapshots, handed over on its own loop. field_app/launch.py opens windows and browsers.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import flet as ft

from field_app import config
from field_app.snapshot import Snapshot
from field_app.vault.keystores import KeyStore, SecureStorageKeys
from field_app.views.hands import DeviceHands, Hands
from field_app.views.model import Model
from field_app.views.port import Actions
from field_app.views.root import App

ASSETS = Path(os.environ.get("FLET_ASSETS_DIR") or Path(__file__).resolve().parent.parent / "assets")


def data_folder() -> Path:
    """Where this app keeps its data: the packaged app's own folder, else one in the home folder; made when needed."""
    folder = config.read(os.environ, Path.home(), sys.platform).data
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
        connection: object | None = page.session.connection
        if connection is None:  # the browser is away; it is shown the newest when it is back
            return
        page.run_task(take, snapshot)

    dispose = actions.subscribe(changed)

    def back(_: object) -> None:
        changed(actions.snapshot())

    def gone(_: object) -> None:
        dispose()

    page.on_connect = back
    page.on_close = gone
    page.title = "LEAD Field"
    page.padding = 0
    door = page.web if own_door is None else own_door
    page.render_views(App, model, actions, hands or DeviceHands(page), now, region_of(page), door)


def phone_keys(page: ft.Page) -> Sequence[KeyStore]:
    """The phone's own key store, spoken to on the page's loop: never erased on an error, never copied to another device."""
    from flet_secure_storage import AndroidOptions, IOSOptions, KeychainAccessibility, SecureStorage

    storage = SecureStorage(
        android_options=AndroidOptions(reset_on_error=False),
        ios_options=IOSOptions(accessibility=KeychainAccessibility.FIRST_UNLOCK_THIS_DEVICE, synchronizable=False),
    )

    async def read(name: str) -> str | None:
        return await storage.get(name)

    async def write(name: str, value: str) -> None:
        await storage.set(name, value)

    async def remove(name: str) -> None:
        await storage.remove(name)

    return (SecureStorageKeys(read=read, write=write, remove=remove, loop=asyncio.get_running_loop()),)


async def main(page: ft.Page) -> None:
    """What Flet runs on a phone or a desktop: one page over this app's own data folder."""
    from field_app.compose import open_device  # after the first frame: it brings the whole device with it

    on_phone = page.platform is not None and page.platform.is_mobile() and not page.web
    keystores = phone_keys(page) if on_phone else None
    actions = await asyncio.to_thread(open_device, data_folder(), background=True, keystores=keystores)
    show(page, actions)


def run(actions: Actions) -> None:
    """Show the app in a window over these actions, until it is closed."""
    ft.run(lambda page: show(page, actions), assets_dir=str(ASSETS), no_cdn=True)
