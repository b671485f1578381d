"""The stream: it wakes the worker, comes back by itself, and listens only while the vault is open."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from field_app.sync.listener import Listener, events, lines

PATIENCE = 20.0


class Stream:
    """A case system's stream on loopback: the test says what is sent, line by line, and when it ends."""

    def __init__(self) -> None:
        self.told = threading.Condition()
        self.wakes: list[bool] = []
        self.asked: list[str | None] = []
        self.lines: list[list[bytes] | None] = []  # one list for each connection; None: refuse it
        self.hold = threading.Event()
        self.url = ""
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.status = 200
        self.kind: str | None = "text/event-stream; charset=utf-8"
        self.more: dict[str, str] = {}

    def wake(self, *, at_once: bool = False) -> None:
        with self.told:
            self.wakes.append(at_once)
            self.told.notify_all()

    def until(self, n: int) -> None:
        with self.told:
            assert self.told.wait_for(lambda: len(self.wakes) >= n, PATIENCE), self.wakes


@contextmanager
def streaming(pair: tuple[Path, Path] | None = None) -> Iterator[Stream]:
    stream = Stream()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with stream.told:
                stream.paths.append(self.path)
                stream.headers.append({name.lower(): value for name, value in self.headers.items()})
                stream.asked.append(self.headers.get("Authorization"))
                lines = stream.lines.pop(0) if stream.lines else []
                stream.told.notify_all()
            self.send_response_only(stream.status if lines is not None else 503)
            kind = stream.kind if lines is not None else "text/html"
            for name, value in (({} if kind is None else {"Content-Type": kind}) | stream.more).items():
                self.send_header(name, value)
            self.end_headers()
            for line in lines or ():
                self.wfile.write(line + b"\n")
            self.wfile.flush()
            if not stream.lines:
                stream.hold.wait(PATIENCE)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """The other side left."""

    server = Server(("127.0.0.1", 0), Handler)
    if pair is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*pair)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    stream.url = f"{'http' if pair is None else 'https'}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield stream
    stream.hold.set()
    server.shutdown()
    thread.join()
    server.server_close()


def listener(stream: Stream, token: str | None = "read-token") -> Listener:
    made = Listener(
        server=stream.url, token=lambda: token, wake=stream.wake, monotonic=lambda: 0.0, uniform=lambda low, high: low
    )
    made.start()
    return made


PULL = [b"event: pull", b"data: ", b""]
HEARTBEAT = [b": here", b""]


def test_an_event_wakes_politely_and_a_heartbeat_does_not() -> None:
    with streaming() as stream:
        stream.lines = [[*HEARTBEAT, *PULL, *HEARTBEAT, *PULL]]
        ear = listener(stream)
        stream.until(2)
        assert stream.wakes == [False, False]
        assert stream.asked == ["Bearer read-token"]
        ear.stop()


def test_a_connection_that_came_back_wakes_past_every_wait() -> None:
    with streaming() as stream:
        stream.lines = [[*PULL], None, [*PULL]]
        ear = listener(stream)
        for _ in range(3):
            ear.poke()
        stream.until(3)
        assert stream.wakes == [False, True, False]
        assert len(stream.asked) == 3
        ear.stop()


def test_it_does_not_listen_while_the_vault_is_shut() -> None:
    with streaming() as stream:
        stream.lines = [[*PULL]]
        tokens: list[str | None] = [None]
        asked = threading.Event()

        def token() -> str | None:
            asked.set()
            return tokens[-1]

        ear = Listener(
            server=stream.url, token=token, wake=stream.wake, monotonic=lambda: 0.0, uniform=lambda low, high: low
        )
        ear.start()
        assert asked.wait(PATIENCE)
        assert stream.asked == []
        tokens.append("read-token")
        ear.poke()
        stream.until(1)
        assert stream.asked == ["Bearer read-token"]
        ear.stop()


def test_only_an_address_that_may_be_used_is_listened_to() -> None:
    with pytest.raises(ValueError):
        Listener(
            server="http://lead.example",
            token=lambda: "t",
            wake=lambda *, at_once=False: None,
            monotonic=lambda: 0.0,
            uniform=lambda low, high: low,
        )


@pytest.mark.parametrize(
    ("told", "names"),
    [
        ([b"event: pull", b"data: ", b""], ["pull"]),
        ([b"event:pull", b""], ["pull"]),
        ([b"data: x", b""], ["message"]),
        ([b": comment", b"", b"", b":", b""], []),
        ([b"id: 7", b"retry: 100", b""], []),
        ([b"event: pull"], []),
        ([b"event: a", b"", b"data", b"", b"event: b", b"data: 1", b"data: 2", b""], ["a", "message", "b"]),
        ([b"event: \xff", b""], ["\ufffd"]),
    ],
)
def test_a_stream_is_read_by_its_standard(told: list[bytes], names: list[str]) -> None:
    assert list(events(told)) == names


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_lines_are_whole_however_the_chunks_fall(size: int, end: bytes) -> None:
    stream = end.join([b"event: pull", b"data: ", b"", b": here", b"", b"begun"])
    chunks = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert list(lines(chunks)) == [b"event: pull", b"data: ", b"", b": here", b""]
    assert list(events(lines(chunks))) == ["pull"]
