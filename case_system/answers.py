"""How everything that fails is answered: RFC 9457 problem details with a stable code, counted for the audit trail.

One table says which HTTP status belongs to a code. No answer holds a traceback or a value that was sent; what broke is in the
log, its places and no variables. Knows no route and no message.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Protocol

from fastapi import FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from referral.codec import canonical
from referral.port import Refused
from referral.problems import PROBLEMS, FieldError, ProblemCode

log = logging.getLogger(__name__)

PROBLEM_TYPE = "application/problem+json"

STATUS: Mapping[ProblemCode, int] = {
    ProblemCode.MALFORMED: 400,
    ProblemCode.MISSING_ANSWER: 422,
    ProblemCode.INVALID_VALUE: 422,
    ProblemCode.TOO_LONG: 422,
    ProblemCode.UNKNOWN_FIELD: 422,
    ProblemCode.NOT_RECORDED_HERE: 422,
    ProblemCode.TOO_LARGE: 413,
    ProblemCode.CODE_NOT_VALID: 403,
    ProblemCode.NOT_SIGNED_IN: 401,
    ProblemCode.NOT_PERMITTED: 403,
    ProblemCode.DEVICE_REVOKED: 403,
    ProblemCode.DEVICE_MISMATCH: 403,
    ProblemCode.BAD_SIGNATURE: 403,
    ProblemCode.NOT_FOUND: 404,
    ProblemCode.METHOD_NOT_ALLOWED: 405,
    ProblemCode.REFERRAL_UNKNOWN: 404,
    ProblemCode.NOT_POSSIBLE_NOW: 409,
    ProblemCode.CAP_REACHED: 409,
    ProblemCode.ALREADY_ENROLLED: 409,
    ProblemCode.OTHER_BYTES: 422,
    ProblemCode.CURSOR_TOO_OLD: 410,
    ProblemCode.RATE_LIMITED: 429,
    ProblemCode.BUSY: 503,
    ProblemCode.STORAGE_FULL: 507,
    ProblemCode.INTERNAL: 500,
}
_NOBODYS_FAULT = frozenset({ProblemCode.RATE_LIMITED, ProblemCode.BUSY, ProblemCode.STORAGE_FULL})


class Trail(Protocol):
    """Where refusals are counted."""

    def note_refused(self, token: str | None, action: str, code: ProblemCode) -> None:
        """Count a refused request for the audit trail, under its device where the token is one's."""
        ...


def problem(code: ProblemCode, *, detail: str = "", field: str = "", retry_after_s: float | None = None) -> Response:
    """The RFC 9457 answer for a code."""
    meaning = PROBLEMS[code]
    status = STATUS.get(code, 400)
    body: dict[str, Any] = {
        "type": f"urn:lead-field:problem:{code.value}",
        "title": meaning.title,
        "status": status,
        "detail": detail or meaning.meaning,
        "code": code.value,
    }
    if field:
        body["field"] = field
    headers = {"Cache-Control": "no-store"}
    if retry_after_s is not None:
        headers["Retry-After"] = str(max(1, round(retry_after_s)))
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(canonical(body), status, headers, media_type=PROBLEM_TYPE)


def bearer(request: Request) -> str | None:
    """The token that the request carries, if it carries one."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def answer_problems(app: FastAPI, trail: Trail) -> None:
    """Every expected way to fail, as problem details."""

    async def counted(request: Request, code: ProblemCode) -> None:
        if code not in _NOBODYS_FAULT:
            await run_in_threadpool(trail.note_refused, bearer(request), action_of(request.url.path), code)

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> Response:
        await counted(request, error.code)
        return problem(error.code, detail=error.detail, retry_after_s=error.retry_after_s)

    @app.exception_handler(FieldError)
    async def field_error(request: Request, error: FieldError) -> Response:
        await counted(request, error.code)
        return problem(error.code, field=error.field, detail=f"{error.field or 'The body'} {error.message}.")

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        codes = {404: ProblemCode.NOT_FOUND, 405: ProblemCode.METHOD_NOT_ALLOWED, 413: ProblemCode.TOO_LARGE}
        code = codes.get(error.status_code, ProblemCode.MALFORMED)
        await counted(request, code)
        answer = problem(code)
        answer.headers.update(error.headers or {})  # which methods are allowed
        return answer

    @app.exception_handler(ClientDisconnect)
    async def cut_off(request: Request, error: ClientDisconnect) -> Response:
        await counted(request, ProblemCode.MALFORMED)
        return problem(ProblemCode.MALFORMED, detail="The request was cut off.")


def action_of(path: str) -> str:
    """What the trail calls a request: one of few words, never what was sent."""
    first, _, second = path.lstrip("/").partition("/")
    if first == "v1" and second in ("enrol", "sync", "stream"):
        return second
    return "desk" if first == "desk" else "request"


class Unbroken:
    """The answer to a fault of our own: logged, counted, and a problem like any other. Plain ASGI, inside everything that counts."""

    def __init__(self, app: ASGIApp, trail: Trail) -> None:
        self._app, self._trail = app, trail

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def noticed(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noticed)
        except Exception as error:
            if scope["type"] != "http" or begun:  # half an answer is out: the connection ends
                raise
            log.exception("a request (%s) met a fault: %s", action_of(scope["path"]), type(error).__name__)
            token = bearer(Request(scope))
            await run_in_threadpool(self._trail.note_refused, token, action_of(scope["path"]), ProblemCode.INTERNAL)
            await problem(ProblemCode.INTERNAL)(scope, receive, send)


class Bounded:
    """No request body is longer than `limit` bytes as sent; Refused(too_large) for who reads on. Plain ASGI."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app, self._limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        size = 0

        async def measured() -> Message:
            nonlocal size
            message = await receive()
            if message["type"] == "http.request":
                size += len(message.get("body", b""))
                if size > self._limit:
                    raise Refused(ProblemCode.TOO_LARGE)
            return message

        await self._app(scope, measured if scope["type"] == "http" else receive, send)
