"""The vault's formats a second time, from docs/adr/0003-vault-format.md and the standard library alone.

Only AES-GCM itself comes from `cryptography`. Nothing is imported from field_app: what agrees with this was not agreed by sharing
a mistake.
"""

import hashlib
import hmac
import json
import struct

from cryptography.hazmat.primitives.ciphers.aead import AESGCM


def hkdf(ikm: bytes, salt: bytes, info: bytes, length: int = 32) -> bytes:
    """RFC 5869 with SHA-256."""
    prk = hmac.new(salt, ikm, "sha256").digest()
    out, block = b"", b""
    for i in range(1, -(-length // 32) + 1):
        block = hmac.new(prk, block + info + bytes((i,)), "sha256").digest()
        out += block
    return out[:length]


def fields(*values: bytes | str | int) -> bytes:
    """`canonical` of the ADR."""
    out = b""
    for value in values:
        data = (
            struct.pack(">Q", value) if isinstance(value, int) else value.encode() if isinstance(value, str) else value
        )
        out += struct.pack(">I", len(data)) + data
    return out


def device_check(dk: bytes, vault_id: bytes) -> bytes:
    return hkdf(dk, vault_id, fields("vault/device-check/v1"))[:16]


def slot_ct(
    *,
    vault_id: bytes,
    store: str,
    epoch: int,
    slot: str,
    pin: bytes,
    dk: bytes,
    n: int | None,
    salt: bytes,
    nonce: bytes,
    masters: list[tuple[int, bytes]],
) -> bytes:
    kp = b"" if n is None else hashlib.scrypt(pin, salt=salt, n=n, r=8, p=1, dklen=32)
    kek = hkdf(kp + dk, vault_id, fields("vault/kek/v1", epoch, slot))
    plain = b"".join(struct.pack(">Q", number) + key for number, key in masters)
    kdf: list[bytes | str | int] = ["none", 0] if n is None else ["scrypt", 3, "n", n, "p", 1, "r", 8]
    aad = fields("vault/slot/v1", 1, vault_id, store, epoch, slot, *kdf, salt, device_check(dk, vault_id))
    return AESGCM(kek).encrypt(nonce, plain, aad)


def header_file(*, vault_id: bytes, store: str, epoch: int, slots: dict[str, object]) -> bytes:
    document = {"format": 1, "key_epoch": epoch, "slots": slots, "store": store, "vault_id": vault_id.hex()}
    line = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    return line + b"\n" + hashlib.sha256(line).hexdigest().encode() + b"\n"


def row_box(
    *,
    master: bytes,
    vault_id: bytes,
    epoch: int,
    table: str,
    row_id: bytes,
    rev: int,
    schema: int,
    nonce: bytes,
    plaintext: bytes,
) -> bytes:
    record = hkdf(master, vault_id, fields("vault/record/v1", epoch))
    key = hkdf(record, row_id, fields("vault/row/v1"))
    padded = plaintext + b"\x80"
    padded += bytes(-len(padded) % 256)
    aad = fields("vault/row-aad/v1", 1, vault_id, table, row_id, rev, epoch, schema)
    return b"\x01" + struct.pack(">H", schema) + nonce + AESGCM(key).encrypt(nonce, padded, aad)


def manifest(
    *, master: bytes, vault_id: bytes, epoch: int, book: str, generation: int, rows: list[tuple[bytes, int, bytes]]
) -> bytes:
    key = hkdf(master, vault_id, fields("vault/manifest-key/v1", epoch))
    total = 0
    for row_id, rev, tag in rows:
        digest = hmac.new(key, fields("vault/manifest/row/v1", book, row_id, rev, tag), "sha256").digest()
        total = (total + int.from_bytes(digest, "big")) % 2**256
    fixed = struct.pack(">BIQQ", 1, epoch, generation, len(rows)) + total.to_bytes(32, "big")
    return fixed + hmac.new(key, fields("vault/manifest/v1", vault_id, book, fixed), "sha256").digest()


def attempts(*, started: int, wrong: int, latest: int) -> bytes:
    fixed = struct.pack(">BIIQ", 1, started, wrong, latest)
    return fixed + hashlib.sha256(fixed).digest()[:8]


def key_text(value: bytes) -> str:
    return f"v1:{value.hex()}:{hashlib.sha256(value).hexdigest()[:16]}"


def key_file(value: bytes) -> bytes:
    return b"\x01" + hashlib.sha256(value).digest()[:8] + value
