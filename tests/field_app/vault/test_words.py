"""The sentence of every error of the vault: for the log and the doctor, in which nothing else of a defect is left to read."""

import asyncio
import errno
import hashlib
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import keyring.errors
import pytest

from field_app.vault import files, keys, keystores, manifest
from field_app.vault.attempts import Attempts
from field_app.vault.door import LockedByAttempts, VaultDoor, create_device_chain, open_device_chain
from field_app.vault.errors import (
    DamagedHeader,
    DamagedManifest,
    DamagedRow,
    KeyStoreAbsent,
    KeyStoreLost,
    KeyStoreUnavailable,
    NewerFormat,
    NotRead,
    NotWritten,
    RolledBack,
    RowsDiffer,
    SlotShut,
    VaultLocked,
)
from field_app.vault.header_file import HeaderFile, copy_of, set_aside
from field_app.vault.keys import DEVICE_SLOT, NO_KDF, Header, Kdf, StoreName
from field_app.vault.keystores import FileKeys, KeyringKeys, MemoryKeys
from field_app.vault.manifest import Entry, ManifestState
from field_app.vault.pin import Origin
from field_app.vault.vault import Sealed, Vault
from tests.field_app.vault.conftest import NOON, PIN, Device, seeded
from tests.field_app.vault.test_keystores import Backend

ID, KEY = bytes(range(16)), bytes(32)


def says(kind: type[BaseException], sentence: str, act: Callable[[], object]) -> BaseException:
    """Whatever `act` raises is of this very kind and says this and no more."""
    with pytest.raises(kind) as told:
        act()
    assert (type(told.value), str(told.value)) == (kind, sentence)
    return told.value


def rewritten(data: bytes, old: bytes, new: bytes) -> bytes:
    """A header with other content and the right sum."""
    line = data.split(b"\n")[0].replace(old, new)
    assert line != data.split(b"\n")[0]
    return line + b"\n" + hashlib.sha256(line).hexdigest().encode() + b"\n"


# ---------------------------------------------------------------------------------------------------- rows, manifests
def test_a_row(vault: Vault) -> None:
    row, name = vault.seal_row("records", ID, 3, 1, b"x"), ID.hex()
    newer = replace(row, box=b"\x02" + row.box[1:])
    says(NewerFormat, f"row {name} was written by a newer version of the app", lambda: vault.open_row("records", newer))
    older = replace(row, box=b"\x00" + row.box[1:])
    says(DamagedRow, f"row {name} does not open", lambda: vault.open_row("records", older))
    says(DamagedRow, f"row {name} does not open", lambda: vault.open_row("drafts", row))
    says(DamagedRow, "no key of epoch 9", lambda: vault.open_row("records", replace(row, key_epoch=9)))
    columns = "a row's columns are not what was written"
    says(DamagedRow, columns, lambda: Sealed(id=b"short", rev=0, key_epoch=1, box=b"b"))
    needs = "a row needs an id of 16 bytes, a revision from 0 and a schema up to 65535"
    says(ValueError, needs, lambda: vault.seal_row("t", b"", 0, 0, b""))
    broken = Vault(ID, {1: bytearray(32)}, lambda size: b"")
    says(RuntimeError, "the source of randomness is broken", broken.new_id)
    says(TypeError, "an open vault is neither copied nor pickled", vault.__reduce__)
    assert repr(vault) == "<Vault open>"
    vault.lock()
    says(VaultLocked, "the vault is locked", lambda: vault.open_row("records", row))
    assert repr(vault) == "<Vault locked>"


def test_the_largest_figures_of_a_row_are_taken(vault: Vault) -> None:
    row = vault.seal_row("t", ID, 2**63 - 1, 65535, b"x")
    assert vault.open_row("t", row) == b"x"
    assert Sealed(id=ID, rev=2**63 - 1, key_epoch=2**63 - 1, box=b"b").tag == b"b"
    for figures in ({"rev": 2**63, "key_epoch": 1}, {"rev": 0, "key_epoch": 2**63}, {"rev": 0, "key_epoch": -1}):
        with pytest.raises(DamagedRow):
            Sealed(id=ID, box=b"b", **figures)


