"""The feed and its cursor: in commit order, complete, and begun anew when it must be."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event, select

from case_system import feed
from case_system.feed import place
from case_system.store import schema
from case_system.store.database import Database
from referral.model import UserId
from referral.operations import Op
from referral.port import Outcome, SyncRequest
from tests.support.agency import Agency
from tests.support.device import Device, arrest
from tests.support.packs import baltimore


@pytest.mark.parametrize(
    ("cursor", "expected"),
    [
        (None, (0, False)),
        ("e:7", (7, False)),
        ("e:0", (0, False)),
        ("e:10", (10, False)),
        ("e:4", (0, True)),  # from before what is kept
        ("e:11", (0, True)),  # from a future that a restore undid
        ("old:7", (0, True)),
        ("e:", (0, True)),
        ("e:-1", (0, True)),
        ("e:1e3", (0, True)),
        ("", (0, True)),
        ("e:" + "9" * 40, (0, True)),
    ],
)
def test_a_cursor_goes_on_or_begins_anew(cursor: str | None, expected: tuple[int, bool]) -> None:
    assert place(cursor, "e", 5, 10) == expected


def test_pages_are_complete_and_each_thing_comes_once(agency: Agency) -> None:
    officer = agency.device("o1")
    officer.send(*(officer.create(arrest()) for _ in range(7)))
    fresh = agency.device("o1")
    seen: list[str] = []
    cursor: str | None = None
    more = True
    pages = 0
    while more:
        page = _page(agency, fresh, cursor, 3)
        seen += [c.referral_id for c in page.changes if c.referral_id]
        cursor, more, pages = page.cursor, page.more, pages + 1
    assert (len(seen), len(set(seen)), pages) == (7, 7, 3)


def test_looking_for_news_where_there_is_none_asks_little(agency: Agency) -> None:
    device = agency.device("o1")
    device.send(device.create(arrest()))
    device.pull()
    asked: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    event.listen(agency.engine, "before_cursor_execute", note)
    device.pull()
    event.remove(agency.engine, "before_cursor_execute", note)
    asked = [statement for statement in asked if not statement.startswith("BEGIN")]
    assert [statement.split()[0] for statement in asked] == ["SELECT", "SELECT", "UPDATE", "SELECT"]


def _page(agency: Agency, device: Device, cursor: str | None, limit: int) -> feed.Pulled:
    database = Database(agency.engine, clock=agency.clock, rng=bytes, keys=agency.keys)
    with database.read() as reading:
        return feed.pull(reading, UserId(device.user), device.device_id, cursor, baltimore().caps, limit)


def test_a_cursor_of_another_epoch_fetches_everything_anew(agency: Agency) -> None:
    officer = agency.device("o1")
    officer.send(officer.create(arrest()))
    officer.cursor = "0000:3"
    answer = officer.sync()
    assert answer.reset
    assert len(officer.pull().referrals) == 1
    assert not officer.sync().reset


def test_a_receipt_that_changed_goes_to_its_own_device_only(agency: Agency) -> None:
    phone, tablet = agency.device("o1"), agency.device("o1")
    told = arrest()
    (early,) = phone.send(phone.amend(told.referral_id, language="es"))
    tablet.send(tablet.create(told))
    assert tablet.pull().receipts == {}
    assert phone.pull().receipts[early.op_id].outcome is Outcome.ACCEPTED


def together(*work: Callable[[], object]) -> list[BaseException]:
    """Run callables at the same time; what they raised."""
    start = threading.Barrier(len(work))
    raised: list[BaseException] = []

    def run(one: Callable[[], object]) -> None:
        try:
            start.wait(10)
            one()
        except BaseException as error:
            raised.append(error)
            raise

    threads = [threading.Thread(target=run, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return raised


def test_writers_at_the_same_time_leave_one_order_without_gaps(agency: Agency) -> None:
    devices = [agency.device("o1"), agency.device("o2"), agency.device("o1")]
    follower = agency.device("cm1")
    seen: list[tuple[int, str]] = []
    done = threading.Event()

    def send(device: Device) -> None:
        for _ in range(6):
            device.send(device.create(arrest()))

    def follow() -> None:
        cursor = None
        last = False
        while True:
            page = _page(agency, follower, cursor, 5)
            seen.extend((c.seq, c.referral_id or "notice") for c in page.changes)
            cursor = page.cursor
            if last and not page.more:
                return
            last = done.is_set()

    watcher = threading.Thread(target=follow)
    watcher.start()
    try:
        assert together(*(lambda d=d: send(d) for d in devices)) == []
    finally:
        done.set()
        watcher.join(60)
    numbers = [seq for seq, _ in seen]
    assert numbers == sorted(set(numbers))
    found = Counter(what for _, what in seen if what != "notice")
    assert len(found) == 18  # none was skipped by a cursor that had passed
    rows = [row["seq"] for row in agency.rows(select(schema.feed.c.seq).order_by(schema.feed.c.seq))]
    assert rows == list(range(1, len(rows) + 1))


def test_the_same_operations_sent_twice_at_once_count_once(agency: Agency) -> None:
    device = agency.device("o1")
    batch = [device.create(arrest()) for _ in range(10)]
    answers: list[object] = []
    assert (
        together(*(lambda: answers.append(device.system.sync(*_request(device, batch)).results) for _ in range(3)))
        == []
    )
    assert answers[0] == answers[1] == answers[2]
    assert len(agency.rows(select(schema.referrals.c.referral_id))) == 10


def _request(device: Device, batch: list[bytes]) -> tuple[str, SyncRequest]:
    return device.enrolment.append_token, SyncRequest(nonce="00" * 16, envelopes=tuple(batch))


def test_two_who_accept_at_once_are_one_holder_and_one_flag(agency: Agency) -> None:
    officer, first, second = agency.device("o1"), agency.device("cm1"), agency.device("p1")
    told = arrest()
    officer.send(officer.create(told))
    results: list[Outcome] = []
    accepts = [(d, d.reason(Op.ACCEPT, told.referral_id)) for d in (first, second)]
    assert together(*(lambda d=d, e=e: results.append(d.send(e)[0].outcome) for d, e in accepts)) == []
    assert sorted(results) == [Outcome.ACCEPTED, Outcome.NEEDS_ATTENTION]
