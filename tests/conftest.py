"""What every test may ask for: a PostgreSQL database, a browser, a window of the app. Nothing starts unasked."""

import gc
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.support import scratch
from tests.support.chromium import chromium
from tests.support.flet_ui import PHONE, TABLET, OpenUI, Screen, windows
from tests.support.postgres import PostgresServer, find_server

LONG = ("tests/journey/", "tests/faults/", "tests/case_system/desk/test_access.py", "tests/field_app/test_web.py")
SHARED = pytest.StashKey[Path]()
CONTROLLER = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    """Agree on a folder that all workers of this run share; the controller makes it."""
    scratch.settle()
    worker: dict[str, Any] | None = getattr(config, "workerinput", None)
    config.stash[SHARED] = Path(worker["lead_shared"] if worker else tempfile.mkdtemp(prefix="lead-tests-"))
    config.stash[CONTROLLER] = worker["lead_controller"] if worker else os.getpid()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker where the folder is."""
    node.workerinput.update(lead_shared=str(node.config.stash[SHARED]), lead_controller=os.getpid())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long ones first, shuffled as before: begun last, one of them would keep a single worker busy when all others are done."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))


def pytest_collection_finish() -> None:
    """What was imported and collected stays until the end: the garbage collector need not look through it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the private PostgreSQL, if one was started: its keeper removes its files."""
    if hasattr(config, "workerinput") or SHARED not in config.stash:
        return
    shared = config.stash[SHARED]
    keeper = shared / "keeper.pid"
    if keeper.exists():
        os.kill(int(keeper.read_text(encoding="ascii")), signal.SIGTERM)
    else:
        shutil.rmtree(shared, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server(pytestconfig: pytest.Config) -> PostgresServer:
    """A PostgreSQL server on which databases can be made."""
    return find_server(pytestconfig.stash[SHARED], pytestconfig.stash[CONTROLLER])


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The SQLAlchemy URL of an empty PostgreSQL database, dropped after the test."""
    with postgres_server.database() as url:
        yield url


@pytest.fixture
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with chromium() as started:
        yield started


@pytest.fixture(params=[PHONE, TABLET], ids=lambda screen: screen.name)
def screen(request: pytest.FixtureRequest) -> Screen:
    """A phone's screen, then a tablet's."""
    chosen: Screen = request.param
    return chosen


@pytest.fixture
def open_ui(browser: Browser, screen: Screen) -> Iterator[OpenUI]:
    """Opens the app at an address in a window of its own: `ui = open_ui("http://127.0.0.1:8550/SECRET/")`."""
    with windows(browser, screen) as open_window:
        yield open_window
