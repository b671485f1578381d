"""Takes the pictures of docs/screens/desk: every page of the desk, on a phone and a desktop, light and dark, in a real browser.

    python tools/desk_screens.py [FOLDER]

The pages are served by a real case system over the invented night of tests/support/desk_scene.py, whose clock stands still. Each
person's places are those of their own navigation, so that a new page is in the pictures without a word here. Needs Chromium.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from playwright.sync_api import Browser, Page  # noqa: E402

from referral.port import Heartbeat  # noqa: E402
from tests.support.chromium import chromium  # noqa: E402
from tests.support.desk_scene import ServedDesk, served  # noqa: E402
from tools.small_png import shrink  # noqa: E402

LIMIT_BYTES = 3_000_000
WINDOWS = {"phone": (390, 844), "desktop": (1120, 840)}
# Who is looked over the shoulder of, and the referrals that they open.
PEOPLE: dict[str, tuple[str, ...]] = {
    "cm1": ("waits",), "sup": ("under_way", "enrolled"), "sao1": ("waits",), "adm": (), "eva": (), "def": (),
}  # fmt: skip
ROLES = {"cm1": "case-manager", "sup": "supervisor", "sao1": "prosecutor", "adm": "administrator", "eva": "evaluator", "def": "defender"}  # fmt: skip


def paths(page: Page) -> list[str]:
    """The places of the navigation."""
    found: list[str] = page.eval_on_selector_all("nav.places a", "links => links.map((a) => a.getAttribute('href'))")
    return found


class Camera:
    """Keeps one picture of each page in each window and theme; what several people see alike is taken once."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._taken = folder, set[str]()

    def take(self, page: Page, name: str, suffix: str) -> None:
        """Keep what the window shows."""
        file = self._folder / f"{name}-{suffix}.png"
        if file.name in self._taken:
            return
        self._taken.add(file.name)
        page.wait_for_timeout(250)
        page.screenshot(path=file)
        shrink(file)


def name_of(path: str, role: str) -> str:
    """A place's file name: the work lists are each role's own."""
    last = path.removeprefix("/desk").strip("/").replace("/", "-")
    return f"{last}" if last else f"work-{role}"


def visit(browser: Browser, desk: ServedDesk, camera: Camera, window: str, scheme: str) -> None:
    """Every page in one window and theme."""
    width, height = WINDOWS[window]
    suffix = f"{window}-{scheme}"
    for user, opened in PEOPLE.items():
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce"
        )  # fmt: skip
        page = context.new_page()
        page.goto(f"{desk.address}/desk")
        camera.take(page, "sign-in", suffix)
        desk.enter(context, user)
        page.goto(f"{desk.address}/desk")
        for path in paths(page):
            page.goto(f"{desk.address}{path}")
            camera.take(page, name_of(path, ROLES[user]), suffix)
        for story in opened:
            page.goto(f"{desk.address}/desk/r/{desk.ids[story]}")
            camera.take(page, f"referral-{ROLES[user]}-{story.replace('_', '-')}", suffix)
        context.close()


def _code_page(browser: Browser, desk: ServedDesk, camera: Camera) -> None:
    """Setting up a one-time code, as the first sign-in shows it."""
    page = browser.new_page(viewport={"width": 1120, "height": 840})
    desk.enter(page.context, "cm2")
    page.goto(f"{desk.address}/desk/code")
    camera.take(page, "one-time-code", "desktop-light")
    page.close()


def _alarm_page(browser: Browser, desk: ServedDesk, camera: Camera) -> None:
    """One's own notices in the morning, when a device still holds what it could not send."""
    beat = Heartbeat(waiting=2, stored=0, needs_attention=0, oldest_unsent_s=3 * 3600, app="picture/1")
    desk.devices["o1"].sync(heartbeat=beat)
    desk.agency.service.climb(desk.agency.clock.go(hours=8))
    desk.keep("sup")
    for window, scheme in (("phone", "dark"), ("desktop", "light")):
        width, height = WINDOWS[window]
        page = browser.new_page(
            viewport={"width": width, "height": height}, color_scheme="dark" if scheme == "dark" else "light"
        )
        desk.enter(page.context, "sup")
        page.goto(f"{desk.address}/desk/notices")
        camera.take(page, "notices-alarm", f"{window}-{scheme}")
        page.close()


def main() -> None:
    """All pages; fails when the pictures are larger than the limit."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "screens" / "desk"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    with tempfile.TemporaryDirectory() as data, served(Path(data)) as desk, chromium() as browser:
        camera = Camera(folder)
        _code_page(browser, desk, camera)
        desk.keep(*PEOPLE)
        for window in WINDOWS:
            for scheme in ("light", "dark"):
                visit(browser, desk, camera, window, scheme)
        with tempfile.TemporaryDirectory() as other, served(Path(other)) as morning:
            _alarm_page(browser, morning, camera)
    size = sum(path.stat().st_size for path in folder.glob("*.png"))
    print(f"{len(list(folder.glob('*.png')))} pictures, {size / 1e6:.1f} MB, in {folder}")
    if size > LIMIT_BYTES:
        raise SystemExit(f"the pictures are larger than {LIMIT_BYTES / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
