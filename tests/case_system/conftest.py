"""Each test here runs over SQLite and over PostgreSQL: one storage contract, two databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.agency import Agency


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'case.db'}"
    address: str = request.getfixturevalue("postgres_url")
    return address


@pytest.fixture
def agency(url: str, tmp_path: Path) -> Iterator[Agency]:
    """A case system with staff."""
    made = Agency.found(url, tmp_path)
    yield made
    made.engine.dispose()
