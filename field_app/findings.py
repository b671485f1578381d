"""What the doctor says: one question, its answer, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

ASIDE: Final = "Do not delete anything. Copy the data folder aside and call support; sealed referrals are in `outbox`."


class Health(StrEnum):
    """ok; warning: it works, somebody should know; broken: something is lost or stopped until somebody acts."""

    OK = "ok"
    WARNING = "warning"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One question and its answer: what was found, and what to do about it (nothing, where all is well)."""

    check: str
    health: Health
    found: str
    advice: str = ""


def ok(check: str, found: str) -> Finding:
    """All is well."""
    return Finding(check=check, health=Health.OK, found=found)


def warning(check: str, found: str, advice: str) -> Finding:
    """It works; somebody should know."""
    return Finding(check=check, health=Health.WARNING, found=found, advice=advice)


def broken(check: str, found: str, advice: str = ASIDE) -> Finding:
    """Something is lost or stopped until somebody acts."""
    return Finding(check=check, health=Health.BROKEN, found=found, advice=advice)
