"""A fortnight of one device, step by step: enrolled, recording, sending, wiped. What T2, T3 and T4 watch and disturb.

Each step is one thing that a person does, or that happens to the device, over the app's own actions; it returns what the app said.
Must not know: what is watched or goes wrong.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from case_system.store import foundation
from field_app.outcomes import Done, Enrolled, Missing, Opened, Saved, Trouble
from field_app.snapshot import Settings
from referral.model import Kind, ReferralId
from tests.faults.disk.town import CHOSEN_PIN, FIRST_PIN, Town
from tests.support.packs import baltimore_files
from tests.support.station import ARREST, SOCIAL

Outcome: TypeAlias = Saved | Missing | Trouble | Opened | Done | Enrolled | None
Step: TypeAlias = Callable[[], Outcome]

WRONG_PIN = "000001"


@dataclass
class Fortnight:
    """What happens to one device. saved: what the app called saved, in order. form: the live form. pin: the right one."""

    town: Town
    saved: list[Saved] = field(default_factory=list)
    form: ReferralId | None = None
    pin: str = FIRST_PIN

    def steps(self) -> list[Step]:
        """All of it, in order."""
        return [
            self.enrol, self.unlock, self.settings,
            self.save, self.save_social, self.draft, self.agree, self.answer, self.submit, self.amend, self.sync,
            self.save_unnamed, self.withdraw, self.lock, self.wrong_pin, self.wrong_pin, self.sync_locked, self.unlock,
            self.second_draft, self.discard, self.sync, self.change_pin, self.next_day, self.save, self.new_pack,
            self.save, self.new_key, self.sync_resealed, self.close, self.start, self.wrong_pin, self.unlock,
            self.save, self.draft, self.agree, self.amend, self.crash, self.unlock, self.sync, self.new_epoch,
            self.save, self.draft, self.agree, self.answer, self.wipe, self.sync_wiped, self.close,
        ]  # fmt: skip

    # ------------------------------------------------------------------------------------------------ the door
    def enrol(self) -> Outcome:
        return self.town.enrol()

    def unlock(self) -> Outcome:
        return self.town.actions.unlock(self.pin)

    def wrong_pin(self) -> Outcome:
        return self.town.actions.unlock(WRONG_PIN)

    def lock(self) -> None:
        self.town.actions.lock()

    def change_pin(self) -> Outcome:
        outcome = self.town.actions.change_pin(self.pin, CHOSEN_PIN)
        if isinstance(outcome, Done):
            self.pin = CHOSEN_PIN
        return outcome

    def close(self) -> None:
        self.town.actions.close()

    def start(self) -> Outcome:
        return self.town.restart().trouble

    def crash(self) -> Outcome:
        """The process before is gone without a word, and its descriptors with it; another begins."""
        self.town.abandon()
        return self.start()

    # ------------------------------------------------------------------------------------------------ the work
    def save(self) -> Outcome:
        return self._saved(self.town.actions.submit_referral(ARREST))

    def save_social(self) -> Outcome:
        return self._saved(self.town.actions.submit_referral(SOCIAL))

    def save_unnamed(self) -> Outcome:
        return self._saved(
            self.town.actions.submit_referral({"kind": "social", "willing": "no", "place": SOCIAL["place"]})
        )

    def draft(self) -> None:
        self.form = self.town.actions.start(Kind.ARREST).referral_id
        self.town.actions.answer(self.form, "person.name", "Bea Example")

    def agree(self) -> None:
        self.town.actions.answer(self._form, "willing", "yes")

    def answer(self) -> None:
        self.town.actions.answer(self._form, "whereabouts", "coming_in")

    def submit(self) -> Outcome:
        return self._saved(self.town.actions.submit(self._form))

    def second_draft(self) -> None:
        self.form = self.town.actions.start(Kind.SOCIAL).referral_id
        self.town.actions.answer(self.form, "willing", "yes")

    def discard(self) -> None:
        self.town.actions.discard(self._form)

    def amend(self) -> Outcome:
        changes = {"incident_number": f"25{len(self.saved):07}"}
        return self.town.actions.amend(self.saved[-1].referral_id, changes)

    def withdraw(self) -> Outcome:
        return self.town.actions.withdraw(self.saved[-1].referral_id)

    def settings(self) -> None:
        self.town.actions.set_settings(Settings(language="es"))

    # ------------------------------------------------------------------------------------------------ the case system
    def sync(self) -> Outcome:
        counts, trouble = self.town.actions.deliver()
        assert trouble is not None or counts.waiting == 0, counts
        return trouble

    def sync_locked(self) -> Outcome:
        return self.town.actions.deliver()[1]

    sync_wiped = sync_locked
    sync_resealed = sync

    def next_day(self) -> Outcome:
        self.town.clock.go(hours=26)
        return self.sync()

    def new_pack(self) -> Outcome:
        files = baltimore_files()
        document: dict[str, Any] = json.loads(files["programme.json"])
        document["version"] += ".1"
        files["programme.json"] = json.dumps(document).encode()
        foundation.put_in_force(self.town.agency.engine, files, clock=self.town.clock)
        return self.sync()

    def new_key(self) -> None:
        """The agency's key is changed and the old one destroyed while an operation sealed for it waits."""
        keys = self.town.agency.keys
        before = keys.newest.key_id.hex()
        keys.rotate()
        keys.retire(before)

    def new_epoch(self) -> Outcome:
        """The case system's database was put back."""
        with self.town.agency.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE agency SET epoch = 'another'")
        return self.sync()

    def wipe(self) -> Outcome:
        self.town.agency.accounts.revoke(self.town.device.binding.device_id, wipe=True)
        return self.sync_locked()

    @property
    def _form(self) -> ReferralId:
        assert self.form is not None
        return self.form

    def _saved(self, outcome: Saved | Missing | Trouble) -> Outcome:
        if isinstance(outcome, Saved):
            self.saved.append(outcome)
        return outcome


def expected(name: str, outcome: Outcome) -> bool:
    """Whether the step of that name did what it is for."""
    if name == "wrong_pin":
        return isinstance(outcome, Trouble)
    return not isinstance(outcome, Trouble | Missing)
