"""The delivering thread: it wakes when it should, rests when it may, and survives what goes wrong. No sleeps: conditions."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from field_app.courier import connection_of
from field_app.snapshot import Connection
from field_app.sync.lock import FolderLock
from field_app.sync.machine import State
from referral.port import Outcome, SyncRequest
from referral.problems import ProblemCode
from tests.field_app.sync.rig import NOON
from tests.field_app.sync.watched import PATIENCE, Watched, asleep, refuse
from tests.support.memory_case_system import MemoryCaseSystem


def test_it_says_hello_at_start_and_an_idle_worker_makes_no_request(watched: Watched) -> None:
    with asleep(watched) as slept:
        watched.worker.start()
        watched.until(lambda: len(slept) > 0)
    assert (watched.requests(), slept) == (1, [-1.0])
    assert watched.connection() is Connection.OK
    assert watched.worker.state().last_sync == NOON


def test_a_save_is_delivered_when_it_is_woken(watched: Watched) -> None:
    with asleep(watched) as slept:
        watched.worker.start()
        watched.until(lambda: len(slept) > 0)
        op_id = watched.rig.save()
        watched.worker.wake(at_once=True)
        watched.until(lambda: watched.rig.state(op_id) is State.ACCEPTED)
        watched.until(lambda: len(slept) > 1)
    assert watched.requests() == 2


def test_news_are_fetched_page_by_page(watched: Watched, server: MemoryCaseSystem) -> None:
    server.page = 2
    with asleep(watched) as slept:
        watched.worker.start()
        watched.until(lambda: len(slept) > 0)
        server.publish(5)
        watched.worker.wake()
        watched.until(lambda: watched.rig.applied() == [1, 2, 3, 4, 5])


def test_paused_it_asks_nothing_and_saving_goes_on(watched: Watched) -> None:
    with asleep(watched) as slept:
        watched.worker.pause()
        watched.worker.start()
        watched.until(lambda: len(slept) > 0)
        op_id = watched.rig.save()
        watched.worker.wake(at_once=True)
        watched.worker.wake()
        assert watched.connection() is Connection.PAUSED
        assert (watched.requests(), watched.rig.state(op_id)) == (0, State.WAITING)
        watched.worker.resume()
        watched.until(lambda: watched.rig.state(op_id) is State.ACCEPTED)


def test_a_person_may_sync_while_it_is_paused(watched: Watched) -> None:
    watched.worker.pause()
    watched.worker.start()
    watched.rig.save()
    report = watched.worker.sync_now()
    assert (report.sent, report.accepted) == (1, 1)
    assert watched.connection() is Connection.PAUSED


def test_a_failure_sets_a_wait_that_news_respect_and_a_tap_does_not(watched: Watched, server: MemoryCaseSystem) -> None:
    server.before = refuse(ProblemCode.BUSY, 600)
    op_id = watched.rig.save()
    with asleep(watched) as slept:
        watched.worker.start()
        watched.until(lambda: len(slept) > 0)
        assert 600 <= slept[0] <= 660
        state = watched.worker.state()
        assert connection_of(state) is Connection.BUSY
        assert state.next_try is not None
        assert state.next_try > NOON
        asked = watched.requests()
        server.before = None
        before = len(slept)
        watched.worker.wake()
        watched.until(lambda: len(slept) > before)
        assert watched.requests() == asked
        watched.worker.wake(at_once=True)
        watched.until(lambda: watched.rig.state(op_id) is State.ACCEPTED)


def test_the_wait_ends_by_the_clock(watched: Watched, server: MemoryCaseSystem) -> None:
    server.before = refuse(ProblemCode.BUSY, 600)
    op_id = watched.rig.save()
    with asleep(watched) as slept:
        watched.worker.start()
        watched.until(lambda: len(slept) > 0)
        server.before = None
        watched.rig.now = NOON + timedelta(hours=1)
        watched.worker.wake()
        watched.until(lambda: watched.rig.state(op_id) is State.ACCEPTED)


@pytest.mark.parametrize(
    ("code", "connection"),
    [
        (ProblemCode.NOT_SIGNED_IN, Connection.SIGNED_OUT),
        (ProblemCode.DEVICE_REVOKED, Connection.SIGNED_OUT),
        (ProblemCode.RATE_LIMITED, Connection.BUSY),
        (ProblemCode.INTERNAL, Connection.BUSY),
    ],
)
def test_the_status_line_says_why(
    watched: Watched, server: MemoryCaseSystem, code: ProblemCode, connection: Connection
) -> None:
    assert watched.connection() is Connection.NOT_TRIED
    server.before = refuse(code)
    watched.worker.start()
    watched.until(lambda: watched.idle() and watched.rig.carriage().problem is code)
    watched.until(lambda: watched.connection() is connection)


def test_an_unsigned_answer_is_named_not_the_agency(watched: Watched, server: MemoryCaseSystem) -> None:
    server.tamper = lambda response: replace(response, signature=b"")
    watched.worker.start()
    watched.until(lambda: watched.connection() is Connection.NOT_THE_AGENCY)


def test_an_error_of_our_own_is_recorded_and_the_thread_lives_on(
    watched: Watched, server: MemoryCaseSystem, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(request: SyncRequest) -> None:
        raise LookupError("a defect")

    caplog.set_level(logging.ERROR)
    server.before = broken
    op_id = watched.rig.save()
    with asleep(watched) as slept:
        watched.worker.start()
        watched.until(lambda: len(slept) > 0)
        assert slept[0] == 60
        assert "LookupError" in caplog.text
        assert caplog.records[0].getMessage() == "a round of the delivery failed"
        server.before = None
        watched.worker.wake(at_once=True)
        watched.until(lambda: watched.rig.state(op_id) is State.ACCEPTED)


def test_an_error_while_a_person_syncs_reaches_that_person(watched: Watched, server: MemoryCaseSystem) -> None:
    watched.worker.start()
    watched.rested()

    def broken(request: SyncRequest) -> None:
        raise LookupError("a defect")

    server.before = broken
    with pytest.raises(LookupError):
        watched.worker.sync_now()
    server.before = None
    watched.rig.save()
    assert watched.worker.sync_now().accepted == 1


def test_without_its_thread_a_sync_runs_where_it_was_asked(watched: Watched) -> None:
    watched.rig.save()
    assert watched.worker.sync_now().accepted == 1
    assert watched.connection() is Connection.OK


def test_many_may_ask_at_once_and_each_is_answered(watched: Watched) -> None:
    watched.worker.start()
    watched.rig.save_many(3)
    accepted: list[int] = []
    threads = [
        threading.Thread(target=lambda: accepted.append(watched.worker.sync_now().accepted), daemon=True)
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(accepted) == 4
    assert watched.rig.states().keys() == watched.rig.plain.keys()
    assert set(watched.rig.states().values()) == {State.ACCEPTED}


def test_the_command_line_and_the_app_sync_one_after_the_other(watched: Watched) -> None:
    watched.worker.pause()
    with FolderLock(watched.rig.folder / "sync.lock").hold():
        watched.worker.start()
        watched.rig.save()
        asking = threading.Thread(target=watched.worker.sync_now, daemon=True)
        asking.start()
        watched.until(lambda: watched.connection() is Connection.SYNCING)
        asking.join(0.2)
        assert asking.is_alive()
        assert watched.requests() == 0
    asking.join(PATIENCE)
    assert watched.requests() == 1


def test_stopped_it_asks_nothing_more_and_leaves_nobody_waiting(watched: Watched) -> None:
    watched.worker.start()
    before = watched.rested()
    assert watched.worker.stop(PATIENCE)
    watched.worker.wake(at_once=True)
    assert watched.requests() == before
    watched.rig.save()
    assert watched.worker.sync_now().accepted == 1  # by whoever asks
    with pytest.raises(RuntimeError, match=r"^the worker runs already$"):
        watched.worker.start()


def test_an_item_with_a_wait_of_its_own_is_due_later(watched: Watched, server: MemoryCaseSystem) -> None:
    op_id = watched.rig.save()
    server.verdicts[op_id] = (Outcome.REFUSED, ProblemCode.BUSY)
    with asleep(watched) as slept:
        watched.worker.start()
        watched.until(lambda: len(slept) > 0)
    assert 0 < slept[-1] <= 2 * watched.rig.attempts(op_id) ** 2 + 2
