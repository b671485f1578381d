"""One enrolled device in its data folder: what is there without a PIN, and the way to an open vault.

    header.json   the vault's header            chain.json   the device chain's header       attempts   the second counter
    field.db      rows, outbox, carriage        outbox/      one file per envelope           keys/      device keys, only
    device.json   enrolled: who to ask about it programme/   the installed pack, by digest              where nothing is better

`device.json` is written last by an enrolment and is the mark of a whole one; what counts is the sealed binding. One re-entrant
lock, `turn`, guards the open session, its index and its rows; the store takes its own lock below it.

Must not know: screens, the network. Errors of opening are returned as Trouble; StoreError and VaultError rise from the rest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlite_utils import Database

from field_app.clock import Clock
from field_app.outcomes import Trouble
from field_app.sealing import Sealer
from field_app.session import Session
from field_app.store import binding as bindings
from field_app.store.binding import Binding
from field_app.store.cursor import Carriage
from field_app.store.cursor import load as load_carriage
from field_app.store.database import Store, StoreError
from field_app.store.envelope_files import EnvelopeFiles
from field_app.store.outbox import Outbox
from field_app.store.records import Records, Shelf
from field_app.troubles import FAULTS, trouble
from field_app.vault.attempts import AttemptFile
from field_app.vault.door import (
    Destroyed,
    KeyLost,
    KeyState,
    KeyUnavailable,
    LockedByAttempts,
    NeverCreated,
    Unlocked,
    Unlocking,
    VaultDoor,
    WrongPin,
    open_device_chain,
)
from field_app.vault.errors import DamagedRow, KeyStoreLost, KeyStoreUnavailable, RolledBack
from field_app.vault.files import make_folder, write_durably
from field_app.vault.keystores import KeyStore
from field_app.vault.pin import Origin
from field_app.vault.vault import DeviceChain, Vault
from referral.envelope import AgencyPublicKey, DevicePublicKey, DeviceSigningKey
from referral.port import AgencyKey, PackDelivery
from referral.problems import ProblemCode
from referral.programme import PACK_FILES, PackError, Programme
from referral.programme import load as load_pack

RandomBytes = Callable[[int], bytes]

CARD: Final = "device.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the machine offers. scrypt_n: cost of new PINs, at least minimum_n. app: name and version; platform: one word."""

    keystores: Sequence[KeyStore]
    clock: Clock
    random_bytes: RandomBytes
    scrypt_n: int
    minimum_n: int
    app: str
    platform: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """Where things lie in a data folder."""

    path: Path

    @property
    def header(self) -> Path:
        return self.path / "header.json"

    @property
    def chain(self) -> Path:
        return self.path / "chain.json"

    @property
    def attempts(self) -> Path:
        return self.path / "attempts"

    @property
    def database(self) -> Path:
        return self.path / "field.db"

    @property
    def outbox(self) -> Path:
        return self.path / "outbox"

    @property
    def card(self) -> Path:
        return self.path / CARD

    def pack(self, digest: str) -> Path:
        return self.path / "programme" / digest[:32]

    @property
    def enrolled(self) -> bool:
        """Whether a whole enrolment is here."""
        return self.card.exists()


