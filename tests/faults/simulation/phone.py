"""One device at work in a case: the real actions, store, vault and sync engine over real files, stepped directly.

A crash throws away everything in memory: the open database is closed as the system closes a dead process's (an open transaction
is undone), and the next life starts from the files. Steps of saving and filing are pointed out at the device's own store.
"""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlite_utils import Database

from field_app.actions import Actions
from field_app.courier import DeviceSide
from field_app.device import Device, Surroundings
from field_app.outcomes import Enrolled, SyncCounts, Trouble
from field_app.session import Session
from field_app.snapshot import DeliveryLine
from field_app.sync.engine import RoundResult, SyncEngine
from field_app.sync.machine import Event, IllegalDelivery, State
from field_app.troubles import FAULTS
from field_app.vault.keys import StoreName
from field_app.vault.keystores import MemoryKeys
from field_app.vault.pin import Origin
from referral.lifecycle import Role
from referral.model import OpId
from referral.port import DeviceOrders
from referral.problems import ProblemCode
from tests.faults.simulation.faults import Step
from tests.faults.simulation.line import Line
from tests.support.station import PIN

if TYPE_CHECKING:
    from tests.faults.simulation.world import World

AFTER_FAULT_MS: Final = 30_000  # as the worker waits after a fault of the store


class DeviceCrashed(BaseException):
    """The app's process is gone."""

    def __init__(self, phone: Phone) -> None:
        super().__init__(phone.index)
        self.phone = phone


class PhoneKeys(MemoryKeys):
    """The fake key store, with the moment of a write pointed out."""

    def __init__(self, touched: Callable[[], None]) -> None:
        super().__init__(StoreName.KEYRING)
        self._touched = touched

    def set(self, name: str, value: bytes) -> None:
        """See KeyStore."""
        self._touched()
        super().set(name, value)


@dataclass
class PhoneClock:
    """The device's clock: the world's, wrong by `off`; the monotonic one runs on."""

    world: World
    off: timedelta = timedelta()

    def now(self) -> datetime:
        return self.world.moment + self.off

    def mono_ms(self) -> int:
        return self.world.now


class Phone:
    """Device number `index` of the case."""

    def __init__(self, world: World, index: int, folder: Path, user: str) -> None:
        self.world, self.index, self.folder, self.user = world, index, folder, user
        self.chance = random.Random(f"{world.seed} phone {index}")
        self.device_id = json.loads((folder / "device.json").read_text())["device_id"]
        self.clock = PhoneClock(world)
        self.keys = PhoneKeys(self._key_store_touched)
        self.life = 0
        self.doing, self.phase, self.writes = "", "", 0
        self.busy = self.wanted = False
        self.line = Line(self)
        self.engine: SyncEngine | None = None
        self.actions: Actions | None = None
        self.version = 1
        self.pen_is_newer = False
        self.expired_until = self.barred_until = 0
        self.barred_by = ProblemCode.NOT_SIGNED_IN
        self.boot_after_ms = 10
        self.revoked = self.wiped = False
        self.round_at: int | None = None
        self.at_once = False

    # ------------------------------------------------------------------------------------------------ life and death
    def boot(self) -> None:
        """Start the app over the folder. A key store that does not answer leaves it shut."""
        self.life += 1
        machine = Surroundings(
            keystores=[self.keys],
            clock=self.clock,
            random_bytes=self.chance.randbytes,
            scrypt_n=2,
            minimum_n=2,
            app=f"lead-field/{self.version}",
            platform="test",
        )
        self.engine = None
        self.actions = Actions(
            folder=self.folder, surroundings=machine, enrol=_nobody_enrols, courier=self._courier, background=False
        )
        if self.up:
            self.world.watch.opened(self)
            self.world.want(self, 1)

    def die(self) -> None:
        """End the process without a word."""
        self.life += 1
        device = self.device_or_none
        self.actions, self.engine, self.busy = None, None, False
        self.doing, self.phase = "", ""
        if device is not None:
            device.store.database.conn.close()

    @property
    def up(self) -> bool:
        """Whether an app runs over an open folder."""
        return self.device_or_none is not None

    @property
    def device_or_none(self) -> Device | None:
        return None if self.actions is None else self.actions._device

    @property
    def device(self) -> Device:
        """The inside, while the app runs."""
        device = self.device_or_none
        assert device is not None
        return device

    @property
    def session(self) -> Session | None:
        device = self.device_or_none
        return None if device is None else device.session

    @property
    def role(self) -> Role:
        return self.device.binding.role

    def still(self, life: int) -> None:
        """Raise DeviceCrashed when the process that asks is not the one that lives."""
        if self.life != life:
            raise DeviceCrashed(self)

    # ------------------------------------------------------------------------------------------------ what it does
    @contextmanager
    def at_work(self, doing: str) -> Iterator[None]:
        """While a person does something on it, in the middle of whatever it does itself."""
        before = self.doing, self.phase, self.writes
        self.doing, self.phase, self.writes = doing, "", 0
        life = self.life
        try:
            yield
        finally:
            if self.life == life:
                self.doing, self.phase, self.writes = before

    def unlock(self) -> None:
        """Open the vault with the right PIN."""
        if self.actions is not None and self.up and self.session is None:
            with self.at_work("unlocking"):
                outcome = self.actions.unlock(PIN)
            self.world.note(f"phone {self.index} unlock: {_said(outcome)}")

    def lock(self) -> None:
        """Shut the vault."""
        if self.actions is not None and self.session is not None:
            with self.at_work("locking"):
                self.actions.lock()
            self.world.note(f"phone {self.index} lock")

    def round(self, *, at_once: bool) -> RoundResult | None:
        """One round of the delivery; None when the store failed, which is tried again as the worker would."""
        engine = self.engine
        if engine is None or self.busy:
            self.wanted = True
            return None
        life, before = self.life, self.states()
        self.busy = True
        result: RoundResult | None = None
        try:
            with self.at_work("round"):
                result = engine.round(self.clock.now(), at_once=at_once)
        except FAULTS as error:
            self.world.note(f"phone {self.index} round: {type(error).__name__}")
            self.world.want(self, AFTER_FAULT_MS)
        finally:
            if self.life == life:
                self.busy = False
        self.world.watch.rounded(self, before, result)
        return result

    def states(self) -> dict[OpId, State]:
        """Where every operation stands."""
        with self.device.store.read() as tx:
            return dict(self.device.outbox.states(tx))

    # ------------------------------------------------------------------------------------------------ steps
    def passing(self, step: Step) -> None:
        """Let what is armed for this step strike."""
        self.world.passing(step, self)

    def _key_store_touched(self) -> None:
        if self.doing == "unlocking":
            self.passing(Step.UNLOCKING)
        elif self.doing == "locking":
            self.passing(Step.LOCKING)

    def _courier(self, device: Device, changed: Callable[[], None]) -> StillCourier:
        self._probe(device)
        self.engine = SyncEngine(
            case_system=self.line,
            outbox=device.outbox,
            chain=device.chain,
            device=ProbedSide(device, self),
            random_bytes=self.chance.randbytes,
            uniform=self.chance.uniform,
        )
        return StillCourier(self, device, self.engine)

    def _probe(self, device: Device) -> None:
        """Point out the moments around each COMMIT of this device's store, and before an envelope file."""
        commit, file = device.store.write, device.outbox._files.write

        @contextmanager
        def write() -> Iterator[Database]:
            with commit() as tx:
                yield tx
                if (step := self._step()) is not None:
                    self.passing(step)
            self.writes += 1
            if self.doing == "round" and self.phase in ("filing", "pulling"):
                done = Step.FILED if self.phase == "filing" else Step.PULLED
                self.phase = "pulling"
                self.passing(done)

        def write_file(op_id: OpId, envelope: bytes) -> None:
            if self.doing == "saving":
                self.passing(Step.SAVED)
            file(op_id, envelope)

        setattr(device.store, "write", write)  # noqa: B010 - an instance's own, not the class's
        setattr(device.outbox._files, "write", write_file)  # noqa: B010

    def _step(self) -> Step | None:
        match self.doing, self.phase:
            case "saving", _:
                return Step.SAVING
            case "unlocking", _:
                return Step.UNLOCKING
            case "round", "filing":
                return Step.FILING
            case "round", "pulling":
                return Step.PULLING
            case "round", "noting":
                return Step.NOTING
            case "round", "wiping":
                return Step.WIPING
            case _:
                return None


