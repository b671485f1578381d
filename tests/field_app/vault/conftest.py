"""One officer's device in a folder, with a key store in memory and randomness from a seed."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from field_app.vault.attempts import AttemptFile, Attempts
from field_app.vault.door import Unlocked, Unlocking, VaultDoor
from field_app.vault.keys import StoreName
from field_app.vault.keystores import MemoryKeys
from field_app.vault.pin import Origin
from field_app.vault.vault import Vault

PIN = "473920"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def seeded(seed: bytes = b"seed") -> Callable[[int], bytes]:
    """Return a source of bytes that looks random and repeats: SHAKE-256 of seed and a counter."""
    calls = 0

    def draw(size: int) -> bytes:
        nonlocal calls
        calls += 1
        return hashlib.shake_256(seed + calls.to_bytes(4, "big")).digest(size)

    return draw


@dataclass
class Device:
    """What survives a restart, and a way to start again."""

    folder: Path
    keys: MemoryKeys = field(default_factory=lambda: MemoryKeys(StoreName.KEYRING))
    random_bytes: Callable[[int], bytes] = field(default_factory=seeded)
    release_after: timedelta | None = None
    now: datetime = NOON

    @property
    def header(self) -> Path:
        return self.folder / "vault.header"

    @property
    def attempts_path(self) -> Path:
        return self.folder / "attempts"

    def door(self) -> VaultDoor:
        return VaultDoor(
            header=self.header,
            keystores=[self.keys],
            place=AttemptFile(self.attempts_path),
            random_bytes=self.random_bytes,
            scrypt_n=2,
            minimum_n=2,
        )

    def create(self, pin: str = PIN) -> Vault:
        return self.door().create(pin, origin=Origin.APP)

    def unlock(self, pin: str = PIN) -> Unlocking:
        return self.door().unlock(pin, now=self.now, release_after=self.release_after)

    def opened(self, pin: str = PIN) -> Vault:
        outcome = self.unlock(pin)
        assert isinstance(outcome, Unlocked)
        return outcome.vault

    def change_pin(self, old: str, new: str) -> Unlocking:
        return self.door().change_pin(old, new, origin=Origin.APP, now=self.now, release_after=self.release_after)

    def counted(self) -> Attempts:
        """The figures in the file, which both places hold alike unless a test interferes."""
        found = Attempts.from_bytes(self.attempts_path.read_bytes())
        assert found is not None
        return found

    def secret_name(self, what: str) -> str:
        return next(name for name in self.keys.secrets if name.endswith(f".{what}"))


@pytest.fixture
def device(tmp_path: Path) -> Device:
    """A device with a vault, locked."""
    made = Device(tmp_path)
    made.create().lock()
    return made


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    """An open vault."""
    return Device(tmp_path).create()
