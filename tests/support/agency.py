"""A whole case system for tests: real database, real keys, the Baltimore pack, a clock that the test moves, some staff.

agency = Agency.found(url, folder)          staff: officer o1 o2, pair west (cm1, p1) on duty, pair east (cm2, p2), ...
device = agency.device("o1")                an enrolled device of that person
agency.clock.go(minutes=3); agency.service.climb(agency.clock())
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, Select

from case_system.admission import SAO_PARTNER, voting
from case_system.assignment import Post
from case_system.dispatcher import LEASE, DueNotice
from case_system.keyfolder import KeyFolder
from case_system.notice_book import NoticeBook
from case_system.packs import Packs
from case_system.service import CaseService
from case_system.store import foundation
from case_system.store.accounts import Accounts
from case_system.store.channels import Channels
from case_system.store.database import Database
from case_system.store.engine import open_engine
from case_system.store.notices import NoticeRows
from referral.lifecycle import Role
from referral.model import Kind, ReferralId, UserId
from referral.operations import Body, Op, Operation, Reason, Vote
from referral.port import Outcome, Receipt
from referral.programme import Programme, load
from tests.support.device import Device
from tests.support.packs import baltimore_files

MONDAY_NIGHT = datetime(2026, 3, 3, 7, 10, tzinfo=UTC)  # 02:10 in Baltimore

STAFF: tuple[tuple[str, Role, str | None], ...] = (
    ("o1", Role.OFFICER, None),
    ("o2", Role.OFFICER, None),
    ("cm1", Role.CASE_MANAGER, "west"),
    ("p1", Role.PEER, "west"),
    ("cm2", Role.CASE_MANAGER, "east"),
    ("p2", Role.PEER, "east"),
    ("sup", Role.SUPERVISOR, None),
    ("sao1", Role.SAO_REVIEWER, None),
    ("sao2", Role.SAO_REVIEWER, None),
    ("eva", Role.EVALUATOR, None),
)


@dataclass(slots=True)
class StillClock:
    """A clock that stands still until it is moved."""

    at: datetime = MONDAY_NIGHT

    def __call__(self) -> datetime:
        return self.at

    def go(self, **by: float) -> datetime:
        """Move on by a timedelta's arguments."""
        self.at += timedelta(**by)
        return self.at


@dataclass(slots=True)
class Agency:
    """The parts of a running case system, and the people of `STAFF`."""

    url: str
    engine: Engine = field(repr=False)
    keys: KeyFolder
    service: CaseService
    accounts: Accounts
    clock: StillClock

    @property
    def channels(self) -> Channels:
        """Everybody's channels."""
        return Channels(engine=self.engine, clock=self.clock, rng=os.urandom, keys=self.keys)

    @classmethod
    def found(
        cls, url: str, folder: Path, clock: StillClock | None = None, pack: Mapping[str, bytes] | None = None
    ) -> Agency:
        """Lay a new case system with its staff; `pack` in place of the Baltimore pack."""
        clock = clock or StillClock()
        engine = open_engine(url)
        keys = KeyFolder.create(folder / "keys", os.urandom)
        foundation.lay(engine, pack or baltimore_files(), clock=clock, rng=os.urandom)
        agency = cls.over(url, engine, keys, clock)
        for name, role, pair in STAFF:
            agency.accounts.add_user(name, role, name=name.upper(), pair=pair)
        agency.accounts.set_post(Post.DUTY, ["cm1", "p1"])
        return agency

    @classmethod
    def copied(cls, folder: Path) -> Agency:
        """The same in an SQLite file in `folder`, laid once in a process and copied: agency and keys are those of every other copy."""
        laid = _laid()
        shutil.copyfile(laid / "case.db", folder / "case.db")
        shutil.copytree(laid / "keys", folder / "keys")
        url = f"sqlite:///{folder / 'case.db'}"
        return cls.over(url, open_engine(url), KeyFolder(folder / "keys"), StillClock())

    @classmethod
    def over(cls, url: str, engine: Engine, keys: KeyFolder, clock: StillClock) -> Agency:
        """A case system over a database that was laid before."""
        database = Database(engine, clock=clock, rng=os.urandom, keys=keys)

        def files(digest: str) -> Any:
            with database.read() as reading:
                return reading.pack_files(digest)

        return cls(
            url=url,
            engine=engine,
            keys=keys,
            service=CaseService(database, clock=clock, rng=os.urandom, keys=keys, packs=Packs(files)),
            accounts=Accounts(engine=engine, clock=clock, rng=os.urandom, keys=keys),
            clock=clock,
        )

    def book(self, name: str = "dispatcher") -> NoticeBook:
        """The book of a dispatcher of that name."""
        rows = NoticeRows(self.engine, self.keys)
        return NoticeBook(rows, self.service.climb, name=name, time_zone=lambda: "America/New_York")

    def take(self, book: NoticeBook, now: datetime | None = None) -> Sequence[DueNotice]:
        """What that dispatcher takes to carry outside now, for the length of a lease."""
        now = now or self.clock()
        return book.due_notices(now, now + LEASE, 100)

    def device(self, user: str) -> Device:
        """A newly enrolled device of that person."""
        role = next(role for name, role, _ in STAFF if name == user)
        return Device.enrol(self.service, self.accounts.new_code(user, role).code, self.clock)

    def desk(self, user: str, op: Op, referral_id: str, body: Body | None = None, *, base: int = 0) -> Receipt:
        """An operation on a page."""
        operation = Operation(
            op=op, referral_id=ReferralId(referral_id), base=base, nonce=os.urandom(4).hex(), made_at=self.clock(),
            made_by=UserId(user), body=body or Reason(),
        )  # fmt: skip
        return self.service.apply_desk(UserId(user), operation)

    def admit(self, referral_id: str) -> None:
        """Every yes that enrolment needs: the State's Attorney's on an arrest, and each partner's."""
        arrest = self.service.look(UserId("sup"), ReferralId(referral_id)).kind is Kind.ARREST
        done = [self.desk("sao1", Op.SAO_APPROVE, referral_id)] if arrest else []
        for partner in voting(self.pack):
            if partner != SAO_PARTNER or not arrest:
                done.append(self.desk("sup", Op.PARTNER_VOTE, referral_id, Vote(partner=partner, approve=True)))
        if {receipt.outcome for receipt in done} != {Outcome.ACCEPTED}:
            raise ValueError("not everybody could say yes")

    @property
    def pack(self) -> Programme:
        """The pack in force."""
        with Database(self.engine, clock=self.clock, rng=os.urandom, keys=self.keys).read() as reading:
            files = reading.pack_files(reading.agency().pack_digest)
        return load({name: text.encode() for name, text in files.items()})

    def rows(self, statement: Select[Any]) -> list[Any]:
        """What the database holds."""
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]


@cache
def _laid() -> Path:
    """A folder with a case system that nobody has used."""
    folder = Path(tempfile.mkdtemp(prefix="lead-laid-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    Agency.found(f"sqlite:///{folder / 'case.db'}", folder).engine.dispose()
    return folder
