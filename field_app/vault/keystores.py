"""Where device keys and counters live outside the database: named secrets, 1 to 255 bytes.

`get` answers None for "not found" and decides nothing: beside an existing header that means *temporarily unavailable*
(a phone before its first unlock says the same), never *first run*; `VaultDoor` rules on it. A stored value that
cannot be ours raises KeyStoreLost, a later app's form NewerFormat, any other trouble KeyStoreUnavailable.
Implementations never delete or recreate on an error.

    as text   v1:HEX:FIRST 16 HEX DIGITS OF ITS SHA-256           (phone, keyring)
    as file   0x01 | first 8 bytes of SHA-256 of value | value    (one file per name)

The operating system's parts are arguments, so that this file needs neither Flet nor keyring and works in a simulator.
"""

import asyncio
import contextlib
import hashlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol, TypeVar

from field_app.vault.errors import KeyStoreAbsent, KeyStoreLost, KeyStoreUnavailable, NewerFormat, NotRead, NotWritten
from field_app.vault.files import make_folder, read_whole, sync_folder, write_durably
from field_app.vault.keys import StoreName

T = TypeVar("T")


class KeyStore(Protocol):
    """A place for named secrets."""

    @property
    def name(self) -> StoreName:
        """The word in the header."""

    @property
    def warning(self) -> str:
        """One plain sentence for the officer if this place is weak, else nothing."""

    def get(self, name: str) -> bytes | None:
        """Return the secret, or None if not found. Errors: KeyStoreUnavailable, KeyStoreLost."""

    def set(self, name: str, value: bytes) -> None:
        """Store or replace. Errors: KeyStoreUnavailable; NotWritten from a file."""

    def delete(self, name: str) -> None:
        """Remove; nothing happens if it is not there. Errors: KeyStoreUnavailable."""


class SecureStorageKeys:
    """The phone's key store, through the async calls of a plug-in that only its page's event loop may make.

    `read`, `write`, `remove` are its coroutine functions over text; `loop` is the page's loop. Call from any other
    thread (an unlock takes most of a second and does not belong on the loop); on the loop itself this raises
    RuntimeError. The composition root must switch the plug-in's erase-on-error off and ask for this-device-only
    items.
    """

    name = StoreName.SECURE_STORAGE
    warning = ""

    def __init__(
        self,
        *,
        read: Callable[[str], Awaitable[str | None]],
        write: Callable[[str, str], Awaitable[object]],
        remove: Callable[[str], Awaitable[object]],
        loop: asyncio.AbstractEventLoop,
        timeout_s: float = 10.0,
    ) -> None:
        self._read, self._write, self._remove, self._loop, self._timeout_s = read, write, remove, loop, timeout_s

    def get(self, name: str) -> bytes | None:
        """See KeyStore."""
        text = self._wait(lambda: self._read(name))
        return None if text is None else _from_text(text)

    def set(self, name: str, value: bytes) -> None:
        """See KeyStore."""
        self._wait(lambda: self._write(name, _to_text(value)))

    def delete(self, name: str) -> None:
        """See KeyStore."""
        self._wait(lambda: self._remove(name))

    def _wait(self, call: Callable[[], Awaitable[T]]) -> T:
        try:
            here: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if here is self._loop:
            raise RuntimeError("on the page's own loop this would wait for itself; call from another thread")

        async def ask() -> T:
            return await asyncio.wait_for(call(), self._timeout_s)

        question = ask()
        try:
            future = asyncio.run_coroutine_threadsafe(question, self._loop)
        except RuntimeError as error:
            question.close()
            raise KeyStoreUnavailable("the page has gone") from error
        try:
            return future.result(self._timeout_s + 1)
        except Exception as error:  # plug-in, bridge and platform each raise their own; none of them means lost
            future.cancel()
            raise KeyStoreUnavailable("the phone's key store does not answer") from error


class KeyringBackend(Protocol):
    """What the `keyring` package's module offers."""

    def get_password(self, service_name: str, username: str) -> str | None: ...
    def set_password(self, service_name: str, username: str, password: str) -> None: ...
    def delete_password(self, service_name: str, username: str) -> None: ...


