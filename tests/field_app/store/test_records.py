"""The vault's rows: one transaction with the manifest, a cache that follows the file, damage by its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from field_app.store.database import DiskFull, Store
from field_app.store.records import Records, Shelf
from field_app.vault.errors import DamagedManifest, DamagedRow, RolledBack, RowsDiffer, VaultLocked
from tests.field_app.store.conftest import open_vault


def reopened(store: Store, mirror: int = 0) -> Records:
    again = Records(store, open_vault(b"again"))
    again.open(mirror)
    return again


def test_rows_come_back(records: Records, store: Store) -> None:
    with records.write() as page:
        first = page.put(Shelf.RECORD, {"name": "Ann Example"})
        page.put(Shelf.DRAFT, {"kind": "social_contact"})
    with records.write() as page:
        page.put(Shelf.RECORD, {"name": "Ann B. Example"}, first)
    again = reopened(store)
    assert [row.data for row in again.on(Shelf.RECORD)] == [{"name": "Ann B. Example"}]
    assert again.get(first) == records.get(first)
    assert again.generation == records.generation == 2


def test_the_file_holds_no_word_of_it(records: Records, path: Path) -> None:
    with records.write() as page:
        page.put(Shelf.RECORD, {"name": "Zebulon Canary"})
    records.store.checkpoint()
    stored = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert b"Zebulon" not in stored


def test_several_changes_of_one_row_in_one_page(records: Records, store: Store) -> None:
    with records.write() as page:
        kept = page.put(Shelf.STEP, {"n": 1})
        page.put(Shelf.STEP, {"n": 2}, kept)
        brief = page.put(Shelf.STEP, {"n": 3})
        page.drop(brief)
        row = page.get(kept)
        assert row is not None
        assert row.data == {"n": 2}
        assert page.get(brief) is None
    with records.write() as page:
        page.drop(kept)
        page.put(Shelf.STEP, {"n": 4}, kept)
    assert [row.data for row in reopened(store).on(Shelf.STEP)] == [{"n": 4}]


def test_an_error_leaves_file_and_cache_as_they_were(records: Records, store: Store) -> None:
    with records.write() as page:
        kept = page.put(Shelf.RECORD, {"n": 1})

    def fail() -> None:
        with records.write() as page:
            page.put(Shelf.RECORD, {"n": 2}, kept)
            page.put(Shelf.RECORD, {"n": 3})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [row.data for row in records.on(Shelf.RECORD)] == [{"n": 1}]
    assert [row.data for row in reopened(store).on(Shelf.RECORD)] == [{"n": 1}]


def test_a_full_disk_leaves_file_and_cache_as_they_were(path: Path) -> None:
    store = Store(path, max_pages=40)
    records = Records(store, open_vault())
    records.start()
    with records.write() as page:
        page.put(Shelf.RECORD, {"n": 1})

    def fill() -> None:
        with records.write() as page:
            for n in range(1000):
                page.put(Shelf.RECORD, {"n": n, "text": "x" * 500})

    with pytest.raises(DiskFull):
        fill()
    assert [row.data for row in records.on(Shelf.RECORD)] == [{"n": 1}]
    assert [row.data for row in reopened(store).on(Shelf.RECORD)] == [{"n": 1}]
    store.close()


def test_two_processes_follow_each_other(records: Records, path: Path) -> None:
    with records.write() as page:
        shared = page.put(Shelf.RECORD, {"n": 1})
        goes = page.put(Shelf.RECORD, {"n": 0})
    other_store = Store(path)
    other = reopened(other_store)
    with other.write() as page:
        page.put(Shelf.RECORD, {"n": 2}, shared)
        page.drop(goes)
    records.changed.clear()
    assert records.refresh()
    assert records.changed == {shared, goes}
    assert not records.refresh()
    assert [row.data for row in records.on(Shelf.RECORD)] == [{"n": 2}]
    with other.write() as page:
        page.put(Shelf.RECORD, {"n": 3}, shared)
    with records.write() as page:  # rereads inside the transaction, or the manifest would be wrong
        row = page.get(shared)
        assert row is not None
        assert row.data == {"n": 3}
        page.put(Shelf.RECORD, {"n": 4}, shared)
    assert [row.data for row in reopened(other_store).on(Shelf.RECORD)] == [{"n": 4}]
    other_store.close()


def test_a_row_taken_away_is_noticed(records: Records, store: Store) -> None:
    with records.write() as page:
        gone = page.put(Shelf.RECORD, {"n": 1})
        page.put(Shelf.RECORD, {"n": 2})
    with store.write() as tx:
        tx.execute("DELETE FROM row WHERE id = ?", [gone])
    with pytest.raises(RowsDiffer):
        reopened(store)


@pytest.mark.parametrize("column", ["shelf", "rev", "key_epoch", "box"])
def test_a_changed_column_is_noticed(records: Records, store: Store, column: str) -> None:
    with records.write() as page:
        row_id = page.put(Shelf.RECORD, {"n": 1})
    new = {"shelf": "'draft'", "rev": "7", "key_epoch": "2", "box": "substr(box, 2)"}[column]
    with store.write() as tx:
        tx.execute(f"UPDATE row SET {column} = {new} WHERE id = ?", [row_id])
    with pytest.raises(DamagedRow):
        reopened(store)


def test_an_old_row_put_back_is_noticed(records: Records, store: Store) -> None:
    with records.write() as page:
        row_id = page.put(Shelf.RECORD, {"n": 1})
    with store.read() as tx:
        old = tx.execute("SELECT rev, key_epoch, box FROM row").fetchone()
    with records.write() as page:
        page.put(Shelf.RECORD, {"n": 2}, row_id)
    with store.write() as tx:
        tx.execute("UPDATE row SET rev = ?, key_epoch = ?, box = ?", list(old))
    with pytest.raises(RowsDiffer):
        reopened(store)


def test_a_missing_manifest_is_damage(records: Records, store: Store) -> None:
    with store.write() as tx:
        tx.execute("DELETE FROM manifest")
    with pytest.raises(DamagedManifest):
        reopened(store)
    with pytest.raises(DamagedManifest), records.write() as page:
        page.put(Shelf.RECORD, {"n": 1})


def test_an_old_file_behind_its_mirror_is_noticed(records: Records, store: Store) -> None:
    with records.write() as page:
        page.put(Shelf.RECORD, {"n": 1})
    assert reopened(store, mirror=1).generation == 1
    behind = Records(store, open_vault())
    with pytest.raises(RolledBack):
        behind.open(mirror=2)
    assert [row.data for row in behind.on(Shelf.RECORD)] == [{"n": 1}]  # loaded: an alarm, not a loss


def test_a_locked_vault_writes_nothing(records: Records, store: Store) -> None:
    records.vault.lock()
    with pytest.raises(VaultLocked), records.write() as page:
        page.put(Shelf.RECORD, {"n": 1})
    assert reopened(store).on(Shelf.RECORD) == ()


def test_a_row_stays_on_its_shelf(records: Records) -> None:
    with records.write() as page:
        row_id = page.put(Shelf.RECORD, {"n": 1})
    with pytest.raises(ValueError, match="shelf"), records.write() as page:
        page.put(Shelf.DRAFT, {"n": 1}, row_id)


def test_starting_over_forgets_unreadable_rows(records: Records, store: Store) -> None:
    with records.write() as page:
        page.put(Shelf.RECORD, {"n": 1})
    fresh = Records(store, open_vault(b"fresh"))
    fresh.start()
    assert reopened(store).on(Shelf.RECORD) == ()


def test_what_another_process_wrote_counts_for_the_mirror(records: Records, path: Path) -> None:
    beside = Store(path)
    other = reopened(beside)
    with other.write() as page:
        page.put(Shelf.RECORD, {"n": 1})
    beside.close()
    assert records.refresh()
    assert records.generation == other.generation == 1
