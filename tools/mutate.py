"""Mutation testing (T15): plants one small defect at a time in `referral`, `vault` and `sync`, and counts those that no test notices.

    python -m tools.mutate [--processes N] [--minutes M] [--only FILE ...] [PACKAGE ...]

The work is mutmut's. This file gives each package a copy of the tree of its own under build/mutation/, so that the tree can
be edited meanwhile, and runs mutmut there. A run that was stopped goes on where it was: mutmut keeps its verdicts and
asks again only about functions that changed. After a change of the package's tests, whatever survived is asked again. The verdicts are
kept in docs/proof/results/, too, so that a run goes on on another machine (tools/verdicts.py).

A mutant is *killed* by a failing test, or by the strict type check that `make check` runs; the table says how many of each. One
that runs into the time limit counts as killed, too: the test run would not have ended. *Ignored* are the lines marked
`# pragma: no mutate`, each with its reason beside it, where no test could tell the difference.

    score = (killed + by types + timeout) / mutants

The figures are written to test-results/proof/mutation.json: {"modules": {module: {mutants, killed, types, timeout, survived,
ignored}}, "packages": {package: the same, and score}}. The exit code is 1 when a package is under 85 %.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools import verdicts

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / "build" / "mutation"
RESULTS = ROOT / "test-results" / "proof" / "mutation.json"
KEPT = ROOT / "docs" / "proof" / "results"
NEEDED = 85.0
COPIED = (
    "referral",
    "field_app",
    "case_system",
    "tests",
    "tools",
    "assets",
    "benchmarks",
    "docs",
    "main.py",
    "pyproject.toml",
)
PRAGMA = "# pragma: no mutate"
FIGURES = ("mutants", "killed", "types", "timeout", "survived", "ignored")


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """What is mutated, and which tests must notice."""

    sources: str
    tests: tuple[str, ...]


PACKAGES: Mapping[str, Package] = {
    "referral": Package(sources="referral", tests=("tests/referral",)),
    "vault": Package(sources="field_app/vault", tests=("tests/field_app/vault",)),
    "sync": Package(sources="field_app/sync", tests=("tests/field_app/sync", "tests/field_app/store")),
}

# The type check of pyproject.toml, but for what mutmut's own lines would offend.
_TYPES_AS_CHECKED = (
    "[mypy]",
    "strict = true",
    "python_version = 3.11",
    "explicit_package_bases = true",
    "namespace_packages = true",
    "mypy_path = .",
    "warn_unused_ignores = false",
    "enable_error_code = exhaustive-match, possibly-undefined, truthy-bool",
    "follow_imports = silent",
)

# mutmut's exit codes (mutmut.stats.status_by_exit_code); whatever is not here survived
_SURVIVED, _KILLED, _TYPES, _TIMEOUT = 0, {1, 3, -11, -9}, {37}, {36, -24, 24, 152, 255}
_LETTERS: Mapping[int | None, str] = {
    **dict.fromkeys(_KILLED, "k"),
    **dict.fromkeys(_TIMEOUT, "o"),
    **verdicts.LETTERS,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print the table, write the figures. 1 when a package is under the mark or mutmut could not run."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutate", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("packages", nargs="*", metavar="PACKAGE", help=f"of {', '.join(PACKAGES)}; else all")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--minutes", type=float, help="stop in a package after this")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="FILE", help="only these source files, and all of their mutants again"
    )
    parser.add_argument("--report", action="store_true", help="only print what is known")
    options = parser.parse_args(arguments)
    chosen = options.packages or list(PACKAGES)
    if unknown := set(chosen) - set(PACKAGES):
        parser.error(f"no such package: {', '.join(sorted(unknown))}")
    failed = False
    for name in PACKAGES:
        _restore(name)
    for name in chosen if not options.report else ():
        failed = not run(name, processes=options.processes, only=options.only, minutes=options.minutes) or failed
    figures = {name: counted(name) for name in PACKAGES}
    write(figures)
    print(table(figures))
    return int(failed or any(score(total(figures[name].values())) < NEEDED for name in chosen))


def run(name: str, *, processes: int, only: Sequence[str] = (), minutes: float | None = None) -> bool:
    """Bring the package's copy up to date and let mutmut finish it, or stop after a time; whether it could work."""
    package, folder = PACKAGES[name], WORK / name
    folder.mkdir(parents=True, exist_ok=True)
    for top in COPIED:
        mirror(ROOT / top, folder / top)
    settings = folder / "setup.cfg"
    if not settings.is_file() or settings.read_text(encoding="utf-8") != configuration(package):
        shutil.rmtree(folder / "mutants", ignore_errors=True)  # what was left out before is not looked at again
        settings.write_text(configuration(package), encoding="utf-8")
    _ask_again(folder, package)
    names = [f"{Path(file).with_suffix('').as_posix().replace('/', '.')}.*" for file in only]
    words = [sys.executable, "-m", "mutmut", "run", "--max-children", str(processes), *names]
    with (folder / "mutmut.log").open("w", encoding="utf-8") as log:
        print(f"{name}: mutmut is at work; its own words are in {folder / 'mutmut.log'}", flush=True)
        work = subprocess.Popen(words, cwd=folder, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        stopped = False
        try:
            work.wait(None if minutes is None else 60 * minutes)
        except (subprocess.TimeoutExpired, KeyboardInterrupt) as stop:
            stopped = True
            with contextlib.suppress(ProcessLookupError):
                os.killpg(work.pid, signal.SIGKILL)  # each verdict is noted as it comes
            work.wait()
            if isinstance(stop, KeyboardInterrupt):
                raise
        finally:
            verdicts.keep(_kept(name), folder / "mutants", _tests_digest(folder, package), _LETTERS)
    if work.returncode and not stopped:
        print(
            f"{name}: mutmut could not run:\n{(folder / 'mutmut.log').read_text(encoding='utf-8')[-2000:]}",
            file=sys.stderr,
        )
    return stopped or work.returncode == 0


def configuration(package: Package) -> str:
    """mutmut's settings for one package, as a setup.cfg."""
    lists: Mapping[str, Iterable[str]] = {
        "source_paths": ("referral", "field_app", "case_system"),
        "only_mutate": (f"{package.sources}/*.py",),
        "also_copy": ("assets", "tools", "benchmarks", "docs", "main.py"),
        "pytest_add_cli_args": ("-p", "no:cacheprovider", "-p", "no:xdist", "-p", "tools.mutation_plugin"),
        "pytest_add_cli_args_test_selection": package.tests,
        "type_check_command": (
            sys.executable,
            "-m",
            "mypy",
            "--output",
            "json",
            "--config-file",
            "setup.cfg",
            package.sources,
        ),
    }
    lines = [
        "[mutmut]",
        "on_dependency_change = ignore",
        "use_git_change_detection = false",
        "timeout_multiplier = 4.0",
    ]
    for key, values in lists.items():
        lines += [f"{key} =", *(f"    {value}" for value in values)]
    return "\n".join([*lines, *_TYPES_AS_CHECKED]) + "\n"


def mirror(source: Path, target: Path) -> None:
    """Make `target` the same as `source`, touching only what differs: mutmut goes by the time of a file."""
    if source.is_file():
        data = source.read_bytes()
        if not target.is_file() or target.read_bytes() != data:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        return
    wanted = {
        path.relative_to(source) for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    }
    for path in wanted:
        mirror(source / path, target / path)
    for path in list(target.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts and path.relative_to(target) not in wanted:
            path.unlink()


def _ask_again(folder: Path, package: Package) -> None:
    """Forget which test reaches what, and who survived if the tests are not those that it survived."""
    for top in package.tests:
        shutil.rmtree(folder / "mutants" / top, ignore_errors=True)
    digest, seen = _tests_digest(folder, package), folder / "tests.sha256"
    same = seen.is_file() and seen.read_text(encoding="ascii") == digest
    kept = _KILLED | _TYPES | (_TIMEOUT | {_SURVIVED} if same else set())
    (folder / "mutants" / "mutmut-stats.json").unlink(missing_ok=True)
    for path in (folder / "mutants").rglob("*.py.meta"):
        meta = json.loads(path.read_text(encoding="utf-8"))
        codes = meta["exit_code_by_key"]
        meta["exit_code_by_key"] = {key: code if code in kept else None for key, code in codes.items()}
        path.write_text(json.dumps(meta, indent=4), encoding="utf-8")
    seen.write_text(digest, encoding="ascii")


def _tests_digest(folder: Path, package: Package) -> str:
    digest = hashlib.sha256()
    for top in package.tests:
        for path in sorted((folder / top).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _kept(name: str) -> Path:
    return KEPT / f"T15-{name}.json"


def _restore(name: str) -> None:
    folder = WORK / name
    if (tests := verdicts.restore(_kept(name), folder / "mutants")) is not None:
        (folder / "tests.sha256").write_text(tests, encoding="ascii")
        if not (folder / "setup.cfg").exists():  # else the run would take what was kept for that of other settings
            (folder / "setup.cfg").write_text(configuration(PACKAGES[name]), encoding="utf-8")


def counted(name: str) -> dict[str, Counter[str]]:
    """The figures of each module of a package as far as they are known."""
    package, folder = PACKAGES[name], WORK / name
    found: dict[str, Counter[str]] = {}
    for source in sorted((ROOT / package.sources).glob("*.py")):
        meta = folder / "mutants" / package.sources / f"{source.name}.meta"
        if not meta.is_file():
            continue
        codes = json.loads(meta.read_text(encoding="utf-8"))["exit_code_by_key"].values()
        kinds = Counter(_kind(code) for code in codes)
        if not codes:
            continue
        kinds["mutants"] = len(codes)
        kinds["ignored"] = source.read_text(encoding="utf-8").count(PRAGMA)
        found[str(source.relative_to(ROOT))] = kinds
    return found


def _kind(code: int | None) -> str:
    if code is None:
        return "open"
    if code in _KILLED:
        return "killed"
    if code in _TYPES:
        return "types"
    return "timeout" if code in _TIMEOUT else "survived"


def total(figures: Iterable[Counter[str]]) -> Counter[str]:
    """All of them together."""
    return sum(figures, Counter())


def score(figures: Counter[str]) -> float:
    """Percent noticed; what was not tried yet counts as survived."""
    caught = figures["killed"] + figures["types"] + figures["timeout"]
    return 100.0 * caught / figures["mutants"] if figures["mutants"] else 0.0


def write(figures: Mapping[str, Mapping[str, Counter[str]]]) -> None:
    """Write the results file, whole."""
    modules = {module: _plain(kinds) for package in figures.values() for module, kinds in package.items()}
    packages = {name: _plain(total(modules.values())) for name, modules in figures.items()}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps({"modules": modules, "packages": packages}, indent=2) + "\n", encoding="utf-8")


def _plain(kinds: Counter[str]) -> dict[str, float]:
    return {name: kinds[name] for name in (*FIGURES, "open")} | {"score": round(score(kinds), 1)}


def table(figures: Mapping[str, Mapping[str, Counter[str]]]) -> str:
    """The closing table: a line a module, a line a package."""
    lines = [f"{'':36}" + "".join(f"{name:>10}" for name in (*FIGURES, "open", "score"))]
    for name, modules in figures.items():
        lines += [_line(module, kinds) for module, kinds in modules.items()]
        lines.append(_line(name.upper(), total(modules.values())))
    return "\n".join(lines)


def _line(name: str, kinds: Counter[str]) -> str:
    return f"{name:36}" + "".join(f"{kinds[figure]:>10}" for figure in (*FIGURES, "open")) + f"{score(kinds):>9.1f}%"


if __name__ == "__main__":
    sys.exit(main())
