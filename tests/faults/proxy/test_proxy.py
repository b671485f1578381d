"""T5 in continuous integration, that it sees, and that the link does what it says."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest

from case_system import reception, service
from case_system.reception import Heard
from case_system.storage import Paper
from field_app.sync.engine import SyncEngine
from referral.model import OpId
from referral.port import Receipt
from tests.faults.proxy.link import FAIR, Link, Weather, exchanges, link_to
from tests.faults.proxy.part import ANSWER_BYTES, PART, REQUEST_BYTES, attempt, run, weathers, wire
from tests.proof.part import in_ci, require_clean
from tests.support.waiting import until


@pytest.mark.parametrize(("first", "count"), in_ci(PART, 6))
def test_no_link_loses_or_doubles_anything(first: int, count: int) -> None:
    require_clean(PART, run(first, count))


def test_every_byte_of_a_request_and_of_an_answer_is_a_case() -> None:
    with wire() as here:
        for _ in range(3):
            here.rig.save()
            attempt(here, FAIR)
            assert REQUEST_BYTES >= here.link.requested > REQUEST_BYTES - 60
            assert ANSWER_BYTES >= here.link.answered > ANSWER_BYTES - 90
    cuts = [weathers(number)[0] for number in range(REQUEST_BYTES + ANSWER_BYTES)]
    assert [weather.cut_request for weather in cuts[:REQUEST_BYTES]] == list(range(REQUEST_BYTES))
    assert [weather.cut_answer for weather in cuts[REQUEST_BYTES:]] == list(range(ANSWER_BYTES))


def sentences(first: int, count: int) -> str:
    return "\n".join(violation.sentence for violation in run(first, count).violations)


LOST_ANSWERS = (
    REQUEST_BYTES + 100
)  # cut in the answer: the case system has taken what the device does not know to be taken


def test_a_server_that_forgets_what_it_took_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its receipts are made anew each time."""
    number = iter(range(10_000))
    monkeypatch.setattr(
        Paper, "as_receipt", property(lambda self: replace(_receipt(self), receipt=f"{next(number):08d}"))
    )
    assert "another receipt" in sentences(LOST_ANSWERS, 4)


def _receipt(paper: Paper) -> Receipt:
    names = ("op_id", "fingerprint", "outcome", "code", "at")
    return Receipt(receipt=None, **{name: getattr(paper, name) for name in names})


def test_a_device_that_gives_up_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """After one failure it offers nothing any more."""
    right = SyncEngine._failed

    def gives_up(self: SyncEngine, *args: object) -> object:
        monkeypatch.setattr(SyncEngine, "_offers", lambda *_, **__: ())
        return right(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(SyncEngine, "_failed", gives_up)
    assert "waiting" in sentences(700, 1)


def test_an_operation_that_is_taken_twice_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The case system knows an operation by its connection instead of its number: what was sent again counts again."""
    right = reception.hear

    def anew(raw: bytes, *args: Any) -> Heard:
        return replace(right(raw, *args), op_id=OpId(os.urandom(16).hex()))

    monkeypatch.setattr(service, "hear", anew)
    assert "are at the case system" in sentences(LOST_ANSWERS, 2)


@contextmanager
def echo() -> Iterator[tuple[Link, bytearray]]:
    """A server that answers each line with an HTTP answer of 100 bytes of body; what it heard."""
    heard = bytearray()
    with socket.create_server(("127.0.0.1", 0)) as door:

        def serve() -> None:
            while True:
                try:
                    line, _ = door.accept()
                except OSError:
                    return
                with line, suppress(ConnectionResetError):
                    while data := line.recv(4096):
                        heard.extend(data)
                        if data.endswith(b"\n"):
                            line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b"x" * 100)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with link_to(door.getsockname()[1]) as link:
            yield link, heard
        door.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def said(link: Link, data: bytes, patience_s: float = 10) -> bytes:
    with socket.create_connection(("127.0.0.1", link.port), timeout=patience_s) as line:
        line.sendall(data)
        got = b""
        while len(got) < 140 and (more := line.recv(4096)):
            got += more
    return got


def test_the_link_cuts_where_it_says() -> None:
    with echo() as (link, heard):
        assert len(said(link, b"hello\n")) == 140
        link.begin(Weather(cut_request=3))
        heard.clear()
        assert said(link, b"hello\n") == b""
        link.settle()
        until(lambda: len(heard) >= 3, what="what arrived before the cut")  # its server reads in a thread of its own
        assert bytes(heard) == b"hel"
        link.begin(Weather(cut_answer=50, slice=7))
        assert len(said(link, b"hello\n")) == 50
        link.settle()
        assert len(link.answers[0]) == 140  # what the server said is known
        link.begin(Weather(cut_answer=0, reset=True))
        with pytest.raises(ConnectionResetError):
            said(link, b"hello\n")
        link.begin(Weather(cut_answer=0, hold=True))
        with pytest.raises(TimeoutError):
            said(link, b"hello\n", 0.05)


def test_answers_on_one_connection_are_told_apart() -> None:
    one = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab"
    assert exchanges(one + one + one[:-1]) == ([(one[:-6], b"ab")] * 2, one[:-1])
