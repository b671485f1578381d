"""A part of the proof programme: numbered cases, a run over a stretch of them, and what all of them together must show.

A case is known by its number alone: the same number does the same thing on any machine, so that a violation can be replayed. The CI
figure runs inside `make test`, the release figure by `make deep` (tests/proof/__main__.py). The unit, the figures and the names
T1 to T16 are those of docs/testing.md. A part lives in `tests/faults/NAME/part.py` under the name `PART`, where it is found.

Must not know: which parts there are, processes, files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A promise was broken: the number of the case, and one sentence. It never holds a person's data."""

    case: int
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What a stretch of cases showed. `counts` are named figures that add up, such as `dropped reply x sync` or `lost`."""

    cases: int
    counts: Mapping[str, int] = field(default_factory=dict)
    violations: tuple[Violation, ...] = ()

    def __add__(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(
            cases=self.cases + other.cases,
            counts=dict(Counter(self.counts) + Counter(other.counts)),
            violations=self.violations + other.violations,
        )


def nothing_more(_tally: Tally) -> tuple[str, ...]:
    """The demand of a part that asks for no violation and nothing else."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One test of the programme.

    `run(first, count)` does the cases first, first + 1, ..., in this process, and raises only where the part itself is broken.
    `demand(tally)` says, in sentences, what the whole failed to show beyond having no violation (a fault never met, say); it is
    asked of the release figure. `chunk` is how many cases make half a minute or so: the unit of progress and of resumption.
    """

    name: str
    title: str
    unit: str
    holds_when: str
    ci: int
    release: int
    chunk: int
    run: Callable[[int, int], Tally]
    demand: Callable[[Tally], Sequence[str]] = nothing_more

    def __post_init__(self) -> None:
        if not 0 < self.ci <= self.release or self.chunk < 1:
            raise ValueError("a part has at least one case, and its release figure is not below its CI figure")


def stretches(total: int, size: int, *, first: int = 0) -> list[tuple[int, int]]:
    """`total` cases from `first` on, cut into (first, count) of at most `size` each."""
    return [(start, min(size, first + total - start)) for start in range(first, first + total, size)]


def in_ci(part: Part, pieces: int) -> list[tuple[int, int]]:
    """The CI figure cut into about `pieces` stretches, so that several workers share it."""
    return stretches(part.ci, -(-part.ci // pieces))


def require_clean(part: Part, tally: Tally) -> None:
    """Fail the test with the sentences, and with the command that replays the first. Errors: AssertionError."""
    if tally.violations:
        lines = [f"case {violation.case}: {violation.sentence}" for violation in tally.violations[:SHOWN]]
        again = f"replay: python -m tests.proof replay {part.name} {tally.violations[0].case}"
        raise AssertionError("\n".join([f"{len(tally.violations)} violations of {part.name}", *lines, again]))
