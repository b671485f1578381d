"""The desk's pages and forms, asked by everybody: what is sent, and what is wrong with an answer.

The routes and who may use them are the product's own table. Who an asker is, is looked up before each request: a page may have ended
their session or changed their role since.
"""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any, Final
from urllib.parse import parse_qs, quote, urlencode, urlsplit
from zoneinfo import ZoneInfo

import pyotp

from case_system.auth import Session
from case_system.desk.frame import COOKIE, DESK_ROLES
from case_system.desk.look import LOOK_COOKIE
from case_system.desk.words import Words
from case_system.grants import DESK_ROUTES
from referral.lifecycle import Role
from tests.faults.api.desk import LEAVING, Counter, pack_of
from tests.faults.api.forms import BACK, FORMS, LOOKS, PARTS, QUERIES, SAID, Known, form
from tests.support.agency import StillClock

NOBODY: Final = "nobody"
STRANGER: Final = "stranger"  # a cookie that is no session's
ROLES: Final = tuple(role.value for role in Role if role is not Role.SYSTEM)
ASKERS: Final = (*ROLES, STRANGER, NOBODY)
OPEN: Final = ("GET /desk/in", "POST /desk/in", "POST /desk/look")  # addresses that need no session
ROUTES: Final = (*DESK_ROUTES, *OPEN)
OFTEN: Final = (*ROUTES, *("POST /desk/do",) * 5, "GET /desk/r/{referral_id}")  # the many buttons are one route
LIVE: Final = frozenset({"GET /desk/board", "GET /desk/stream", "GET /desk/r/{referral_id}/now"})
ANSWERS: Final = frozenset({200, 303, 401, 403, 404, 409, 413, 422})
TRACE: Final = "Traceback (most recent call last)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request to one route. own_token: the form carries the session's token, as a page of the desk would."""

    asker: str
    route: str
    parts: Mapping[str, str | Known]
    query: Mapping[str, str | Known]
    form: Mapping[str, Any]
    own_token: bool
    look: str


