"""An office over the agency of the tests beside, on both databases."""

from __future__ import annotations

import pytest

from case_system.office.building import Office
from tests.support.agency import Agency
from tests.support.office import office_of


@pytest.fixture
def office(agency: Agency) -> Office:
    """The office of the agency."""
    return office_of(agency)