def test_a_manifest(vault: Vault) -> None:
    book = vault.manifest("records")
    row = Entry(id=ID, rev=1, tag=b"tag")
    stored = book.start([row], generation=7)
    newer, broken = b"\x02" + stored[1:], stored[:-1] + bytes((stored[-1] ^ 1,))
    says(NewerFormat, "this manifest was written by a newer version of the app", lambda: book.read(newer))
    for wrong in (b"", stored[:-1], stored + b"x", b"\x00" + stored[1:], broken):
        says(DamagedManifest, "the manifest is damaged", lambda wrong=wrong: book.read(wrong))  # type: ignore[misc]
    other = stored[:1] + (9).to_bytes(4) + stored[5:]
    says(DamagedManifest, "no key of epoch 9", lambda: book.read(other))
    differ = "the manifest counts 1 rows; the 2 found are not these"
    says(RowsDiffer, differ, lambda: book.verify(stored, [row, row]))
    columns = "a row's columns are not what was written"
    says(RowsDiffer, columns, lambda: book.verify(stored, [Entry(id=ID, rev=-1, tag=b"t")]))
    back = says(RolledBack, "generation 7 is behind its mirror 8", lambda: book.verify(stored, [row], mirror=8))
    assert isinstance(back, RolledBack)
    assert (back.generation, back.mirror) == (7, 8)
    assert book.verify(stored, [row], mirror=7).generation == manifest.generation_of(stored) == 7
    empty = ManifestState(key_epoch=1, generation=0, n=0, total=0)
    more = "more rows removed than the manifest counts"
    says(ValueError, more, lambda: manifest.advance(KEY, "records", empty, [row], ()))
    assert manifest.advance(KEY, "records", empty, (), ()) == replace(empty, generation=1)


def test_a_book_starts_empty_before_its_first_write(vault: Vault) -> None:
    book = vault.manifest("records")
    assert book.read(book.start()) == ManifestState(key_epoch=1, generation=0, n=0, total=0)
    assert book.verify(book.start(), []).n == 0


# ---------------------------------------------------------------------------------------------------- keys and header
def test_a_header(device: Device) -> None:
    data = device.header.read_bytes()
    says(DamagedHeader, "the vault's header is damaged", lambda: Header.from_bytes(data[:-1]))
    newer = rewritten(data, b'"format":1', b'"format":2')
    says(NewerFormat, "the vault's header has format 2; this app knows 1", lambda: Header.from_bytes(newer))
    follows = "the vault's header does not follow its format"
    for old, new in (
        (b'"store":"keyring"', b'"store":"drawer"'),
        (b'"format":1', b'"format": 1'),
        (b'"key_epoch":1', b'"key_epoch":true'),
        (b'"key_epoch":1', b'"key_epoch":-1'),
        (b'"key_epoch":1', b'"key_epoch":%d' % 2**63),
        (b'"key_epoch":1', b'"key_epochs":1'),
    ):
        wrong = rewritten(data, old, new)
        says(DamagedHeader, follows, lambda wrong=wrong: Header.from_bytes(wrong))  # type: ignore[misc]
    assert Header.from_bytes(rewritten(data, b'"key_epoch":1', b'"key_epoch":0')).key_epoch == 0
    largest = rewritten(data, b'"key_epoch":1', b'"key_epoch":%d' % (2**63 - 1))
    assert Header.from_bytes(largest).key_epoch == 2**63 - 1


