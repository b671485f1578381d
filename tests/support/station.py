"""A whole device for tests: real files, real vault at a small cost, a key store in memory, a clock that the test moves.

station = Station.enrolled(agency, folder, "o1")        actions over the agency's service, without HTTP
station.restart()                                       as after a crash: nothing is locked or closed first
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from field_app.actions import Actions
from field_app.compose import assemble
from field_app.device import Device, Surroundings
from field_app.outcomes import Enrolled, Opened, Saved
from field_app.sync.errors import NoConnection
from field_app.sync.listener import Listener
from field_app.sync.worker import Worker
from field_app.vault.keys import StoreName
from field_app.vault.keystores import KeyStore, MemoryKeys
from referral.port import CaseSystem, Enrolment, EnrolRequest, SyncRequest, SyncResponse
from tests.support.agency import STAFF, Agency, StillClock

PIN = "473920"


@dataclass
class StationClock:
    """The device's clock, which goes with the agency's unless it is wrong by `off`."""

    still: StillClock
    off: timedelta = timedelta()

    def now(self) -> datetime:
        return self.still.at + self.off

    def mono_ms(self) -> int:
        return int(self.still.at.timestamp() * 1000) % 10**9


@dataclass
class Line:
    """A network that can be cut: to the case system, without HTTP."""

    inner: CaseSystem
    up: bool = True

    def enrol(self, request: EnrolRequest) -> Enrolment:
        self._check()
        return self.inner.enrol(request)

    def sync(self, token: str, request: SyncRequest) -> SyncResponse:
        self._check()
        return self.inner.sync(token, request)

    def _check(self) -> None:
        if not self.up:
            raise NoConnection("the line is cut")

    def case_system(self, server: str) -> CaseSystem:
        return self

    def listener(self, server: str, token: Callable[[], str | None], worker: Worker) -> Listener | None:
        return None


@dataclass
class Station:
    """One device of one person."""

    agency: Agency
    folder: Path
    user: str
    line: Line
    clock: StationClock
    keys: KeyStore = field(default_factory=lambda: MemoryKeys(StoreName.KEYRING))
    background: bool = False
    actions: Actions = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    @classmethod
    def new(cls, agency: Agency, folder: Path, user: str = "o1", **more: Any) -> Station:
        """A device that is not enrolled yet."""
        line = Line(inner=agency.service)
        return cls(agency=agency, folder=folder, user=user, line=line, clock=StationClock(agency.clock), **more)

    @classmethod
    def enrolled(cls, agency: Agency, folder: Path, user: str = "o1", **more: Any) -> Station:
        """An enrolled device with an open vault."""
        station = cls.new(agency, folder, user, **more)
        outcome = station.enrol()
        assert isinstance(outcome, Enrolled), outcome
        assert isinstance(station.actions.unlock(PIN), Opened)
        return station

    @property
    def machine(self) -> Surroundings:
        return Surroundings(
            keystores=[self.keys],
            clock=self.clock,
            random_bytes=os.urandom,
            scrypt_n=2,
            minimum_n=2,
            app="lead-field/test",
            platform="test",
        )

    def code(self) -> str:
        """A fresh enrolment code."""
        role = next(role for name, role, _ in STAFF if name == self.user)
        return self.agency.accounts.new_code(self.user, role).code

    def enrol(self, code: str | None = None, pin: str | None = PIN) -> Any:
        """Enrol with the PIN of all tests, as if it came from a file."""
        return self.actions.enrol("http://127.0.0.1:1", code or self.code(), pin, unattended=True)

    def restart(self) -> Actions:
        """Start again over the same folder; the process before is gone without a word."""
        self.actions = assemble(self.folder, self.machine, self.line, background=self.background)
        return self.actions

    def open_again(self) -> Actions:
        """Restart and unlock."""
        assert isinstance(self.restart().unlock(PIN), Opened)
        return self.actions

    @property
    def device(self) -> Device:
        """The inside, for looking."""
        assert self.actions._device is not None
        return self.actions._device

    def save(self, **answers: Any) -> Saved:
        """Save a referral given in wire form: an arrest of someone who is on the way, unless told otherwise."""
        outcome = self.actions.submit_referral(ARREST | answers)
        assert isinstance(outcome, Saved), outcome
        return outcome


ARREST: dict[str, Any] = {
    "kind": "arrest",
    "willing": "yes",
    "whereabouts": "coming_in",
    "offence_codes": ["4 3550"],
    "quantity": "personal",
    "place": {"text": "300 block W Lexington St", "source": "picked"},
    "exclusions": {"open_warrant": "no", "safety_threat": "no"},
    "person": {"name": "Ann Example", "birth": {"date": "1990-05-02"}},
    "reach": {"how": "phone", "detail": "410-555-0199", "permission": "ok"},
}
SOCIAL: dict[str, Any] = {
    "kind": "social",
    "willing": "yes",
    "place": {"text": "400 block W Fayette St", "source": "picked"},
    "person": {"descriptor": "Green coat, usually by the bus stop"},
    "basis": "observed",
    "urgency": "this_week",
    "reason": "overdose_response",
}


def twin(station: Station) -> Station:
    """Another process over the same folder and key store."""
    return replace(station)
