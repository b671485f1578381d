"""Runs the trip and looks through everything that it left."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.faults.canary.canaries import CORES
from tests.faults.canary.scanner import Hit, Scanner
from tests.support.repository import ROOT

PLACES: Final = ("stages", "requests", "answers", "notices", "exports", "central", "tmp", "home", "said", "device-o1", "device-cm1")  # fmt: skip
STAGES: Final = ("saved", "synced", "shrunk", "locked", "wiped", "closed")


def travel(out: Path, url: str = "", leak: str = "") -> None:
    """Make the trip; what it said is in `out/said`. Errors: AssertionError when it did not come to its end."""
    for name in ("tmp", "home", "said"):
        (out / name).mkdir(parents=True)
    environment = os.environ | {"TMPDIR": str(out / "tmp"), "HOME": str(out / "home"), "LEAK": leak, "SQLITE_TMPDIR": str(out / "tmp")}  # fmt: skip
    with (out / "said" / "out").open("wb") as said, (out / "said" / "err").open("wb") as cried:
        done = subprocess.run(
            [sys.executable, "-m", "tests.faults.canary.trip", str(out), *([url] if url else [])],
            cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=cried, check=False, timeout=300,
        )  # fmt: skip
    assert done.returncode == 0, (out / "said" / "err").read_text(errors="replace")[-3000:]


def pieces(out: Path) -> Iterator[tuple[str, bytes]]:
    """Everything under the places, each content once; the names of files are a piece too. Programme packs are public."""
    seen: set[bytes] = set()
    names = []
    for place in (*PLACES, "central.db", "central.db-wal"):
        for path in sorted([out / place, *(out / place).rglob("*")]):
            if path.is_file() and "programme" not in path.parts:
                names.append(str(path.relative_to(out)))
                data = path.read_bytes()
                if data not in seen:
                    seen.add(data)
                    yield names[-1], data
    yield "names of files", "\n".join(names).encode()


def hits(out: Path) -> tuple[set[Hit], dict[str, int]]:
    """All canaries that got out, and how many pieces and bytes were looked through, by place."""
    scanner, found = Scanner(CORES), set()
    counts: dict[str, int] = {}
    for name, data in pieces(out):
        place = name.partition("/")[0]
        ours = place in ("stages", "device-o1", "device-cm1")
        found |= scanner.scan(name, data, deflate=ours)
        counts[f"{place}: pieces"] = counts.get(f"{place}: pieces", 0) + 1
        counts[f"{place}: bytes"] = counts.get(f"{place}: bytes", 0) + len(data)
    return found, counts


def complete(out: Path) -> list[str]:
    """What the trip should have left and did not: a scan of nothing finds nothing."""
    wanted = [f"stages/{stage}/{user}/field.db" for stage in STAGES for user in ("o1", "cm1")]
    wanted += ["stages/saved/o1/field.db-wal", "central/referrals", "central/operations", "exports/backup.gz", "exports/de-identified.json"]  # fmt: skip
    missing = [name for name in wanted if not (out / name).is_file()]
    for place, least in (("requests", 10), ("answers", 10), ("notices", 2)):
        if len(list((out / place).iterdir())) < least:
            missing.append(f"{place}: fewer than {least}")
    for word in ("a rule broke", "disk_full", "FieldError"):
        if word.encode() not in (out / "said" / "err").read_bytes():
            missing.append(f"the log has no {word}")
    return missing
