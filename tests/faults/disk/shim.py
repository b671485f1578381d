"""Builds the shim and says how a child is started under it.

Must not know: what the child does.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

REQUIRE_CC: Final = "LEAD_REQUIRE_CC"
ENABLE: Final = "apt-get install gcc libc6-dev (the shim is for Linux)"
ROOT: Final = Path(__file__).resolve().parents[3]
_SOURCE: Final = Path(__file__).with_name("shim.c")


class NoCompiler(RuntimeError):
    """There is no C compiler, or this is not Linux: the disk cannot be watched."""


def compiler() -> str | None:
    """The C compiler of this machine, if the shim can be built and used here."""
    if not sys.platform.startswith("linux"):
        return None
    return next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name)) is not None), None)


@cache
def built() -> Path:
    """The shim, compiled once for this process, in a folder that goes with it. Errors: NoCompiler."""
    cc = compiler()
    if cc is None:
        raise NoCompiler(f"no C compiler here; {ENABLE}")
    folder = tempfile.TemporaryDirectory(prefix="lead-disk-")
    built.folder = folder  # type: ignore[attr-defined]  # removed when the process ends
    shim = Path(folder.name) / "shim.so"
    command = [cc, "-shared", "-fPIC", "-O2", "-std=gnu11", "-o", str(shim), str(_SOURCE)]
    subprocess.run(command, check=True, capture_output=True)
    return shim


def under_shim(*, root: Path, control: Path, log: Path | None = None) -> dict[str, str]:
    """The environment of a child whose files below `root` are watched. root: absolute, without links. Errors: NoCompiler."""
    if not root.is_absolute() or root.resolve() != root:
        raise ValueError("the watched folder is named by its true path")
    more = {"LD_PRELOAD": str(built()), "LEAD_DISK_ROOT": str(root), "LEAD_DISK_CONTROL": str(control)}
    if log is not None:
        more["LEAD_DISK_LOG"] = str(log)
    return os.environ | more | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"}


def workplace(prefix: str = "lead-") -> tempfile.TemporaryDirectory[str]:
    """A folder for many small files: in memory where the machine offers it."""
    memory = Path("/dev/shm")
    return tempfile.TemporaryDirectory(prefix=prefix, dir=memory if os.access(memory, os.W_OK) else None)
