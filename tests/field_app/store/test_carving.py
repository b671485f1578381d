"""Reading without SQLite: what SQLite wrote is read as it was, and nonsense ends a cell, never the reading."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from field_app.store.carving import Record, pages, records

VALUES: list[Record] = [
    (None, "short", 1, b"\x01"),
    (0, "", -1, b""),
    (1, "ä" * 300, 2**47, bytes(range(256)) * 3),
    (-(2**63), "overflows", 127, b"\xa5" * 5_000),
    (128, "overflows more", -32768, bytes(range(256)) * 700),
    (2**31, "just fits", 2**23, b"x" * 4_030),
    (2**63 - 1, "just does not", -(2**23), b"x" * 4_040),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database of many pages, closed, in one file."""
    made = tmp_path / "a.db"
    with closing(sqlite3.connect(made)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE t (a, b, c, d)")
        connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", VALUES * 40)
        connection.commit()
    return made


def of_table(found: Iterator[Record]) -> list[Record]:
    return sorted((r for r in found if len(r) == 4), key=repr)


def test_every_record_is_read_as_sqlite_wrote_it(path: Path) -> None:
    assert of_table(records(pages(path.read_bytes()))) == sorted(VALUES * 40, key=repr)


def test_the_log_is_newer_than_the_file(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE t SET b = 'new' WHERE b = 'short'")
        connection.commit()
        connection.execute("UPDATE t SET b = 'newest' WHERE b = 'new'")
        connection.commit()
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("PRAGMA cache_spill = 1")
        connection.execute("UPDATE t SET b = 'never committed'")  # spilled into the log, and has no end
        log = path.with_name("a.db-wal").read_bytes()
        file = path.read_bytes()
    texts = [record[1] for record in of_table(records(pages(file, log)))]
    assert len(texts) == 40 * len(VALUES)
    assert texts.count("newest") == 40
    assert "new" not in texts
    assert "never committed" not in texts
    assert [r[1] for r in of_table(records(pages(file)))].count("short") == 40


def test_an_older_life_of_the_log_does_not_count(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, closing(sqlite3.connect(path)) as other:
        other.execute("SELECT 1 FROM t").fetchone()  # so that the log is not taken away
        connection.execute("UPDATE t SET b = 'first life'")
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(RESTART)")
        connection.execute("UPDATE t SET b = 'second life' WHERE rowid = 1")
        connection.commit()
        found = of_table(records(pages(path.read_bytes(), path.with_name("a.db-wal").read_bytes())))
    texts = [record[1] for record in found]
    assert (texts.count("second life"), texts.count("first life")) == (1, 40 * len(VALUES) - 1)


@pytest.mark.parametrize("first", [b"", bytes(512), b"\xff" * 4096])
def test_leaves_need_no_first_page(path: Path, first: bytes) -> None:
    data = first + path.read_bytes()[len(first) :]
    assert of_table(records(pages(data))) == sorted(VALUES * 40, key=repr)


def test_noise_gives_at_most_what_is_there() -> None:
    source = random.Random(7)
    for _ in range(60):
        noise = bytearray(source.randbytes(4096 * 2))
        noise[0:1] = noise[4096:4097] = b"\x0d"
        for record in records(pages(bytes(noise))):
            assert isinstance(record, tuple)
    assert list(records(pages(b""))) == []
    assert list(records(pages(b"\x0d"))) == []


def test_a_flipped_bit_of_a_page_spoils_no_other_page(path: Path) -> None:
    whole = path.read_bytes()
    source = random.Random(11)
    for _ in range(4):
        data = bytearray(whole)
        at = source.randrange(4096, len(data))
        data[at] ^= 1 << source.randrange(8)
        assert len(of_table(records(pages(bytes(data))))) >= 40 * len(VALUES) - 120


def test_a_circle_of_pages_ends() -> None:
    page = bytearray(4096)
    page[0:8] = b"\x0d\x00\x00\x00\x01\x00\x00\x00"
    page[8:10] = (100).to_bytes(2)
    page[100:105] = b"\x81\x80\x80\x00\x01"  # two million bytes, said to go on on page 2, which goes on on itself
    over = (2).to_bytes(4) + bytes(4092)
    assert len(list(records({1: bytes(4096), 3: bytes(page), 2: over}))) <= 1
