"""The vault against a dict: whatever is put, replaced, dropped, undone, locked and killed, what opens again is what the dict holds.

Real door, real keys, real SQLite file with its log. A stranger with the disk may put an old file back, take a row out, bring an old
row back, or swap two: each is noticed at the next unlock, once the key store remembers a later generation than the old file's.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from field_app.store.database import Store
from field_app.store.records import Records, Shelf
from field_app.vault.attempts import AttemptFile
from field_app.vault.door import Unlocked, VaultDoor, WrongPin
from field_app.vault.errors import Damaged, RolledBack, VaultLocked
from field_app.vault.keys import StoreName
from field_app.vault.keystores import MemoryKeys
from field_app.vault.pin import Origin
from tests.faults.machines.driving import Machine

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
PIN, WRONG = "473920", "473921"
LIVE = ("field.db", "field.db-wal", "field.db-shm")
texts = st.text(max_size=20)
shelves = st.sampled_from([Shelf.RECORD, Shelf.VIEW, Shelf.DRAFT])
picks = st.integers(0, 999)


class VaultAndDict(Machine):
    """A vault that is open or shut, and the dict it must equal."""

    title = "vault and dict"
    needed = (
        "old file noticed", "old file of this moment opens", "lost row noticed", "old row noticed", "swapped rows noticed",
        "killed in a write", "killed while open", "another process", "wrong PIN", "undone", "locked", "replaced", "dropped",
    )  # fmt: skip

    def begin(self) -> None:
        """A new vault, open and empty."""
        self.keys = MemoryKeys(StoreName.KEYRING)
        self.random = Random(0)
        self.truth: dict[bytes, tuple[Shelf, str]] = {}
        self.history: list[tuple[int, dict[bytes, tuple[Shelf, str]]]] = []  # (generation, truth) of saved old files
        self.home = self.folder / "0"
        self.home.mkdir()
        self.vault = self.door().create(PIN, origin=Origin.APP)
        self.store = Store(self.home / "field.db")
        self.records = Records(self.store, self.vault)
        self.records.start()
        self.records.open()
        self.open = True

    def end(self) -> None:
        """Close the file."""
        self.store.close()

    def door(self) -> VaultDoor:
        """A door as after a start."""
        return VaultDoor(
            header=self.folder / "vault.header",
            keystores=[self.keys],
            place=AttemptFile(self.folder / "attempts"),
            random_bytes=self.random.randbytes,
            scrypt_n=2,
            minimum_n=2,
        )

    # ------------------------------------------------------------------------------------------------ writing
    def pick(self, number: int) -> bytes:
        """One of the rows that are there."""
        return sorted(self.truth)[number % len(self.truth)]

    @precondition(lambda self: self.open)
    @rule(shelf=shelves, text=texts)
    def put(self, shelf: Shelf, text: str) -> None:
        with self.records.write() as page:
            row_id = page.put(shelf, {"text": text})
        self.truth[row_id] = (shelf, text)

    @precondition(lambda self: self.open and self.truth)
    @rule(number=picks, text=texts, twice=st.booleans())
    def replace(self, number: int, text: str, twice: bool) -> None:
        row_id = self.pick(number)
        with self.records.write() as page:
            if twice:
                page.put(self.truth[row_id][0], {"text": f"not {text}"}, row_id)
            page.put(self.truth[row_id][0], {"text": text}, row_id)
        self.truth[row_id] = (self.truth[row_id][0], text)
        self.count("replaced")

    @precondition(lambda self: self.open and self.truth)
    @rule(number=picks)
    def drop(self, number: int) -> None:
        row_id = self.pick(number)
        with self.records.write() as page:
            page.drop(row_id)
            page.drop(self.random.randbytes(16))
        del self.truth[row_id]
        self.count("dropped")

    @precondition(lambda self: self.open)
    @rule(shelf=shelves, number=picks, kill=st.booleans())
    def undo(self, shelf: Shelf, number: int, kill: bool) -> None:
        """A write that fails, or dies with its process, leaves nothing."""
        try:
            with self.records.write() as page:
                page.put(shelf, {"text": "never"})
                if self.truth:
                    page.drop(self.pick(number))
                if kill:
                    self.take_away()
                raise _Stop
        except _Stop:
            pass
        self.count("killed in a write" if kill else "undone")
        if kill:
            self.come_back()

    @precondition(lambda self: self.open)
    @rule(shelf=shelves, text=texts)
    def another_process(self, shelf: Shelf, text: str) -> None:
        """The command line writes beside the app."""
        found = self.door().unlock(PIN, now=NOON, release_after=None)
        assert isinstance(found, Unlocked)
        store = Store(self.home / "field.db")
        other = Records(store, found.vault)
        other.open(self.door().mirrored_generation())
        with other.write() as page:
            row_id = page.put(shelf, {"text": text})
        store.close()
        self.truth[row_id] = (shelf, text)
        assert self.records.refresh(), "what another process wrote was not seen"
        self.count("another process")

    # ------------------------------------------------------------------------------------------------ locking
    @precondition(lambda self: self.open)
    @rule()
    def lock(self) -> None:
        self.door().mirror_generation(self.records.generation)
        self.vault.lock()
        for use in (self.records.open, lambda: self.put(Shelf.OWN, "late")):
            try:
                use()
            except VaultLocked:
                continue
            raise AssertionError("a locked vault was used")
        self.store.close()
        self.open = False
        self.count("locked")

    @precondition(lambda self: not self.open)
    @rule()
    def unlock(self) -> None:
        self.come_back()

    @precondition(lambda self: not self.open)
    @rule()
    def wrong_pin(self) -> None:
        """Nothing opens, and one right answer clears the count."""
        found = self.door().unlock(WRONG, now=NOON, release_after=None)
        assert found == WrongPin(remaining=4, before_destruction=9), found
        self.count("wrong PIN")
        self.come_back()

    @precondition(lambda self: self.open)
    @rule()
    def kill(self) -> None:
        """The process dies with the vault open."""
        self.take_away()
        self.count("killed while open")
        self.come_back()

    # ------------------------------------------------------------------------------------------------ a stranger with the disk
    @rule()
    def keep_old_file(self) -> None:
        """Copy the file as it is, to be put back later."""
        if self.open:
            self.store.checkpoint()
        shutil.copyfile(self.home / "field.db", self.folder / f"old.{len(self.history)}")
        self.history.append((self.generation(), dict(self.truth)))

    @precondition(lambda self: not self.open and self.history)
    @rule(number=picks)
    def old_file_back(self, number: int) -> None:
        """Noticed if the key store remembers a later one; the rows of the old file are whole all the same."""
        which = number % len(self.history)
        generation, truth = self.history[which]

        def put_back() -> None:
            shutil.copyfile(self.folder / f"old.{which}", self.home / "field.db")

        noticed = self.tampered(put_back)
        if generation < self.door().mirrored_generation():
            assert isinstance(noticed, RolledBack), f"an old file was put back and {noticed!r} was said"
            self.count("old file noticed")
        else:
            assert noticed is None, f"{noticed!r} of the present file"
            assert truth == self.truth
            self.count("old file of this moment opens")

    @precondition(lambda self: not self.open and self.truth)
    @rule(number=picks)
    def lost_row(self, number: int) -> None:
        row_id = self.pick(number)
        self.must_be_noticed("lost row noticed", lambda tx: tx("DELETE FROM row WHERE id = ?", [row_id]))

    @precondition(lambda self: not self.open and len(self.truth) > 1)
    @rule(number=picks)
    def swapped_rows(self, number: int) -> None:
        """The sealed boxes of two rows change places."""
        one, other = sorted(self.truth)[number % (len(self.truth) - 1) :][:2]
        swap = "UPDATE row SET box = (SELECT box FROM row WHERE id = ?) WHERE id = ?"

        def exchange(tx: Callable[[str, list[bytes]], object]) -> None:
            tx("CREATE TEMP TABLE kept AS SELECT box FROM row WHERE id = ?", [one])
            tx(swap, [other, one])
            tx("UPDATE row SET box = (SELECT box FROM kept) WHERE id = ?", [other])

        self.must_be_noticed("swapped rows noticed", exchange)

    @precondition(lambda self: not self.open and self.truth and self.history)
    @rule(number=picks, which=picks)
    def old_row(self, number: int, which: int) -> None:
        """One row comes back from an old file, or one that was dropped since."""
        which %= len(self.history)
        ids = sorted(self.history[which][1])
        if not ids:
            return
        row_id = ids[number % len(ids)]
        if self.history[which][1][row_id] == self.truth.get(row_id):
            return

        def bring_back(tx: Callable[[str, list[bytes | str]], object]) -> None:
            tx("ATTACH ? AS old", [str(self.folder / f"old.{which}")])
            tx("INSERT OR REPLACE INTO row SELECT * FROM old.row WHERE id = ?", [row_id])

        self.must_be_noticed("old row noticed", bring_back)

    # ------------------------------------------------------------------------------------------------ inside
    @invariant()
    def holds_what_the_dict_holds(self) -> None:
        """All rows, each on its shelf, and no other."""
        if self.open:
            assert self.seen() == self.truth

    def seen(self) -> dict[bytes, tuple[Shelf, str]]:
        """What the records show."""
        return {row.id: (shelf, row.data["text"]) for shelf in Shelf for row in self.records.on(shelf)}

    def generation(self) -> int:
        """The present generation, read from the open records or as left at the lock."""
        return self.records.generation if self.open else self.door().mirrored_generation()

    def take_away(self) -> None:
        """The disk as it is this instant goes on; the process that had it open does not."""
        gone, self.home = self.home, self.folder / str(int(self.home.name) + 1)
        self.home.mkdir()
        for name in LIVE[:2]:
            if (gone / name).exists():
                shutil.copyfile(gone / name, self.home / name)

    def come_back(self) -> None:
        """Start, unlock with the right PIN, and open every row."""
        self.store.close()
        found = self.door().unlock(PIN, now=NOON, release_after=None)
        assert isinstance(found, Unlocked), found
        self.vault, self.store = found.vault, Store(self.home / "field.db")
        self.records = Records(self.store, self.vault)
        self.records.open(self.door().mirrored_generation())
        self.door().mirror_generation(self.records.generation)
        self.open = True

    def tampered(self, change: Callable[[], None]) -> Exception | None:
        """What the next unlock says of a file that was changed; afterwards the file is as it was."""
        aside = self.folder / "aside"
        shutil.copyfile(self.home / "field.db", aside)
        change()
        try:
            self.come_back()
        except (RolledBack, Damaged) as error:
            return error
        finally:
            self.store.close()
            self.vault.lock()
            self.open = False
            for name in LIVE[1:]:
                (self.home / name).unlink(missing_ok=True)
            shutil.move(aside, self.home / "field.db")
        return None

    def must_be_noticed(self, what: str, change: Callable[[Callable[..., object]], object]) -> None:
        """The next unlock must say that the rows are not those that were written."""

        def in_the_file() -> None:
            store = Store(self.home / "field.db")
            change(store.database.conn.execute)
            store.close()

        noticed = self.tampered(in_the_file)
        assert isinstance(noticed, Damaged), f"{what}: not noticed ({noticed!r})"
        self.count(what)


class _Stop(Exception):
    """The write fails here."""
