"""The key folder: the case system's secrets as files that only their owner can read; never in the database.

    agency-0001-KEYID.key    HPKE private keys of the agency, oldest first; the last one is what devices seal for
    server.key               signs answers; bound on every device at enrolment
    storage.key index.key    32 bytes each: wrap data keys; blind indexes
    push.key                 32 bytes: signs for push services (VAPID); made when first needed where a folder has none
    retired.txt              ids of agency keys that were removed, one a line

Each file holds hex and is written whole or not at all (another name, fsync, rename). Losing the folder loses every sealed record: it is backed up
beside the database, not with it.

    KeyFolderError     missing, incomplete or readable by others
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from case_system.ports import RandomBytes
from referral.envelope import AgencyPrivateKey, AgencyPublicKey, ServerSigningKey

_AGENCY = re.compile(r"agency-(\d{4})-([0-9a-f]{16})\.key\Z")


class KeyFolderError(Exception):
    """The key folder cannot be used; says which file, never what is in it."""


def _write(path: Path, secret: bytes) -> None:
    if path.exists():
        raise KeyFolderError(f"{path.name} is there already")
    _write_whole(path, secret.hex() + "\n")


def _write_whole(path: Path, text: str) -> None:
    """Return once the file says this on the disk; a crash leaves what was there before, never a part."""
    temporary = path.with_name(f".{path.name}.tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    _sync(path.parent)


def _write_first(path: Path, secret: bytes) -> None:
    """Write it unless another process was first: then that one's stays, whole."""
    mine = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    _write_whole(mine, secret.hex() + "\n")
    try:
        os.link(mine, path)
    except FileExistsError:
        pass
    finally:
        mine.unlink()
    _sync(path.parent)


def _new_push_key() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value.to_bytes(32, "big")


def _sync(folder: Path) -> None:
    """Make names in the folder durable; Windows has no such call and journals them itself."""
    if os.name == "posix":
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _read(path: Path) -> bytes:
    try:
        if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise KeyFolderError(f"{path.name} can be read by others; chmod 600")
        return bytes.fromhex(path.read_text(encoding="ascii"))
    except FileNotFoundError as error:
        raise KeyFolderError(f"{path.name} is missing") from error
    except (OSError, ValueError) as error:
        raise KeyFolderError(f"{path.name} cannot be read") from error


class KeyFolder:
    """The keys of one case system; agency keys are read again by `look`. Implements `ports.Keys`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.storage_key = _read(folder / "storage.key")
        self.index_key = _read(folder / "index.key")
        if len(self.storage_key) != 32 or len(self.index_key) != 32:
            raise KeyFolderError("storage.key or index.key is not a key")
        self.server_key = ServerSigningKey.from_bytes(_read(folder / "server.key"))
        self._load()

    def _load(self) -> None:
        found = sorted((m[1], path) for path in self.folder.iterdir() if (m := _AGENCY.match(path.name)))
        if not found:
            raise KeyFolderError("there is no agency key")
        try:
            keys = [AgencyPrivateKey.from_bytes(_read(path)) for _, path in found]
        except ValueError as error:
            raise KeyFolderError("a file of an agency key holds no key") from error
        self.agency_keys: Mapping[bytes, AgencyPrivateKey] = {key.key_id: key for key in keys}
        self.newest: AgencyPublicKey = keys[-1].public()
        listed = self.folder / "retired.txt"
        lines = listed.read_text(encoding="ascii").split() if listed.exists() else []
        self.retired = frozenset(bytes.fromhex(line) for line in lines) - set(self.agency_keys)
        self._next = int(found[-1][0]) + 1

    @classmethod
    def create(cls, folder: Path, rng: RandomBytes) -> KeyFolder:
        """Make the folder and its first keys; KeyFolderError when there are keys already."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if any(folder.glob("*.key")):
            raise KeyFolderError("there are keys in this folder already")
        if os.name == "posix":
            folder.chmod(0o700)
        _write(folder / "storage.key", rng(32))
        _write(folder / "index.key", rng(32))
        _write(folder / "server.key", ServerSigningKey.generate().to_bytes())
        _write(folder / "push.key", _new_push_key())
        key = AgencyPrivateKey.generate()
        _write(folder / f"agency-0001-{key.key_id.hex()}.key", key.to_bytes())
        return cls(folder)

    def look(self) -> bool:
        """Take in keys that were added or retired by another process; True when there are others than before."""
        before = (set(self.agency_keys), self.retired)
        self._load()
        return before != (set(self.agency_keys), self.retired)

    def push_key(self) -> bytes:
        """The key that browsers subscribe with: 32 bytes. Folders of the first release have none; it is made then, once."""
        path = self.folder / "push.key"
        if not path.exists():
            _write_first(path, _new_push_key())
        return _read(path)

    def rotate(self) -> str:
        """Add an agency key; devices learn it with their next sync and seal for it. Its id."""
        key = AgencyPrivateKey.generate()
        _write(self.folder / f"agency-{self._next:04d}-{key.key_id.hex()}.key", key.to_bytes())
        self._load()
        return key.key_id.hex()

    def retire(self, key_id: str) -> None:
        """Destroy an older agency key: what is still sealed for it must be sealed again by its device (`key_retired`)."""
        wanted = [path for path in self.folder.iterdir() if (m := _AGENCY.match(path.name)) and m[2] == key_id]
        if not wanted:
            raise KeyFolderError("there is no such agency key")
        if key_id == self.newest.key_id.hex():
            raise KeyFolderError("the newest agency key cannot be retired")
        listed = self.folder / "retired.txt"
        before = listed.read_text(encoding="ascii") if listed.exists() else ""
        _write_whole(listed, f"{before}{key_id}\n")
        wanted[0].unlink()
        _sync(self.folder)
        self._load()

    def listed(self) -> list[dict[str, str]]:
        """What keys there are, for people: ids and states only."""
        newest = self.newest.key_id
        rows = [
            {"key_id": key_id.hex(), "kind": "agency", "state": "newest" if key_id == newest else "open"}
            for key_id in self.agency_keys
        ]
        rows += [{"key_id": key_id.hex(), "kind": "agency", "state": "retired"} for key_id in sorted(self.retired)]
        return [*rows, {"key_id": self.server_key.key_id.hex(), "kind": "server", "state": "newest"}]
