"""save: one referral through the actions of the app, against the same number of bare appends with fsync in the same folder.

Record, sealed operation, outbox row and manifest are one transaction; then the envelope's own file. Beside it stands also what no
durable, sealed save can leave out (`essentials.py`). Each save is followed at once by its twins, so that a busy moment of the
machine meets all three.
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
APPEND = bytes(1024)
ESSENTIALS = "seal, sign, plain SQLite and the file, nothing else"


def run(office: Office, folder: Path, *, n: int = 400) -> Iterator[Figure | Left]:
    """Save `n` referrals on a device that is not connected."""
    device = folder / "save"
    actions = office.device(device, "bench-save")
    actions.close()
    flushes = float(PROMISED)
    try:
        counted = count(device, max(10, n // 4))
        flushes = sum(counted.values())
        told = ", ".join(f"{name} {times:.2f}" for name, times in counted.items())
        yield Figure(bench=BENCH, what=f"flushes a save ({told})", value=flushes, unit="", at_most=TARGET_FLUSHES)
    except NotCounted as why:
        yield Left(bench=BENCH, why=f"{why}; the bare twin below makes the {PROMISED} that a save promises.")
    saves, bare, least = measure(device, n, max(1, round(flushes)))
    beside = f"{max(1, round(flushes))} appends of 1 kB, each with fsync"
    for name, part in (("p50", 0.5), ("p99", 0.99)):
        yield Figure(
            bench=BENCH,
            what=f"wall, {name}",
            value=1e3 * percentile([lap.wall for lap in saves], part),
            unit="ms",
            spread=_ms(spread([lap.wall for lap in saves])) if part == 0.5 else None,
            against=1e3 * percentile([lap.wall for lap in bare], part),
            beside=beside,
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
        what="CPU beyond the bare appends, p50",
        value=middle(extra),
        unit="ms",
        spread=spread(extra),
        against=middle(floor),
        beside=ESSENTIALS,
        at_most=TARGET_CPU_MS,
    )


def measure(device: Path, n: int, appends: int) -> tuple[list[Lap], list[Lap], list[Lap]]:
    """`n` saves, their bare twins and their essentials, alternating, after ten of each that are not counted."""
    actions = open_again(device)
    unlock(actions)
    essentials = Essentials(device / "essentials", n + 10)
    saves, bare, least = [], [], []
    with (device / "bare").open("ab", buffering=0) as file:

        def append() -> None:
            for _ in range(appends):
                file.write(APPEND)
                os.fsync(file.fileno())

        for wire in people(n + 10, seed=11):
            saves.append(timed(lambda wire=wire: save(actions, wire)))  # type: ignore[misc]
            bare.append(timed(append))
            least.append(timed(essentials.save))
    essentials.close()
    actions.close()
    return saves[10:], bare[10:], least[10:]


def _ms(pair: tuple[float, float]) -> tuple[float, float]:
    return 1e3 * pair[0], 1e3 * pair[1]