def asks(rng: Random, count: int) -> list[Ask]:
    """`count` requests, in pairs: the same from somebody who may, where anybody may, and from somebody else."""
    return [ask for _ in range(count // 2) for ask in _pair(rng, rng.choice(OFTEN))]


def _pair(rng: Random, route: str) -> list[Ask]:
    method, path = route.split()
    first = rng.choice(sorted(role.value for role in DESK_ROUTES.get(route, ())) or ASKERS)
    askers = (first, rng.choice([asker for asker in ASKERS if asker != first]))
    parts = {name: value(rng) for name, value in PARTS.items() if name in path}
    query = form(QUERIES.get(route, {}), said=SAID)(rng) if method == "GET" else {}
    fields = {"back": BACK(rng)} | FORMS[route](rng) if method == "POST" else {}
    own, look = rng.random() > 0.06, rng.choice(LOOKS)
    return [
        Ask(asker=asker, route=route, parts=parts, query=query, form=fields, own_token=own, look=look)
        for asker in askers
    ]


def send(client: Any, here: Counter, clock: StillClock, ask: Ask, counts: Counts[str]) -> Iterator[str]:
    """Send it; what is wrong with the answer."""
    method, path = ask.route.split()
    asker = f"{ask.asker}{LEAVING}" if ask.route == "POST /desk/out" else ask.asker
    who = here.session(asker)
    values = _Values(here, clock, ask.asker, who)
    for name, value in ask.parts.items():
        path = path.replace(name, quote(values.of(value), safe=""))
    query = urlencode({name: values.of(value) for name, value in ask.query.items()})
    answer = client.request(
        method, f"{path}?{query}" if query else path, headers={"Cookie": _cookies(here, asker, ask.look)}, allow_redirects=False,
        **values.body(ask.form, _token(ask, who)) if method == "POST" else {},
    )  # fmt: skip
    client.cookies.clear()
    counts[f"{ask.route} {answer.status_code}"] += 1
    counts[f"page as {ask.asker}"] += 1
    said = parse_qs(urlsplit(answer.headers.get("location", "")).query).get("said", [""])[-1]
    if method == "POST" and (answer.status_code == 200 or _good(said) or "set-cookie" in answer.headers):
        counts[f"{ask.route} done"] += 1
    yield from (f"{sentence}: {ask.route} as {ask.asker}" for sentence in _wrong(ask, who, answer, said))


def _wrong(ask: Ask, who: Session | None, answer: Any, said: str) -> Iterator[str]:
    status, where = answer.status_code, answer.headers.get("location", "")
    if status >= 500:
        yield f"server error {status}"
    elif status not in ANSWERS:
        yield f"answered {status}"
    if TRACE in answer.text:
        yield "a traceback in the answer"
    if where and not where.startswith("/desk"):
        yield "led away from the desk"
    if ask.route in OPEN or status >= 500 or any(_elsewhere(value) for value in ask.parts.values()):
        return
    if who is None or who.role not in DESK_ROLES:
        if not (status == 401 if ask.route in LIVE else status == 303 and where.startswith("/desk/in")):
            yield f"authorisation bypass: answered {status} to nobody's session"
    elif who.role not in DESK_ROUTES[ask.route]:
        if not (status == 403 or (status == 303 and (said == "not_permitted" or ask.route == "GET /desk"))):
            yield f"authorisation bypass: answered {status}"
    elif ask.route.startswith("POST") and not ask.own_token and said != "form_not_yours":
        yield f"a form without the session's token was taken: answered {status}"


def _elsewhere(part: str | Known) -> bool:
    """No part, dots, or a slash in it make another address, which nobody has."""
    return part in ("", ".", "..") or "/" in str(part)


class _Values:
    """What texts and names of the drawn request are in this copy of the town."""

    def __init__(self, here: Counter, clock: StillClock, asker: str, who: Session | None) -> None:
        self._here, self._clock, self._asker, self._who = here, clock, asker, who
        self._offer: Any = None

    def of(self, value: str | Known) -> str:
        """The text of a value."""
        known = self._here.laid.known
        match value:
            case str():
                return value
            case Known("own"):
                return self._who.user_id if self._who is not None else NOBODY
            case Known("own channel"):
                return known.get(f"channel of {self._asker}", "")
            case Known("other device's letters"):
                return known["other device"][:6]
            case Known("offer"):
                return self._offered().sealed if self._who is not None else ""
            case Known("code"):
                return pyotp.TOTP(self._offered().secret).at(self._clock()) if self._who is not None else ""
            case _:
                return known[value.name]

    def body(self, form: Mapping[str, Any], token: str) -> dict[str, Any]:
        """The form's fields, and a file where it carries one."""
        fields = {
            name: [self.of(v) for v in value] if isinstance(value, Sequence) and not isinstance(value, str) else self.of(value)
            for name, value in form.items()
            if name != "pack"
        }  # fmt: skip
        sent: dict[str, Any] = {"data": fields | {"csrf": token}}
        if "pack" in form:
            pack = form["pack"]
            data = pack_of("3") if isinstance(pack, Known) else pack.encode()
            sent["files"] = {"pack": ("pack.zip", data)}
        return sent

    def _offered(self) -> Any:
        if self._offer is None and self._who is not None:
            self._offer = self._here.sessions.offer_code(self._who.user_id)
        return self._offer


def _token(ask: Ask, who: Session | None) -> str:
    return who.csrf if who is not None and ask.own_token else "0" * 64


def _cookies(here: Counter, asker: str, look: str) -> str:
    token = "x" * 43 if asker.startswith(STRANGER) else here.token(asker)
    return "; ".join(f"{name}={value}" for name, value in ((COOKIE, token), (LOOK_COOKIE, look)) if value)


@cache
def _good(said: str) -> bool:
    """The desk has a sentence of good news for the code."""
    return bool(said) and Words(language="en", zone=ZoneInfo("UTC")).has(f"said.{said}")


def missing(counts: Mapping[str, int]) -> list[str]:
    """Everybody asked; every page was shown to somebody and every form did once what it is for."""
    silent = [f"nobody asked a page as {asker}" for asker in ASKERS if f"page as {asker}" not in counts]
    shown = [
        f"{route} was never answered 200"
        for route in ROUTES
        if route.startswith("GET") and f"{route} 200" not in counts
    ]
    done = [f"{route} was never done" for route in ROUTES if route.startswith("POST") and f"{route} done" not in counts]
    return silent + shown + done
