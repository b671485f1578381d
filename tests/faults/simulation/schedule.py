"""What is to happen in one case: people's acts and armed faults in the order of time, drawn from the case's number alone.

A schedule is data: it can be cut shorter and run again (shrink.py). Each entry carries its own dice, so that leaving one out
does not change what the others do.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tests.faults.simulation.faults import TABLE, Fault, Step


class Act(StrEnum):
    """What people do. `poll`: an open app looks for news. `ring`: the dispatcher passes. `backup`: an administrator's."""

    SAVE = "save"
    SAVE_AGAIN = "save again"
    GO_ON = "go on"
    DRAFT = "draft"
    POLL = "poll"
    LOCK = "lock"
    UNLOCK = "unlock"
    RING = "ring"
    DESK = "desk"
    BACKUP = "backup"
    RETRY = "retry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that happens at `at` (milliseconds from the start) to phone `who`; a fault is armed for `step`."""

    at: int
    what: Act | Fault
    who: int
    step: Step = Step.IDLE
    dice: int

    def __str__(self) -> str:
        where = "" if self.step is Step.IDLE else f" at '{self.step.value}'"
        return f"{self.at / 1000:10.3f} s  phone {self.who}  {self.what.value}{where}  (dice {self.dice})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The entries of case `seed`, among `phones` devices."""

    seed: int
    phones: int
    entries: tuple[Entry, ...]

    def __str__(self) -> str:
        return "\n".join([f"case {self.seed}: {self.phones} devices", *(str(entry) for entry in self.entries)])


_FREE: Final = (
    (Act.SAVE, 30), (Act.GO_ON, 34), (Act.POLL, 8), (Act.LOCK, 4), (Act.UNLOCK, 4), (Act.RING, 3), (Act.DESK, 7),
    (Act.DRAFT, 5), (Act.SAVE_AGAIN, 3), (Act.RETRY, 3),
)  # fmt: skip
_BEFORE: Final[dict[Fault, Act]] = {Fault.RESTORE: Act.BACKUP, Fault.UNLOCK: Act.LOCK, Fault.WIPE: Act.DRAFT}
_AMONG_SEVERAL: Final = frozenset({Fault.RESTORE, Fault.RACE, Fault.TRIM})
_RARE: Final = frozenset({Fault.RESTORE})  # each costs as much as a whole plain case
_TRIGGER: Final[dict[Step, tuple[Act, ...]]] = {
    Step.SAVING: (Act.SAVE, Act.GO_ON),
    Step.SAVED: (Act.SAVE,),
    Step.UNLOCKING: (Act.LOCK, Act.UNLOCK),
    Step.LOCKING: (Act.LOCK,),
    Step.RINGING: (Act.RING,),
    Step.DESK_JUDGING: (Act.POLL, Act.DESK, Act.DESK),
    Step.DESK_JUDGED: (Act.POLL, Act.DESK, Act.DESK),
    Step.IDLE: (),
}
_CELLS: Final = [(fault, step) for fault, steps in TABLE.items() for step in steps]


def draw(seed: int) -> Schedule:
    """The schedule of a case. Successive cases go through the table of faults, so that each cell is met equally often."""
    dice = random.Random(f"schedule {seed}")
    fault, step = _CELLS[seed % len(_CELLS)]
    phones = max(_phones(dice), 2 if fault in _AMONG_SEVERAL else 1)
    acts = dice.randint(1, 2) + (phones - 1 if phones < 4 else phones // 2)
    entries: list[Entry] = []

    def put(at: int, what: Act | Fault, who: int, step: Step = Step.IDLE) -> None:
        entries.append(Entry(at=at, what=what, who=who, step=step, dice=dice.getrandbits(32)))

    put(dice.randrange(0, 5_000), Act.SAVE, 0)
    at = 5_000
    for _ in range(acts):
        at += _pause(dice)
        put(at, dice.choices([a for a, _ in _FREE], [w for _, w in _FREE])[0], dice.randrange(phones))
    end = at + _pause(dice)
    faults = [(fault, step)]
    for _ in range(dice.choice((0, 0, 1, 1)) + phones // 4):
        more = dice.choice(_CELLS)
        if more[0] not in _RARE or dice.random() < 0.2:
            faults.append(more)
    for fault, step in faults:
        when, who = dice.randrange(1_000, end), dice.randrange(phones)
        if (first := _BEFORE.get(fault)) is not None:
            before = max(0, when - dice.randrange(10_000, 60_000))
            put(before, first, who)
            if fault is Fault.RESTORE:  # something that the backup does not know, and that was told to others
                put(before + 2_000, Act.SAVE, 0)
                put(before + 4_000, Act.POLL, 1 % phones)
        if step is Step.WIPING:
            put(when + 1, Fault.WIPE, who)
        put(when, fault, who, step)
        for n, act in enumerate(_TRIGGER.get(step, (dice.choice((Act.SAVE, Act.GO_ON, Act.POLL)),)), start=1):
            put(when + 500 * n, act, who)
        if fault in (Fault.WIPE, Fault.REVOKE):  # what it still sends is held until the desk decides
            put(when + 30_000, Act.DESK, who)
        if fault is Fault.POISON:  # others that it must not hold up
            put(when + 3_000, Act.SAVE, who)
            put(when + 6_000, Act.GO_ON, who)
        if fault is Fault.RACE:
            for n in (1, 2):
                put(max(0, when - 9_000 * n), Act.SAVE, 0)
        if fault is Fault.CLOCK and dice.random() < 0.5:  # then something is made under the wrong clock
            for n in (1, 2):
                put(when + 6_000 * n, Act.GO_ON, who)
        elif fault is Fault.CLOCK:  # while a wait is running
            put(when - 600 if step is Step.IDLE else when, Fault.DROP, who, Step.GOING)
            put(when - 500 if step is Step.IDLE else when, Act.SAVE, who)
        if step is Step.NOTING:
            put(when, Fault.DROP, who, Step.GOING)
    return Schedule(seed=seed, phones=phones, entries=tuple(sorted(entries, key=lambda e: e.at)))


def _phones(dice: random.Random) -> int:
    size = dice.random()
    if size < 0.78:
        return 1
    if size < 0.93:
        return 2
    if size < 0.98:
        return 3
    return dice.randint(4, 7) if size < 0.997 else dice.randint(8, 20)


def _pause(dice: random.Random) -> int:
    """Mostly seconds, sometimes minutes, rarely days."""
    return dice.choice((200, 3_000, 20_000, 20_000, 90_000, 600_000, 7_200_000, 200_000_000)) * dice.randint(1, 10) // 5
