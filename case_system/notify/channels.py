"""Sends one wake-up message through a person's channels, by Apprise URL, and says what became of it.

Promise: a message holds no personal data, no place and no time ("LEAD Field: handoff waiting."); its dedup id is the same
at each repetition; a channel that fails never raises past this module and never silences the other channels.

Channels are Apprise URLs kept with the user: `console://` (one line on standard output), `mailtos://...` (e-mail), and for
ringing a phone any push or call service that Apprise speaks, with its loudest priority: an `ntfys://host/topic` or
`pover://...` URL is given its emergency setting here when the notice rings. Nothing is sent to the participant.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

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


class Sent(StrEnum):
    """delivered: at least one channel took it. failed: none did, try again. no_channel: this person has none."""

    DELIVERED = "delivered"
    FAILED = "failed"
    NO_CHANNEL = "no_channel"


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeUp:
    """What is sent: a title and a line without personal data, the dedup id, and whether it must ring."""

    title: str
    line: str
    dedup_id: str
    rings: bool = False


class BadChannel(ValueError):
    """The text is not the URL of a channel that Apprise knows; the URL is not repeated, it may hold a password."""


def _console(url: str, message: WakeUp) -> bool:
    """`console://NAME`: one JSON line on standard output, for a demo and for a terminal at the desk."""
    line = {"channel": "console", "to": urlsplit(url).netloc, "title": message.title, "text": message.line}
    print(json.dumps(line, ensure_ascii=False), file=sys.stdout, flush=True)
    return True


def _apprise(url: str) -> Any | None:
    """The Apprise service of the URL, or None. Apprise is imported at first use: it loads every service it knows."""
    import apprise

    return apprise.Apprise.instantiate(url, suppress_exceptions=True)


def check(url: str) -> None:
    """Raise BadChannel unless Apprise can use the URL."""
    if urlsplit(url).scheme != "console" and _apprise(url) is None:
        raise BadChannel("this is not a channel that can be used; see docs/operations.md for examples")


def ringing(url: str) -> str:
    """The same channel at its loudest, where the service knows such a thing."""
    parts = urlsplit(url)
    loud = _RINGING.get(parts.scheme.lower())
    if loud is None:
        return url
    query = dict(parse_qsl(parts.query)) | dict(loud)
    return urlunsplit(parts._replace(query=urlencode(query)))


class AppriseChannels:
    """The port `NoticeChannels`, spoken to the world."""

    def send(self, urls: Iterable[str], message: WakeUp) -> Sent:
        """Try every channel once; a fault is logged by the service's name only, never by URL."""
        tried = delivered = 0
        for url in urls:
            scheme = urlsplit(url).scheme
            if scheme == "console":
                taken = _console(url, message)
            else:
                service = _apprise(ringing(url) if message.rings else url)
                if service is None:
                    log.warning("a channel could not be used: %s", scheme)
                    continue
                taken = bool(service.notify(title=message.title, body=message.line))
            tried += 1
            delivered += taken
            if not taken:
                log.warning("a channel did not take a notice: %s", scheme)
        if delivered:
            return Sent.DELIVERED
        return Sent.FAILED if tried else Sent.NO_CHANNEL
