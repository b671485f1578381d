"""save: one referral through the actions of the app, against the same durable steps done bare in the same folder.

Record, sealed operation, outbox row and manifest are one transaction; then the envelope's own file. The bare twin makes the flushes
that a save promises and nothing else: one append to a log, one new file by rename, its folder. Beside it stands also what no
durable, sealed save can leave out (`essentials.py`). Each save is followed at once by its twins, so that a busy moment of the
machine meets all three. CPU is this process's time, the file system's work in the kernel included, which is why it is set against
the twin's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from benchmarks.essentials import Essentials
from benchmarks.figures import Figure, Left, middle, percentile, spread
from benchmarks.flushes import NotCounted, count
from benchmarks.ground import Office, open_again, people, save, unlock
from benchmarks.watch import Lap, timed

BENCH = "save"
PROMISED = 3  # the log at COMMIT, the envelope's file, the folder of its name
TARGET_FLUSHES, TARGET_CPU_MS = 4.0, 1.0
LOG = bytes(9 * 4120)  # what one save adds to the write-ahead log: about nine pages with their frames
ENVELOPE = bytes(456)
BARE = "an append with fsync, a new file with fsync and rename, its folder's fsync"
ESSENTIALS = "seal, sign, plain SQLite and the file, nothing else"


def run(office: Office, folder: Path, *, n: int = 400) -> Iterator[Figure | Left]:
    """Save `n` referrals on a device that is not connected."""
    device = folder / "save"
    actions = office.device(device, "bench-save")
    actions.close()
    try:
        counted = count(device, max(10, n // 4))
        told = ", ".join(f"{name} {times:.2f}" for name, times in counted.items())
        what = f"flushes a save ({told})"
        yield Figure(bench=BENCH, what=what, value=sum(counted.values()), unit="", at_most=TARGET_FLUSHES)
    except NotCounted as why:
        yield Left(bench=BENCH, why=f"{why}; a save promises {PROMISED}, as the bare twin makes.")
    saves, bare, least = measure(device, n)
    for name, part in (("p50", 0.5), ("p99", 0.99)):
        yield Figure(
            bench=BENCH,
            what=f"wall, {name}",
            value=1e3 * percentile([lap.wall for lap in saves], part),
            unit="ms",
            spread=_ms(spread([lap.wall for lap in saves])) if part == 0.5 else None,
            against=1e3 * percentile([lap.wall for lap in bare], part),
            beside=BARE,
        )
    yield Figure(
        bench=BENCH,
        what="the same, p50",
        value=1e3 * middle([lap.wall for lap in saves]),
        unit="ms",
        against=1e3 * middle([lap.wall for lap in least]),
        beside=ESSENTIALS,
    )
    extra, floor = [[1e3 * (lap.cpu - b.cpu) for lap, b in zip(laps, bare, strict=True)] for laps in (saves, least)]
    yield Figure(
        bench=BENCH,
        what="CPU beyond the bare steps, p50",
        value=middle(extra),
        unit="ms",
        spread=spread(extra),
        against=middle(floor),
        beside=ESSENTIALS,
        at_most=TARGET_CPU_MS,
    )


def measure(device: Path, n: int) -> tuple[list[Lap], list[Lap], list[Lap]]:
    """`n` saves, their bare twins and their essentials, alternating, after ten of each that are not counted."""
    actions = open_again(device)
    unlock(actions)
    essentials, steps = Essentials(device / "essentials", n + 10), BareSteps(device / "bare")
    saves, bare, least = [], [], []
    for wire in people(n + 10, seed=11):
        saves.append(timed(lambda wire=wire: save(actions, wire)))  # type: ignore[misc]
        bare.append(timed(steps.save))
        least.append(timed(essentials.save))
    essentials.close()
    steps.close()
    actions.close()
    return saves[10:], bare[10:], least[10:]


class BareSteps:
    """The durable steps that a save promises, with nothing to say."""

    def __init__(self, folder: Path) -> None:
        """Work in a new folder."""
        folder.mkdir()
        self._folder, self._done = folder, 0
        self._log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def save(self) -> None:
        """Append and flush; write a file, flush it and give it its name; flush the folder."""
        self._done += 1
        os.write(self._log, LOG)
        os.fsync(self._log)
        temporary = self._folder / f".{self._done}.tmp"
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(file, ENVELOPE)
        os.fsync(file)
        os.close(file)
        temporary.replace(self._folder / f"{self._done}.env")
        above = os.open(self._folder, os.O_RDONLY)
        os.fsync(above)
        os.close(above)

    def close(self) -> None:
        """Close the log."""
        os.close(self._log)


def _ms(pair: tuple[float, float]) -> tuple[float, float]:
    return 1e3 * pair[0], 1e3 * pair[1]