class KeyringKeys:
    """The desktop's keyring. `absent` is the error by which the backend says that there is none (NoKeyringError)."""

    name = StoreName.KEYRING
    warning = ""

    def __init__(self, backend: KeyringBackend, *, absent: type[Exception], service: str = "LEAD Field") -> None:
        self._backend, self._absent, self._service = backend, absent, service

    def get(self, name: str) -> bytes | None:
        """See KeyStore."""
        text = self._ask(lambda: self._backend.get_password(self._service, name))
        return None if text is None else _from_text(text)

    def set(self, name: str, value: bytes) -> None:
        """See KeyStore."""
        self._ask(lambda: self._backend.set_password(self._service, name, _to_text(value)))

    def delete(self, name: str) -> None:
        """See KeyStore."""
        if self._ask(lambda: self._backend.get_password(self._service, name)) is not None:
            self._ask(lambda: self._backend.delete_password(self._service, name))

    def _ask(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except self._absent as error:
            raise KeyStoreAbsent("this machine offers no keyring") from error
        except Exception as error:  # backends raise what their system's bus raises
            raise KeyStoreUnavailable("the keyring does not answer") from error


class FileKeys:
    """Files in a folder beside the vault, where there is nothing better. Whoever copies the disk copies them."""

    name = StoreName.FILE
    warning = (
        "This computer has no keyring, so the device key is kept in a file. "
        "Someone who copies this disk needs only your passphrase to read the records."
    )

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, name: str) -> bytes | None:
        """See KeyStore."""
        try:
            data = read_whole(self._folder / name)
        except NotRead as error:
            raise KeyStoreUnavailable("the key file cannot be read") from error
        if data is None:
            return None
        value = data[9:]
        if data[:1] > b"\x01":
            raise NewerFormat("the key file was written by a newer version of the app")
        if data[:9] != b"\x01" + _check(value):
            raise KeyStoreLost("the key file is damaged")
        return value

    def set(self, name: str, value: bytes) -> None:
        """See KeyStore."""
        try:
            make_folder(self._folder)
        except NotWritten as error:
            if error.disk_full:
                raise
            raise KeyStoreUnavailable("the folder of key files cannot be made") from error
        write_durably(self._folder / name, b"\x01" + _check(value) + value)

    def delete(self, name: str) -> None:
        """See KeyStore. The bytes are overwritten first, which journals and flash memory may defeat."""
        path = self._folder / name
        try:
            if path.exists():
                with contextlib.suppress(OSError):  # where it cannot be overwritten it goes all the same
                    _overwrite(path)
                path.unlink()
                sync_folder(self._folder)
        except OSError as error:
            raise KeyStoreUnavailable("the key file cannot be removed") from error


def _overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
        file.flush()
        os.fsync(file.fileno())


class MemoryKeys:
    """A key store for tests and the simulator; `available = False` is a phone before its first unlock."""

    warning = ""

    def __init__(self, name: StoreName = StoreName.SECURE_STORAGE) -> None:
        self.name = name
        self.available = True
        self.secrets: dict[str, bytes] = {}

    def get(self, name: str) -> bytes | None:
        """See KeyStore."""
        self._answer()
        return self.secrets.get(name)

    def set(self, name: str, value: bytes) -> None:
        """See KeyStore."""
        self._answer()
        self.secrets[name] = value

    def delete(self, name: str) -> None:
        """See KeyStore."""
        self._answer()
        self.secrets.pop(name, None)

    def _answer(self) -> None:
        if not self.available:
            raise KeyStoreUnavailable("the key store does not answer")


def _to_text(value: bytes) -> str:
    return f"v1:{value.hex()}:{_check(value).hex()}"


def _from_text(text: str) -> bytes:
    form, _, rest = text.partition(":")
    body, _, check = rest.partition(":")
    if form != "v1" and form[:1] == "v" and form[1:].isdecimal():
        raise NewerFormat("the stored secret was written by a newer version of the app")
    try:
        value = bytes.fromhex(body)
    except ValueError as error:
        raise KeyStoreLost("the stored secret is damaged") from error
    if form != "v1" or check != _check(value).hex():
        raise KeyStoreLost("the stored secret is damaged")
    return value


def _check(value: bytes) -> bytes:
    return hashlib.sha256(value).digest()[:8]
