"""The recorded fortnight: its operations, and after which of them the device promised what.

Recorded once in a process, by a child under the shim. Must not know: which cuts are tried.
"""

from __future__ import annotations

import json
import subprocess
import sys
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path, PurePosixPath

from tests.faults.disk import log, shim
from tests.faults.disk.control import Control
from tests.faults.disk.truth import Truth
from tests.faults.powercut.cut import Cut
from tests.faults.powercut.disk import MEMORY, Disk, anything_pending


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What the device had promised when a step had ended. at: how many operations were done by then."""

    at: int
    step: str
    now: datetime
    pin: str
    truth: Truth


@dataclass(frozen=True, slots=True)
class Moment:
    """A power cut may come when `at` operations are done, the last of them `after`; so much is pending then."""

    at: int
    after: log.Step = field(repr=False)
    pending: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Every operation, what was promised, and when a cut may come."""

    root: PurePosixPath
    steps: tuple[log.Step, ...] = field(repr=False)
    promises: tuple[Promise, ...] = field(repr=False)
    moments: tuple[Moment, ...] = field(repr=False)
    end: Mapping[str, bytes | None] = field(repr=False)

    def around(self, at: int) -> tuple[Promise, Promise]:
        """What was promised by then, and what will be promised next."""
        n = bisect_right(self.promises, at, key=lambda promise: promise.at)
        return self.promises[n - 1], self.promises[min(n, len(self.promises) - 1)]


@cache
def recording(*words: str) -> Recording:
    """The fortnight of a device; `careless` for the control run. Errors: NoCompiler."""
    with shim.workplace("lead-record-") as place:
        here = Path(place).resolve()
        control, root = Control(here / "control"), here / "town" / "disk"
        env = shim.under_shim(root=root, control=control.path, log=here / "log")
        command = [sys.executable, "-m", "tests.faults.powercut.workload", str(here / "town"), *words]
        done = subprocess.run(command, env=env, cwd=shim.ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"the recorded device failed: {done.stderr[-2000:]}")
        told = _told(PurePosixPath(root), tuple(log.steps((here / "log").read_bytes())))
        if _there(root) != told.end:
            raise RuntimeError("the recorder did not see everything that was done to the disk")
    return told


def _told(root: PurePosixPath, steps: tuple[log.Step, ...]) -> Recording:
    disk = Disk(root)
    promises: list[Promise] = []
    moments: list[Moment] = []
    for at, step in enumerate(steps, 1):
        disk.do(step)
        match step:
            case log.Mark(text):
                told = json.loads(text)
                promises.append(
                    Promise(
                        at=at,
                        step=told["step"],
                        now=datetime.fromisoformat(told["now"]),
                        pin=told["pin"],
                        truth=Truth.from_text(told["truth"]),
                    )
                )
                moments.append(Moment(at, step, anything_pending(disk.top)))
            case log.Close():
                pass
            case log.Open(_, _, flags) if not flags & (log.O_CREAT | log.O_TRUNC):
                pass
            case _:
                if promises:
                    moments.append(Moment(at, step, anything_pending(disk.top)))
    return Recording(root=root, steps=steps, promises=tuple(promises), moments=tuple(moments), end=_all_of(disk))


def _all_of(disk: Disk) -> dict[str, bytes | None]:
    """What is there when no power is cut."""
    return Cut(way=1, seed="").files(disk.top)


def _there(root: Path) -> dict[str, bytes | None]:
    paths = [path for path in root.rglob("*") if not path.name.endswith(MEMORY)]
    return {str(path.relative_to(root)): None if path.is_dir() else path.read_bytes() for path in paths}
