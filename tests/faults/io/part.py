"""T4: every call to the disk fails, at every step of a device's life, in every way that such a call can fail.

The numbering is that of faults.py. A round is one fault at each call: the CI figure. The release figure goes
through all ways, once and staying, each survived and each dying with a fault in its recovery. How many calls there are follows from
the product, so that a test holds the figures against it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from tests.faults.disk import shim
from tests.faults.disk.control import Control
from tests.faults.io.faults import MOST_WAYS
from tests.proof.part import Part, Tally, Violation

ROUND: Final = 2300  # not fewer than there are full disks and calls
ROUNDS: Final = 2 * MOST_WAYS


def run(first: int, count: int, *words: str) -> Tally:
    """Meet the faults of these cases. words: `careless` for the control run. Errors: NoCompiler."""
    told = _child(first, count, *words)
    return Tally(
        cases=count,
        counts=told["counts"],
        violations=tuple(Violation(case=case, sentence=sentence) for case, sentence in told["violations"]),
    )


def calls() -> int:
    """How many calls to the disk the fortnight makes: the cases of one round. Errors: NoCompiler."""
    return int(_child(0, 0)["calls"])


def _child(first: int, count: int, *words: str) -> Any:
    with shim.workplace("lead-io-") as place:
        here = Path(place).resolve()
        control = Control(here / "control")
        env = shim.under_shim(root=here / "town" / "disk", control=control.path)
        command = [sys.executable, "-m", "tests.faults.io.child", str(here), str(first), str(count), *words]
        done = subprocess.run(command, env=env, cwd=shim.ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the device under faults failed: {done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


PART: Final = Part(
    name="T4",
    title="I/O faults",
    unit="faults",
    holds_when="every answer is one of the app's own, nothing reported is lost, and it goes on when the fault is over",
    ci=ROUND,
    release=ROUNDS * ROUND,
    chunk=2000,
    run=run,
)
