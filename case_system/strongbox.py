"""An encrypted file for what leaves the case system: backups and key folders. Format lead-box/1, frozen by ADR 0008.

    "LEADBOX1" | n u32 | header, n bytes of canonical JSON | pieces
    header     {"holds": "backup" or "keys", "how": ..., "salt": 16 bytes hex, and for each how:}
                 passphrase   n, r, p of scrypt over the salt
                 folder       nothing: the storage key of the key folder opens it
                 recipient    "sealed": HPKE(P-256, HKDF-SHA256, AES-256-GCM) of 32 bytes for a public key, hex; info "lead/box/v1"
    key        HKDF-SHA256(what the how gives, salt, info = "lead/box/v1" | SHA-256 of everything before the pieces)
    piece      AES-256-GCM(key, up to 65536 bytes, nonce = counter 11 bytes | 1 in the last piece else 0); all but the last are full

The key is of this one file, so that counters are nonces; the last piece says so, so that nothing can be cut off; the header is part
of the key, so that nothing in it can be changed. Knows no database and no folder; randomness is an argument.

    BoxError      not such a file, damaged, cut off, or the key is another
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final, assert_never

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from case_system.ports import RandomBytes
from referral.codec import canonical

MAGIC: Final = b"LEADBOX1"
PIECE: Final = 65536
TAG: Final = 16
SCRYPT_N: Final = 2**17
LONGEST_N: Final = 2**20  # what a file may ask of its reader
SHORTEST_PASSPHRASE: Final = 12
_INFO: Final = b"lead/box/v1"
_SUITE: Final = Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_HEADER_LIMIT: Final = 4096


class BoxError(Exception):
    """The file does not open; never holds content or a secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passphrase:
    """Whoever knows it opens the file. Raises ValueError for a short one."""

    text: str = field(repr=False)
    n: int = SCRYPT_N

    def __post_init__(self) -> None:
        if len(self.text) < SHORTEST_PASSPHRASE:
            raise ValueError(f"a passphrase has at least {SHORTEST_PASSPHRASE} characters")


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderKey:
    """Whoever has the key folder opens the file."""

    storage_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Only who has the private half opens the file."""

    public: ec.EllipticCurvePublicKey = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The private half of a recipient."""

    private: ec.EllipticCurvePrivateKey = field(repr=False)


Lock = Passphrase | FolderKey | Recipient
Key = Passphrase | FolderKey | Identity


def new_identity(passphrase: str) -> tuple[bytes, bytes]:
    """A new pair as PEM: the private half encrypted under the passphrase, and the public half."""
    made = ec.generate_private_key(ec.SECP256R1())
    guarded = BestAvailableEncryption(Passphrase(text=passphrase).text.encode())
    return (
        made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, guarded),
        made.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    )


def recipient(pem: bytes) -> Recipient:
    """The recipient in a PEM file; BoxError where it is none."""
    try:
        key = load_pem_public_key(pem)
    except ValueError as error:
        raise BoxError("this is no public key") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise BoxError("the public key is not one of P-256")
    return Recipient(public=key)


def identity(pem: bytes, passphrase: str) -> Identity:
    """The private half in a PEM file; BoxError where it is none, or the passphrase is another."""
    try:
        key = load_pem_private_key(pem, passphrase.encode())
    except (ValueError, TypeError) as error:
        raise BoxError("the private key does not open") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise BoxError("the private key is not one of P-256")
    return Identity(private=key)


