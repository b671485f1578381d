"""What all actions share: the device, its turn, the courier that delivers, and the snapshot that everyone is told of.

One re-entrant lock (`turn`) makes every action atomic; subscribers are called inside it, so that they hear snapshots in order, and
must only pass them on. Nothing here waits for the network while it holds the turn.

Faults of store and vault are told as Trouble by the actions that answer with an outcome, and raised as `Failed` by those that
answer with something else (a draft). Must not know: which transport, which screens.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from field_app.device import Device, Folder, Surroundings, open_folder, wiped_by
from field_app.outcomes import Enrolled, Saved, SyncCounts, Trouble
from field_app.picture import (
    Lines,
    alarms,
    delivery_line,
    drafts,
    in_order,
    me_of,
    notices,
    outbox_rows,
    with_connection,
)
from field_app.session import Session
from field_app.snapshot import DeliveryLine, Gate, Phase, ReferralRow, Sending, Settings, Snapshot
from field_app.store import cursor, incidents
from field_app.store.binding import Binding
from field_app.store.database import StoreError
from field_app.troubles import FAULTS, trouble
from field_app.vault.errors import NotRead
from field_app.vault.files import read_whole, write_durably
from field_app.vault.header_file import read_header
from field_app.vault.keys import StoreName
from field_app.vault.pin import Origin
from referral.codec import canonical, from_wire, parse, to_wire
from referral.model import OpId, ReferralId
from referral.problems import FieldError, ProblemCode

log = logging.getLogger(__name__)

SETTINGS: Final = "settings.json"


class Failed(RuntimeError):
    """An action that answers with no outcome could not be done: `trouble` says why. Nothing was changed."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.problem.value)
        self.trouble = trouble


class Courier(Protocol):
    """Delivers in the background for one open device."""

    def start(self) -> None:
        """Begin to deliver."""

    def stop(self) -> None:
        """End; what is under way may end by itself."""

    def wake(self, *, at_once: bool = False) -> None:
        """There is something to send, or to fetch."""

    def pause(self) -> None:
        """Make no request until `resume`."""

    def resume(self) -> None:
        """Deliver again, at once."""

    def unlocked(self) -> None:
        """The vault is open: there is something to listen for."""

    def sync_now(self) -> tuple[SyncCounts, Trouble | None]:
        """Deliver and fetch until nothing is due; counts of this call, and why it did not end well, if so."""

    def retry(self, op_id: OpId) -> bool:
        """Offer an operation that needs attention again; False when there is none to offer."""

    def reach(self) -> str | None:
        """None when the case system answers; else what stands in the way."""

    def line(self) -> DeliveryLine:
        """Connection, last sync and next try."""


class Enrol(Protocol):
    """Enrols a folder over the network and leaves it whole, or says why not."""

    def __call__(self, server: str, code: str, pin: str | None, origin: Origin) -> Enrolled | Trouble: ...


