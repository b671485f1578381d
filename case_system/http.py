"""The published contract over HTTP: routes to the service and back, problems to status codes in one place.

    POST /v1/enrol     EnrolRequest -> Enrolment              no credential but the one-time code
    POST /v1/sync      SyncRequest -> SyncResponse            Authorization: Bearer (append or read token)
    GET  /v1/stream    text/event-stream                      Authorization: Bearer (read token); `event: pull`, no content
    GET  /healthz  GET /readyz  GET /metrics  GET /openapi.json

Bodies are JSON, gzip both ways, bounded before and after decompression. Errors are RFC 9457 problem details with a code of
`referral/problems.py`. No answer holds a traceback or a value that was sent.
"""

from __future__ import annotations

import asyncio
import gzip
import logging
import uuid
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol

import structlog
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Lifespan, Message, Receive, Scope, Send

from case_system.answers import PROBLEM_TYPE, STATUS, Bounded, Trail, Unbroken, answer_problems, bearer, problem
from case_system.measures import Measures
from case_system.metrics import Metrics
from case_system.schemas import schema_of
from case_system.streams import LOOK_S, Streams
from referral.codec import canonical, from_wire, parse, to_wire
from referral.port import CaseSystem, Enrolment, EnrolRequest, Refused, SyncRequest, SyncResponse
from referral.problems import ProblemCode

log = logging.getLogger(__name__)
BODY_LIMIT = 2 * 1024 * 1024
INFLATED_LIMIT = 8 * 1024 * 1024
GZIP_FROM = 400


class Looks(Protocol):
    """What the stream and the health page need of the service."""

    def reader(self, token: str) -> str:
        """The user of a read token; raises Refused(not_signed_in)."""
        ...

    def readers_since(self, seq: int) -> tuple[int, Mapping[str, int]]:
        """The newest feed number, and whose feeds grew after `seq`, each with their newest number."""
        ...

    def figures(self) -> Mapping[str, float]:
        """Counts for /metrics: no label holds a person, a user or a referral."""
        ...

    def measures(self) -> Measures:
        """What /metrics says of the programme."""
        ...

    def ready(self) -> bool:
        """True when the database answers."""
        ...


class Service(CaseSystem, Looks, Trail, Protocol):
    """The service as the routes see it."""

    def note_rest(self) -> None:
        """Put what is counted and not written yet in the audit trail."""
        ...


async def _body(request: Request) -> bytes:
    data = await request.body()
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding in ("", "identity"):
        return data
    if encoding != "gzip":
        raise Refused(ProblemCode.MALFORMED, detail="Only gzip is understood as a content encoding.")
    inflate = zlib.decompressobj(wbits=31)
    try:
        plain = inflate.decompress(data, INFLATED_LIMIT)
    except zlib.error:
        raise Refused(ProblemCode.MALFORMED, detail="The body is not gzip.") from None
    if inflate.unconsumed_tail:
        raise Refused(ProblemCode.TOO_LARGE)
    if not inflate.eof:
        raise Refused(ProblemCode.MALFORMED, detail="The body was cut off.")
    return plain