@pytest.mark.parametrize(
    ("name", "n", "r", "p", "known"),
    [
        ("scrypt", 2, 1, 1, True),
        ("scrypt", 2**20, 16, 16, True),
        ("scrypt", 1, 8, 1, False),
        ("scrypt", 0, 8, 1, False),
        ("scrypt", 2**21, 8, 1, False),
        ("scrypt", 6, 8, 1, False),
        ("scrypt", 2, 0, 1, False),
        ("scrypt", 2, 17, 1, False),
        ("scrypt", 2, 8, 0, False),
        ("scrypt", 2, 8, 17, False),
        ("argon9", 2, 8, 1, False),
        ("none", 0, 0, 0, True),
    ],
)
def test_costs_within_reason(name: str, n: int, r: int, p: int, known: bool) -> None:
    kdf = Kdf(name=name, cost={"n": n, "r": r, "p": p}, salt=b"s" * 16)
    if known:
        kdf.check()
    else:
        says(NewerFormat, "this vault's key derivation is not known to this version of the app", kdf.check)
        for gone in "nrp":
            cost = {key: value for key, value in kdf.cost.items() if key != gone}
            with pytest.raises(NewerFormat):
                replace(kdf, cost=cost).check()


def test_a_cost_that_is_missing_is_none() -> None:
    for gone in "nrp":
        cost = {key: value for key, value in {"n": 2, "r": 8, "p": 1}.items() if key != gone}
        with pytest.raises(NewerFormat):
            Kdf(name="scrypt", cost=cost, salt=b"s" * 16).check()


def test_wrapping() -> None:
    header = Header(vault_id=ID, store=StoreName.KEYRING, key_epoch=2, slots=())
    newest = "the newest master key must be the one of the header's epoch"
    for masters in ({}, {1: bytearray(32)}, {2: bytearray(32), 3: bytearray(32)}):
        says(
            ValueError,
            newest,
            lambda masters=masters: keys.wrap(header, "device", NO_KDF, masters, b"", KEY, seeded()),  # type: ignore[misc]
        )
    one = {2: bytearray(32)}
    broken = "the source of randomness is broken"
    says(RuntimeError, broken, lambda: keys.wrap(header, "device", NO_KDF, one, b"", KEY, lambda size: b"short"))
    made = keys.wrap(header, "device", NO_KDF, {1: bytearray(b"1" * 32), **one}, b"", KEY, seeded())
    slot = made.slot("device")
    assert slot is not None
    assert keys.unwrap(made, slot, b"", KEY) == {1: bytearray(b"1" * 32), 2: bytearray(32)}
    for wrong in (replace(slot, ct=b""), replace(slot, ct=slot.ct[:-1]), replace(slot, nonce=b"n")):
        says(SlotShut, "the slot does not open", lambda wrong=wrong: keys.unwrap(made, wrong, b"", KEY))  # type: ignore[misc]


def test_slots_lie_in_the_order_of_their_names_whenever_they_were_made() -> None:
    header = Header(vault_id=ID, store=StoreName.KEYRING, key_epoch=1, slots=())
    for name in ("b", "a", "c", "b"):
        header = keys.wrap(header, name, NO_KDF, {1: bytearray(32)}, b"", KEY, seeded(name.encode()))
    assert [slot.name for slot in header.slots] == ["a", "b", "c"]
    assert header.slot("d") is None


def test_the_secrets_of_a_slot_are_in_no_repr() -> None:
    header = Header(vault_id=ID, store=StoreName.KEYRING, key_epoch=1, slots=())
    kdf = Kdf.scrypt(2, b"saltsaltsaltsalt")
    (slot,) = keys.wrap(header, "pin+device", kdf, {1: bytearray(32)}, b"1", KEY, seeded()).slots
    said = repr(slot)
    for hidden in ("salt", "ct", "nonce", "device_check"):
        assert f"{hidden}=" not in said
    assert "box" not in repr(Sealed(id=ID, rev=0, key_epoch=1, box=b"secret"))


