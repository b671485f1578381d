"""Signing in and out, and how the pages look: the addresses that need no session.

GET  /desk/in     the banner and the form; ?back= is where to go afterwards
POST /desk/in     in, with name, password and one-time code
POST /desk/out    out
POST /desk/look   language and theme of this browser
"""

from __future__ import annotations

from fastapi import Request, Response

from case_system.desk.frame import CODE, COOKIE, HOME, SIGN_IN, Frame, Visit, own_path, text_of
from case_system.desk.look import LOOK_COOKIE, chosen, look_of

_YEAR_S = 365 * 24 * 3600


class Signing:
    """The door."""

    def attach(self, frame: Frame) -> None:
        """Say the routes."""
        self._frame = frame
        frame.open(f"GET {SIGN_IN}", self.show)
        frame.open(f"POST {SIGN_IN}", self.enter)
        frame.open("POST /desk/look", self.choose)
        frame.route("POST /desk/out", self.leave)

    async def show(self, request: Request) -> Response:
        """The sign-in page."""
        return self.page(request, back=own_path(request.query_params.get("back", "")))

    def page(self, request: Request, *, back: str = HOME, problem: str = "", user: str = "", status: int = 200) -> Response:  # fmt: skip
        """The banner and the form. problem: the key of a sentence above it."""
        look = look_of(request)
        say = self._frame.words(look)
        return self._frame.render("in.html", request, say, look, status=status, back=back, problem=problem, user=user)

    async def enter(self, request: Request) -> Response:
        """Sign in; wrong is said without saying which part was wrong."""
        form = await request.form()
        back = own_path(text_of(form, "back"))
        got = await self._frame.work(
            self._frame.sessions.sign_in, text_of(form, "user"), text_of(form, "password"), text_of(form, "code")
        )
        token = getattr(got, "token", None)
        if token is None:
            locked = getattr(got, "until", None) is not None
            return self.page(request, back=back, problem="in.locked" if locked else "in.wrong", status=403)
        onward = back if back != HOME else self._frame.home_of(got.session.role)
        answer = self._frame.go(onward) if got.session.has_code else self._frame.go(CODE, back=onward)
        answer.set_cookie(
            COOKIE, token, httponly=True, samesite="strict", secure=request.url.scheme == "https", path=HOME
        )
        return answer

    async def leave(self, visit: Visit) -> Response:
        """Sign out."""
        await self._frame.work(self._frame.sessions.end, visit.request.cookies.get(COOKIE, ""))
        answer = self._frame.go(SIGN_IN, "signed_out")
        answer.delete_cookie(COOKIE, path=HOME)
        return answer

    async def choose(self, request: Request) -> Response:
        """Keep a language and a theme for this browser."""
        form = await request.form()
        who = await self._frame.who(request)
        look = chosen(
            text_of(form, "language"), text_of(form, "theme"), look_of(request, who.language if who else None)
        )
        given = text_of(form, "back")
        answer = self._frame.go(SIGN_IN if given.startswith(SIGN_IN) else own_path(given))
        answer.set_cookie(
            LOOK_COOKIE, look.cookie, max_age=_YEAR_S, httponly=True, samesite="strict",
            secure=request.url.scheme == "https", path=HOME,
        )  # fmt: skip
        return answer
