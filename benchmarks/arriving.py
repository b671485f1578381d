"""arrive: from an officer's request to the event in a case manager's open inbox, over HTTP.

Once with SQLite in one process, and once with PostgreSQL in two: the officer's request goes to one server, the inbox hangs on the
other, and the bell between them is NOTIFY. The whole request is counted, so the time from COMMIT to the event is shorter still.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import httpx

from benchmarks.figures import Figure, Left, middle, percentile
from benchmarks.ground import ROOT, BenchFailed, Office
from benchmarks.watch import now
from case_system.app import System, assemble
from case_system.assignment import Post
from referral.lifecycle import Role
from tests.support.device import Device, arrest
from tests.support.http_system import HttpSystem
from tests.support.postgres import find_server, programs

BENCH = "arrive"
AT_MOST_MS = 150.0
LONGEST_S = 30.0
QUIET_S = 0.3


def run(office: Office, folder: Path, *, n: int = 40) -> Iterator[Figure | Left]:
    """Both ways, `n` handoffs each."""
    yield _figure("SQLite, one process", arrivals(office.system, office.url, office.url, n))
    if programs() is None:
        yield Left(bench=BENCH, why="PostgreSQL's programs are not installed.")
        return
    with tempfile.TemporaryDirectory(prefix="lead-bench-pg-") as shared:
        try:
            with find_server(Path(shared), os.getpid()).database() as url, pair(url, folder / "arrive") as servers:
                yield _figure("PostgreSQL, two processes", arrivals(*servers, n))
        finally:
            keeper = Path(shared) / "keeper.pid"
            if keeper.exists():
                os.kill(int(keeper.read_text(encoding="ascii")), 15)


def _figure(where: str, walls: Sequence[float]) -> Figure:
    ms = sorted(1e3 * wall for wall in walls)
    return Figure(
        bench=BENCH,
        what=f"request to event in the inbox, {where}, p50 of {len(ms)}",
        value=middle(ms),
        unit="ms",
        spread=(percentile(ms, 0.05), percentile(ms, 0.95)),
        at_most=AT_MOST_MS,
    )


def arrivals(system: System, sends_to: str, listens_at: str, n: int) -> list[float]:
    """Seconds from each of `n` requests to its event. The two addresses serve one database. Errors: BenchFailed."""
    mark = system.rng(4).hex()
    to, at = HttpSystem(sends_to), HttpSystem(listens_at)
    officer = _enrolled(system, to, f"bench-o-{mark}", Role.OFFICER)
    manager = _enrolled(system, at, f"bench-c-{mark}", Role.CASE_MANAGER)
    system.accounts.set_post(Post.DUTY, [manager.user])
    heard: queue.Queue[float] = queue.Queue()
    stop = threading.Event()

    def listen() -> None:
        headers = {"Authorization": f"Bearer {manager.enrolment.read_token}"}
        with contextlib.suppress(httpx.HTTPError), httpx.stream("GET", f"{listens_at}/v1/stream", headers=headers, timeout=LONGEST_S) as answer:  # fmt: skip
            for line in answer.iter_lines():
                if line.startswith("event: pull"):
                    heard.put(now())
                if stop.is_set():
                    return

    ear = threading.Thread(target=listen, daemon=True)
    ear.start()
    walls = []
    try:
        heard.get(timeout=LONGEST_S)  # at once, when it opens
        for _ in range(n):
            _until_quiet(heard)
            envelope, began = officer.create(arrest()), now()
            officer.send(envelope)
            walls.append(heard.get(timeout=LONGEST_S) - began)
    except queue.Empty:
        raise BenchFailed("an event did not arrive") from None
    finally:
        stop.set()
        officer.send(officer.create(arrest()))  # the last event ends the listener
        ear.join(LONGEST_S)
        to.client.close()
        at.client.close()
    return walls


def _until_quiet(heard: queue.Queue[float]) -> None:
    """What is still heard of the last one is over."""
    with contextlib.suppress(queue.Empty):
        while True:
            heard.get(timeout=QUIET_S)


def _enrolled(system: System, through: HttpSystem, name: str, role: Role) -> Device:
    system.accounts.add_user(name, role)
    return Device.enrol(through, system.accounts.new_code(name, role).code, lambda: datetime.now(UTC))


@contextlib.contextmanager
def pair(url: str, folder: Path) -> Iterator[tuple[System, str, str]]:
    """Two `serve --no-dispatch` over one database: the database from here, and their addresses."""
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "case_system.cli", "--db", url, "--keys", str(folder / "keys"), "--json"]
    subprocess.run([*command, "init"], cwd=ROOT, check=True, capture_output=True)
    serve = [*command, "serve", "--port", "0", "--no-dispatch"]
    with contextlib.ExitStack() as stack:
        running = [
            stack.enter_context(subprocess.Popen(serve, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL))
            for _ in range(2)
        ]
        system = assemble(url, folder / "keys")
        try:
            said = [one.stdout.readline() if one.stdout is not None else b"" for one in running]
            if not all(said):
                raise BenchFailed("a case system did not start")
            first, second = (json.loads(line)["address"] for line in said)
            yield system, first, second
        finally:
            system.engine.dispose()
            for one in running:
                one.terminate()
