"""The desk's routes: sign-in, the board with its running clocks, one referral, and the buttons.

    GET  /desk            the board (or the sign-in page)      GET /desk/board    its fragment, for live pages
    POST /desk/in /out    sign in and out                      GET /desk/stream   "look again", no content
    GET  /desk/r/ID       one referral, audited                POST /desk/do      one button of one referral
    POST /desk/provisional   an officer calls with a code

Every change goes through the service's one door as an operation of the person who is signed in. The cookie is HttpOnly and
SameSite=Strict, every form carries the session's token, and pages are never stored. Nothing personal is in an address.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.staticfiles import StaticFiles

from case_system.board import Board
from case_system.desk.steps import BY_NAME, operation, possible
from case_system.grants import DESK_ROUTES
from case_system.ports import Clock, RandomBytes
from case_system.record import Record
from case_system.streams import Streams
from referral.lifecycle import Role
from referral.model import ReferralId, UserId
from referral.operations import Operation
from referral.port import Outcome, Receipt, Refused
from referral.problems import PROBLEMS, FieldError, ProblemCode
from referral.programme import Programme

HERE = Path(__file__).resolve().parent
COOKIE = "lead_desk"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}
DESK_ROLES = DESK_ROUTES["GET /desk"]


class Signed(Protocol):
    """A session, as a page needs it."""

    @property
    def user_id(self) -> UserId: ...
    @property
    def name(self) -> str: ...
    @property
    def role(self) -> Role: ...
    @property
    def csrf(self) -> str: ...


class SignIns(Protocol):
    """Sign-in and sessions (`case_system/auth.py`)."""

    def sign_in(self, user_id: str, password: str, code: str = "") -> Any: ...
    def check(self, token: str) -> Signed | None: ...
    def end(self, token: str) -> None: ...


class DeskService(Protocol):
    """What the pages ask of the service."""

    def board(self, actor: UserId) -> Board: ...
    def look(self, actor: UserId, referral_id: ReferralId) -> Record: ...
    def apply_desk(self, actor: UserId, operation: Operation) -> Receipt: ...
    def open_provisional(self, actor: UserId, call_code: str, officer: UserId | None = None) -> ReferralId: ...


class PackOf(Protocol):
    """Gives the pack in force."""

    def __call__(self) -> Programme: ...


class _Away(Exception):
    """Nobody is signed in here, or the form is not of this session."""


def clock_text(since: datetime | None, now: datetime) -> str:
    """A running clock: 4:05, or 1:02:09 after an hour."""
    seconds = 0 if since is None else max(0, int((now - since).total_seconds()))
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"


def plain(code: object) -> str:
    """A code as words."""
    return str(code).replace("_", " ").capitalize()


class Desk:
    """The pages over one service."""

    def __init__(self, *, service: DeskService, sessions: SignIns, streams: Streams, pack: PackOf, clock: Clock, rng: RandomBytes) -> None:  # fmt: skip
        self._service, self._sessions, self._streams = service, sessions, streams
        self._pack, self._clock, self._rng = pack, clock, rng
        self._templates = Environment(loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined)  # fmt: skip
        self._templates.globals.update(clock_text=clock_text, plain=plain, possible=possible)

    def router(self) -> APIRouter:
        """The routes, to be mounted by the composition root."""
        router = APIRouter(include_in_schema=False)
        add = router.add_api_route
        add("/desk", self.front, methods=["GET"])
        add("/desk/in", self.enter, methods=["POST"])
        add("/desk/out", self.leave, methods=["POST"])
        add("/desk/board", self.fragment, methods=["GET"])
        add("/desk/stream", self.stream, methods=["GET"])
        add("/desk/r/{referral_id}", self.one, methods=["GET"])
        add("/desk/do", self.do, methods=["POST"])
        add("/desk/provisional", self.provisional, methods=["POST"])
        router.mount("/desk/static", StaticFiles(directory=HERE / "static"))
        return router

    # ------------------------------------------------------------------------------------------------ pages
    async def front(self, request: Request) -> Response:
        """The board, or the sign-in page for who is not signed in."""
        try:
            who = await self._who(request)
        except _Away:
            return self._page("in.html", said="")
        return await self._board("desk.html", who, said=_said(request))

    async def fragment(self, request: Request) -> Response:
        """The lists alone: a live page puts them in place."""
        try:
            return await self._board("board.html", await self._who(request), said="")
        except _Away:
            return Response(status_code=401, headers=HEADERS)

    async def enter(self, request: Request) -> Response:
        """Sign in with name, password and, where one is set up, the one-time code."""
        form = await request.form()
        got = await run_in_threadpool(
            self._sessions.sign_in, _text(form, "user"), _text(form, "password"), _text(form, "code")
        )
        token = getattr(got, "token", None)
        if token is None:
            locked = getattr(got, "until", None) is not None
            sentence = "Too many tries. Wait a quarter of an hour." if locked else "This name, password and code do not fit together."  # fmt: skip
            return self._page("in.html", said=sentence, status=403)
        answer = RedirectResponse("/desk", 303, HEADERS)
        answer.set_cookie(
            COOKIE, token, httponly=True, samesite="strict", secure=request.url.scheme == "https", path="/desk"
        )
        return answer

    async def leave(self, request: Request) -> Response:
        """Sign out."""
        try:
            await self._form(request)
        except _Away:
            return RedirectResponse("/desk", 303, HEADERS)
        await run_in_threadpool(self._sessions.end, request.cookies.get(COOKIE, ""))
        answer = RedirectResponse("/desk", 303, HEADERS)
        answer.delete_cookie(COOKIE, path="/desk")
        return answer

    async def one(self, request: Request, referral_id: str) -> Response:
        """One referral: what this role may read of it. Looking is audited."""
        try:
            who = await self._who(request)
        except _Away:
            return RedirectResponse("/desk", 303, HEADERS)
        try:
            record = await run_in_threadpool(self._service.look, who.user_id, ReferralId(referral_id))
        except Refused as refused:
            return self._page("desk_problem.html", who=who, problem=PROBLEMS[refused.code], status=404)
        board = await run_in_threadpool(self._service.board, who.user_id)
        return self._page("one.html", who=who, record=record, pack=self._pack(), now=self._clock(), names=board.names, said=_said(request))  # fmt: skip

    async def stream(self, request: Request) -> Response:
        """Server-sent events without content: look again."""
        try:
            who = await self._who(request)
        except _Away:
            return Response(status_code=401, headers=HEADERS)

        async def events() -> AsyncIterator[ServerSentEvent]:
            async for something in self._streams.listen(who.user_id):
                yield ServerSentEvent(event="look", data="") if something else ServerSentEvent(comment="here")

        return EventSourceResponse(events(), ping=3600, headers={"Cache-Control": "no-store"})

    # ------------------------------------------------------------------------------------------------ buttons
    async def do(self, request: Request) -> Response:
        """One button of one referral, as an operation of who pressed it."""
        try:
            who, form = await self._form(request)
        except _Away:
            return RedirectResponse("/desk", 303, HEADERS)
        back = "/desk" if _text(form, "back") != "one" else f"/desk/r/{_text(form, 'referral_id')}"
        try:
            said = await run_in_threadpool(self._press, who, form)
        except Refused as refused:
            said = refused.code.value
        except FieldError as error:
            said = error.code.value
        return RedirectResponse(f"{back}?said={said}", 303, HEADERS)

    def _press(self, who: Signed, form: FormData) -> str:
        button = BY_NAME.get(_text(form, "button"))
        if button is None:
            raise Refused(ProblemCode.INVALID_VALUE)
        reason = _text(form, "reason") or None
        if button.reasons is not None and self._pack().choice(button.reasons, reason or "") is None:
            raise Refused(ProblemCode.MISSING_ANSWER)
        record = self._service.look(who.user_id, ReferralId(_text(form, "referral_id")))
        made = operation(button, record, who.user_id, reason, self._clock(), self._rng(6).hex(), self._pack())
        receipt = self._service.apply_desk(who.user_id, made)
        self._streams.wake({who.user_id})
        if receipt.outcome is Outcome.ACCEPTED:
            return "done"
        return (receipt.code or ProblemCode.NOT_POSSIBLE_NOW).value

    async def provisional(self, request: Request) -> Response:
        """Open a handoff on the code that an officer reads out."""
        try:
            who, form = await self._form(request)
        except _Away:
            return RedirectResponse("/desk", 303, HEADERS)
        officer = UserId(_text(form, "officer")) if _text(form, "officer") else None
        try:
            await run_in_threadpool(self._service.open_provisional, who.user_id, _text(form, "code"), officer)
        except Refused as refused:
            return RedirectResponse(f"/desk?said={refused.code.value}", 303, HEADERS)
        return RedirectResponse("/desk?said=opened", 303, HEADERS)

    # ------------------------------------------------------------------------------------------------ inside
    async def _who(self, request: Request) -> Signed:
        token = request.cookies.get(COOKIE)
        session = await run_in_threadpool(self._sessions.check, token) if token else None
        if session is None or session.role not in DESK_ROLES:
            raise _Away
        return session

    async def _form(self, request: Request) -> tuple[Signed, FormData]:
        who = await self._who(request)
        form = await request.form()
        if _text(form, "csrf") != who.csrf:
            raise _Away
        return who, form

    async def _board(self, template: str, who: Signed, *, said: str) -> Response:
        board = await run_in_threadpool(self._service.board, who.user_id)
        return self._page(template, who=who, board=board, pack=self._pack(), said=said)

    def _page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        return HTMLResponse(self._templates.get_template(template).render(**values), status, HEADERS)


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value.strip() if isinstance(value, str) and value.isprintable() else ""


def _said(request: Request) -> str:
    """The sentence for the code that a redirect carries; codes only, so that no text can be put on a page from outside."""
    code = request.query_params.get("said", "")
    if code == "done":
        return "Done."
    if code == "opened":
        return "The handoff is offered. The duty pair is being rung."
    problem = PROBLEMS.get(ProblemCode(code)) if code in set(ProblemCode) else None
    return f"{problem.title} {problem.meaning}" if problem else ""
