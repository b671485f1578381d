"""Waking a person through their browser: what it subscribes with, and switching it on and off.

GET  /desk/push/key    {"key": ...}, what a browser subscribes with
POST /desk/push        what = on / off; endpoint, p256dh, auth as the browser gave them

The page's part is `static/push.js` on a form (`push_form.html`); the browser's is `static/push-worker.js`, which shows a line without a
person, a place or a time. Switched on twice is on; a browser wakes whoever switched it on last.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from fastapi import Response
from fastapi.responses import JSONResponse

from case_system.desk.frame import HEADERS, Frame, Visit
from case_system.storage import NotSo
from referral.port import Refused
from referral.problems import ProblemCode


class PushKey(Protocol):
    """What a browser subscribes with (`notify/webpush.py`)."""

    @property
    def public_key(self) -> str: ...


class Understood(Protocol):
    """A browser's subscription, checked; raises ValueError for what is none (`notify/webpush.py`)."""

    def __call__(self, endpoint: str, p256dh: str, auth: str) -> Mapping[str, str]: ...


class PushWays(Protocol):
    """Where subscriptions are kept (`store/channels.py`)."""

    def add_push(self, user_id: str, subscription: Mapping[str, str], *, by: str = "administrator") -> str: ...
    def remove_push(self, user_id: str, endpoint: str, *, by: str = "administrator") -> None: ...


class Push:
    """The area."""

    def __init__(self, key: PushKey, understood: Understood, ways: PushWays) -> None:
        self._key, self._understood, self._ways = key, understood, ways

    def attach(self, frame: Frame) -> None:
        """Say the routes."""
        self._frame = frame
        frame.route("GET /desk/push/key", self.key)
        frame.route("POST /desk/push", self.switch)

    async def key(self, visit: Visit) -> Response:
        """The public key; it is no secret."""
        return JSONResponse({"key": self._key.public_key}, headers=HEADERS)

    async def switch(self, visit: Visit) -> Response:
        """On or off, for who is signed in."""
        who, endpoint = visit.who.user_id, visit.text("endpoint")
        match visit.text("what"):
            case "on":
                try:
                    said = self._understood(endpoint, visit.text("p256dh"), visit.text("auth"))
                    await self._frame.work(self._ways.add_push, who, said, by=who)
                except NotSo as error:
                    return self._frame.go(visit.back, error.code)
                except ValueError:
                    return self._frame.go(visit.back, "no_push")
                return self._frame.go(visit.back, "push_on")
            case "off":
                await self._frame.work(self._ways.remove_push, who, endpoint, by=who)
                return self._frame.go(visit.back, "push_off")
            case _:
                raise Refused(ProblemCode.INVALID_VALUE)
