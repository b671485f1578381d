"""An open vault over a real file, with randomness from a seed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from field_app.store.database import Store
from field_app.store.records import Records
from field_app.vault.vault import Vault


def seeded(seed: bytes = b"records") -> Callable[[int], bytes]:
    """Bytes that look random and repeat: SHAKE-256 of the seed and a counter."""
    calls = 0

    def draw(size: int) -> bytes:
        nonlocal calls
        calls += 1
        return hashlib.shake_256(seed + calls.to_bytes(4, "big")).digest(size)

    return draw


def open_vault(seed: bytes = b"records") -> Vault:
    """The same vault each time: two of them share a master key, as after a restart."""
    return Vault(b"v" * 16, {1: bytearray(b"k" * 32)}, seeded(seed))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database file is."""
    return tmp_path / "field.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    """A new database file."""
    opened = Store(path)
    yield opened
    opened.close()


@pytest.fixture
def records(store: Store) -> Records:
    """The rows of a new vault."""
    made = Records(store, open_vault())
    made.start()
    return made
