"""The programme packs of this repository, loaded for tests."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from referral.programme import PACK_FILES, Programme, load

ROOT = Path(__file__).resolve().parents[2]
BALTIMORE = ROOT / "assets" / "programmes" / "baltimore"


def baltimore_files() -> dict[str, bytes]:
    """The files of the Baltimore pack, as bytes by name."""
    return {name: (BALTIMORE / name).read_bytes() for name in PACK_FILES}


@cache
def baltimore() -> Programme:
    """The Baltimore programme."""
    return load(baltimore_files())
