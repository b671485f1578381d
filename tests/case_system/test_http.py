"""The routes: bodies both ways, bounded and gzip; every fault a problem; the stream says "look" and nothing else."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from case_system.answers import STATUS
from case_system.http import BODY_LIMIT, INFLATED_LIMIT, create_app
from case_system.measures import Measures
from case_system.streams import Streams
from referral.model import DeviceId
from referral.port import DeviceOrders, DeviceState, Enrolment, EnrolRequest, Refused, SyncRequest, SyncResponse
from referral.problems import ProblemCode

NOW = datetime(2026, 2, 3, 1, 2, 3, tzinfo=UTC)


class Service:
    """Answers like the service; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[SyncRequest] = []
        self.fault: Exception | None = None
        self.refused: list[tuple[str | None, str, ProblemCode]] = []

    def enrol(self, request: EnrolRequest) -> Enrolment:
        raise Refused(ProblemCode.CODE_NOT_VALID)

    def sync(self, token: str, request: SyncRequest) -> SyncResponse:
        if self.fault:
            raise self.fault
        if token != "good":
            raise Refused(ProblemCode.NOT_SIGNED_IN)
        self.asked.append(request)
        orders = DeviceOrders(state=DeviceState.ACTIVE, lease_until=NOW)
        return SyncResponse(
            epoch="e" * 500,
            nonce=request.nonce,
            device_id=DeviceId("d"),
            device=orders,
            server_time=NOW,
            signature=b"s",
        )

    def reader(self, token: str) -> str:
        if token != "good":
            raise Refused(ProblemCode.NOT_SIGNED_IN)
        return "ann"

    def readers_since(self, seq: int) -> tuple[int, Mapping[str, int]]:
        return 7, {}

    def figures(self) -> Mapping[str, float]:
        return {"referrals_received": 3.0}

    def measures(self) -> Measures:
        return Measures(numbers={}, by_word={}, accepted=(0,) * 13, accepted_s=0.0)

    def ready(self) -> bool:
        return self.fault is None

    def note_refused(self, token: str | None, action: str, code: ProblemCode) -> None:
        self.refused.append((token, action, code))

    def note_rest(self) -> None:
        self.refused.clear()


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def app(service: Service) -> FastAPI:
    return create_app(service, Streams())


def client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://test")


GOOD = {"Authorization": "Bearer good"}


async def test_sync_goes_through_in_gzip_both_ways(app: FastAPI, service: Service) -> None:
    body = gzip.compress(json.dumps({"nonce": "n", "envelopes": ["AAEC"]}).encode())
    async with client(app) as http:
        answer = await http.post("/v1/sync", content=body, headers=GOOD | {"Content-Encoding": "gzip"})
    assert answer.status_code == 200
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["nonce"] == "n"
    assert service.asked[0].envelopes == (b"\x00\x01\x02",)


FAULTS: list[tuple[str, str, dict[str, Any], int, str]] = [
    ("POST", "/v1/sync", {"content": b"{"}, 401, "not_signed_in"),
    ("POST", "/v1/sync", {"headers": {"Authorization": "Bearer bad"}, "content": b'{"nonce":"n"}'}, 401, "not_signed_in"),
    ("POST", "/v1/sync", {"headers": GOOD, "content": b"{"}, 400, "malformed"),
    ("POST", "/v1/sync", {"headers": GOOD, "content": b"{}"}, 422, "missing_answer"),
    ("POST", "/v1/sync", {"headers": GOOD, "content": b'{"nonce":"n","envelopes":["?"]}'}, 422, "invalid_value"),
    ("POST", "/v1/sync", {"headers": GOOD | {"Content-Encoding": "gzip"}, "content": b"no"}, 400, "malformed"),
    ("POST", "/v1/sync", {"headers": GOOD | {"Content-Encoding": "br"}, "content": b"no"}, 400, "malformed"),
    ("POST", "/v1/sync", {"headers": GOOD | {"Content-Encoding": "gzip"}, "content": gzip.compress(b"[]")[:-3]}, 400, "malformed"),
    ("POST", "/v1/sync", {"headers": GOOD, "content": b" " * (BODY_LIMIT + 1)}, 413, "too_large"),
    ("POST", "/v1/sync", {"headers": GOOD | {"Content-Encoding": "gzip"}, "content": gzip.compress(b" " * (INFLATED_LIMIT + 1))}, 413, "too_large"),
    ("POST", "/v1/enrol", {"content": b'{"code":"x"}'}, 422, "missing_answer"),
    ("GET", "/v1/sync", {}, 405, "method_not_allowed"),
    ("GET", "/v1/stream", {}, 401, "not_signed_in"),
    ("GET", "/nothing", {}, 404, "not_found"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "more", "status", "code"), FAULTS, ids=[f"{f[4]}-{i}" for i, f in enumerate(FAULTS)]
)
async def test_every_fault_is_a_problem(
    app: FastAPI, method: str, path: str, more: dict[str, Any], status: int, code: str
) -> None:
    async with client(app) as http:
        answer = await http.request(method, path, **more)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    body = answer.json()
    assert (body["code"], body["status"]) == (code, status)
    assert {"type", "title", "detail"} <= set(body)


