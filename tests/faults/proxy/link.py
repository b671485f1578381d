"""A bad link between a client and a server on loopback: delays, slices, narrows, cuts and holds what goes through, byte by byte.

`Weather` says what happens to each connection that is made while it lasts. The link keeps the last whole answer of the server, so that a
test knows what was lost on the way.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

_LINGER_0: Final = struct.pack("ii", 1, 0)
_CHUNK: Final = 65536
_GIVE_UP_S: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """What happens to a connection.

    cut_request, cut_answer: after so many bytes that way, both ends are closed (None: never). reset: with RST instead of FIN. latency_ms:
    before the first byte each way. slice: bytes at a time (0: as they come), with slice_ms between. hold: at the cut nothing is
    closed; the bytes just stop, until the client hangs up.
    """

    cut_request: int | None = None
    cut_answer: int | None = None
    reset: bool = False
    latency_ms: float = 0
    slice: int = 0
    slice_ms: float = 0
    hold: bool = False


FAIR: Final = Weather()


@dataclass(slots=True)
class Link:
    """The link's address, its weather from now on, and what went through since `begin`."""

    port: int
    weather: Weather = FAIR
    requested: int = 0
    answered: int = 0
    answers: list[bytes] = field(default_factory=list)
    _idle: threading.Condition = field(default_factory=threading.Condition)
    _open: int = 0

    def begin(self, weather: Weather) -> None:
        """Wait for what is under way to end, then this weather."""
        self.settle()
        self.weather, self.requested, self.answered, self.answers = weather, 0, 0, []

    def settle(self) -> None:
        """Wait until no connection is open."""
        with self._idle:
            if not self._idle.wait_for(lambda: self._open == 0, _GIVE_UP_S):
                raise TimeoutError("a connection through the link does not end")

    def opened(self, change: int) -> None:
        """Count an open connection, or its end."""
        with self._idle:
            self._open += change
            self._idle.notify_all()


class _Pair:
    """One connection through the link: the client's end and the server's."""

    def __init__(self, link: Link, client: socket.socket, server: socket.socket) -> None:
        self._link, self._client, self._server, self._weather = link, client, server, link.weather
        self._over = threading.Event()
        self._answer = bytearray()

    def run(self) -> None:
        up = threading.Thread(target=self._pump, args=(self._client, self._server, True), daemon=True)
        up.start()
        self._pump(self._server, self._client, False)
        up.join()
        for end in (self._client, self._server):
            end.close()
        if self._answer:
            self._link.answers.append(bytes(self._answer))
        self._link.opened(-1)

    def _pump(self, source: socket.socket, target: socket.socket, up: bool) -> None:
        limit = self._weather.cut_request if up else self._weather.cut_answer
        sent = 0
        with suppress(OSError):
            while not self._over.is_set() and (data := source.recv(_CHUNK)):
                if sent == 0 and self._weather.latency_ms:
                    self._over.wait(self._weather.latency_ms / 1000)
                if up:
                    self._link.requested += len(data)
                else:
                    self._link.answered += len(data)
                    self._answer += data
                rest = data if limit is None else data[: max(0, limit - sent)]
                sent += len(data)
                for piece in self._pieces(rest):
                    target.sendall(piece)
                if limit is not None and sent >= limit and (up or self._whole()):
                    if self._weather.hold:
                        continue  # swallow the rest until the client hangs up
                    break
        self._end()

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        size = self._weather.slice or max(1, len(data))
        for at in range(0, len(data), size):
            if at and self._weather.slice_ms:
                self._over.wait(self._weather.slice_ms / 1000)
            yield data[at : at + size]

    def _whole(self) -> bool:
        """True when the server has said all it has to say: a cut of the answer does not stop the server."""
        return not exchanges(bytes(self._answer))[1]

    def _end(self) -> None:
        if self._over.is_set():
            return
        self._over.set()
        for end in (self._client, self._server):
            with suppress(OSError):
                if self._weather.reset:  # nothing is said until the close, which then resets
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_0)
                end.shutdown(socket.SHUT_RD if self._weather.reset else socket.SHUT_RDWR)


def exchanges(data: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """The whole answers (head, body) that a server gave on one connection, and what is left of a last one."""
    found: list[tuple[bytes, bytes]] = []
    while data:
        head, blank, rest = data.partition(b"\r\n\r\n")
        lengths = [int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        length = lengths[0] if lengths else 0
        if not blank or len(rest) < length:
            break
        found.append((head, rest[:length]))
        data = rest[length:]
    return found, data


@contextmanager
def link_to(port: int) -> Iterator[Link]:
    """A link to a server's port, on a port of its own."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as door:
        link = Link(door.getsockname()[1])

        def serve() -> None:
            while True:
                try:
                    client, _ = door.accept()
                except OSError:
                    return
                link.opened(1)
                server = socket.create_connection(("127.0.0.1", port), timeout=_GIVE_UP_S)
                for end in (client, server):
                    end.settimeout(_GIVE_UP_S)
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=_Pair(link, client, server).run, daemon=True).start()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield link
        finally:
            door.shutdown(socket.SHUT_RDWR)
            thread.join(_GIVE_UP_S)
