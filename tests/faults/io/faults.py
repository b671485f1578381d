"""The faults of T4 in order of number: every call of every step fails, in every way that such a call can.

First the full disk: before each step with room for so many bytes, from none on. Then round by round: in the first, each call fails once in one way; the next rounds go through the other ways and through faults that
stay. In every second case of a round the app dies of it and its recovery meets a fault of its own, at a call that moves on with
the rounds. Must not know: how a fault is brought about.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tests.faults.disk.control import Action, Calls

_WAYS: Final[Mapping[Calls, tuple[tuple[Action, int], ...]]] = {
    Calls.OPEN: ((Action.FAIL, errno.EIO), (Action.FAIL, errno.EMFILE)),
    Calls.WRITE: ((Action.FAIL, errno.ENOSPC), (Action.FAIL, errno.EIO), (Action.SHORT, 0)),
    Calls.RESIZE: ((Action.FAIL, errno.EIO),),
    Calls.SYNC: ((Action.FAIL, errno.EIO), (Action.FAIL, errno.ENOSPC)),
    Calls.RENAME: ((Action.FAIL, errno.ENOSPC), (Action.FAIL, errno.EIO)),
    Calls.REMOVE: ((Action.FAIL, errno.EIO),),
    Calls.FOLDER: ((Action.FAIL, errno.ENOSPC),),
    Calls.LOCK: ((Action.FAIL, errno.EAGAIN), (Action.FAIL, errno.EIO)),
    Calls.READ: ((Action.FAIL, errno.EIO),),
}
MOST_WAYS: Final = 6  # three errors, once and staying
RECOVERY_CALLS: Final = 70
ROOMS: Final = (0, 1, 100, 1000, 4096, 10_000, 20_000, 40_000, 80_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """The `at`-th call of a class fails in some way during a step. recovery: at which call of recovery another fault comes."""

    step: str
    calls: Calls
    at: int
    action: Action
    error: int
    sticky: bool
    recovery: int | None
    room: int | None = None

    @property
    def word(self) -> str:
        """As people read it."""
        if self.room is not None:
            return f"a disk with {self.room} bytes at {self.step}"
        how = "short" if self.action is Action.SHORT else errno.errorcode.get(self.error, str(self.error))
        return f"{how} at {self.calls.name} {self.at} of {self.step}{' and from then on' if self.sticky else ''}"

    @property
    def kind(self) -> str:
        """What it is counted under."""
        if self.room is not None:
            return "a full disk"
        how = "short" if self.action is Action.SHORT else errno.errorcode.get(self.error, str(self.error))
        return f"{self.calls.name} {how} {'staying' if self.sticky else 'once'}"


class Faults:
    """All faults, given how many calls of each class each step makes."""

    def __init__(self, seen: Mapping[str, Mapping[Calls, int]]) -> None:
        self._calls = [
            (step, calls, at) for step, found in seen.items() for calls, n in found.items() for at in range(1, n + 1)
        ]
        self._rooms = [(step, room) for step in seen for room in ROOMS]

    @property
    def calls(self) -> int:
        """How many full disks and calls there are: the cases until each was met once."""
        return len(self._rooms) + len(self._calls)

    def __getitem__(self, number: int) -> Fault:
        """The fault of a case."""
        if number < len(self._rooms):
            step, room = self._rooms[number]
            return Fault(
                step=step, calls=Calls.WRITE, at=0, action=Action.NONE, error=errno.ENOSPC, sticky=True, recovery=None, room=room
            )  # fmt: skip
        rounds, place = divmod(number - len(self._rooms), len(self._calls))
        step, calls, at = self._calls[place]
        ways = _WAYS[calls]
        turn = rounds + at
        action, error = ways[turn % len(ways)]
        dies = (rounds // MOST_WAYS + place + rounds) % 2 == 1
        return Fault(
            step=step,
            calls=calls,
            at=at,
            action=action,
            error=error,
            sticky=(turn // len(ways) + rounds // MOST_WAYS) % 2 == 1 and action is not Action.SHORT,
            recovery=1 + (7 * place + rounds) % RECOVERY_CALLS if dies else None,
        )
