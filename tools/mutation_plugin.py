"""Makes a test run the same each time, for mutation testing: a mutant must die of its defect, not of chance or of leftovers.

Loaded by `tools/mutate.py` with `-p tools.mutation_plugin`. Hypothesis draws the same examples in each run and stops at the first
failure; what the product's functions remember between calls (`functools.cache`, and the tables of `REMEMBERED`) is forgotten before each
test, so that every test reaches the code it rests on.
"""

from __future__ import annotations

import functools
import sys

import pytest
from hypothesis import HealthCheck, Phase, settings

PRODUCT = ("referral", "field_app")
REMEMBERED = (("referral.codec", "_WRITERS"),)
_REMEMBERING = type(functools.cache(len))

settings.register_profile(
    "mutation",
    database=None,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("mutation")


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in PRODUCT:
            for value in list(vars(module).values()):
                if isinstance(value, _REMEMBERING):
                    value.cache_clear()
    for module_name, table in REMEMBERED:
        if module_name in sys.modules:
            getattr(sys.modules[module_name], table).clear()
