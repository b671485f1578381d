"""unlock: from the PIN to the home screen's snapshot on a device that holds many referrals, apart from the cost of the PIN itself.

Every row is opened, counted by the manifest and indexed. Beside it: the same rows unencrypted in a plain SQLite file, read and parsed.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from benchmarks.figures import Figure, middle, spread
from benchmarks.filling import deliver, fill, inside
from benchmarks.ground import PIN, Office, open_again, people, save, unlock
from benchmarks.watch import timed
from field_app.actions import Actions
from field_app.config import SCRYPT_N
from field_app.vault.keys import Kdf
from field_app.vault.pin import pin_bytes
from referral.codec import canonical

BENCH = "unlock"
TARGETS = {1_000: 1.0, 10_000: 1.5}  # records -> seconds after the KDF


def run(office: Office, folder: Path, *, sizes: tuple[int, ...] = (1_000, 10_000), runs: int = 5) -> Iterator[Figure]:
    """Unlock a device with so many delivered referrals of its own."""
    kdf = [timed(lambda: Kdf.scrypt(SCRYPT_N, os.urandom(16)).stretch(pin_bytes(PIN))).wall for _ in range(runs)]
    yield Figure(
        bench=BENCH,
        what=f"the PIN's own cost: scrypt, N = 2^{SCRYPT_N.bit_length() - 1}",
        value=middle(kdf),
        unit="s",
        spread=(min(kdf), max(kdf)),
    )
    for n in sizes:
        place = folder / f"unlock-{n}"
        actions = office.device(place, f"bench-unlock-{n}")
        fill(actions, people(n, seed=600 + n))
        wall = timed(lambda: deliver(actions, n)).wall  # noqa: B023 - called at once
        actions.close()
        yield Figure(bench=BENCH, what=f"{n:,} referrals delivered to begin with", value=wall, unit="s")
        yield from full(place, n, middle(kdf), runs if n < 5_000 else min(runs, 3))


def full(place: Path, n: int, kdf: float, runs: int) -> Iterator[Figure]:
    """Unlock the device in `place` again and again; then work on it."""
    opens, homes, cpu = [], [], []
    for _ in range(runs):
        opens.append(timed(lambda: open_again(place).close()).wall)
        actions = open_again(place)
        lap = timed(lambda actions=actions: home(actions))  # type: ignore[misc]
        homes.append(lap.wall - kdf)
        cpu.append(lap.cpu)
        actions.close()
    actions = open_again(place)
    unlock(actions)
    shown = len(actions.snapshot().referrals)
    rows = plain_rows(place, actions)
    yield Figure(
        bench=BENCH,
        what=f"{n:,} referrals ({rows[1]:,} rows), PIN to home after the KDF, {shown:,} shown",
        value=middle(homes),
        unit="s",
        spread=(min(homes), max(homes)),
        against=rows[0],
        beside="the same rows in plain SQLite, read and parsed",
        at_most=TARGETS.get(n),
    )
    yield Figure(
        bench=BENCH,
        what=f"{n:,} referrals, CPU from PIN to home, KDF and all",
        value=middle(cpu),
        unit="s",
        spread=(min(cpu), max(cpu)),
    )
    yield Figure(
        bench=BENCH,
        what=f"{n:,} referrals, start of the app to the door",
        value=middle(opens),
        unit="s",
        spread=(min(opens), max(opens)),
    )
    actions.subscribe(lambda _: None)
    saves = [timed(lambda wire=wire: save(actions, wire)).wall for wire in people(20, seed=700)]  # type: ignore[misc]
    yield Figure(
        bench=BENCH,
        what=f"{n:,} referrals on screen, one more saved and shown",
        value=1e3 * middle(saves),
        unit="ms",
        spread=(1e3 * spread(saves)[0], 1e3 * spread(saves)[1]),
    )
    actions.close()


def home(actions: Actions) -> None:
    """From the PIN to all that the home screen shows."""
    unlock(actions)
    actions.snapshot()


def plain_rows(place: Path, actions: Actions) -> tuple[float, int]:
    """Seconds to read and parse all rows of the open vault from an unencrypted SQLite file, and how many they are."""
    _, session = inside(actions)
    path = place.parent / f"{place.name}-plain.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE row (id BLOB PRIMARY KEY, shelf TEXT, box BLOB)")
        rows = [(row.id, row.shelf.value, canonical(row.data)) for row in session.records._rows.values()]
        connection.executemany("INSERT INTO row VALUES (?, ?, ?)", rows)
        connection.commit()

        def read() -> list[object]:
            return [json.loads(box) for _, _, box in connection.execute("SELECT id, shelf, box FROM row")]

        lap = middle([timed(read).wall for _ in range(3)])
    return lap, len(rows)
