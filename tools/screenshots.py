"""Takes the pictures of docs/screens: every screen on a phone and a tablet, light and dark, in a real browser.

    python tools/screenshots.py [FOLDER]

The app is the real one in web mode; the people and referrals in it are those of tests/support/demo_actions.py, and its
clock stands still, so that a picture changes only when a screen does. Needs Chromium.
"""

from __future__ import annotations

import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import flet as ft  # noqa: E402

from field_app.app import ASSETS, show  # noqa: E402
from field_app.snapshot import Settings, ThemeChoice  # noqa: E402
from field_app.views.hands import Fix  # noqa: E402
from field_app.web import address, asgi  # noqa: E402
from tests.support.chromium import chromium  # noqa: E402
from tests.support.demo_actions import NOW, PIN, DemoActions  # noqa: E402
from tests.support.flet_ui import PHONE, TABLET, FletUI, OpenUI, Screen, Theme, windows  # noqa: E402
from tools.small_png import shrink  # noqa: E402

LIMIT_BYTES = 3_000_000
SECRET = "screenshots-of-invented-people"
SMALL = Screen(name="small", width=320, height=640)
World = Callable[[], DemoActions]


class StandingHands:
    """A device that stands at Lexington Market."""

    async def position(self, *, ask: bool) -> Fix | None:
        return Fix(lat=39.2915, lon=-76.6203, accuracy_m=9.0)

    async def dial(self, phone: str) -> bool:
        return True


