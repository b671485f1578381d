"""The frame of every page: who asks, whether they may, and how a page is made.

A page is a row of `grants.DESK_ROUTES`, such as "GET /desk/r/{referral_id}", and a handler that gets a `Visit`. The frame asks
first, deny by default:

    no session, or one that is over    the sign-in page, and back to the same page afterwards (a live part: 401)
    a role that the row does not name  not_permitted
    a form without the session's token form_not_yours, nothing done

A handler that raises `Refused`, `FieldError` or `NotSo` has its code said in a sentence: on a page of its own for a GET, after a
redirect for a POST (which answers with a redirect, or with a page of what is shown once or was typed into the form). Codes only travel in addresses, so that no text can be put on a page from
outside, and nothing personal is in an address. The cookie is HttpOnly and SameSite=Strict; pages are never stored.

To make an area of pages: a class with `attach(frame)` that calls `frame.route` and `frame.place`, its rows in DESK_ROUTES, its
templates in `templates/`, its words in a file of `locale/`; then name it in `pages.py`.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData

from case_system.desk.look import Look, look_of
from case_system.desk.words import Words, running
from case_system.grants import DESK_ROUTES
from case_system.ports import Clock, RandomBytes
from case_system.storage import NotSo
from referral.lifecycle import Role
from referral.model import UserId
from referral.port import Refused
from referral.problems import FieldError, ProblemCode
from referral.programme import Programme

HERE = Path(__file__).resolve().parent
COOKIE = "lead_desk"
HOME = "/desk"
FORM_LIMIT = 2 * 1024 * 1024
SIGN_IN = "/desk/in"
SIGN_OUT = "/desk/out"
CODE = "/desk/code"  # a person's own one-time code
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}
DESK_ROLES = frozenset[Role]().union(*DESK_ROUTES.values())
_OWN_PATH = re.compile(r"/desk(/[A-Za-z0-9_.-]+)*(\?[A-Za-z0-9_.=&-]*)?\Z")
_CODE = re.compile(r"[a-z_]{1,60}\Z")
_STATUS = {ProblemCode.NOT_PERMITTED: 403, ProblemCode.BUSY: 503, ProblemCode.STORAGE_FULL: 507}


class Signed(Protocol):
    """A session, as a page needs it."""

    @property
    def user_id(self) -> UserId: ...
    @property
    def name(self) -> str: ...
    @property
    def role(self) -> Role: ...
    @property
    def language(self) -> str: ...
    @property
    def ends_at(self) -> datetime:
        """When it ends, whatever is done."""
        ...

    @property
    def idle_at(self) -> datetime:
        """When it ends if nothing more is done."""
        ...

    @property
    def has_code(self) -> bool:
        """A one-time code is asked for when they sign in."""
        ...

    @property
    def csrf(self) -> str: ...


class SignIns(Protocol):
    """Sign-in and sessions (`case_system/auth.py`)."""

    def sign_in(self, user_id: str, password: str, code: str = "") -> Any: ...
    def check(self, token: str, *, by_hand: bool = True) -> Signed | None:
        """The session while it lasts; `by_hand`: a person did something, so its idle time begins anew."""
        ...

    def end(self, token: str) -> None: ...


class PackOf(Protocol):
    """Gives the pack in force."""

    def __call__(self) -> Programme: ...


class Area(Protocol):
    """An area of pages: says its routes and places to the frame."""

    def attach(self, frame: Frame) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place of the navigation, shown to whoever may open it. word: the key of its name. icon: of static/icons.svg."""

    path: str
    word: str
    icon: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One request of one signed-in person. form: what was sent (empty for a GET)."""

    request: Request
    who: Signed
    say: Words
    look: Look
    now: datetime
    form: FormData = field(repr=False)

    def text(self, name: str) -> str:
        """A field of the form: stripped, printable, or empty."""
        return text_of(self.form, name)

    def texts(self, name: str) -> tuple[str, ...]:
        """Every printable value of a field that may be sent several times."""
        return tuple(v.strip() for v in self.form.getlist(name) if isinstance(v, str) and v.isprintable())

    def asked(self, name: str) -> str:
        """A value of the address, or empty."""
        value = self.request.query_params.get(name, "").strip()
        return value if value.isprintable() else ""

    def part(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])

    @property
    def back(self) -> str:
        """The page that the form was on; the first page where it says none of ours."""
        return own_path(self.text("back"))


Handler = Callable[[Visit], Awaitable[Response]]
Open = Callable[[Request], Awaitable[Response]]


class _Away(Exception):
    """Nobody is signed in here any more. `was`: there had been a session."""

    def __init__(self, *, was: bool) -> None:
        self.was = was


class Frame:
    """The routes, the places and the templates of all areas."""

    def __init__(
        self, *, sessions: SignIns, pack: PackOf, clock: Clock, rng: RandomBytes, code_first: bool = False
    ) -> None:
        self.sessions, self.pack, self.clock, self.rng = sessions, pack, clock, rng
        self.code_first = code_first  # who has no one-time code yet sets one up before anything else
        self.places: list[Place] = []
        self.known: set[str] = set()
        self.router = APIRouter(include_in_schema=False)
        self.templates = Environment(loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)  # fmt: skip
        self.templates.globals.update(running=running)

    # ------------------------------------------------------------------------------------------------ for areas
    def route(self, route: str, handler: Handler, *, live: bool = False) -> None:
        """Serve a row of DESK_ROUTES. live: asked for by an open page and not by a hand, so that it keeps no session alive."""
        allowed, (method, path) = DESK_ROUTES[route], route.split()
        self.known.add(route)

        async def endpoint(request: Request) -> Response:
            try:
                who = await self._who(request, by_hand=not live)
                if _length(request) > FORM_LIMIT:
                    raise Refused(ProblemCode.TOO_LARGE)
                form = await request.form() if method == "POST" else FormData()
            except _Away as away:
                return self.away(request, was=away.was, live=live)
            except Refused as refused:  # the body is larger than any form
                return self.go(HOME, refused.code.value)
            visit = self._visit(request, who, form)
            try:
                if self.code_first and not who.has_code and path not in (CODE, SIGN_OUT):
                    return self._to_the_code(visit, live=live)
                if who.role not in allowed:
                    home = self.home_of(who.role)
                    if (method, path) == ("GET", HOME) and home != HOME:
                        code = request.query_params.get("said", "")
                        return self.go(home, code if _CODE.match(code) else "")
                    return self._denied(visit, ProblemCode.NOT_PERMITTED, method)
                if method == "POST" and visit.text("csrf") != who.csrf:
                    return self.go(visit.back, "form_not_yours")
                return await handler(visit)
            except (Refused, FieldError) as refused:
                return self._denied(visit, refused.code, method)
            except NotSo as error:
                return self.go(visit.back, error.code)
            finally:
                await form.close()

        self.router.add_api_route(path, endpoint, methods=[method])

    def open(self, route: str, handler: Open) -> None:
        """Serve an address that needs no session."""
        method, path = route.split()
        self.router.add_api_route(path, handler, methods=[method])

    def place(self, path: str, word: str, icon: str) -> None:
        """Add a place to the navigation; who may open "GET path" sees it."""
        self.places.append(Place(path=path, word=word, icon=icon))

    def page(self, visit: Visit, template: str, *, status: int = 200, **values: Any) -> Response:
        """A page for who is visiting."""
        return self.render(template, visit.request, visit.say, visit.look, status=status, visit=visit, who=visit.who, **values)  # fmt: skip

    def go(self, path: str, said: str = "", **more: str) -> Response:
        """On to a page of ours, which says the sentence of the code there."""
        base, _, query = path.partition("?")
        kept = [pair for pair in query.split("&") if pair and pair.split("=")[0] not in {"said", *more}]
        extra = [f"{name}={quote(value, safe='')}" for name, value in ({"said": said} | more).items() if value]
        whole = "&".join([*kept, *extra])
        return RedirectResponse(f"{base}?{whole}" if whole else base, 303, HEADERS)

    async def work(self, function: Callable[..., Any], *args: Any, **named: Any) -> Any:
        """Call something that waits for the database, beside the event loop."""
        return await run_in_threadpool(function, *args, **named)

    def home_of(self, role: Role) -> str:
        """The first place that a role may open."""
        return next((p.path for p in self.places if role in DESK_ROUTES[f"GET {p.path}"]), HOME)

    # ------------------------------------------------------------------------------------------------ inside
    def _to_the_code(self, visit: Visit, *, live: bool) -> Response:
        """A password alone opens nothing: to the page where the one-time code is set up, and on from there."""
        if live:
            return Response(status_code=401, headers=HEADERS)
        asked = visit.request.method == "GET"
        here = own_path(f"{visit.request.url.path}?{visit.request.url.query}".rstrip("?")) if asked else HOME
        return self.go(CODE, "" if here == HOME and asked else "code_first", back=here if here != HOME else "")

    def words(self, look: Look) -> Words:
        """The words of a look, in the programme's time zone."""
        return Words(language=look.language, zone=ZoneInfo(self.pack().hours.time_zone))

    def away(self, request: Request, *, was: bool, live: bool = False) -> Response:
        """To the sign-in page, and back here afterwards."""
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        back = own_path(here) if request.method == "GET" and not live else HOME
        if live:
            return Response(status_code=401, headers=HEADERS)
        return self.go(SIGN_IN, "session_over" if was else "", back=back if back != HOME else "")

    def render(self, template: str, request: Request, say: Words, look: Look, *, status: int = 200, **values: Any) -> Response:  # fmt: skip
        """A page for anybody."""
        who: Signed | None = values.setdefault("who", None)
        values.setdefault("visit", None)
        here = request.url.path
        places = [p for p in self.places if who is not None and who.role in DESK_ROUTES[f"GET {p.path}"]]
        current = max((p.path for p in places if here == p.path or here.startswith(f"{p.path}/")), key=len, default="")
        text = self.templates.get_template(template).render(
            say=say, look=look, places=places, current=current, pack=self.pack(), here=here, said=self._said(request, say),
            now=values.pop("now", self.clock()), once=self._once, idle_s=timedelta(minutes=2).seconds, **values,
        )  # fmt: skip
        return HTMLResponse(text, status, HEADERS)

    async def _who(self, request: Request, *, by_hand: bool) -> Signed:
        token = request.cookies.get(COOKIE)
        session = await run_in_threadpool(self.sessions.check, token, by_hand=by_hand) if token else None
        if session is None or session.role not in DESK_ROLES:
            raise _Away(was=bool(token))
        return session

    async def who(self, request: Request, *, by_hand: bool = False) -> Signed | None:
        """Who is signed in, or None; for open addresses."""
        try:
            return await self._who(request, by_hand=by_hand)
        except _Away:
            return None

    def _visit(self, request: Request, who: Signed, form: FormData) -> Visit:
        look = look_of(request, who.language)
        return Visit(request=request, who=who, say=self.words(look), look=look, now=self.clock(), form=form)

    def _denied(self, visit: Visit, code: ProblemCode, method: str) -> Response:
        if method == "POST":
            return self.go(visit.back, code.value)
        title, meaning = visit.say.problem(code)
        return self.page(visit, "problem.html", status=_STATUS.get(code, 404), title=title, meaning=meaning, code=code.value)  # fmt: skip

    def _once(self) -> str:
        """The number of one form: sent twice, it is one act."""
        return self.rng(12).hex()

    def _said(self, request: Request, say: Words) -> Said | None:
        code = request.query_params.get("said", "")
        if not _CODE.match(code):
            return None
        if say.has(f"said.{code}"):
            return Said(code=code, title=say(f"said.{code}"), meaning="", good=True)
        if say.has(f"said.no.{code}"):
            return Said(code=code, title=say(f"said.no.{code}"), meaning="", good=False)
        if code in set(ProblemCode):
            title, meaning = say.problem(ProblemCode(code))
            return Said(code=code, title=title, meaning=meaning, good=False)
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The sentence for a code that a redirect carries: `said.CODE` is good news, `said.no.CODE` and problems are not."""

    code: str
    title: str
    meaning: str
    good: bool


def _length(request: Request) -> int:
    """How long the body says that it is; what says nothing is measured while it is read."""
    said = request.headers.get("content-length", "")
    return int(said) if said.isdecimal() else 0


def text_of(form: FormData, name: str) -> str:
    """A field of a form: stripped, printable, or empty."""
    value = form.get(name)
    return value.strip() if isinstance(value, str) and value.isprintable() else ""


def number_of(text: str, digits: int = 9) -> int | None:
    """The whole number that is written there, or None; what has more digits than any of ours is none (Python reads only 4300)."""
    return int(text) if text.isdecimal() and len(text) <= digits else None


def own_path(path: str) -> str:
    """The path if it is one of the desk's pages, else the first page: no form leads anywhere else."""
    return path if _OWN_PATH.match(path) and not path.startswith((SIGN_IN, "/desk/static")) else HOME
