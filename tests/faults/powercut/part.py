"""T2: a power cut at any moment of a device's life, and what the device's own code makes of what it leaves.

Case k is one moment of the recorded fortnight (after an operation that changed something) and one way of losing what is pending
then: by the four rules of cut.py first, then by lots. A case that leaves the very bytes of an earlier one of its stretch is not
judged again; `different states` counts the others. Bytes of the recording differ from one recording to the next, its operations and the lots do not.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from tests.faults.disk import shim
from tests.faults.disk.judge import Broken, judge, work_on
from tests.faults.disk.town import machine, packs_read_once
from tests.faults.powercut.cut import WAYS_BY_RULE, Cut
from tests.faults.powercut.disk import Disk
from tests.faults.powercut.numbering import Numbering
from tests.faults.powercut.recording import Recording, recording
from tests.proof.part import Part, Tally, Violation
from tests.support.agency import StillClock

STATES: Final = 200_000  # different ones, in a release
CASES: Final = 280_000  # enough to find them
GOES_ON: Final = 20  # in one of so many states the device saves once more


def run(first: int, count: int, *words: str) -> Tally:
    """Cut the power in the cases from `first` on. words: `careless` for the control run. Errors: NoCompiler."""
    told, numbers = recording(*words), _numbers(*words)
    counts: Counter[str] = Counter()
    violations: list[Violation] = []
    with shim.workplace("lead-cut-") as place, packs_read_once():
        image = Image(Path(place))
        disk, done = Disk(told.root), 0
        seen: dict[tuple[int, int], str | None] = {}
        for number in range(first, first + count):
            at, way = numbers[number]
            if at < done:
                disk, done = Disk(told.root), 0
            for step in told.steps[done:at]:
                disk.do(step)
            done = at
            left = Cut(way=way, seed=f"{at}:{way}").files(disk.top)
            state = hash(frozenset(left.items())), told.around(at)[0].at
            if state not in seen:  # else the same bytes under the same promise: judged already
                counts["different states"] += 1
                counts[f"way {way}" if way < WAYS_BY_RULE else "by lot"] += 1
                seen[state] = _judged(told, at, image.lay(left), goes_on=number % GOES_ON == 0)
            if (sentence := seen[state]) is not None:
                violations.append(Violation(case=number, sentence=f"after operation {at}, way {way}: {sentence}"))
    return Tally(cases=count, counts=dict(counts), violations=tuple(violations))


def _judged(told: Recording, at: int, folder: Path, *, goes_on: bool) -> str | None:
    before, after = told.around(at)
    clock = StillClock(before.now)
    surroundings = machine(folder / "device", clock, at)
    try:
        device = judge(folder / "device", surroundings, before.truth, after.truth, (before.pin, after.pin))
        if device is not None:
            try:
                if goes_on and device.session is not None:
                    work_on(device)
            finally:
                device.store.close()
    except Broken as broken:
        return f"in {after.step!r}: {broken}"
    return None


class Image:
    """One disk image after the other in the same place; files that no program changes in place are shared by links."""

    def __init__(self, place: Path) -> None:
        self._disk, self._pool = place / "disk", place / "pool"
        self._pool.mkdir()
        self._shared: dict[bytes, Path] = {}

    def lay(self, files: Mapping[str, bytes | None]) -> Path:
        """Put these files there, and nothing else; the folder they are in."""
        shutil.rmtree(self._disk, ignore_errors=True)
        self._disk.mkdir()
        for path, content in files.items():
            where = self._disk / path
            if content is None:
                where.mkdir()
            elif "programme/" in path or path.endswith("/ballast"):
                where.hardlink_to(self._share(content))
            else:
                where.write_bytes(content)
        return self._disk

    def _share(self, content: bytes) -> Path:
        if content not in self._shared:
            path = self._pool / str(len(self._shared))
            path.write_bytes(content)
            self._shared[content] = path
        return self._shared[content]


@cache
def _numbers(*words: str) -> Numbering:
    return Numbering(recording(*words).moments)


def _demand(tally: Tally) -> list[str]:
    found = tally.counts.get("different states", 0)
    wanted = STATES * tally.cases // CASES
    return [] if found >= wanted else [f"only {found} of {tally.cases} states differed; {wanted} are asked for"]


PART: Final = Part(
    name="T2",
    title="power cut",
    unit="states",
    holds_when="nothing reported is lost or torn, whatever unsynced sectors and names are kept, lost or garbage",
    ci=20_000,
    release=CASES,
    chunk=10_000,
    run=run,
    demand=_demand,
)
