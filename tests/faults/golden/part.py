"""T12: the files of every release open for ever, and its clients and case systems understand today's. One case a promise and release."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from tests.faults.golden.checks import CHECKS
from tests.golden.make import ROOT
from tests.proof.part import Part, Tally, Violation

RELEASES: Final = tuple(sorted(path.name for path in ROOT.iterdir() if (path / "SHA256SUMS").is_file()))
CASES: Final = len(RELEASES) * len(CHECKS)


def run(first: int, count: int) -> Tally:
    """See `tests.proof.part.Part`."""
    tally = Tally(cases=0)
    for number in range(first, first + count):
        release, check = RELEASES[number // len(CHECKS)], CHECKS[number % len(CHECKS)]
        with tempfile.TemporaryDirectory(prefix="lead-golden-") as work:
            wrong = check(ROOT / release, Path(work))
        sentences = tuple(Violation(case=number, sentence=f"{release}, {check.__name__}: {text}") for text in wrong)
        tally += Tally(cases=1, counts={f"{release}: {check.__name__}": 1}, violations=sentences)
    return tally


PART = Part(
    name="T12",
    title="golden files",
    unit="promises",
    holds_when="files, requests and answers of every release are read as they were",
    ci=CASES,
    release=CASES,
    chunk=len(CHECKS),
    run=run,
)
