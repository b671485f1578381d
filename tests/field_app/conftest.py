"""A case system with its staff, and an officer's and a case manager's device beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.agency import Agency
from tests.support.station import Station


@pytest.fixture
def agency(tmp_path: Path) -> Agency:
    """A case system in a new database."""
    return Agency.copied(tmp_path)


@pytest.fixture
def officer(agency: Agency, tmp_path: Path) -> Iterator[Station]:
    """The device of officer o1, open."""
    station = Station.enrolled(agency, tmp_path / "officer", "o1")
    yield station
    station.actions.close()


@pytest.fixture
def manager(agency: Agency, tmp_path: Path) -> Iterator[Station]:
    """The device of case manager cm1, who is on duty, open."""
    station = Station.enrolled(agency, tmp_path / "manager", "cm1")
    yield station
    station.actions.close()
