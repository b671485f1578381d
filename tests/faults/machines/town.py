"""A case system with its staff and their enrolled devices, laid once in a process and copied for each example.

The database is copied; keys and devices' own keys are shared. The clock of each example starts anew.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from case_system.keyfolder import KeyFolder
from case_system.packs import Packs
from case_system.service import CaseService
from case_system.store.accounts import Accounts
from case_system.store.database import Database
from case_system.store.engine import open_engine
from tests.faults.machines.driving import MEMORY
from tests.support.agency import Agency, StillClock
from tests.support.device import Device, Replica

CARRIERS = ("o1", "o2", "cm1", "p1", "cm2")


@dataclass(frozen=True, slots=True)
class Laid:
    """What every example starts from."""

    database: Path
    keys: KeyFolder
    packs: Packs
    devices: dict[str, Device] = field(repr=False)


@dataclass(slots=True)
class Town:
    """One example's case system."""

    agency: Agency
    devices: dict[str, Device] = field(repr=False)

    @property
    def clock(self) -> StillClock:
        """The case system's clock."""
        return self.agency.clock


@cache
def laid() -> Laid:
    """The template, made at the first call and removed when the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="lead-town-", dir=MEMORY if MEMORY.is_dir() else None))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    agency = Agency.found(f"sqlite:///{folder / 'case.db'}", folder)
    devices = {user: agency.device(user) for user in CARRIERS}
    agency.engine.dispose()
    database = Database(agency.engine, clock=agency.clock, rng=os.urandom, keys=agency.keys)

    def files(digest: str) -> Mapping[str, str]:
        with database.read() as reading:
            return reading.pack_files(digest)

    return Laid(folder / "case.db", agency.keys, Packs(files), devices)


@contextmanager
def town(folder: Path, database: Path | None = None) -> Iterator[Town]:
    """A copy of the template (or of a later `database` of it) in `folder`; its engine is closed at the end."""
    made = laid()
    shutil.copyfile(database or made.database, folder / "case.db")
    url = f"sqlite:///{folder / 'case.db'}"
    engine = open_engine(url)
    try:
        clock = StillClock()
        storage = Database(engine, clock=clock, rng=os.urandom, keys=made.keys)
        agency = Agency(
            url=url,
            engine=engine,
            keys=made.keys,
            service=CaseService(storage, clock=clock, rng=os.urandom, keys=made.keys, packs=made.packs),
            accounts=Accounts(engine=engine, clock=clock, rng=os.urandom, keys=made.keys),
            clock=clock,
        )
        yield Town(
            agency,
            {
                user: replace(device, system=agency.service, now=agency.clock, replica=Replica(), cursor=None)
                for user, device in made.devices.items()
            },
        )
    finally:
        engine.dispose()
