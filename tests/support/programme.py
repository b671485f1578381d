"""The real Baltimore pack, read once for all tests."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from referral.programme import PACK_FILES, Programme, load

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "programmes" / "baltimore"


def pack_files() -> dict[str, bytes]:
    """The files of the pack by name."""
    return {name: (FOLDER / name).read_bytes() for name in PACK_FILES}


@cache
def baltimore() -> Programme:
    """The programme that the pack makes."""
    return load(pack_files())
