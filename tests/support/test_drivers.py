"""The two ways to drive a Flet app, tried on a small one: with no client, and in a real browser."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import flet as ft
import pytest

from tests.support.flet_ui import OpenUI, Screen
from tests.support.headless import HeadlessApp
from tests.support.sample_app import main
from tests.support.waiting import until


async def test_headless_taps_and_types() -> None:
    async with HeadlessApp(main) as ui:
        await ui.click(ui.one(ft.FilledButton, "Tap"))
        await ui.type(ui.one(ft.TextField, "Name"), "Ada")
        assert ui.texts() == ["Tapped 1 times", "Hello Ada", "Next is 2"]


async def test_headless_fails_where_the_real_app_would_freeze() -> None:
    async with HeadlessApp(main) as ui:
        with pytest.raises(AssertionError, match="the real app would freeze"):
            await ui.click(ui.one(ft.FilledButton, "Break"))


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "tests.support.sample_app", str(port)]
    quiet = {"env": dict(os.environ, FLET_FORCE_WEB_SERVER="true"), "stdout": subprocess.DEVNULL}
    with subprocess.Popen(command, **quiet) as server:  # type: ignore[call-overload]

        def listening() -> bool:
            assert server.poll() is None, "the app ended"
            with closing(socket.socket()) as client:
                return client.connect_ex(("127.0.0.1", port)) == 0

        until(listening, what="the app's port")
        yield f"http://127.0.0.1:{port}/"
        server.terminate()


@pytest.mark.e2e
def test_browser_taps_types_and_reads(address: str, open_ui: OpenUI, screen: Screen) -> None:
    ui = open_ui(address)
    ui.tap(ui.button("Tap"))
    ui.see("Tapped 1 times")
    ui.type("Name", "Ada")
    ui.see("Hello Ada")
    ui.unsee("Tapped 0 times", within_ms=1000)
    assert "Next is 2" in ui.texts()
    assert not [url for url in ui.outside if "rive" not in url], "the app asked for something outside"
    picture = ui.shot("sample")
    assert picture.name == f"sample-{screen.name}.png"
    assert picture.stat().st_size > 1000
