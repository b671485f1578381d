"""What each part may import from outside: the standard library, and no more than this table says.

The import contracts in pyproject.toml say who of us may import whom; they name the packages that they know. This table
is the other half: a package nobody thought of is refused until somebody writes it down here.
"""

import sys
from pathlib import Path

import pytest

from tests.architecture.test_packaging import imports_of
from tests.support.repository import ROOT, tracked

OURS = frozenset({"referral", "field_app", "case_system"})
# The longest matching path counts. Parts that are not named have their packages checked by the contracts alone.
ALLOWED: dict[str, frozenset[str]] = {
    "referral/": frozenset(),
    "referral/envelope.py": frozenset({"cryptography"}),
    "field_app/": frozenset(),
    "field_app/app.py": frozenset({"flet", "flet_geolocator", "flet_secure_storage", "keyring", "flet_web", "uvicorn"}),
    "field_app/web.py": frozenset({"flet", "flet_web", "uvicorn"}),
    "field_app/launch.py": frozenset({"flet"}),
    "field_app/vault/": frozenset({"cryptography"}),
    "field_app/vault/keystores.py": frozenset({"flet_secure_storage", "keyring"}),
    "field_app/store/": frozenset({"sqlite_utils"}),
    "field_app/sync/http.py": frozenset({"requests", "urllib3"}),
    "field_app/sync/listener.py": frozenset({"requests"}),
    "field_app/sync/engine.py": frozenset({"sqlite_utils"}),  # the type of the transaction that it passes on (ADR 0006)
    "field_app/courier.py": frozenset({"sqlite_utils"}),
    "field_app/device.py": frozenset({"sqlite_utils"}),
    "field_app/views/": frozenset({"flet", "flet_geolocator"}),
    "case_system/service.py": frozenset(),
    "case_system/assignment.py": frozenset(),
    "case_system/handoff.py": frozenset(),
    "case_system/ports.py": frozenset(),
    "case_system/dispatcher.py": frozenset(),
    "case_system/notify/": frozenset({"apprise", "pywebpush", "py_vapid"}),
    "case_system/office/": frozenset(),
    "case_system/store/": frozenset({"sqlalchemy", "alembic"}),
    "case_system/store/bell.py": frozenset({"sqlalchemy", "psycopg"}),
}


def allowed(path: str) -> frozenset[str] | None:
    """The packages that a file may import from outside; None where the table does not name it."""
    matching = [name for name in ALLOWED if path == name or (name.endswith("/") and path.startswith(name))]
    return ALLOWED[max(matching, key=len)] if matching else None


def foreign(path: Path) -> set[str]:
    """The packages a file imports that are neither ours nor the standard library's."""
    return {name for name, _ in imports_of(path)} - OURS - sys.stdlib_module_names


@pytest.mark.parametrize(
    "path", [path for path in tracked() if path.suffix == ".py" and path.parts[0] in OURS], ids=str
)
def test_a_file_imports_from_outside_only_what_the_table_says(path: Path) -> None:
    permitted = allowed(path.as_posix())
    if permitted is not None:
        assert foreign(ROOT / path) <= permitted


@pytest.mark.parametrize("name", sorted(ALLOWED))
def test_the_table_names_what_exists(name: str) -> None:
    assert (ROOT / name).exists()


def test_the_longest_path_counts() -> None:
    assert allowed("referral/envelope.py") == frozenset({"cryptography"})
    assert allowed("referral/model.py") == frozenset()
    assert allowed("case_system/http.py") is None
