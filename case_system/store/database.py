"""The case system's database as the service uses it: write and read transactions. Implements `storage.Storage`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import Engine

from case_system.ports import Clock, Keys, RandomBytes
from case_system.store.docket import SqlDocket
from case_system.store.engine import transaction
from case_system.store.reading import SqlReading
from referral.programme import Programme


class Database:
    """Transactions over an engine. `told` is called with whose feeds grew (user -> feed number), after each commit."""

    def __init__(
        self,
        engine: Engine,
        *,
        clock: Clock,
        rng: RandomBytes,
        keys: Keys,
        told: Callable[[Mapping[str, int]], None] = lambda _: None,
    ) -> None:
        self.engine, self._clock, self._rng, self._keys, self._told = engine, clock, rng, keys, told

    @contextmanager
    def write(self, now: datetime, packs: Callable[[str], Programme]) -> Iterator[SqlDocket]:
        """One write transaction at the moment `now`."""
        with transaction(self.engine, write=True) as connection:
            docket = SqlDocket(connection, self._keys, self._rng, now, packs)
            yield docket
            docket.finish()
        if docket.told:
            self._told(docket.told)

    @contextmanager
    def read(self) -> Iterator[SqlReading]:
        """One read transaction."""
        with transaction(self.engine, write=False) as connection:
            yield SqlReading(connection, self._keys)
