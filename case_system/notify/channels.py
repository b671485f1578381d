"""Sends one wake-up message through a person's channels, by Apprise URL or web push, and says what became of it.

Promise: a message holds no personal data, no place and no time ("LEAD Field: handoff waiting."); its dedup id is the same
at each repetition; a channel that fails never raises past this module and never silences the other channels.

Channels are Apprise URLs kept with the user: `console://` (one line on standard output), `mailtos://...` (e-mail), and for
ringing a phone any push or call service that Apprise speaks, with its loudest priority: an `ntfys://host/topic` or
`pover://...` URL is given its emergency setting here when the notice rings, and its quietest for an officer's device. Where a
service has a place for it, the message carries its dedup id: a header of an e-mail, a field of a hook. Nothing is sent to
the participant.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from case_system.ways import Fault, Tried, WakeUp, Way

log = logging.getLogger(__name__)

# what makes each service ring through a silenced phone; other services are sent as they are
_RINGING: Mapping[str, Mapping[str, str]] = {
    "ntfy": {"priority": "max"},
    "ntfys": {"priority": "max"},
    "pover": {"priority": "emergency", "retry": "60", "expire": "600"},
    "gotify": {"priority": "max"},
    "gotifys": {"priority": "max"},
    "prowl": {"priority": "emergency"},
}
# what lets a device vibrate at most
_QUIET: Mapping[str, Mapping[str, str]] = {
    "ntfy": {"priority": "low"},
    "ntfys": {"priority": "low"},
    "pover": {"priority": "low"},
    "gotify": {"priority": "low"},
    "gotifys": {"priority": "low"},
    "prowl": {"priority": "low"},
}
# where a message carries its dedup id: a field of the body, or a header
_HOOKS = frozenset({"json", "jsons", "form", "forms", "xml", "xmls"})
_MAILS = frozenset({"mailto", "mailtos"})
NOTICE_FIELD, NOTICE_HEADER = "notice", "X-LEAD-Notice"


class BadChannel(ValueError):
    """The text is not the URL of a channel that Apprise knows; the URL is not repeated, it may hold a password."""


def _console(url: str, message: WakeUp) -> Fault | None:
    """`console://NAME`: one JSON line on standard output, for a demo and for a terminal at the desk."""
    line = {"channel": "console", "to": urlsplit(url).netloc, "title": message.title, "text": message.line}
    try:
        print(json.dumps(line, ensure_ascii=False), file=sys.stdout, flush=True)
    except OSError:
        return Fault.NO_ANSWER
    return None


def _apprise(url: str) -> Any | None:
    """The Apprise service of the URL, or None. Apprise is imported at first use: it loads every service it knows."""
    import apprise

    return apprise.Apprise.instantiate(url, suppress_exceptions=True)


def check(url: str) -> None:
    """Raise BadChannel unless Apprise can use the URL."""
    if urlsplit(url).scheme != "console" and _apprise(url) is None:
        raise BadChannel("this is not a channel that can be used; see docs/case-system.md for examples")


def fitted(url: str, message: WakeUp) -> str:
    """The same channel as loud or quiet as the message is, and with its dedup id, where the service knows such things."""
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    more: dict[str, str] = {}
    if message.rings:
        more |= _RINGING.get(scheme, {})
    if message.quiet:
        more |= _QUIET.get(scheme, {})
    if scheme in _HOOKS:
        more[f":{NOTICE_FIELD}"] = message.dedup_id
    if scheme in _MAILS:
        more[f"+{NOTICE_HEADER}"] = message.dedup_id
    if not more:
        return url
    kept = [piece for piece in parts.query.split("&") if piece and piece.partition("=")[0].lower() not in more]
    return urlunsplit(parts._replace(query="&".join([*kept, *(f"{name}={value}" for name, value in more.items())])))


Special = Callable[[str, WakeUp], Fault | None]


class AppriseChannels:
    """The port `Channels`, spoken to the world. special: scheme -> what sends by another road than Apprise."""

    def __init__(self, special: Mapping[str, Special] | None = None) -> None:
        self._special = dict(special or {})

    def send(self, ways: Iterable[Way], message: WakeUp) -> Sequence[Tried]:
        """Try every channel once; a fault is logged by the service's name only, never by URL."""
        tried = []
        for way in ways:
            fault = self._one(way.url, message)
            if fault is not None:
                log.warning("a channel did not take a notice: %s: %s", urlsplit(way.url).scheme, fault.value)
            tried.append(Tried(channel_id=way.channel_id, fault=fault))
        return tried

    def _one(self, url: str, message: WakeUp) -> Fault | None:
        scheme = urlsplit(url).scheme
        if scheme == "console":
            return _console(url, message)
        if scheme in self._special:
            return self._special[scheme](url, message)
        service = _apprise(fitted(url, message))
        if service is None:
            return Fault.UNUSABLE
        return None if service.notify(title=message.title, body=message.line) else Fault.NOT_TAKEN
