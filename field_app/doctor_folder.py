"""What can be said of a data folder as it lies there, whether it opens or not: headers, key store, binding, room, copies.

Reads only. Must not know: an open device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from field_app.findings import ASIDE, Finding, broken, ok, warning
from field_app.folder import Folder, Surroundings
from field_app.recovery import ASIDE as COPIES
from field_app.store.ballast import Ballast, free_space
from field_app.store.database import Store, StoreError
from field_app.store.envelope_files import EnvelopeFiles
from field_app.vault.errors import Damaged, DamagedHeader, VaultError
from field_app.vault.files import read_whole
from field_app.vault.header_file import HeaderFile, copy_of, read_header
from field_app.vault.keys import Header, StoreName
from field_app.vault.keystores import KeyStore

SCARCE: Final = 64 << 20  # bytes: a fortnight of referrals, a pack and an update of the app
NONE_LEFT: Final = 4 << 20
_PLACES: Final = {
    StoreName.SECURE_STORAGE: "the phone's key store",
    StoreName.KEYRING: "the keyring",
    StoreName.FILE: "a file",
}

Check = Callable[[Folder, Surroundings], Finding]


def examine_folder(folder: Folder, surroundings: Surroundings) -> Iterator[Finding]:
    """The findings, whatever state the folder is in."""
    checks: tuple[tuple[str, Check], ...] = (
        ("headers", _headers),
        ("key_store", _key_store),
        ("binding", _binding),
        ("room", _room),
        ("space", _space),
        ("copies", _copies),
    )
    for name, check in checks:
        try:
            yield check(folder, surroundings)
        except (StoreError, VaultError, OSError) as error:
            yield broken(name, str(error) if isinstance(error, StoreError | VaultError) else f"{error.strerror}")


def examine_unopened(folder: Folder) -> Iterator[Finding]:
    """The findings that stand for an open device's: the database by itself, and what waits in files."""
    try:
        yield _database(folder)
        yield _waiting(folder)
    except (StoreError, VaultError) as error:
        yield broken("database", str(error))


def _headers(folder: Folder, surroundings: Surroundings) -> Finding:
    bad = [path.name for path in (folder.header, copy_of(folder.header), folder.chain, copy_of(folder.chain)) if not _whole(path)]  # fmt: skip
    lost = [path.name for path in (folder.header, folder.chain) if not _whole(path) and not _whole(copy_of(path))]
    if folder.header.name in lost and folder.chain.name not in lost:
        advice = (
            "The records on this device cannot be opened any more. Sync what waits, then enrol again with a new code."
        )
        return broken("headers", f"{folder.header.name} and its copy are damaged or gone", advice)
    if lost:
        return broken("headers", f"{', '.join(lost)}: damaged or gone, and the copy too")
    if bad:
        advice = "The other copy is whole and is used; start the app once, and it is mended. If it comes again, the storage is failing."
        return warning("headers", f"{', '.join(bad)}: damaged or gone", advice)
    return ok("headers", "both headers and their copies are whole")


def _whole(path: Path) -> bool:
    try:
        return (data := read_whole(path)) is not None and bool(Header.from_bytes(data))
    except DamagedHeader:
        return False


def _key_store(folder: Folder, surroundings: Surroundings) -> Finding:
    """Which key store the records' key is in, and whether it answers."""
    if (header := read_header(folder.header)) is None:
        return broken("key_store", "the vault's header is gone")
    place = _PLACES[header.store]
    if (keys := _offered(surroundings, header)) is None or not _answers(keys):
        advice = "Unlock the device or its keyring and try again; restart it if that does not help. Nothing is lost."
        return warning("key_store", f"{place} holds the key and does not answer", advice)
    if header.store is StoreName.FILE:
        advice = "Install a keyring, or protect this disk: whoever copies it needs only the PIN to read the records."
        return warning("key_store", "the device key lies in a file", advice)
    return ok("key_store", f"the device key lies in {place}, which answers")


def _offered(surroundings: Surroundings, header: Header) -> KeyStore | None:
    try:
        return HeaderFile(Path(), surroundings.keystores, surroundings.random_bytes).store_of(header)
    except VaultError:
        return None


def _answers(keys: KeyStore) -> bool:
    try:
        keys.get("vault.of-nobody.key")
    except VaultError:
        return False
    return True


def _binding(folder: Folder, surroundings: Surroundings) -> Finding:
    try:
        there = folder.binding.readable()
    except Damaged:
        there = False
    if there:
        return ok("binding", "what sending needs lies beside the database, too")
    advice = "Start the app once: it is written again. If it stays, the disk is full or failing."
    return warning("binding", "the file with what sending needs is damaged or gone", advice)


def _room(folder: Folder, surroundings: Surroundings) -> Finding:
    room = Ballast(folder.ballast, surroundings.ballast_bytes, surroundings.random_bytes)
    if room.size == 0:
        return ok("room", "no room is kept for a full disk")
    if room.whole:
        return ok("room", f"{room.size >> 10} KiB are kept for a full disk")
    advice = "Free some space now: without it the next referral may not be saved. The room is made again by itself."
    return warning("room", "the room kept for a full disk was used up", advice)


def _space(folder: Folder, surroundings: Surroundings) -> Finding:
    free = free_space(folder.path)
    found = f"{free >> 20} MiB are free"
    if free < NONE_LEFT:
        return broken(
            "space", found, "Free some space now, or referrals cannot be saved. What was saved is safe and is sent."
        )
    if free < SCARCE:
        return warning("space", found, "Free some space: pictures, downloads, apps that nobody uses.")
    return ok("space", found)


def _copies(folder: Folder, surroundings: Surroundings) -> Finding:
    found = sorted(path.name for pattern in (f"{COPIES}*", "*.damaged-*") for path in folder.path.glob(pattern))
    if found:
        advice = "Send them to support, who may read more of them. They are sealed; delete them when support says so."
        return warning("copies", f"damaged files were kept: {', '.join(found)}", advice)
    return ok("copies", "no damaged file was ever kept here")


def _database(folder: Folder) -> Finding:
    if not folder.database.exists():
        return broken("database", "the file is gone")
    store = Store(folder.database)
    try:
        wrong = store.check()
    finally:
        store.close()
    return broken("database", f"the file is damaged: {wrong[0]}") if wrong else ok("database", "the file is sound")


def _waiting(folder: Folder) -> Finding:
    waiting = len(EnvelopeFiles(folder.outbox).present())
    if waiting:
        return warning(
            "envelope_files", f"{waiting} sealed operations are kept as files and may wait to be sent", ASIDE
        )
    return ok("envelope_files", "no operation waits in a file")