# ---------------------------------------------------------------------------------------------------- the door
def test_the_door(device: Device) -> None:
    def door(scrypt_n: int, minimum_n: int) -> VaultDoor:
        return VaultDoor(
            header=device.header,
            keystores=[device.keys],
            place=MemoryPlace(),
            random_bytes=device.random_bytes,
            scrypt_n=scrypt_n,
            minimum_n=minimum_n,
        )

    for n in (2, 6):
        says(ValueError, "scrypt N is a power of two and at least 4", lambda n=n: door(n, 4))  # type: ignore[misc]
    door(4, 4)
    says(ValueError, "no PIN was given", lambda: device.unlock(""))
    says(
        ValueError,
        "this PIN is against the policy: common",
        lambda: Device(device.folder / "new").door().create("111111", origin=Origin.APP),
    )
    exists = "a vault exists here; its device key is never replaced"
    says(RuntimeError, exists, device.create)
    chain = device.folder / "chain.header"
    create_device_chain(chain, [device.keys], device.random_bytes)
    says(RuntimeError, exists, lambda: create_device_chain(chain, [device.keys], device.random_bytes))


class MemoryPlace:
    """The counters' second place, in memory."""

    def __init__(self) -> None:
        self.record: bytes | None = None

    def load(self) -> bytes | None:
        return self.record

    def save(self, record: bytes) -> None:
        self.record = record


def test_a_header_of_the_other_kind(device: Device) -> None:
    says(
        DamagedHeader,
        "this header is not a device chain's",
        lambda: open_device_chain(device.header, [device.keys], device.random_bytes),
    )
    chain = device.folder / "chain.header"
    create_device_chain(chain, [device.keys], device.random_bytes)
    other = Device(device.folder, keys=device.keys)
    chain.rename(other.header)
    copy_of(chain).rename(copy_of(other.header))
    says(NewerFormat, "this vault has no PIN; a newer version of the app made it", other.unlock)


def test_a_chain_whose_slot_does_not_open(device: Device) -> None:
    path = device.folder / "chain.header"
    create_device_chain(path, [device.keys], device.random_bytes)
    header = Header.from_bytes(path.read_bytes())
    slot = header.slot(DEVICE_SLOT)
    assert slot is not None
    broken = header.with_slot(replace(slot, ct=slot.ct[:-1] + bytes((slot.ct[-1] ^ 1,)))).to_bytes()
    path.write_bytes(broken)
    copy_of(path).write_bytes(broken)
    says(
        DamagedHeader,
        "the device chain's slot does not open",
        lambda: open_device_chain(path, [device.keys], device.random_bytes),
    )


def test_the_store_that_a_header_names(device: Device) -> None:
    file = HeaderFile(device.header, [MemoryKeys(StoreName.FILE)], device.random_bytes)
    header = file.load()
    assert header is not None
    says(KeyStoreUnavailable, "the key store named in the header is not offered here", lambda: file.store_of(header))
    none = HeaderFile(device.header, [], device.random_bytes)
    says(KeyStoreAbsent, "there is no place to keep the device key", none.choose_store)


def test_a_store_that_forgets_is_not_taken(tmp_path: Path) -> None:
    class Forgetful(MemoryKeys):
        def __init__(self) -> None:
            super().__init__(StoreName.KEYRING)
            self.asked: list[tuple[str, bytes]] = []

        def set(self, name: str, value: bytes) -> None:
            self.asked.append((name, value))

    forgetful, good = Forgetful(), MemoryKeys(StoreName.FILE)
    file = HeaderFile(tmp_path / "h", [forgetful, good], lambda size: bytes(size))
    assert file.choose_store() is good
    assert forgetful.asked == [("probe." + "00" * 8, b"lead field")]
    assert good.secrets == {}, "the probe is taken away again"
    says(KeyStoreUnavailable, "the key store did not keep the device key", lambda: file.draft(forgetful))


# ---------------------------------------------------------------------------------------------------- key stores
def test_a_key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FileKeys(tmp_path)
    store.set("k", b"value")
    (tmp_path / "k").write_bytes(b"\x02" + (tmp_path / "k").read_bytes()[1:])
    says(NewerFormat, "the key file was written by a newer version of the app", lambda: store.get("k"))
    (tmp_path / "k").write_bytes(b"\x01")
    says(KeyStoreLost, "the key file is damaged", lambda: store.get("k"))
    (tmp_path / "folder").mkdir()
    says(KeyStoreUnavailable, "the key file cannot be read", lambda: store.get("folder"))
    says(KeyStoreUnavailable, "the key file cannot be removed", lambda: store.delete("folder"))
    (tmp_path / "file").write_bytes(b"")
    deeper = FileKeys(tmp_path / "file" / "deeper")
    says(KeyStoreUnavailable, "the folder of key files cannot be made", lambda: deeper.set("k", b"v"))
    assert FileKeys.warning == (
        "This computer has no keyring, so the device key is kept in a file. "
        "Someone who copies this disk needs only your passphrase to read the records."
    )

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(NotWritten) as told:
        FileKeys(tmp_path / "new").set("k", b"v")
    assert told.value.disk_full


