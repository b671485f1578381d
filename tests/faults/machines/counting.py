"""What a guesser meets, said once more and without any cryptography: the rules of vault-and-sync's attempt counters as a model.

A try is a list of durable steps and an outcome. A kill leaves the steps before it done. Times are Unix seconds.

Must not know: the product.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

LOCK, END = 5, 10
Steps: TypeAlias = list[tuple[bool, Callable[[], None]]]


class Figures(NamedTuple):
    """One record."""

    started: int = 0
    wrong: int = 0
    latest: int = 0


@dataclass(slots=True)
class Model:
    """The two places (None: nothing there), whether the slots are still there, and which PIN is right."""

    pin: str
    timed_s: int | None = None
    places: dict[str, Figures | None] = field(default_factory=lambda: {"keys": Figures(), "file": Figures()})
    slots: bool = True
    key: bool = True

    def effective(self, now: int) -> Figures:
        """The larger of each figure; no record anywhere is a lock that begins now."""
        found = [figures for figures in self.places.values() if figures is not None]
        if not found:
            return Figures(LOCK, 0, now)
        return Figures(*(max(column) for column in zip(*found, strict=True)))

    def attempt(self, pin: str, now: int) -> tuple[str, Steps]:
        """The outcome of a try, and its steps in order; a step that is False cannot be where the process dies."""
        steps: Steps = []
        if not self.slots or not self.key:
            return ("destroyed", self.destruction()) if not self.slots else ("unavailable", [])
        count = self.effective(now)
        if all(figures is None for figures in self.places.values()):
            steps += self.saved(count)
        if count.wrong >= END:
            return "destroyed", steps + self.destruction()
        if count.started >= LOCK:
            if self.timed_s is None or now < count.latest + self.timed_s:
                return "locked", steps
            count = Figures(0, count.wrong, 0)
        count = Figures(count.started + 1, count.wrong, max(count.latest, now))
        steps += self.saved(count)
        if pin == self.pin:
            return "open", steps + self.saved(Figures())
        count = count._replace(wrong=count.wrong + 1)
        steps += self.saved(count)
        if count.wrong >= END:
            return "destroyed", steps + self.destruction()
        return ("locked" if count.started >= LOCK else f"wrong {LOCK - count.started} {END - count.wrong}"), steps

    def release(self, now: int) -> None:
        """The agency's word: starts are forgotten, wrong answers are not."""
        if self.slots:
            count = self.effective(now)
            self.places = dict.fromkeys(self.places, Figures(0, count.wrong, 0))

    def saved(self, figures: Figures) -> Steps:
        """First the key store, then the file."""
        return [(True, lambda: self._put("keys", figures)), (True, lambda: self._put("file", figures))]

    def destruction(self) -> Steps:
        """The slots, then the key, the counters and the generation."""
        return [
            (False, self._no_slots),
            (True, self._no_key),
            (True, lambda: self._put("keys", None)),
            (True, lambda: None),
        ]

    def _put(self, place: str, figures: Figures | None) -> None:
        self.places[place] = figures

    def _no_slots(self) -> None:
        self.slots = False

    def _no_key(self) -> None:
        self.key = False
