"""The database file: whole transactions, settings that hold, faults by their names, old files left alone."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from field_app.store import database
from field_app.store.database import (
    PRAGMAS,
    DiskFull,
    NewerStore,
    Store,
    StoreDamaged,
    StoreInUse,
    StoreUnusable,
    translate,
)
from field_app.store.migrations import STEPS
from referral.problems import ProblemCode

INSERT = "INSERT INTO row (id, shelf, rev, key_epoch, box) VALUES (?, 'record', 1, 1, ?)"


def rows(store: Store) -> int:
    with store.read() as tx:
        return int(tx.execute("SELECT count(*) FROM row").fetchone()[0])


def test_every_setting_is_granted(store: Store) -> None:
    assert store.pragmas() == {name: wanted for name, (_, wanted) in PRAGMAS.items()}
    assert store.pragmas()["synchronous"] == 2
    assert store.check() == ()


def test_the_file_and_its_log_are_the_owners_alone(store: Store, path: Path) -> None:
    with store.write() as tx:
        tx.execute(INSERT, [b"a" * 16, b"x"])
    assert {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {
        "field.db": 0o600,
        "field.db-wal": 0o600,
        "field.db-shm": 0o600,
    }


def test_an_error_undoes_the_whole_transaction(store: Store) -> None:
    def fail() -> None:
        with store.write() as tx:
            tx.execute(INSERT, [b"a" * 16, b"x"])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert rows(store) == 0
    with store.write() as tx:
        tx.execute(INSERT, [b"a" * 16, b"x"])
    assert rows(store) == 1


def test_transactions_do_not_nest(store: Store) -> None:
    with pytest.raises(RuntimeError, match="open already"), store.write(), store.write():
        pass
    with store.write() as tx:
        tx.execute(INSERT, [b"a" * 16, b"x"])
        assert rows(store) == 1  # a read inside reads this transaction
    assert rows(store) == 1


def test_a_full_disk_keeps_what_was_saved(path: Path) -> None:
    store = Store(path, max_pages=20)
    with store.write() as tx:
        tx.execute(INSERT, [b"a" * 16, b"x"])

    def fill() -> None:
        with store.write() as tx:
            for n in range(100):
                tx.execute(INSERT, [n.to_bytes(16, "big"), b"x" * 4000])

    with pytest.raises(DiskFull) as full:
        fill()
    assert full.value.code is ProblemCode.DISK_FULL
    assert rows(store) == 1
    store.close()


def test_a_held_file_is_in_use(store: Store, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("field_app.store.database.BUSY_MS", 10)
    other = Store(path)
    with store.write(), pytest.raises(StoreInUse), other.write():
        pass
    other.close()


def test_another_process_is_seen(store: Store, path: Path) -> None:
    before = store.data_version()
    with store.write() as tx:
        tx.execute(INSERT, [b"a" * 16, b"x"])
    assert store.data_version() == before
    other = Store(path)
    with other.write() as tx:
        tx.execute(INSERT, [b"b" * 16, b"x"])
    other.close()
    assert store.data_version() != before
    assert rows(store) == 2


def test_threads_take_turns(store: Store) -> None:
    def add(start: int) -> None:
        for n in range(start, start + 40):
            with store.write() as tx:
                tx.execute(INSERT, [n.to_bytes(16, "big"), b"x"])

    threads = [threading.Thread(target=add, args=(n * 100,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rows(store) == 160


def test_another_programs_file_is_left_alone(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (x)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreDamaged):
        Store(path)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_left_alone(path: Path) -> None:
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreDamaged) as damaged:
        Store(path)
    assert damaged.value.code is ProblemCode.VAULT_DAMAGED
    assert path.read_bytes() == b"not a database" * 1000


def test_a_flipped_byte_is_damage_or_harmless(path: Path) -> None:
    store = Store(path)
    with store.write() as tx:
        for n in range(50):
            tx.execute(INSERT, [n.to_bytes(16, "big"), bytes(700)])
    store.checkpoint()
    store.close()
    whole = path.read_bytes()
    noticed = 0
    for at in range(0, len(whole), 397):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        try:
            other = Store(path)
            try:
                with other.read() as tx:
                    tx.execute("SELECT * FROM row").fetchall()
                noticed += other.check() != ()
            finally:
                other.close()
        except (StoreDamaged, NewerStore, StoreUnusable):
            noticed += 1
        for log in ("field.db-wal", "field.db-shm"):
            (path.parent / log).unlink(missing_ok=True)
    assert noticed > 0


def test_a_newer_apps_file_is_left_alone(store: Store, path: Path) -> None:
    with store.write() as tx:
        tx.execute("CREATE TABLE of_the_next_step (x)")
        tx.execute(f"PRAGMA user_version = {len(STEPS) + 1}")
    with pytest.raises(NewerStore):
        Store(path)
    with store.read() as tx:
        assert tx.execute("PRAGMA user_version").fetchone()[0] == len(STEPS) + 1


@pytest.mark.parametrize("number", [len(STEPS) + 1, -1, -(2**31)])
def test_a_number_beyond_this_app_without_its_step_is_damage(store: Store, path: Path, number: int) -> None:
    with store.write() as tx:
        tx.execute(f"PRAGMA user_version = {number}")
    with pytest.raises(StoreDamaged):
        Store(path)


def test_a_table_that_reads_otherwise_is_damage_before_anything_is_written(store: Store) -> None:
    assert store.check() == ()
    store.database.conn.execute("ANALYZE")
    assert store.check() == (), "what SQLite keeps for itself is no damage"
    store.database.conn.execute("PRAGMA writable_schema = ON")
    store.database.conn.execute(
        "UPDATE sqlite_master SET sql = replace(sql, 'settled_at', 'settled_au') WHERE name = 'outbox'"
    )
    assert store.check() == ("its tables are not those that were made",)


def test_reading_nests_and_writing_inside_it_is_misuse(store: Store) -> None:
    with store.read() as outer:
        before = outer.execute("SELECT count(*) FROM row").fetchone()[0]
        with store.read() as inner:
            assert inner.execute("SELECT count(*) FROM row").fetchone()[0] == before
        assert outer.conn.in_transaction  # the inner one did not end it
        with pytest.raises(RuntimeError, match="open already"), store.write():
            raise AssertionError("never reached")
    with store.write() as tx:
        with store.read() as inner:
            inner.execute("SELECT 1")
        tx.execute(INSERT, [b"i" * 16, b"b"])
    assert rows(store) == before + 1


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="needs Linux's list of locks")
def test_a_file_opened_after_a_crash_keeps_its_locks(store: Store, path: Path, tmp_path: Path) -> None:
    with store.write() as tx:
        tx.execute(INSERT, [b"i" * 16, b"b"])
    after = tmp_path / "after"
    after.mkdir()
    for name in (path.name, f"{path.name}-wal"):
        (after / name).write_bytes((tmp_path / name).read_bytes())
    opened = Store(after / path.name)
    inode = os.stat(after / f"{path.name}-shm").st_ino
    held = [line for line in Path("/proc/locks").read_text().splitlines() if f":{inode} " in line]
    assert held, "another process would begin the index of the log anew"
    assert rows(opened) == 1
    opened.close()
    opened.close()


def test_a_copy_holds_what_lies_in_the_log_too(store: Store, path: Path) -> None:
    with store.write() as tx:
        tx.execute("INSERT INTO manifest (book, box) VALUES ('a', x'01')")
    store.copy_to(path.with_name("copy.db"))
    copy = Store(path.with_name("copy.db"))
    with copy.read() as tx:
        assert tx.execute("SELECT book, box FROM manifest").fetchall() == [("a", b"\x01")]
    copy.close()


def test_processes_that_make_the_same_new_file_at_once_leave_it_whole(path: Path) -> None:
    """Only an enrolment makes one. SQLite refuses some of the others at once, and who is refused may try again."""
    code = (
        "import sys; from pathlib import Path; from field_app.store.database import Store, StoreError\n"
        "print('ready', flush=True); sys.stdin.read()\n"
        "try: Store(Path(sys.argv[1])).close()\n"
        "except StoreError as error: sys.exit(3 if 'another program' in str(error) else 1)\n"
    )
    command = [sys.executable, "-c", code, str(path)]
    with contextlib.ExitStack() as stack:
        processes = [
            stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
            for _ in range(4)
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.close()
        assert {process.wait(30) for process in processes} <= {0, 3}
    store = Store(path)
    assert store.check() == ()
    store.close()


def test_who_finds_the_tables_made_by_another_meanwhile_makes_none(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int | str] = []
    look = database._pragma

    def overtaken(connection: sqlite3.Connection, name: str) -> int | str:
        seen = look(connection, name)
        if name == "user_version" and not asked:
            asked.append(seen)
            Store(path).close()
        return seen

    monkeypatch.setattr(database, "_pragma", overtaken)
    store = Store(path)
    assert asked == [0]
    assert store.check() == ()
    store.close()


def test_a_kill_before_commit_leaves_nothing(path: Path) -> None:
    Store(path).close()
    code = (
        "import os, sys; from pathlib import Path; from field_app.store.database import Store\n"
        "store = Store(Path(sys.argv[1]))\n"
        f"with store.write() as tx: tx.execute({INSERT!r}, [b'a' * 16, b'kept'])\n"
        f"with store.write() as tx:\n    tx.execute({INSERT!r}, [b'b' * 16, b'torn'])\n    os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == -9
    store = Store(path)
    with store.read() as tx:
        assert tx.execute("SELECT box FROM row").fetchall() == [(b"kept",)]
    store.close()


def test_misuse_is_not_a_fault() -> None:
    with pytest.raises(RuntimeError, match="misused"):
        translate(sqlite3.ProgrammingError("Incorrect number of bindings"))


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable):
        Store(tmp_path / "nowhere" / "field.db")
