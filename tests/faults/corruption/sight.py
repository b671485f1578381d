"""Everything that a device lets a person see, read with the real code: what a case compares with the truth.

A sight is taken as an officer and a support person would take it: open the folder, unlock with the right PIN, look at the screen and at
each referral, read every row and every sealed operation, ask the doctor, close. Words that the device says of trouble are part of it.
An exception that is no member of the device's own trees is `surprise`: no caller expects it.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from field_app import device as device_module
from field_app.acting import Failed
from field_app.actions import Actions
from field_app.device import Device
from field_app.doctor import Health
from field_app.holdings import Holdings
from field_app.outcomes import Trouble
from field_app.snapshot import Snapshot
from field_app.store.records import Shelf
from field_app.troubles import FAULTS
from referral.codec import canonical, from_wire, to_wire
from referral.model import ReferralId
from referral.programme import Programme
from referral.programme import load as load_programme
from referral.views import ReferralView
from tests.faults.corruption.images import PACK_FOLDER, PIN, Image, Template


@dataclass(slots=True, kw_only=True)
class Sight:
    """rows: by id, shelf and content. views: the case system's form of a referral. ops: by id, state, sealed bytes, and what is told of it. said: words of trouble, by where."""

    rows: dict[bytes, tuple[str, bytes]] = field(default_factory=dict, repr=False)
    ops: dict[str, tuple[str, bytes | None, bytes]] = field(default_factory=dict, repr=False)
    details: dict[str, bytes] = field(default_factory=dict, repr=False)
    views: dict[str, bytes] = field(default_factory=dict, repr=False)
    shot: Snapshot | None = field(default=None, repr=False)
    said: dict[str, str] = field(default_factory=dict)
    surprise: str | None = None


class Bench:
    """One folder that is filled with an image, case by case."""

    def __init__(self, template: Template, folder: Path) -> None:
        self.template, self.folder = template, folder
        self._packs: dict[str, bytes] = {}
        self._read: dict[tuple[tuple[str, bytes], ...], Programme] = {}

    def fill(self, image: Image) -> None:
        """Make the folder hold exactly these files."""
        packs = {name: data for name, data in image.items() if name.startswith(PACK_FOLDER)}
        same = packs == self._packs
        for where, folders, names in os.walk(self.folder, topdown=False):
            if same and f"{os.sep}{PACK_FOLDER}{os.sep}" in where:
                continue
            for name in names:
                os.unlink(os.path.join(where, name))
            for name in folders:
                if not (same and name == PACK_FOLDER) and not (same and where.endswith(os.sep + PACK_FOLDER)):
                    os.rmdir(os.path.join(where, name))
        self._packs = packs
        for name, data in image.items():
            if same and name in packs:
                continue
            path = os.path.join(self.folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(data)

    def files(self) -> dict[str, bytes]:
        """What lies in the folder now, without the pack."""
        return {
            os.path.relpath(os.path.join(where, name), self.folder): Path(where, name).read_bytes()
            for where, _, names in os.walk(self.folder)
            if f"{os.sep}{PACK_FOLDER}" not in where
            for name in names
        }

    def look(self, seed: int = 0) -> Sight:
        """Open what is in the folder, see everything, close."""
        sight = Sight()
        load = device_module.__dict__["load_pack"]
        device_module.__dict__["load_pack"] = self._load
        try:
            actions = self.template.actions(self.folder, seed)
            try:
                _look(actions, sight)
            finally:
                _told(sight, "close", actions.close)
        except Exception as error:  # noqa: BLE001 - the very thing that is looked for
            last = traceback.extract_tb(error.__traceback__)[-1]
            sight.surprise = f"{type(error).__name__} from {Path(last.filename).name}:{last.name}"
        finally:
            device_module.__dict__["load_pack"] = load
        return sight

    def _load(self, files: Mapping[str, bytes]) -> Programme:
        """`referral.programme.load`, remembering what exactly these bytes gave: half of an opening would go into reading them again."""
        key = tuple(sorted(files.items()))
        if key not in self._read:
            self._read[key] = load_programme(files)
        return self._read[key]


def _look(actions: Actions, sight: Sight) -> None:
    if actions.trouble is not None:
        sight.said["folder"] = _words(actions.trouble)
    outcome = actions.unlock(PIN)
    if isinstance(outcome, Trouble):
        sight.said["unlock"] = _words(outcome)
    device: Device | None = actions._device
    if device is not None:
        _told(sight, "rows", lambda: _rows(device, sight))
        _told(sight, "operations", lambda: _ops(device, sight))
        if device.rolled_back:
            sight.said["rolled_back"] = "an older copy"
    shot = actions.snapshot()
    if shot.gate.problem is not None:
        sight.said["gate"] = shot.gate.problem.value
    sight.shot = replace(shot, programme=None)
    if device is not None and device.session is not None:
        holdings = device.session.holdings
        for line in (*shot.referrals, *shot.inbox):
            _told(sight, "detail", lambda name=line.referral_id: _detail(holdings, name, sight))
    _told(sight, "doctor", lambda: _doctor(actions, sight))


def _detail(holdings: Holdings, referral_id: ReferralId, sight: Sight) -> None:
    """What `Actions.detail` opens of a referral: the own record, else the case system's form of it."""
    record = holdings.records.get(referral_id)
    view = holdings.view(referral_id, whole=True)
    referral = record.referral if record is not None else None if view is None else view.referral
    sight.details[referral_id] = b"" if referral is None else canonical(to_wire(referral))


def _rows(device: Device, sight: Sight) -> None:
    for incident in device.incidents():
        sight.said[f"incident.{incident.kind.value}"] = "a person is told"
    if device.session is not None:
        for row in device.session.records._rows.values():
            sight.rows[row.id] = (row.shelf.value, canonical(row.data))
            if row.shelf is Shelf.VIEW:
                view = from_wire(ReferralView, dict(row.data), keep_unknown=True)
                sight.views[view.referral_id] = b"" if view.referral is None else canonical(to_wire(view.referral))
        for form in device.session.holdings.drafts.values():
            canonical(to_wire(form[1]))


def _ops(device: Device, sight: Sight) -> None:
    with device.store.read() as tx:
        for op_id in device.outbox.states(tx):
            entry = device.outbox.entry(tx, op_id)
            if entry is None:  # the table has it and its index has not
                continue
            told = canonical(to_wire(replace(entry, attempts=0, next_at=None, reason=None)))
            sight.ops[op_id] = (entry.state.value, device.outbox.envelope(tx, op_id), told)


def _doctor(actions: Actions, sight: Sight) -> None:
    for finding in actions.doctor(ask_server=False):
        if finding.health is not Health.OK and finding.check not in ("server", "key_store"):
            sight.said[f"doctor.{finding.check}"] = f"{finding.health.value}: {finding.found}"


def _told(sight: Sight, where: str, act: Any) -> None:
    """Do it; what the device itself calls a fault becomes words."""
    try:
        act()
    except FAULTS as error:
        sight.said[where] = f"{type(error).__name__}: {error}"
    except Failed as error:
        sight.said[where] = _words(error.trouble)


def _words(trouble: Trouble) -> str:
    return f"{trouble.problem.value} {trouble.detail}".strip()
