"""A case system for each journey."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journey.central import Central


@pytest.fixture
def central(tmp_path: Path) -> Iterator[Central]:
    """A case system that is not serving yet."""
    system = Central(tmp_path)
    yield system
    system.stop()
