"""Drives a Flet app in a real browser, as a person would: by the names that a screen reader hears.

Flutter draws on a canvas; what can be found and checked in the page is its semantics tree, which is off until its
placeholder is clicked. Every request that leaves the app's own address is refused and kept in `outside`, which proves
that the app needs nothing else. Nothing here knows a particular screen.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Locator, Page, Route
from playwright.sync_api import Error as PlaywrightError

PATIENCE_MS = 15_000
FIRST_FRAME_MS = 60_000
SETTLE_MS = 100
SETTLE_TRIES = 20
SCREENSHOTS = Path("test-results") / "screens"
ANDROID = (
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Mobile Safari/537.36"
)
WAKE_SEMANTICS = """placeholder => {
    const box = placeholder.getBoundingClientRect();
    const middle = {clientX: box.left + box.width / 2, clientY: box.top + box.height / 2};
    placeholder.dispatchEvent(new MouseEvent('click', {bubbles: true, ...middle}));
}"""

Theme = Literal["light", "dark"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """A size of screen, in logical pixels."""

    name: str
    width: int
    height: int


PHONE = Screen(name="phone", width=390, height=844)
TABLET = Screen(name="tablet", width=1024, height=768)


class FletUI:
    """One page of the app in one browser window."""

    def __init__(self, page: Page, address: str, screen: Screen) -> None:
        self.page = page
        self.address = address
        self.screen = screen
        self.outside: list[str] = []
        page.set_default_timeout(PATIENCE_MS)
        page.route(self._is_outside, self._refuse)

    def open(self, path: str = "") -> "FletUI":
        """Load the app (`path` is added to its address) and wait for its first frame."""
        self.page.goto(self.address + path)
        return self.ready()

    def reload(self) -> "FletUI":
        """Load the page again, as after a restart of the app."""
        self.page.reload()
        return self.ready()

    def ready(self) -> "FletUI":
        """Wait until the app is drawn and its semantics tree can be read."""
        self.page.wait_for_selector("#loading", state="detached", timeout=FIRST_FRAME_MS)  # gone at the first frame
        placeholder = self.page.wait_for_selector("flt-semantics-placeholder", state="attached")
        if placeholder is not None:
            placeholder.evaluate(WAKE_SEMANTICS)
        self.page.wait_for_selector("flt-semantics-host flt-semantics", state="attached")
        self.unsee("Working...")  # what the client shows until the app has answered
        return self

    def button(self, name: str) -> Locator:
        """A button by its text or, for an icon, its tooltip (which sits on the parent node)."""
        by_tooltip = self.page.locator(f'flt-semantics[aria-label="{name}"] [role=button]')
        return self.page.get_by_role("button", name=name, exact=True).or_(by_tooltip).first

    def choice(self, name: str) -> Locator:
        """A radio button, a check box, a switch or a segment by its text."""
        roles: tuple[Literal["radio", "checkbox", "switch"], ...] = ("radio", "checkbox", "switch")
        found = self.page.get_by_role("button", name=name, exact=True)
        for role in roles:
            found = found.or_(self.page.get_by_role(role, name=name, exact=True))
        return found.first

    def destination(self, name: str) -> Locator:
        """An entry of the navigation bar (a tab) or of the rail (a button named "Home, Tab 1 of 3")."""
        rail = self.page.get_by_role("button", name=re.compile(rf"^{re.escape(name)}\s+Tab \d+ of"))
        return self.page.get_by_role("tab", name=name).or_(rail).first

    def field(self, label: str) -> Locator:
        """A text field by its label."""
        return self.page.locator(f'input[aria-label="{label}"], textarea[aria-label="{label}"]').first

    def identified(self, identifier: str) -> Locator:
        """The control inside `ft.Semantics(identifier=...)`."""
        return self.page.locator(f'[flt-semantics-identifier="{identifier}"]').first

    def tap(self, target: Locator) -> None:
        """Click the middle of a control, once it has stopped moving (menus and pages are animated)."""
        self.find(target)
        before, box = None, target.bounding_box()
        for _ in range(SETTLE_TRIES):
            self.page.wait_for_timeout(SETTLE_MS)
            before, box = box, target.bounding_box()
            if box is not None and box == before:
                break
        if box is None:
            raise AssertionError(f"nothing to tap on: {target}")
        self.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    def find(self, target: Locator) -> Locator:
        """Wait until a control is there. A test that waits in vain says what is there instead, and keeps a picture of it."""
        try:
            target.wait_for(state="attached")
        except PlaywrightError as error:
            picture = SCREENSHOTS / f"not-found-{self.screen.name}.png"
            self.page.screenshot(path=picture)
            raise AssertionError(f"not on the screen: {target}; there is {self.texts()}; see {picture}") from error
        return target

    def type(self, label: str, text: str) -> None:
        """Replace what a text field holds."""
        self.tap(self.field(label))
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(text)

    def see(self, text: str | re.Pattern[str], *, within_ms: float = PATIENCE_MS) -> Locator:
        """Wait until the text is on the screen; returns where."""
        found = self.page.locator("flt-semantics-host").get_by_text(text).first
        found.wait_for(state="attached", timeout=within_ms)
        return found

    def unsee(self, text: str | re.Pattern[str], *, within_ms: float = PATIENCE_MS) -> None:
        """Wait until the text is nowhere on the screen."""
        found = self.page.locator("flt-semantics-host").get_by_text(text).first
        found.wait_for(state="detached", timeout=within_ms)

    def texts(self) -> list[str]:
        """Everything a screen reader would find on the screen now; for messages of failed tests."""
        script = """nodes => nodes.map(n => n.getAttribute('aria-label') || (n.children.length ? '' : n.textContent))"""
        said: list[str] = self.page.locator("flt-semantics-host *").evaluate_all(script)
        return [text for text in dict.fromkeys(said) if text]

    def still(self) -> None:
        """Wait until two looks at the screen, a moment apart, are the same picture."""
        before = self.page.screenshot()
        for _ in range(SETTLE_TRIES):
            self.page.wait_for_timeout(SETTLE_MS)
            now = self.page.screenshot()
            if now == before:
                return
            before = now

    def shot(self, name: str) -> Path:
        """Keep a picture of the screen at rest as test-results/screens/NAME-SCREEN.png; returns its path."""
        self.still()
        path = SCREENSHOTS / f"{name}-{self.screen.name}.png"
        self.page.screenshot(path=path)
        return path

    def _is_outside(self, url: str) -> bool:
        return url.startswith("http") and urlsplit(url).netloc != urlsplit(self.address).netloc

    def _refuse(self, route: Route) -> None:
        self.outside.append(route.request.url)
        route.abort()


OpenUI = Callable[..., FletUI]


@contextmanager
def windows(browser: Browser, screen: Screen) -> Iterator[OpenUI]:
    """A function that opens an app in a window of its own; all windows are closed at the end of the `with` block.

    `open_ui(address, theme="light", android=False, screen=None)`: `android` makes the app believe that it runs on a
    phone with a touch screen, which is what `page.platform` then says.
    """
    with ExitStack() as stack:

        def open_ui(address: str, *, theme: Theme = "light", android: bool = False, screen: Screen = screen) -> FletUI:
            context = browser.new_context(
                viewport={"width": screen.width, "height": screen.height},
                color_scheme=theme,
                locale="en-US",
                timezone_id="America/New_York",
                user_agent=ANDROID if android else None,
                has_touch=android,
                is_mobile=android,
            )
            stack.callback(context.close)
            return FletUI(context.new_page(), address, screen).open()

        yield open_ui
