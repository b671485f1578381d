"""What goes onto a phone: its own code and assets, small, and nothing that a phone cannot run."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.support.repository import ROOT, tracked

PHONE = frozenset({"main.py", "pyproject.toml", "assets", "referral", "field_app"})
LIMIT_BYTES = 3_000_000
# Import name -> distribution. On the phone: pure Python, or with wheels in Flet's mobile index.
ON_THE_PHONE = {
    "flet": "flet",
    "flet_secure_storage": "flet-secure-storage",
    "flet_geolocator": "flet-geolocator",
    "sqlite_utils": "sqlite-utils",
    "requests": "requests",
    "cryptography": "cryptography",
    "tzdata": "tzdata",
}
COMES_WITH = {"urllib3": "requests"}  # pure Python too; reading a response raises its exceptions
# Imported inside a function, where a desktop or the in-browser run needs it.
ON_A_DESKTOP = {"keyring": "keyring", "flet_web": "flet-web", "fastapi": "flet-web", "uvicorn": "flet-web"}
GENERATED = ("build", "dist", "lead_field.egg-info", "test-results")


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def phone_files() -> list[Path]:
    return [path for path in tracked() if path.parts[0] in PHONE]


def distribution(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match, requirement
    return match.group().lower()


def imports_of(path: Path) -> set[tuple[str, bool]]:
    """The absolute imports of a file: top-level name, and whether it is inside a function."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    found: set[tuple[str, bool]] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found.update((name.name.split(".")[0], id(node) in inside) for name in names)
            case ast.ImportFrom(module=str(module), level=0):
                found.add((module.split(".")[0], id(node) in inside))
            case _:
                pass
    return found


def test_everything_not_for_the_phone_is_left_out_of_its_build(project: dict[str, Any]) -> None:
    excluded = set(project["tool"]["flet"]["app"]["exclude"])
    top = {path.parts[0] for path in tracked()} | set(GENERATED)
    shipped = {name for name in top if not name.startswith(".")} - excluded
    assert shipped <= PHONE, f"add to [tool.flet.app] exclude: {sorted(shipped - PHONE)}"
    assert not excluded & PHONE


def test_the_phones_own_code_and_assets_are_small() -> None:
    sizes = {path: (ROOT / path).stat().st_size for path in phone_files()}
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:5]
    assert sum(sizes.values()) < LIMIT_BYTES, f"largest: {[(str(path), size) for path, size in largest]}"


def test_the_phones_dependencies_are_those_that_run_there(project: dict[str, Any]) -> None:
    assert {distribution(line) for line in project["project"]["dependencies"]} == set(ON_THE_PHONE.values())


@pytest.mark.parametrize("path", [path for path in phone_files() if path.suffix == ".py"], ids=str)
def test_the_phones_code_imports_only_what_is_there(path: Path) -> None:
    ours = {"referral", "field_app"}
    for name, inside_a_function in imports_of(ROOT / path):
        if name in ours or name in sys.stdlib_module_names or name in {**ON_THE_PHONE, **COMES_WITH}:
            continue
        assert name in ON_A_DESKTOP, f"{name} is not on the phone"
        assert inside_a_function, f"{name} is for desktops: import it where it is used"


def test_what_comes_along_comes_with_a_dependency() -> None:
    assert set(COMES_WITH.values()) <= set(ON_THE_PHONE.values())


def test_desktop_imports_are_in_the_desktop_extra(project: dict[str, Any]) -> None:
    desktop = {distribution(line) for line in project["project"]["optional-dependencies"]["desktop"]}
    assert set(ON_A_DESKTOP.values()) <= desktop


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("referral.envelope", ("flet", "requests", "sqlite_utils", "field_app", "case_system")),
        ("field_app.actions", ("flet", "case_system")),
        ("field_app.cli", ("flet", "case_system")),
        ("case_system.app", ("flet", "field_app")),
        ("case_system.cli", ("flet", "field_app")),
    ],
)
def test_importing_it_loads_nothing_it_should_not_know(module: str, absent: tuple[str, ...]) -> None:
    script = f"import sys, {module}; print(*sorted({set(absent)!r} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True)
    assert loaded.stdout.split() == []


def test_main_is_all_that_the_builder_needs(project: dict[str, Any]) -> None:
    app = project["tool"]["flet"]["app"]
    assert (ROOT / app["path"] / f"{app['module']}.py").is_file()
    for icon in ("icon.png", "splash.png", "favicon.png"):
        assert (ROOT / "assets" / icon).is_file(), icon


def test_a_backup_never_leaves_the_phone_and_permissions_are_few(project: dict[str, Any]) -> None:
    android = project["tool"]["flet"]["android"]
    assert android["manifest_application"]["allowBackup"] == "false"
    granted = {name.removeprefix("android.permission.") for name, on in android["permission"].items() if on}
    assert granted == {"INTERNET", "ACCESS_NETWORK_STATE", "ACCESS_COARSE_LOCATION", "ACCESS_FINE_LOCATION"}
    assert project["tool"]["flet"]["web"]["cdn"] is False


def test_constraints_name_versions_and_nothing_else(project: dict[str, Any]) -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", pin) for pin in pins)
    pinned = {re.sub(r"[-_.]+", "-", pin.split("==")[0]).lower() for pin in pins}
    extras = project["project"]["optional-dependencies"]
    wanted = [*project["project"]["dependencies"], *(line for extra in extras.values() for line in extra)]
    assert {re.sub(r"[-_.]+", "-", distribution(line)) for line in wanted} <= pinned
