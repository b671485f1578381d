"""A front whose answers are changed as JSON and then signed, as a newer case system would send them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from field_app.sync.http import HttpCaseSystem
from referral.codec import sorted_canonical, to_wire
from referral.port import SIGNATURE_DOMAIN
from tests.support.http_front import serve
from tests.support.memory_case_system import MemoryCaseSystem


@contextmanager
def signing_front(server: MemoryCaseSystem, change: Callable[[Any], Any]) -> Iterator[HttpCaseSystem]:
    """The carrier that speaks to the front."""

    def signed(document: Any) -> Any:
        document = change({name: value for name, value in document.items() if name != "signature"})
        document["signature"] = to_wire(server.server_key.sign(SIGNATURE_DOMAIN, sorted_canonical(document)))
        return document

    with serve(server) as front:
        front.wire = signed
        carrier = HttpCaseSystem(front.url, monotonic=time.monotonic)
        yield carrier
        carrier.close()