@contextmanager
def served(world: World) -> Iterator[str]:
    """The app over a fresh world for each page, for the length of a `with` block; its address."""
    import uvicorn

    def page(page: ft.Page) -> None:
        show(page, world(), hands=StandingHands(), now=lambda: NOW, own_door=False)

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = int(listening.getsockname()[1])
        config = uvicorn.Config(asgi(page, SECRET, ASSETS), log_level="warning", access_log=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield address(port, SECRET)
        finally:
            server.should_exit = True
            thread.join()


class Tour:
    """One walk through the app in one window."""

    def __init__(self, ui: FletUI, folder: Path, suffix: str) -> None:
        self.ui, self.folder, self.suffix = ui, folder, suffix

    def shot(self, name: str) -> None:
        """Keep a picture of the screen at rest, without anything under the mouse."""
        self.ui.page.mouse.move(1, self.ui.screen.height / 2)
        self.ui.page.wait_for_timeout(250)
        self.ui.still()
        path = self.folder / f"{name}-{self.suffix}.png"
        self.ui.page.screenshot(path=path)
        shrink(path)

    def tap(self, name: str) -> None:
        """Tap a button or an answer."""
        self.ui.tap(self.ui.choice(name).or_(self.ui.button(name)).first)

    def go(self, place: str) -> None:
        """Go to a place of the navigation."""
        rail = self.ui.page.get_by_role("button", name=re.compile(rf"{place}\s+Tab \d+ of"))  # after its count
        self.ui.tap(self.ui.page.get_by_role("tab", name=place).or_(rail).first)
        self.ui.page.wait_for_timeout(300)

    def scroll(self, by: float) -> None:
        """Turn the wheel over the main column."""
        self.ui.page.mouse.move(self.ui.screen.width * 0.72, self.ui.screen.height * 0.5)
        self.ui.page.mouse.wheel(0, by)
        self.ui.page.wait_for_timeout(300)

    def unlock(self) -> None:
        """Enter the PIN."""
        for digit in PIN:
            self.tap(digit)
        self.tap("Open")


def officer(tour: Tour, *, whole: bool) -> None:
    """What an officer sees."""
    ui = tour.ui
    tour.shot("01-unlock")
    tour.unlock()
    ui.see("My referrals")
    tour.shot("02-home")
    tour.tap("Arrest")
    ui.see("What and where")
    tour.tap("CDS:Possess-Not Marihuana · 4 3550")
    tour.tap("Personal amount")
    tour.shot("03-form-what")
    if not whole:
        return
    tour.scroll(420)
    tour.tap("It was here")
    tour.ui.page.wait_for_timeout(500)
    tour.shot("04-form-where")
    tour.scroll(700)
    tour.shot("05-form-outlook")
    tour.tap("Still needed: do they agree?")
    ui.page.wait_for_timeout(600)
    tour.tap("Coming in with me")
    ui.see("When will they arrive?")
    tour.tap("20 min")
    tour.tap("Not asked")
    tour.shot("06-form-person")
    tour.tap("Save")
    ui.see("Saved on this phone")
    tour.shot("07-saved")
    tour.tap("Open this referral")
    ui.see("Where it stands")
    tour.shot("08-detail")
    tour.scroll(900)
    tour.shot("09-detail-more")
    if ui.screen is PHONE:
        tour.tap("Back")
    for number, place, wait in (
        ("10-outbox", "Outbox", "Not delivered yet"),
        ("11-card", "Card", "You can say no"),
        ("12-settings", "Settings", "Language and look"),
    ):
        tour.go(place)
        ui.see(wait)
        tour.shot(number)
    tour.scroll(5000)
    tour.shot("13-about")


def case_manager(tour: Tour, *, whole: bool) -> None:
    """What a case manager sees."""
    ui = tour.ui
    tour.unlock()
    ui.see("waiting for an answer")
    tour.shot("20-inbox")
    if not whole:
        return
    tour.tap("Pass on")
    ui.page.wait_for_timeout(500)
    tour.shot("21-pass-on")
    tour.tap("Close")
    tour.tap("Accept")
    ui.see("1 person is waiting")
    tour.shot("22-accepted")
    tour.go("My people")
    ui.page.wait_for_timeout(600)
    tour.shot("23-people")


def newcomer(tour: Tour, *, whole: bool) -> None:
    """What the owner of a new device sees."""
    tour.shot("30-enrol")
    tour.ui.type("Server address", "lead://enrol?server=http://127.0.0.1:8000&code=ABCD-EFGH-JKMN")
    tour.tap("Set up")
    tour.ui.page.wait_for_timeout(1200)
    tour.shot("31-pin-once")


def home_only(tour: Tour, *, whole: bool) -> None:
    """The door and the first screen, for the extremes."""
    tour.shot("40-unlock")
    for digit in PIN:
        tour.tap(digit)
    tour.scroll(300)
    tour.tap("Abrir")
    tour.ui.page.wait_for_timeout(1500)
    tour.shot("41-home")
    tour.tap("Contacto social")
    tour.ui.page.wait_for_timeout(1500)
    tour.shot("42-form")


def spanish_large() -> DemoActions:
    """The officer's world in Spanish, at 200 % text, in the sunlight theme."""
    world = DemoActions.officer()
    settings = Settings(language="es", theme=ThemeChoice.SUNLIGHT, text_size=200)
    world.shot = replace(world.shot, settings=settings)
    return world


def walk(
    open_ui: OpenUI, base: str, folder: Path, tour: Callable[..., None], theme: Theme, screen: Screen, whole: bool
) -> None:
    """One tour in a window of its own; every request beyond the app's own address is a fault."""
    ui = open_ui(base, theme=theme, screen=screen)
    tour(Tour(ui, folder, f"{screen.name}-{theme}"), whole=whole)
    if ui.outside:
        raise SystemExit(f"the app asked for something outside: {ui.outside}")


def main() -> None:
    """All tours; fails when the pictures are larger than the limit."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "screens"
    folder.mkdir(parents=True, exist_ok=True)
    worlds: tuple[tuple[World, Callable[..., None]], ...] = (
        (DemoActions.officer, officer),
        (DemoActions.case_manager, case_manager),
        (DemoActions.new_device, newcomer),
    )
    with chromium() as browser:
        for world, tour in worlds:
            with served(world) as base, windows(browser, PHONE) as open_ui:
                for screen in (PHONE, TABLET):
                    walk(open_ui, base, folder, tour, "light", screen, True)
                    if tour is not newcomer:
                        walk(open_ui, base, folder, tour, "dark", screen, False)
        with served(spanish_large) as base, windows(browser, SMALL) as open_ui:
            walk(open_ui, base, folder, home_only, "light", SMALL, False)
    size = sum(path.stat().st_size for path in folder.glob("*.png"))
    print(f"{len(list(folder.glob('*.png')))} pictures, {size / 1e6:.1f} MB, in {folder}")
    if size > LIMIT_BYTES:
        raise SystemExit(f"the pictures are larger than {LIMIT_BYTES / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
