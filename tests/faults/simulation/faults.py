"""What may go wrong, and where: the table of faults and protocol steps that the simulator must have met.

A step is a named place in the life of an operation; code on both sides passes it, and an armed fault strikes there. A row says
at which steps a fault makes sense; `CELLS` are the names under which hits are counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Step(StrEnum):
    """Where things stand when a fault strikes."""

    IDLE = "between things"
    SAVING = "save, before COMMIT"
    SAVED = "save, between COMMIT and file"
    LEAVING = "before the request leaves"
    GOING = "request on its way"
    JUDGING = "server, before COMMIT"
    JUDGED = "server, after COMMIT"
    COMING = "reply on its way"
    ARRIVED = "reply arrived, not filed"
    FILING = "filing, before COMMIT"
    FILED = "filed, before the next step"
    PULLING = "changes, before COMMIT"
    PULLED = "changes and cursor committed"
    NOTING = "noting a failure, before COMMIT"
    WIPING = "wipe, before COMMIT"
    UNLOCKING = "unlock"
    LOCKING = "lock"
    RINGING = "notice sent, not recorded"
    DESK_JUDGING = "desk, before COMMIT"
    DESK_JUDGED = "desk, after COMMIT"


AT_DESK: Final = MappingProxyType({Step.JUDGING: Step.DESK_JUDGING, Step.JUDGED: Step.DESK_JUDGED})
NOBODYS: Final = frozenset({Step.RINGING, *AT_DESK.values()})  # steps that are no device's


class Fault(StrEnum):
    """What strikes."""

    DROP = "drop"
    LOST_REPLY = "lost reply"
    DUPLICATE = "duplicate"
    REORDER = "reorder"
    DELAY = "delay"
    PARTIAL = "partial batch"
    FORGED = "forged reply"
    UNAUTHORISED = "401"
    EXPIRED = "token expiry"
    RATE_LIMITED = "429"
    SERVER_ERROR = "5xx"
    POISON = "operation that breaks its request"
    PORTAL = "captive portal"
    CLOCK = "clock off by years"
    KEYS_GONE = "key store unavailable"
    DISK_FULL = "disk full"
    CRASH = "crash of device"
    SERVER_CRASH = "crash of server"
    RESTORE = "restore from backup"
    ROTATE = "agency key rotated"
    RETIRE = "agency key retired"
    NEWER = "version skew"
    TRIM = "feed trimmed"
    RACE = "cap race"
    OTHER_BYTES = "same number, other bytes"
    REVOKE = "revoked device"
    WIPE = "wipe order"
    LOCK = "lock meanwhile"
    UNLOCK = "unlock meanwhile"


_S = Step
_AWAY: Final = (_S.GOING, _S.COMING)
_MEANWHILE: Final = (_S.IDLE, _S.GOING, _S.COMING)

TABLE: Final[Mapping[Fault, tuple[Step, ...]]] = MappingProxyType({
    Fault.DROP: (_S.GOING,),
    Fault.LOST_REPLY: (_S.JUDGED, _S.COMING),
    Fault.DUPLICATE: (_S.GOING,),
    Fault.REORDER: _AWAY,
    Fault.DELAY: _AWAY,
    Fault.PARTIAL: (_S.COMING,),
    Fault.FORGED: _AWAY,
    Fault.UNAUTHORISED: (_S.GOING,),
    Fault.EXPIRED: (_S.GOING,),
    Fault.RATE_LIMITED: _AWAY,
    Fault.SERVER_ERROR: _AWAY,
    Fault.POISON: (_S.GOING,),
    Fault.PORTAL: _AWAY,
    Fault.CLOCK: (*_MEANWHILE, _S.SAVING),
    Fault.KEYS_GONE: (*_MEANWHILE, _S.UNLOCKING, _S.LOCKING),
    Fault.DISK_FULL: (_S.SAVING, _S.SAVED, _S.FILING, _S.PULLING, _S.NOTING, _S.JUDGING, _S.DESK_JUDGING),
    Fault.CRASH: (
        _S.IDLE, _S.SAVING, _S.SAVED, _S.LEAVING, _S.GOING, _S.COMING, _S.ARRIVED, _S.FILING, _S.FILED, _S.PULLING,
        _S.PULLED, _S.NOTING, _S.WIPING, _S.UNLOCKING, _S.LOCKING,
    ),
    Fault.SERVER_CRASH: (
        _S.IDLE, _S.GOING, _S.JUDGING, _S.JUDGED, _S.COMING, _S.RINGING, _S.DESK_JUDGING, _S.DESK_JUDGED,
    ),
    Fault.RESTORE: (*_MEANWHILE, _S.JUDGED, _S.DESK_JUDGED),
    Fault.ROTATE: (*_MEANWHILE, _S.SAVING),
    Fault.RETIRE: _MEANWHILE,
    Fault.NEWER: (_S.SAVING, _S.COMING),
    Fault.TRIM: _MEANWHILE,
    Fault.RACE: (_S.IDLE,),
    Fault.OTHER_BYTES: _MEANWHILE,
    Fault.REVOKE: _MEANWHILE,
    Fault.WIPE: _MEANWHILE,
    Fault.LOCK: _AWAY,
    Fault.UNLOCK: _AWAY,
})  # fmt: skip


def cell(fault: Fault, step: Step) -> str:
    """The name of one cell of the table, as it is counted."""
    return f"{fault.value} x {step.value}"


CELLS: Final[tuple[str, ...]] = tuple(cell(fault, step) for fault, steps in TABLE.items() for step in steps)
