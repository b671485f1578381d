"""Creation, unlock, PIN change, destruction: each outcome, and a kill at each step."""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from field_app.vault import door as door_module
from field_app.vault import files, header_file
from field_app.vault.attempts import DESTROYED_AT, LOCKED_AT, AttemptFile
from field_app.vault.door import (
    Destroyed,
    KeyLost,
    KeyState,
    KeyUnavailable,
    LockedByAttempts,
    NeverCreated,
    Unlocked,
    VaultDoor,
    WrongPin,
    create_device_chain,
    open_device_chain,
)
from field_app.vault.errors import (
    DamagedHeader,
    DamagedRow,
    KeyStoreAbsent,
    KeyStoreUnavailable,
    NewerFormat,
    NotRead,
    NotWritten,
)
from field_app.vault.keys import Header, StoreName, unwrap
from field_app.vault.keystores import MemoryKeys
from field_app.vault.pin import Origin
from field_app.vault.vault import DeviceChain, Vault
from tests.field_app.vault.conftest import NOON, PIN, Device, seeded

WRONG = "000000"


class Killed(BaseException):
    """The process dies here."""


def die(*_: object, **__: object) -> None:
    raise Killed


def test_what_was_sealed_at_creation_opens_after_every_unlock(tmp_path: Path) -> None:
    device = Device(tmp_path)
    assert device.unlock() == NeverCreated()
    assert device.door().state() is KeyState.NEVER_CREATED
    made = device.create()
    row = made.seal_row("records", made.new_id(), 0, 1, b"{}")
    made.lock()
    for _ in range(2):
        vault = device.opened()
        assert vault.open_row("records", row) == b"{}"
        vault.lock()
    assert device.door().state() is KeyState.PRESENT


def test_a_wrong_pin_says_how_many_tries_are_left(device: Device) -> None:
    assert device.unlock(WRONG) == WrongPin(remaining=4, before_destruction=9)
    assert device.unlock(WRONG) == WrongPin(remaining=3, before_destruction=8)
    assert isinstance(device.unlock(), Unlocked)
    assert (device.counted().started, device.counted().wrong) == (0, 0)
    assert device.unlock(WRONG) == WrongPin(remaining=4, before_destruction=9)


def test_typed_alike_is_alike(tmp_path: Path) -> None:
    device = Device(tmp_path)
    device.door().create("caf\u00e9 \u2167 quill", origin=Origin.CHOSEN)
    assert isinstance(device.unlock("cafe\u0301 VIII quill"), Unlocked)


def test_an_empty_pin_is_misuse_and_not_counted(device: Device) -> None:
    with pytest.raises(ValueError, match="no PIN"):
        device.unlock("")
    assert device.counted().started == 0


# ------------------------------------------------------------------------------------------------- creation


def test_a_vault_is_never_made_over_another(device: Device) -> None:
    before = dict(device.keys.secrets), device.header.read_bytes()
    with pytest.raises(RuntimeError, match="exists"):
        device.create()
    assert (dict(device.keys.secrets), device.header.read_bytes()) == before


def test_a_pin_against_the_policy_makes_nothing(tmp_path: Path) -> None:
    device = Device(tmp_path)
    with pytest.raises(ValueError, match="too_short"):
        device.door().create(PIN, origin=Origin.CHOSEN)
    with pytest.raises(ValueError, match="common"):
        device.door().create("123456", origin=Origin.APP)
    assert not device.header.exists()


def test_the_cost_has_a_floor(tmp_path: Path) -> None:
    for n in (2**14, 3 * 2**15):
        with pytest.raises(ValueError, match="scrypt N"):
            VaultDoor(
                header=tmp_path / "h",
                keystores=[],
                place=AttemptFile(tmp_path / "a"),
                random_bytes=seeded(),
                scrypt_n=n,
                minimum_n=2**15,
            )


class NoKeyring(MemoryKeys):
    def get(self, name: str) -> bytes | None:
        raise KeyStoreAbsent("none")

    def set(self, name: str, value: bytes) -> None:
        raise KeyStoreAbsent("none")


class Forgetful(MemoryKeys):
    """A null backend: takes everything, keeps nothing."""

    def set(self, name: str, value: bytes) -> None:
        return


def door_with(folder: Path, *keystores: MemoryKeys) -> VaultDoor:
    return VaultDoor(
        header=folder / "vault.header",
        keystores=keystores,
        place=AttemptFile(folder / "attempts"),
        random_bytes=seeded(),
        scrypt_n=2,
        minimum_n=2,
    )


