"""A fortnight of one device in a second, to be recorded: `python -m tests.faults.powercut.workload PLACE [careless]`, under the shim.

After each step the child writes into the log what it now promises: the step's name, the time, the PIN, and the whole truth.
`careless`: SQLite is told to sync at NORMAL and to say FULL, which is the control run that has to be found.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from case_system.store import foundation
from field_app.outcomes import Done, Missing, Opened, Saved, Trouble
from field_app.snapshot import Settings
from field_app.store import database
from referral.model import Kind
from tests.faults.disk.control import Control
from tests.faults.disk.town import CHOSEN_PIN, FIRST_PIN, Town
from tests.faults.disk.truth import Truth, look
from tests.support.packs import baltimore_files
from tests.support.station import ARREST, SOCIAL

CARELESS: Final = "careless"


class Fortnight:
    """What happens to one device, step by step."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.saved: list[Saved] = []
        self.pin = FIRST_PIN

    def steps(self) -> list[Callable[[], object]]:
        """All of it, in order."""
        return [
            self.enrol, self.unlock, self.settings,
            self.save, self.save_social, self.draft, self.agree, self.answer, self.submit, self.amend, self.sync, self.save_unnamed,
            self.withdraw, self.lock, self.wrong_pin, self.wrong_pin, self.sync_locked, self.unlock, self.second_draft,
            self.discard, self.sync, self.change_pin, self.next_day, self.save, self.new_pack, self.save, self.new_key, self.sync,
            self.close, self.start, self.wrong_pin, self.unlock, self.save, self.draft, self.agree, self.amend, self.crash, self.unlock,
            self.sync, self.new_epoch, self.save, self.draft, self.agree, self.answer, self.wipe, self.sync_locked, self.close,
        ]  # fmt: skip

    # ------------------------------------------------------------------------------------------------ the door
    def enrol(self) -> None:
        self.town.enrol()

    def unlock(self) -> None:
        assert isinstance(self.town.actions.unlock(self.pin), Opened)

    def wrong_pin(self) -> None:
        assert isinstance(self.town.actions.unlock("000001"), Trouble)

    def lock(self) -> None:
        self.town.actions.lock()

    def change_pin(self) -> None:
        assert isinstance(self.town.actions.change_pin(self.pin, CHOSEN_PIN), Done)
        self.pin = CHOSEN_PIN

    def close(self) -> None:
        self.town.actions.close()

    def start(self) -> None:
        self.town.restart()

    def crash(self) -> None:
        """The process before is gone without a word; its descriptors, too."""
        self.town.device.store.database.conn.close()
        self.town.restart()

    # ------------------------------------------------------------------------------------------------ the work
    def save(self) -> None:
        self._saved(self.town.actions.submit_referral(ARREST))

    def save_social(self) -> None:
        self._saved(self.town.actions.submit_referral(SOCIAL))

    def save_unnamed(self) -> None:
        self._saved(self.town.actions.submit_referral({"kind": "social", "willing": "no", "place": SOCIAL["place"]}))

    def draft(self) -> None:
        self.form = self.town.actions.start(Kind.ARREST).referral_id
        self.town.actions.answer(self.form, "person.name", "Bea Example")

    def agree(self) -> None:
        self.town.actions.answer(self.form, "willing", "yes")

    def answer(self) -> None:
        self.town.actions.answer(self.form, "whereabouts", "coming_in")

    def submit(self) -> None:
        self._saved(self.town.actions.submit(self.form))

    def second_draft(self) -> None:
        self.form = self.town.actions.start(Kind.SOCIAL).referral_id
        self.town.actions.answer(self.form, "willing", "yes")

    def discard(self) -> None:
        self.town.actions.discard(self.form)

    def amend(self) -> None:
        outcome = self.town.actions.amend(self.saved[-1].referral_id, {"incident_number": f"25{len(self.saved):07}"})
        assert isinstance(outcome, Saved), outcome

    def withdraw(self) -> None:
        outcome = self.town.actions.withdraw(self.saved[-1].referral_id)
        assert isinstance(outcome, Saved), outcome

    def settings(self) -> None:
        self.town.actions.set_settings(Settings(language="es"))

    # ------------------------------------------------------------------------------------------------ the case system
    def sync(self) -> None:
        counts, problem = self.town.actions.deliver()
        assert problem is None, problem
        assert counts.waiting == 0, counts

    def sync_locked(self) -> None:
        _, problem = self.town.actions.deliver()
        assert problem is None, problem

    def next_day(self) -> None:
        self.town.clock.go(hours=26)
        self.sync()

    def new_pack(self) -> None:
        files = baltimore_files()
        document: dict[str, Any] = json.loads(files["programme.json"])
        document["version"] = document["version"] + ".1"
        foundation.put_in_force(
            self.town.agency.engine,
            files | {"programme.json": json.dumps(document).encode()},
            clock=self.town.clock,
        )
        self.sync()

    def new_key(self) -> None:
        """The agency's key is changed and the old one destroyed while an operation sealed for it waits."""
        keys = self.town.agency.keys
        before = keys.newest.key_id.hex()
        keys.rotate()
        keys.retire(before)

    def new_epoch(self) -> None:
        """The case system's database was put back."""
        with self.town.agency.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE agency SET epoch = 'another'")
        self.sync()

    def wipe(self) -> None:
        self.town.agency.accounts.revoke(self.town.device.binding.device_id, wipe=True)
        self.sync_locked()
        assert self.town.device.binding.wiped

    def _saved(self, outcome: Saved | Missing | Trouble) -> None:
        assert isinstance(outcome, Saved), outcome
        self.saved.append(outcome)


def promise(fortnight: Fortnight, name: str, before: Truth) -> Truth:
    """Write into the log what the device has promised by now."""
    town = fortnight.town
    device = town.actions._device
    truth = before if device is None else look(device).over(before)
    text = json.dumps({"step": name, "now": town.clock().isoformat(), "pin": fortnight.pin, "truth": truth.to_text()})
    data = text.encode()
    ctypes.CDLL(None).disk_mark(data, len(data))
    return truth


def main(place: Path, *, careless: bool) -> None:
    """Do all of it."""
    if careless:
        said = database.PRAGMAS["synchronous"]
        database.PRAGMAS["synchronous"] = ("NORMAL", 1)
        assert said == ("FULL", 2)
    control = Control(Path(os.environ["LEAD_DISK_CONTROL"]))
    town = Town.found(place)
    fortnight, truth = Fortnight(town), Truth()
    control.record(on=True)
    promise(fortnight, "nothing", truth)
    for step in fortnight.steps():
        step()
        truth = promise(fortnight, step.__name__, truth)
    control.record(on=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), careless=CARELESS in sys.argv[2:])
