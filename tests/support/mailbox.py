"""A mail server on loopback that keeps what it is sent.

with mailbox() as box:
    box.url("duty@example.org")     the Apprise URL of an address here
    box.letters                     what came, parsed, in order
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller


@dataclass
class Mailbox:
    """The server, seen from a test. raw: the bytes of each letter."""

    port: int = 0
    raw: list[bytes] = field(default_factory=list)

    @property
    def letters(self) -> list[EmailMessage]:
        """What came."""
        return [message_from_bytes(data, policy=default) for data in self.raw]

    def url(self, to: str) -> str:
        """The channel of an address."""
        return f"mailto://127.0.0.1:{self.port}/?from=desk@example.org&to={to}&mode=insecure"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """One letter."""
        self.raw.append(envelope.content)
        return "250 kept"


class _AnyPort(Controller):
    """A controller that is asked for any free port: it must know which one it got before it tries it."""

    def _trigger_server(self) -> None:
        running: Any = self.server
        self.port = running.sockets[0].getsockname()[1]
        whole: Any = super()
        whole._trigger_server()


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    """One that takes letters while the block lasts."""
    box = Mailbox()
    server: Any = _AnyPort(box, hostname="127.0.0.1", port=0)
    server.start()
    try:
        box.port = server.port
        yield box
    finally:
        server.stop()
