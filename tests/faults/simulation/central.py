"""The case system at work in a case: the real service over a real file, which can crash, be backed up, restored and upgraded.

A crash throws away whatever transaction is open and every object that holds something in memory; the next process starts over the
file and rereads what it could not read, as `serve` does. Must not know: devices, the network, which faults there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from unittest.mock import patch

from sqlalchemy import delete, func, select, update

from case_system import reception
from case_system.dispatcher import Dispatcher
from case_system.keyfolder import KeyFolder
from case_system.notice_book import NoticeBook
from case_system.ports import RandomBytes
from case_system.service import CaseService
from case_system.store import backup, schema
from case_system.store.accounts import Accounts
from case_system.store.database import Database
from case_system.store.docket import SqlDocket
from case_system.store.engine import transaction
from case_system.store.notices import NoticeRows
from case_system.ways import Tried, WakeUp, Way
from referral.envelope import AgencyPrivateKey, AgencyPublicKey, ServerSigningKey
from referral.operations import SCHEMA
from referral.port import SyncRequest, SyncResponse
from referral.programme import Programme
from tests.faults.simulation.faults import Step
from tests.faults.simulation.template import Template


class ServerCrashed(BaseException):
    """The case system's process is gone."""


class KeyRing:
    """`case_system.ports.Keys` over the folder of the moment."""

    def __init__(self, folder: KeyFolder) -> None:
        self.folder = folder

    @property
    def agency_keys(self) -> Mapping[bytes, AgencyPrivateKey]:
        return self.folder.agency_keys

    @property
    def retired(self) -> frozenset[bytes]:
        return self.folder.retired

    @property
    def newest(self) -> AgencyPublicKey:
        return self.folder.newest

    @property
    def server_key(self) -> ServerSigningKey:
        return self.folder.server_key

    @property
    def storage_key(self) -> bytes:
        return self.folder.storage_key

    @property
    def index_key(self) -> bytes:
        return self.folder.index_key


class ProbedDatabase(Database):
    """The database, with the two moments around a COMMIT pointed out."""

    passing: Callable[[Step], None] = staticmethod(lambda step: None)

    @contextmanager
    def write(self, now: datetime, packs: Callable[[str], Programme]) -> Iterator[SqlDocket]:
        with super().write(now, packs) as docket:
            yield docket
            self.passing(Step.JUDGING)
        self.passing(Step.JUDGED)


@dataclass
class Recorder:
    """Channels that remember what went out: (life of the database, notice) -> times."""

    passing: Callable[[Step], None]
    epoch: Callable[[], str]
    sent: Counter[tuple[str, str]] = field(default_factory=Counter)
    lines: list[str] = field(default_factory=list)

    def send(self, ways: Iterable[Way], message: WakeUp) -> Sequence[Tried]:
        tried = [Tried(channel_id=way.channel_id) for way in ways]
        if not tried:
            return tried
        self.sent[self.epoch(), message.dedup_id] += 1
        self.lines.append(f"{message.title} {message.line}")
        self.passing(Step.RINGING)
        return tried


class Central:
    """The running case system of one case."""

    def __init__(
        self, template: Template, clock: Callable[[], datetime], rng: RandomBytes, passing: Callable[[Step], None]
    ) -> None:
        self.template, self.clock, self.rng, self.passing = template, clock, rng, passing
        self.engine = template.engine
        self.keys = KeyRing(template.keys)
        self.accounts = Accounts(engine=self.engine, clock=clock, rng=rng, keys=self.keys)
        self.recorder = Recorder(passing=passing, epoch=lambda: self.epoch)
        self.backups: list[Path] = []
        self.told: set[str] = set()
        self.upgraded = self.restored = False
        self.crashes_while_ringing = 0
        self._processes = 0
        self._start()

    def _start(self) -> None:
        database = ProbedDatabase(self.engine, clock=self.clock, rng=self.rng, keys=self.keys, told=self.told.update)
        database.passing = self.passing
        self.service = CaseService(database, clock=self.clock, rng=self.rng, keys=self.keys, packs=self.template.packs)
        self.database = database
        self._processes += (
            1  # each process has a name of its own, so that it does not take another's claims for its own
        )
        zone = self.template.programme.hours.time_zone
        rows = NoticeRows(self.engine, self.keys)
        book = NoticeBook(rows, self.service.climb, name=f"process {self._processes}", time_zone=lambda: zone)
        self.dispatcher = Dispatcher(book=book, channels=self.recorder, clock=self.clock)
        with self.database.read() as reading:
            self.epoch = reading.agency().epoch

    def crash(self) -> None:
        """The process ends and another starts over the file."""
        self.engine.dispose()
        self._start()
        self.reread()

    def reread(self) -> None:
        """What `serve` does first."""
        with self._version(), self.quietly():
            self.service.reread()

    def end_waiting(self) -> int:
        """What `serve` does every hour; how many were judged."""
        with self._version():
            return self.service.end_waiting()

    def sync(self, token: str, request: SyncRequest) -> SyncResponse:
        """One request. Errors: Refused, ServerCrashed."""
        with self._version():
            return self.service.sync(token, request)

    def ring(self) -> None:
        """One pass of the dispatcher. Errors: ServerCrashed."""
        self.dispatcher.run_once()

    @contextmanager
    def quietly(self) -> Iterator[None]:
        """Nothing strikes inside."""
        before, self.database.passing = self.database.passing, lambda step: None
        try:
            yield
        finally:
            self.database.passing = before

    @contextmanager
    def _version(self) -> Iterator[None]:
        """The software's version: one more schema is known after `upgraded`."""
        if not self.upgraded:
            yield
            return
        with patch.object(reception, "SCHEMA", SCHEMA + 1):
            yield

    # ------------------------------------------------------------------------------------------------ administration
    def back_up(self) -> None:
        """Write a backup, with the real code."""
        path = self.template.case / f"backup-{len(self.backups)}"
        backup.write(self.engine, path, clock=self.clock)
        self.backups.append(path)

    def restore(self, which: int) -> bool:
        """Put a backup back; False when there is none."""
        if not self.backups:
            return False
        backup.restore(
            self.engine, self.backups[which % len(self.backups)], clock=self.clock, rng=self.rng, replace=True
        )
        self.restored = True
        self.engine.dispose()
        self._start()
        return True

    def rotate(self) -> None:
        """A new agency key."""
        if self.keys.folder is self.template.keys:
            self.keys.folder = self.template.fresh_keys()
        self.keys.folder.rotate()

    def retire(self) -> None:
        """Destroy every agency key but the newest, and reread, as a restart does; not one that something stored is sealed for."""
        self.rotate()
        for key_id in [key.hex() for key in self.keys.agency_keys if key != self.keys.newest.key_id]:
            if not self.service.sealed_for(key_id):
                self.keys.folder.retire(key_id)

    def trim(self) -> None:
        """Let go of feed rows that newer ones of the same thing have overtaken, and say so by the floor (S13)."""
        t = schema.feed
        with transaction(self.engine, write=True) as db:
            newest = select(func.max(t.c.seq)).group_by(t.c.user_id, t.c.device_id, t.c.kind, t.c.object_id)
            db.execute(delete(t).where(t.c.seq.not_in(newest)))
            db.execute(update(schema.ledger).values(feed_floor=schema.ledger.c.feed_seq))

    def fill_pairs(self, places: int) -> None:
        """Leave each pair so many places under its cap."""
        cap = self.template.programme.caps.caseload_hard
        with transaction(self.engine, write=True) as db:
            db.execute(update(schema.pairs).where(schema.pairs.c.enrolled < cap - places).values(enrolled=cap - places))
