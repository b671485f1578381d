"""The schema of the device's file, as steps that are applied once, in order, each in a transaction with its number.

`PRAGMA user_version` is the number of steps applied. A step is never edited after a release: a change is a new step at
the end, and changes the schema, so that a damaged number is told from a newer file. A file with more steps than this app knows is left alone (NewerStore; `Store` applies the steps). Plaintext columns hold random ids, state,
counters, key ids and times of delivery attempts, nothing else.

    row       vault rows: `shelf` is the table name that a row's seal is bound to (records.py says what lies where)
    manifest  one per book: the vault's rows, the delivery chain
    outbox    one operation to deliver (outbox.py); times are milliseconds since 1970 by the device's clock
    carriage  small sealed notes of the delivery: the cursor, the next device_seq (cursor.py, outbox.py)
"""

from __future__ import annotations

from typing import Final

VAULT_ROWS: Final = (
    """
    CREATE TABLE row (
        id        BLOB PRIMARY KEY CHECK (length(id) = 16),
        shelf     TEXT NOT NULL,
        rev       INTEGER NOT NULL,
        key_epoch INTEGER NOT NULL,
        box       BLOB NOT NULL
    ) STRICT
    """,
    "CREATE TABLE manifest (book TEXT PRIMARY KEY, box BLOB NOT NULL) STRICT",
)

DELIVERY: Final = (
    """
    CREATE TABLE outbox (
        n           INTEGER PRIMARY KEY,
        op_id       BLOB NOT NULL UNIQUE CHECK (length(op_id) = 16),
        rev         INTEGER NOT NULL,
        state       TEXT NOT NULL,
        device_seq  INTEGER NOT NULL,
        attempts    INTEGER NOT NULL,
        set_at      INTEGER,
        next_at     INTEGER,
        alone       INTEGER NOT NULL,
        trouble     TEXT,
        settled_at  INTEGER,
        fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 32),
        meta        BLOB,
        envelope    BLOB,
        receipt     BLOB
    ) STRICT
    """,
    "CREATE INDEX outbox_by_state ON outbox (state, n)",
    "CREATE INDEX outbox_by_seq ON outbox (device_seq)",
    "CREATE TABLE carriage (name TEXT PRIMARY KEY, box BLOB NOT NULL) STRICT",
)

STEPS: Final[tuple[tuple[str, ...], ...]] = (VAULT_ROWS, DELIVERY)
