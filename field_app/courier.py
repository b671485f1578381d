"""The device as a delivery round sees it, and the courier that the actions know: worker, listener and transport put together.

A composition module: it may know the sync package and the device. Threads, clock and transport are made here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from field_app.device import Device
from field_app.outcomes import SyncCounts, Trouble
from field_app.snapshot import Connection, DeliveryLine
from field_app.store.database import Transaction
from field_app.store.outbox import Outgoing
from field_app.store.records import Page
from field_app.sync.engine import Access, Filing, SyncEngine, TextGone
from field_app.sync.errors import SyncFault
from field_app.sync.listener import Listener
from field_app.sync.lock import FolderLock
from field_app.sync.machine import Event, IllegalDelivery, State
from field_app.sync.worker import Worker, WorkerState
from field_app.troubles import FAULTS, trouble
from field_app.vault.errors import VaultLocked
from referral.envelope import ServerPublicKey
from referral.model import OpId
from referral.port import AgencyKey, CaseSystem, Change, DeviceOrders, PackDelivery, Receipt, Refused, SyncRequest
from referral.problems import PROBLEMS, ProblemCode


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plain:
    """A transaction while the vault is shut."""

    tx: Transaction


class DeviceSide:
    """`field_app.sync.engine.Device` over a real device. Its methods are called by the delivery's thread."""

    def __init__(self, device: Device) -> None:
        self._device = device

    def access(self) -> Access:
        """Who we are and what is open now."""
        device = self._device
        with device.turn:
            session, binding = device.session, device.binding
            return Access(
                device_id=binding.device_id,
                server_key=ServerPublicKey.from_bytes(binding.server_key),
                append_token=binding.append_token,
                read_token=None if session is None else session.read_token,
                app=device.surroundings.app,
                generation=None if session is None else session.records.generation,
                pack=binding.pack,
                reoffer_days=device.programme.timers.reoffer_days,
            )

    def read(self) -> AbstractContextManager[Transaction]:
        """One moment of the file."""
        return self._device.store.read()

    @contextmanager
    def write(self) -> Iterator[Filing]:
        """One durable transaction; with the vault's page where it is open."""
        device = self._device
        with device.turn:
            session = device.session
            if session is None:
                with device.store.write() as tx:
                    yield _Plain(tx=tx)
                return
            with session.records.write() as page:
                yield page
            session.holdings.follow()

    def settled(self, filing: Filing, receipts: Mapping[OpId, tuple[State, Receipt]]) -> None:
        """Nothing to note: the outbox holds the states, and steps go when a view shows them."""

    def apply(self, filing: Filing, changes: tuple[Change, ...], *, reset: bool) -> None:
        """Take the changes in. Errors: VaultLocked when the vault was shut since they were asked for; the cursor stays."""
        session = self._device.session
        if session is None or not isinstance(filing, Page):
            raise VaultLocked("the vault was shut while the answer came")
        session.apply(filing, changes, reset=reset)

    def adopt_key(self, filing: Filing, key: AgencyKey) -> None:
        """Seal new operations for this key from now on."""
        self._device.adopt_key(filing.tx, key)

    def reseal(self, filing: Filing, op_id: OpId) -> Outgoing | TextGone | None:
        """The same operation sealed again; None while the vault is shut, or no newer key is known than the one it has."""
        session = self._device.session
        if session is None or not isinstance(filing, Page):
            return TextGone() if self._device.binding.wiped else None
        return session.reseal(filing, op_id) if session.has_text(op_id) else TextGone()

    def obey(self, orders: DeviceOrders) -> None:
        """Release the door, wipe the readable records, or tell of a vault that is older than it was."""
        if orders.generation is not None:
            self._device.compare_generation(orders.generation)
        if orders.release:
            with self._device.turn:
                self._device.door.release(now=self._device.surroundings.clock.now())
        if orders.wipe:
            self._device.wipe()

    def install(self, pack: PackDelivery) -> None:
        """Install a newer pack; one that is not whole is left alone and asked for again by its digest."""
        self._device.install(pack)


