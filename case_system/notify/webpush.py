"""Wakes a browser by web push (RFC 8030), signed for the push service (VAPID, RFC 8292) and sealed for the browser (RFC 8291).

    address   "webpush:" and the browser's subscription as JSON: endpoint, p256dh, auth
    payload   {"title", "body", "tag", "rings", "quiet"}: the line of the notice, its dedup id, how loud; nothing of a person
    headers   TTL, Urgency, and Topic = the dedup id, so that the service holds one message of a notice at most

An endpoint is an address that a browser hands in, so only push services are believed: those of the browsers' makers, and what the
administrator adds. A subscription that the service says is gone (404, 410) is told as `Fault.GONE`, which ends it.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from py_vapid import Vapid, VapidException
from pywebpush import WebPushException, webpush

from case_system.notify.channels import BadChannel
from case_system.ways import Fault, WakeUp

SCHEME = "webpush"
SERVICES = ("fcm.googleapis.com", "push.services.mozilla.com", "push.apple.com", "notify.windows.com")
LONGEST = 1000  # characters of an endpoint
WAIT_S = 10.0
RING_TTL_S, TTL_S = 3600, 24 * 3600  # how long a service keeps what a sleeping browser cannot take
_PUBLIC_BYTES, _AUTH_BYTES = 65, 16


class PushServices:
    """Which endpoints are believed. more: hosts, or whole origins such as `http://127.0.0.1:8701` for a service of one's own."""

    def __init__(self, more: Iterable[str] = ()) -> None:
        said = [name.strip().rstrip("/") for name in more if name.strip()]
        self._origins = frozenset(name for name in said if "://" in name)
        self._hosts = (*SERVICES, *(name for name in said if "://" not in name))

    def subscription(self, endpoint: str, p256dh: str, auth: str) -> Mapping[str, str]:
        """The subscription, checked; raises BadChannel, which repeats nothing of it."""
        parts = urlsplit(endpoint)
        host = parts.hostname or ""
        known = f"{parts.scheme}://{parts.netloc}" in self._origins or (
            parts.scheme == "https" and any(host == name or host.endswith(f".{name}") for name in self._hosts)
        )
        if not known or parts.username or len(endpoint) > LONGEST or not endpoint.isprintable():
            raise BadChannel("this is not the address of a push service that is known here")
        if len(_bytes(p256dh)) != _PUBLIC_BYTES or len(_bytes(auth)) != _AUTH_BYTES:
            raise BadChannel("this is not a browser's subscription")
        return {"endpoint": endpoint, "p256dh": p256dh, "auth": auth}


def _bytes(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (ValueError, binascii.Error):
        return b""


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class WebPush:
    """The way by browser. private_key: gives 32 bytes, asked for once and only when they are needed. contact: whom a push
    service may ask (mailto: or https:)."""

    def __init__(self, private_key: Callable[[], bytes], services: PushServices, *, contact: str) -> None:
        self._private_key, self.services, self._contact = private_key, services, contact
        self._made: Any = None

    @property
    def _vapid(self) -> Any:
        if self._made is None:
            self._made = Vapid.from_raw(_text(self._private_key()).encode())
        return self._made

    @property
    def public_key(self) -> str:
        """What a browser subscribes with."""
        numbers = self._vapid.public_key.public_numbers()
        return _text(b"\x04" + numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big"))

    def __call__(self, url: str, message: WakeUp) -> Fault | None:
        """Send it; why not, if not. What the service answers is looked at by its number only."""
        try:
            said = json.loads(url.partition(":")[2])
            known = self.services.subscription(said["endpoint"], said["p256dh"], said["auth"])
        except (ValueError, KeyError, TypeError):
            return Fault.UNUSABLE
        payload = {
            "title": message.title, "body": message.line, "tag": message.dedup_id, "rings": message.rings, "quiet": message.quiet,
        }  # fmt: skip
        try:
            webpush(
                {"endpoint": known["endpoint"], "keys": {"p256dh": known["p256dh"], "auth": known["auth"]}},
                json.dumps(payload, ensure_ascii=False),
                vapid_private_key=self._vapid,
                vapid_claims={"sub": self._contact},
                ttl=RING_TTL_S if message.rings else TTL_S,
                timeout=WAIT_S,
                headers={"Urgency": "high" if message.rings else "normal", "Topic": message.dedup_id[:32]},
            )
        except WebPushException as error:
            return _fault(getattr(error.response, "status_code", 0))
        except OSError:  # everything that keeps a request from being answered
            return Fault.NO_ANSWER
        except (ValueError, VapidException):
            return Fault.UNUSABLE
        return None


def _fault(status: int) -> Fault:
    if status in (404, 410):
        return Fault.GONE
    if status == 429 or status >= 500:
        return Fault.BUSY
    return Fault.REFUSED if status else Fault.UNUSABLE