def test_the_first_store_that_works_is_taken_and_named_for_good(tmp_path: Path) -> None:
    keyring, file = MemoryKeys(StoreName.KEYRING), MemoryKeys(StoreName.FILE)
    door_with(tmp_path, NoKeyring(StoreName.KEYRING), Forgetful(StoreName.SECURE_STORAGE), file).create(
        PIN, origin=Origin.APP
    )
    assert Header.from_bytes((tmp_path / "vault.header").read_bytes()).store is StoreName.FILE
    assert not [name for name in file.secrets if name.startswith("probe")]
    later = door_with(tmp_path, keyring, file)  # a keyring appears: not for this vault
    assert isinstance(later.unlock(PIN, now=NOON, release_after=None), Unlocked)
    assert not keyring.secrets
    without = door_with(tmp_path, keyring)
    assert without.unlock(PIN, now=NOON, release_after=None) == KeyUnavailable()
    assert without.state() is KeyState.UNAVAILABLE


def test_a_store_that_does_not_answer_at_creation_is_waited_for(tmp_path: Path) -> None:
    keyring = MemoryKeys(StoreName.KEYRING)
    keyring.available = False
    with pytest.raises(KeyStoreUnavailable):
        door_with(tmp_path, keyring, MemoryKeys(StoreName.FILE)).create(PIN, origin=Origin.APP)
    with pytest.raises(KeyStoreAbsent):
        door_with(tmp_path, Forgetful()).choose_store()


class KeepsOnlyProbes(MemoryKeys):
    def set(self, name: str, value: bytes) -> None:
        if name.startswith("probe"):
            super().set(name, value)


def test_a_device_key_that_was_not_kept_makes_no_vault(tmp_path: Path) -> None:
    with pytest.raises(KeyStoreUnavailable, match="did not keep"):
        door_with(tmp_path, KeepsOnlyProbes()).create(PIN, origin=Origin.APP)
    assert not (tmp_path / "vault.header").exists()


