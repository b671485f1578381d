"""One enrolled device in its data folder: what is there without a PIN, and the way to an open vault.

    header.json   the vault's header            chain.json   the device chain's header       attempts   the second counter
    field.db      rows, outbox, carriage        outbox/      one file per envelope           keys/      device keys, only
    binding       what sending needs, once more programme/   the installed pack, by digest              where nothing is better
    device.json   enrolled: who to ask about it ballast      room for a full disk
                  each header and each pack has a copy, NAME.copy.json, DIGEST.copy/

`binding` and `device.json` are written last by an enrolment and are the mark of a whole one; what counts is the sealed binding. One re-entrant
lock, `turn`, guards the open session, its index and its rows; the store takes its own lock below it.

Must not know: screens, the network. Errors of opening are returned as Trouble; StoreError and VaultError rise from the rest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlite_utils import Database

from field_app.folder import Folder as Folder
from field_app.folder import Surroundings as Surroundings
from field_app.outcomes import Trouble
from field_app.recovery import copy_aside, mend_headers, open_database
from field_app.sealing import Sealer
from field_app.session import Session
from field_app.store import binding as bindings
from field_app.store import incidents
from field_app.store.ballast import Ballast, with_room
from field_app.store.binding import Binding
from field_app.store.binding_file import OwnKeys
from field_app.store.cursor import Carriage
from field_app.store.cursor import load as load_carriage
from field_app.store.database import DiskFull, Store, StoreError
from field_app.store.incidents import Incident, IncidentKind
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
from field_app.vault.errors import (
    Damaged,
    DamagedManifest,
    DamagedRow,
    KeyStoreLost,
    KeyStoreUnavailable,
    NotWritten,
    RolledBack,
    VaultError,
)
from field_app.vault.files import make_folder, write_durably
from field_app.vault.pin import Origin
from field_app.vault.vault import DeviceChain, Vault
from referral.envelope import AgencyPublicKey, DeviceSigningKey
from referral.port import AgencyKey, PackDelivery
from referral.problems import ProblemCode
from referral.programme import PACK_FILES, PackError, Programme
from referral.programme import load as load_pack

_ENDED: Final = frozenset({KeyState.NEVER_CREATED, KeyState.DESTROYED, KeyState.LOST})


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
    outbox: Outbox
    session: Session | None = None
    rolled_back: bool = False
    tries_left: int | None = None
    door: VaultDoor = field(init=False)
    ballast: Ballast = field(init=False)

    def __post_init__(self) -> None:
        self.ballast = ballast_of(self.folder, self.surroundings)
        self.door = vault_door(self.folder, self.surroundings)

    @property
    def release_after(self) -> timedelta:
        """When a lock by attempts ends by itself: the agency's figure."""
        return timedelta(minutes=self.programme.timers.attempt_lock_release_minutes)

    @property
    def ended(self) -> bool:
        """Whether the readable records can never be opened again: wiped, or their key or header is gone for good. Then, once nothing
        waits, the folder may be enrolled anew."""
        try:
            return self.binding.wiped or self.door.state() in _ENDED
        except Damaged:  # the header and its copy
            return True
        except VaultError:
            return False

    def unlock(self, pin: str) -> Session | Trouble:
        """Open the vault. Errors: StoreError, VaultError."""
        now = self.surroundings.clock.now()
        with self.turn:
            outcome = self.door.unlock(pin, now=now, release_after=self.release_after)
            if isinstance(outcome, Destroyed):
                self.wipe()
            self.tries_left = outcome.remaining if isinstance(outcome, WrongPin) else None
            if not isinstance(outcome, Unlocked):
                return refusal(outcome)
            try:
                return with_room(self.ballast, lambda: self._open(outcome.vault))
            except BaseException:
                self.session = None  # an open one over locked keys could neither be opened again nor save
                outcome.vault.lock()
                raise

    def prove(self, pin: str) -> Trouble | None:
        """Try a PIN against the vault that is open already, for another page of it; None when it is right. Counts like an unlock, and
        leaves the open vault as it is. Errors: StoreError, VaultError."""
        now = self.surroundings.clock.now()
        with self.turn:
            outcome = self.door.unlock(pin, now=now, release_after=self.release_after)
            self.tries_left = outcome.remaining if isinstance(outcome, WrongPin) else None
            if isinstance(outcome, Unlocked):
                outcome.vault.lock()
                return None
            if isinstance(outcome, Destroyed):
                self.wipe()
            return refusal(outcome)

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
            self.ballast.keep()

    def mirror(self, session: Session) -> None:
        """Remember the vault's generation outside its file; a place that does not take it now is asked again next time."""
        with suppress(VaultError):
            self.door.mirror_generation(session.records.generation)

    def compare_generation(self, heard: int) -> None:
        """Raise the alarm if the case system has heard of a later generation of the open vault: an old file and an old key store."""
        with self.turn:
            if self.session is not None and heard > self.session.records.generation:
                self.rolled_back = True

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
            session.tidy(before)

    def rebind(self, tx: Database, **changes: Any) -> None:
        """Change the binding, in the caller's transaction; what another process changed meanwhile stays."""
        after = replace(bindings.load(tx, self.chain), **changes)
        bindings.save(tx, self.chain, after)
        self.binding = after

    def keep_binding(self) -> None:
        """Bring the binding's file in step, after COMMIT; one that cannot be written now is written at the next start."""
        with suppress(VaultError):
            self.folder.binding.keep(self.chain, self.binding)

    def incidents(self) -> tuple[Incident, ...]:
        """What happened to the records that nobody has read yet. Errors: StoreError."""
        with self.store.read() as tx:
            return incidents.load(tx, self.chain)

    def heard(self, incident: Incident) -> None:
        """A person has read it. Errors: StoreError."""
        with self.turn, self.store.write() as tx:
            left = [one for one in incidents.load(tx, self.chain) if one != incident]
            incidents.save(tx, self.chain, left)

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
            self.keep_binding()
            self.programme = programme
        return programme

    def wipe(self) -> None:
        """Make the readable records unreadable for ever; the outbox stays and keeps sending, and the sealed copies of forms that could
        have been saved go out, too. Safe to repeat, and taken up at the next start if a crash comes between."""
        with self.turn:
            if self.binding.wiped:
                return
            if self.session is not None:
                self.session.records.vault.lock()
                self.session = None
            with suppress(Damaged):  # without a header that can be read there is nothing to open any more
                self.door.destroy()
            with self.store.write() as tx:
                tx.execute("DELETE FROM row")
                released = self.outbox.release_held(tx)
                self.rebind(tx, wiped=True)
            self.keep_binding()
            self.store.checkpoint()
            with suppress(NotWritten), self.store.read() as tx:
                self.outbox.write_files(tx, released)

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
        self.rolled_back = False
        try:
            records.open(mirror)
        except RolledBack:  # whole and authentic, but an older copy: an alarm, and nothing is withheld
            self.rolled_back = True
        except (DamagedRow, DamagedManifest):
            self._salvage(records, mirror)
        self._check_chain()
        own = self._own_keys(records)
        sealer = Sealer(
            user=self.binding.user,
            agency=bytes.fromhex(self.binding.agency),
            agency_key=AgencyPublicKey.from_bytes(self.binding.agency_key),
            device_id=bytes.fromhex(self.binding.device_id),
            signing_key=DeviceSigningKey.from_bytes(bytes.fromhex(own.signing_key)),
            clock=self.surroundings.clock,
            random_bytes=self.surroundings.random_bytes,
        )
        self.session = Session(
            store=self.store,
            records=records,
            outbox=self.outbox,
            sealer=sealer,
            read_token=own.read_token,
            ballast=self.ballast,
        )
        self.mirror(self.session)
        with suppress(DiskFull):  # what should have been shrunk is, once there is room
            self.tidy()
        return self.session

    def _salvage(self, records: Records, mirror: int) -> None:
        """Go on with the rows that open; what is there now is copied aside first, and the person is told."""
        copy = copy_aside(self.folder, self.surroundings, self.store)
        found = records.salvage(mirror)
        incident = Incident(
            kind=IncidentKind.ROWS_SALVAGED,
            at=self.surroundings.clock.now(),
            kept=found.kept,
            lost=found.lost,
            copy=copy,
        )
        with self.store.write() as tx:
            incidents.add(tx, self.chain, incident)

    def _check_chain(self) -> None:
        """Tell, once, of an outbox that is not as it was written; what it holds is offered as it is."""
        with self.store.read() as tx:
            try:
                self.outbox.verify(tx)
                return
            except DamagedManifest:
                pass
        at = self.surroundings.clock.now()
        with self.store.write() as tx:
            self.outbox.count_anew(tx)
            incidents.add(tx, self.chain, Incident(kind=IncidentKind.OPERATIONS_CHANGED, at=at))

    def _own_keys(self, records: Records) -> OwnKeys:
        """The signing key and the read token: from their rows, else from the binding's file. Errors: DamagedRow if neither has them."""
        own = {row.data["name"]: row.data["value"] for row in records.on(Shelf.OWN)}
        if "signing_key" in own and "read_token" in own:
            keys = OwnKeys(signing_key=own["signing_key"], read_token=own["read_token"])
            with suppress(VaultError):
                self.folder.binding.keep_own(records.vault, keys)
            return keys
        found = self.folder.binding.own_keys(records.vault)
        if found is None:
            raise DamagedRow("the vault's own keys are missing")
        with records.write() as page:
            for name, value in (("signing_key", found.signing_key), ("read_token", found.read_token)):
                if name not in own:
                    page.put(Shelf.OWN, {"name": name, "value": value})
        return found


