"""What the delivery remembers between rounds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from field_app.store import cursor
from field_app.store.cursor import Carriage
from field_app.sync.backoff import FRESH, Backoff
from referral.problems import ProblemCode
from tests.field_app.sync.rig import NOON, Rig, memory_rig
from tests.support.memory_case_system import MemoryCaseSystem


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = memory_rig(tmp_path, MemoryCaseSystem(now=NOON))
    yield made
    made.store.close()


def test_it_comes_back_as_it_was(rig: Rig) -> None:
    wait = Backoff(failures=3, set_at=NOON, next_at=NOON + timedelta(milliseconds=1234))
    carriage = Carriage(
        epoch="e1",
        cursor="e1:7",
        batch=4,
        problem=ProblemCode.BUSY,
        last_sync=NOON,
        offset_ms=-1500,
        lease_until=NOON,
        revoked=True,
        reoffered_at=NOON,
        unread_by="lead-field 0.1.0",
    ).after(wait)
    with rig.store.write() as tx:
        cursor.save(tx, rig.chain, carriage)
    assert rig.carriage() == carriage
    assert rig.carriage().wait == wait
    assert carriage.after(FRESH).wait == FRESH
    assert carriage.server_time(NOON) == NOON - timedelta(seconds=1.5)


def test_missing_or_damaged_it_starts_over(rig: Rig) -> None:
    assert rig.carriage() == Carriage()
    with rig.store.write() as tx:
        cursor.save(tx, rig.chain, Carriage(epoch="e1", cursor="e1:7"))
    with rig.store.write() as tx:
        tx.conn.execute("UPDATE carriage SET box = zeroblob(300)")
    assert rig.carriage() == Carriage()


def test_it_is_undone_with_its_transaction(rig: Rig) -> None:
    with rig.rolled_back() as tx:
        cursor.save(tx, rig.chain, Carriage(cursor="e1:9"))
    assert rig.carriage().cursor is None


def test_a_damaged_note_means_everything_is_offered_and_fetched_again(rig: Rig) -> None:
    rig.save_many(2)
    rig.sync()
    with rig.store.write() as tx:
        tx.conn.execute("DELETE FROM carriage WHERE name = 'sync'")
    report = rig.sync()
    assert (report.sent, report.accepted) == (2, 2)
    assert rig.applied() == [1, 2]
