"""Counts what a save asks the disk to make durable, by watching its system calls (strace).

`count` runs this module again under strace; the child saves some referrals between two marks, and only the calls between the marks
count. Run by hand: python -m benchmarks.flushes FOLDER N (a folder with an enrolled device).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

from benchmarks.ground import ROOT, open_again, people, save, unlock

CALLS = "fsync,fdatasync,sync_file_range,mkdir,mkdirat"
_CALL = re.compile(r"\b(fsync|fdatasync|sync_file_range)\(\d+<([^>]*)>")
_MARK = re.compile(r"\bmkdir(?:at)?\(.*bench-(begin|end)")


class NotCounted(Exception):
    """The calls could not be watched here; the text says why."""


def count(device: Path, n: int) -> dict[str, float]:
    """The calls that flush, per save, by what they flush ("field.db-wal", "outbox/file", "outbox"). Errors: NotCounted."""
    strace = shutil.which("strace")
    if strace is None:
        raise NotCounted(
            "flushes are counted with strace, which is not installed here (Debian: apt-get install strace)"
        )
    log = device.parent / "strace.log"
    command = [strace, "-f", "-y", "-qq", "-e", f"trace={CALLS}", "-o", str(log)]
    child = [sys.executable, "-m", "benchmarks.flushes", str(device), str(n)]
    done = subprocess.run([*command, *child], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0 or not log.exists():
        last = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise NotCounted(f"strace could not watch a save here: {last[0]}")
    found = between_marks(log.read_text(encoding="utf-8", errors="replace"), device)
    return {name: times / n for name, times in sorted(found.items())}


def between_marks(log: str, device: Path) -> Counter[str]:
    """The flushing calls of a strace log between the marks, by what they flush below the device's folder."""
    found: Counter[str] = Counter()
    counting = False
    for line in log.splitlines():
        if (mark := _MARK.search(line)) is not None:
            counting = mark[1] == "begin"
        elif counting and (call := _CALL.search(line)) is not None:
            found[_kind(Path(call[2]), device)] += 1
    return found


def _kind(path: Path, device: Path) -> str:
    inside = path.relative_to(device) if path.is_relative_to(device) else path
    return "outbox/file" if inside.parts[:1] == ("outbox",) and len(inside.parts) > 1 else str(inside)


def main(folder: Path, n: int) -> None:
    """The child: save `n` referrals between two marks."""
    actions = open_again(folder)
    unlock(actions)
    wires = [wire | {"referral_id": f"flush-{i}"} for i, wire in enumerate(people(n + 5, seed=77))]
    for wire in wires[:5]:
        save(actions, wire)
    os.mkdir(folder.parent / "bench-begin")
    for wire in wires[5:]:
        save(actions, wire)
    os.mkdir(folder.parent / "bench-end")
    actions.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
