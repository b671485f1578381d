"""The cores have no clock, no randomness, no thread and no network of their own: they get them as arguments.

That is what lets the simulator run the real code under a virtual clock. `referral/envelope.py` may use the randomness
inside `cryptography`; nothing may use `os.urandom` or the like. A lock is no thread: the store may hold one, because
the sync worker and the screen share its file.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

CORES = (
    "referral",
    "field_app/vault",
    "field_app/store",
    "field_app/actions.py",
    "field_app/draft.py",
    "field_app/projection.py",
    "field_app/snapshot.py",
    "field_app/sync/machine.py",
    "field_app/sync/backoff.py",
    "field_app/sync/engine.py",
    "case_system/service.py",
    "case_system/assignment.py",
    "case_system/handoff.py",
    "case_system/office",
)
EXCEPT = frozenset({"field_app/vault/keystores.py"})  # the edge to the platform's key stores

MODULES = frozenset({"time", "random", "secrets", "uuid", "threading", "requests", "asyncio", "socket", "subprocess"})
HARMLESS = frozenset({"uuid.UUID", "threading.Lock", "threading.RLock"})  # a type, and what starts nothing
CALLS = frozenset({"now", "utcnow", "today"})
OWNERS = frozenset({"datetime", "date", "dt"})
OS_RANDOM = frozenset({"urandom", "getrandom"})


def core_files() -> list[Path]:
    """The modules of the cores, in order."""
    found: set[Path] = set()
    for name in CORES:
        path = ROOT / name
        found.update(path.rglob("*.py") if path.is_dir() else [path] if path.exists() else [])
    return sorted(path for path in found if path.relative_to(ROOT).as_posix() not in EXCEPT)


def impurities(source: str) -> Iterator[str]:
    """Each forbidden import or call in a module's text, as `line: what`."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                for name in names:
                    whole = name.name == "threading" and name.asname is None  # its use is looked at below
                    if name.name.split(".")[0] in MODULES and not whole:
                        yield f"{node.lineno}: import {name.name}"
            case ast.Attribute(value=ast.Name(id="threading"), attr=attr) if f"threading.{attr}" not in HARMLESS:
                yield f"{node.lineno}: threading.{attr}"
            case ast.ImportFrom(module=str(module), names=names, level=0):
                for name in names:
                    dotted = f"{module}.{name.name}"
                    if module.split(".")[0] in MODULES and dotted not in HARMLESS:
                        yield f"{node.lineno}: from {module} import {name.name}"
                    if module == "os" and name.name in OS_RANDOM:
                        yield f"{node.lineno}: from os import {name.name}"
            case ast.Attribute(value=ast.Name(id="os"), attr=attr) if attr in OS_RANDOM:
                yield f"{node.lineno}: os.{attr}"
            case ast.Attribute(value=owner, attr=attr) if attr in CALLS and _last(owner) in OWNERS:
                yield f"{node.lineno}: {_last(owner)}.{attr}"
            case _:
                pass


def _last(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


@pytest.mark.parametrize("path", core_files(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_core_is_pure(path: Path) -> None:
    found = list(impurities(path.read_text(encoding="utf-8")))
    assert not found, "make it an argument: " + "; ".join(found)


@pytest.mark.parametrize("name", CORES)
def test_every_core_exists(name: str) -> None:
    assert (ROOT / name).exists(), "a core that moved is no longer watched: change CORES with it"


@pytest.mark.parametrize(
    "source",
    [
        "import time",
        "import time as clock",
        "from time import monotonic",
        "from random import SystemRandom",
        "import secrets",
        "import uuid",
        "from uuid import uuid4",
        "import threading\nthreading.Thread(target=print)",
        "import threading as t",
        "from threading import Thread",
        "import requests.adapters",
        "import os\nos.urandom(16)",
        "from os import urandom",
        "from datetime import datetime\ndatetime.now()",
        "import datetime\nnow = datetime.datetime.now",
        "import datetime as dt\ndt.datetime.utcnow()",
        "from datetime import date\ndate.today()",
        "def late():\n    import random",
    ],
)
def test_the_watch_sees(source: str) -> None:
    assert list(impurities(source))


@pytest.mark.parametrize(
    "source",
    [
        "from uuid import UUID",
        "from datetime import datetime, timedelta",
        "def due(now): return now.date()",
        "self.clock.now()",
        "import threading\nthreading.RLock()",
        "import os\nos.fsync(3)",
        "from . import time",
    ],
)
def test_the_watch_lets_pass(source: str) -> None:
    assert not list(impurities(source))
