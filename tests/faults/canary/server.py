"""The case system of the trip, on loopback in this process, with an ear at each of its exits.

What is kept in `out`: each request's address, headers and body; answers that are no plain success; the notices that channels carried; and
at the end the database as it lies. Answers with a person's record go to that person inside TLS and are not kept.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import uvicorn
from sqlalchemy import text

from case_system.app import PUSH_HOSTS_VARIABLE, System, assemble, web
from case_system.assignment import Post
from case_system.keyfolder import KeyFolder
from case_system.store import foundation, schema
from case_system.store.accounts import Accounts
from case_system.store.channels import Channels
from case_system.store.engine import open_engine
from referral.lifecycle import Role
from tests.support.mailbox import Mailbox, mailbox
from tests.support.packs import baltimore_files
from tests.support.push_service import Browser, push_service

Message = MutableMapping[str, Any]
App = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]
STAFF = (("o1", Role.OFFICER, None), ("cm1", Role.CASE_MANAGER, "west"), ("p1", Role.PEER, "west"), ("sup", Role.SUPERVISOR, None))  # fmt: skip


@dataclass
class Ear:
    """An ASGI application that keeps what passes. `listening` is False while a test itself sends canaries."""

    inner: App
    out: Path
    listening: bool = True

    def __post_init__(self) -> None:
        self._number = itertools.count()
        for name in ("requests", "answers"):
            (self.out / name).mkdir(parents=True)

    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
            return
        number, heard = next(self._number), self.listening
        line = f"{scope['method']} {scope['path']}?".encode() + scope["query_string"] + b"\n"
        asked = bytearray(line + b"\n".join(b"%s: %s" % pair for pair in scope["headers"]) + b"\n\n")
        answered, status = bytearray(), 0

        async def hear() -> Message:
            message = await receive()
            asked.extend(message.get("body", b""))
            return message

        async def say(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            answered.extend(b"\n".join(b"%s: %s" % pair for pair in message.get("headers", ())))
            answered.extend(message.get("body", b""))
            await send(message)

        await self.inner(scope, hear, say)
        if heard:
            (self.out / "requests" / f"{number:04}").write_bytes(asked)
        if status != 200 or scope["path"] in ("/metrics", "/healthz", "/openapi.json"):
            (self.out / "answers" / f"{number:04}-{status}").write_bytes(answered)


def laid(url: str, folder: Path, clock: Callable[[], datetime], sinks: Sinks) -> System:
    """A new case system with its staff; notices go to the terminal, a hook, a mail server and a browser."""
    engine = open_engine(url)
    keys = KeyFolder.create(folder / "keys", os.urandom)
    foundation.lay(engine, baltimore_files(), clock=clock, rng=os.urandom)
    accounts = Accounts(engine=engine, clock=clock, rng=os.urandom, keys=keys)
    channels = Channels(engine=engine, clock=clock, rng=os.urandom, keys=keys)
    for name, role, pair in STAFF:
        accounts.add_user(name, role, name=name.upper(), pair=pair)
        channels.add(name, f"console://{name}")
        channels.add(name, sinks.hook)
        channels.add(name, sinks.box.url(f"{name}@example.org"))
    channels.add_push("cm1", sinks.browser.form)
    os.environ[PUSH_HOSTS_VARIABLE] = sinks.browser.endpoint.rpartition("/send/")[0]
    accounts.set_post(Post.DUTY, ["cm1", "p1"])
    engine.dispose()
    return assemble(url, folder / "keys", clock=clock)


@contextmanager
def serving(system: System, out: Path) -> Iterator[tuple[str, Ear]]:
    """The case system at an address of loopback while the block lasts."""
    started = threading.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    def on_start() -> None:
        loops.append(asyncio.get_running_loop())
        started.set()

    ear = Ear(web(system, on_start=on_start), out)
    server = uvicorn.Server(uvicorn.Config(ear, access_log=True, log_config=None, timeout_graceful_shutdown=2))
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
        thread.start()
        assert started.wait(20), "the case system did not start"
        try:
            yield f"http://127.0.0.1:{sock.getsockname()[1]}", ear
        finally:
            loops[0].call_soon_threadsafe(system.streams.close)
            server.should_exit = True
            thread.join(20)


@dataclass(frozen=True)
class Sinks:
    """Where notices go: a hook, a mail server and a browser. All that reaches them is kept."""

    hook: str
    box: Mailbox
    browser: Browser


@contextmanager
def sinking(out: Path) -> Iterator[Sinks]:
    """The three of them while the block lasts; at its end letters and opened payloads lie beside what the hook was sent."""
    out.mkdir(parents=True)
    with _hook(out) as hook, mailbox() as box, push_service() as service:
        browser = service.subscribe()
        yield Sinks(hook, box, browser)
        for n, letter in enumerate(box.raw):
            (out / f"letter-{n:04}").write_bytes(letter)
        for n, (headers, payload) in enumerate(zip(browser.headers, browser.payloads, strict=True)):
            (out / f"push-{n:04}").write_text(f"{headers}\n{payload}", encoding="utf-8")
        if not box.raw or not browser.payloads:
            raise AssertionError("no letter or no push came: there is nothing to look at")


@contextmanager
def _hook(out: Path) -> Iterator[str]:
    number = itertools.count()

    class Sink(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            (out / f"{next(number):04}").write_bytes(f"{self.requestline}\n{self.headers}\n".encode() + body)
            self.send_response_only(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"json://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def dump(system: System, folder: Path) -> None:
    """Every value of every table, bytes as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    with system.engine.connect() as db:
        for table in schema.metadata.sorted_tables:
            rows = db.execute(text(f'SELECT * FROM "{table.name}"')).all()
            cells = [bytes(cell) if isinstance(cell, bytes | memoryview) else str(cell).encode() for row in rows for cell in row]  # fmt: skip
            (folder / table.name).write_bytes(b"\n".join(cells))
