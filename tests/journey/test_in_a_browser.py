"""The whole journey in a real browser: recorded while nobody can be reached, kept over a restart, received, accepted, seen.

Real server process, real app processes, real Chromium. An arrest and a social contact, at phone and tablet size.
"""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator

from tests.journey.central import Central, Station
from tests.support.flet_ui import PHONE, TABLET, FletUI, OpenUI

LATE_MS = 40_000  # a stream that must first notice that the server is back


def bring(ui: FletUI, target: Locator) -> Locator:
    """Scroll until the control is within the thumb's part of the screen."""
    ui.find(target)
    for _ in range(40):
        box = target.bounding_box()
        if box is None:  # being drawn anew
            ui.page.wait_for_timeout(120)
            continue
        if box["y"] > 70 and box["y"] + box["height"] < ui.screen.height - 90:
            return target
        ui.page.mouse.move(ui.screen.width / 2, ui.screen.height / 2)
        ui.page.mouse.wheel(0, max(-400, min(400, box["y"] - ui.screen.height / 2)))
        ui.page.wait_for_timeout(120)
    raise AssertionError(f"could not be scrolled into view: {target}")


def hear(ui: FletUI, text: str, *, within_ms: float = LATE_MS) -> None:
    """Wait until a screen reader would find the words, in a label or a text."""
    waited = 0.0
    while not any(re.search(text, said) for said in ui.texts()):
        assert waited < within_ms, f"never heard {text!r}; there is {ui.texts()}"
        ui.page.wait_for_timeout(200)
        waited += 200


def answer(ui: FletUI, text: str, nth: int = 0) -> None:
    """Choose the nth control of that name."""
    page = ui.page
    found = page.get_by_role("button", name=text, exact=True).or_(page.get_by_role("radio", name=text, exact=True))
    found = found.or_(page.get_by_role("checkbox", name=text, exact=True))
    ui.tap(bring(ui, found.nth(nth)))


def write(ui: FletUI, label: str, text: str) -> None:
    """Type into a field that may be below; a page that grows just then moves it away from the finger, so look first."""
    for _ in range(5):
        bring(ui, ui.field(label))
        ui.tap(ui.field(label))
        ui.page.wait_for_timeout(250)
        if ui.page.evaluate("document.activeElement.getAttribute('aria-label')") == label:
            ui.page.keyboard.press("Control+A")
            ui.page.keyboard.type(text, delay=15)
            return
    raise AssertionError(f"{label!r} could not be reached; there is {ui.texts()}")


def unlock(ui: FletUI, station: Station) -> None:
    for digit in station.pin:
        ui.tap(ui.button(digit))
    ui.tap(ui.button("Open"))


def record_arrest(ui: FletUI) -> None:
    ui.tap(ui.button("Arrest"))
    ui.see("Suspected offense")
    answer(ui, "CDS:Possess-Not Marihuana · 4 3550")
    ui.see("How much?")  # asked of drug charges only: the page has grown
    answer(ui, "Personal amount")
    write(ui, "Block or corner", "300 w lex")
    ui.tap(bring(ui, ui.page.get_by_role("button", name=re.compile("300 block W Lexington St")).first))
    ui.see("In the zone")
    answer(ui, "No", 0)
    answer(ui, "No", 1)
    answer(ui, "Yes", 2)
    answer(ui, "Coming in with me")
    hear(ui, "When will they arrive")
    write(ui, "Name as given", "Testa Browsersample")


def record_contact(ui: FletUI) -> None:
    ui.tap(ui.button("Social contact"))
    ui.see("Do they agree to meet LEAD?")
    answer(ui, "Yes", 0)
    write(ui, "Name as given", "Testa Browsersample")
    write(ui, "Block or corner", "howard & lex")
    ui.tap(bring(ui, ui.page.get_by_role("button", name=re.compile("Howard St.*Lexington|Lexington St.*Howard")).first))


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("kind", "screen"),
    [("arrest", PHONE), ("social", TABLET)],
    ids=["arrest-phone", "social-tablet"],
    indirect=["screen"],
)
def test_offline_restart_receipt_accept_and_back(central: Central, open_ui: OpenUI, kind: str) -> None:
    central.start()
    officer = central.station("officer.one", "officer")
    manager = central.station("casey", "case_manager")
    central.stop()

    with officer.running() as address:
        ui = open_ui(address)
        unlock(ui, officer)
        record_arrest(ui) if kind == "arrest" else record_contact(ui)
        ui.tap(ui.button("Save"))
        hear(ui, "Saved on this phone")
        ui.shot(f"journey-{kind}-saved-offline")
        if kind == "social":
            hear(ui, "Not sent yet")
        else:
            hear(ui, "LEAD has not been told yet")
            hear(ui, r"Call 410-555-01\d\d and give code [A-Z]\d-\d\d")
        assert ui.outside == []
    assert officer.say("status")["waiting"] == 1

    with officer.running() as address:
        ui = open_ui(address)
        hear(ui, "1 saved referral step waits to be sent")
        unlock(ui, officer)
        hear(ui, "Testa Browsersample")
        hear(ui, "Waiting to send")
        central.start()
        hear(ui, "Receipt")
        (listed,) = officer.say("list")
        (row,) = central.counts(listed["referral_id"])
        assert row["receipt"]

        with manager.running() as desk:
            theirs = open_ui(desk)
            unlock(theirs, manager)
            if kind == "arrest":
                hear(theirs, "Testa Browsersample")
                theirs.tap(theirs.button("Accept"))
            else:  # it waits for the desk's hours, and is there for whoever looks
                theirs.tap(theirs.destination("My people"))
                theirs.tap(theirs.page.get_by_role("button", name=re.compile("Testa Browsersample")).first)
                answer(theirs, "Accept")
            hear(ui, "Accepted by Casey Example")
            ui.shot(f"journey-{kind}-accepted")
            assert theirs.outside == []
    (row,) = central.counts(listed["referral_id"])
    assert (row["handoff"], row["case_manager"]) == ("accepted", "casey")
    assert central.say("audit", "verify")
