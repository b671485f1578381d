"""Personal data at rest: each referral has a data key of its own, wrapped by the agency's storage key.

    box     nonce 12 | AES-256-GCM(key, plaintext, aad = domain | 0 | name)
    record  data_key = box(storage key, 32 random bytes, "data-key", referral_id);  body = box(data key, json, table, row)

Deleting the wrapped key shreds everything that was sealed under it. The aad binds a box to its row, so that boxes cannot be
exchanged. Blind indexes are HMAC-SHA256 under the index key over normalised text: equal people meet, nobody can be read.

Knows no database and makes no randomness; nonces come from the caller's source and are never a counter.
"""

from __future__ import annotations

import hmac
import unicodedata
from datetime import date

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from case_system.ports import RandomBytes

NONCE_BYTES = 12
KEY_BYTES = 32


class SealBroken(Exception):
    """A box does not open: another key, another row, or changed bytes. Never holds content."""


def seal(key: bytes, plaintext: bytes, domain: str, name: str, rng: RandomBytes) -> bytes:
    """The box of `plaintext` for one place (`domain`, `name`)."""
    nonce = rng(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, _aad(domain, name))


def open_(key: bytes, box: bytes, domain: str, name: str) -> bytes:
    """The plaintext of a box of that place, else SealBroken."""
    try:
        return AESGCM(key).decrypt(box[:NONCE_BYTES], box[NONCE_BYTES:], _aad(domain, name))
    except InvalidTag as error:
        raise SealBroken(f"a sealed {domain} does not open") from error


def new_data_key(storage_key: bytes, referral_id: str, rng: RandomBytes) -> tuple[bytes, bytes]:
    """A fresh data key, and its wrapped form for the database."""
    key = rng(KEY_BYTES)
    return key, seal(storage_key, key, "data-key", referral_id, rng)


def unwrap(storage_key: bytes, wrapped: bytes, referral_id: str) -> bytes:
    """The data key of a referral; SealBroken when the storage key is not the one."""
    return open_(storage_key, wrapped, "data-key", referral_id)


def person_index(index_key: bytes, name: str | None, born: date | None) -> str | None:
    """Where the same name and birth date meet, or None when either is not known."""
    if not name or born is None:
        return None
    words = " ".join(words_of(name))
    return blind(index_key, "person", f"{words}|{born.isoformat()}") if words else None


def words_of(name: str) -> list[str]:
    """The words of a name, sorted, without case, accents and marks: equal for equal people however they were written."""
    letters = "".join(c for c in unicodedata.normalize("NFKD", name.casefold()) if c.isalnum() or c.isspace())
    return sorted(letters.split())


def blind(index_key: bytes, domain: str, text: str) -> str:
    """The hex HMAC of `text` in `domain`."""
    return hmac.digest(index_key, _aad(domain, text), "sha256").hex()


def _aad(domain: str, name: str) -> bytes:
    return domain.encode() + b"\0" + name.encode()
