"""One device's delivery with its real parts: SQLite, chain, envelopes; a virtual clock and a case system to choose."""

from __future__ import annotations

import json
import random
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlite_utils import Database

from field_app.store import cursor
from field_app.store.cursor import Carriage
from field_app.store.database import Store
from field_app.store.envelope_files import EnvelopeFiles
from field_app.store.outbox import Outbox, Outgoing
from field_app.sync.engine import Access, Filing, RoundResult, SyncEngine, SyncReport
from field_app.sync.enrol import enrol, invitation
from field_app.sync.errors import Interrupted
from field_app.sync.machine import State
from field_app.vault.door import create_device_chain, open_device_chain
from field_app.vault.keys import StoreName
from field_app.vault.keystores import MemoryKeys
from field_app.vault.vault import DeviceChain
from referral.envelope import AgencyPublicKey, DeviceSigningKey, Header, ServerPublicKey, seal
from referral.model import DeviceId, Kind, OpId, Referral, ReferralId, UserId, Willing
from referral.operations import SCHEMA, Create, Op, Operation, encode
from referral.port import (
    AgencyKey,
    CaseSystem,
    Change,
    DeviceOrders,
    Enrolment,
    EnrolRequest,
    PackDelivery,
    Receipt,
    SyncRequest,
    SyncResponse,
)
from tests.support.memory_case_system import MemoryCaseSystem, ReplyLost

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Kill(BaseException):
    """The process dies here."""


@dataclass
class TxOnly:
    """The transaction, and nothing hung on it."""

    tx: Database


class Direct:
    """The case system called in this process; a lost reply is the transport's fault."""

    def __init__(self, inner: CaseSystem) -> None:
        self.inner = inner

    def enrol(self, request: EnrolRequest) -> Enrolment:
        return self.inner.enrol(request)

    def sync(self, token: str, request: SyncRequest) -> SyncResponse:
        try:
            return self.inner.sync(token, request)
        except ReplyLost as error:
            raise Interrupted("the exchange was cut") from error


