"""Dockerfile, compose.yaml and the systemd units say only what exists: commands, options, settings, files and routes.

No engine builds or starts them here; what can be read out of them is checked against the code that they start.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped,unused-ignore]  # the library has no types of its own

from case_system.cli import build_parser
from case_system.settings import PREFIX, SETTINGS
from tests.support.repository import ROOT, tracked

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
UNITS = sorted((ROOT / "deploy").glob("*.service"))
OURS = [name for name, service in COMPOSE["services"].items() if service.get("build") == "."]


def instructions(word: str) -> list[str]:
    """The arguments of each such instruction of the Dockerfile."""
    joined = DOCKERFILE.replace("\\\n", " ")
    return [line.removeprefix(word).strip() for line in joined.splitlines() if line.startswith(word + " ")]


def started() -> list[tuple[str, list[str]]]:
    """Every command line of the case system that a file starts or tells to type."""
    (entry,), (command,) = instructions("ENTRYPOINT"), instructions("CMD")
    assert json.loads(entry) == ["case-system"]
    found = [("Dockerfile", json.loads(command))]
    found += [(f"compose.yaml {name}", COMPOSE["services"][name]["command"]) for name in OURS]
    for unit in UNITS:
        line = re.search(r"^ExecStart=(.*)$", unit.read_text(encoding="utf-8"), re.MULTILINE)
        assert line is not None
        program, *words = shlex.split(line[1])
        assert Path(program).name == "case-system"
        found.append((unit.name, words))
    typed = re.findall(r"docker compose run --rm serve (\w+)", (ROOT / "compose.yaml").read_text(encoding="utf-8"))
    return found + [("compose.yaml's head", [word]) for word in typed]


@pytest.mark.parametrize(("where", "words"), started(), ids=lambda value: value if isinstance(value, str) else None)
def test_every_command_and_option_exists(where: str, words: list[str]) -> None:
    assert build_parser().parse_args(words).command == words[0]


def test_every_variable_is_a_setting() -> None:
    known = {row.variable for row in SETTINGS.values()}
    for path in (ROOT / "Dockerfile", ROOT / "compose.yaml", *UNITS):
        named = set(re.findall(rf"{PREFIX}\w+", path.read_text(encoding="utf-8")))
        assert named <= known, path.name
        assert {"CASE_SYSTEM_DB"} <= named


def test_images_are_plain_names_and_nothing_is_fetched_from_elsewhere() -> None:
    images = [*instructions("FROM"), *(service["image"] for service in COMPOSE["services"].values())]
    assert all(re.fullmatch(r"[a-z][a-z-]*(:[\w.-]+)?", image) for image in images)
    assert not re.search(r"curl|wget|apt-get|ADD ", DOCKERFILE)


def test_what_is_copied_is_there_and_what_runs_is_nobody_special() -> None:
    files = {str(path) for path in tracked()}
    for copied in instructions("COPY"):
        for name in copied.split()[:-1]:
            assert any(file == name or file.startswith(f"{name}/") for file in files), name
    assert instructions("USER") == ["lead"]
    assert DOCKERFILE.index("USER lead") > DOCKERFILE.rindex("RUN ")
    for name in OURS:
        service = COMPOSE["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
    for unit in UNITS:
        text = unit.read_text(encoding="utf-8")
        for line in ("User=lead", "NoNewPrivileges=true", "ProtectSystem=strict", "PrivateTmp=true", "UMask=0077"):
            assert f"\n{line}\n" in text, (unit.name, line)


def test_keys_and_data_lie_where_the_settings_say() -> None:
    (volumes,) = map(json.loads, re.findall(r"^VOLUME (.*)$", DOCKERFILE, re.MULTILINE))
    settings = dict(re.findall(r"(CASE_SYSTEM_\w+)=(\S+)", DOCKERFILE))
    assert settings["CASE_SYSTEM_KEYS"] in volumes
    assert str(Path(settings["CASE_SYSTEM_DB"]).parent) in volumes
    for name in OURS:
        mounted = {volume.split(":")[1] for volume in COMPOSE["services"][name]["volumes"]}
        assert mounted == set(volumes)
        assert {volume.split(":")[0] for volume in COMPOSE["services"][name]["volumes"]} <= set(COMPOSE["volumes"])


def test_health_is_asked_where_it_is_answered() -> None:
    asked = re.findall(r"http://127\.0\.0\.1:(\d+)(/\w+)", DOCKERFILE)
    assert asked == [(SETTINGS["port"].default, "/readyz")]
    assert '"/readyz"' in (ROOT / "case_system" / "http.py").read_text(encoding="utf-8")
    assert instructions("EXPOSE") == [SETTINGS["port"].default]


def test_one_dispatcher_runs_beside_servers_that_run_none() -> None:
    commands = [words for where, words in started() if where.startswith("compose.yaml ") or where.endswith(".service")]
    assert sum(words[0] == "dispatch" for words in commands) == 2
    assert all("--no-dispatch" in words for words in commands if words[0] == "serve")
