"""The audit trail: whatever is written verifies, and whatever a stranger does to it names the first entry that no longer fits.

Real ledger and schema over SQLite. The stranger may change any field of any entry, take one out, put one in, swap two, cut the end off,
move the head, and even make the changed entry's own hash right: then the next one no longer follows.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule
from sqlalchemy import Connection, delete, insert, select, update

from case_system.audit import START, Deed, row_hash
from case_system.store import ledger, schema
from case_system.store.engine import open_engine, transaction
from case_system.store.exports import audit_verdict
from tests.faults.machines.driving import Machine

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
words = st.sampled_from(["look", "accept", "refused", "done", "sync"])
ids = st.none() | st.sampled_from(["00ab", "ref-1", "ref-2"])
deeds = st.builds(
    Deed, actor=st.sampled_from(["cm1", "o1", "system"]), action=words, outcome=words, object_id=ids, device_id=ids
)
COLUMNS = ("at", "actor", "device_id", "action", "object_id", "outcome", "prev", "hash")


class AuditChain(Machine):
    """A trail that grows, and is tampered with."""

    title = "audit chain"
    steps = 15
    needed = (*(f"changed {column}" for column in COLUMNS), "taken out", "put in", "swapped", "cut off", "head moved",
              "re-hashed", "rolled back")  # fmt: skip

    def begin(self) -> None:
        """An empty trail."""
        self.engine = open_engine(f"sqlite:///{self.folder / 'case.db'}")
        schema.metadata.create_all(self.engine)
        with transaction(self.engine, write=True) as db:
            db.execute(insert(schema.ledger).values(id=1, feed_seq=0, feed_floor=0, audit_n=0, audit_hash=START))
        self.n, self.now = 0, NOON

    def end(self) -> None:
        """Close the database."""
        self.engine.dispose()

    @rule(what=st.lists(deeds, min_size=1, max_size=4), microseconds=st.integers(0, 10**9))
    def write(self, what: list[Deed], microseconds: int) -> None:
        self.now += timedelta(microseconds=microseconds)
        with transaction(self.engine, write=True) as db:
            ledger.close(db, (), what, self.now)
        self.n += len(what)

    @rule(what=deeds)
    def roll_back(self, what: Deed) -> None:
        """What was not committed leaves no number free and no hash behind."""
        try:
            with transaction(self.engine, write=True) as db:
                ledger.close(db, (), [what], self.now)
                raise _Stop
        except _Stop:
            self.count("rolled back")

    @invariant()
    def verifies(self) -> None:
        """Nothing is wrong with what was written."""
        verdict = audit_verdict(self.engine)
        assert (verdict.rows, verdict.bad_row) == (self.n, None), verdict

    # ------------------------------------------------------------------------------------------------ a stranger
    @precondition(lambda self: self.n)
    @rule(number=st.integers(0, 999), column=st.sampled_from(COLUMNS), rehash=st.booleans())
    def change(self, number: int, column: str, rehash: bool) -> None:
        """One field of one entry; with its hash made right, the following entry or the head tells."""
        n = number % self.n + 1

        def tamper(db: Connection) -> int:
            row = dict(db.execute(select(schema.audit).where(schema.audit.c.n == n)).mappings().one())
            changed = row | {column: _other(row[column])}
            if rehash and column not in ("prev", "hash"):
                deed = Deed(
                    **{name: changed[name] for name in ("actor", "action", "outcome", "object_id", "device_id")}
                )
                changed["hash"] = row_hash(n, changed["at"], deed, changed["prev"])
            db.execute(update(schema.audit).where(schema.audit.c.n == n).values(changed))
            return n + (changed["hash"] != row["hash"] and column != "hash")

        self.names(tamper, "re-hashed" if rehash and column not in ("prev", "hash") else f"changed {column}")

    @precondition(lambda self: self.n)
    @rule(number=st.integers(0, 999))
    def take_out(self, number: int) -> None:
        n = number % self.n + 1

        def tamper(db: Connection) -> int:
            db.execute(delete(schema.audit).where(schema.audit.c.n == n))
            return n

        self.names(tamper, "taken out")

    @precondition(lambda self: self.n > 1)
    @rule(keep=st.integers(0, 999))
    def cut_off(self, keep: int) -> None:
        """Everything after an entry."""
        last = keep % self.n

        def tamper(db: Connection) -> int:
            db.execute(delete(schema.audit).where(schema.audit.c.n > last))
            return last + 1

        self.names(tamper, "cut off")

    @precondition(lambda self: self.n > 1)
    @rule(number=st.integers(0, 999))
    def swap(self, number: int) -> None:
        """Two neighbours change places, each with its hash."""
        n = number % (self.n - 1) + 1

        def tamper(db: Connection) -> int:
            for old, new in ((n, -1), (n + 1, n), (-1, n + 1)):
                db.execute(update(schema.audit).where(schema.audit.c.n == old).values(n=new))
            return n

        self.names(tamper, "swapped")

    @rule(what=deeds)
    def put_in(self, what: Deed) -> None:
        """One more at the end, well hashed, that the head knows nothing of."""

        def tamper(db: Connection) -> int:
            prev = db.execute(select(schema.ledger.c.audit_hash)).scalar_one()
            said = {name: getattr(what, name) for name in ("actor", "action", "outcome", "object_id", "device_id")}
            own = row_hash(self.n + 1, self.now, what, prev)
            db.execute(insert(schema.audit).values(n=self.n + 1, at=self.now, prev=prev, hash=own, **said))
            return self.n + 2

        self.names(tamper, "put in")

    @precondition(lambda self: self.n)
    @rule(back=st.booleans())
    def move_head(self, back: bool) -> None:
        """The head says another number, or another hash."""

        def tamper(db: Connection) -> int:
            values: dict[str, Any] = {"audit_n": self.n - 1} if back else {"audit_hash": "f" * 64}
            db.execute(update(schema.ledger).values(values))
            return self.n + 1

        self.names(tamper, "head moved")

    def names(self, tamper: Any, what: str) -> None:
        """The verdict names the first entry that does not fit; then all is put back."""
        with self.engine.connect() as db:
            kept = [dict(row) for row in db.execute(select(schema.audit).order_by(schema.audit.c.n)).mappings()]
            head = dict(db.execute(select(schema.ledger)).mappings().one())
        with transaction(self.engine, write=True) as db:
            first = tamper(db)
        verdict = audit_verdict(self.engine)
        assert verdict.bad_row == first, f"{what}: entry {first} is the first that does not fit, {verdict} was said"
        assert verdict.rows == first - 1, verdict
        self.count(what)
        with transaction(self.engine, write=True) as db:
            db.execute(delete(schema.audit))
            db.execute(insert(schema.audit), kept) if kept else None
            db.execute(update(schema.ledger).values(head))


def _other(value: object) -> object:
    """Any other value of the same kind."""
    match value:
        case datetime():
            return value + timedelta(milliseconds=1)
        case str() if len(value) == 64:
            return value[:-1] + ("0" if value[-1] != "0" else "1")
        case str():
            return value + "x"
        case _:
            return "00cd"


class _Stop(Exception):
    """The transaction fails here."""