@dataclass(slots=True)
class Device:
    """An enrolled device. Made by `open_folder`; `session` is the open vault, or None."""

    folder: Folder
    surroundings: Surroundings
    store: Store
    chain: DeviceChain
    binding: Binding
    programme: Programme
    turn: AbstractContextManager[object]
    session: Session | None = None
    rolled_back: bool = False
    tries_left: int | None = None
    outbox: Outbox = field(init=False)
    door: VaultDoor = field(init=False)

    def __post_init__(self) -> None:
        self.outbox = Outbox(chain=self.chain, files=EnvelopeFiles(self.folder.outbox))
        self.door = vault_door(self.folder, self.surroundings)

    @property
    def release_after(self) -> timedelta:
        """When a lock by attempts ends by itself: the agency's figure."""
        return timedelta(minutes=self.programme.timers.attempt_lock_release_minutes)

    def unlock(self, pin: str) -> Session | Trouble:
        """Open the vault. Errors: StoreError, VaultError."""
        now = self.surroundings.clock.now()
        with self.turn:
            outcome = self.door.unlock(pin, now=now, release_after=self.release_after)
            self.tries_left = outcome.remaining if isinstance(outcome, WrongPin) else None
            return self._open(outcome.vault) if isinstance(outcome, Unlocked) else refusal(outcome)

    def change_pin(self, old: str, new: str) -> Trouble | None:
        """Replace the PIN; None when it is done. Errors: VaultError; ValueError for a new PIN against the policy."""
        now = self.surroundings.clock.now()
        with self.turn:
            outcome = self.door.change_pin(old, new, origin=Origin.CHOSEN, now=now, release_after=self.release_after)
            if isinstance(outcome, Unlocked):
                outcome.vault.lock()
                return None
            return refusal(outcome)

    def lock(self) -> None:
        """Forget the keys and empty the database's log. The outbox stays open. Errors: StoreError."""
        with self.turn:
            if (session := self.session) is None:
                return
            self.session = None
            try:
                self.mirror(session)
            finally:
                session.records.vault.lock()
            self.store.checkpoint()

    def mirror(self, session: Session) -> None:
        """Remember the vault's generation outside its file; a key store that does not answer is asked again next time."""
        try:
            self.door.mirror_generation(session.records.generation)
        except (KeyStoreUnavailable, KeyStoreLost):
            return

    def carriage(self) -> Carriage:
        """What the delivery remembers. Errors: StoreError."""
        with self.store.read() as tx:
            return load_carriage(tx, self.chain)

    def tidy(self) -> None:
        """Drop what the views show, and shrink what was received long enough ago (the pack's hours, the server's clock)."""
        with self.turn:
            if (session := self.session) is None:
                return
            carriage = self.carriage()
            session.offset_ms = carriage.offset_ms
            before = carriage.server_time(self.surroundings.clock.now())
            before -= timedelta(hours=self.programme.timers.shrink_hours)
            session.tidy(lambda received: received <= before)

    def rebind(self, tx: Database, **changes: Any) -> None:
        """Change the binding, in the caller's transaction; what another process changed meanwhile stays."""
        after = replace(bindings.load(tx, self.chain), **changes)
        bindings.save(tx, self.chain, after)
        self.binding = after

    def adopt_key(self, tx: Database, key: AgencyKey) -> None:
        """Seal new operations for this agency key from now on. ValueError, and nothing changed, for what is no key."""
        public = AgencyPublicKey.from_bytes(key.public_key)
        self.rebind(tx, agency_key=key.public_key)
        if self.session is not None:
            self.session.sealer = replace(self.session.sealer, agency_key=public)

    def install(self, pack: PackDelivery) -> Programme | None:
        """Install a newer pack; None, and nothing changed, when it is not whole. Errors: StoreError, NotWritten."""
        files = {name: text.encode() for name, text in pack.files.items()}
        try:
            programme = load_pack(files)
        except PackError:
            return None
        if programme.digest != pack.digest:
            return None
        with self.turn:
            write_pack(self.folder, programme.digest, files)
            with self.store.write() as tx:
                self.rebind(tx, pack=programme.digest)
            self.programme = programme
        return programme

    def wipe(self) -> None:
        """Make the readable records unreadable for ever; the outbox stays and keeps sending. Safe to repeat."""
        with self.turn:
            if self.binding.wiped:
                return
            if self.session is not None:
                self.session.records.vault.lock()
                self.session = None
            self.door.destroy()
            with self.store.write() as tx:
                tx.execute("DELETE FROM row")
                self.rebind(tx, wiped=True)
            self.store.checkpoint()

    def close(self) -> None:
        """Lock, and close the database."""
        self.lock()
        self.store.close()

    def _open(self, vault: Vault) -> Session:
        records = Records(self.store, vault, self.turn)
        try:
            mirror = self.door.mirrored_generation()
        except (KeyStoreUnavailable, KeyStoreLost):
            mirror = 0
        try:
            records.open(mirror)
            self.rolled_back = False
        except RolledBack:  # whole and authentic, but an older copy: an alarm, and nothing is withheld
            self.rolled_back = True
        own = {row.data["name"]: row.data["value"] for row in records.on(Shelf.OWN)}
        if "signing_key" not in own or "read_token" not in own:
            raise DamagedRow("the vault's own keys are missing")
        sealer = Sealer(
            user=self.binding.user,
            agency=bytes.fromhex(self.binding.agency),
            agency_key=AgencyPublicKey.from_bytes(self.binding.agency_key),
            device_id=bytes.fromhex(self.binding.device_id),
            signing_key=DeviceSigningKey.from_bytes(bytes.fromhex(own["signing_key"])),
            clock=self.surroundings.clock,
            random_bytes=self.surroundings.random_bytes,
        )
        self.session = Session(
            store=self.store, records=records, outbox=self.outbox, sealer=sealer, read_token=own["read_token"]
        )
        self.mirror(self.session)
        self.tidy()
        return self.session


