"""Turns the faults of store and vault into the problems that people are shown."""

from __future__ import annotations

from typing import Final

from field_app.outcomes import Trouble
from field_app.store.database import StoreError
from field_app.vault.errors import (
    KeyStoreLost,
    KeyStoreUnavailable,
    NewerFormat,
    NotWritten,
    VaultError,
    VaultLocked,
)
from referral.problems import FieldError, ProblemCode

FAULTS: Final = (StoreError, VaultError)


def trouble(error: StoreError | VaultError) -> Trouble:
    """The problem behind a fault; the detail says which part, in words without content."""
    match error:
        case StoreError():
            return Trouble(problem=error.code, detail=str(error))
        case VaultLocked():
            return Trouble(problem=ProblemCode.SHUT)
        case NewerFormat():
            return Trouble(problem=ProblemCode.UNKNOWN_VERSION, detail=str(error))
        case NotWritten(disk_full=True):
            return Trouble(problem=ProblemCode.DISK_FULL, detail=str(error))
        case KeyStoreUnavailable():
            return Trouble(problem=ProblemCode.KEY_UNAVAILABLE, detail=str(error))
        case KeyStoreLost():
            return Trouble(problem=ProblemCode.KEY_LOST, detail=str(error))
        case _:
            return Trouble(problem=ProblemCode.VAULT_DAMAGED, detail=str(error))


def refused(error: FieldError) -> Trouble:
    """The problem of one answer; the detail names the field."""
    return Trouble(problem=error.code, detail=error.field)
