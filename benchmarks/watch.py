"""Reads clocks: wall and processor time of this process or of another one. The only place of the benches that does."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Lap:
    """What one call took, in seconds. cpu: of the whole process, kernel included."""

    wall: float
    cpu: float


def timed(call: Callable[[], object]) -> Lap:
    """How long one call takes."""
    cpu, wall = time.process_time(), time.perf_counter()
    call()
    return Lap(wall=time.perf_counter() - wall, cpu=time.process_time() - cpu)


def now() -> float:
    """Seconds that only run forward."""
    return time.perf_counter()


def rest(seconds: float) -> None:
    """Do nothing for so long: the idle bench measures what happens meanwhile."""
    time.sleep(seconds)


def cpu_of(pid: int) -> float | None:
    """Processor seconds that another process of this machine has used so far; None where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