_SIGNED_OUT = (ProblemCode.NOT_SIGNED_IN, ProblemCode.NOT_PERMITTED, ProblemCode.DEVICE_REVOKED)
_CONNECTION = {
    ProblemCode.NO_CONNECTION: Connection.NO_CONNECTION,
    ProblemCode.NOT_A_CASE_SYSTEM: Connection.NOT_A_CASE_SYSTEM,
    ProblemCode.NOT_THE_AGENCY: Connection.NOT_THE_AGENCY,
} | dict.fromkeys(_SIGNED_OUT, Connection.SIGNED_OUT)


def connection_of(state: WorkerState) -> Connection:
    """Why things do or do not go out just now, in the word of the status line."""
    if state.busy:
        return Connection.SYNCING
    if state.paused:
        return Connection.PAUSED
    if state.problem is not None:
        return _CONNECTION.get(state.problem, Connection.BUSY)
    return Connection.NOT_TRIED if state.last_sync is None else Connection.OK


class Transport(Protocol):
    """A case system at an address, over some network."""

    def case_system(self, server: str) -> CaseSystem:
        """To send and fetch; for one thread."""

    def listener(self, server: str, token: Callable[[], str | None], worker: Worker) -> Listener | None:
        """To be told of news; None where there is no stream."""


class BackgroundCourier:
    """`field_app.acting.Courier`: one worker and one listener for one device."""

    def __init__(
        self,
        device: Device,
        changed: Callable[[], None],
        *,
        transport: Transport,
        uniform: Callable[[float, float], float],
        paused: bool = False,
    ) -> None:
        server = device.binding.server
        self._transport = transport
        engine = SyncEngine(
            case_system=transport.case_system(server),
            outbox=device.outbox,
            chain=device.chain,
            device=DeviceSide(device),
            random_bytes=device.surroundings.random_bytes,
            uniform=uniform,
        )
        self._device, self._changed = device, changed
        self._worker = Worker(
            engine=engine,
            lock=FolderLock(device.folder.path / "sync.lock"),
            now=device.surroundings.clock.now,
            changed=self._tell,
            paused=paused,
        )
        self._listener = transport.listener(server, self._token, self._worker)

    def start(self) -> None:
        """Begin to deliver and to listen."""
        self._worker.start()
        if self._listener is not None:
            self._listener.start()

    def stop(self) -> None:
        """End; a request under way may end by itself."""
        if self._listener is not None:
            self._listener.stop()
        self._worker.stop()

    def wake(self, *, at_once: bool = False) -> None:
        """There is something to send, or to fetch."""
        self._worker.wake(at_once=at_once)

    def pause(self) -> None:
        """Make no request until `resume`."""
        self._worker.pause()

    def resume(self) -> None:
        """Deliver again, at once."""
        self._worker.resume()

    def unlocked(self) -> None:
        """The vault is open: fetch, and listen."""
        self._worker.wake(at_once=True)
        if self._listener is not None:
            self._listener.poke()

    def sync_now(self) -> tuple[SyncCounts, Trouble | None]:
        """Deliver and fetch until nothing is due; counts of this call, and why it did not end well, if so."""
        try:
            report = self._worker.sync_now()
        except FAULTS as error:
            return SyncCounts(), trouble(error)
        counts = SyncCounts(
            sent=report.sent,
            stored=report.stored,
            accepted=report.accepted,
            needs_attention=report.needs_attention,
            waiting=report.waiting,
            pulled=report.pulled,
        )
        return counts, None if report.problem is None else Trouble(problem=report.problem)

    def retry(self, op_id: OpId) -> bool:
        """Offer an operation that needs attention again; False when there is none to offer."""
        try:
            with self._device.store.write() as tx:
                self._device.outbox.move(tx, [op_id], Event.RETRY)
        except (IllegalDelivery, ValueError):
            return False
        return True

    def reach(self) -> str | None:
        """None when the case system answers; else what stands in the way. Sends no operation and asks for no news."""
        device = self._device
        request = SyncRequest(nonce=device.surroundings.random_bytes(16).hex())
        try:
            self._transport.case_system(device.binding.server).sync(device.binding.append_token, request)
        except (SyncFault, Refused) as error:
            return PROBLEMS[error.code].title
        return None

    def line(self) -> DeliveryLine:
        """Connection, last sync and next try."""
        state = self._worker.state()
        return DeliveryLine(connection=connection_of(state), last_sync=state.last_sync, next_try=state.next_try)

    def _token(self) -> str | None:
        with self._device.turn:
            return None if self._device.session is None else self._device.session.read_token

    def _tell(self) -> None:
        self._changed()
