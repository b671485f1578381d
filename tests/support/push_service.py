"""A push service on loopback and browsers that subscribe to it: verifies each message's VAPID signature and opens its payload.

with push_service() as service:
    browser = service.subscribe()           endpoint, p256dh, auth as a real browser gives them
    service.opened(browser)                 the payloads that reached it
    browser.status = 410                    how the service answers from now on
"""

from __future__ import annotations

import base64
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def text(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def raw(said: str) -> bytes:
    """Back from it."""
    return base64.urlsafe_b64decode(said + "=" * (-len(said) % 4))


@dataclass
class Browser:
    """One subscription, its keys, and what reached it: headers and payloads."""

    endpoint: str
    key: ec.EllipticCurvePrivateKey
    secret: bytes
    status: int = 201
    headers: list[Mapping[str, str]] = field(default_factory=list)
    payloads: list[dict[str, Any]] = field(default_factory=list)

    @property
    def form(self) -> dict[str, str]:
        """As the browser hands it over."""
        public = self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return {"endpoint": self.endpoint, "p256dh": text(public), "auth": text(self.secret)}


@dataclass
class PushService:
    """The service: browsers by path. `public_key`: the application server's, which every message must be signed with."""

    origin: str
    public_key: str | None = None
    browsers: dict[str, Browser] = field(default_factory=dict)

    def subscribe(self) -> Browser:
        """A new browser."""
        path = f"/send/{text(os.urandom(12))}"
        made = Browser(endpoint=self.origin + path, key=ec.generate_private_key(ec.SECP256R1()), secret=os.urandom(16))
        self.browsers[path] = made
        return made

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> int:
        """Judge one message as a push service does, and open it as the browser does."""
        browser = self.browsers.get(path)
        if browser is None:
            return 404
        if not self._signed(headers.get("Authorization", "")):
            return 403
        if browser.status >= 300:
            return browser.status
        opening: Any = http_ece
        plain = opening.decrypt(body, private_key=browser.key, auth_secret=browser.secret, version="aes128gcm")
        browser.headers.append(headers)
        browser.payloads.append(json.loads(plain))
        return browser.status

    def _signed(self, authorization: str) -> bool:
        """RFC 8292: ES256 over the token, for this service, by the key that the browser subscribed with, not over a day ahead."""
        scheme, _, rest = authorization.partition(" ")
        if scheme != "vapid":
            return False
        said = dict(piece.strip().split("=", 1) for piece in rest.split(","))
        head, claims, signature = said["t"].split(".")
        if self.public_key not in (None, said["k"]):
            return False
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw(said["k"]))
        r, s = raw(signature)[:32], raw(signature)[32:]
        der = encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
        point.verify(der, f"{head}.{claims}".encode(), ec.ECDSA(SHA256()))
        told = json.loads(raw(claims))
        in_time = time.time() < told["exp"] <= time.time() + 24 * 3600
        return json.loads(raw(head))["alg"] == "ES256" and told["aud"] == self.origin and in_time and bool(told["sub"])


@contextmanager
def push_service() -> Iterator[PushService]:
    """One that answers while the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(
                service.take(self.path, {name.title(): said for name, said in self.headers.items()}, body)
            )
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service = PushService(origin=f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
