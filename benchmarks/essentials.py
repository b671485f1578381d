"""The least that a durable, sealed save can cost in Python: no model, no checks, no vault, only what no design can leave out.

One HPKE seal and one signature, one plain SQLite transaction with rows of the same sizes, one file by rename and its folder.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from random import Random

from referral.envelope import AgencyPrivateKey, DeviceSigningKey, Header, seal
from referral.operations import SCHEMA
from tests.referral.synthetic_payloads import any_referral, payload

ROW, META, MANIFEST = 1055, 300, 85  # bytes: a sealed row of four blocks, the outbox's sealed note, a manifest
TABLES = """
CREATE TABLE row (id BLOB PRIMARY KEY, shelf TEXT, rev INTEGER, key_epoch INTEGER, box BLOB);
CREATE INDEX row_by_shelf ON row (shelf);
CREATE TABLE manifest (book TEXT PRIMARY KEY, box BLOB);
CREATE TABLE outbox (n INTEGER PRIMARY KEY, op_id BLOB UNIQUE, state TEXT, device_seq INTEGER, meta BLOB, envelope BLOB);
CREATE INDEX outbox_by_state ON outbox (state, n);
CREATE INDEX outbox_by_seq ON outbox (device_seq);
"""


class Essentials:
    """Saves envelopes of varied payloads, one a call."""

    def __init__(self, folder: Path, n: int) -> None:
        """Room for `n` calls in a folder of its own."""
        rng = Random(5)
        self._payloads = [payload(any_referral(rng), rng) for _ in range(n)]
        self._agency, self._device = AgencyPrivateKey.generate().public(), DeviceSigningKey.generate()
        self._folder, self._done = folder, 0
        folder.mkdir()
        self._connection = sqlite3.connect(folder / "plain.db", isolation_level=None)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.executescript(TABLES)

    def save(self) -> None:
        """Seal, commit, write the file."""
        number = self._done.to_bytes(16)
        header = Header(
            agency=bytes(8),
            key_id=self._agency.key_id,
            op_id=number,
            device_id=bytes(16),
            device_seq=self._done + 1,
            schema=SCHEMA,
        )
        envelope = seal(self._payloads[self._done], header, self._agency, self._device)
        self._done += 1
        run = self._connection.execute
        run("BEGIN IMMEDIATE")
        outbox = [number, "waiting", self._done, os.urandom(META), envelope]
        run("INSERT INTO outbox (op_id, state, device_seq, meta, envelope) VALUES (?, ?, ?, ?, ?)", outbox)
        for book in ("vault", "outbox"):
            run("INSERT INTO row VALUES (?, ?, 1, 1, ?)", [os.urandom(16), book, os.urandom(ROW)])
            run("INSERT OR REPLACE INTO manifest VALUES (?, ?)", [book, os.urandom(MANIFEST)])
        run("COMMIT")
        temporary, path = self._folder / f".{self._done}.tmp", self._folder / f"{self._done}.env"
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(file, envelope)
        os.fsync(file)
        os.close(file)
        temporary.replace(path)
        above = os.open(self._folder, os.O_RDONLY)
        os.fsync(above)
        os.close(above)

    def close(self) -> None:
        """Close the database."""
        self._connection.close()
