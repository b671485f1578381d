"""The published vectors, one function each: through the code that the product uses, or through the primitive below it, said which.

Each returns sentences of what does not agree.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from field_app.vault.keys import Kdf, derive_key
from referral import envelope
from referral.envelope import BadSignature, VerifyKey
from tests.support.repository import ROOT

VECTORS: Final = ROOT / "tests" / "vectors" / "v1"
ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
FIELD: Final = 2**256 - 2**224 + 2**192 + 2**96 - 1


@cache
def document(name: str = "published", folder: Path = VECTORS) -> dict[str, Any]:
    """A file of vectors."""
    found: dict[str, Any] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return found


def hpke() -> list[str]:
    """RFC 9180: the product's own suite opens what was sealed under the published key and nonce, with the published private key.

    The suite takes no associated data, so the message is sealed here for it; that the published ones open under the same key and their
    own nonces ties both to the vector.
    """
    v = document()["hpke"]
    key, nonce, info = bytes.fromhex(v["key"]), bytes.fromhex(v["base_nonce"]), bytes.fromhex(v["info"])
    enc = bytes.fromhex(v["enc"])
    scalar = int.from_bytes(bytes.fromhex(v["skRm"]))
    private = ec.derive_private_key(scalar, ec.SECP256R1())
    wrong = []
    for n, sent in enumerate(v["encryptions"]):
        plain, ct, aad = (bytes.fromhex(sent[name]) for name in ("pt", "ct", "aad"))
        if AESGCM(key).decrypt(bytes.fromhex(sent["nonce"]), ct, aad) != plain:
            wrong.append(f"message {n} does not open under the published key")
        if int.from_bytes(bytes.fromhex(sent["nonce"])) != int.from_bytes(nonce) ^ n:
            wrong.append(f"nonce {n} is not the base nonce and the number")
    plain = bytes.fromhex(v["encryptions"][0]["pt"])
    ours = AESGCM(key).encrypt(nonce, plain, b"")
    try:
        if envelope._SUITE.decrypt(enc + ours, private, info=info) != plain:
            wrong.append("the suite opens something else")
    except InvalidTag:
        wrong.append("the suite derives another key or nonce than the vector")
    for other in (info[:-1], b""):
        try:
            envelope._SUITE.decrypt(enc + ours, private, info=other)
        except InvalidTag:
            continue
        wrong.append("another info opens it too")
    return wrong


def scrypt() -> list[str]:
    """RFC 7914, through the vault's own `Kdf` (its 32 bytes are the first half of the published 64)."""
    return [
        f"scrypt N = {case['n']}"
        for case in document()["scrypt"]
        if Kdf(name="scrypt", cost={name: case[name] for name in "nrp"}, salt=case["salt"].encode()).stretch(case["password"].encode()).hex() != case["key"][:64]
    ]  # fmt: skip


def hkdf() -> list[str]:
    """RFC 5869, through the primitive and by hand; and the vault's `derive_key` against the same hand."""
    wrong = []
    for n, case in enumerate(document()["hkdf"], 1):
        ikm, salt, info, okm = (bytes.fromhex(case[name]) for name in ("ikm", "salt", "info", "okm"))
        if HKDF(SHA256(), len(okm), salt or None, info).derive(ikm) != okm or by_hand(ikm, salt, info, len(okm)) != okm:
            wrong.append(f"case {n}")
    label = b"\0\0\0\x01x"
    if bytes(derive_key(b"secret", b"salt", "x")) != by_hand(b"secret", b"salt", label, 32):
        wrong.append("the vault derives otherwise")
    return wrong


def gcm() -> list[str]:
    """NIST's AES-256-GCM, both ways, and refused when its tag, its data or its nonce is another's."""
    wrong = []
    for n, case in enumerate(document()["gcm"]):
        key, nonce, plain, aad, ct, tag = (
            bytes.fromhex(case[name]) for name in ("key", "iv", "pt", "aad", "ct", "tag")
        )
        cipher = AESGCM(key)
        if cipher.encrypt(nonce, plain, aad) != ct + tag or cipher.decrypt(nonce, ct + tag, aad) != plain:
            wrong.append(f"case {n}")
        for other in ((nonce, ct + bytes([tag[0] ^ 1]) + tag[1:], aad), (nonce, ct + tag, aad + b"x"), (nonce[:-1] + bytes([nonce[-1] ^ 1]), ct + tag, aad)):  # fmt: skip
            try:
                cipher.decrypt(*other)
            except InvalidTag:
                continue
            wrong.append(f"case {n} opens changed")
    return wrong


def es256() -> list[str]:
    """RFC 7515 and 6979, through `VerifyKey` with its domain left out: the low form verifies, the high one is refused, all else too."""
    wrong = []
    with patch.object(envelope, "_check_domain", lambda domain: None):
        for case in document()["es256"]:
            key = VerifyKey.from_bytes(bytes.fromhex("04" + case["x"] + case["y"]))
            message, r, s = bytes.fromhex(case["message"]), int(case["r"], 16), int(case["s"], 16)
            low = min(s, ORDER - s)
            if not verifies(key, message, r, low):
                wrong.append(f"{case['source']} does not verify")
            if verifies(key, message, r, ORDER - low):
                wrong.append(f"{case['source']} verifies in its high form")
            if verifies(key, message + b"x", r, low) or verifies(key, message, ORDER - r, low):
                wrong.append(f"{case['source']} verifies changed")
            for odd in (0, 1, ORDER - 1, ORDER, ORDER + 1, FIELD, 2**256 - 1):
                for other in (0, 1, ORDER - 1, ORDER, ORDER + 1, FIELD, 2**256 - 1, low):
                    if verifies(key, message, odd, other):
                        wrong.append(f"{case['source']}: r and s of {odd:x} and {other:x} verify")
            for bad in (b"", bytes(63), bytes(65), bytes(128)):
                if verified(key, message, bad):
                    wrong.append(f"a signature of {len(bad)} bytes verifies")
    return wrong


def verifies(key: VerifyKey, message: bytes, r: int, s: int) -> bool:
    """Whether the two numbers are taken as a signature."""
    return verified(key, message, r.to_bytes(32) + s.to_bytes(32))


def verified(key: VerifyKey, message: bytes, signature: bytes) -> bool:
    """Whether these bytes are taken as a signature."""
    try:
        key.verify(b"", message, signature)
    except BadSignature:
        return False
    return True


def by_hand(ikm: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869 with nothing but HMAC."""
    prk = hmac.digest(salt or bytes(32), ikm, "sha256")
    out, block = b"", b""
    for i in range(1, -(-length // 32) + 1):
        block = hmac.digest(prk, block + info + bytes((i,)), "sha256")
        out += block
    return out[:length]


PUBLISHED: Final[tuple[Callable[[], list[str]], ...]] = (hpke, scrypt, hkdf, gcm, es256)
