"""Drives Hypothesis state machines by case number: the same number runs the same example on any machine.

Cases come in blocks of `BLOCK`; a block is one Hypothesis run of one machine, seeded by the block's number, so that its examples
differ from each other and repeat exactly. The machines take turns by block. To reach one case alone, the cases before it in
its block run too, uncounted.

Must not know: what a machine tests.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from tests.proof.part import Tally, Violation

BLOCK = 20
MEMORY = Path("/dev/shm")


class Machine(RuleBasedStateMachine):
    """One example of a machine, with a folder of its own and counters of what it met."""

    title: ClassVar[str]
    steps: ClassVar[int] = 30
    needed: ClassVar[tuple[str, ...]] = ()  # what the release figure must have met
    block: ClassVar[Block]

    def __init__(self) -> None:
        super().__init__()
        self.block.started += 1
        self.folder = Path(tempfile.mkdtemp(prefix="lead-machine-", dir=MEMORY if MEMORY.is_dir() else None))
        self.begin()

    def begin(self) -> None:
        """Set up what the example works on."""

    def end(self) -> None:
        """Close what `begin` opened."""

    def count(self, what: str) -> None:
        """Note that something was met."""
        if not self.block.failed_at:
            self.block.met[f"{self.title}: {what}"] += 1

    def teardown(self) -> None:
        """Called by Hypothesis at the end of each example, whatever became of it."""
        error = sys.exc_info()[1]
        if error is not None and not type(error).__module__.startswith("hypothesis"):
            self.block.failed_at = self.block.failed_at or self.block.started
        try:
            self.end()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(slots=True)
class Block:
    """What one run of a machine showed; `failed_at` is the example, from 1, that failed first."""

    met: Counter[str]
    started: int = 0
    failed_at: int = 0


def run_block(machine: type[Machine], number: int, examples: int, *, shorten: bool = True) -> tuple[Block, str]:
    """Run the first `examples` of a block: what it met, and in one sentence what went wrong (nothing: empty).

    shorten: look for the shortest steps that lead there.
    """
    block = Block(met=Counter())

    counted: Any = type(machine.__name__, (machine,), {"block": block})
    how = settings(
        max_examples=examples,
        stateful_step_count=machine.steps,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink) if shorten else (Phase.generate,),
        suppress_health_check=list(HealthCheck),
        print_blob=False,
        report_multiple_bugs=False,
        verbosity=Verbosity.normal,
    )
    try:
        run_state_machine_as_test(seed(number)(counted), settings=how)
    except Exception as error:  # noqa: BLE001 - the sentence is the record: whatever it is, the machine found it
        return block, f"{machine.title}: {_sentence(error)}"
    return block, ""


def run_in_turn(machines: Sequence[type[Machine]], first: int, count: int) -> Tally:
    """Run the cases first, first + 1, ..., of these machines."""
    met: Counter[str] = Counter()
    violations: list[Violation] = []
    end = first + count
    for number in range(first // BLOCK, -(-end // BLOCK)):
        start = number * BLOCK
        block, wrong = run_block(machines[number % len(machines)], number, min(BLOCK, end - start))
        met += block.met
        if wrong:
            violations.append(Violation(case=start + max(block.failed_at, 1) - 1, sentence=wrong))
    return Tally(cases=count, counts=met, violations=tuple(violations))


def _sentence(error: BaseException) -> str:
    """The error and the shortest steps that lead to it, on one line."""
    steps = " / ".join(line.strip() for note in getattr(error, "__notes__", ()) for line in note.splitlines())
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]} [{steps[:1500]}]"
