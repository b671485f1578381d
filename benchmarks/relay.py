"""A link between a device and a case system, on this machine: it delays, counts bytes and counts requests; it changes nothing.

Each chunk of bytes is handed on `delay_s` after it came, in order, each way. What it does not copy of a real link: bandwidth,
loss, and the round trip that opening a connection costs (the device's connection ends at the relay).
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_REQUEST = re.compile(rb"(?:GET|POST) (/\S*) HTTP/1\.1\r\n")


@dataclass(slots=True)
class Traffic:
    """What went over the link since `clear`. up: bytes from the device; requests: their paths."""

    up: int = 0
    down: int = 0
    connections: int = 0
    requests: list[str] = field(default_factory=list)

    def clear(self) -> None:
        """Count from nothing."""
        self.up = self.down = self.connections = 0
        self.requests = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The near end of the link."""

    url: str
    traffic: Traffic


@contextmanager
def link(server: str, *, delay_s: float = 0.0) -> Iterator[Link]:
    """A link to `server` while the block lasts. delay_s: each way."""
    there = urlsplit(server)
    traffic, loop, ready = Traffic(), asyncio.new_event_loop(), threading.Event()
    ports: list[int] = []

    async def near(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        traffic.connections += 1
        far_reader, far_writer = await asyncio.open_connection(there.hostname, there.port)

        def sent(chunk: bytes) -> None:
            traffic.up += len(chunk)
            traffic.requests += [path.decode("ascii", "replace") for path in _REQUEST.findall(chunk)]

        def received(chunk: bytes) -> None:
            traffic.down += len(chunk)

        with suppress(asyncio.CancelledError):  # the link is being taken down
            await asyncio.gather(
                _carry(reader, far_writer, delay_s, sent), _carry(far_reader, writer, delay_s, received)
            )

    async def serve() -> None:
        server_ = await asyncio.start_server(near, "127.0.0.1", 0)
        ports.append(server_.sockets[0].getsockname()[1])
        ready.set()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.create_task(serve())
        loop.run_forever()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

    thread = threading.Thread(target=run, name="link", daemon=True)
    thread.start()
    if not ready.wait(10):
        raise RuntimeError("the link did not open")
    try:
        yield Link(url=f"http://127.0.0.1:{ports[0]}", traffic=traffic)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


async def _carry(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float, seen: Callable[[bytes], None]
) -> None:
    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        while True:
            due, chunk = await waiting.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not chunk:
                writer.close()
                return
            writer.write(chunk)
            await writer.drain()

    delivering = asyncio.create_task(deliver())
    with suppress(ConnectionError):
        while chunk := await reader.read(65536):
            seen(chunk)
            waiting.put_nowait((loop.time() + delay_s, chunk))
    waiting.put_nowait((loop.time() + delay_s, b""))
    with suppress(ConnectionError):
        await delivering
