"""The desk in the real browser: from the officer to the prosecutor to the case manager and back, live, by keys alone, and without a script."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from referral.lifecycle import Role
from referral.model import Person
from referral.operations import Met, Op
from tests.support.desk_scene import PASSWORD, ServedDesk, served
from tests.support.device import Device, arrest
from tests.support.http_system import HttpSystem

pytestmark = pytest.mark.e2e


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ServedDesk]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    with served(tmp_path, url, stories=False) as made:
        yield made


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[ServedDesk]:
    with served(tmp_path) as made:
        yield made


@pytest.fixture
def device(desk: ServedDesk) -> Iterator[Device]:
    """An officer's device that speaks real HTTP."""
    system = HttpSystem(desk.address)
    yield Device.enrol(system, desk.agency.accounts.new_code("o1", Role.OFFICER).code, desk.agency.clock)
    system.client.close()


def sign_in(context: BrowserContext, desk: ServedDesk, user: str, path: str = "/desk") -> Page:
    """Through the door, as a person does."""
    page = context.new_page()
    page.goto(f"{desk.address}{path}")
    page.get_by_label("User name").fill(user)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Later").click()  # the one-time code
    return page


def test_from_the_officer_to_the_prosecutor_to_the_case_manager_and_back(
    browser: Browser, desk: ServedDesk, device: Device
) -> None:
    manager = sign_in(browser.new_context(), desk, "cm1")
    reviewer = sign_in(browser.new_context(), desk, "sao1")
    expect(manager.get_by_text("Nobody is waiting")).to_be_visible()
    manager.evaluate("window.untouched = true")  # gone after a reload
    made = arrest(person=Person(name="Testa Sample"))
    device.send(device.create(made))

    card = manager.locator(f"#incoming-{made.referral_id}")
    expect(card).to_be_visible(timeout=10_000)  # live
    expect(reviewer.locator(f"#reviews-{made.referral_id}")).to_be_visible(timeout=10_000)
    assert manager.evaluate("window.untouched") is True

    card.locator("summary", has_text="Pass on").click()  # half filled in ...
    card.get_by_label("Reason").select_option("too_far")
    card.get_by_label("Reason").focus()
    second = arrest()
    device.send(device.create(second))
    expect(manager.locator(f"#incoming-{second.referral_id}")).to_be_visible(timeout=10_000)
    expect(card.get_by_label("Reason")).to_have_value("too_far")  # ... and still there
    expect(card.get_by_label("Reason")).to_be_focused()

    reviewer.locator(f"#reviews-{made.referral_id}").get_by_role("button", name="Approve").click()
    expect(reviewer.get_by_role("status")).to_contain_text("Approved")
    card.get_by_role("button", name="Accept").click()
    expect(manager.get_by_role("status")).to_contain_text("The officer is told your name")
    view = device.pull().referrals[made.referral_id]
    assert (view.review, view.handoff, view.case_manager) == ("approved", "accepted", "Casey Example")

    manager.locator(f"#with_you-{made.referral_id}").get_by_role("button", name="We met").click()
    expect(manager.get_by_role("status")).to_contain_text("you met")
    assert device.pull().referrals[made.referral_id].handoff == "accepted"  # theirs to say, too
    device.send(
        device.seal(device.operation(Op.MET, made.referral_id, Met(at=desk.agency.clock()), base=view.revision))
    )
    assert device.pull().referrals[made.referral_id].handoff == "met"
    manager.locator(f"#with_you-{made.referral_id}").get_by_role("button", name="Intake done").click()
    expect(manager.get_by_role("status")).to_contain_text("intake is done")
    assert device.pull().referrals[made.referral_id].handoff == "met"  # nothing clinical for police


def test_keys_alone_are_enough(browser: Browser, scene: ServedDesk) -> None:
    page = browser.new_context().new_page()
    page.goto(f"{scene.address}/desk")
    keys = page.keyboard
    keys.press("Tab")
    expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
    keys.press("Enter")
    keys.press("Tab")
    for text in ("cm1", PASSWORD, ""):
        keys.type(text)
        keys.press("Tab")
    keys.press("Enter")
    page.get_by_role("link", name="Later").press("Enter")
    expect(page.get_by_role("heading", name="My work")).to_be_visible()
    keys.press("j")
    expect(page.locator(f"#incoming-{scene.ids['waits']}")).to_have_class("card waits marked")
    keys.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    keys.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()
    keys.press("r")
    expect(page.locator(f"#incoming-{scene.ids['waits']}").get_by_label("Reason")).to_be_focused()
    keys.press("Escape")
    keys.press("a")
    expect(page.get_by_role("status")).to_contain_text("The officer is told your name")
    page.goto(f"{scene.address}/desk/r/{scene.ids['waits']}")
    keys.press("m")
    expect(page.get_by_role("status")).to_contain_text("you met")


def test_everything_works_without_a_script(browser: Browser, scene: ServedDesk) -> None:
    page = sign_in(browser.new_context(java_script_enabled=False), scene, "cm1")
    card = page.locator(f"#incoming-{scene.ids['waits']}")
    expect(card.locator(".run")).to_have_text("2:05")
    card.locator("summary", has_text="Pass on").click()
    card.get_by_label("Reason").select_option("too_far")
    card.locator("form button", has_text="Pass on").click()
    expect(page.get_by_role("status")).to_contain_text("Someone else is being called")
    page.get_by_role("textbox", name="Call code").fill("B2-17")
    page.get_by_role("button", name="Offer a handoff now").click()
    expect(page.get_by_role("status")).to_contain_text("The duty pair is being rung")


def test_a_session_that_is_over_says_so_and_leads_back(browser: Browser, scene: ServedDesk) -> None:
    context = browser.new_context()
    page = sign_in(context, scene, "cm1", f"/desk/r/{scene.ids['waits']}")
    expect(page).to_have_url(f"{scene.address}/desk/r/{scene.ids['waits']}")
    expect(page.get_by_text("Your session ends at 2:40 am if nothing is done")).to_be_visible()
    scene.agency.clock.go(minutes=31)
    page.evaluate("document.querySelector('#sheet').dispatchEvent(new CustomEvent('look', {bubbles: true}))")
    expect(page.get_by_text("Your session has ended. Nothing was changed.")).to_be_visible()
    page.get_by_label("User name").fill("cm1")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Later").click()
    expect(page).to_have_url(f"{scene.address}/desk/r/{scene.ids['waits']}")


def test_the_page_warns_before_its_session_ends(browser: Browser, scene: ServedDesk) -> None:
    context = browser.new_context()
    page = sign_in(context, scene, "cm1")
    expect(page.get_by_role("heading", name="My work")).to_be_visible()
    page.evaluate("document.body.dataset.idleAt = String(Number(document.body.dataset.now) + 90)")
    expect(page.get_by_role("alert")).to_contain_text("Your session ends in 1:")
    page.get_by_role("link", name="Stay signed in").click()
    expect(page.get_by_role("alert")).to_be_hidden()


def test_a_page_is_printed_without_what_only_a_screen_needs(browser: Browser, scene: ServedDesk) -> None:
    context = browser.new_context(color_scheme="dark")
    page = sign_in(context, scene, "cm1", f"/desk/r/{scene.ids['waits']}")
    accept = page.get_by_role("button", name="Accept").first
    expect(accept).to_be_visible()
    page.emulate_media(media="print")
    expect(accept).to_be_hidden()
    expect(page.locator("nav.places")).to_be_hidden()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    pale = page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--on-surface-variant').trim()")
    assert pale == "#544E41", "the dark theme's letters on white paper"
    assert page.pdf(format="Letter").startswith(b"%PDF")
