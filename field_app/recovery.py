"""Opens the database of an enrolled folder; where it is damaged or gone, a new one takes over what can still be read.

    look      SQLite opens it, its own check finds nothing, the binding opens, the outbox's rows have their shape
    carve     what the damaged file and its log still hold, page by page (store/carving.py, store/salvage.py)
    ready     the new database is whole, under `field.db.ready-STAMP`: from here a crash changes nothing any more
    aside     the damaged files move as they are to `damaged-STAMP/`; the new one takes their place
    return    operations that only their files still have become rows again (S1), and are offered

Nothing is deleted and nothing is written over. A fault of the world that is no damage (a full disk, another program, no permission,
a newer app) recovers nothing: it is raised. Another process beside this one waits at the lock of the data folder.
Must not know: the vault's rows, screens, the network.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from field_app.folder import Folder, Surroundings
from field_app.store import binding as bindings
from field_app.store import incidents
from field_app.store.binding import Binding
from field_app.store.carving import pages, records
from field_app.store.database import Store, StoreDamaged, StoreInUse, translate
from field_app.store.envelope_files import EnvelopeFiles
from field_app.store.incidents import Incident, IncidentKind
from field_app.store.mending import differing, mend_files, mend_rows
from field_app.store.outbox import Outbox
from field_app.store.outbox_rows import select
from field_app.store.salvage import build, sort_out
from field_app.sync.lock import FolderLock
from field_app.vault.errors import Damaged, DamagedRow, NotWritten
from field_app.vault.files import make_folder, read_whole, sync_folder
from field_app.vault.header_file import mend
from field_app.vault.vault import DeviceChain
from referral.envelope import DevicePublicKey

_READY: Final = "field.db.ready-"
_NEW: Final = "field.db.new"
_LEAST: Final = 100  # the header of a database; SQLite takes a file of one byte for an empty one and writes over it
ASIDE: Final = "damaged-"
_PARTS: Final = ("field.db", "field.db-wal", "field.db-shm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A database that is whole, with what it is bound to."""

    store: Store
    binding: Binding
    outbox: Outbox


def mend_headers(folder: Folder) -> bool:
    """Bring the headers and their copies in step; whether one had to be mended. Errors: DamagedHeader of the chain, NewerFormat."""
    mended = False
    for path in (folder.chain, folder.header):
        try:
            mended = mend(path) or mended
        except NotWritten:  # a full disk keeps nobody out: the whole one of the two is read
            continue
        except Damaged:
            if path == folder.chain:  # without it nothing here opens; without the vault's, sending goes on
                raise
    return mended


def open_database(
    folder: Folder, surroundings: Surroundings, chain: DeviceChain, *, rebuild: bool = False, mended: bool = False
) -> Opened:
    """The folder's database, recovered if need be. Errors: StoreError; DamagedRow, NewerFormat if no binding opens; NotRead, NotWritten.

    rebuild: it was found damaged when it was used. mended: a header was mended, which is told.
    """
    happened = [Incident(kind=IncidentKind.HEADER_MENDED, at=surroundings.clock.now())] if mended else []
    try:
        _finish(folder)
        if rebuild:
            raise StoreDamaged("the database was damaged in use")
        opened = _look(folder, chain)
    except (StoreDamaged, DamagedRow):
        with FolderLock(folder.sync_lock).hold():
            opened_meanwhile = None if rebuild else _by_another(folder, chain)
            if opened_meanwhile is None:
                happened += _rebuild(folder, surroundings, chain)
            opened = opened_meanwhile or _look(folder, chain)
    try:
        happened += _return_files(opened, folder, surroundings)
        if happened:
            with opened.store.write() as tx:
                for incident in happened:
                    incidents.add(tx, chain, incident)
    except BaseException:
        opened.store.close()
        raise
    return opened


def copy_aside(folder: Folder, surroundings: Surroundings, store: Store) -> str:
    """Copy the open database aside as it is now; the name of the folder of the copy. Errors: StoreError, NotWritten."""
    stamp = _stamp(surroundings)
    make_folder(folder.path / f"{ASIDE}{stamp}")
    store.copy_to(folder.path / f"{ASIDE}{stamp}" / folder.database.name)
    return f"{ASIDE}{stamp}"