def test_a_removed_key_file_was_overwritten_first_and_its_folder_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileKeys(tmp_path)
    store.set("k", b"value")
    size = (tmp_path / "k").stat().st_size
    seen: list[bytes] = []
    folders: list[Path] = []
    unlink = Path.unlink

    def look(self: Path) -> None:
        seen.append(self.read_bytes())
        unlink(self)

    monkeypatch.setattr(Path, "unlink", look)
    monkeypatch.setattr(keystores, "sync_folder", folders.append)
    store.delete("k")
    assert seen == [bytes(size)]
    assert folders == [tmp_path]
    store.delete("k")
    assert len(seen) == 1


def test_a_keyring() -> None:
    backend = Backend()
    store = KeyringKeys(backend, absent=keyring.errors.NoKeyringError)
    store.set("k", b"value")
    assert list(backend.held) == [("LEAD Field", "k")]
    KeyringKeys(backend, absent=keyring.errors.NoKeyringError, service="Another").set("k", b"value")
    assert list(backend.held) == [("LEAD Field", "k"), ("Another", "k")]
    backend.trouble = keyring.errors.NoKeyringError("none")
    says(KeyStoreAbsent, "this machine offers no keyring", lambda: store.get("k"))
    backend.trouble = OSError("bus")
    says(KeyStoreUnavailable, "the keyring does not answer", lambda: store.get("k"))


@pytest.mark.parametrize(
    ("text", "newer"),
    [
        ("v2:00:00", True),
        ("v10:00:00", True),
        ("v:00:00", False),
        ("w2:00:00", False),
        ("vx:00:00", False),
        ("v1:zz:00", False),
        ("v1:00:00", False),
        ("V1:00:6e340b9cffb37a98", False),
        ("", False),
    ],
)
def test_a_stored_text(text: str, newer: bool) -> None:
    kind = NewerFormat if newer else KeyStoreLost
    sentence = (
        "the stored secret was written by a newer version of the app" if newer else "the stored secret is damaged"
    )
    says(kind, sentence, lambda: keystores._from_text(text))
    assert keystores._from_text("v1:00:6e340b9cffb37a98") == b"\x00"


def test_memory_and_the_phone() -> None:
    store = MemoryKeys()
    assert store.name is StoreName.SECURE_STORAGE
    store.available = False
    says(KeyStoreUnavailable, "the key store does not answer", lambda: store.get("k"))

    async def never(*_: str) -> str | None:
        raise OSError("plug-in")

    loop = asyncio.new_event_loop()
    phone = keystores.SecureStorageKeys(read=never, write=never, remove=never, loop=loop)
    assert phone._timeout_s == 10.0
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    says(KeyStoreUnavailable, "the phone's key store does not answer", lambda: phone.get("k"))
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    says(KeyStoreUnavailable, "the page has gone", lambda: phone.get("k"))


# ---------------------------------------------------------------------------------------------------- files and counters
def test_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = f"{tmp_path.name}: {os.strerror(errno.EISDIR)}"
    says(NotRead, told, lambda: files.read_whole(tmp_path))
    for number, full in ((errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EIO, False)):

        def fail(*_: object, number: int = number) -> None:
            raise OSError(number, "no")

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", fail)
            error = says(NotWritten, "f: no", lambda: files.write_durably(tmp_path / "f", b"x"))
        assert isinstance(error, NotWritten)
        assert error.disk_full is full
        with monkeypatch.context() as patch:
            patch.setattr(Path, "mkdir", lambda *_, fail=fail, **__: fail())
            says(NotWritten, "deep: no", lambda: files.make_folder(tmp_path / "not" / "deep"))