def wiped_by(device: Device) -> ProblemCode:
    """Why the records of a wiped device are gone: the case system's order, or ten wrong PINs. Errors: StoreError."""
    return ProblemCode.DEVICE_REVOKED if device.carriage().revoked else ProblemCode.KEY_LOST


def ballast_of(folder: Folder, surroundings: Surroundings) -> Ballast:
    """The room kept for a full disk."""
    return Ballast(folder.ballast, surroundings.ballast_bytes, surroundings.random_bytes)


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


def open_folder(
    folder: Folder, surroundings: Surroundings, turn: AbstractContextManager[object], *, rebuild: bool = False
) -> Device | Trouble:
    """The enrolled device in `folder`, shut, recovered where it was damaged (field_app/recovery.py); or why not.

    turn: the re-entrant lock that guards it. rebuild: the database was found damaged in use.
    """
    if not folder.enrolled:
        return Trouble(problem=ProblemCode.NOT_ENROLLED)
    try:
        mended = mend_headers(folder)
        chain = open_device_chain(folder.chain, surroundings.keystores, surroundings.random_bytes)
        if not isinstance(chain, DeviceChain):
            return refusal(chain)
        opened = with_room(
            ballast_of(folder, surroundings),
            lambda: open_database(folder, surroundings, chain, rebuild=rebuild, mended=mended),
        )
    except FAULTS as error:
        return trouble(error)
    try:
        device = Device(
            folder=folder,
            surroundings=surroundings,
            turn=turn,
            store=opened.store,
            chain=chain,
            binding=opened.binding,
            outbox=opened.outbox,
            programme=read_pack(folder, opened.binding.pack),
        )
    except FAULTS as error:
        opened.store.close()
        return trouble(error)
    device.ballast.keep()
    device.keep_binding()
    with suppress(StoreError, VaultError):
        if device.door.state() is KeyState.DESTROYED:
            device.wipe()
        if not folder.card.exists():
            write_card(folder, opened.binding)
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
    """The installed pack, from its copy where the first is damaged. Errors: DamagedRow if neither is the one that was installed."""
    trouble: DamagedRow | None = None
    for where in (folder.pack(digest), folder.pack_copy(digest)):
        try:
            files = {name: (where / name).read_bytes() for name in PACK_FILES}
            if (programme := load_pack(files)).digest == digest:
                if trouble is not None:
                    with suppress(NotWritten):
                        write_pack(folder, digest, files)
                return programme
            trouble = DamagedRow("the programme pack is not the one that was installed")
        except (OSError, PackError):
            trouble = trouble or DamagedRow("the programme pack is missing or damaged")
    raise trouble or DamagedRow("the programme pack is missing")


def write_pack(folder: Folder, digest: str, files: Mapping[str, bytes]) -> None:
    """Keep a pack's files, twice: without a pack nothing is sent, and a sector may go bad. Errors: NotWritten."""
    for where in (folder.pack(digest), folder.pack_copy(digest)):
        make_folder(where)
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
