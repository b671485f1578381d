"""Runs the stretches of a part that are not done yet, over a few processes, and notes each as it ends.

Each process is new and imports only its part; it is replaced after a while, so that what a part leaves in memory stays bounded.
Must not know: where results are kept beyond `Results`, what a report says.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass

from tests.proof.part import Part, Tally, stretches
from tests.proof.parts import load
from tests.proof.results import Results, Stretch, total

RENEWED_AFTER = 20  # stretches of one process


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a part is. seconds: since this run began; here: cases done in this run."""

    name: str
    unit: str
    done: int
    wanted: int
    here: int
    seconds: float
    violations: int

    def line(self) -> str:
        """One line: a bar, the figures, the time that is left at this speed."""
        share = self.done / self.wanted
        bar = "#" * int(24 * share) + "." * (24 - int(24 * share))
        pace = self.here / self.seconds if self.seconds else 0.0
        left = f"{(self.wanted - self.done) / pace / 60:.0f} min left" if pace else "beginning"
        return (
            f"{self.name:4} [{bar}] {self.done:,} of {self.wanted:,} {self.unit}, {pace:,.1f} a second, {left}, "
            f"{self.violations} violations"
        )


def run_stretch(module: str, first: int, count: int) -> tuple[Tally, float]:
    """One stretch in this process, and its seconds."""
    began = time.perf_counter()
    return load(module).run(first, count), time.perf_counter() - began


def run_part(
    part: Part,
    module: str,
    results: Results,
    *,
    cases: int,
    workers: int,
    seconds: float,
    told: Callable[[Progress], None],
) -> Tally:
    """Run what is missing of the first `cases` cases; begin no stretch after `seconds`. All that is known then.

    What a part raises is passed on: the part is broken, and what was finished stays noted.
    """
    finished = {(stretch.first, stretch.count): stretch for stretch in results.all()}
    wanted = stretches(cases, part.chunk)
    left = [stretch for stretch in wanted if stretch not in finished]
    known = [finished[stretch] for stretch in wanted if stretch in finished]
    began, here = time.monotonic(), 0
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, max_tasks_per_child=RENEWED_AFTER) as pool:
        running: dict[Future[tuple[Tally, float]], tuple[int, int]] = {}
        try:
            while left or running:
                while left and len(running) < workers and time.monotonic() - began < seconds:
                    stretch = left.pop(0)
                    running[pool.submit(run_stretch, module, *stretch)] = stretch
                if not running:
                    break
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    first, count = running.pop(future)
                    tally, spent = future.result()
                    known.append(Stretch(first=first, count=count, tally=tally, seconds=spent))
                    results.add(known[-1])
                    here += count
                    sofar = total(known)
                    told(
                        Progress(
                            name=part.name,
                            unit=part.unit,
                            done=sofar.cases,
                            wanted=cases,
                            here=here,
                            seconds=time.monotonic() - began,
                            violations=len(sofar.violations),
                        )
                    )
        finally:
            pool.shutdown(cancel_futures=True)
    return total(known)
