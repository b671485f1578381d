"""What cannot be read as HTTP at all is answered with problem details too, and the connection ends.

uvicorn answers such bytes itself, before any application sees them; here are its two protocols with our words. Nothing of what
was sent is repeated or kept. The classes stand at the top of the module because worker processes import them by name.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

from case_system.answers import problem
from referral.problems import ProblemCode

try:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as _Fastest
except ImportError:  # where its parser in C is not installed
    _Fastest = H11Protocol  # type: ignore[misc, assignment]


class Protocol(_Fastest):
    """The fastest of uvicorn's protocols that is installed here, with our words for what is no request."""

    def send_400_response(self, msg: str) -> None:
        told = problem(ProblemCode.MALFORMED, detail="This is not an HTTP request.")
        lines = [b"HTTP/1.1 400 Bad Request", *(b": ".join(line) for line in told.raw_headers), b"connection: close"]
        transport: asyncio.Transport = self.transport
        transport.write(b"\r\n".join([*lines, b"", bytes(told.body)]))
        transport.close()
