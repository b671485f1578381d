"""Which moment and which way of losing a case number means: first by rule, then lots, more of them where more is pending.

Must not know: files, devices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.faults.disk import log
from tests.faults.powercut.cut import WAYS_BY_RULE
from tests.faults.powercut.recording import Moment

# after which operations a way by rule leaves something that it did not leave before
_ALWAYS = (log.Sync, log.Mark)
_NAMES = (*_ALWAYS, log.Open, log.Rename, log.Unlink, log.MakeFolder, log.RemoveFolder)
_BYTES = (*_ALWAYS, log.Write, log.Resize)
_NEWS: tuple[tuple[type[log.Step], ...], ...] = (_ALWAYS, (*_NAMES, *_BYTES), _NAMES, _BYTES)
# how many lots are worth drawing at most where so much is pending
_LOTS = {0: 0, 1: 2, 2: 5, 3: 12, 4: 30, 5: 60, 6: 120}


@dataclass(frozen=True, slots=True)
class Numbering:
    """The cases over these moments: without end, as long as much is pending at one of them."""

    moments: Sequence[Moment]
    _by_rule: tuple[tuple[int, int], ...] = field(init=False)
    _rounds: tuple[tuple[int, ...], ...] = field(init=False)

    def __post_init__(self) -> None:
        by_rule = [
            (moment.at, way)
            for way in range(WAYS_BY_RULE)
            for moment in self.moments
            if isinstance(moment.after, _NEWS[way]) and (moment.pending or not way)
        ]
        rounds = [
            tuple(m.at for m in self.moments if _LOTS.get(m.pending, n + 1) > n) for n in range(max(_LOTS.values()) + 1)
        ]
        object.__setattr__(self, "_by_rule", tuple(by_rule))
        object.__setattr__(self, "_rounds", tuple(rounds))

    def __getitem__(self, number: int) -> tuple[int, int]:
        """How many operations are done when the power goes, and in which way it goes."""
        if number < len(self._by_rule):
            return self._by_rule[number]
        number -= len(self._by_rule)
        for n, moments in enumerate(self._rounds[:-1]):
            if number < len(moments):
                return moments[number], WAYS_BY_RULE + n
            number -= len(moments)
        rounds, place = divmod(number, len(self._rounds[-1]))
        return self._rounds[-1][place], WAYS_BY_RULE + len(self._rounds) - 1 + rounds
