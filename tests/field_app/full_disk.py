"""A device on a disk of six mebibytes, filled to the last byte: run as a program inside a mount of its own (`test_ballast.py`).

Prints one JSON document: what happened at each save on the full disk.
"""

from __future__ import annotations

import errno
import json
import sys
from pathlib import Path
from typing import Any

from field_app.actions import Actions
from field_app.compose import assemble
from field_app.outcomes import Saved, Trouble
from tests.support.agency import Agency
from tests.support.station import PIN, Station


class Laden(Station):
    """A device that keeps room for a full disk."""

    ballast_bytes = 1 << 20

    def restart(self) -> Actions:
        from dataclasses import replace

        machine = replace(self.machine, ballast_bytes=self.ballast_bytes)
        self.actions = assemble(self.folder, machine, self.line, background=self.background)
        return self.actions


def fill(disk: Path) -> None:
    """Leave no byte."""
    with (disk / "filling").open("ab", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(b"\xa5" * size)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise


def main(disk: Path, elsewhere: Path) -> dict[str, Any]:
    agency = Agency.found(f"sqlite:///{elsewhere / 'case.db'}", elsewhere)
    station = Laden.enrolled(agency, disk / "device", "o1")
    room = (disk / "device" / "ballast").stat().st_size
    station.save(referral_id="before")
    fill(disk)
    outcome = station.actions.submit_referral(_arrest("on-a-full-disk"))
    told = [alarm.kind.value for alarm in station.actions.snapshot().alarms]
    filed = isinstance(outcome, Saved) and (station.folder / "outbox" / f"{outcome.op_id}.env").exists()
    fill(disk)
    refused: Saved | Trouble | None = None
    for n in range(400):  # the rest of the room inside the file and its log is used up
        refused = station.actions.submit_referral(_arrest(f"more-{n}"))
        if isinstance(refused, Trouble):
            break
        fill(disk)
    restarted = station.restart().unlock(PIN)
    kept = sorted(row.referral_id for row in station.actions.snapshot().referrals)
    (disk / "filling").unlink()
    station.actions.poll()
    after = station.actions.submit_referral(_arrest("after"))
    counts = station.actions.sync_now()
    return {
        "room": room,
        "saved": isinstance(outcome, Saved),
        "told": told,
        "filed": filed,
        "refused": refused.problem.value if isinstance(refused, Trouble) else None,
        "restarted": type(restarted).__name__,
        "kept": kept,
        "remade": (disk / "device" / "ballast").exists(),
        "alarms_after": [alarm.kind.value for alarm in station.actions.snapshot().alarms],
        "after": isinstance(after, Saved),
        "waiting": counts.waiting,
        "accepted": counts.accepted,
    }


def _arrest(referral_id: str) -> dict[str, Any]:
    from tests.support.station import ARREST

    return ARREST | {"referral_id": referral_id}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2]))))
