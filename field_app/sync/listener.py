"""Listens to the case system's stream and wakes the worker; reads nothing else out of it, because it holds nothing else.

The thread is a daemon and is never joined: closing a streaming answer from outside blocks until the next byte. It listens only
while there is a read token (an open vault), reconnects with the back-off of `backoff.py`, and a connection that came back wakes
the worker past its waits, because that is a connectivity change (S9). Silence of 40 s is a dead connection: the case system says
something every 15 s.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Protocol

import requests

from field_app.sync.address import server_address
from field_app.sync.backoff import FRESH, Uniform, after_failure, parse_retry_after
from field_app.sync.http import CONNECT_S, Bearer, new_session

SILENCE_S = 40.0
LASTING_S = 60.0  # a stream that lived this long ends a series of failures
_ZERO = datetime(1970, 1, 1, tzinfo=UTC)


class Wake(Protocol):
    """The worker's `wake`."""

    def __call__(self, *, at_once: bool = False) -> None: ...


class Listener:
    """One stream to one case system, in a daemon thread once `start` is called."""

    def __init__(
        self,
        *,
        server: str,
        token: Callable[[], str | None],
        wake: Wake,
        monotonic: Callable[[], float],
        uniform: Uniform,
        app: str = "lead-field",
        ca_file: str | None = None,
    ) -> None:
        """token: the read token, or None while the vault is shut. Raises ValueError for an address that must not be used."""
        self._base = server_address(server)
        self._token, self._wake, self._monotonic, self._uniform = token, wake, monotonic, uniform
        self._app, self._ca_file = app, ca_file
        self._poked = threading.Event()
        self._stopping = False

    def start(self) -> None:
        """Begin to listen."""
        threading.Thread(target=self._run, name="sync-listener", daemon=True).start()

    def stop(self) -> None:
        """Wake nobody from now on; the thread ends by itself, at the latest with the next silence."""
        self._stopping = True
        self._poked.set()

    def poke(self) -> None:
        """The vault was opened, or the connection may be back: try at once if there is no stream."""
        self._poked.set()

    def _run(self) -> None:
        failures = FRESH
        lost = False
        while not self._stopping:
            self._poked.clear()
            token = self._token()
            if token is None:
                self._poked.wait()
                continue
            began = self._monotonic()
            asked = self._listen(token, lost=lost)
            lost = True
            if self._monotonic() - began >= LASTING_S:
                failures = FRESH
            failures = after_failure(failures, _ZERO, self._uniform, asked)
            wait = (failures.next_at or _ZERO) - _ZERO
            self._poked.wait(max(wait, timedelta(seconds=1)).total_seconds())

    def _listen(self, token: str, *, lost: bool) -> float | None:
        """Listen until the stream ends, however it ends; what a Retry-After asked for."""
        try:
            with (
                new_session(self._base, self._app, self._ca_file) as session,
                session.get(
                    f"{self._base}/v1/stream",
                    auth=Bearer(token),
                    headers={"Accept": "text/event-stream", "Accept-Encoding": "identity"},
                    timeout=(CONNECT_S, SILENCE_S),
                    allow_redirects=False,
                    stream=True,
                ) as answer,
            ):
                kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
                if answer.status_code != 200 or kind != "text/event-stream":
                    return parse_retry_after(answer.headers.get("Retry-After"), datetime.max.replace(tzinfo=UTC))
                if lost and not self._stopping:
                    self._wake(at_once=True)
                for _ in events(lines(answer.iter_content(1))):
                    if self._stopping or self._token() != token:
                        return None
                    self._wake()
        except requests.RequestException:
            return None
        return None


def lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a stream as they become whole, ended by LF or CRLF, however the chunks fall."""
    begun = b""
    for chunk in chunks:
        *whole, begun = (begun + chunk).split(b"\n")
        yield from (line.removesuffix(b"\r") for line in whole)


def events(told: Iterable[bytes]) -> Iterator[str]:
    """The names of the events in the lines of a stream (WHATWG server-sent events); comments and everything else are passed over."""
    name, begun = "", False
    for line in told:
        if not line:
            if begun:
                yield name or "message"
            name, begun = "", False
            continue
        field, _, value = line.partition(b":")
        if field == b"event":
            name, begun = value.strip().decode("ascii", "replace"), True
        elif field == b"data":
            begun = True
