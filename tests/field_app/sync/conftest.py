"""A device and an honest case system in memory, called directly and over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from field_app.sync.http import HttpCaseSystem
from tests.field_app.sync.rig import NOON, Rig, memory_rig
from tests.field_app.sync.watched import PATIENCE, Watched
from tests.support.http_front import serve
from tests.support.memory_case_system import MemoryCaseSystem


@pytest.fixture
def server() -> MemoryCaseSystem:
    """The case system."""
    return MemoryCaseSystem(now=NOON)


@pytest.fixture(params=["direct", "http"])
def rig(tmp_path: Path, server: MemoryCaseSystem, request: pytest.FixtureRequest) -> Iterator[Rig]:
    """The device, unlocked and enrolled; once beside its case system, once over HTTP on loopback."""
    if request.param == "direct":
        made = memory_rig(tmp_path, server)
        yield made
        made.store.close()
        return
    with serve(server) as front:
        carrier = HttpCaseSystem(front.url, monotonic=time.monotonic)
        made = memory_rig(tmp_path, server, carrier)
        yield made
        carrier.close()
        made.store.close()


@pytest.fixture
def watched(tmp_path: Path, server: MemoryCaseSystem) -> Iterator[Watched]:
    """A worker beside its case system."""
    rig = memory_rig(tmp_path, server)
    made = Watched(rig, server)
    yield made
    assert made.worker.stop(PATIENCE)
    rig.store.close()
