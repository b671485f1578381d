"""The moment before each kind of step in a device's fortnight, kept so that it can be begun again and again.

A scene is a copy of the data folder, of the case system's database and keys, and what the fortnight knows. Copies of open
databases are made by another process: closing a second descriptor here would let go of SQLite's locks.
Must not know: faults.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from field_app.outcomes import Saved
from referral.model import ReferralId
from tests.faults.disk.fortnight import Fortnight, Step, expected
from tests.faults.disk.town import Town
from tests.faults.disk.truth import Truth, look

NOT_ON_THE_DEVICE: Final = ("new_key",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The moment before the step of that name. opened: whether the vault was open."""

    name: str
    place: Path
    opened: bool
    now: datetime
    truth: Truth = field(repr=False)
    saved: tuple[Saved, ...]
    form: ReferralId | None
    pin: str


class Stage:
    """All scenes of one fortnight, over one town that is put back to any of them."""

    def __init__(self, place: Path) -> None:
        """Live through the fortnight once, without a fault."""
        self.town = Town.found(place / "town")
        self.scenes: dict[str, Scene] = {}
        self.after: dict[str, Truth] = {}  # how the step of that name ends when nothing goes wrong
        self._place = place
        fortnight, truth = Fortnight(self.town), Truth()
        for n, step in enumerate(fortnight.steps()):
            name = step.__name__
            if (device := self.town.actions._device) is not None:
                truth = look(device).over(truth)
            if name not in (*self.scenes, *NOT_ON_THE_DEVICE):
                self.scenes[name] = self._keep(name, n, fortnight, truth)
            outcome = step()
            if not expected(name, outcome):
                raise RuntimeError(f"{name}: {outcome}")
            if (device := self.town.actions._device) is not None and name not in self.after:
                self.after[name] = look(device).over(truth)
        self.rest()

    def rest(self) -> None:
        """Leave nothing open: what is forked now begins with nothing."""
        self.town.abandon()
        self.town.agency.engine.dispose()

    def begin(self, name: str, seed: int) -> tuple[Fortnight, Step]:
        """Put everything back to that scene; what the device is about to do. seed: of its randomness from here on."""
        scene, town = self.scenes[name], self.town
        self.rest()
        _put_back(scene.place / "device", town.folder)
        for path in town.agency_folder.glob("case.db*"):
            path.unlink()
        shutil.copy(scene.place / "case.db", town.agency_folder / "case.db")
        if _names(scene.place / "keys") != _names(town.agency_folder / "keys"):
            _put_back(scene.place / "keys", town.agency_folder / "keys")
            town.agency.keys._load()
        town.clock.at = scene.now
        town.seed = seed
        town.restart()
        fortnight = Fortnight(town, saved=list(scene.saved), form=scene.form, pin=scene.pin)
        if scene.opened:
            fortnight.unlock()
        return fortnight, getattr(fortnight, name)

    def _keep(self, name: str, n: int, fortnight: Fortnight, truth: Truth) -> Scene:
        place = self._place / f"scene-{n}"
        place.mkdir()
        town = self.town
        town.agency.engine.dispose()
        if town.folder.exists():
            subprocess.run(["cp", "-a", str(town.folder), str(place / "device")], check=True)
        shutil.copy(town.agency_folder / "case.db", place / "case.db")
        shutil.copytree(town.agency_folder / "keys", place / "keys")
        device = town.actions._device
        return Scene(
            name=name,
            place=place,
            opened=device is not None and device.session is not None,
            now=town.clock(),
            truth=replace(truth, opened=True),
            saved=tuple(fortnight.saved),
            form=fortnight.form,
            pin=fortnight.pin,
        )


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def _put_back(source: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    if source.exists():
        shutil.copytree(source, target)