def _answer(request: Request, wire: Any) -> Response:
    data = canonical(wire)
    headers = {"Cache-Control": "no-store", "Vary": "Accept-Encoding"}
    if len(data) >= GZIP_FROM and "gzip" in request.headers.get("accept-encoding", ""):
        data = gzip.compress(data, 6, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return Response(data, 200, headers, media_type="application/json")


def _token(request: Request) -> str:
    token = bearer(request)
    if token is None:
        raise Refused(ProblemCode.NOT_SIGNED_IN)
    return token


def _described(
    answer: dict[str, Any], codes: Iterable[ProblemCode], body: dict[str, Any] | None = None, *, secured: bool = False
) -> dict[str, Any]:
    """The OpenAPI part of a route: what it takes, what it gives, and each status of its problems with their codes."""
    by_status: dict[int, list[str]] = {}
    for code in (*codes, ProblemCode.BUSY, ProblemCode.INTERNAL):
        by_status.setdefault(STATUS[code], []).append(code.value)
    problems = {
        str(status): {
            "description": f"A problem (RFC 9457): {', '.join(sorted(named))}.",
            "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status, named in sorted(by_status.items())
    }
    extra: dict[str, Any] = {"responses": {"200": {"description": "Done."} | answer} | problems}
    if body is not None:
        extra["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return extra | ({"security": [{"device": []}]} if secured else {})


_UNREADABLE = (
    ProblemCode.MALFORMED, ProblemCode.TOO_LARGE, ProblemCode.MISSING_ANSWER, ProblemCode.INVALID_VALUE, ProblemCode.TOO_LONG,
    ProblemCode.STORAGE_FULL,
)  # fmt: skip
_ENROL = (*_UNREADABLE, ProblemCode.CODE_NOT_VALID, ProblemCode.BAD_SIGNATURE, ProblemCode.ALREADY_ENROLLED)
_SYNC = (*_UNREADABLE, ProblemCode.NOT_SIGNED_IN)
_STREAM = (ProblemCode.NOT_SIGNED_IN, ProblemCode.DEVICE_REVOKED)
# What a sync answers is where the next one goes on.
_NEXT = {
    "next": {
        "operationId": "sync",
        "description": "Go on where this answer ends.",
        "requestBody": {"nonce": "$response.body#/nonce", "cursor": "$response.body#/cursor", "pull": True},
    }
}


_PROBLEM_SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "enum": [code.value for code in ProblemCode]},
        "field": {"type": "string"},
    },
}


def _routes(service: Service, streams: Streams, components: dict[str, Any], metrics: Metrics) -> APIRouter:
    router = APIRouter()

    def record(kind: type[Any]) -> dict[str, Any]:
        return schema_of(kind, components)

    enrolled = {"content": {"application/json": {"schema": record(Enrolment)}}}
    synced = {"content": {"application/json": {"schema": record(SyncResponse)}}, "links": _NEXT}
    heard = {"description": "`event: pull` when there is something to pull.", "content": {"text/event-stream": {}}}

    @router.post(
        "/v1/enrol",
        operation_id="enrol",
        openapi_extra=_described(enrolled, _ENROL, record(EnrolRequest)),
        response_class=Response,
    )
    async def enrol(request: Request) -> Response:
        """Bind a device to a user by a one-time code."""
        message = from_wire(EnrolRequest, parse(await _body(request)), keep_unknown=True)
        return _answer(request, to_wire(await run_in_threadpool(service.enrol, message)))

    @router.post(
        "/v1/sync",
        operation_id="sync",
        openapi_extra=_described(synced, _SYNC, record(SyncRequest), secured=True),
        response_class=Response,
    )
    async def sync(request: Request) -> Response:
        """Envelopes out, receipts and changes back, in one round trip."""
        token = _token(request)
        message = from_wire(SyncRequest, parse(await _body(request)), keep_unknown=True)
        with metrics.sync_seconds.time():
            answer = await run_in_threadpool(service.sync, token, message)
        metrics.filed(answer.results)
        return _answer(request, to_wire(answer))

    @router.get(
        "/v1/stream",
        operation_id="stream",
        openapi_extra=_described(heard, _STREAM, secured=True),
        response_class=Response,
    )
    async def stream(request: Request) -> Response:
        """Server-sent events without content: look, there is something."""
        user_id = await run_in_threadpool(service.reader, _token(request))

        async def events() -> AsyncIterator[ServerSentEvent]:
            async for something in streams.listen(user_id):
                yield ServerSentEvent(event="pull", data="") if something else ServerSentEvent(comment="here")

        return EventSourceResponse(events(), ping=3600, headers={"Cache-Control": "no-store"})

    return router


async def _watch(service: Service, streams: Streams) -> None:
    """Wake listeners for what other processes committed: at once where a bell rings for it, else about once a second."""
    seq = 2**62  # at first only the newest number is asked for
    while True:
        streams.nudge.clear()
        if streams.listening or seq == 2**62:
            try:
                newest, users = await run_in_threadpool(service.readers_since, seq)
            except Refused:
                log.info("the watch could not reach the database; it looks again")
            else:
                if newest < seq != 2**62:
                    streams.begin_anew()
                streams.grown(users)
                seq = newest
        with suppress(TimeoutError):
            await asyncio.wait_for(streams.nudge.wait(), LOOK_S)


