"""Replay one case by hand: `python -m tests.faults.simulation SEED [SEED ...]` prints its schedule, its log and its verdict."""

from __future__ import annotations

import sys

from tests.faults.simulation.case import play, workshop
from tests.faults.simulation.schedule import draw


def main(arguments: list[str]) -> int:
    """Play the cases; 1 when a promise was broken."""
    broken = 0
    with workshop():
        for seed in map(int, arguments):
            schedule = draw(seed)
            outcome = play(schedule)
            print(schedule, *outcome.log, outcome.digest, *outcome.violations, sep="\n")
            broken += bool(outcome.violations)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
