"""The outbox: every operation that was ever saved here, until the case system's receipt names it, and after.

Invariants
- S1, S2  `add` shares the transaction of the readable record; bytes, op_id and fingerprint of a row never change.
- S4, S7  a row moves only along `machine.TABLE`; rows are never deleted, save the copies of drafts (`hold`), which were never sent.
- S11     after acceptance only the side file goes. The sealed bytes stay for `reoffer_days`, so that they can be offered again.
- The chain (a manifest under the device key, `outbox_rows.py`) is updated in the transaction of every change.
- Nothing here needs the PIN: what people are shown is sealed under the device key.

Methods take the open transaction (`tx`) first and `now` where time matters; each reads and writes only inside it. Envelope files
are the one thing outside: `write_file` and `write_files` after COMMIT and before "Saved", `drop_files` after acceptance, `tidy` at start.
Must not know: the network, the vault, what an operation says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from sqlite_utils import Database

from field_app.store.columns import as_bytes
from field_app.store.envelope_files import EnvelopeFiles
from field_app.store.outbox_rows import (
    Meta,
    Row,
    as_state,
    from_ms,
    insert,
    open_meta,
    open_receipt,
    seal_meta,
    seal_receipt,
    select,
    state_of,
    to_ms,
    update,
)
from field_app.sync.backoff import Backoff
from field_app.sync.machine import UNSENT, Event, State, advance, can
from field_app.vault.errors import DamagedManifest, NotRead, NotWritten
from field_app.vault.manifest import Entry as Counted
from field_app.vault.manifest import ManifestState
from field_app.vault.vault import DeviceChain
from referral.envelope import BadSignature, DevicePublicKey, Malformed, fingerprint, read_header, verify
from referral.model import OpId, ReferralId
from referral.operations import Op
from referral.port import Outcome, Receipt, ReceiptDigest, receipt_digest
from referral.problems import ProblemCode

BOOK = "outbox"
_CHUNK = 500  # bound names in one statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A sealed operation to deliver. Its op_id, device_seq and fingerprint are read from the envelope itself."""

    envelope: bytes = field(repr=False)
    referral_id: ReferralId
    operation: Op
    made_at: datetime

    @property
    def op_id(self) -> OpId:
        """The operation's id as text."""
        return OpId(read_header(self.envelope).op_id.hex())


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row as people may see it without a PIN. referral_id, operation and made_at are None for an operation that was
    recovered from its file after the database was lost."""

    op_id: OpId
    state: State
    attempts: int
    device_seq: int
    next_at: datetime | None
    referral_id: ReferralId | None
    operation: Op | None
    made_at: datetime | None
    receipt: Receipt | None
    reason: ProblemCode | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many operations stand where. `reoffered` ones were accepted before; `needs_attention` includes quarantine."""

    waiting: int = 0
    reoffered: int = 0
    stored: int = 0
    accepted: int = 0
    needs_attention: int = 0
    held: int = 0
    oldest_unsent_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a round sends of one row."""

    op_id: OpId
    envelope: bytes = field(repr=False)
    fingerprint: str
    attempts: int
    alone: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Tidied:
    """What `tidy` found at start: files written that were missing, operations recovered from files, files of nobody."""

    written: int = 0
    recovered: tuple[OpId, ...] = ()
    strangers: tuple[OpId, ...] = ()


class Outbox:
    """The rows of one device, with their chain and files."""

    def __init__(self, *, chain: DeviceChain, files: EnvelopeFiles) -> None:
        self._chain, self._files = chain, files
        self._creates: dict[ReferralId, OpId] = {}
        self._last_read: Row | None = None
        self._read_to = 0

    # ------------------------------------------------------------------------------------------------ saving
    def next_seq(self, tx: Database, draft: ReferralId | None = None) -> int:
        """The device_seq for the next envelope: that of the held copy of this draft, which it will replace, else a new one."""
        if draft is not None and (held := self._held(tx, draft)) is not None:
            return held.device_seq
        newest = tx.conn.execute("SELECT max(device_seq) FROM outbox").fetchone()[0]
        return 1 if newest is None else int(newest) + 1

    def add(self, tx: Database, outgoing: Outgoing) -> OpId:
        """Save an operation as waiting; the held copy of its draft goes in the same transaction. Then `write_file`."""
        dropped = self._drop_held(tx, outgoing.referral_id) if outgoing.operation is Op.CREATE else ()
        row = self._insert(tx, State.WAITING, outgoing)
        self._count(tx, removed=dropped, added=(row.counted(),))
        return row.name

    def hold(self, tx: Database, outgoing: Outgoing) -> OpId:
        """Keep the sealed copy of a draft in place of the copy before; only a wipe sends it."""
        dropped = self._drop_held(tx, outgoing.referral_id)
        row = self._insert(tx, State.HELD, outgoing)
        self._count(tx, removed=dropped, added=(row.counted(),))
        return row.name

    def drop_held(self, tx: Database, referral_id: ReferralId) -> None:
        """Forget the copy of a draft that its maker discarded."""
        if dropped := self._drop_held(tx, referral_id):
            self._count(tx, removed=dropped)

    def release_held(self, tx: Database) -> tuple[OpId, ...]:
        """Let all copies of drafts go out: the readable vault is being wiped. Then `write_files`."""
        return self.move(tx, [row.name for row in select(tx, "state = 'held'")], Event.RELEASE)

    def replace(self, tx: Database, old: OpId, outgoing: Outgoing) -> OpId:
        """Save the operation sealed again for a newer agency key, in place of `old` (receipt `key_retired`)."""
        row = self._insert(tx, State.WAITING, outgoing)
        self._count(tx, added=(row.counted(),))
        self.move(tx, [old], Event.RESEALED)
        return row.name

    # ------------------------------------------------------------------------------------------------ looking
    def has(self, tx: Database, referral_id: ReferralId) -> OpId | None:
        """The operation that created this referral here, or None (S2: the same id again returns the first result)."""
        if (
            self._last_read is not None
            and not tx.conn.execute(
                "SELECT 1 FROM outbox WHERE op_id = ? AND n = ?", [self._last_read.op_id, self._read_to]
            ).fetchone()
        ):  # what was read last was rolled back, and its number may have been given again
            self._creates, self._last_read, self._read_to = {}, None, 0
        for row in select(tx, "n > ?", [self._read_to]):
            self._last_read = row
            if (meta := open_meta(self._chain, row)) is not None and meta.op is Op.CREATE:
                self._creates[meta.referral_id] = row.name
        if self._last_read is not None:
            last = tx.conn.execute("SELECT n FROM outbox WHERE op_id = ?", [self._last_read.op_id]).fetchone()
            self._read_to = int(last[0])
        return self._creates.get(referral_id)

    def entries(self, tx: Database, *, accepted: bool = False) -> tuple[Entry, ...]:
        """The operations that a person may want to see, oldest first; with `accepted` those that arrived, too."""
        states = [State.WAITING, State.STORED, State.NEEDS_ATTENTION, State.QUARANTINED]
        states += [State.ACCEPTED, State.REOFFERED] if accepted else []
        marks = ", ".join("?" * len(states))
        return tuple(self._entry(row) for row in select(tx, f"state IN ({marks})", [state.value for state in states]))

    def entry(self, tx: Database, op_id: OpId) -> Entry | None:
        """One operation, whatever its state."""
        return next((self._entry(row) for row in self.rows(tx, [op_id]).values()), None)

    def states(self, tx: Database) -> Mapping[OpId, State]:
        """Where every operation stands; opens nothing, so that it is fast with ten thousand rows. Errors: DamagedRow."""
        found = tx.conn.execute("SELECT op_id, state FROM outbox").fetchall()
        return {OpId(as_bytes(op_id).hex()): as_state(state) for op_id, state in found}

    def accepted(self, tx: Database, before: datetime) -> Mapping[OpId, datetime]:
        """When each operation that was accepted by `before` was, by the server's clock. Errors: DamagedRow."""
        sql = "SELECT op_id, settled_at FROM outbox WHERE state = 'accepted' AND settled_at BETWEEN 0 AND ?"
        found = tx.conn.execute(sql, [to_ms(before)]).fetchall()
        return {OpId(as_bytes(op_id).hex()): from_ms(settled_at) for op_id, settled_at in found}

    def counts(self, tx: Database, now: datetime) -> Counts:
        """The figures of the status line (S17). The age is by the device's clock, never negative."""
        grouped = tx.conn.execute("SELECT state, count(*) FROM outbox GROUP BY state").fetchall()
        found = Counter({as_state(state): n for state, n in grouped})
        oldest = next(select(tx, "state = 'waiting' AND meta IS NOT NULL"), None)
        meta = None if oldest is None else open_meta(self._chain, oldest)
        return Counts(
            waiting=found[State.WAITING],
            reoffered=found[State.REOFFERED],
            stored=found[State.STORED],
            accepted=found[State.ACCEPTED] + found[State.REOFFERED],
            needs_attention=found[State.NEEDS_ATTENTION] + found[State.QUARANTINED],
            held=found[State.HELD],
            oldest_unsent_s=None if meta is None else max(0, int((now - meta.made_at).total_seconds())),
        )

    def envelope(self, tx: Database, op_id: OpId) -> bytes | None:
        """The sealed bytes, for an export; None when the row is unknown or its bytes were pruned."""
        found = tx.conn.execute("SELECT envelope FROM outbox WHERE op_id = ?", [bytes.fromhex(op_id)]).fetchone()
        return None if found is None or found[0] is None else as_bytes(found[0])

    def rows(self, tx: Database, op_ids: Iterable[OpId]) -> dict[OpId, Row]:
        """The rows of these operations that exist."""
        found: dict[OpId, Row] = {}
        for chunk in _chunks([bytes.fromhex(op_id) for op_id in op_ids]):
            marks = ", ".join("?" * len(chunk))
            found.update((row.name, row) for row in select(tx, f"op_id IN ({marks})", chunk))
        return found

    # ------------------------------------------------------------------------------------------------ sending
    def batch(
        self, tx: Database, now: datetime, *, items: int, size: int, at_once: bool = False, leave: Collection[OpId] = ()
    ) -> tuple[Offer, ...]:
        """What is due, oldest first: up to `items` and `size` bytes, at least one, without those in `leave`.

        An operation that failed a request of its own goes `alone`, after the others, so that it never holds them up (S6).
        at_once: waits are ignored.
        """
        offers: list[Offer] = []
        spent = 0
        for alone in (0, 1):
            for state in (State.WAITING, State.REOFFERED):
                found = tx.conn.execute(
                    f"SELECT op_id, envelope, fingerprint, attempts FROM outbox WHERE {_OFFERED} AND {_DUE} ORDER BY n",  # noqa: S608 - no data
                    [state.value, alone, int(at_once), to_ms(now), to_ms(now)],
                )
                for op_id, envelope, print_, attempts in found:
                    if type(envelope) is not bytes or fingerprint(envelope) != print_:
                        continue  # bytes that are not what was sealed would be refused for ever; `unsound` names them
                    offer = Offer(
                        op_id=OpId(op_id.hex()),
                        envelope=envelope,
                        fingerprint=print_.hex(),
                        attempts=attempts,
                        alone=bool(alone),
                    )
                    if offer.op_id in leave:
                        continue
                    if offers and (alone or len(offers) >= items or spent + len(envelope) > size):
                        return tuple(offers)
                    spent += len(envelope)
                    offers.append(offer)
        return tuple(offers)

    def next_due(self, tx: Database, now: datetime) -> datetime | None:
        """When the next operation is due: `now` if one is, None if nothing is unsent."""
        unsent = "FROM outbox WHERE state IN ('waiting', 'reoffered') AND envelope IS NOT NULL"
        if tx.conn.execute(f"SELECT 1 {unsent} AND {_DUE} LIMIT 1", [0, to_ms(now), to_ms(now)]).fetchone():
            return now
        soonest = tx.conn.execute(f"SELECT min(next_at) {unsent}").fetchone()[0]
        return None if soonest is None else from_ms(soonest)

    # ------------------------------------------------------------------------------------------------ answers
    def settle(
        self, tx: Database, verdicts: Sequence[tuple[OpId, Event, Receipt]], *, sent: Collection[OpId] = ()
    ) -> dict[OpId, State]:
        """File verified receipts and return the state that each row is in now.

        A receipt from outside that the table has no row for (an operation that was replaced, say) changes nothing and is not in
        the answer. `sent`: the operations whose attempt this was.
        """
        rows = self.rows(tx, [op_id for op_id, _, _ in verdicts])
        after: dict[OpId, Row] = {}
        for op_id, event, receipt in verdicts:
            row = after.get(op_id) or rows.get(op_id)
            if row is None or not can(state_of(row), event):
                continue
            state = advance(state_of(row), event)
            late = state is State.ACCEPTED and event is not Event.RECEIPT_ACCEPTED  # overtaken by a better one
            after[op_id] = row.moved(state)._replace(
                settled_at=row.settled_at if late else to_ms(receipt.at),
                receipt=row.receipt if late else seal_receipt(self._chain, row.op_id, receipt),
                attempts=row.attempts + (op_id in sent and op_id not in after),
            )
        self._write(tx, [rows[op_id] for op_id in after], list(after.values()))
        return {op_id: state_of(row) for op_id, row in after.items()}

    def move(self, tx: Database, op_ids: Iterable[OpId], event: Event) -> tuple[OpId, ...]:
        """Move these rows by what no receipt says: release, retry by hand, re-offer, re-seal.

        Waits and troubles are cleared. Raises IllegalDelivery when the table has no such row, ValueError for an unknown
        operation; either changes nothing.
        """
        wanted = list(op_ids)
        rows = self.rows(tx, wanted)
        if len(rows) != len(set(wanted)):
            raise ValueError("there is no such operation")
        after = [row.moved(advance(state_of(row), event)) for row in rows.values()]
        self._write(tx, list(rows.values()), after)
        return tuple(rows)

    def postpone(
        self, tx: Database, waits: Mapping[OpId, Backoff], trouble: ProblemCode | None, *, alone: bool = False
    ) -> None:
        """Note that these were tried and stay where they are; each has a wait of its own."""
        tx.conn.executemany(
            "UPDATE outbox SET attempts = attempts + 1, set_at = ?, next_at = ?, trouble = ?, alone = max(alone, ?)"
            " WHERE op_id = ?",
            [
                (
                    None if wait.set_at is None else to_ms(wait.set_at),
                    None if wait.next_at is None else to_ms(wait.next_at),
                    trouble,
                    int(alone),
                    bytes.fromhex(op_id),
                )
                for op_id, wait in waits.items()
            ],
        )

    def tried(self, tx: Database, op_ids: Iterable[OpId]) -> None:
        """Note one more attempt of each, that the operation itself had no part in."""
        sql = "UPDATE outbox SET attempts = attempts + 1 WHERE op_id = ?"
        tx.conn.executemany(sql, [(bytes.fromhex(op_id),) for op_id in op_ids])

    def reoffer(self, tx: Database, states: Collection[State]) -> int:
        """Offer again what stands in these states and still has its bytes (S11, S13, S15); how many there are."""
        rows = [row for state in states for row in select(tx, "state = ? AND envelope IS NOT NULL", [state.value])]
        self.move(tx, [row.name for row in rows], Event.REOFFER)
        return len(rows)

    def digest(self, tx: Database, since: datetime) -> ReceiptDigest:
        """Which accepted receipts are here, from `since` by the server's clock (S15)."""
        whole = since.replace(microsecond=0)
        sql = "SELECT op_id FROM outbox WHERE state = 'accepted' AND settled_at >= ?"
        return receipt_digest((OpId(row[0].hex()) for row in tx.conn.execute(sql, [to_ms(whole)])), whole)

    def prune(self, tx: Database, before: datetime) -> int:
        """Let go of the sealed bytes of what was accepted before that moment by the server's clock; rows and receipts stay."""
        sql = "UPDATE outbox SET envelope = NULL WHERE state = 'accepted' AND settled_at < ? AND envelope IS NOT NULL"
        return tx.conn.execute(sql, [to_ms(before)]).rowcount

    # ------------------------------------------------------------------------------------------------ chain and files
    def verify(self, tx: Database) -> ManifestState:
        """Return if the rows are those that were written. Errors: DamagedManifest, RowsDiffer."""
        stored = _manifest(tx)
        rows = (row.counted() for row in select(tx, "TRUE"))
        keeper = self._chain.manifest(BOOK)
        return keeper.verify(keeper.start() if stored is None else stored, rows)

    def count_anew(self, tx: Database) -> None:
        """Begin the chain again over the rows as they are; `carriage.chain_broken` tells the doctor."""
        box = self._chain.manifest(BOOK).start(row.counted() for row in select(tx, "TRUE"))
        tx.conn.execute("INSERT OR REPLACE INTO manifest (book, box) VALUES (?, ?)", [BOOK, box])
        tx.conn.execute("INSERT OR REPLACE INTO carriage (name, box) VALUES ('chain_broken', x'01')")

    def unsound(self, tx: Database, device: DevicePublicKey) -> tuple[OpId, ...]:
        """The operations whose sealed bytes are no longer what this device signed; checks each signature."""
        found: list[OpId] = []
        for op_id, state, print_, envelope in tx.conn.execute("SELECT op_id, state, fingerprint, envelope FROM outbox"):
            pruned = envelope is None and state in ("accepted", "replaced")
            if not pruned and not _signed(envelope, as_bytes(op_id), print_, device):
                found.append(OpId(op_id.hex()))
        return tuple(found)

    def write_file(self, outgoing: Outgoing) -> None:
        """Return once this operation, which was just committed, is a file too. Errors: NotWritten."""
        self._files.write(outgoing.op_id, outgoing.envelope)

    def write_files(self, tx: Database, op_ids: Iterable[OpId]) -> None:
        """Return once each of these operations is a file too. Errors: NotWritten. Call it after COMMIT."""
        for op_id in op_ids:
            if (envelope := self.envelope(tx, op_id)) is not None:
                self._files.write(op_id, envelope)

    def keep_files(self, tx: Database, states: Mapping[OpId, State]) -> None:
        """Write the file of each of these operations that must be one and is not, which was accepted before and no longer is.

        Call it after COMMIT. A full disk is no error here: the sealed bytes are in the database, and `tidy` writes the file.
        """
        needed = {op_id for op_id, state in states.items() if state not in _NO_FILE}
        if needed:
            with suppress(NotWritten, NotRead):
                self.write_files(tx, sorted(needed - self._files.present()))

    def drop_files(self, op_ids: Iterable[OpId]) -> None:
        """Take away the side files of operations that were accepted."""
        self._files.remove(op_ids)

    def tidy(self, tx: Database, *, device: DevicePublicKey, after_loss: bool = False) -> Tidied:
        """Bring rows and files together at start: missing files are written, those of operations with a final receipt go.

        after_loss: the database was lost, so files without a row become rows again if this device signed them. Otherwise they
        are left alone and named. Errors: NotWritten, NotRead.
        """
        states = self.states(tx)
        present = self._files.present()
        keep = {op_id for op_id, state in states.items() if state not in _NO_FILE}
        self._files.remove(self._done_with(tx, [op_id for op_id in present & states.keys() if op_id not in keep]))
        missing = sorted(keep - present)
        self.write_files(tx, missing)
        unknown = sorted(present - states.keys())
        recovered = self._recover(tx, unknown, device) if after_loss else ()
        strangers = tuple(op_id for op_id in unknown if op_id not in recovered)
        return Tidied(written=len(missing), recovered=recovered, strangers=strangers)

    def _done_with(self, tx: Database, op_ids: Iterable[OpId]) -> Iterator[OpId]:
        """Those whose file may go on the word of a sealed receipt. The state column alone is nobody's word: anyone can write it."""
        for op_id, row in self.rows(tx, op_ids).items():
            receipt = open_receipt(self._chain, row)
            if receipt is None or (receipt.op_id, receipt.fingerprint) != (op_id, row.fingerprint.hex()):
                continue
            if receipt.outcome is Outcome.ACCEPTED or receipt.code is ProblemCode.KEY_RETIRED:
                yield op_id

    def _recover(self, tx: Database, op_ids: Iterable[OpId], device: DevicePublicKey) -> tuple[OpId, ...]:
        found: list[tuple[int, OpId, bytes]] = []
        for op_id in op_ids:
            envelope = self._files.read(op_id) or b""
            try:
                header = verify(envelope, device)
            except (BadSignature, Malformed):
                continue
            if header.op_id.hex() == op_id:
                found.append((header.device_seq, op_id, envelope))
        rows = [self._insert_row(tx, State.WAITING, envelope, None) for _, _, envelope in sorted(found)]
        self._count(tx, added=[row.counted() for row in rows])
        return tuple(row.name for row in rows)

    # ------------------------------------------------------------------------------------------------ inside
    def _entry(self, row: Row) -> Entry:
        meta, receipt = open_meta(self._chain, row), open_receipt(self._chain, row)
        trouble = ProblemCode(row.trouble) if row.trouble in set(ProblemCode) else None
        return Entry(
            op_id=row.name,
            state=state_of(row),
            attempts=row.attempts,
            device_seq=row.device_seq,
            next_at=None if row.next_at is None else from_ms(row.next_at),
            referral_id=None if meta is None else meta.referral_id,
            operation=None if meta is None else meta.op,
            made_at=None if meta is None else meta.made_at,
            receipt=receipt,
            reason=trouble or (None if receipt is None or state_of(row) in UNSENT else receipt.code),
        )

    def _insert(self, tx: Database, state: State, outgoing: Outgoing) -> Row:
        meta = Meta(referral_id=outgoing.referral_id, op=outgoing.operation, made_at=outgoing.made_at)
        return self._insert_row(tx, state, outgoing.envelope, meta)

    def _insert_row(self, tx: Database, state: State, envelope: bytes, meta: Meta | None) -> Row:
        header = read_header(envelope)
        row = Row(
            op_id=header.op_id,
            rev=1,
            state=state.value,
            device_seq=header.device_seq,
            attempts=0,
            set_at=None,
            next_at=None,
            alone=0,
            trouble=None,
            settled_at=None,
            fingerprint=fingerprint(envelope),
            meta=None if meta is None else seal_meta(self._chain, header.op_id, meta),
            receipt=None,
        )
        insert(tx, row, envelope)
        return row

    def _write(self, tx: Database, before: Sequence[Row], after: Sequence[Row]) -> None:
        if after:
            update(tx, after)
            self._count(tx, removed=[row.counted() for row in before], added=[row.counted() for row in after])

    def _count(self, tx: Database, removed: Iterable[Counted] = (), added: Iterable[Counted] = ()) -> None:
        """Bring the chain in step. One that does not verify is begun anew over the rows as they are, because saving must go on;
        `carriage.chain_broken` tells the doctor."""
        keeper = self._chain.manifest(BOOK)
        stored = _manifest(tx)
        try:
            box = keeper.start((), 0) if stored is None else stored
            box = keeper.update(box, removed=removed, added=added)
        except DamagedManifest:
            box = keeper.start(row.counted() for row in select(tx, "TRUE"))
            tx.conn.execute("INSERT OR REPLACE INTO carriage (name, box) VALUES ('chain_broken', x'01')")
        if stored is None:
            tx.conn.execute("INSERT INTO manifest (box, book) VALUES (?, ?)", [box, BOOK])
        else:
            tx.conn.execute("UPDATE manifest SET box = ? WHERE book = ?", [box, BOOK])

    def _held(self, tx: Database, referral_id: ReferralId) -> Row | None:
        for row in select(tx, "state = 'held'"):
            if (meta := open_meta(self._chain, row)) is not None and meta.referral_id == referral_id:
                return row
        return None

    def _drop_held(self, tx: Database, referral_id: ReferralId) -> tuple[Counted, ...]:
        if (row := self._held(tx, referral_id)) is None:
            return ()
        tx.conn.execute("DELETE FROM outbox WHERE op_id = ? AND state = 'held'", [row.op_id])
        return (row.counted(),)


# an operation without a wait, with one that is over, or with one that was set by a clock that has since been put back
_DUE = "(? OR next_at IS NULL OR set_at IS NULL OR next_at <= ? OR set_at > ?)"
_OFFERED = "state = ? AND envelope IS NOT NULL AND alone = ?"
_NO_FILE = frozenset({State.ACCEPTED, State.REOFFERED, State.HELD, State.REPLACED})


def _manifest(tx: Database) -> bytes | None:
    found = tx.conn.execute("SELECT box FROM manifest WHERE book = ?", [BOOK]).fetchone()
    return None if found is None else as_bytes(found[0])


def _signed(envelope: bytes | None, op_id: bytes, print_: bytes, device: DevicePublicKey) -> bool:
    try:
        return type(envelope) is bytes and verify(envelope, device).op_id == op_id and fingerprint(envelope) == print_
    except (BadSignature, Malformed):
        return False


def _chunks(items: Sequence[bytes]) -> Iterable[Sequence[bytes]]:
    return (items[at : at + _CHUNK] for at in range(0, len(items), _CHUNK))
