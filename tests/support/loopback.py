"""The real case system behind its real HTTP routes, on a free port of 127.0.0.1, in a thread, for the length of a block."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from case_system.http import create_app
from case_system.service import CaseService
from case_system.streams import Streams
from case_system.unreadable import Protocol


@contextmanager
def loopback(service: CaseService, streams: Streams, certificate: tuple[Path, Path] | None = None) -> Iterator[str]:
    """Yields the server's address; with a certificate and its key it speaks TLS."""
    started = threading.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    def on_start() -> None:
        loops.append(asyncio.get_running_loop())
        started.set()

    app = create_app(service, streams, on_start=on_start)
    tls = {} if certificate is None else {"ssl_certfile": certificate[0], "ssl_keyfile": certificate[1]}
    config = uvicorn.Config(app, http=Protocol, access_log=False, log_config=None, timeout_graceful_shutdown=2, **tls)  # type: ignore[arg-type]
    server = uvicorn.Server(config)
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
        thread.start()
        assert started.wait(20), "the case system did not start"
        scheme = "http" if certificate is None else "https"
        try:
            yield f"{scheme}://127.0.0.1:{sock.getsockname()[1]}"
        finally:
            loops[0].call_soon_threadsafe(streams.close)
            server.should_exit = True
            thread.join(20)
