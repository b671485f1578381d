"""T3: kill -9 on devices, case systems and dispatchers at work, at every call to the disk and at moments that nobody chose.

Five cases in ten kill a device at a call to the disk (before, after or in the middle of it), and the case system that answers in the
same process with it; one kills it by the clock. Three kill a case system in a process of its own, mostly at a call; some of those
answer over HTTP. One kills a dispatcher, at each of its steps with a message in turn, while another goes on. A case by the clock is the same in what is done and not in when it dies.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.faults.disk import shim
from tests.faults.disk.control import Control
from tests.faults.kills.dispatcher import Point
from tests.proof.part import Part, Tally, Violation


def run(first: int, count: int, *words: str) -> Tally:
    """Kill in the cases from `first` on. words: `careless` or `hasty` for a control run. Errors: NoCompiler."""
    with shim.workplace("lead-kill-") as place:
        here = Path(place).resolve()
        control = Control(here / "control")
        env = shim.under_shim(root=here / "town", control=control.path)
        command = [sys.executable, "-m", "tests.faults.kills.nursery", str(here), str(first), str(count), *words]
        done = subprocess.run(command, env=env, cwd=shim.ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the nursery failed: {done.stderr[-3000:]}")
    told = json.loads(done.stdout.splitlines()[-1])
    return Tally(
        cases=count,
        counts=told["counts"],
        violations=tuple(Violation(case=case, sentence=sentence) for case, sentence in told["violations"]),
    )


def _demand(tally: Tally) -> list[str]:
    """A dispatcher died at each of its steps, not once by luck."""
    least = max(1, 40 * tally.cases // PART.release)
    died = {point: tally.counts.get(f"killed {point.value}", 0) for point in Point}
    return [
        f"dispatchers killed {point.value}: {n}, and {least} are asked for" for point, n in died.items() if n < least
    ]


PART: Final = Part(
    name="T3",
    title="kill -9",
    unit="kills",
    holds_when="nothing acknowledged is lost, nothing is torn, no receipt and no notice is forgotten, nothing has happened twice",
    ci=300,
    release=10_000,
    chunk=300,
    run=run,
    demand=_demand,
)