async def test_an_unexpected_fault_says_nothing_of_itself(app: FastAPI, service: Service) -> None:
    service.fault = RuntimeError("Testa Sample, 410-555-0100")
    async with client(app) as http:
        answer = await http.post("/v1/sync", content=b'{"nonce":"n"}', headers=GOOD)
        health = await http.get("/healthz")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "Testa" not in answer.text
    assert health.status_code == 503


async def test_retry_after_is_told(app: FastAPI, service: Service) -> None:
    service.fault = Refused(ProblemCode.RATE_LIMITED, retry_after_s=7.2)
    async with client(app) as http:
        answer = await http.post("/v1/sync", content=b'{"nonce":"n"}', headers=GOOD)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")


async def test_openapi_is_made_of_the_records(app: FastAPI) -> None:
    async with client(app) as http:
        document = (await http.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    schemas = document["components"]["schemas"]
    assert set(schemas["SyncRequest"]["required"]) == {"nonce"}
    assert schemas["Receipt"]["properties"]["outcome"] == {"$ref": "#/components/schemas/Outcome"}
    assert document["paths"]["/v1/sync"]["post"]["security"] == [{"device": []}]
    text = json.dumps(document)
    for name in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in schemas


async def test_metrics_hold_counts(app: FastAPI) -> None:
    async with client(app) as http:
        await http.get("/nothing")
        text = (await http.get("/metrics")).text
    assert "lead_referrals_received 3.0" in text
    assert 'lead_http_answers_total{status="404"} 1.0' in text


def test_each_code_that_the_server_says_has_a_status() -> None:
    device_only = {
        ProblemCode.ID_TAKEN, ProblemCode.UNKNOWN_VERSION, ProblemCode.UNKNOWN_KEY, ProblemCode.KEY_RETIRED, ProblemCode.DAMAGED,
        ProblemCode.WAITING_FOR_EARLIER, ProblemCode.NOT_THE_AGENCY, ProblemCode.NO_CONNECTION, ProblemCode.NOT_A_CASE_SYSTEM,
        ProblemCode.WRONG_PIN, ProblemCode.LOCKED, ProblemCode.KEY_UNAVAILABLE, ProblemCode.KEY_LOST, ProblemCode.VAULT_DAMAGED,
        ProblemCode.DISK_FULL, ProblemCode.NOT_ENROLLED, ProblemCode.IN_USE, ProblemCode.SHUT,
    }  # fmt: skip
    assert set(ProblemCode) - set(STATUS) == device_only


async def test_a_stream_that_rests_tells_of_a_busy_moment_once_and_forgets_nothing() -> None:
    streams, loop = Streams(), asyncio.get_running_loop()
    streams.bind(loop)
    listening = streams.listen("ann", heartbeat_s=0.02, rest_s=0.1)
    assert await anext(listening) is True
    told = loop.time()
    for _ in range(3):
        await asyncio.to_thread(streams.wake, {"ann"})
    assert await anext(listening) is True, "what came meanwhile is told"
    assert loop.time() - told >= 0.1, "after the rest"
    assert await anext(listening) is False, "and once"
    streams.close()


async def test_a_stream_looks_at_once_then_when_woken_and_beats_between() -> None:
    streams = Streams()
    streams.bind(asyncio.get_running_loop())
    listening = streams.listen("ann", heartbeat_s=0.02)
    assert await anext(listening) is True
    assert await anext(listening) is False
    streams.wake({"bob"})
    assert await anext(listening) is False
    await asyncio.to_thread(streams.wake, {"ann"})
    assert await anext(listening) is True
    assert streams.listening == 1
    streams.close()
    with pytest.raises(StopAsyncIteration):
        await anext(listening)
    assert streams.listening == 0


async def test_the_figures_can_be_asked_for_again(app: FastAPI) -> None:
    async with client(app) as http:
        answers = [await http.get("/metrics") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert "lead_referrals_received 3.0" in answers[-1].text
