"""Keeps mutmut's verdicts in the tree, so that mutation testing goes on on another machine: docs/proof/results/T15-PACKAGE.json.

    {"tests": SHA-256 of the package's tests, "modules": {source file: {function: [hash, verdicts]}}}

`hash` is mutmut's own of the function's text; verdicts has a letter for each of its mutants, in their order (LETTERS). A function
whose text is another is asked about anew. Must not know: how a run is started, what a score is.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Final

# a letter for each of mutmut's exit codes; several codes say that the time was up, and one of them stands for all
LETTERS: Final[Mapping[int | None, str]] = {None: "-", 0: "s", 33: "n", 37: "t", 36: "o", 1: "k"}
_CODES: Final = {letter: code for code, letter in LETTERS.items()}


def restore(kept: Path, mutants: Path) -> str | None:
    """Give mutmut's folder the verdicts of `kept`, unless it has some; the digest of the tests that gave them."""
    if not kept.is_file() or any(mutants.rglob("*.py.meta")):
        return None
    told = json.loads(kept.read_text(encoding="utf-8"))
    for source, functions in told["modules"].items():
        module = Path(source).with_suffix("").as_posix().replace("/", ".")
        codes = {
            f"{module}.{function}__mutmut_{number}": _CODES[letter]
            for function, (_, letters) in functions.items()
            for number, letter in enumerate(letters, 1)
        }
        meta = {
            "exit_code_by_key": codes,
            "hash_by_function_name": {function: digest for function, (digest, _) in functions.items()},
            "type_check_error_by_key": {},
            "durations_by_key": {},
            "estimated_durations_by_key": {},
        }
        place = mutants / f"{source}.meta"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(meta), encoding="utf-8")
    return str(told["tests"])


def keep(kept: Path, mutants: Path, tests: str, letters: Mapping[int | None, str]) -> None:
    """Write what mutmut's folder knows. letters: what each exit code is called; one that is not there survived."""
    modules: dict[str, dict[str, tuple[str, str]]] = {}
    for place in sorted(mutants.rglob("*.py.meta")):
        meta = json.loads(place.read_text(encoding="utf-8"))
        hashes = meta.get("hash_by_function_name", {})
        found: defaultdict[str, dict[int, str]] = defaultdict(dict)
        for key, code in meta["exit_code_by_key"].items():
            function, _, number = key.rpartition(".")[2].partition("__mutmut_")
            found[function][int(number)] = letters.get(code, LETTERS[0])
        functions = {
            function: (hashes[function], "".join(by_number.get(at, "-") for at in range(1, max(by_number) + 1)))
            for function, by_number in sorted(found.items())
            if function in hashes
        }
        if functions:
            modules[str(place.relative_to(mutants)).removesuffix(".meta")] = functions
    kept.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        json.dumps(source)
        + ": {\n"
        + ",\n".join(f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items())
        + "\n }"
        for source, rows in modules.items()
    ]  # a function a line: a change of one shows as one
    kept.write_text(
        f'{{"tests": {json.dumps(tests)}, "modules": {{\n ' + ",\n ".join(lines) + "\n}}\n", encoding="utf-8"
    )
