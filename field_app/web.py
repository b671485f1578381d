"""The app in a browser on this machine: under a secret path, on loopback, with all assets local.

Flet checks no origin and asks for no sign-in, so the address itself is the first key and the PIN the second:
- every path but `/SECRET/...` answers 404, and so does a request whose Host is not this machine (DNS rebinding);
- a web socket from another origin is refused;
- no access log (the secret would be in it), no outside address (content security policy), nothing cached by others;
- each page asks for the PIN (`own_door` in field_app/app.py).

One process and one worker per data folder. Needs the `desktop` extra (flet-web and uvicorn), which a phone does not have.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ShowPage = Callable[[Any], Any]  # what Flet calls with each new page
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

HOST = "127.0.0.1"
_SECRET = re.compile(r"[A-Za-z0-9_-]{20,}\Z")
_LOCAL = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d+)?\Z")
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' 'wasm-unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob: ws://127.0.0.1:* ws://localhost:*; "
    "worker-src 'self' blob:; frame-ancestors 'none'; base-uri 'self'; form-action 'none'"
)
_HEADERS = (
    (b"content-security-policy", _POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-robots-tag", b"noindex"),
)


class Guard:
    """Lets through what is for the app and comes from this machine; everything else gets a bare 404."""

    def __init__(self, app: Asgi, secret: str) -> None:
        self._app, self._path = app, f"/{secret}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, web socket or lifespan."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif not self._welcome(scope):
            await _not_here(scope, receive, send)
        else:

            async def marked(message: MutableMapping[str, Any]) -> None:
                if message["type"] == "http.response.start":
                    kept = [h for h in message.get("headers", []) if h[0].lower() != b"access-control-allow-origin"]
                    message = {**message, "headers": [*kept, *_HEADERS]}
                await send(message)

            await self._app(scope, receive, marked)

    def _welcome(self, scope: Scope) -> bool:
        path = str(scope.get("path", ""))
        headers = {name.lower(): value.decode("latin-1") for name, value in scope.get("headers", [])}
        host = headers.get(b"host", "")
        origin = headers.get(b"origin")
        ours = path == self._path or path.startswith(self._path + "/")
        same = origin is None or origin in (f"http://{host}", f"https://{host}")
        return ours and _LOCAL.match(host) is not None and same


async def _not_here(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
        return
    await send({"type": "http.response.start", "status": 404, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"Not Found"})


def asgi(show_page: ShowPage, secret: str, assets: Path) -> Asgi:
    """The app as ASGI under `/SECRET/`. `show_page` is called with each new page. ValueError for a guessable secret."""
    if not _SECRET.match(secret):
        raise ValueError("the secret needs 20 or more letters, digits, - or _")
    import flet_web.fastapi as flet_fastapi  # type: ignore[import-untyped]

    outer = flet_fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    inner = flet_fastapi.app(
        show_page,
        assets_dir=str(assets),
        app_name="LEAD Field",
        app_short_name="LEAD Field",
        app_description="LEAD referrals, with or without a signal.",
        no_cdn=True,
    )
    outer.mount(f"/{secret}", inner)
    return Guard(outer, secret)


def free_port() -> int:
    """A port of this machine that nobody uses now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def address(port: int, secret: str) -> str:
    """Where the app is."""
    return f"http://{HOST}:{port}/{secret}/"


def serve(show_page: ShowPage, *, port: int, secret: str, assets: Path, ready: Callable[[str], None]) -> None:
    """Serve with one worker and no request log until interrupted; `ready(address)` is called once pages can be opened."""
    import uvicorn

    class Announcing(uvicorn.Server):
        """Says when it listens."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                ready(address(port, secret))

    app = asgi(show_page, secret, assets)
    config = uvicorn.Config(app, host=HOST, port=port, access_log=False, log_level="warning", workers=1, lifespan="on")
    Announcing(config).run()
