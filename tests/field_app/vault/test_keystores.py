"""Each key store keeps what it is given, and tells absent, unavailable and lost apart."""

import asyncio
import os
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import keyring.errors
import pytest
from hypothesis import given
from hypothesis import strategies as st

from field_app.vault import keystores
from field_app.vault.errors import KeyStoreAbsent, KeyStoreLost, KeyStoreUnavailable, NewerFormat, NotWritten
from field_app.vault.keystores import FileKeys, KeyringKeys, KeyStore, MemoryKeys, SecureStorageKeys


class Backend:
    """A keyring held in a dict, with the behaviour of keyring's module."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, str], str] = {}
        self.trouble: Exception | None = None

    def get_password(self, service_name: str, username: str) -> str | None:
        if self.trouble:
            raise self.trouble
        return self.held.get((service_name, username))

    def set_password(self, service_name: str, username: str, password: str) -> None:
        if self.trouble:
            raise self.trouble
        self.held[service_name, username] = password

    def delete_password(self, service_name: str, username: str) -> None:
        if (service_name, username) not in self.held:
            raise keyring.errors.PasswordDeleteError("not found")
        del self.held[service_name, username]


def calls_of(store: KeyStore) -> list[Callable[[], object]]:
    return [lambda: store.get("k"), lambda: store.set("k", b"w"), lambda: store.delete("k")]


def keyring_keys(backend: Backend) -> KeyringKeys:
    return KeyringKeys(backend, absent=keyring.errors.NoKeyringError)


class PluginError(Exception):
    """What a platform's bridge raises."""


class Phone:
    """A page's event loop in its own thread, with a plug-in that only answers there."""

    def __init__(self) -> None:
        self.held: dict[str, str] = {}
        self.trouble: Callable[[], None] = lambda: None
        self.stuck = False
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.keys = SecureStorageKeys(
            read=self.read, write=self.write, remove=self.remove, loop=self.loop, timeout_s=0.05
        )

    async def answer(self) -> None:
        assert threading.current_thread() is self.thread
        if self.stuck:
            await asyncio.Event().wait()
        self.trouble()

    async def read(self, name: str) -> str | None:
        await self.answer()
        return self.held.get(name)

    async def write(self, name: str, value: str) -> None:
        await self.answer()
        self.held[name] = value

    async def remove(self, name: str) -> None:
        await self.answer()
        self.held.pop(name, None)

    def stop(self) -> None:
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.loop.stop)
            self.thread.join()
            self.loop.close()


@pytest.fixture
def phone() -> Iterator[Phone]:
    made = Phone()
    yield made
    made.stop()


@pytest.fixture(params=["memory", "file", "keyring", "phone"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> KeyStore:
    match request.param:
        case "memory":
            return MemoryKeys()
        case "file":
            return FileKeys(tmp_path / "keys")
        case "keyring":
            return keyring_keys(Backend())
        case _:
            phone: Phone = request.getfixturevalue("phone")
            return phone.keys


def test_every_store_keeps_replaces_and_forgets(store: KeyStore) -> None:
    assert store.get("a.key") is None
    store.set("a.key", b"\x00one\xff")
    store.set("b.key", b"two")
    assert (store.get("a.key"), store.get("b.key")) == (b"\x00one\xff", b"two")
    store.set("a.key", b"three")
    assert store.get("a.key") == b"three"
    store.delete("a.key")
    store.delete("a.key")
    assert (store.get("a.key"), store.get("b.key")) == (None, b"two")
    assert "two" not in repr(store)
    assert b"two".hex() not in repr(store)


@given(st.binary(max_size=255))
def test_text_form_is_faithful_and_notices_every_changed_character(value: bytes) -> None:
    text = keystores._to_text(value)
    assert keystores._from_text(text) == value
    for at in range(len(text)):
        changed = text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :]
        with pytest.raises((KeyStoreLost, NewerFormat)):
            keystores._from_text(changed)


def test_a_later_form_is_not_a_loss(tmp_path: Path) -> None:
    with pytest.raises(NewerFormat):
        keystores._from_text("v2:anything")
    store = FileKeys(tmp_path)
    store.set("k", b"value")
    (tmp_path / "k").write_bytes(b"\x02anything")
    with pytest.raises(NewerFormat):
        store.get("k")


# ---------------------------------------------------------------------------------------------------- file


def test_key_files_are_for_their_owner_and_say_so(tmp_path: Path) -> None:
    store = FileKeys(tmp_path / "keys")
    store.set("k", b"value")
    assert "file" in store.warning
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / "keys" / "k").stat().st_mode) == 0o600
        assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["k"]


