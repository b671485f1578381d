"""Finds Chromium and starts it for a test, without a window and without a word to the outside.

One browser per test: Playwright's synchronous interface keeps an event loop running in this thread while it is open,
in which the asynchronous tests of the same worker could not run.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator

from playwright.sync_api import Browser, sync_playwright

from tests.support.requirements import REQUIRE_CHROMIUM, missing

NAMED = "LEAD_CHROMIUM"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",  # containers give 64 MB there
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-default-browser-check",
    "--no-first-run",
)


def find_chromium() -> str | None:
    """The program named by LEAD_CHROMIUM, or the first Chromium or Chrome of this machine, or None."""
    if named := os.environ.get(NAMED):
        return named
    return next((found for name in (*NAMES, *PLACES) if (found := shutil.which(name))), None)


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """A headless browser for the length of a `with` block; skips or fails the test when there is none."""
    program = find_chromium()
    if program is None:
        missing("Chromium", f"apt-get install chromium, or set {NAMED} to a browser's path", REQUIRE_CHROMIUM)
    sandbox = ("--no-sandbox",) if hasattr(os, "geteuid") and os.geteuid() == 0 else ()  # root cannot have one
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*QUIET, *sandbox])
        try:
            yield browser
        finally:
            browser.close()