class _Counting:
    """Counts answers, numbers requests and forbids content sniffing; plain ASGI, so that streams pass through untouched."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        number = uuid.uuid4().hex

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.answered(message["status"])
                more = [(b"x-content-type-options", b"nosniff"), (b"x-request-id", number.encode())]
                message["headers"] = [*message.get("headers", []), *more]
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=number):
            await self._app(scope, receive, counted)


class _CountedTrail:
    """A trail of refusals that counts them too."""

    def __init__(self, trail: Trail, metrics: Metrics) -> None:
        self._trail, self._metrics = trail, metrics

    def note_refused(self, token: str | None, action: str, code: ProblemCode) -> None:
        """See `Trail`."""
        self._metrics.refused(code.value)
        self._trail.note_refused(token, action, code)


def create_app(
    service: Service,
    streams: Streams,
    *,
    routers: tuple[APIRouter, ...] = (),
    on_start: Callable[[], None] = lambda: None,
    on_stop: Callable[[], None] = lambda: None,
    checks: Callable[[], Mapping[str, str]] | None = None,
) -> FastAPI:
    """The application: the contract's routes, further routers (the desk), and what starts and stops with it.

    checks: what /readyz asks, each answered "ok", "late" or what is wrong; without, only whether the database answers.
    """
    metrics = Metrics()
    trail = _CountedTrail(service, metrics)
    components: dict[str, Any] = {"Problem": _PROBLEM_SCHEMA}

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        streams.bind(asyncio.get_running_loop())
        watcher = asyncio.create_task(_watch(service, streams))
        on_start()
        try:
            yield
        finally:
            streams.close()
            watcher.cancel()
            with suppress(asyncio.CancelledError):
                await watcher
            await run_in_threadpool(service.note_rest)
            await run_in_threadpool(on_stop)

    life: Lifespan[FastAPI] = lifespan
    app = FastAPI(
        title="LEAD Field case system", version="1", docs_url=None, redoc_url=None, redirect_slashes=False, lifespan=life
    )  # fmt: skip

    app.add_middleware(Bounded, limit=BODY_LIMIT)
    app.add_middleware(Unbroken, trail=trail)
    app.add_middleware(_Counting, metrics=metrics)
    answer_problems(app, trail)
    app.include_router(_routes(service, streams, components, metrics))
    for router in routers:
        app.include_router(router)

    well = {"content": {"application/json": {"schema": {"type": "object", "properties": {"status": {"const": "ok"}}}}}}
    ready = {
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "status": {"const": "ok"},
                        "checks": {"type": "object", "additionalProperties": {"type": "string"}},
                    },
                }
            }
        }
    }
    figures = {"content": {"text/plain": {"schema": {"type": "string"}}}}

    @app.get("/healthz", operation_id="healthz", response_class=Response, openapi_extra=_described(well, ()))
    async def healthz(request: Request) -> Response:
        """200 while the database answers."""
        if not await run_in_threadpool(service.ready):
            return problem(ProblemCode.BUSY)
        return _answer(request, {"status": "ok"})

    @app.get("/readyz", operation_id="readyz", response_class=Response, openapi_extra=_described(ready, ()))
    async def readyz(request: Request) -> Response:
        """200 while this process can do its work: the database answers, its tables are of this version, the keys can be read.

        `dispatcher` says "late" when nobody has rung for a minute what was due: an alarm, but no reason to send devices elsewhere.
        """
        found = (
            await run_in_threadpool(checks)
            if checks is not None
            else {"database": "ok" if service.ready() else "silent"}
        )
        if all(said in ("ok", "late") for said in found.values()):
            return _answer(request, {"status": "ok", "checks": dict(found)})
        wrong = ", ".join(f"{name} is {said}" for name, said in found.items() if said not in ("ok", "late"))
        return problem(ProblemCode.BUSY, detail=f"Not ready: {wrong}.")

    @app.get("/metrics", operation_id="metrics", response_class=Response, openapi_extra=_described(figures, ()))
    async def metrics_page() -> Response:
        """Prometheus text: counts, ages and codes only."""

        def page() -> bytes:
            return metrics.page(service.figures(), service.measures())

        return Response(await run_in_threadpool(page), media_type="text/plain; version=0.0.4")

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(title=app.title, version=app.version, openapi_version="3.1.0", routes=app.routes)
            document.setdefault("components", {}).setdefault("schemas", {}).update(components)
            document["components"]["securitySchemes"] = {"device": {"type": "http", "scheme": "bearer"}}
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend its document
    return app
