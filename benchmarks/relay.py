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
    traffic, ready = Traffic(), threading.Event()
    near_end: list[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]] = []

    def sent(chunk: bytes) -> None:
        traffic.up += len(chunk)
        traffic.requests += [path.decode("ascii", "replace") for path in _REQUEST.findall(chunk)]

    def received(chunk: bytes) -> None:
        traffic.down += len(chunk)

    async def near(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        traffic.connections += 1
        far_reader, far_writer = await asyncio.open_connection(there.hostname, there.port)
        try:
            await asyncio.gather(
                _carry(reader, far_writer, delay_s, sent), _carry(far_reader, writer, delay_s, received)
            )
        except asyncio.CancelledError:
            return  # the link is being taken down
        finally:
            writer.close()
            far_writer.close()

    async def serve() -> None:
        stop = asyncio.Event()
        listening = await asyncio.start_server(near, "127.0.0.1", 0)
        near_end.append((asyncio.get_running_loop(), stop, listening.sockets[0].getsockname()[1]))
        ready.set()
        await stop.wait()
        listening.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="link", daemon=True)
    thread.start()
    if not ready.wait(10):
        raise RuntimeError("the link did not open")
    loop, stop, port = near_end[0]
    try:
        yield Link(url=f"http://127.0.0.1:{port}", traffic=traffic)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)


async def _carry(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float, seen: Callable[[bytes], None]
) -> None:
    """Hand on what comes until it ends, then end the other side."""
    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def read() -> None:
        with suppress(ConnectionError):
            while chunk := await reader.read(65536):
                seen(chunk)
                waiting.put_nowait((loop.time() + delay_s, chunk))
        waiting.put_nowait((loop.time() + delay_s, b""))

    async def write() -> None:
        with suppress(ConnectionError):
            while True:
                due, chunk = await waiting.get()
                await asyncio.sleep(max(0.0, due - loop.time()))
                if not chunk:
                    break
                writer.write(chunk)
                await writer.drain()
        writer.close()

    await asyncio.gather(read(), write())