class Sealing(io.RawIOBase):
    """A file to write to; what is written is sealed into `target`. Whole only after `close`."""

    def __init__(self, target: BinaryIO, lock: Lock, holds: str, rng: RandomBytes) -> None:
        header: dict[str, Any] = {"holds": holds, "salt": rng(16).hex()}
        salt = bytes.fromhex(header["salt"])
        match lock:
            case Passphrase():
                header |= {"how": "passphrase", "n": lock.n, "r": 8, "p": 1}
                secret = _stretched(lock.text, salt, header)
            case FolderKey():
                header |= {"how": "folder"}
                secret = lock.storage_key
            case Recipient():
                secret = rng(32)
                header |= {"how": "recipient", "sealed": _SUITE.encrypt(secret, lock.public, info=_INFO).hex()}
            case _:
                assert_never(lock)
        text = canonical(header)
        head = MAGIC + len(text).to_bytes(4, "big") + text
        target.write(head)
        self._target, self._cipher = target, AESGCM(_key(secret, salt, head))
        self._buffer, self._n = bytearray(), 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        """Take bytes; full pieces go on to the target."""
        self._buffer += data
        while len(self._buffer) > PIECE:
            self._put(bytes(self._buffer[:PIECE]), last=False)
            del self._buffer[:PIECE]
        return len(data)

    def finish(self) -> None:
        """Write the last piece."""
        self._put(bytes(self._buffer), last=True)

    def _put(self, piece: bytes, *, last: bool) -> None:
        self._target.write(self._cipher.encrypt(_nonce(self._n, last=last), piece, None))
        self._n += 1


class Opening(io.RawIOBase):
    """A sealed file to read from. Raises BoxError, at the latest where the damage is."""

    def __init__(self, source: BinaryIO, key: Key, holds: str) -> None:
        head = source.read(len(MAGIC) + 4)
        size = int.from_bytes(head[len(MAGIC) :], "big")
        if not head.startswith(MAGIC) or size > _HEADER_LIMIT:
            raise BoxError("this is not an encrypted file of this program")
        text = source.read(size)
        try:
            header = json.loads(text)
            salt, how = bytes.fromhex(header["salt"]), str(header["how"])
            found = str(header["holds"])
            secret = _secret(header, how, salt, key)
        except (ValueError, KeyError, TypeError) as error:
            raise BoxError("the head of the file cannot be read") from error
        if found != holds:
            raise BoxError(f"the file holds {found}, not {holds}")
        self._source, self._cipher = source, AESGCM(_key(secret, salt, head + text))
        self._sealed: bytes | None = source.read(PIECE + TAG)
        self._open, self._n = b"", 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """The next bytes; 0 at the end, which was sealed as the end."""
        while not self._open:
            if self._sealed is None:
                return 0
            self._next()
        n = min(len(buffer), len(self._open))
        buffer[:n] = self._open[:n]
        self._open = self._open[n:]
        return n

    def _next(self) -> None:
        sealed, following = self._sealed or b"", self._source.read(PIECE + TAG)
        try:
            self._open = self._cipher.decrypt(_nonce(self._n, last=not following), sealed, None)
        except InvalidTag as error:
            first = "the key is another, or the file was changed" if self._n == 0 else "the file is damaged or cut off"
            raise BoxError(first) from error
        self._n += 1
        self._sealed = following or None


def is_box(head: bytes) -> bool:
    """True when a file that begins so is an encrypted one."""
    return head.startswith(MAGIC)


def _secret(header: Any, how: str, salt: bytes, key: Key) -> bytes:
    match how, key:
        case "passphrase", Passphrase():
            return _stretched(key.text, salt, header)
        case "folder", FolderKey():
            return key.storage_key
        case "recipient", Identity():
            try:
                return bytes(_SUITE.decrypt(bytes.fromhex(header["sealed"]), key.private, info=_INFO))
            except InvalidTag as error:
                raise BoxError("the file was sealed for another key") from error
        case _:
            pass
    ways = {"passphrase": "a passphrase", "folder": "the key folder it was made with", "recipient": "a private key"}
    raise BoxError(f"the file opens with {ways.get(how, 'a later version')}")


def _stretched(text: str, salt: bytes, header: Any) -> bytes:
    n, r, p = int(header["n"]), int(header["r"]), int(header["p"])
    if not (1 < n <= LONGEST_N and r == 8 and p == 1):
        raise BoxError("the file asks for more work than it may")
    return Scrypt(salt=salt, length=32, n=n, r=r, p=p).derive(text.encode())


def _key(secret: bytes, salt: bytes, head: bytes) -> bytes:
    info = _INFO + hashlib.sha256(head).digest()
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=salt, info=info).derive(secret)


def _nonce(n: int, *, last: bool) -> bytes:
    return n.to_bytes(11, "big") + bytes([last])
