"""kill -9 on the case system at work: what it had receipted is there, and nothing has happened twice.

The server is a process forked for it that answers over a pipe, or over HTTP on the loopback; devices here send it batches and note
each receipt. Then another process goes on over its files, and all that was sent is sent again.
"""

from __future__ import annotations

import os
import pickle
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Final

from sqlalchemy import func, select

from case_system.keyfolder import KeyFolder, KeyFolderError
from case_system.service import CaseService
from case_system.store import schema
from case_system.store.exports import audit_verdict
from case_system.streams import Streams
from field_app.sync.errors import SyncFault
from field_app.sync.http import HttpCaseSystem
from referral.model import OpId
from referral.operations import Op
from referral.port import CaseSystem, Enrolment, EnrolRequest, Outcome, Receipt, SyncRequest, SyncResponse
from referral.views import Happening
from tests.faults.disk.control import CHANGING, Action, Control
from tests.faults.disk.judge import Broken
from tests.faults.disk.scenes import Stage
from tests.support.agency import Agency
from tests.support.device import Device, arrest, op_id_of, social
from tests.support.loopback import loopback

DEATHS: Final = (Action.DIE_BEFORE, Action.DIE_AFTER, Action.DIE_HALF)
BATCHES: Final = 6
LONGEST_S: Final = 0.1


class Gone(Exception):
    """The server does not answer any more."""


@dataclass(slots=True)
class Piped:
    """A case system at the other end of a pipe."""

    pipe: Connection

    def enrol(self, request: EnrolRequest) -> Enrolment:
        raise NotImplementedError("devices were enrolled before")

    def sync(self, token: str, request: SyncRequest) -> SyncResponse:
        """Ask. Errors: Gone."""
        try:
            self.pipe.send_bytes(pickle.dumps((token, request)))
            answer: SyncResponse = pickle.loads(self.pipe.recv_bytes())
        except (EOFError, OSError) as error:
            raise Gone from error
        return answer


class Plain(HttpCaseSystem):
    """A case system over HTTP, whose answers are no more than answers: the devices here look at nothing else."""

    def sync(self, token: str, request: SyncRequest) -> SyncResponse:
        answer = super().sync(token, request)
        return SyncResponse(**{known.name: getattr(answer, known.name) for known in fields(SyncResponse)})


@dataclass(slots=True)
class Work:
    """What the devices send, and what they were told of it."""

    officer: Device
    manager: Device
    sent: list[tuple[Device, tuple[bytes, ...]]] = field(default_factory=list)
    told: dict[OpId, Receipt] = field(default_factory=dict)

    def over(self, system: CaseSystem, lot: random.Random) -> None:
        """Send batch after batch. Errors: Gone, SyncFault."""
        self.officer.system = self.manager.system = system
        for _ in range(BATCHES):
            first, second = arrest(), social()
            amended = self.officer.amend(first.referral_id, incident_number=f"25{lot.randrange(10**7):07}")
            self._send(self.officer, self.officer.create(first), self.officer.create(second), amended)
            self._send(self.manager)
            self._send(self.manager, self.manager.reason(Op.ACCEPT, first.referral_id, base=2))
            self._send(self.officer, self.officer.reason(Op.WITHDRAW, second.referral_id))

    def again(self, system: CaseSystem) -> None:
        """Send everything once more, and compare. Errors: Broken."""
        self.officer.system = self.manager.system = system
        for device, envelopes in self.sent:
            for receipt in device.send(*envelopes):
                before = self.told.get(receipt.op_id)
                if before is not None and before.outcome is not Outcome.STORED and before != receipt:
                    raise Broken(f"operation {receipt.op_id[:8]} was {before.outcome} and is {receipt.outcome}")
                self.told[receipt.op_id] = receipt

    def _send(self, device: Device, *envelopes: bytes) -> None:
        self.sent.append((device, envelopes))
        for receipt in device.send(*envelopes):
            self.told[receipt.op_id] = receipt


def kill_server(stage: Stage, control: Control, number: int, *, http: bool, by_clock: bool) -> str:
    """Do the case; how it ended, in a word. Errors: Broken."""
    lot = random.Random(f"server {number}")
    stage.begin("unlock", seed=1000 + number)
    agency = stage.town.agency
    work = Work(officer=agency.device("o1"), manager=agency.device("cm1"))
    stage.rest()
    ours, theirs = Pipe()
    child = os.fork()
    if not child:
        ours.close()
        try:
            control.arm(
                Action.NONE if by_clock else lot.choice(DEATHS), at=1 + int(lot.random() ** 2 * 400), calls=CHANGING
            )
            if lot.random() < 0.25:
                agency.keys.rotate()
            (_serve_http if http else _serve)(agency.service, theirs)
        finally:
            os._exit(0)
    theirs.close()
    ended = "killed"
    with suppress(Gone, SyncFault, EOFError), killed_after(child, lot.random() * LONGEST_S if by_clock else None):
        system: CaseSystem = Plain(ours.recv(), monotonic=time.monotonic) if http else Piped(ours)
        work.over(system, lot)
        ended = "too late"
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    ours.close()
    control.calm()
    require_sound(agency)
    work.again(agency.service)
    require_sound(agency)
    for device, envelopes in work.sent:
        for envelope in envelopes:
            if op_id_of(envelope) not in work.told:
                raise Broken(f"there is no receipt for an operation of {device.user}")
    return ended


@contextmanager
def killed_after(child: int, seconds: float | None) -> Iterator[None]:
    """Kill the child in so many seconds, wherever it is then; never, with None."""

    def strike(*_: object) -> None:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)

    before = signal.signal(signal.SIGALRM, strike)
    try:
        if seconds is not None:
            signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-6))
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def require_sound(agency: Agency) -> None:
    """The case system's files after a kill: keys, audit trail, feed, notices. Errors: Broken."""
    try:
        KeyFolder(agency.keys.folder)
    except (KeyFolderError, ValueError) as error:
        raise Broken(f"the case system does not start: {error}") from error
    verdict = audit_verdict(agency.engine)
    if verdict.bad_row is not None:
        raise Broken(f"the audit trail is broken: {verdict.reason}")
    n, f, t = schema.notices, schema.feed, schema.timeline
    with agency.engine.connect() as db:
        if db.exec_driver_sql("PRAGMA integrity_check").scalar() != "ok":
            raise Broken("SQLite finds the case system's file damaged")
        seqs = db.execute(select(f.c.seq)).scalars().all()
        notices = db.execute(select(n.c.referral_id, n.c.recipient, n.c.kind, n.c.round)).all()
        made = db.execute(
            select(t.c.referral_id, func.count()).where(t.c.what == Happening.RECEIVED.value).group_by(t.c.referral_id)
        ).all()
    if len(set(seqs)) != len(seqs) or len(set(notices)) != len(notices):
        raise Broken("something is twice in the feed or among the notices")
    if twice := [referral_id for referral_id, times in made if times != 1]:
        raise Broken(f"{len(twice)} referrals were made more than once")


def _serve(service: CaseService, pipe: Connection) -> None:
    while True:
        token, request = pickle.loads(pipe.recv_bytes())
        pipe.send_bytes(pickle.dumps(service.sync(token, request)))


def _serve_http(service: CaseService, pipe: Connection) -> None:
    with loopback(service, Streams()) as url:
        pipe.send(url)
        pipe.recv()
