"""Puts a device together from this machine's parts: clock, randomness, key stores, network. Loads no Flet.

The one place (with `app.py`, which adds the page) that names concrete classes. The cost of a PIN has its floor here.
"""

from __future__ import annotations

import gc
import importlib
import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from field_app.actions import Actions
from field_app.config import APP, BALLAST_BYTES, SCRYPT_FLOOR, SCRYPT_N
from field_app.courier import BackgroundCourier, Transport
from field_app.device import Device, Folder, Surroundings
from field_app.enrolment import enrol_folder
from field_app.outcomes import Enrolled, Trouble
from field_app.sync.http import HttpCaseSystem
from field_app.sync.listener import Listener
from field_app.sync.worker import Worker
from field_app.vault.keystores import FileKeys, KeyringKeys, KeyStore
from field_app.vault.pin import Origin
from referral.port import CaseSystem
from referral.programme import PACK_FILES, Programme
from referral.programme import load as load_pack

PACKAGED: Final = "programmes/baltimore"
# Ten thousand referrals are a million objects that stay; at Python's own 700, a third of an unlock went into looking for cycles
# among them. Now only after 50,000 new ones.
GC_AFTER: Final = 50_000


class SystemClock:
    """This machine's clock."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        return datetime.now(UTC)

    def mono_ms(self) -> int:
        """Milliseconds since some start."""
        return time.monotonic_ns() // 1_000_000


class HttpTransport:
    """Case systems over HTTP. ca_file: certificates to trust instead of the machine's."""

    def __init__(self, ca_file: str | None = None) -> None:
        self._ca_file = ca_file

    def case_system(self, server: str) -> CaseSystem:
        """See `courier.Transport`."""
        return HttpCaseSystem(server, monotonic=time.monotonic, app=APP, ca_file=self._ca_file)

    def listener(self, server: str, token: Callable[[], str | None], worker: Worker) -> Listener | None:
        """See `courier.Transport`."""
        return Listener(
            server=server,
            token=token,
            wake=worker.wake,
            monotonic=time.monotonic,
            uniform=random.SystemRandom().uniform,
            app=APP,
            ca_file=self._ca_file,
        )


class _Keyring:
    """The `keyring` package, imported when a keyring is first asked."""

    def get_password(self, service_name: str, username: str) -> str | None:
        found: str | None = _keyring().get_password(service_name, username)
        return found

    def set_password(self, service_name: str, username: str, password: str) -> None:
        _keyring().set_password(service_name, username, password)

    def delete_password(self, service_name: str, username: str) -> None:
        _keyring().delete_password(service_name, username)


class NoKeyring(Exception):
    """There is no keyring on this machine."""


@cache
def _keyring() -> Any:
    try:
        keyring, errors = importlib.import_module("keyring"), importlib.import_module("keyring.errors")
    except ImportError as error:
        raise NoKeyring from error

    class Asked:
        """The module's three calls, with its own word for "there is none" put into ours."""

        def __getattr__(self, name: str) -> Any:
            def call(*args: str) -> Any:
                try:
                    return getattr(keyring, name)(*args)
                except errors.NoKeyringError as error:
                    raise NoKeyring from error

            return call

    return Asked()


def desktop_keys(folder: Path) -> Sequence[KeyStore]:
    """A desktop's key stores, best first: its keyring, else a file beside the vault, with a warning."""
    return (KeyringKeys(_Keyring(), absent=NoKeyring), FileKeys(folder / "keys"))


def surroundings(folder: Path, *, keystores: Sequence[KeyStore] | None = None) -> Surroundings:
    """This machine, for the data in `folder`."""
    return Surroundings(
        keystores=desktop_keys(folder) if keystores is None else keystores,
        clock=SystemClock(),
        random_bytes=os.urandom,
        scrypt_n=SCRYPT_N,
        minimum_n=SCRYPT_FLOOR,
        app=APP,
        platform=sys.platform,
        ballast_bytes=BALLAST_BYTES,
    )


def open_device(
    folder: Path,
    *,
    background: bool = False,
    ca_file: str | None = None,
    keystores: Sequence[KeyStore] | None = None,
) -> Actions:
    """The actions of the device in `folder`, shut. background: deliver in the background (an app), not only when asked.

    keystores: a phone's own, best first; a desktop's unless given.
    """
    gc.set_threshold(GC_AFTER, 10, 10)
    machine = surroundings(folder, keystores=keystores)
    return assemble(folder, machine, HttpTransport(ca_file), background=background)


def assemble(folder: Path, machine: Surroundings, transport: Transport, *, background: bool = False) -> Actions:
    """The actions of a device from given parts: what `open_device` and every test with a whole device uses."""

    def enrol(server: str, code: str, pin: str | None, origin: Origin) -> Enrolled | Trouble:
        return enrol_folder(Folder(path=folder), machine, transport.case_system, server, code, pin, origin)

    def courier(device: Device, changed: Callable[[], None]) -> BackgroundCourier:
        uniform = random.SystemRandom().uniform
        return BackgroundCourier(device, changed, transport=transport, uniform=uniform)

    return Actions(folder=folder, surroundings=machine, enrol=enrol, courier=courier, background=background)


def assets() -> Path:
    """The folder of the app's own files."""
    given = os.environ.get("FLET_ASSETS_DIR")
    return Path(given) if given else Path(__file__).resolve().parent.parent / "assets"


def packaged_programme() -> Programme:
    """The pack that comes with the app. Errors: OSError, PackError."""
    where = assets() / PACKAGED
    return load_pack({name: (where / name).read_bytes() for name in PACK_FILES})
