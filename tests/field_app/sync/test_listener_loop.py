"""The listener's loop with a clock of the test, and one stream to the letter."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter

from field_app.sync.listener import Listener
from tests.field_app.sync.test_listener import PULL, Stream, streaming
from tests.support.tls import certificate
from tests.support.waiting import until


def quiet(*, at_once: bool = False) -> None:
    """A wake that nobody looks at."""


class Loop:
    """A listener whose connections and rests the test makes up: `moments` is the clock, one value a look."""

    def __init__(self, rounds: int, moments: list[float], asked: float | None = None, *, longest: bool = True) -> None:
        self.waited: list[float | None] = []
        self.lost: list[bool] = []
        clock = iter(moments)
        self.ear = Listener(
            server="http://127.0.0.1:1",
            token=lambda: "t",
            wake=quiet,
            monotonic=lambda: next(clock, 0.0),
            uniform=lambda low, high: high if longest else low,
        )
        loop = self

        class Rest(threading.Event):
            def wait(self, timeout: float | None = None) -> bool:
                loop.waited.append(timeout)
                if len(loop.waited) >= rounds:
                    loop.ear.stop()
                return True

        def listen(token: str, *, lost: bool) -> float | None:
            self.lost.append(lost)
            return asked

        self.ear._poked = Rest()
        self.ear._listen = listen  # type: ignore[method-assign]

    def run(self) -> list[float | None]:
        self.ear._run()
        return self.waited


def test_it_comes_back_later_and_later() -> None:
    loop = Loop(4, [])
    assert loop.run() == [2.0, 4.0, 8.0, 16.0]
    assert loop.lost == [False, True, True, True]


def test_a_stream_that_lived_for_a_minute_ends_the_series_of_failures() -> None:
    assert Loop(3, [1000.0, 1060.0, 2000.0, 2060.0, 3000.0, 3060.0]).run() == [2.0, 2.0, 2.0]
    assert Loop(3, [1000.0, 1059.0, 2000.0, 2059.0, 3000.0, 3059.0]).run() == [2.0, 4.0, 8.0]


def test_it_rests_as_long_as_it_was_asked_to_and_never_less_than_a_second() -> None:
    assert Loop(2, [], asked=7.0, longest=False).run() == [7.0, 7.0]
    assert Loop(2, [], longest=False).run() == [1.0, 1.0]


def test_without_a_token_it_waits_for_a_poke() -> None:
    loop = Loop(1, [])
    loop.ear._token = lambda: None
    assert loop.run() == [None]
    assert loop.lost == []


def test_its_thread_has_a_name_never_keeps_the_app_and_ends_when_it_is_stopped() -> None:
    def listeners() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == "sync-listener"]

    before = listeners()
    ear = Listener(
        server="http://127.0.0.1:1", token=lambda: None, wake=quiet, monotonic=lambda: 0.0, uniform=lambda a, b: a
    )
    ear.start()
    (made,) = [thread for thread in listeners() if thread not in before]
    assert made.daemon
    ear.stop()
    until(lambda: not made.is_alive(), within=5.0, what="the end of the thread")


# ---------------------------------------------------------------------------------------------------- one stream
@pytest.fixture
def stream() -> Iterator[Stream]:
    with streaming() as made:
        made.hold.set()
        yield made


def ear_of(stream: Stream, token: str | None = "t", ca_file: str | None = None) -> Listener:
    return Listener(
        server=stream.url,
        token=lambda: token,
        wake=stream.wake,
        monotonic=lambda: 0.0,
        uniform=lambda low, high: low,
        ca_file=ca_file,
    )


def test_a_stream_is_asked_for_by_its_standard_and_with_patience(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    patience: list[Any] = []
    send = HTTPAdapter.send

    def spy(self: HTTPAdapter, request: requests.PreparedRequest, **named: Any) -> requests.Response:
        patience.append((named["timeout"], named["stream"]))
        return send(self, request, **named)

    monkeypatch.setattr(HTTPAdapter, "send", spy)
    stream.lines = [PULL]
    assert ear_of(stream)._listen("t", lost=False) is None
    assert stream.wakes == [False]
    assert stream.paths == ["/v1/stream"]
    told = stream.headers[-1]
    assert (told["accept"], told["accept-encoding"]) == ("text/event-stream", "identity")
    assert (told["user-agent"], told["authorization"]) == ("lead-field", "Bearer t")
    assert patience == [((10.0, 40.0), True)]


@pytest.mark.parametrize(
    ("status", "kind", "wakes"),
    [
        (200, "text/event-stream", 1),
        (200, "Text/Event-Stream ; charset=utf-8; x=1", 1),
        (200, "text/html", 0),
        (200, None, 0),
        (201, "text/event-stream", 0),
        (503, "text/event-stream", 0),
    ],
)
def test_only_a_stream_is_listened_to(stream: Stream, status: int, kind: str | None, wakes: int) -> None:
    stream.lines, stream.status, stream.kind = [PULL], status, kind
    ear_of(stream)._listen("t", lost=False)
    assert len(stream.wakes) == wakes


def test_a_redirect_is_not_followed(stream: Stream) -> None:
    stream.status, stream.kind, stream.more = 302, "text/html", {"Location": "/elsewhere"}
    ear_of(stream)._listen("t", lost=True)
    assert (stream.paths, stream.wakes) == (["/v1/stream"], [])


@pytest.mark.parametrize(
    ("text", "seconds"), [("7", 7.0), (None, None), ("soon", None), ("Mon, 02 Mar 2026 12:01:00 GMT", 0.0)]
)
def test_a_refusal_says_how_long_to_rest(stream: Stream, text: str | None, seconds: float | None) -> None:
    stream.status, stream.kind, stream.more = 503, "text/html", {} if text is None else {"Retry-After": text}
    assert ear_of(stream)._listen("t", lost=False) == seconds


def test_a_connection_that_came_back_wakes_unless_it_was_stopped(stream: Stream) -> None:
    ear = ear_of(stream)
    ear._listen("t", lost=True)
    assert stream.wakes == [True]
    ear.stop()
    stream.lines = [PULL]
    ear._listen("t", lost=True)
    assert stream.wakes == [True]


def test_another_token_ends_the_stream(stream: Stream) -> None:
    stream.lines = [[*PULL, *PULL]]
    assert ear_of(stream, token="new")._listen("old", lost=False) is None
    assert stream.wakes == []


def test_an_event_is_heard_with_its_last_byte() -> None:
    with streaming() as stream:
        stream.lines = [[b"event: pull", b""]]
        ear = ear_of(stream)
        ear.start()
        stream.until(1)
        ear.stop()


def test_nobody_there_is_no_stream() -> None:
    ear = Listener(
        server="http://127.0.0.1:1", token=lambda: "t", wake=quiet, monotonic=lambda: 0.0, uniform=lambda a, b: a
    )
    assert ear._listen("t", lost=True) is None


def test_a_stream_over_tls_is_trusted_by_its_own_certificates(tmp_path: Path) -> None:
    pair, other = certificate(tmp_path, "ours"), certificate(tmp_path, "theirs")
    with streaming(pair) as stream:
        stream.hold.set()
        stream.lines = [PULL]
        ear_of(stream, ca_file=str(other[0]))._listen("t", lost=False)
        assert stream.wakes == []
        ear_of(stream, ca_file=str(pair[0]))._listen("t", lost=False)
        assert stream.wakes == [False]
