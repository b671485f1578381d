"""Any `CaseSystem` behind plain HTTP on loopback, and whatever else may answer instead of it.

A small front of the standard library: it speaks the wire form of the port and problem documents, keeps connections, and can be
told to answer something else (`instead`), or to cut the connection (the case system raises `ReplyLost`). Port 0, own threads.
"""

from __future__ import annotations

import gzip
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from referral.codec import canonical, from_wire, parse, to_wire
from referral.port import CaseSystem, EnrolRequest, Refused, SyncRequest
from referral.problems import FieldError
from tests.support.memory_case_system import ReplyLost

Answer = tuple[int, dict[str, str], bytes]
STATUS = {"not_signed_in": 401, "not_permitted": 403, "device_revoked": 403, "rate_limited": 429, "busy": 503,
          "internal": 500, "too_large": 413, "malformed": 400, "code_not_valid": 403}  # fmt: skip


@dataclass
class Front:
    """What the front does; `seen` holds the headers of each request, `instead` answers in the case system's place."""

    inner: CaseSystem
    url: str = ""
    instead: Callable[[str], Answer | None] = lambda path: None
    wire: Callable[[Any], Any] = lambda document: document
    content_type: str = "application/json"
    seen: list[dict[str, str]] = field(default_factory=list)
    connections: int = 0

    def answers(self, status: int, kind: str | None, body: bytes = b"{}", **headers: str) -> None:
        """Answer this from now on, in the case system's place; a header's hyphens are written as underscores."""
        named = {} if kind is None else {"Content-Type": kind}
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        self.instead = lambda path: (status, named, body)

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """The answer to one request."""
        self.seen.append(headers)
        if (other := self.instead(path)) is not None:
            return other
        try:
            document = parse(gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body)
            if path == "/v1/enrol":
                wire = to_wire(self.inner.enrol(from_wire(EnrolRequest, document)))
            else:
                token = headers.get("authorization", "").removeprefix("Bearer ")
                wire = to_wire(self.inner.sync(token, from_wire(SyncRequest, document, keep_unknown=True)))
        except Refused as refused:
            return problem(refused)
        except FieldError as error:
            return problem(Refused(error.code))
        return 200, {"Content-Type": self.content_type}, canonical(self.wire(wire))


def problem(refused: Refused) -> Answer:
    """The problem document of a refusal."""
    headers = {"Content-Type": "application/problem+json"}
    if refused.retry_after_s is not None:
        headers["Retry-After"] = str(int(refused.retry_after_s))
    return STATUS.get(refused.code, 400), headers, canonical({"code": refused.code.value})


@contextmanager
def serve(inner: CaseSystem, certificate: tuple[Path, Path] | None = None) -> Iterator[Front]:
    """The front on a free port of 127.0.0.1 while the block lasts; with a certificate and key, over TLS."""
    front = Front(inner)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            front.connections += 1
            super().setup()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            try:
                answer = front.answer(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            except ReplyLost:
                self.close_connection = True
                self.connection.close()
                return
            status, headers, data = answer
            self.send_response_only(status)
            for name, value in {"Content-Length": str(len(data)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

        def finish(self) -> None:
            try:
                super().finish()
            except (OSError, ValueError):
                self.close_connection = True

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A connection that the other side, or a test, cut."""

    server = Server(("127.0.0.1", 0), Handler)
    scheme = "http"
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    front.url = f"{scheme}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield front
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
