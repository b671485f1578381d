"""A round to the letter: what it asks, which token it falls back to, what it remembers of a wait, a batch and an unread page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from field_app.store import cursor
from field_app.sync.backoff import Backoff
from field_app.sync.engine import is_op_id
from field_app.sync.errors import NotTheAgency
from field_app.sync.machine import State
from referral.port import Outcome, Refused, SyncRequest, SyncResponse
from referral.problems import ProblemCode
from tests.field_app.sync.rig import Rig, memory_rig
from tests.field_app.sync.signed import signing_front
from tests.field_app.sync.watched import refuse
from tests.support.memory_case_system import MemoryCaseSystem

DAY = 86_400


@pytest.fixture
def near(tmp_path: Path, server: MemoryCaseSystem) -> Iterator[Rig]:
    """The device beside its case system."""
    made = memory_rig(tmp_path, server)
    yield made
    made.store.close()


def unreading(code: ProblemCode) -> Callable[[SyncRequest], None]:
    """Refuse whoever wants to read."""

    def before(request: SyncRequest) -> None:
        if request.pull:
            raise Refused(code)

    return before


def reoffer(rig: Rig) -> None:
    with rig.store.write() as tx:
        rig.outbox.reoffer(tx, (State.ACCEPTED,))


def set_batch(rig: Rig, batch: int) -> None:
    with rig.store.write() as tx:
        cursor.save(tx, rig.chain, replace(cursor.load(tx, rig.chain), batch=batch))


# ---------------------------------------------------------------------------------------------------- what is asked
def test_a_request_says_what_is_open_and_which_pack_is_installed(near: Rig, server: MemoryCaseSystem) -> None:
    near.generation, near.pack = 7, "ab" * 32
    near.round()
    assert (server.requests[-1].generation, server.requests[-1].pack) == (7, "ab" * 32)


def test_what_is_offered_again_counts_as_waiting_and_is_not_quiet(near: Rig, server: MemoryCaseSystem) -> None:
    (op_id,) = near.save_many(1)
    near.sync()
    near.round()
    assert server.requests[-1].receipts is not None, "quiet: the digest goes along"
    reoffer(near)
    near.save_many(2)
    server.receipts.clear()
    server.verdicts[op_id] = (Outcome.REFUSED, ProblemCode.BUSY)
    report = near.sync()
    assert server.requests[-1].heartbeat is not None
    assert server.requests[-1].heartbeat.waiting == 3
    assert (report.waiting, near.state(op_id)) == (1, State.REOFFERED)
    near.round(at_once=True)
    assert server.requests[-1].receipts is None


def test_a_round_is_polite_unless_it_is_said_otherwise(near: Rig, server: MemoryCaseSystem) -> None:
    server.before = refuse(ProblemCode.BUSY, 600)
    near.round()
    assert near.engine.round(near.now).problem is ProblemCode.BUSY
    assert len(server.requests) == 1


# ---------------------------------------------------------------------------------------------------- tokens
@pytest.mark.parametrize("code", [ProblemCode.NOT_SIGNED_IN, ProblemCode.NOT_PERMITTED, ProblemCode.DEVICE_REVOKED])
def test_who_may_not_read_sends_all_the_same_and_asks_for_no_news(
    near: Rig, server: MemoryCaseSystem, code: ProblemCode
) -> None:
    server.publish(2)
    near.round()
    before = near.carriage().cursor
    op_id = near.save()
    server.before = unreading(code)
    near.round(at_once=True)
    assert near.state(op_id) is State.ACCEPTED
    assert [request.pull for request in server.requests[-2:]] == [True, False]
    assert [request.cursor for request in server.requests[-2:]] == [before, None]
    assert server.tokens[-2:] == [near.read_token, near.append_token]
    assert near.carriage().cursor == before


@pytest.mark.parametrize(
    ("saves", "unlocked", "code"),
    [
        (1, True, ProblemCode.BUSY),  # another token would not help
        (0, True, ProblemCode.NOT_SIGNED_IN),  # there is nothing to send
        (1, False, ProblemCode.NOT_SIGNED_IN),  # it was the sending token
    ],
)
def test_it_falls_back_for_that_reason_only(
    near: Rig, server: MemoryCaseSystem, saves: int, unlocked: bool, code: ProblemCode
) -> None:
    near.save_many(saves)
    near.unlocked = unlocked
    server.before = refuse(code)
    assert near.round().problem is code
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("tamper", "after", "sentence"),
    [
        (lambda r: replace(r, signature=b""), None, "the answer is not signed by this device's case system"),
        (None, lambda r: replace(r, nonce="ff" * 16), "the answer is to another request"),
        (None, lambda r: replace(r, device_id="ab" * 16), "the answer is to another request"),
    ],
)
def test_why_it_is_not_the_agency(
    near: Rig,
    server: MemoryCaseSystem,
    tamper: Callable[[SyncResponse], SyncResponse] | None,
    after: Callable[[SyncResponse], SyncResponse] | None,
    sentence: str,
) -> None:
    server.tamper, server.after = tamper, after
    with pytest.raises(NotTheAgency) as told:
        near.engine._ask(near.access(), SyncRequest(nonce="00" * 16))
    assert str(told.value) == sentence


# ---------------------------------------------------------------------------------------------------- what is remembered
def test_everything_is_offered_again_once_a_day_and_no_sooner(near: Rig, server: MemoryCaseSystem) -> None:
    op_id = near.save()
    near.sync()

    def lost_again() -> State:
        server.receipts.clear()
        near.round(at_once=True)
        return near.state(op_id)

    assert lost_again() is State.REOFFERED
    near.sync()
    near.wait(DAY - 1)
    assert lost_again() is State.ACCEPTED
    near.wait(1)
    assert lost_again() is State.REOFFERED


def test_a_batch_doubles_after_a_success_and_after_one_bad_operation_was_put_aside(
    near: Rig, server: MemoryCaseSystem
) -> None:
    set_batch(near, 4)
    near.round()
    assert near.carriage().batch == 8
    near.save()
    server.before = refuse(ProblemCode.INTERNAL)
    near.round()
    assert near.carriage().batch == 16


def test_an_operation_put_aside_waits_as_long_as_it_was_asked_to_and_goes_alone(
    near: Rig, server: MemoryCaseSystem
) -> None:
    op_id = near.save()
    server.before = refuse(ProblemCode.INTERNAL, 1800)
    near.round()
    with near.store.read() as tx:
        due = near.outbox.next_due(tx, near.now)
    assert due is not None
    assert (due - near.now).total_seconds() >= 1800
    server.before = None
    server.after = lambda response: replace(response, results=())
    near.round(at_once=True)
    assert near.state(op_id) is State.WAITING
    (offer,) = near.engine._offers(near.now, 10, at_once=True, leave=())
    assert offer.alone


def test_a_tap_sends_what_has_a_wait_of_its_own_however_small_the_batch(near: Rig, server: MemoryCaseSystem) -> None:
    saved = near.save_many(3)
    later = Backoff(failures=3, set_at=near.now, next_at=near.now.replace(year=near.now.year + 1))
    with near.store.write() as tx:
        near.outbox.postpone(tx, dict.fromkeys(saved, later), None, alone=False)
    set_batch(near, 1)
    assert near.sync().accepted == 3
    assert [len(request.envelopes) for request in server.requests] == [1, 2]


def test_a_page_that_was_not_read_is_remembered_until_another_version_read_it(
    tmp_path: Path, server: MemoryCaseSystem
) -> None:
    newer = [False]

    def change(document: Any) -> Any:
        if newer[0]:
            document.setdefault("changes", []).append({"seq": 99, "kind": "weather"})
        return document

    with signing_front(server, change) as carrier:
        rig = memory_rig(tmp_path, server, carrier)
        server.publish(1)
        seen: list[str | None] = []
        for unread, app in ((False, "1"), (True, "1"), (False, "1"), (False, "2"), (False, "2")):
            newer[0], rig.app = unread, app
            rig.round()
            seen.append(rig.carriage().unread_by)
        assert seen == [None, "1", "1", None, None]
        assert [request.cursor for request in server.requests] == [None, "e1:1", "e1:1", None, "e1:1"]
        rig.store.close()


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("0123456789abcdef" * 2, True), ("ab" * 15, False), ("ab" * 17, False), ("XX" * 16, False), ("AB" * 16, False)],
)
def test_a_number_of_an_operation(text: str, is_one: bool) -> None:
    assert is_op_id(text) is is_one
