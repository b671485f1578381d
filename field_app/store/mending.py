"""Each operation that waits lies twice, in its row and in its file: the one that is still as this device signed it mends the other.

Only where the two differ is a signature checked, so that a start costs one small file for each. Must not know: what is delivered.
"""

from __future__ import annotations

from typing import Final

from sqlite_utils import Database

from field_app.store.columns import as_bytes
from field_app.store.envelope_files import EnvelopeFiles
from referral.envelope import BadSignature, DevicePublicKey, Malformed, verify
from referral.model import OpId

_FILED: Final = "state IN ('waiting', 'stored', 'needs_attention', 'quarantined')"


def differing(tx: Database, files: EnvelopeFiles) -> dict[OpId, tuple[bytes, bytes]]:
    """Row and file of each operation that has both, and they are not alike. Errors: StoreError, DamagedRow, NotRead."""
    found: dict[OpId, tuple[bytes, bytes]] = {}
    present = files.present()
    for raw, envelope in tx.conn.execute(f"SELECT op_id, envelope FROM outbox WHERE {_FILED}"):  # noqa: S608 - no data
        op_id = OpId(as_bytes(raw).hex())
        if op_id in present and (data := files.read(op_id)) is not None and data != envelope:
            found[op_id] = (envelope if isinstance(envelope, bytes) else b"", data)
    return found


def mend_rows(tx: Database, pairs: dict[OpId, tuple[bytes, bytes]], device: DevicePublicKey) -> int:
    """Take the bytes of the file where only they are as they were signed; how many. Fingerprint and chain stay: they are of these bytes."""
    mended = [(data, bytes.fromhex(op_id)) for op_id, (row, data) in pairs.items() if not _ours(row, op_id, device) and _ours(data, op_id, device)]  # fmt: skip
    tx.conn.executemany("UPDATE outbox SET envelope = ? WHERE op_id = ?", mended)
    return len(mended)


def mend_files(files: EnvelopeFiles, pairs: dict[OpId, tuple[bytes, bytes]], device: DevicePublicKey) -> int:
    """Write the file anew where only the row is as it was signed; how many. Errors: NotWritten."""
    mended = [(op_id, row) for op_id, (row, data) in pairs.items() if _ours(row, op_id, device) and not _ours(data, op_id, device)]  # fmt: skip
    for op_id, row in mended:
        files.write(op_id, row)
    return len(mended)


def _ours(envelope: bytes, op_id: OpId, device: DevicePublicKey) -> bool:
    try:
        return verify(envelope, device).op_id.hex() == op_id
    except (BadSignature, Malformed):
        return False
