"""The way between a device and its case system, on which things go wrong, and a witness who notes what arrived whole.

Must not know: what the device makes of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta

from field_app.sync.errors import Interrupted, NoConnection
from referral.model import OpId
from referral.port import Outcome, Receipt, Refused, SyncRequest, SyncResponse
from referral.problems import ProblemCode
from tests.support.memory_case_system import MemoryCaseSystem

TROUBLES = ("", "", "", "cut before", "reply lost", "forged", "another's", "bare", "not signed in", "too large", "busy")
REFUSALS = {
    "not signed in": ProblemCode.NOT_SIGNED_IN,
    "too large": ProblemCode.TOO_LARGE,
    "busy": ProblemCode.RATE_LIMITED,
}


@dataclass(slots=True)
class Road:
    """The way between device and case system; `trouble` befalls the next request, `given` is what the witness saw."""

    inner: MemoryCaseSystem
    trouble: str = ""
    given: dict[OpId, set[Outcome]] = field(default_factory=lambda: defaultdict(set))

    def enrol(self, request: object) -> object:
        """Nobody enrols here."""
        raise NotImplementedError

    def sync(self, token: str, request: SyncRequest) -> SyncResponse:
        """Carry a request, or not, and its answer, or not."""
        trouble, self.trouble = self.trouble, ""
        if trouble == "cut before":
            raise NoConnection("no way")
        if trouble in REFUSALS:
            raise Refused(REFUSALS[trouble], retry_after_s=7)
        response = self.inner.sync(token, request)
        match trouble:
            case "reply lost":
                raise Interrupted("the exchange was cut")
            case "forged":  # a captive portal that says what one would like to hear
                results = tuple(replace(result, outcome=Outcome.ACCEPTED, code=None) for result in response.results)
                return replace(response, results=results, server_time=response.server_time + timedelta(seconds=1))
            case "another's":
                return replace(response, nonce="0" * 32)
            case "bare":
                return replace(response, signature=b"")
            case _:
                pass
        self.witness(response.results)
        self.witness(change.receipt for change in response.changes if change.receipt is not None)
        return response

    def witness(self, receipts: Iterable[Receipt]) -> None:
        """Note what was given."""
        for receipt in receipts:
            self.given[receipt.op_id].add(receipt.outcome)
