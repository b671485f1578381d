"""A case system and one officer's device in a place on disk, the same each time: seeded randomness, a clock that stands still.

    PLACE/agency/    database and keys of the case system
    PLACE/disk/      the watched disk; `device` in it is the data folder, key files and all, as on a computer without a keyring

Envelopes and signatures have their library's own randomness, so bytes differ from one making to the next, but neither their
number nor their order. Must not know: what is done on the device, what goes wrong.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from case_system.store import foundation
from field_app import device as devices
from field_app import enrolment
from field_app.actions import Actions
from field_app.compose import assemble
from field_app.device import Device, Surroundings
from field_app.outcomes import Enrolled, Trouble
from field_app.vault.keystores import FileKeys
from referral.lifecycle import Role
from referral.programme import Programme
from referral.programme import load as load_pack
from tests.support.agency import Agency, StillClock
from tests.support.station import Line, StationClock

FIRST_PIN: Final = "473920"
CHOSEN_PIN: Final = "heron over the winter canal"
OFFICER: Final = "o1"
BALLAST: Final = 96 * 1024  # room for a save or two


def machine(folder: Path, clock: StillClock, seed: int, ballast: int = BALLAST) -> Surroundings:
    """A computer whose key store is files beside the vault, at the smallest cost of a PIN."""
    return Surroundings(
        keystores=[FileKeys(folder / "keys")],
        clock=StationClock(clock),
        random_bytes=random.Random(seed).randbytes,
        scrypt_n=2,
        minimum_n=2,
        app="lead-field/test",
        platform="test",
        ballast_bytes=ballast,
    )


@dataclass
class Town:
    """The case system, and the actions of the device."""

    place: Path
    agency: Agency
    seed: int = 1
    actions: Actions = field(init=False)

    @classmethod
    def found(cls, place: Path, seed: int = 1) -> Town:
        """A new case system and a data folder that is not enrolled."""
        (place / "agency").mkdir(parents=True)
        (place / "disk").mkdir()
        agency = Agency.found(f"sqlite:///{place / 'agency' / 'case.db'}", place / "agency")
        return cls(place=place, agency=agency, seed=seed)

    def __post_init__(self) -> None:
        self.line = Line(inner=self.agency.service)
        self.restart()

    @property
    def folder(self) -> Path:
        """The data folder."""
        return self.place / "disk" / "device"

    @property
    def agency_folder(self) -> Path:
        """The case system's database and keys."""
        return self.place / "agency"

    @property
    def clock(self) -> StillClock:
        """The time of all."""
        return self.agency.clock

    @property
    def device(self) -> Device:
        """The inside, for looking."""
        assert self.actions._device is not None, self.actions.trouble
        return self.actions._device

    def restart(self) -> Actions:
        """Start the app over the folder, as after a crash: nothing is locked or closed first."""
        self.seed += 1
        self.actions = assemble(self.folder, machine(self.folder, self.clock, self.seed), self.line)
        self.actions.subscribe(lambda shot: None)  # a screen
        return self.actions

    def abandon(self) -> None:
        """The process is gone without a word; only its descriptors are given back."""
        if self.actions._device is not None:
            self.actions._device.store.database.conn.close()

    def enrol(self) -> Enrolled | Trouble:
        """Bind the device to the officer, with a PIN as from a file."""
        code = self.agency.accounts.new_code(OFFICER, Role.OFFICER).code
        return self.actions.enrol("http://127.0.0.1:1", code, FIRST_PIN, unattended=True)


@contextmanager
def packs_read_once() -> Iterator[None]:
    """Let each pack, known by all its bytes, be understood once in this process: it is most of the time of an opening."""
    known: dict[frozenset[tuple[str, bytes]], Programme] = {}
    original = load_pack

    def load(files: Mapping[str, bytes]) -> Programme:
        key = frozenset(files.items())
        if key not in known:
            known[key] = original(files)
        return known[key]

    devices.load_pack = enrolment.load_pack = foundation.load = load  # type: ignore[attr-defined]
    try:
        yield
    finally:
        devices.load_pack = enrolment.load_pack = foundation.load = original  # type: ignore[attr-defined]
