"""What was run so far: one file a part, one line a finished stretch, so that a run can be stopped at any time and gone on with.

    FOLDER/NAME-DIGEST.jsonl      {"first", "count", "tally": {"cases", "counts", "violations"}, "seconds", "commit", "at"}
    KEPT/NAME-DIGEST.jsonl        the same, published beside the report: what was run on one machine is gone on with on another

DIGEST names the code that a result speaks of: the product's and the part's own, without the tests that only call the part.
When either changes, the part begins anew.
Must not know: how parts run, what is written about them.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.proof.part import Tally, Violation
from tests.proof.parts import ROOT

FOLDER = ROOT / "test-results" / "proof"
KEPT = ROOT / "docs" / "proof" / "results"
PRODUCT = ("referral", "field_app", "case_system")
SCREENS = "field_app/views/"  # no part drives them: T16 is a test of `make test`


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Cases `first` to `first + count - 1`, done. seconds: of one process."""

    first: int
    count: int
    tally: Tally
    seconds: float
    commit: str = ""
    at: str = ""


def digest(module: str) -> str:
    """Twelve hex digits that change with the code of the product or of the part in `module`."""
    own = "/".join(module.split(".")[:-1])
    seen = hashlib.sha256()
    for folder in (*PRODUCT, own):
        for file in sorted((ROOT / folder).rglob("*")):
            path = file.relative_to(ROOT).as_posix()
            counts = file.suffix in (".py", ".c") and not file.name.startswith("test_")
            if counts and not path.startswith(SCREENS):
                seen.update(f"{path}\0".encode() + file.read_bytes() + b"\0")
    return seen.hexdigest()[:12]


def commit() -> str:
    """The commit of the work tree, with "+" where files differ from it."""
    told = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    changed = subprocess.run(
        ["git", "status", "--porcelain", "--untracked-files=no"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return (told.stdout.strip() or "unknown") + ("+" if changed.stdout.strip() else "")


class Results:
    """The finished stretches of one part and one state of the code."""

    def __init__(self, name: str, module: str, folder: Path = FOLDER, kept: Path = KEPT) -> None:
        self._name, file = name, f"{name}-{digest(module)}.jsonl"
        self.path, self.kept = folder / file, kept / file

    def add(self, stretch: Stretch) -> None:
        """Note a finished stretch, at once."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = {
            "first": stretch.first,
            "count": stretch.count,
            "tally": _to_json(stretch.tally),
            "seconds": round(stretch.seconds, 2),
            "commit": stretch.commit or commit(),
            "at": stretch.at or datetime.now(UTC).isoformat(timespec="seconds"),
        }
        cut = self.path.exists() and not self.path.read_bytes().endswith(b"\n")
        with self.path.open("a") as file:
            file.write("\n" * cut + json.dumps(line) + "\n")

    def all(self) -> list[Stretch]:
        """Every finished stretch once. A last line that was cut by a kill counts as not run."""
        return [stretch for stretch, _ in self._lines().values()]

    def publish(self, stretches: Iterable[Stretch]) -> None:
        """Keep these beside the report, in the order of their cases; what was kept of other states of the code goes."""
        wanted = {(stretch.first, stretch.count) for stretch in stretches}
        lines = [line for place, (_, line) in sorted(self._lines().items()) if place in wanted]
        for old in self.kept.parent.glob(f"{self._name}-*.jsonl"):
            old.unlink()
        if lines:
            self.kept.parent.mkdir(parents=True, exist_ok=True)
            self.kept.write_text("\n".join(lines) + "\n")

    def _lines(self) -> dict[tuple[int, int], tuple[Stretch, str]]:
        found: dict[tuple[int, int], tuple[Stretch, str]] = {}
        for path in (self.kept, self.path):
            for text in path.read_text().splitlines() if path.exists() else ():
                try:
                    line = json.loads(text)
                except ValueError:
                    continue
                stretch = Stretch(
                    first=line["first"],
                    count=line["count"],
                    tally=_from_json(line["tally"]),
                    seconds=line["seconds"],
                    commit=line["commit"],
                    at=line["at"],
                )
                found[stretch.first, stretch.count] = (stretch, text)
        return found


def total(stretches: list[Stretch]) -> Tally:
    """All of them together."""
    return sum((stretch.tally for stretch in stretches), Tally(cases=0))


def _to_json(tally: Tally) -> dict[str, Any]:
    told = [[violation.case, violation.sentence] for violation in tally.violations]
    return {"cases": tally.cases, "counts": dict(tally.counts), "violations": told}


def _from_json(wire: dict[str, Any]) -> Tally:
    told = tuple(Violation(case=case, sentence=sentence) for case, sentence in wire["violations"])
    return Tally(cases=wire["cases"], counts=wire["counts"], violations=told)