class ProbedSide(DeviceSide):
    """The device as a round sees it, with the wipe pointed out."""

    def __init__(self, device: Device, phone: Phone) -> None:
        super().__init__(device)
        self._phone = phone

    def obey(self, orders: DeviceOrders) -> None:
        """See DeviceSide."""
        before = self._phone.phase
        if orders.wipe:
            self._phone.phase = "wiping"
        super().obey(orders)
        self._phone.phase = before


def disk_full() -> sqlite3.OperationalError:
    """What SQLite says when there is no room for a COMMIT."""
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    error.sqlite_errorname = "SQLITE_FULL"
    return error


class StillCourier:
    """`field_app.acting.Courier` without a thread: the world steps the engine."""

    def __init__(self, phone: Phone, device: Device, engine: SyncEngine) -> None:
        self._phone, self._device, self._engine = phone, device, engine

    def start(self) -> None:
        """The world decides when."""

    def stop(self) -> None:
        """Nothing runs."""

    def wake(self, *, at_once: bool = False) -> None:
        """A round soon."""
        self._phone.world.want(self._phone, 20, at_once=at_once)

    def pause(self) -> None:
        """Nobody pauses here."""

    def resume(self) -> None:
        """Nobody pauses here."""

    def unlocked(self) -> None:
        """Fetch."""
        self.wake(at_once=True)

    def sync_now(self) -> tuple[SyncCounts, Trouble | None]:
        """Rounds are the world's."""
        return SyncCounts(), None

    def retry(self, op_id: OpId) -> bool:
        """As the app's own courier."""
        try:
            with self._device.store.write() as tx:
                self._device.outbox.move(tx, [op_id], Event.RETRY)
        except (IllegalDelivery, ValueError):
            return False
        return True

    def reach(self) -> str | None:
        """Not asked here."""
        return None

    def line(self) -> DeliveryLine:
        """Not looked at here."""
        return DeliveryLine()


def _nobody_enrols(server: str, code: str, pin: str | None, origin: Origin) -> Enrolled | Trouble:
    return Trouble(problem=ProblemCode.ALREADY_ENROLLED)


def _said(outcome: object) -> str:
    return outcome.problem.value if isinstance(outcome, Trouble) else type(outcome).__name__.lower()
