"""Everything a person can do on this device, with or without a screen. Views and commands call nothing else.

Synchronous, safe from any thread, and honest: "Saved" means committed. Expected outcomes are returned; `Failed` and FieldError are
raised only by the methods that say so. Importing this loads no Flet.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from field_app.acting import Failed as Failed
from field_app.device import wiped_by
from field_app.doctor import Finding, examine, examine_shut
from field_app.forms import Forms
from field_app.outcomes import Done, Enrolled, Opened, SyncCounts, Trouble
from field_app.picture import alarm_of
from field_app.projection import possible
from field_app.snapshot import Alarm, Detail, Gate, ReferralRow, Sending, Settings
from field_app.steps import Steps
from field_app.store.database import StoreDamaged
from field_app.troubles import FAULTS, trouble
from field_app.vault.files import write_durably
from field_app.vault.pin import Origin
from referral.model import OpId, ReferralId
from referral.problems import ProblemCode


class Actions(Forms, Steps):
    """The actions of one data folder; see `Acting` for what it is made of."""

    # ------------------------------------------------------------------------------------------------ the door
    def enrol(self, server: str, code: str, pin: str | None = None, *, unattended: bool = False) -> Enrolled | Trouble:
        """Bind this device to a person and a case system, by a one-time code (or a link in its place).

        Without a PIN the app makes one of six digits. unattended: the PIN comes from a file, so that six digits will do.
        """
        with self._turn:
            if self._device is not None and not self._device.ended:
                return Trouble(problem=ProblemCode.ALREADY_ENROLLED)
        self.close()  # a wiped device makes room for a new one
        outcome = self._enrol(server, code, pin, Origin.FILE if unattended else Origin.CHOSEN)
        with self._turn:
            self._gate = Gate()
            self._reopen()
            self._changed()
        return outcome

    def unlock(self, pin: str) -> Opened | Trouble:
        """Open the vault; one that is open stays so, and the PIN is tried all the same: every page proves its own.

        WRONG_PIN says in its detail how many tries are left.

        A database that turns out damaged is recovered first (field_app/recovery.py); the snapshot's alarms tell of it.
        """
        try:
            return self._unlock(pin)
        except StoreDamaged:
            self._rebuild()
        try:
            return self._unlock(pin)
        except StoreDamaged as error:
            return trouble(error)

    def _unlock(self, pin: str) -> Opened | Trouble:
        with self._turn:
            device = self._device
            if device is None:
                return self._trouble or Trouble(problem=ProblemCode.NOT_ENROLLED)
            was_open = device.session is not None
            try:
                if device.binding.wiped:
                    return Trouble(problem=wiped_by(device), detail="wiped")
                outcome = device.prove(pin) if was_open else device.unlock(pin)
            except StoreDamaged:
                raise
            except FAULTS as error:
                outcome = trouble(error)
            if isinstance(outcome, Trouble):
                self._gate = self._shut_gate(outcome)
                self._changed()
                return outcome
            self._gate = Gate(file_store=self._gate.file_store)
            if self._courier is not None and not was_open:
                self._courier.unlocked()
            self._changed()
            return Opened()

    def lock(self) -> None:
        """Forget the keys, whatever the disk does. Sending goes on."""
        with self._turn:
            if self._device is None:
                return
            self._lines = None
            with suppress(*FAULTS):  # the keys are gone all the same; the log is emptied at the next lock
                self._device.lock()
            self._gate = self._gate_of(self._device)
            self._changed()

    def change_pin(self, old: str, new: str) -> Done | Trouble:
        """Replace the PIN; counts as a try."""
        with self._turn:
            if (device := self._device) is None:
                return self._trouble or Trouble(problem=ProblemCode.NOT_ENROLLED)
            try:
                outcome = device.change_pin(old, new)
            except ValueError as error:  # against the policy
                return Trouble(problem=ProblemCode.INVALID_VALUE, detail=f"pin: {error}")
            except FAULTS as error:
                return trouble(error)
            return Done() if outcome is None else outcome

    # ------------------------------------------------------------------------------------------------ looking
    def hear(self, alarm: Alarm) -> None:
        """The person has read this alarm: it is not shown again. Errors: Failed."""
        with self._turn:
            device = self._open_device()
            try:
                for incident in device.incidents():
                    if alarm_of(incident) == alarm:
                        device.heard(incident)
            except FAULTS as error:
                raise Failed(trouble(error)) from error
            self._changed()

    def detail(self, referral_id: ReferralId) -> Detail:
        """One referral opened. Errors: Failed; ValueError when nothing is known of it."""
        with self._turn:
            device, session = self._open_device(), self._session()
            row = self._row(referral_id)
            if row is None:
                raise ValueError("there is no such referral")
            record = session.holdings.records.get(referral_id)
            view = session.holdings.view(referral_id, whole=True)
            referral = record.referral if record is not None else None if view is None else view.referral
            return Detail(
                row=row,
                referral=referral,
                timeline=() if view is None else view.timeline,
                pending=tuple(operation.op for operation in session.holdings.operations(referral_id)),
                steps=possible(row, device.binding.role),
            )

    def search(self, text: str) -> tuple[ReferralRow, ...]:
        """Referrals whose name, descriptor, receipt, id, officer or case manager holds every word. Looks in memory only."""
        words = text.casefold().split()
        shot = self.snapshot()

        def told(row: ReferralRow) -> str:
            said = (row.title, row.receipt, row.referral_id, row.officer_name, row.case_manager)
            return " ".join(part for part in said if part).casefold()

        return tuple(row for row in (*shot.inbox, *shot.referrals) if all(word in told(row) for word in words))

    def doctor(self, *, ask_server: bool = True) -> tuple[Finding, ...]:
        """What is sound and what is not, with what to do; also of a folder that does not open. Errors: Failed if it is not enrolled."""
        with self._turn:
            device, courier, why = self._device, self._courier, self._trouble
        if device is None and why is not None and why.problem is not ProblemCode.NOT_ENROLLED:
            return examine_shut(self.folder, self.surroundings, why)
        device = self._open_device()
        reach: Callable[[], str | None] = courier.reach if ask_server and courier is not None else lambda: "not asked"
        return examine(device, reach)

    # ------------------------------------------------------------------------------------------------ delivery
    def sync_now(self) -> SyncCounts:
        """Deliver and fetch until nothing is due, past every wait. The snapshot's connection says what stood in the way."""
        return self.deliver()[0]

    def deliver(self) -> tuple[SyncCounts, Trouble | None]:
        """As `sync_now`, with what stood in the way."""
        with self._turn:
            if (courier := self._courier) is None:
                return SyncCounts(), self._trouble or Trouble(problem=ProblemCode.NOT_ENROLLED)
        counts, problem = courier.sync_now()  # waits for the network: outside the turn
        with self._turn:
            if self._device is not None:
                try:
                    self._device.tidy()
                except FAULTS as error:
                    problem = problem or trouble(error)
                if self._device.session is None:
                    self._gate = self._gate_of(self._device)
            self._changed()
        return counts, problem

    def pause(self) -> None:
        """Send nothing until `resume_sending`, also after a restart; saving goes on. Errors: Failed."""
        self.set_settings(replace(self._settings, sending=Sending.PAUSED))

    def resume_sending(self) -> None:
        """Send again, at once. Errors: Failed."""
        self.set_settings(replace(self._settings, sending=Sending.ANY))

    def retry(self, op_id: OpId) -> Done | Trouble:
        """Offer an operation that needs attention once more."""
        with self._turn:
            if (courier := self._courier) is None:
                return self._trouble or Trouble(problem=ProblemCode.NOT_ENROLLED)
            try:
                if not courier.retry(op_id):
                    return Trouble(problem=ProblemCode.NOT_POSSIBLE_NOW, detail="op_id")
            except FAULTS as error:
                return trouble(error)
            self._wake()
            self._changed()
            return Done()

    def export(self, op_id: OpId, folder: Path) -> Path:
        """Write an operation's sealed bytes to `folder`, to be carried by hand; the file's path. Errors: Failed."""
        with self._turn:
            device = self._open_device()
            try:
                with device.store.read() as tx:
                    envelope = device.outbox.envelope(tx, op_id)
                if envelope is None:
                    raise Failed(Trouble(problem=ProblemCode.NOT_FOUND, detail="op_id"))
                folder.mkdir(parents=True, exist_ok=True)
                path = folder / f"{op_id}.env"
                write_durably(path, envelope)
            except FAULTS as error:
                raise Failed(trouble(error)) from error
            except OSError as error:
                raise Failed(Trouble(problem=ProblemCode.DISK_FULL, detail=error.strerror or "")) from error
            return path

    def set_settings(self, settings: Settings) -> None:
        """Keep these settings. Errors: Failed."""
        with self._turn:
            try:
                self._write_settings(settings)
            except FAULTS as error:
                raise Failed(trouble(error)) from error
            before, self._settings = self._settings.sending, settings
            if self._courier is not None and before is not settings.sending:
                (self._courier.pause if settings.sending is Sending.PAUSED else self._courier.resume)()
            self._changed()

    def _shut_gate(self, outcome: Trouble) -> Gate:
        device = self._open_device()
        gate = self._gate_of(device)
        if gate.problem is None:
            left = device.tries_left if outcome.problem is ProblemCode.WRONG_PIN else None
            gate = Gate(tries_left=left, problem=outcome.problem, file_store=gate.file_store)
        return gate
