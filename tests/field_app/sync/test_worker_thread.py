"""The worker's thread: who runs what, what a pause and a fault keep, how long it rests."""

from __future__ import annotations

import threading
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from field_app.sync.lock import FolderLock
from field_app.sync.machine import State
from field_app.sync.worker import _Asked, _Wish
from referral.port import SyncRequest
from referral.problems import ProblemCode
from tests.field_app.sync.rig import NOON
from tests.field_app.sync.watched import PATIENCE, Watched, asleep, refuse
from tests.support.memory_case_system import MemoryCaseSystem
from tests.support.waiting import until


def thread_of(watched: Watched) -> threading.Thread:
    assert watched.worker._thread is not None
    return watched.worker._thread


def test_it_has_a_name_and_never_keeps_the_app_from_ending(watched: Watched) -> None:
    watched.worker.start()
    assert (thread_of(watched).name, thread_of(watched).daemon) == ("sync-worker", True)


def test_who_syncs_by_hand_waits_for_the_one_thread_that_delivers(watched: Watched, server: MemoryCaseSystem) -> None:
    names: list[str] = []
    busy: list[bool] = []

    def before(request: SyncRequest) -> None:
        names.append(threading.current_thread().name)
        busy.append(watched.worker.state().busy)

    server.before = before
    watched.worker.start()
    watched.rested()
    watched.worker.sync_now()
    assert names == ["sync-worker"] * 2
    assert busy == [True, True]
    assert not watched.worker.state().busy
    assert watched.worker.stop(PATIENCE)
    watched.worker.sync_now()
    assert names[-1] == threading.current_thread().name


def test_who_was_not_answered_before_it_stopped_is_told(watched: Watched) -> None:
    told: list[str] = []

    def ask() -> None:
        try:
            watched.worker.sync_now()
        except RuntimeError as error:
            told.append(str(error))

    watched.worker.pause()
    asking = [threading.Thread(target=ask, daemon=True) for _ in range(2)]
    with FolderLock(watched.rig.folder / "sync.lock").hold():
        watched.worker.start()
        asking[0].start()
        watched.until(lambda: watched.worker.state().busy)
        asking[1].start()
        until(lambda: watched.worker._asked, what="the second one in the queue")
        assert not watched.worker.stop(0.0)
    for thread in asking:
        thread.join(PATIENCE)
    assert told == ["the worker was stopped"]


def test_a_stop_waits_five_seconds_and_says_that_a_round_goes_on(watched: Watched) -> None:
    waited: list[float | None] = []

    class Busy(threading.Thread):
        def join(self, timeout: float | None = None) -> None:
            waited.append(timeout)

        def is_alive(self) -> bool:
            return True

    watched.worker._thread = Busy()
    assert not watched.worker.stop()
    assert not watched.worker.stop(2.0)
    assert waited == [5.0, 2.0]
    watched.worker._thread = threading.current_thread()
    assert watched.worker.stop(), "its own thread does not wait for itself"
    watched.worker._thread = None
    assert watched.worker.stop()


def test_a_wake_is_polite_unless_it_is_said_otherwise(watched: Watched) -> None:
    wishes: list[_Wish] = []
    watched.worker._wish = _Wish.NONE
    for wake in (watched.worker.wake, partial(watched.worker.wake, at_once=True), watched.worker.wake):
        wake()
        wishes.append(watched.worker._wish)
    assert wishes == [_Wish.NEWS, _Wish.AT_ONCE, _Wish.AT_ONCE]


def test_an_answer_by_hand_takes_no_wish_away(watched: Watched) -> None:
    watched.worker._asked.append(_Asked())
    watched.worker._step()
    assert watched.worker._wish is _Wish.AT_ONCE
    assert watched.requests() == 1


def test_a_pause_keeps_the_wish_and_shows_no_next_try(watched: Watched, server: MemoryCaseSystem) -> None:
    server.before = refuse(ProblemCode.BUSY, 600)
    watched.worker.start()
    watched.rested()
    assert watched.worker.state().next_try is not None
    watched.worker.pause()
    assert watched.worker.state().next_try is None
    assert watched.worker.state().paused


def test_what_goes_on_goes_on_at_once_past_every_wait(watched: Watched, server: MemoryCaseSystem) -> None:
    server.before = refuse(ProblemCode.BUSY, 600)
    op_id = watched.rig.save()
    watched.worker.start()
    watched.rested()
    watched.worker.pause()
    server.before = None
    watched.worker.resume()
    watched.until(lambda: watched.rig.state(op_id) is State.ACCEPTED)


def test_news_that_were_refused_are_asked_for_again_by_themselves(watched: Watched, server: MemoryCaseSystem) -> None:
    server.before = refuse(ProblemCode.BUSY, 600)
    with asleep(watched) as slept:
        watched.worker.start()
        watched.until(lambda: len(slept) > 0)
        assert 600 <= slept[0] <= 660, "though nothing waits to be sent"


def test_an_idle_round_that_failed_is_not_repeated_without_a_wish(watched: Watched, server: MemoryCaseSystem) -> None:
    server.before = refuse(ProblemCode.BUSY, 600)
    op_id = watched.rig.save()
    watched.worker._deliver(_Wish.NONE)
    assert watched.rig.state(op_id) is State.WAITING
    watched.worker._wish = _Wish.NONE
    watched.rig.wait(3601)
    watched.worker._deliver(_Wish.NONE)
    assert (watched.worker._wish, watched.requests()) == (_Wish.NONE, 2)


def test_a_fault_of_our_own_is_over_after_a_minute_to_the_second(watched: Watched, server: MemoryCaseSystem) -> None:
    def broken(request: SyncRequest) -> None:
        raise LookupError("a defect")

    server.before = broken
    op_id = watched.rig.save()
    watched.worker._step()
    server.before = None
    watched.rig.now = NOON + timedelta(seconds=60)
    watched.worker._step()
    assert watched.rig.state(op_id) is State.ACCEPTED


def test_a_clock_put_back_ends_the_rest_after_a_fault(watched: Watched) -> None:
    watched.worker._fault_until = NOON + timedelta(seconds=60)
    op_id = watched.rig.save()
    watched.rig.now = NOON - timedelta(days=1)
    watched.worker._deliver(_Wish.NONE)
    assert watched.rig.state(op_id) is State.ACCEPTED


@pytest.mark.parametrize(("seconds", "pause"), [(None, 30.0), (5.0, 5.0), (30.0, 30.0), (900.0, 30.0)])
def test_it_never_sleeps_longer_than_half_a_minute(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, seconds: float | None, pause: float
) -> None:
    slept: list[tuple[bool, Any]] = []

    def wait_for(predicate: Any, timeout: float | None = None) -> bool:
        slept.append((bool(predicate()), timeout))
        return True

    monkeypatch.setattr(watched.worker._turn, "wait_for", wait_for)
    watched.worker._sleep(seconds)
    assert slept == [(False, pause)]
    watched.worker.wake()
    watched.worker._sleep(seconds)
    assert slept[-1] == (True, pause)
