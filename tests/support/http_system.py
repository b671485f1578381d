"""A `CaseSystem` over real HTTP, for tests of the server: plain httpx, gzip both ways, problems raised as `Refused`."""

from __future__ import annotations

import gzip

import httpx

from referral.codec import canonical, from_wire, to_wire
from referral.port import Enrolment, EnrolRequest, Refused, SyncRequest, SyncResponse
from referral.problems import ProblemCode


class HttpSystem:
    """Speaks the contract to a server at `address`."""

    def __init__(self, address: str) -> None:
        self.client = httpx.Client(base_url=address, timeout=60)

    def enrol(self, request: EnrolRequest) -> Enrolment:
        """See the port."""
        return from_wire(Enrolment, self._post("/v1/enrol", to_wire(request), {}), keep_unknown=True)

    def sync(self, token: str, request: SyncRequest) -> SyncResponse:
        """See the port."""
        wire = self._post("/v1/sync", to_wire(request), {"Authorization": f"Bearer {token}"})
        return from_wire(SyncResponse, wire, keep_unknown=True)

    def _post(self, path: str, wire: object, headers: dict[str, str]) -> object:
        body = gzip.compress(canonical(wire), 6)
        sent = {"Content-Type": "application/json", "Content-Encoding": "gzip"} | headers
        answer = self.client.post(path, content=body, headers=sent)
        if answer.status_code != 200:
            raise Refused(ProblemCode(answer.json()["code"]), detail=answer.text)
        return answer.json()
