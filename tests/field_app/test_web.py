"""The app in a browser: only under its secret path, only for this machine, nothing from outside; and it works there."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import flet as ft
import httpx
import pytest
import uvicorn
from playwright.sync_api import Page

from field_app.app import ASSETS, show
from field_app.views.hands import Fix
from field_app.web import Asgi, address, asgi
from tests.support.demo_actions import NOW, PIN, DemoActions
from tests.support.flet_ui import OpenUI

SECRET = "a-secret-of-this-test-only"


class Standing:
    """A device at Lexington Market."""

    async def position(self, *, ask: bool) -> Fix | None:
        return Fix(lat=39.2915, lon=-76.6203, accuracy_m=9.0)

    async def dial(self, phone: str) -> bool:
        return True


@contextmanager
def serving(app: Asgi) -> Iterator[int]:
    """A server on loopback for the length of a `with` block."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False))
    with socket.create_server(("127.0.0.1", 0)) as listening:  # who asks before it answers waits
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


def page_over(actions: DemoActions) -> Callable[[ft.Page], None]:
    def page(page: ft.Page) -> None:
        show(page, actions, hands=Standing(), now=lambda: NOW)

    return page


@pytest.fixture
def actions() -> DemoActions:
    return DemoActions.officer()


@pytest.fixture
def port(actions: DemoActions) -> Iterator[int]:
    with serving(asgi(page_over(actions), SECRET, ASSETS)) as port:
        yield port


def get(port: int, path: str, **headers: str) -> httpx.Response:
    return httpx.get(f"http://127.0.0.1:{port}{path}", headers=headers, timeout=60)


def test_a_guessable_secret_is_refused() -> None:
    for poor in ("", "short", "has/slash/in/the/middle/of/it"):
        with pytest.raises(ValueError, match="20"):
            asgi(lambda _: None, poor, ASSETS)


def test_only_the_secret_path_answers(port: int) -> None:
    assert get(port, f"/{SECRET}/").status_code == 200
    for path in ("/", "/ws", "/docs", "/openapi.json", f"/{SECRET}x/", "/assets/", f"/x/{SECRET}/", "/index.html"):
        answer = get(port, path)
        assert (answer.status_code, answer.text) == (404, "Not Found"), path


def test_another_name_for_this_machine_is_refused(port: int) -> None:
    assert get(port, f"/{SECRET}/", host="evil.example").status_code == 404
    assert get(port, f"/{SECRET}/", host=f"localhost:{port}").status_code == 200


def test_another_origin_is_refused(port: int) -> None:
    assert get(port, f"/{SECRET}/", origin="http://evil.example").status_code == 404
    assert get(port, f"/{SECRET}/", origin=f"http://127.0.0.1:{port}").status_code == 200


async def test_a_web_socket_from_another_page_is_refused(port: int) -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    guard = asgi(lambda _: None, SECRET, ASSETS)
    host = f"127.0.0.1:{port}".encode()
    scope = {
        "type": "websocket",
        "path": f"/{SECRET}/ws",
        "headers": [(b"host", host), (b"origin", b"http://evil.example")],
    }
    await guard(scope, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_answers_keep_to_themselves(port: int) -> None:
    headers = get(port, f"/{SECRET}/").headers
    assert headers["referrer-policy"] == "no-referrer"
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "access-control-allow-origin" not in headers


def errors_of(page: Page) -> list[str]:
    """What the page complains about from now on."""
    found: list[str] = []
    page.on("pageerror", lambda error: found.append(str(error)))
    return found


@pytest.mark.e2e
def test_a_referral_in_a_browser(actions: DemoActions, port: int, open_ui: OpenUI) -> None:
    ui = open_ui(address(port, SECRET), android=True)
    errors = errors_of(ui.page)
    for digit in PIN:
        ui.tap(ui.button(digit))
    ui.tap(ui.button("Open"))
    ui.see("My referrals")
    ui.tap(ui.button("Arrest"))
    ui.see("What and where")
    ui.tap(ui.choice("CDS:Possess-Not Marihuana · 4 3550"))
    ui.tap(ui.button("Still needed: do they agree?"))
    ui.page.wait_for_timeout(500)
    ui.tap(ui.choice("Coming in with me"))
    ui.tap(ui.choice("Not asked"))
    ui.tap(ui.button("Save"))
    ui.see("Saved on this phone")
    ui.shot("saved")
    assert len(actions.shot.referrals) == 7
    ui.tap(ui.button("Done"))
    ui.see("My referrals")
    ui.page.go_back()
    ui.see("Saved on this phone")
    assert ui.outside == []
    assert errors == []
