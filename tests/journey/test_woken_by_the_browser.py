"""Web push in the real browser: its page's script, its service worker and what it shows. Only the push service is ours.

A browser without a way to its maker's service cannot subscribe; that is the first test. In the others `subscribe` gives a subscription
of the service on loopback (tests/support/push_service.py), which opens each message as the browser does; the browser's own debugging
protocol hands the payload to the service worker, as the maker's service would.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, expect

from case_system.desk.push import Push
from case_system.dispatcher import Dispatcher
from case_system.notify.channels import AppriseChannels
from case_system.notify.webpush import SCHEME, PushServices, WebPush
from referral.model import Person
from tests.support import desk_scene
from tests.support.agency import Agency
from tests.support.desk_scene import ServedDesk, served
from tests.support.device import arrest
from tests.support.push_service import PushService, push_service

pytestmark = pytest.mark.e2e

PATIENCE_S = 20.0
WORKER = "/desk/static/push-worker.js"
SUBSCRIBES = """
  const given = %s, known = () => localStorage.getItem("subscribed");
  const made = {
    toJSON: () => ({ endpoint: given.endpoint, keys: { p256dh: given.p256dh, auth: given.auth } }),
    unsubscribe: async () => { localStorage.removeItem("subscribed"); return true; },
  };
  PushManager.prototype.getSubscription = async () => (known() ? made : null);
  PushManager.prototype.subscribe = async (asked) => {
    const key = btoa(String.fromCharCode(...new Uint8Array(asked.applicationServerKey)));
    localStorage.setItem("subscribed", JSON.stringify([asked.userVisibleOnly, key]));
    return made;
  };
"""


@pytest.fixture
def service() -> Iterator[PushService]:
    with push_service() as running:
        yield running


@pytest.fixture
def desk(tmp_path: Path, service: PushService, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServedDesk]:
    def push_of(agency: Agency) -> Push:
        push = web_push(agency, service)
        return Push(push, push.services.subscription, agency.channels)

    monkeypatch.setattr(desk_scene, "AREAS", [push_of])
    with served(tmp_path, stories=False) as made:
        yield made


def web_push(agency: Agency, service: PushService) -> WebPush:
    made = WebPush(agency.keys.push_key, PushServices([service.origin]), contact="mailto:desk@example.org")
    service.public_key = made.public_key
    return made


def notices_page(context: BrowserContext, desk: ServedDesk) -> Page:
    desk.enter(context, "cm1")
    page = context.new_page()
    page.goto(f"{desk.address}/desk/notices")
    return page


def registration(page: Page) -> tuple[CDPSession, str]:
    """The browser's own number of the page's worker."""
    debugging = page.context.new_cdp_session(page)
    seen: list[dict[str, Any]] = []
    debugging.on("ServiceWorker.workerRegistrationUpdated", lambda told: seen.extend(told["registrations"]))
    debugging.send("ServiceWorker.enable")
    active = f"navigator.serviceWorker.getRegistration('{WORKER}').then((r) => Boolean(r?.active))"
    deadline = time.monotonic() + PATIENCE_S
    while not (known := [str(one["registrationId"]) for one in seen if not one["isDeleted"]]) or not page.evaluate(
        active
    ):
        assert time.monotonic() < deadline, "the browser never told of an active worker"
        page.wait_for_timeout(50)
    return debugging, known[0]


def shown(page: Page, many: int) -> list[dict[str, Any]]:
    """The notifications that are on the screen, once there are so many: counted and read in one look, since one that is
    shown again is away for a moment. (`wait_for_function` does not wait for what a promise holds.)"""
    look = (
        f"navigator.serviceWorker.getRegistration('{WORKER}').then((r) => r.getNotifications()).then((all) => "
        "all.map(({ title, body, tag, renotify, requireInteraction }) => ({ title, body, tag, renotify, requireInteraction })))"
    )
    got: list[dict[str, Any]] = page.evaluate(look)
    deadline = time.monotonic() + PATIENCE_S
    while len(got) != many and time.monotonic() < deadline:
        page.wait_for_timeout(50)
        got = page.evaluate(look)
    assert len(got) == many
    return got


def test_a_browser_that_cannot_be_woken_says_so(browser: Browser, desk: ServedDesk) -> None:
    page = notices_page(browser.new_context(), desk)
    page.get_by_role("button", name="Switch on").click()
    expect(page.get_by_text("This browser cannot be woken")).to_be_visible()
    assert desk.agency.channels.listed() == ()


def test_switched_on_woken_and_switched_off(browser: Browser, desk: ServedDesk, service: PushService) -> None:
    agency, subscribed = desk.agency, service.subscribe()
    context = browser.new_context()
    context.grant_permissions(["notifications"], origin=desk.address)
    context.add_init_script(SUBSCRIBES % json.dumps(subscribed.form))
    page = notices_page(context, desk)
    on, off = page.get_by_role("button", name="Switch on"), page.get_by_role("button", name="Switch off")
    expect(off).to_be_hidden()
    on.click()
    expect(off).to_be_visible()
    expect(on).to_be_hidden()
    (channel,) = agency.channels.listed()
    assert (channel.user_id, channel.kind) == ("cm1", SCHEME)
    visible_only, key = page.evaluate("JSON.parse(localStorage.getItem('subscribed'))")
    assert visible_only is True, "browsers refuse one that may work unseen"
    assert key.rstrip("=").replace("+", "-").replace("/", "_") == service.public_key

    officer = agency.device("o1")
    officer.send(officer.create(arrest(person=Person(name="Testa Sample"))))
    channels = AppriseChannels({SCHEME: web_push(agency, service)})
    Dispatcher(book=agency.book(), channels=channels, clock=agency.clock).run_once()
    (payload,) = subscribed.payloads
    debugging, number = registration(page)
    for times in (1, 2):  # a service may hand a message over twice
        debugging.send(
            "ServiceWorker.deliverPushMessage",
            {"origin": desk.address, "registrationId": number, "data": json.dumps(payload)},
        )
        (notification,) = shown(page, 1)
        assert notification == {
            "title": "LEAD Field", "body": "LEAD Field: handoff waiting.", "tag": payload["tag"], "renotify": True, "requireInteraction": True,
        }, times  # fmt: skip
    debugging.send(
        "ServiceWorker.deliverPushMessage", {"origin": desk.address, "registrationId": number, "data": "not JSON"}
    )
    assert "LEAD Field" in {one["title"] for one in shown(page, 2) if not one["tag"]}, "what cannot be read still wakes"

    off.click()
    expect(on).to_be_visible()
    assert agency.channels.listed() == ()
