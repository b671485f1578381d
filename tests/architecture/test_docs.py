"""The documents keep up with the code: what a person can type, meet or set is written in README.md or docs/.

The lists come from the code itself: the parsers of both command lines, the problem codes, the Makefile, and every
environment variable that a string in the code names. Nothing here judges how well a thing is explained.
"""

import argparse
import ast
import importlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from referral.problems import ProblemCode
from tests.support.repository import ROOT, texts, tracked

VARIABLE = re.compile(r"(?:LEAD|FIELD_APP|CASE_SYSTEM)_[A-Z0-9_]+")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
OUR_PATH = re.compile(r"`((?:referral|field_app|case_system|tests|tools|benchmarks|assets|docs)/[\w./-]*)`")
CLIS = {"field-app": "field_app.cli", "case-system": "case_system.cli"}
# Written in halves, so that this file does not name them.
REGISTRIES = tuple(
    "".join(halves)
    for halves in (
        ("pypi.", "org"),
        ("python", "hosted"),
        ("npm", "js."),
        ("index", "-url"),
        ("find", "-links"),
        ("proxy.", "golang"),
        ("deb.", "debian"),
        ("index", "_url"),
    )
)
MACHINE = re.compile(r"(?<![\w.~$}*-])/(?:root|work|Users|workspace)/")


def documents() -> dict[Path, str]:
    """README.md and everything in docs/ that a person reads."""
    return {
        path: text
        for path, text in texts().items()
        if path.suffix == ".md" and (path == Path("README.md") or path.parts[0] == "docs")
    }


def documented() -> str:
    """The text of all documents, each run of white space one space, so that line breaks do not matter."""
    return re.sub(r"\s+", " ", "\n".join(documents().values()))


def names(word: str, text: str) -> bool:
    """Whether the text holds the word as a whole."""
    return re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text) is not None


def commands(parser: argparse.ArgumentParser, path: str) -> Iterator[tuple[str, str]]:
    """Each command of a parser as `prog words`, with "" for itself and with each of its long options."""
    yield path, ""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, child in action.choices.items():
                yield from commands(child, f"{path} {name}")
        elif action.help != argparse.SUPPRESS:
            yield from ((path, option) for option in action.option_strings if option.startswith("--"))


def variables() -> set[str]:
    """Every environment variable of ours that the code, the Makefile or the CI script names."""
    found: set[str] = set()
    for path, text in texts().items():
        if path.suffix == ".py":
            strings = (node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant))
            found.update(string for string in strings if isinstance(string, str) and VARIABLE.fullmatch(string))
        elif path.name == "Makefile" or path.parts[0] == ".ci":
            found.update(VARIABLE.findall(text))
    return found


def test_every_make_target_is_documented() -> None:
    targets = re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert {"demo", "test", "check", "bench", "deep"} <= set(targets)
    text = documented()
    assert [name for name in targets if not names(f"make {name}", text)] == []


@pytest.mark.parametrize("program", CLIS)
def test_every_command_and_option_is_documented(program: str) -> None:
    parser = importlib.import_module(CLIS[program]).build_parser()
    text = documented()
    known = [command for command in commands(parser, program) if command[1] != "--help"]
    assert len(known) > 5
    missing = [
        f"{path} {option}".strip()
        for path, option in known
        if not (names(option, text) if option else names(path, text))
    ]
    assert missing == []


def test_every_problem_code_is_documented() -> None:
    text = documented()
    assert [code.value for code in ProblemCode if not names(code.value, text)] == []


def test_every_environment_variable_is_documented() -> None:
    text = documented()
    found = variables()
    assert "LEAD_REQUIRE_POSTGRES" in found
    assert sorted(name for name in found if not names(name, text)) == []


def test_no_text_names_a_registry_or_a_path_of_one_machine() -> None:
    found = []
    for path, text in texts().items():
        for number, line in enumerate(text.splitlines(), 1):
            if any(host in line for host in REGISTRIES) or MACHINE.search(line):
                found.append(f"{path}:{number}")
    assert found == []


def test_links_between_documents_lead_somewhere() -> None:
    broken = []
    for path, text in texts().items():
        if path.suffix != ".md":
            continue
        for target in LINK.findall(text):
            file = target.split("#")[0]
            local = "://" not in target and not target.startswith("mailto:")
            if file and local and not (ROOT / path.parent / file).exists():
                broken.append(f"{path}: {target}")
    assert broken == []


def test_paths_named_in_the_guides_exist() -> None:
    """Decisions (docs/adr/) and the change log speak of their own day, the other documents of today."""
    gone = []
    for path, text in texts().items():
        if path.suffix != ".md" or path.parts[:2] == ("docs", "adr") or path.name == "CHANGELOG.md":
            continue
        gone += [f"{path}: {name}" for name in OUR_PATH.findall(text) if not (ROOT / name).exists()]
    assert gone == []


def test_the_index_of_decisions_is_complete() -> None:
    index = (ROOT / "docs/adr/README.md").read_text(encoding="utf-8")
    records = [path for path in tracked() if path.parent == Path("docs/adr") and re.match(r"\d{4}-", path.name)]
    numbers = [path.name[:4] for path in records]
    assert len(set(numbers)) == len(numbers), "two decisions with one number"
    assert [path.name for path in records if f"]({path.name})" not in index] == []
    undecided = [path.name for path in records if not re.search(r"^Status: ", (ROOT / path).read_text("utf-8"), re.M)]
    assert undecided == []


def test_the_change_log_tells_of_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("see /ro" + "ot/x", True),
        ('"/work' + '/main"', True),
        ("https://example.org/work" + "/x", False),
        ("~/ro" + "ot/x", False),
        ("tests/work/x", False),
    ],
)
def test_the_watch_knows_a_path_of_a_machine(line: str, seen: bool) -> None:
    assert (MACHINE.search(line) is not None) == seen


def test_the_watch_walks_into_commands() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data")
    parser.add_subparsers().add_parser("keys").add_subparsers().add_parser("rotate").add_argument("--force")
    assert [found for found in commands(parser, "tool") if found[1] != "--help"] == [
        ("tool", ""),
        ("tool", "--data"),
        ("tool keys", ""),
        ("tool keys rotate", ""),
        ("tool keys rotate", "--force"),
    ]
