"""What a test needs from the machine: skips where it is missing, fails where continuous integration promised it."""

import os
from typing import NoReturn

import pytest

REQUIRE_POSTGRES = "LEAD_REQUIRE_POSTGRES"
REQUIRE_CHROMIUM = "LEAD_REQUIRE_CHROMIUM"


def missing(what: str, enable: str, promise: str) -> NoReturn:
    """End the test: skipped with the one line that would enable it, failed if the variable `promise` is set."""
    sentence = f"{what} is not here. To enable this test: {enable}"
    if os.environ.get(promise):
        pytest.fail(f"{sentence} ({promise} is set)", pytrace=False)
    pytest.skip(sentence)