def _look(folder: Folder, chain: DeviceChain) -> Opened:
    """Open what is there. Errors: StoreDamaged for what is damaged or gone, DamagedRow; StoreError."""
    if not folder.database.exists() or folder.database.stat().st_size < _LEAST:
        raise StoreDamaged("the database is gone")
    store = Store(folder.database)
    try:
        if wrong := store.check():
            raise StoreDamaged(wrong[0])
        outbox = Outbox(chain=chain, files=EnvelopeFiles(folder.outbox))
        with store.read() as tx:
            binding = bindings.load(tx, chain)
            for _ in select(tx, "TRUE"):  # each row has its shape
                pass
    except BaseException:
        store.close()
        raise
    return Opened(store=store, binding=binding, outbox=outbox)


def _by_another(folder: Folder, chain: DeviceChain) -> Opened | None:
    """The database, if another process has recovered it while this one waited."""
    with suppress(StoreDamaged, DamagedRow):
        return _look(folder, chain)
    return None


def _rebuild(folder: Folder, surroundings: Surroundings, chain: DeviceChain) -> list[Incident]:
    found = [path for part in _PARTS if (path := folder.path / part).exists()]
    carved = sort_out(records(pages(read_whole(folder.database) or b"", read_whole(folder.path / _PARTS[1]) or b"")))
    binding = carved.binding(chain) or folder.binding.binding(chain)
    if binding is None:
        raise DamagedRow("the device's binding is gone")
    stamp = _stamp(surroundings)
    new = folder.path / _NEW
    for leaving in folder.path.glob(
        f"{_NEW}*"
    ):  # of a recovery that a crash ended; nothing but what is carved again now
        leaving.unlink()
    rows, operations = build(new, carved, chain, binding, carved.incidents(chain))
    try:
        new.rename(folder.path / f"{_READY}{stamp}")
        sync_folder(folder.path)
    except OSError as error:
        raise translate(error) from error
    _finish(folder)
    at = surroundings.clock.now()
    if not any(path.name == folder.database.name for path in found):
        return [Incident(kind=IncidentKind.DATABASE_LOST, at=at)]
    return [Incident(kind=IncidentKind.DATABASE_REBUILT, at=at, kept=rows + operations, copy=f"{ASIDE}{stamp}")]


def _finish(folder: Folder) -> None:
    """Move the damaged files aside and a new database that is ready into their place; also what a crash left half done."""
    for ready in sorted(folder.path.glob(f"{_READY}*")):
        aside = folder.path / f"{ASIDE}{ready.name.removeprefix(_READY)}"
        try:
            parts = [path for part in _PARTS if (path := folder.path / part).exists()]
            if parts:
                make_folder(aside)
            for path in parts:
                path.rename(aside / path.name)
            if parts:
                sync_folder(aside)
            ready.rename(folder.database)
            sync_folder(folder.path)
        except PermissionError as error:  # Windows: a program has the damaged file open
            raise StoreInUse("another program is using the file") from error
        except OSError as error:
            raise translate(error) from error


def _mend_envelopes(opened: Opened, folder: Folder, device: DevicePublicKey) -> None:
    """Let the row or the file of an operation that waits mend the other. Errors: NotWritten."""
    files = EnvelopeFiles(folder.outbox)
    with opened.store.read() as tx:
        pairs = differing(tx, files)
    if pairs:
        with opened.store.write() as tx:
            mend_rows(tx, pairs, device)
        mend_files(files, pairs, device)


def _return_files(opened: Opened, folder: Folder, surroundings: Surroundings) -> list[Incident]:
    """Bring rows and files together. A file that this device signed and no row knows tells of a row that is lost: it comes back.

    So it is after the loss of a database, and after an old one was put back. Under the write lock, since another process may be
    between its rows and its files.
    """
    device = DevicePublicKey.from_bytes(opened.binding.device_key)
    try:
        _mend_envelopes(opened, folder, device)
        with opened.store.read() as tx:
            strangers = opened.outbox.tidy(tx, device=device).strangers
        if not strangers:
            return []
        with opened.store.write() as tx:
            recovered = opened.outbox.tidy(tx, device=device, after_loss=True).recovered
    except NotWritten:  # a full disk keeps nobody out; the files come at the next start
        return []
    at = surroundings.clock.now()
    return [Incident(kind=IncidentKind.OPERATIONS_RETURNED, at=at, kept=len(recovered))] if recovered else []


def _stamp(surroundings: Surroundings) -> str:
    return f"{surroundings.clock.now():%Y%m%dT%H%M%S}-{surroundings.random_bytes(2).hex()}"
