"""Where a run of the tests puts its files: in memory where there is room, for they are made, synced and thrown away by the ten thousand.

No promise rests on it: what a power cut leaves is decided by T2's recorder, not by a disk.
"""

import os
import shutil
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")
ROOM = 1 << 30  # bytes; a whole run was seen to need 180 MB at most. Containers often have 64 MB
CHOSEN = ("TMPDIR", "TEMP", "TMP")


def settle() -> None:
    """Let this process and those that it starts put temporary files into memory. A place that the user chose stays."""
    if any(os.environ.get(name) for name in CHOSEN) or not _has_room(MEMORY):
        return
    os.environ["TMPDIR"] = str(MEMORY)
    tempfile.tempdir = None  # it is found out anew


def _has_room(place: Path) -> bool:
    return os.access(place, os.W_OK | os.X_OK) and shutil.disk_usage(place).free >= ROOM