def test_every_flipped_byte_of_a_key_file_is_noticed(tmp_path: Path) -> None:
    store = FileKeys(tmp_path)
    store.set("k", b"value")
    data = (tmp_path / "k").read_bytes()
    for at in range(len(data)):
        (tmp_path / "k").write_bytes(data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :])
        with pytest.raises((KeyStoreLost, NewerFormat)):
            store.get("k")
        (tmp_path / "k").write_bytes(data[:at])
        with pytest.raises(KeyStoreLost):
            store.get("k")


def test_a_folder_in_the_way_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "k").mkdir()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(KeyStoreUnavailable):
        FileKeys(tmp_path).get("k")
    with pytest.raises(NotWritten):
        FileKeys(tmp_path).set("k", b"value")
    with pytest.raises(KeyStoreUnavailable):
        FileKeys(tmp_path).delete("k")
    with pytest.raises(KeyStoreUnavailable):
        FileKeys(tmp_path / "file" / "deeper").set("k", b"value")


# ---------------------------------------------------------------------------------------------------- keyring


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        (keyring.errors.NoKeyringError("none"), KeyStoreAbsent),
        (keyring.errors.KeyringLocked("locked"), KeyStoreUnavailable),
        (keyring.errors.InitError("bus"), KeyStoreUnavailable),
        (OSError("bus"), KeyStoreUnavailable),
    ],
)
def test_keyring_trouble_is_never_a_loss(trouble: Exception, told: type[Exception]) -> None:
    backend = Backend()
    store = keyring_keys(backend)
    backend.trouble = trouble
    for call in calls_of(store):
        with pytest.raises(told) as caught:
            call()
        assert isinstance(caught.value, KeyStoreUnavailable)
        assert isinstance(caught.value, KeyStoreAbsent) == (told is KeyStoreAbsent)


def test_a_keyring_entry_that_is_not_ours_is_lost() -> None:
    backend = Backend()
    backend.held["LEAD Field", "k"] = "hello"
    with pytest.raises(KeyStoreLost):
        keyring_keys(backend).get("k")


def test_the_keyring_package_itself_fits() -> None:
    KeyringKeys(keyring, absent=keyring.errors.NoKeyringError)


# ---------------------------------------------------------------------------------------------------- phone


def test_a_plug_in_error_is_unavailable(phone: Phone) -> None:
    def bad_decrypt() -> None:
        raise PluginError("BAD_DECRYPT")

    phone.keys.set("k", b"v")
    phone.trouble = bad_decrypt
    for call in calls_of(phone.keys):
        with pytest.raises(KeyStoreUnavailable) as caught:
            call()
        assert isinstance(caught.value.__cause__, PluginError)
    phone.trouble = lambda: None
    assert phone.keys.get("k") == b"v"


def test_a_plug_in_that_never_answers_is_unavailable(phone: Phone) -> None:
    phone.stuck = True
    with pytest.raises(KeyStoreUnavailable):
        phone.keys.get("k")


def test_a_page_that_has_gone_is_unavailable(phone: Phone) -> None:
    phone.stop()
    with pytest.raises(KeyStoreUnavailable):
        phone.keys.get("k")


def test_asking_on_the_pages_own_loop_is_misuse(phone: Phone) -> None:
    async def ask() -> None:
        phone.keys.get("k")

    with pytest.raises(RuntimeError, match="another thread"):
        asyncio.run_coroutine_threadsafe(ask(), phone.loop).result(5)


async def test_asking_on_another_loop_works(phone: Phone) -> None:
    await asyncio.to_thread(phone.keys.set, "k", b"v")
    assert phone.held
