"""Look at cases by hand: `python -m tests.faults.simulation SEED [SEED ...]` prints each one's schedule, log and verdict; one that
breaks a promise is then made short.
"""

from __future__ import annotations

import sys

from tests.faults.simulation.case import play, workshop
from tests.faults.simulation.schedule import draw
from tests.faults.simulation.shrink import same_kind, shrunk


def main(arguments: list[str]) -> int:
    """Play the cases; 1 when a promise was broken."""
    broken = 0
    with workshop():
        for seed in map(int, arguments):
            schedule = draw(seed)
            outcome = play(schedule)
            print(schedule, *outcome.log, outcome.digest, *outcome.violations, sep="\n")
            if outcome.violations:
                broken += 1
                fails = same_kind(outcome.violations, lambda tried: play(tried).violations)
                print("as short as it gets:", shrunk(schedule, fails), sep="\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