def vault_door(folder: Folder, surroundings: Surroundings) -> VaultDoor:
    """The door of the vault in a folder."""
    return VaultDoor(
        header=folder.header,
        keystores=surroundings.keystores,
        place=AttemptFile(folder.attempts),
        random_bytes=surroundings.random_bytes,
        scrypt_n=surroundings.scrypt_n,
        minimum_n=surroundings.minimum_n,
    )


def open_folder(folder: Folder, surroundings: Surroundings, turn: AbstractContextManager[object]) -> Device | Trouble:
    """The enrolled device in `folder`, shut, with its envelope files brought in step; or why not. Nothing is created.

    turn: the re-entrant lock that guards it.
    """
    if not folder.enrolled:
        return Trouble(problem=ProblemCode.NOT_ENROLLED)
    try:
        chain = open_device_chain(folder.chain, surroundings.keystores, surroundings.random_bytes)
        if not isinstance(chain, DeviceChain):
            return refusal(chain)
        store = Store(folder.database)
    except FAULTS as error:
        return trouble(error)
    try:
        with store.read() as tx:
            binding = bindings.load(tx, chain)
        device = Device(
            folder=folder,
            surroundings=surroundings,
            turn=turn,
            store=store,
            chain=chain,
            binding=binding,
            programme=read_pack(folder, binding.pack),
        )
        with store.read() as tx:
            device.outbox.tidy(tx, device=DevicePublicKey.from_bytes(binding.device_key))
    except FAULTS as error:
        store.close()
        return trouble(error)
    return device


def refusal(outcome: Unlocking | KeyUnavailable | KeyLost) -> Trouble:
    """What a door that stays shut means for the person."""
    match outcome:
        case WrongPin(remaining=remaining):
            return Trouble(problem=ProblemCode.WRONG_PIN, detail=f"{remaining} tries left")
        case LockedByAttempts(until=until):
            return Trouble(problem=ProblemCode.LOCKED, detail="" if until is None else f"until {_minute(until)}")
        case NeverCreated():
            return Trouble(problem=ProblemCode.NOT_ENROLLED)
        case KeyUnavailable():
            return Trouble(problem=ProblemCode.KEY_UNAVAILABLE)
        case KeyLost():
            return Trouble(problem=ProblemCode.KEY_LOST)
        case Destroyed():
            return Trouble(problem=ProblemCode.KEY_LOST, detail="wiped")
        case Unlocked():
            raise ValueError("an open door is no refusal")


def key_state(device: Device) -> KeyState:
    """What is known of the vault's key. Errors: VaultError."""
    return device.door.state()


def read_pack(folder: Folder, digest: str) -> Programme:
    """The installed pack. Errors: DamagedRow unless it is the one that was installed."""
    where = folder.pack(digest)
    try:
        programme = load_pack({name: (where / name).read_bytes() for name in PACK_FILES})
    except (OSError, PackError) as error:
        raise DamagedRow("the programme pack is missing or damaged") from error
    if programme.digest != digest:
        raise DamagedRow("the programme pack is not the one that was installed")
    return programme


def write_pack(folder: Folder, digest: str, files: Mapping[str, bytes]) -> None:
    """Keep a pack's files. Errors: NotWritten, StoreUnusable."""
    where = folder.pack(digest)
    try:
        make_folder(where)
    except OSError as error:
        raise StoreError("the folder of packs cannot be made") from error
    for name in PACK_FILES:
        if name in files:
            write_durably(where / name, files[name])


def write_card(folder: Folder, binding: Binding) -> None:
    """Mark the folder as enrolled: public facts only, for a person who asks whose folder this is. Errors: NotWritten."""
    card = {
        "format": 1,
        "device_id": binding.device_id,
        "server": binding.server,
        "agency": binding.agency,
        "agency_key": hashlib.sha256(binding.agency_key).hexdigest()[:16],
        "server_key": hashlib.sha256(binding.server_key).hexdigest()[:16],
    }
    write_durably(folder.card, json.dumps(card, indent=1).encode() + b"\n")


def _minute(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")