@pytest.mark.parametrize("step", ["wrap", "write_durably"])
def test_a_kill_during_creation_leaves_a_first_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    device = Device(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(header_file, step, die)
        with pytest.raises(Killed):
            device.create()
    assert device.unlock() == NeverCreated()
    device.create()
    assert isinstance(device.unlock(), Unlocked)


# ------------------------------------------------------------------------------------------------- attempts


def test_five_wrong_lock_and_the_right_pin_is_refused(device: Device) -> None:
    for _ in range(LOCKED_AT - 1):
        assert isinstance(device.unlock(WRONG), WrongPin)
    assert device.door().locked(now=NOON, release_after=None) is None
    assert device.unlock(WRONG) == LockedByAttempts(until=None)
    assert device.unlock() == LockedByAttempts(until=None)
    assert device.counted().wrong == LOCKED_AT
    assert device.door().locked(now=NOON, release_after=None) == LockedByAttempts(until=None)


def test_the_agency_releases_online_and_wrong_answers_stay_counted(device: Device) -> None:
    for _ in range(LOCKED_AT):
        device.unlock(WRONG)
    device.door().release(now=NOON)
    assert device.unlock(WRONG) == WrongPin(remaining=4, before_destruction=4)
    assert isinstance(device.unlock(), Unlocked)


def test_a_timed_release_counts_from_the_latest_start(device: Device) -> None:
    device.release_after = timedelta(minutes=15)
    for minute in range(LOCKED_AT - 1):
        device.now = NOON + timedelta(minutes=minute)
        device.unlock(WRONG)
    device.now = NOON + timedelta(minutes=4)
    until = NOON + timedelta(minutes=19)
    assert device.unlock(WRONG) == LockedByAttempts(until=until)
    device.now = until - timedelta(seconds=1)
    assert device.unlock() == LockedByAttempts(until=until)
    device.now = until
    assert isinstance(device.unlock(), Unlocked)


def test_without_a_timed_release_no_clock_helps(device: Device) -> None:
    for _ in range(LOCKED_AT):
        device.unlock(WRONG)
    device.now = NOON + timedelta(days=4000)
    assert device.unlock() == LockedByAttempts(until=None)


def test_a_clock_set_back_does_not_shorten_a_lock(device: Device) -> None:
    device.release_after = timedelta(minutes=15)
    device.unlock(WRONG)
    device.now = NOON - timedelta(days=9000)  # set back during the tries
    for _ in range(LOCKED_AT - 2):
        device.unlock(WRONG)
    until = NOON + timedelta(minutes=15)
    assert device.unlock(WRONG) == LockedByAttempts(until=until)
    assert device.unlock() == LockedByAttempts(until=until)
    device.now = until - timedelta(seconds=1)  # and forward again
    assert device.unlock() == LockedByAttempts(until=until)
    assert device.door().locked(now=until, release_after=device.release_after) is None


@pytest.mark.parametrize("timed", [False, True])
def test_the_tenth_wrong_in_a_row_destroys(device: Device, timed: bool) -> None:
    device.release_after = timedelta(minutes=15) if timed else None
    for n in range(1, DESTROYED_AT):
        device.unlock(WRONG)
        if n == LOCKED_AT:
            if timed:
                device.now += timedelta(minutes=15)
            else:
                device.door().release(now=device.now)
    header_before = Header.from_bytes(device.header.read_bytes())
    assert header_before.slots
    assert device.unlock(WRONG) == Destroyed()
    assert Header.from_bytes(device.header.read_bytes()).slots == ()
    assert device.keys.secrets == {}
    assert device.unlock() == Destroyed()
    assert device.door().state() is KeyState.DESTROYED
    assert device.door().locked(now=NOON, release_after=None) is None


def test_wrong_answers_count_only_in_a_row(device: Device) -> None:
    for _ in range(10):
        for _ in range(LOCKED_AT - 1):
            assert isinstance(device.unlock(WRONG), WrongPin)
        assert isinstance(device.unlock(), Unlocked)


def test_a_kill_during_the_derivation_is_a_start_and_not_a_wrong_pin(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(1, LOCKED_AT + 1):
        with monkeypatch.context() as patch:
            patch.setattr(door_module, "unwrap", die)
            with pytest.raises(Killed):
                device.unlock(WRONG)
        assert (device.counted().started, device.counted().wrong) == (n, 0)
    assert device.unlock() == LockedByAttempts(until=None)
    device.door().release(now=NOON)
    assert isinstance(device.unlock(), Unlocked)


def test_no_number_of_kills_destroys(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(4):
        with monkeypatch.context() as patch:
            patch.setattr(door_module, "unwrap", die)
            for _ in range(LOCKED_AT):
                with pytest.raises(Killed):
                    device.unlock(WRONG)
        device.door().release(now=NOON)
    assert isinstance(device.unlock(), Unlocked)


def test_the_start_is_persisted_in_both_places_before_the_derivation(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[bytes, bytes]] = []

    def look(*_: object) -> None:
        seen.append((device.attempts_path.read_bytes(), device.keys.secrets[device.secret_name("attempts")]))
        raise Killed

    before = device.attempts_path.read_bytes()
    monkeypatch.setattr(door_module, "unwrap", look)
    with pytest.raises(Killed):
        device.unlock()
    assert seen[0][0] == seen[0][1] != before


@pytest.mark.parametrize("place", ["file", "keys"])
@pytest.mark.parametrize("how", ["restored", "removed", "garbage"])
def test_meddling_with_one_place_gains_nothing(device: Device, place: str, how: str) -> None:
    name = device.secret_name("attempts")
    old_file, old_secret = device.attempts_path.read_bytes(), device.keys.secrets[name]
    for _ in range(3):
        device.unlock(WRONG)
    if place == "file":
        if how == "removed":
            device.attempts_path.unlink()
        else:
            device.attempts_path.write_bytes(old_file if how == "restored" else b"garbage")
    elif how == "removed":
        del device.keys.secrets[name]
    else:
        device.keys.secrets[name] = old_secret if how == "restored" else b"garbage"
    assert device.unlock(WRONG) == WrongPin(remaining=1, before_destruction=6)


def test_silence_of_both_places_locks_and_a_release_heals_it(device: Device) -> None:
    device.release_after = timedelta(minutes=15)
    device.attempts_path.unlink()
    del device.keys.secrets[device.secret_name("attempts")]
    until = NOON + timedelta(minutes=15)
    assert device.unlock() == LockedByAttempts(until=until)
    device.now = until - timedelta(seconds=1)
    assert device.unlock() == LockedByAttempts(until=until)
    device.door().release(now=NOON)
    assert isinstance(device.unlock(), Unlocked)


def test_a_kill_between_the_tenth_answer_and_its_consequence_changes_nothing(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(1, DESTROYED_AT):
        device.unlock(WRONG)
        if n == LOCKED_AT:
            device.door().release(now=NOON)
    with monkeypatch.context() as patch:
        patch.setattr(VaultDoor, "_destroy", die)
        with pytest.raises(Killed):
            device.unlock(WRONG)
    device.door().release(now=NOON)
    assert device.unlock() == Destroyed()
    assert device.keys.secrets == {}


def full_disk(*_: object) -> None:
    raise NotWritten("full", disk_full=True)


def test_a_full_disk_keeps_nobody_out_while_one_place_counts(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AttemptFile, "save", full_disk)
    assert device.unlock(WRONG) == WrongPin(remaining=4, before_destruction=9)
    assert isinstance(device.unlock(), Unlocked)
    assert device.unlock(WRONG) == WrongPin(remaining=4, before_destruction=9)


def test_the_right_pin_opens_though_the_counters_cannot_be_cleared(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    def then_fill_the_disk(*args: object) -> object:
        monkeypatch.setattr(AttemptFile, "save", full_disk)
        monkeypatch.setattr(MemoryKeys, "set", full_disk)
        return unwrap(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(door_module, "unwrap", then_fill_the_disk)
    assert isinstance(device.unlock(), Unlocked)
    assert device.counted().started == 1


def test_a_try_that_can_be_counted_nowhere_is_not_made(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AttemptFile, "save", full_disk)
    monkeypatch.setattr(MemoryKeys, "set", full_disk)
    monkeypatch.setattr(door_module, "unwrap", die)
    with pytest.raises(NotWritten) as told:
        device.unlock()
    assert told.value.disk_full


# ------------------------------------------------------------------------------------------------- key states


def test_not_found_beside_a_header_is_unavailable_never_first_run(device: Device) -> None:
    kept = device.keys.secrets.copy()
    device.keys.secrets.clear()
    for _ in range(20):
        assert device.unlock() == KeyUnavailable()
    assert device.door().state() is KeyState.UNAVAILABLE
    assert device.keys.secrets == {}
    assert device.counted().started == 0
    device.keys.secrets.update(kept)
    assert isinstance(device.unlock(), Unlocked)


def test_a_store_that_does_not_answer_is_unavailable(device: Device) -> None:
    device.keys.available = False
    assert device.unlock() == KeyUnavailable()
    assert device.door().state() is KeyState.UNAVAILABLE
    assert device.door().locked(now=NOON, release_after=None) is None
    device.keys.available = True
    assert isinstance(device.unlock(), Unlocked)


def test_a_foreign_key_is_a_lost_key_and_not_a_wrong_pin(device: Device) -> None:
    device.keys.secrets[device.secret_name("key")] = b"another phone's key".ljust(32)
    for _ in range(20):
        assert device.unlock() == KeyLost()
    assert device.door().state() is KeyState.LOST
    assert (device.counted().started, device.counted().wrong) == (0, 0)


def test_a_damaged_header_is_not_a_wrong_pin(device: Device) -> None:
    header_file.copy_of(device.header).unlink()
    data = bytearray(device.header.read_bytes())
    data[60] ^= 1
    device.header.write_bytes(data)
    for _ in range(20):
        with pytest.raises(DamagedHeader):
            device.unlock()
    assert (device.counted().started, device.counted().wrong) == (0, 0)


def test_a_header_that_cannot_be_read_is_neither_absent_nor_damaged(device: Device) -> None:
    header_file.copy_of(device.header).unlink()
    device.header.unlink()
    device.header.mkdir()
    with pytest.raises(NotRead):
        device.unlock()
    with pytest.raises(NotRead):
        device.create()


def test_later_forms_are_named_before_anything_is_counted(device: Device) -> None:
    header = device.header.read_bytes()

    def rewritten(old: bytes, new: bytes) -> bytes:
        line = header.split(b"\n")[0].replace(old, new)
        return line + b"\n" + hashlib.sha256(line).hexdigest().encode() + b"\n"

    for old, new in ((b'"format":1', b'"format":9'), (b'"scrypt"', b'"argon"'), (b'"pin+device"', b'"gesture"')):
        device.header.write_bytes(rewritten(old, new))
        with pytest.raises(NewerFormat):
            device.unlock()
    assert device.counted().started == 0


# ------------------------------------------------------------------------------------------------- change, destroy


def test_a_changed_pin_opens_the_same_records(device: Device) -> None:
    vault = device.opened()
    row = vault.seal_row("records", vault.new_id(), 0, 1, b"{}")
    before = device.header.read_bytes()
    outcome = device.change_pin(PIN, "582931")
    assert isinstance(outcome, Unlocked)
    assert outcome.vault.open_row("records", row) == b"{}"
    assert isinstance(device.unlock(PIN), WrongPin)
    assert device.opened("582931").open_row("records", row) == b"{}"
    old, new = Header.from_bytes(before).slots[0], Header.from_bytes(device.header.read_bytes()).slots[0]
    assert old.kdf.salt != new.kdf.salt
    assert old.nonce != new.nonce


def test_a_change_with_a_wrong_old_pin_counts_and_changes_nothing(device: Device) -> None:
    before = device.header.read_bytes()
    assert device.change_pin(WRONG, "582931") == WrongPin(remaining=4, before_destruction=9)
    with pytest.raises(ValueError, match="common"):
        device.change_pin(PIN, "111111")
    assert device.header.read_bytes() == before
    assert device.counted().started == 1


@pytest.mark.parametrize("step", ["os.fsync", "os.replace", "after replace"])
def test_a_kill_during_a_change_leaves_the_old_pin_or_the_new(
    device: Device, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    whole = files.write_durably

    def save(path: Path, data: bytes) -> None:
        with monkeypatch.context() as patch:
            if step != "after replace":
                patch.setattr(step, die)
            else:
                patch.setattr(files, "sync_folder", die)
            whole(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(header_file, "write_durably", save)
        with pytest.raises(Killed):
            device.change_pin(PIN, "582931")
    works = [pin for pin in (PIN, "582931") if isinstance(device.unlock(pin), Unlocked)]
    assert works == (["582931"] if step == "after replace" else [PIN])


def test_destruction_needs_no_pin_survives_a_silent_store_and_lets_a_new_vault_follow(device: Device) -> None:
    vault = device.opened()
    row = vault.seal_row("records", vault.new_id(), 0, 1, b"{}")
    device.keys.available = False
    device.door().destroy()
    assert Header.from_bytes(device.header.read_bytes()).slots == ()
    device.keys.available = True
    assert device.keys.secrets
    assert device.unlock() == Destroyed()
    assert device.keys.secrets == {}
    device.door().destroy()
    follower = device.create()
    assert follower.vault_id != vault.vault_id
    with pytest.raises(DamagedRow):
        follower.open_row("records", row)
    assert isinstance(device.unlock(), Unlocked)


def test_destroying_nothing_is_nothing(tmp_path: Path) -> None:
    device = Device(tmp_path)
    device.door().destroy()
    device.door().release(now=NOON)
    assert not device.header.exists()


def test_the_generation_is_mirrored_outside_the_file_and_never_backwards(device: Device, tmp_path: Path) -> None:
    door = device.door()
    assert door.mirrored_generation() == 0
    for generation, expected in ((7, 7), (3, 7), (8, 8)):
        door.mirror_generation(generation)
        assert device.door().mirrored_generation() == expected
    device.keys.available = False
    with pytest.raises(KeyStoreUnavailable):
        door.mirrored_generation()


# ------------------------------------------------------------------------------------------------- device chain


def test_the_device_chain_outlives_the_vault(device: Device) -> None:
    path = device.folder / "device.header"
    assert open_device_chain(path, [device.keys], device.random_bytes) == NeverCreated()
    chain = create_device_chain(path, [device.keys], device.random_bytes)
    blob = chain.seal_blob("token", b"t0ken")
    chain.lock()
    device.door().destroy()
    opened = open_device_chain(path, [device.keys], device.random_bytes)
    assert isinstance(opened, DeviceChain)
    assert opened.open_blob("token", blob) == b"t0ken"
    with pytest.raises(RuntimeError, match="exists"):
        create_device_chain(path, [device.keys], device.random_bytes)


def test_the_device_chain_tells_unavailable_from_lost_from_damaged(device: Device) -> None:
    path = device.folder / "device.header"
    keys = MemoryKeys(StoreName.KEYRING)
    create_device_chain(path, [keys], device.random_bytes)
    (name,) = keys.secrets
    key = keys.secrets.pop(name)
    assert open_device_chain(path, [keys], device.random_bytes) == KeyUnavailable()
    keys.secrets[name] = b"x" * 32
    assert open_device_chain(path, [keys], device.random_bytes) == KeyLost()
    keys.secrets[name] = key
    with pytest.raises(DamagedHeader):
        open_device_chain(device.header, [keys], device.random_bytes)
    assert isinstance(open_device_chain(path, [keys], device.random_bytes), DeviceChain)


def test_nothing_in_public_signatures_names_an_algorithm_a_nonce_or_a_mode() -> None:
    import inspect

    public: list[Callable[..., object]] = [VaultDoor, create_device_chain, open_device_chain]
    public += [member for kind in (Vault, VaultDoor) for name, member in inspect.getmembers(kind) if name[0] != "_"]
    for function in filter(callable, public):
        for parameter in inspect.signature(function).parameters:
            assert parameter not in {"nonce", "iv", "mode", "algorithm", "cipher", "aad", "key"}