def test_the_temporary_file_is_hidden_new_and_this_process_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []
    replace_file = os.replace

    def look(source: str, target: Path) -> None:
        names.append(os.path.basename(source))
        replace_file(source, target)

    monkeypatch.setattr(os, "replace", look)
    for _ in range(2):
        files.write_durably(tmp_path / "f", b"x")
    assert names[0] != names[1]
    assert all(name.startswith(f".f.{os.getpid()}-") and name.endswith(".tmp") for name in names)


def test_a_short_write_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:2]))
    files.write_durably(tmp_path / "f", b"abcdefg")
    assert (tmp_path / "f").read_bytes() == b"abcdefg"


def test_a_file_in_the_present_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files.write_durably(Path("f"), b"x")
    assert (tmp_path / "f").read_bytes() == b"x"


def test_every_folder_that_was_made_is_for_its_owner_and_its_parent_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Path] = []
    monkeypatch.setattr(files, "sync_folder", told.append)
    deep = tmp_path / "a" / "b" / "c"
    files.make_folder(deep)
    assert told == [tmp_path, tmp_path / "a", tmp_path / "a" / "b"]
    for folder in (deep, deep.parent, deep.parent.parent):
        assert folder.stat().st_mode & 0o777 == 0o700
    files.make_folder(deep)
    assert len(told) == 3

    def refuse(folder: Path) -> None:
        raise PermissionError(errno.EACCES, "no")

    monkeypatch.setattr(files, "sync_folder", refuse)
    files.make_folder(deep / "d")
    assert (deep / "d").is_dir()


def test_the_mirror_of_the_generation_only_rises(device: Device) -> None:
    assert device.door().mirrored_generation() == 0
    device.door().mirror_generation(3)
    device.door().mirror_generation(2)
    assert device.door().mirrored_generation() == 3
    device.door().mirror_generation(2**40)
    assert device.door().mirrored_generation() == 2**40
    assert device.keys.secrets[device.secret_name("generation")] == b"\x01" + (2**40).to_bytes(8)


def test_the_agencys_timed_release_counts_for_a_change_of_pin_too(device: Device) -> None:
    for _ in range(5):
        device.unlock("582931")
    device.release_after = timedelta(minutes=15)
    locked = device.change_pin(PIN, "739205")
    assert locked == LockedByAttempts(until=NOON + timedelta(minutes=15))


def test_destruction_takes_every_secret_out_of_the_key_store(device: Device) -> None:
    device.door().mirror_generation(2**63)
    assert device.door().mirrored_generation() == 2**63
    assert len(device.keys.secrets) == 3
    device.door().destroy()
    assert device.keys.secrets == {}


def test_a_generation_that_is_known_is_not_written_again(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    device.door().mirror_generation(3)
    written: list[str] = []
    monkeypatch.setattr(device.keys, "set", lambda name, value: written.append(name))
    device.door().mirror_generation(3)
    assert written == []


def test_salts_and_device_keys_have_their_lengths(device: Device) -> None:
    header = Header.from_bytes(device.header.read_bytes())
    (slot,) = header.slots
    assert len(slot.kdf.salt) == 16
    assert len(device.keys.secrets[device.secret_name("key")]) == 32


def test_what_was_damaged_is_set_aside_under_sixteen_digits_of_its_sum(tmp_path: Path) -> None:
    aside = set_aside(tmp_path / "h", b"x")
    assert aside.name == "h.damaged-" + hashlib.sha256(b"x").hexdigest()[:16]


def test_the_record_of_another_form_is_none() -> None:
    figures = b"\x02" + bytes(16)
    assert Attempts.from_bytes(figures + hashlib.sha256(figures).digest()[:8]) is None
    figures = b"\x01" + bytes(16)
    assert Attempts.from_bytes(figures + hashlib.sha256(figures).digest()[:8]) == Attempts()
