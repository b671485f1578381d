"""Where things lie in a data folder, and what the machine around it offers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from field_app.clock import Clock
from field_app.store.binding_file import BindingFile
from field_app.vault.keystores import KeyStore

RandomBytes = Callable[[int], bytes]

CARD: Final = "device.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the machine offers. scrypt_n: cost of new PINs, at least minimum_n. app: name and version; platform: one word.
    ballast_bytes: the room kept for a full disk."""

    keystores: Sequence[KeyStore]
    clock: Clock
    random_bytes: RandomBytes
    scrypt_n: int
    minimum_n: int
    app: str
    platform: str
    ballast_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """Where things lie in a data folder."""

    path: Path

    @property
    def header(self) -> Path:
        return self.path / "header.json"

    @property
    def chain(self) -> Path:
        return self.path / "chain.json"

    @property
    def attempts(self) -> Path:
        return self.path / "attempts"

    @property
    def database(self) -> Path:
        return self.path / "field.db"

    @property
    def outbox(self) -> Path:
        return self.path / "outbox"

    @property
    def card(self) -> Path:
        return self.path / CARD

    @property
    def binding(self) -> BindingFile:
        return BindingFile(self.path)

    @property
    def ballast(self) -> Path:
        return self.path / "ballast"

    @property
    def sync_lock(self) -> Path:
        return self.path / "sync.lock"

    def pack(self, digest: str) -> Path:
        return self.path / "programme" / digest[:32]

    def pack_copy(self, digest: str) -> Path:
        return self.path / "programme" / f"{digest[:32]}.copy"

    @property
    def enrolled(self) -> bool:
        """Whether a whole enrolment is here: its last two files say so, and either is enough."""
        return self.card.exists() or self.binding.path.exists()