class Acting:
    """The base of `Actions`."""

    def __init__(
        self,
        *,
        folder: Path,
        surroundings: Surroundings,
        enrol: Enrol,
        courier: Callable[[Device, Callable[[], None]], Courier],
        background: bool = True,
    ) -> None:
        """Open what is in `folder`, shut. background: deliver in the background (an app), or only when asked (a command)."""
        self.folder, self.surroundings = Folder(path=folder), surroundings
        self._enrol, self._make_courier, self._background = enrol, courier, background
        self._turn: Final = threading.RLock()
        self._subscribers: list[Callable[[Snapshot], None]] = []
        self._device: Device | None = None
        self._courier: Courier | None = None
        self._trouble: Trouble | None = None
        self._gate = Gate()
        self._lines: tuple[Session, Lines] | None = None
        self._settings = self._read_settings()
        self._told: tuple[int, int] | None = None
        self._reopen()

    # ------------------------------------------------------------------------------------------------ what is shown
    def snapshot(self) -> Snapshot:
        """Everything on screen at this moment."""
        with self._turn:
            try:
                return self._snapshot()
            except FAULTS as error:
                gate = replace(self._gate, problem=trouble(error).problem)
                return Snapshot(phase=Phase.SHUT, now=self._now(), gate=gate, settings=self._settings)

    def subscribe(self, callback: Callable[[Snapshot], None]) -> Callable[[], None]:
        """Call `callback` with each new snapshot, from whatever thread made it; the disposer ends that."""
        with self._turn:
            self._subscribers.append(callback)

        def dispose() -> None:
            with self._turn:
                if callback in self._subscribers:
                    self._subscribers.remove(callback)

        return dispose

    def poll(self) -> None:
        """Tell subscribers if another process wrote to the file since they were last told. Cheap."""
        with self._turn:
            if (device := self._device) is None:
                return
            roomy = not device.ballast.whole and device.ballast.keep()
            if roomy or device.store.mark() != self._told:
                self._changed()

    @property
    def binding(self) -> Binding | None:
        """Whose device this is, PIN or not; None before enrolment."""
        return None if self._device is None else self._device.binding

    @property
    def trouble(self) -> Trouble | None:
        """Why the device in the folder could not be opened, if so."""
        return self._trouble

    def close(self) -> None:
        """Stop delivering, lock, close the database."""
        with self._turn:
            courier, self._courier = self._courier, None
            device, self._device = self._device, None
        if courier is not None:
            courier.stop()
        if device is not None:
            with suppress(*FAULTS):  # the keys are gone all the same; the log is emptied at the next start
                device.close()

    # ------------------------------------------------------------------------------------------------ for the actions
    def _reopen(self, *, rebuild: bool = False) -> None:
        opened = open_folder(self.folder, self.surroundings, self._turn, rebuild=rebuild)
        if isinstance(opened, Trouble):
            self._trouble = opened
            if opened.problem is not ProblemCode.NOT_ENROLLED:
                self._gate = replace(self._gate, problem=opened.problem)
            return
        self._trouble, self._device = None, opened
        self._gate = self._gate_of(opened)
        self._courier = self._make_courier(opened, self._changed)
        if self._settings.sending is Sending.PAUSED:
            self._courier.pause()
        if self._background:
            self._courier.start()

    def _rebuild(self) -> None:
        """Take over what can be read of a database that was found damaged in use. Call it outside the turn."""
        with suppress(StoreError):  # a damaged file may not let itself be closed well
            self.close()
        with self._turn:
            self._reopen(rebuild=True)

    def _gate_of(self, device: Device) -> Gate:
        """What stands before the door now, without trying anything."""
        problem: ProblemCode | None = None
        until = None
        try:
            if device.binding.wiped:
                problem = wiped_by(device)
            elif (lock := device.door.locked(now=self._now(), release_after=device.release_after)) is not None:
                problem, until = ProblemCode.LOCKED, lock.until
        except FAULTS as error:
            problem = trouble(error).problem
        return Gate(problem=problem, locked_until=until, file_store=self._key_store() is StoreName.FILE)

    def _key_store(self) -> StoreName | None:
        try:
            header = read_header(self.folder.header)
            return None if header is None else header.store
        except FAULTS:
            return None

    def _open_session(self) -> Session:
        """The open session as it is: enough for what begins a transaction, which takes in what other processes wrote. Errors: Failed."""
        session = self._open_device().session
        if session is None:
            raise Failed(Trouble(problem=ProblemCode.SHUT))
        return session

    def _session(self) -> Session:
        """The open session, with what other processes wrote taken in. Errors: Failed while shut, or where the file does not answer."""
        session = self._open_session()
        try:
            session.records.refresh()
        except FAULTS as error:
            raise Failed(trouble(error)) from error
        session.holdings.follow()
        return session

    def _open_device(self) -> Device:
        if self._device is None:
            raise Failed(self._trouble or Trouble(problem=ProblemCode.NOT_ENROLLED))
        return self._device

    def _changed(self) -> None:
        """Tell everyone."""
        with self._turn:
            if not self._subscribers:
                return
            if self._device is not None:
                with suppress(*FAULTS):  # what follows was done, and is told, whatever the disk does now
                    self._told = self._device.store.mark()
            shot = self.snapshot()
            for callback in list(self._subscribers):
                try:
                    callback(shot)
                except Exception:  # a screen that has gone must not stop a save, nor the delivery
                    log.exception("a screen could not be told")

    def _wake(self, *, at_once: bool = True) -> None:
        if self._courier is not None:
            self._courier.wake(at_once=at_once)

    def _saved(self, referral_id: ReferralId, op_id: OpId) -> Saved:
        """Say that it is saved, wake the courier, tell everyone."""
        self._wake()
        self._changed()
        try:
            row = self._row(referral_id)
        except (Failed, *FAULTS):  # saved all the same, and saying less is better than saying that it failed
            row = None
        return Saved(referral_id=referral_id, op_id=op_id, call=None if row is None else row.call)

    def _row(self, referral_id: ReferralId) -> ReferralRow | None:
        device, session = self._open_device(), self._session()
        ours = {step.op_id: None for step in session.holdings.steps.get(referral_id, ())}  # in their order, each once
        if (record := session.holdings.records.get(referral_id)) is not None:
            ours[record.op_id] = None
        with device.store.read() as tx:
            entries = [entry for op_id in ours if (entry := device.outbox.entry(tx, op_id)) is not None]
        return self._lines_of(device, session).one(referral_id, entries)

    def _lines_of(self, device: Device, session: Session) -> Lines:
        if self._lines is None or self._lines[0] is not session or self._lines[1].programme is not device.programme:
            self._lines = (session, Lines(session, me_of(device), device.programme))
        return self._lines[1]

    def _now(self) -> datetime:
        return self.surroundings.clock.now()

    # ------------------------------------------------------------------------------------------------ inside
    def _snapshot(self) -> Snapshot:
        now, device = self._now(), self._device
        if device is None:
            missing = self._trouble is None or self._trouble.problem is ProblemCode.NOT_ENROLLED
            phase = Phase.NOT_ENROLLED if missing else Phase.SHUT
            return Snapshot(phase=phase, now=now, gate=self._gate, settings=self._settings)
        session = device.session
        if session is not None:
            session.records.refresh()
            session.holdings.follow()
        with device.store.read() as tx:
            counts, entries = device.outbox.counts(tx, now), device.outbox.entries(tx)
            happened, carriage = incidents.load(tx, device.chain), cursor.load(tx, device.chain)
        line = delivery_line(counts)
        if self._courier is not None:
            line = with_connection(line, self._courier.line())
        shut = Snapshot(
            phase=Phase.SHUT,
            now=now,
            me=me_of(device),
            gate=self._gate,
            delivery=line,
            outbox=outbox_rows(entries, {}, now),
            alarms=alarms(device, happened, revoked=carriage.revoked),
            settings=self._settings,
            programme=device.programme,
        )
        if session is None:
            return shut
        entries = self._lines_of(device, session).named(entries)
        rows = self._lines_of(device, session).all(entries)
        listed, inbox = in_order(rows, device.binding.role)
        holdings = session.holdings
        return replace(
            shut,
            phase=Phase.OPEN,
            referrals=listed,
            inbox=inbox,
            notices=notices(holdings),
            caseload=None if holdings.caseload is None else holdings.caseload[1],
            outbox=outbox_rows(entries, rows, now),
            drafts=drafts(holdings),
        )

    def _read_settings(self) -> Settings:
        try:
            data = read_whole(self.folder.path / SETTINGS)
            return Settings() if data is None else from_wire(Settings, parse(data), keep_unknown=True)
        except (NotRead, FieldError):
            return Settings()

    def _write_settings(self, settings: Settings) -> None:
        with suppress(OSError):  # the write below says what is wrong with the folder
            self.folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_durably(self.folder.path / SETTINGS, canonical(to_wire(settings)))
