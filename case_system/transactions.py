"""Whole pieces of work on the store: done again from fresh truth when another was first, its faults as people meet them.

reading()           one read transaction; Refused(busy) when the database does not answer
write(now, work)    `work` in one write transaction under the pack in force, or nothing of it
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar

from case_system.packs import Packs
from case_system.storage import (
    AgencyFacts,
    Contention,
    Docket,
    Reading,
    Storage,
    StorageError,
    StorageFull,
    Unreachable,
)
from referral.port import Refused
from referral.problems import ProblemCode
from referral.programme import Programme

log = logging.getLogger(__name__)
T = TypeVar("T")
TRIES = 6


class Transactions:
    """Over one database and its packs. Keeps nothing between calls."""

    def __init__(self, storage: Storage, packs: Packs) -> None:
        self._storage, self._packs = storage, packs

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        """One read transaction."""
        try:
            with self._storage.read() as reading:
                yield reading
        except StorageError as error:
            raise Refused(ProblemCode.BUSY, retry_after_s=5) from error

    def pack(self) -> Programme:
        """The pack in force."""
        with self.reading() as reading:
            return self._packs.programme(reading.agency().pack_digest)

    def write(self, now: datetime, work: Callable[[Docket, AgencyFacts, Programme], T]) -> T:
        """`work` in one transaction; done again from fresh truth when another was first."""
        packs = self._packs.programme
        for attempt in range(TRIES):
            try:
                with self._storage.write(now, packs) as docket:
                    facts = docket.agency()
                    return work(docket, facts, packs(facts.pack_digest))
            except Contention:
                log.info("another transaction was first (try %d)", attempt + 1, exc_info=attempt + 1 == TRIES)
            except StorageFull as error:
                raise Refused(ProblemCode.STORAGE_FULL, retry_after_s=60) from error
            except Unreachable as error:
                raise Refused(ProblemCode.BUSY, retry_after_s=5) from error
        raise Refused(ProblemCode.BUSY, retry_after_s=1)