@dataclass
class Rig:
    """A device: what survives a restart lies in `folder` and `keys`; `kill` names the place where the next run dies."""

    folder: Path
    case_system: CaseSystem
    server_key: ServerPublicKey
    agency_key: AgencyKey
    device_key: DeviceSigningKey
    device_id: DeviceId
    append_token: str
    read_token: str
    now: datetime = NOON
    unlocked: bool = True
    app: str = "lead-field 0.1.0"
    user: str = "officer.example"
    agency: str = "11" * 8
    keys: MemoryKeys = field(default_factory=lambda: MemoryKeys(StoreName.KEYRING))
    kill: str = ""
    seed: int = 1
    reseals: bool = True
    generation: int | None = None
    pack: str | None = None
    obeyed: list[DeviceOrders] = field(default_factory=list)
    installed: list[PackDelivery] = field(default_factory=list)
    plain: dict[OpId, Operation] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.random_bytes: Callable[[int], bytes] = self.random.randbytes
        header = self.folder / "device.header"
        if header.exists():
            opened = open_device_chain(header, [self.keys], self.random_bytes)
            assert isinstance(opened, DeviceChain)
            self.chain = opened
        else:
            self.chain = create_device_chain(header, [self.keys], self.random_bytes)
        self.store = Store(self.folder / "field.db")
        self.files = EnvelopeFiles(self.folder / "outbox")
        self.outbox = Outbox(chain=self.chain, files=self.files)
        self.engine = SyncEngine(
            case_system=Direct(self.case_system),
            outbox=self.outbox,
            chain=self.chain,
            device=self,
            random_bytes=self.random_bytes,
            uniform=self.random.uniform,
        )

    def restart(self) -> Rig:
        """The same device after the process died."""
        self.store.close()
        again = Rig(**{name: getattr(self, name) for name in self.__dataclass_fields__ if name != "kill"})
        again.kill = ""
        return again

    # ------------------------------------------------------------------------------------------------ the engine's Device
    def access(self) -> Access:
        return Access(
            device_id=self.device_id,
            server_key=self.server_key,
            append_token=self.append_token,
            read_token=self.read_token if self.unlocked else None,
            app=self.app,
            generation=self.generation,
            pack=self.pack,
        )

    @contextmanager
    def read(self) -> Iterator[Database]:
        with self.store.read() as tx:
            yield tx

    @contextmanager
    def write(self) -> Iterator[Filing]:
        with self.store.write() as tx:
            yield TxOnly(tx)
            self._die("commit")

    def settled(self, filing: Filing, receipts: Mapping[OpId, tuple[State, Receipt]]) -> None:
        self._note(filing.tx, "settled", [[op_id, state.value] for op_id, (state, _) in receipts.items()])
        if receipts:
            self._die("settled")

    def apply(self, filing: Filing, changes: tuple[Change, ...], *, reset: bool) -> None:
        if reset:
            filing.tx.conn.execute("DELETE FROM carriage WHERE name = 'applied'")
        self._note(filing.tx, "applied", [change.seq for change in changes])
        self._die("apply")

    def adopt_key(self, filing: Filing, key: AgencyKey) -> None:
        self.agency_key = key

    def reseal(self, filing: Filing, op_id: OpId) -> Outgoing | None:
        if not (self.reseals and self.unlocked):
            return None
        return self._seal(filing.tx, self.plain[op_id])

    def obey(self, orders: DeviceOrders) -> None:
        self.obeyed.append(orders)

    def install(self, pack: PackDelivery) -> None:
        self.installed.append(pack)

    @contextmanager
    def rolled_back(self) -> Iterator[Database]:
        """A transaction that comes to nothing."""
        with suppress(Kill), self.store.write() as tx:
            yield tx
            raise Kill

    # ------------------------------------------------------------------------------------------------ what a person does
    def save(self, referral_id: str | None = None) -> OpId:
        """Save a referral as the app does: row and chain in one transaction, then the file."""
        operation = self.operation(referral_id or self.random_bytes(16).hex())
        with self.store.write() as tx:
            outgoing = self._seal(tx, operation)
            op_id = self.outbox.add(tx, outgoing)
        with self.store.read() as tx:
            self.outbox.write_files(tx, [op_id])
        return op_id

    def hold(self, referral_id: str) -> OpId:
        """Keep the copy of a draft."""
        operation = self.operation(referral_id, Op.INCOMPLETE)
        with self.store.write() as tx:
            return self.outbox.hold(tx, self._seal(tx, operation))

    def save_many(self, n: int) -> list[OpId]:
        """Save `n` referrals in one transaction, without files."""
        with self.store.write() as tx:
            return [self.outbox.add(tx, self._seal(tx, self.operation(self.random_bytes(16).hex()))) for _ in range(n)]

    def operation(self, referral_id: str, op: Op = Op.CREATE) -> Operation:
        referral = Referral(referral_id=ReferralId(referral_id), kind=Kind.SOCIAL, willing=Willing.YES)
        return Operation(
            op=op,
            referral_id=referral.referral_id,
            nonce=self.random_bytes(4).hex(),
            made_at=self.now,
            made_by=UserId(self.user),
            body=Create(referral=referral),
        )

    def round(self, *, at_once: bool = False) -> RoundResult:
        return self.engine.round(self.now, at_once=at_once)

    def sync(self) -> SyncReport:
        return self.engine.sync_until_quiet(self.now)

    # ------------------------------------------------------------------------------------------------ what a test looks at
    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def states(self) -> dict[OpId, State]:
        with self.store.read() as tx:
            return dict(self.outbox.states(tx))

    def state(self, op_id: OpId) -> State:
        return self.states()[op_id]

    def attempts(self, op_id: OpId) -> int:
        with self.store.read() as tx:
            entry = self.outbox.entry(tx, op_id)
        assert entry is not None
        return entry.attempts

    def carriage(self) -> Carriage:
        with self.store.read() as tx:
            return cursor.load(tx, self.chain)

    def applied(self) -> list[int]:
        return self._noted("applied")

    def verify(self) -> None:
        with self.store.read() as tx:
            self.outbox.verify(tx)

    def _seal(self, tx: Database, operation: Operation) -> Outgoing:
        draft = operation.referral_id if operation.op in (Op.CREATE, Op.INCOMPLETE) else None
        agency = AgencyPublicKey.from_bytes(self.agency_key.public_key)
        header = Header(
            agency=bytes.fromhex(self.agency),
            key_id=agency.key_id,
            op_id=self.random_bytes(16),
            device_id=bytes.fromhex(self.device_id),
            device_seq=self.outbox.next_seq(tx, draft),
            schema=SCHEMA,
        )
        envelope = seal(encode(operation), header, agency, self.device_key)
        outgoing = Outgoing(
            envelope=envelope,
            referral_id=operation.referral_id,
            operation=operation.op,
            made_at=operation.made_at,
        )
        self.plain[outgoing.op_id] = operation
        return outgoing

    def _note(self, tx: Database, name: str, more: list[object]) -> None:
        found = tx.conn.execute("SELECT box FROM carriage WHERE name = ?", [name]).fetchone()
        noted = (json.loads(found[0]) if found else []) + more
        box = json.dumps(noted).encode()
        tx.conn.execute("INSERT OR REPLACE INTO carriage (name, box) VALUES (?, ?)", [name, box])

    def _noted(self, name: str) -> list[int]:
        with self.store.read() as tx:
            found = tx.conn.execute("SELECT box FROM carriage WHERE name = ?", [name]).fetchone()
        noted: list[int] = json.loads(found[0]) if found else []
        return noted

    def _die(self, place: str) -> None:
        if self.kill == place:
            raise Kill(place)


def memory_rig(folder: Path, case_system: MemoryCaseSystem, carrier: CaseSystem | None = None) -> Rig:
    """A device that the memory case system knows; `carrier` stands between them."""
    key = DeviceSigningKey.generate()
    device_id = DeviceId("d0" * 16)
    known = case_system.add_device(device_id, key.public())
    return Rig(
        folder=folder,
        case_system=carrier or case_system,
        server_key=case_system.server_key.public(),
        agency_key=case_system.agency_key,
        device_key=key,
        device_id=device_id,
        append_token=known.append_token,
        read_token=known.read_token,
    )


def enrolled_rig(folder: Path, carrier: CaseSystem, code: str, now: datetime) -> Rig:
    """A device that enrols by a code at any case system."""
    asked = invitation("http://127.0.0.1:1", code)
    made = enrol(carrier, asked, app="lead-field 0.1.0", platform="test", random_bytes=secrets.token_bytes)
    return Rig(
        folder=folder,
        case_system=carrier,
        server_key=ServerPublicKey.from_bytes(made.enrolment.server_key),
        agency_key=made.enrolment.agency_key,
        device_key=made.device_key,
        device_id=made.device_id,
        append_token=made.enrolment.append_token,
        read_token=made.enrolment.read_token,
        now=now,
        user=made.enrolment.user,
        agency=made.enrolment.agency,
        seed=secrets.randbits(32),
    )
