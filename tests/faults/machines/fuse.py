"""Places that keep counters and keys, in which the process dies at a chosen durable step.

A fuse counts the steps of both places together. Nothing is patched: the places are arguments of the door.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from field_app.vault.attempts import AttemptFile
from field_app.vault.keys import StoreName
from field_app.vault.keystores import MemoryKeys


class Killed(BaseException):
    """The process dies here."""


@dataclass(slots=True)
class Fuse:
    """`steps` done, the process dies: just before the next one is done, or (not `before`) just after the last."""

    steps: int | None = None
    before: bool = True
    done: int = 0

    def set(self, steps: int | None, *, before: bool = True) -> None:
        """Die after so many steps; None: not at all."""
        self.steps, self.before, self.done = steps, before, 0

    def reach(self) -> None:
        """Called just before a step."""
        if self.before and self.steps == self.done:
            raise Killed

    def burn(self) -> None:
        """Called just after a step."""
        self.done += 1
        if not self.before and self.steps == self.done:
            raise Killed


class FusedKeys(MemoryKeys):
    """A key store in which the process may die."""

    def __init__(self, fuse: Fuse) -> None:
        super().__init__(StoreName.KEYRING)
        self.fuse = fuse

    def set(self, name: str, value: bytes) -> None:
        """See KeyStore."""
        self.fuse.reach()
        super().set(name, value)
        self.fuse.burn()

    def delete(self, name: str) -> None:
        """See KeyStore."""
        self.fuse.reach()
        super().delete(name)
        self.fuse.burn()


class FusedFile(AttemptFile):
    """A counter file at which the process may die."""

    def __init__(self, path: Path, fuse: Fuse) -> None:
        super().__init__(path)
        self.fuse = fuse

    def save(self, record: bytes) -> None:
        """See AttemptPlace."""
        self.fuse.reach()
        super().save(record)
        self.fuse.burn()
