"""Every page in the real browser, per role, at 320 px and on a desktop, light and dark: axe-core finds nothing serious or critical,
nothing is wider than the window, nothing breaks the content policy, and nothing is asked for from outside.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request

from tests.support.desk_scene import ServedDesk, served
from tests.support.packs import baltimore
from tests.support.repository import ROOT

AXE = (ROOT / "tests" / "support" / "axe" / "axe.min.js").read_text(encoding="utf-8")
Scheme = Literal["light", "dark"]
SIZES = ((320, 640), (1280, 900))
RUN = """async () => (await axe.run(document, {resultTypes: ["violations"]})).violations
    .filter((found) => ["serious", "critical"].includes(found.impact))
    .map((found) => [found.id, found.nodes.slice(0, 4).map((node) => node.html.slice(0, 160) + " | " + (node.any[0]?.message ?? ""))])"""

pytestmark = pytest.mark.e2e


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[ServedDesk]:
    with served(tmp_path) as made:
        yield made


def wrong_on(page: Page) -> list[Any]:
    """What axe-core finds that is serious, and whether the page is wider than its window."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    found: list[Any] = page.evaluate(RUN)
    wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return [*found, *([["wider than the window", wider]] if wider > 0 else [])]


def heard(context: BrowserContext, address: str) -> list[str]:
    """What the pages of a browser complain of, and what they ask for outside; grows while they are used."""
    said: list[str] = []

    def asked(request: Request) -> None:
        if not request.url.startswith((address, "data:")):
            said.append(request.url)

    context.on("console", lambda message: said.append(message.text))
    context.on("weberror", lambda error: said.append(str(error.error)))
    context.on("request", asked)
    return said


def paths_of(page: Page) -> list[str]:
    """The places that this person's navigation leads to."""
    hrefs: list[str] = page.eval_on_selector_all("nav.places a", "links => links.map((a) => a.getAttribute('href'))")
    return hrefs


@pytest.mark.parametrize(
    ("user", "theme"),
    [
        ("cm1", "auto"),
        ("sup", "auto"),
        ("sao1", "auto"),
        ("adm", "auto"),
        ("eva", "auto"),
        ("def", "auto"),
        ("sup", "contrast"),
    ],
)
def test_every_page_is_for_everybody(browser: Browser, desk: ServedDesk, user: str, theme: str) -> None:
    found: dict[str, list[Any]] = {}
    schemes: tuple[Scheme, ...] = ("light", "dark") if theme == "auto" else ("light",)
    for width, height in SIZES:
        context = browser.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce")
        desk.look(context, "es" if width == 320 else "en", theme)
        page, said = context.new_page(), heard(context, desk.address)

        def check(where: str, page: Page = page, width: int = width) -> None:
            for scheme in schemes:
                page.emulate_media(color_scheme=scheme)
                found[f"{where} {width} {scheme}"] = wrong_on(page)

        page.goto(f"{desk.address}/desk")
        check("sign-in")
        desk.enter(context, user)
        page.goto(f"{desk.address}/desk")
        at_work = user not in ("adm", "eva", "def")
        behind = ["/desk/code", *(f"/desk/r/{desk.ids[name]}" for name in ("waits", "enrolled"))] if at_work else []
        behind += {
            "sup": ["/desk/caseloads/meeting", "/desk/people/cm1"],
            "adm": [f"/desk/programme/{baltimore().digest}", "/desk/people/sup"],
            "def": [f"/desk/defence/{desk.ids['enrolled']}"],
        }.get(user, [])
        for path in [*paths_of(page), *behind]:
            page.goto(f"{desk.address}{path}")
            page.eval_on_selector_all("details.ask", "asked => asked.slice(0, 6).forEach((one) => one.open = true)")
            check(path)
        page.locator("main").press("?")
        check("keys")
        found[f"console {width}"] = said
        context.close()
    assert {where: wrong for where, wrong in found.items() if wrong} == {}


def test_a_page_that_is_not_for_everybody_is_seen(browser: Browser, desk: ServedDesk) -> None:
    context = browser.new_context()
    desk.enter(context, "cm1")
    page = context.new_page()
    page.goto(f"{desk.address}/desk")
    page.evaluate("document.querySelector('#f-officer').previousElementSibling.remove()")
    page.evaluate("document.querySelector('h1').style.color = '#eee'")
    page.evaluate("document.querySelector('h1').style.width = '5000px'")
    assert {"label", "color-contrast", "wider than the window"} <= {name for name, _ in wrong_on(page)}
