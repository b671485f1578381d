"""A device and an honest case system in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.field_app.sync.rig import NOON, Rig, memory_rig
from tests.support.memory_case_system import MemoryCaseSystem


@pytest.fixture
def server() -> MemoryCaseSystem:
    """The case system."""
    return MemoryCaseSystem(now=NOON)


@pytest.fixture
def rig(tmp_path: Path, server: MemoryCaseSystem) -> Iterator[Rig]:
    """The device, unlocked and enrolled."""
    made = memory_rig(tmp_path, server)
    yield made
    made.store.close()
