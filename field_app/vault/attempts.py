"""Counts the tries at a PIN, so that a guesser is stopped and an officer whose phone dies is not.

Two counters: *started*, persisted before the slow key derivation, and *wrong*, persisted after it. Each lies in two
places (the key store, and a file or the database); of two records the larger figure counts, so putting an old file
back gains nothing.

    started = 5              locked until released: online, or `release_after` from the latest start if allowed
    wrong   = 10 in a row    the device key and the slots are destroyed
    success                  clears both        release: clears *started* only
    kill in between          one start, nothing wrong

    record  0x01 | started u32 | wrong u32 | latest start u64 (Unix seconds) | first 8 bytes of SHA-256 of the foregoing

The latest start never runs backwards, so a clock set back lengthens a lock. A clock set forward ends a timed lock
early; ten wrong answers end the vault all the same. No record anywhere beside a header counts as locked, never as
none. An attacker who can restore every place at once resets both counters (docs/adr/0003-vault-format.md).
"""

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

from field_app.vault.errors import VaultError
from field_app.vault.files import read_whole, write_durably

LOCKED_AT: Final = 5
DESTROYED_AT: Final = 10
_RECORD: Final = struct.Struct(">BIIQ")


class AttemptPlace(Protocol):
    """One of the two places. Both calls raise a VaultError when the place does not work now (NotRead, NotWritten ...)."""

    def load(self) -> bytes | None:
        """Return what was saved last, or None."""

    def save(self, record: bytes) -> None:
        """Return once `record` is durable."""


class AttemptFile:
    """A place in a small file of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> bytes | None:
        """Return the file's content, or None if there is no file."""
        return read_whole(self._path)

    def save(self, record: bytes) -> None:
        """Write the record durably."""
        write_durably(self._path, record)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """The figures since the last success."""

    started: int = 0
    wrong: int = 0
    latest: int = 0

    def to_bytes(self) -> bytes:
        """Return the record."""
        figures = _RECORD.pack(1, self.started, self.wrong, self.latest)
        return figures + hashlib.sha256(figures).digest()[:8]

    @staticmethod
    def from_bytes(record: bytes) -> "Attempts | None":
        """Return the figures, or None for anything that is not a whole record."""
        figures = record[: _RECORD.size]
        if len(figures) != _RECORD.size or record[_RECORD.size :] != hashlib.sha256(figures).digest()[:8]:
            return None
        form, started, wrong, latest = _RECORD.unpack(figures)
        return Attempts(started=started, wrong=wrong, latest=latest) if form == 1 else None

    def start(self, now: datetime) -> "Attempts":
        """Return the figures once another try has begun."""
        return replace(self, started=self.started + 1, latest=max(self.latest, _seconds(now)))

    def fail(self) -> "Attempts":
        """Return the figures once a PIN was confirmed wrong."""
        return replace(self, wrong=self.wrong + 1)

    def released(self) -> "Attempts":
        """Return the figures after a release; wrong answers stay counted."""
        return Attempts(wrong=self.wrong)

    @property
    def destroyed(self) -> bool:
        """Whether the tenth wrong answer in a row was given."""
        return self.wrong >= DESTROYED_AT

    @property
    def locked(self) -> bool:
        """Whether five starts await a release."""
        return self.started >= LOCKED_AT

    def until(self, release_after: timedelta | None) -> datetime | None:
        """Return when a timed release comes, or None if only an online one does."""
        if release_after is None:
            return None
        try:
            return datetime.fromtimestamp(self.latest, UTC) + release_after
        except (OverflowError, ValueError, OSError):  # a clock at the end of time
            return None


def load(places: Sequence[AttemptPlace], now: datetime) -> Attempts:
    """Return the larger of each figure over all places; if no place has a record, a lock that began `now`."""
    found: list[Attempts] = []
    silent = 0
    for place in places:
        try:
            record = place.load()
        except VaultError:  # no answer now; the other place counts
            silent += 1
            continue
        if record is not None and (attempts := Attempts.from_bytes(record)) is not None:
            found.append(attempts)
    if not found:
        lock = Attempts(started=LOCKED_AT, latest=_seconds(now))
        if not silent:  # else the silent place may yet tell the true figures
            save(places, lock)
        return lock
    return Attempts(
        started=max(a.started for a in found), wrong=max(a.wrong for a in found), latest=max(a.latest for a in found)
    )


def save(places: Sequence[AttemptPlace], attempts: Attempts) -> None:
    """Persist in every place that works. Errors: that of the last place, if none does."""
    failure: VaultError | None = None
    saved = False
    for place in places:
        try:
            place.save(attempts.to_bytes())
            saved = True
        except VaultError as error:  # a full disk must not keep an officer out: the other place counts
            failure = error
    if not saved and failure is not None:
        raise failure


def _seconds(now: datetime) -> int:
    if now.tzinfo is None:
        raise ValueError("times are aware")
    return max(0, int(now.timestamp()))
