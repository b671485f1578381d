"""A person's own one-time code: set up at the first sign-in, by a QR code that is made here and a code that proves it was read.

    GET  /desk/code   the secret, shown to its person; kept nowhere until it is proven       POST /desk/code   the proof

Who has a code already gets a new one from a supervisor or the administrator, never by a session alone.
"""

from __future__ import annotations

from typing import Protocol
from urllib.parse import quote

from fastapi import Response

from case_system.desk.codes import qr
from case_system.desk.frame import CODE, HOME, Frame, Visit, own_path
from referral.model import UserId


class Offer(Protocol):
    """A secret that is not set up yet."""

    @property
    def secret(self) -> str: ...
    @property
    def sealed(self) -> str: ...


class Codes(Protocol):
    """What this page asks of the sessions."""

    def offer_code(self, user_id: UserId) -> Offer: ...
    def take_code(self, user_id: UserId, sealed: str, code: str) -> bool: ...


class OwnCode:
    """The page."""

    def __init__(self, codes: Codes) -> None:
        self._codes = codes

    def attach(self, frame: Frame) -> None:
        """Say the routes."""
        self._frame = frame
        frame.route(f"GET {CODE}", self.show)
        frame.route(f"POST {CODE}", self.prove)

    async def show(self, visit: Visit) -> Response:
        """The secret as a QR code and as letters, or that there is one already."""
        back = own_path(visit.asked("back"))
        if visit.who.has_code:
            return self._frame.page(visit, "own_code.html", offer=None, picture="", back=back, later=False)
        offer = self._codes.offer_code(visit.who.user_id)
        issuer = quote(visit.say("desk.name"))
        link = f"otpauth://totp/{issuer}:{quote(visit.who.user_id)}?secret={offer.secret}&issuer={issuer}"
        return self._frame.page(
            visit,
            "own_code.html",
            offer=offer,
            picture=qr(link, visit.say("code.picture")),
            back=back,
            later=not self._frame.code_first,
        )

    async def prove(self, visit: Visit) -> Response:
        """Set it up when the code fits; otherwise a fresh secret is shown."""
        right = await self._frame.work(
            self._codes.take_code, visit.who.user_id, visit.text("sealed"), visit.text("code")
        )
        if right:
            return self._frame.go(visit.back if visit.back != HOME else self._frame.home_of(visit.who.role), "code_set")
        return self._frame.go(CODE, "code_wrong", back=visit.back if visit.back != HOME else "")
