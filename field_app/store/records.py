"""The open vault's rows: sealed one by one, counted by the manifest, kept decrypted in memory while the vault is open.

A row is JSON on a shelf. `Records` reads all of them once at unlock, verifies them against the manifest, and then follows
the file: its own writes, and those of another process (the command line beside the app), which it rereads by revision.

    shelf    one row for each
    own      single values by name: who I am, settings, the signing key, the read token
    record   an own referral as last amended; after shrinking its number, date and state
    step     an own operation that the case system's view does not show yet
    view     the case system's view of a referral
    notice   an inbox entry
    caseload the pair's caseload
    draft    a live form

Invariants
- Every write goes through `write()`: rows, manifest and whatever else the caller adds share one transaction (S1).
- The cache changes only after COMMIT.
- Order of locks: records, then store. Any thread may use this.

Must not know: what a row means. Errors: StoreError, and the vault's VaultError tree.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from sqlite_utils import Database

from field_app.store.columns import as_bytes
from field_app.store.database import Store
from field_app.vault.errors import Damaged, DamagedManifest, NewerFormat
from field_app.vault.manifest import ManifestState, generation_of
from field_app.vault.vault import Sealed, Vault
from referral.codec import canonical

BOOK: Final = "vault"
SCHEMA: Final = 1

Json = Any


class Shelf(StrEnum):
    """The table name that a row's seal is bound to."""

    OWN = "own"
    RECORD = "record"
    STEP = "step"
    VIEW = "view"
    NOTICE = "notice"
    CASELOAD = "caseload"
    DRAFT = "draft"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One decrypted row. `tag` is what the manifest counts."""

    id: bytes
    shelf: Shelf
    rev: int
    tag: bytes = field(repr=False)
    data: Mapping[str, Json] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Salvaged:
    """What `Records.salvage` found. shut: rows that are there and do not open. expected: how many were written; None if unknown."""

    kept: int
    shut: int
    expected: int | None

    @property
    def lost(self) -> int | None:
        """How many rows are gone or do not open; None where nobody can know. 0: all are there, and some are older than they were."""
        return None if self.expected is None else max(self.shut, self.expected - self.kept)


class Page:
    """What one transaction writes. Rows put or dropped here are seen by `get` at once and by others after COMMIT."""

    def __init__(self, records: Records, tx: Database) -> None:
        self.tx: Final = tx
        self._records = records
        self.before: dict[bytes, Row] = {}
        self.after: dict[bytes, Row | None] = {}

    def put(self, shelf: Shelf, data: Mapping[str, Json], row_id: bytes | None = None) -> bytes:
        """Write a row and return its id; with `row_id` of an existing row, replace that."""
        row_id = row_id or self._records.vault.new_id()
        old = self._touch(row_id)
        if old is not None and old.shelf is not shelf:
            raise ValueError("a row stays on its shelf")
        sealed = self._records.vault.seal_row(shelf, row_id, 1 if old is None else old.rev + 1, SCHEMA, canonical(data))
        self.tx.conn.execute(
            "INSERT INTO row (id, shelf, rev, key_epoch, box) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET rev = excluded.rev, key_epoch = excluded.key_epoch, box = excluded.box",
            [sealed.id, shelf.value, sealed.rev, sealed.key_epoch, sealed.box],
        )
        self.after[row_id] = Row(id=row_id, shelf=shelf, rev=sealed.rev, tag=sealed.tag, data=data)
        return row_id

    def drop(self, row_id: bytes) -> None:
        """Remove a row; nothing happens when it is not there."""
        if self._touch(row_id) is not None:
            self.tx.conn.execute("DELETE FROM row WHERE id = ?", [row_id])
            self.after[row_id] = None

    def get(self, row_id: bytes) -> Row | None:
        """The row as this transaction sees it."""
        return self.after[row_id] if row_id in self.after else self._records.get(row_id)

    def _touch(self, row_id: bytes) -> Row | None:
        if row_id not in self.after and (committed := self._records.get(row_id)) is not None:
            self.before[row_id] = committed
        return self.get(row_id)


class Records:
    """All rows of one open vault."""

    def __init__(self, store: Store, vault: Vault, turn: AbstractContextManager[object] | None = None) -> None:
        """Read and verify nothing yet: call `open` (or `start` for a new vault) first.

        turn: a re-entrant lock that its owner shares, so that an index over the rows is read under the same lock.
        """
        self.store, self.vault = store, vault
        self._turn: Final = turn or threading.RLock()
        self._rows: dict[bytes, Row] = {}
        self._shelves: dict[Shelf, dict[bytes, Row]] = {shelf: {} for shelf in Shelf}
        self._seen = -1
        self.changed: set[bytes] = set()  # ids of rows changed since the reader last cleared this
        self.generation = 0

    def start(self) -> None:
        """Begin the book of a new vault; an older vault's unreadable rows are taken off. Errors: StoreError."""
        with self._turn, self.store.write() as tx:
            tx.execute("DELETE FROM row")
            tx.execute(
                "INSERT OR REPLACE INTO manifest (book, box) VALUES (?, ?)", [BOOK, self.vault.manifest(BOOK).start()]
            )
        self._seen = self.store.data_version()

    def open(self, mirror: int = 0) -> ManifestState:
        """Read every row and verify them all; `mirror` is the generation remembered outside the file.

        Errors: DamagedRow, DamagedManifest, RowsDiffer, RolledBack (whole, but older than the mirror: the rows are
        loaded and usable), StoreError.
        """
        with self._turn:
            with self.store.read() as tx:
                self._seen = self.store.data_version()
                self._reread(tx)
                box = _manifest(tx)
            self.generation = self.vault.manifest(BOOK).read(box).generation
            return self.vault.manifest(BOOK).verify(box, self._rows.values(), mirror)

    def verify(self, mirror: int = 0) -> ManifestState:
        """Return if the file's rows are all that were written and none else, read afresh. Errors: as `open`."""
        with self._turn, self.store.read() as tx:
            rows = [self._opened(*row) for row in tx.execute("SELECT id, shelf, rev, key_epoch, box FROM row")]
            return self.vault.manifest(BOOK).verify(_manifest(tx), rows, mirror)

    def salvage(self, mirror: int = 0) -> Salvaged:
        """Take in every row that opens, and count anew from there; rows that do not open are taken off. Errors: StoreError, VaultLocked.

        For a file whose rows are not those that were written. Its owner has kept a copy of it, and tells the person.
        """
        with self._turn:
            with self.store.write() as tx:
                self._seen = self.store.data_version()
                expected = self._counted(tx)
                opened, shut = self._sift(tx)
                tx.conn.executemany("DELETE FROM row WHERE rowid = ?", [(rowid,) for rowid in shut])
                generation = max(mirror, 0 if expected is None else expected.generation) + 1
                box = self.vault.manifest(BOOK).start(opened, generation)
                tx.execute("INSERT OR REPLACE INTO manifest (book, box) VALUES (?, ?)", [BOOK, box])
            for row_id in list(self._rows):
                self._place(row_id, None)
            for row in opened:
                self._place(row.id, row)
            self.generation = generation
        return Salvaged(kept=len(opened), shut=len(shut), expected=None if expected is None else expected.n)

    def refresh(self) -> bool:
        """Take in what another process wrote; whether there was anything. Errors: as `open` but RolledBack."""
        with self._turn:
            if self.store.data_version() == self._seen:
                return False
            before = len(self.changed)
            with self.store.read() as tx:
                self._seen = self.store.data_version()
                self._reread(tx)
                self.generation = self.vault.manifest(BOOK).read(_manifest(tx)).generation
            return len(self.changed) != before

    @contextmanager
    def write(self) -> Iterator[Page]:
        """One transaction over rows and manifest; `page.tx` takes what else belongs to it. Errors: StoreError, VaultError."""
        with self._turn:
            with self.store.write() as tx:
                if (version := self.store.data_version()) != self._seen:
                    self._reread(tx)
                    self._seen = version
                page = Page(self, tx)
                yield page
                generation = self._count(page)
            self.generation = generation
            for row_id, row in page.after.items():
                self._place(row_id, row)

    def get(self, row_id: bytes) -> Row | None:
        """The committed row of this id."""
        return self._rows.get(row_id)

    def on(self, shelf: Shelf) -> tuple[Row, ...]:
        """All committed rows of a shelf, in no order."""
        with self._turn:
            return tuple(self._shelves[shelf].values())

    def _count(self, page: Page) -> int:
        before, after = page.before.values(), [row for row in page.after.values() if row is not None]
        if not after and not before:
            return self.generation
        box = self.vault.manifest(BOOK).update(_manifest(page.tx), removed=before, added=after)
        page.tx.conn.execute("UPDATE manifest SET box = ? WHERE book = ?", [box, BOOK])
        return generation_of(box)

    def _reread(self, tx: Database) -> None:
        """Bring the cache in step with the file, opening only rows whose revision differs."""
        found = dict(tx.execute("SELECT id, rev FROM row"))
        news = [
            row_id for row_id, rev in found.items() if (known := self._rows.get(row_id)) is None or known.rev != rev
        ]
        columns = "SELECT id, shelf, rev, key_epoch, box FROM row"
        rows: Iterable[tuple[Any, ...]]
        if len(news) == len(found):
            rows = tx.execute(columns)  # one by one: the sealed rows of a full device are not all in memory at once
        elif len(news) > len(found) // 2:
            wanted = set(news)
            rows = [row for row in tx.execute(columns) if row[0] in wanted]
        else:
            rows = [tx.execute(f"{columns} WHERE id = ?", [row_id]).fetchone() for row_id in news]
        for row in [self._opened(*columns) for columns in rows]:
            self._place(row.id, row)
        for gone in self._rows.keys() - found.keys():
            self._place(gone, None)

    def _opened(self, row_id: bytes, shelf: str, rev: int, key_epoch: int, box: bytes) -> Row:
        sealed = Sealed(id=row_id, rev=rev, key_epoch=key_epoch, box=box)
        data = json.loads(self.vault.open_row(shelf, sealed).decode())  # authentic, so it is as we wrote it
        return Row(id=row_id, shelf=Shelf(shelf), rev=rev, tag=sealed.tag, data=data)

    def _counted(self, tx: Database) -> ManifestState | None:
        try:
            return self.vault.manifest(BOOK).read(_manifest(tx))
        except (DamagedManifest, NewerFormat):
            return None

    def _sift(self, tx: Database) -> tuple[list[Row], list[int]]:
        """The rows that open, and where those are that do not."""
        opened: list[Row] = []
        shut: list[int] = []
        for rowid, *columns in tx.execute("SELECT rowid, id, shelf, rev, key_epoch, box FROM row").fetchall():
            try:
                opened.append(self._opened(*columns))
            except (Damaged, NewerFormat):
                shut.append(rowid)
        return opened, shut

    def _place(self, row_id: bytes, row: Row | None) -> None:
        old = self._rows.pop(row_id, None)
        if old is not None:
            del self._shelves[old.shelf][row_id]
        if row is not None:
            self._rows[row_id] = row
            self._shelves[row.shelf][row_id] = row
        self.changed.add(row_id)


def claimed_generation(tx: Database) -> int | None:
    """The generation that the file claims, which only an open vault can prove; None if it claims none."""
    try:
        return generation_of(_manifest(tx))
    except DamagedManifest:
        return None


def _manifest(tx: Database) -> bytes:
    row = tx.execute("SELECT box FROM manifest WHERE book = ?", [BOOK]).fetchone()
    if row is None:
        raise DamagedManifest("the vault's manifest is missing")
    return as_bytes(row[0])
