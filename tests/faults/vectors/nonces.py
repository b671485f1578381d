"""No (key, nonce) pair is ever used twice, and no function lets a caller choose a nonce, a mode or an algorithm.

Every AES-GCM encryption of the vault and of the case system's store is listened to while many rows are written and written again. HPKE makes
a key of its own for each envelope: there it is the one-time point that must never repeat.
"""

from __future__ import annotations

import importlib
import inspect
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Final
from unittest.mock import patch

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from case_system import sealing
from field_app.vault import keys, vault
from field_app.vault.vault import DeviceChain, Vault
from referral import envelope
from referral.envelope import AgencyPrivateKey, DeviceSigningKey, Header, seal
from tests.support.agency import Agency
from tests.support.station import Station

ROWS, REWRITES = 60, 50
ENVELOPES: Final = 400
_FORBIDDEN: Final = ("nonce", "iv", "mode", "algorithm", "cipher", "aad")


class Listening:
    """AES-GCM that remembers which nonce each key has seen."""

    pairs: Counter[tuple[bytes, bytes]]

    def __init__(self, key: bytes | bytearray) -> None:
        self._key, self._inner = bytes(key), AESGCM(key)

    def encrypt(self, nonce: bytes, data: bytes, aad: bytes | None) -> bytes:
        """As the original."""
        self.pairs[self._key, nonce] += 1
        return self._inner.encrypt(nonce, data, aad)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@contextmanager
def listening() -> Iterator[Counter[tuple[bytes, bytes]]]:
    """All pairs that are used while the block lasts."""
    Listening.pairs = Counter()
    with patch.object(vault, "AESGCM", Listening), patch.object(keys, "AESGCM", Listening), patch.object(sealing, "AESGCM", Listening):  # fmt: skip
        yield Listening.pairs


def of_rows(random_bytes: Callable[[int], bytes] = os.urandom) -> list[str]:
    """Rows written and rewritten under one vault, the same revision again after a rollback, blobs, and the chain beside it."""
    with listening() as pairs:
        opened: tuple[Vault, ...] = (
            Vault(b"v" * 16, {1: bytearray(b"k" * 32), 2: bytearray(b"l" * 32)}, random_bytes),
            DeviceChain(b"c" * 16, {1: bytearray(b"k" * 32)}, random_bytes),
        )
        ids = [os.urandom(16) for _ in range(ROWS)]
        for one in opened:
            for rev in range(REWRITES):
                for row_id in ids:
                    one.seal_row("record", row_id, rev % 7, 1, b"the same text")
                one.seal_blob("token", b"the same secret")
    return _repeated(pairs, 2 * (ROWS + 1) * REWRITES)


def of_a_whole_device() -> list[str]:
    """A device that saves, amends, syncs, locks and opens, and the case system that files what it sends."""
    with listening() as pairs, tempfile.TemporaryDirectory() as folder:
        agency = Agency.found(f"sqlite:///{folder}/central.db", Path(folder))
        (Path(folder) / "device").mkdir()
        station = Station.enrolled(agency, Path(folder) / "device")
        for n in range(12):
            saved = station.save(referral_id=f"nonce-{n}")
            station.actions.amend(saved.referral_id, {"incident_number": f"26C0{n}"})
            station.actions.sync_now()
            station.open_again()
        station.actions.close()
        agency.engine.dispose()
    return _repeated(pairs, 150)


def of_envelopes() -> list[str]:
    """The same payload sealed again and again: another one-time point, another ciphertext, another signature each time."""
    agency, device = AgencyPrivateKey.generate(), DeviceSigningKey.generate()
    header = Header(agency=b"a" * 8, key_id=agency.key_id, op_id=b"o" * 16, device_id=b"d" * 16, device_seq=1, schema=1)
    made = [seal(b"the same", header, agency.public(), device) for _ in range(ENVELOPES)]
    parts = {"point": slice(55, 120), "ciphertext": slice(120, -64), "signature": slice(-64, None)}
    return [f"a {name} repeats" for name, part in parts.items() if len({raw[part] for raw in made}) != ENVELOPES]


def of_signatures_of_functions(modules: tuple[ModuleType, ...] | None = None) -> list[str]:
    """No public function or method of the code that seals has a parameter by which a caller could choose."""
    names = ("vault", "keys", "header_file", "door", "manifest")
    found = modules or (envelope, sealing, *(importlib.import_module(f"field_app.vault.{name}") for name in names))
    return [
        f"{module.__name__}.{name} has a parameter {parameter!r}"
        for module in found
        for name, function in _public(module)
        for parameter in inspect.signature(function).parameters
        if any(word in parameter.split("_") for word in _FORBIDDEN)
    ]


def _public(module: ModuleType) -> Iterator[tuple[str, Callable[..., object]]]:
    for name, thing in vars(module).items():
        if name.startswith("_") or getattr(thing, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(thing):
            yield name, thing
        elif inspect.isclass(thing) and not hasattr(thing, "__dataclass_fields__"):
            yield from ((f"{name}.{key}", method) for key, method in vars(thing).items() if inspect.isfunction(method) and not key.startswith("_"))  # fmt: skip


def _repeated(pairs: Counter[tuple[bytes, bytes]], least: int) -> list[str]:
    wrong = [f"{sum(n > 1 for n in pairs.values())} pairs of key and nonce repeat"] if max(pairs.values()) > 1 else []
    if pairs.total() < least:
        wrong.append(f"only {pairs.total()} encryptions were heard")
    return wrong


NONCES: Final[tuple[Callable[[], list[str]], ...]] = (
    of_rows,
    of_a_whole_device,
    of_envelopes,
    of_signatures_of_functions,
)
