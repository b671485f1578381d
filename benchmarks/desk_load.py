"""desk_load: devices that push while desk pages watch, over HTTP, on PostgreSQL with two workers, on this machine alone.

Each device sends one referral a round and pulls; rounds begin on a beat, each device at its own moment of it, then once all at the same
moment. Each page keeps its stream open and asks for its lists when the stream says so, one at a time, as the page's script does. The
client shares the processor with what it measures. Bounded in rounds and in time; an answer that is not 200, or a receipt that is not
`accepted`, is an error.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from benchmarks.figures import Figure, Left, middle, percentile, spread
from benchmarks.ground import Office, office, people
from benchmarks.watch import cpu_of, now
from case_system.assignment import Post
from referral.codec import canonical, from_wire, to_wire
from referral.lifecycle import Role
from referral.model import Referral, UserId
from referral.port import CaseSystem, Enrolment, EnrolRequest, SyncRequest, SyncResponse
from tests.support.device import Device
from tests.support.postgres import NAMED, find_server, programs

BENCH = "desk_load"
TARGET_MS = 250.0
LONGEST_S = 240.0  # a run ends then, whatever is missing
WATCHERS = (("cm", Role.CASE_MANAGER), ("peer", Role.PEER), ("sup", Role.SUPERVISOR), ("sao", Role.SAO_REVIEWER))


@dataclass(slots=True)
class Load:
    """What was seen. Times in milliseconds; syncs: of rounds on the beat; at_once: of the round in which all came together."""

    syncs: list[float] = field(default_factory=list)
    at_once: list[float] = field(default_factory=list)
    boards: list[float] = field(default_factory=list)
    looks: int = 0
    errors: list[str] = field(default_factory=list)
    seconds: float = 0.0
    server_cpu_s: float | None = None  # of `serve` and its workers; not of PostgreSQL


class _Direct:
    """Enrols through the service in this process: enrolling is not what is measured."""

    def __init__(self, inner: CaseSystem) -> None:
        self._inner = inner

    def enrol(self, request: EnrolRequest) -> Enrolment:
        """See the port."""
        return self._inner.enrol(request)

    def sync(self, token: str, request: SyncRequest) -> SyncResponse:
        """See the port."""
        raise NotImplementedError("devices sync over HTTP here")


def run(*, devices: int = 50, desks: int = 20, rounds: int = 8, beat_s: float = 5.0) -> Iterator[Figure | Left]:
    """The figures, on a PostgreSQL that is found or started."""
    if programs() is None and NAMED not in os.environ:
        yield Left(bench=BENCH, why="there is no PostgreSQL on this machine.")
        return
    with tempfile.TemporaryDirectory(prefix="lead-load-") as name, _database(Path(name)) as url:
        load = measured(url, Path(name), devices=devices, desks=desks, rounds=rounds, beat_s=beat_s)
    if load.errors:
        yield Left(bench=BENCH, why=f"{len(load.errors)} errors, the first: {load.errors[0]}.")
    every = f"{devices} devices every {beat_s:.0f} s, {desks} pages"
    yield Figure(
        bench=BENCH, what=f"sync of one referral, p99 of {len(load.syncs)} ({every})", value=percentile(load.syncs, 0.99),
        unit="ms", at_most=TARGET_MS,
    )  # fmt: skip
    yield Figure(bench=BENCH, what="the same, p50", value=middle(load.syncs), unit="ms", spread=spread(load.syncs))
    yield Figure(
        bench=BENCH, what=f"sync when all {devices} come at the same moment, p50", value=middle(load.at_once), unit="ms", spread=spread(load.at_once),
    )  # fmt: skip
    yield Figure(
        bench=BENCH, what=f"lists of a page, p50 of {len(load.boards)}, after {load.looks} looks", value=middle(load.boards),
        unit="ms", spread=spread(load.boards),
    )  # fmt: skip
    if load.server_cpu_s is not None:
        asked = len(load.syncs) + len(load.at_once) + len(load.boards)
        yield Figure(
            bench=BENCH,
            what=f"CPU of the case system, for each of {asked} syncs and lists",
            value=load.server_cpu_s / asked * 1000,
            unit="ms",
        )
    yield Figure(bench=BENCH, what="errors", value=float(len(load.errors)), unit="", at_most=0)


@contextmanager
def _database(folder: Path) -> Iterator[str]:
    with find_server(folder, os.getpid()).database() as url:
        yield url


def measured(url: str, folder: Path, *, devices: int, desks: int, rounds: int, beat_s: float) -> Load:
    """One run against `serve --workers 2` over an empty database."""
    with office(folder, url=url, workers=2) as running:
        load = Load()
        fleet = _fleet(running, devices, rounds + 1)
        cookies = _sessions(running, desks)
        asyncio.run(_play(running, fleet, cookies, rounds, beat_s, load))
    return load


def _family_cpu(pid: int) -> float | None:
    """Processor seconds of a process and its children so far; None where the system does not tell."""
    if cpu_of(pid) is None:
        return None
    stats = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            stats.append(path.read_text(encoding="ascii", errors="replace"))
    children = [int(text.split(" ", 1)[0]) for text in stats if int(text.rpartition(")")[2].split()[1]) == pid]
    return sum(cpu_of(one) or 0.0 for one in (pid, *children))


def _fleet(running: Office, devices: int, each: int) -> list[tuple[Device, list[bytes]]]:
    """Enrolled devices, each with its sealed referrals."""
    fleet = []
    told = iter(people(devices * each, seed=71))
    direct = _Direct(running.system.service)
    for n in range(devices):
        running.system.accounts.add_user(f"load-{n}", Role.OFFICER)
        device = Device.enrol(direct, running.system.accounts.new_code(f"load-{n}", Role.OFFICER).code)
        sealed = []
        for _ in range(each):
            wire = {name: value for name, value in next(told).items() if name != "referral_id"}
            referral = from_wire(Referral, wire | {"referral_id": os.urandom(16).hex()}, keep_unknown=True)
            sealed.append(device.create(referral))
        fleet.append((device, sealed))
    return fleet


def _sessions(running: Office, desks: int) -> list[str]:
    """Signed-in desk sessions of people on every post."""
    accounts, sessions = running.system.accounts, running.system.sessions
    for name, role in WATCHERS:
        accounts.add_user(name, role, pair="load" if role in (Role.CASE_MANAGER, Role.PEER) else None)
        sessions.set_password(UserId(name), "an invented long password")
    accounts.set_post(Post.DUTY, ["cm", "peer"])
    tokens = []
    for n in range(desks):
        signed = sessions.sign_in(WATCHERS[n % len(WATCHERS)][0], "an invented long password")
        tokens.append(str(getattr(signed, "token")))  # noqa: B009  # Denied has none, and would be a fault here
    for name, _ in WATCHERS:
        sessions.new_totp(UserId(name))  # pages open to nobody without a one-time code
    return tokens


async def _play(running: Office, fleet: list[tuple[Device, list[bytes]]], cookies: list[str], rounds: int, beat_s: float, load: Load) -> None:  # fmt: skip
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(base_url=running.url, limits=limits, timeout=60, trust_env=False) as client:
        for _ in range(20):  # workers have started, and have made what they make once
            (await client.get("/readyz", headers={"Connection": "close"}, timeout=LONGEST_S)).raise_for_status()
        began, before = now(), _family_cpu(running.pid)
        watching = [asyncio.create_task(_watch(client, cookie, load)) for cookie in cookies]
        try:
            async with asyncio.timeout(LONGEST_S):
                await asyncio.sleep(beat_s)  # streams open
                await asyncio.gather(
                    *(_push(client, device, sealed[:rounds], n / len(fleet), beat_s, load) for n, (device, sealed) in enumerate(fleet))
                )  # fmt: skip
                await asyncio.gather(
                    *(_sync(client, device, sealed[rounds], load.at_once, load) for device, sealed in fleet)
                )
        except TimeoutError:
            load.errors.append(f"it took longer than {LONGEST_S:.0f} s")
        finally:
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
        load.seconds, after = now() - began, _family_cpu(running.pid)
        load.server_cpu_s = None if before is None or after is None else after - before


async def _push(client: httpx.AsyncClient, device: Device, sealed: list[bytes], phase: float, beat_s: float, load: Load) -> None:  # fmt: skip
    began = now()
    for n, envelope in enumerate(sealed):
        await asyncio.sleep(max(0.0, began + (n + phase) * beat_s - now()))
        await _sync(client, device, envelope, load.syncs, load)


async def _sync(client: httpx.AsyncClient, device: Device, envelope: bytes, times: list[float], load: Load) -> None:
    request = SyncRequest(nonce=os.urandom(16).hex(), cursor=device.cursor, pull=True, envelopes=(envelope,))
    body = gzip.compress(canonical(to_wire(request)), 6)
    headers = {
        "Authorization": f"Bearer {device.enrolment.read_token}", "Content-Type": "application/json", "Content-Encoding": "gzip",
    }  # fmt: skip
    began = now()
    try:
        answer = await client.post("/v1/sync", content=body, headers=headers)
    except httpx.HTTPError as error:
        load.errors.append(f"a sync had no answer: {type(error).__name__}")
        return
    times.append((now() - began) * 1000)
    if answer.status_code != 200:
        load.errors.append(f"a sync was answered {answer.status_code}")
        return
    said: dict[str, Any] = json.loads(answer.content)
    device.cursor = said["cursor"]
    if [result["outcome"] for result in said["results"]] != ["accepted"]:
        load.errors.append("a referral was not accepted")


async def _watch(client: httpx.AsyncClient, cookie: str, load: Load) -> None:
    """One open page: its stream, and its lists whenever the stream says look; one at a time."""
    headers = {"Cookie": f"lead_desk={cookie}"}
    changed = asyncio.Event()

    async def lists() -> None:
        while True:
            await changed.wait()
            changed.clear()
            began = now()
            answer = await client.get("/desk/board", headers=headers)
            load.boards.append((now() - began) * 1000)
            if answer.status_code != 200:
                load.errors.append(f"a page was answered {answer.status_code}")

    refreshing = asyncio.create_task(lists())
    try:
        async with client.stream("GET", "/desk/stream", headers=headers, timeout=None) as stream:
            if stream.status_code != 200:
                load.errors.append(f"a stream was answered {stream.status_code}")
                return
            async for line in stream.aiter_lines():
                if line == "event: look":
                    load.looks += 1
                    changed.set()
    finally:
        refreshing.cancel()
        await asyncio.gather(refreshing, return_exceptions=True)
