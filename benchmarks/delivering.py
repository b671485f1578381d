"""deliver: referrals that wait on a device, to a case system in a process of its own, until their receipts are filed.

The device offers, the case system opens, verifies, applies, stages notices and signs, the device checks, files the receipts and
takes the new views in. Beside it: as many bytes posted to a server that does nothing, and the public-key work alone, in one process.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import requests

from benchmarks.figures import Figure, Left, middle
from benchmarks.filling import deliver, fill
from benchmarks.ground import Office, people
from benchmarks.sealed import sealed
from benchmarks.watch import cpu_of, timed
from referral.envelope import open_, verify

BENCH = "deliver"
TARGET_S = 3.0


def run(office: Office, folder: Path, *, n: int = 1000, runs: int = 3) -> Iterator[Figure | Left]:
    """Deliver `n` referrals from each of `runs` devices; the last device's folder is `folder / "deliver"`."""
    walls, clients, servers = [], [], []
    size = 0
    for i in range(runs):
        place = folder / ("deliver" if i == runs - 1 else f"deliver-{i}")
        actions = office.device(place, f"bench-deliver-{i}")
        size = fill(actions, people(n, seed=400 + i))
        before = cpu_of(office.pid)
        lap = timed(lambda actions=actions: deliver(actions, n))  # type: ignore[misc]
        after = cpu_of(office.pid)
        walls.append(lap.wall)
        clients.append(lap.cpu)
        if before is not None and after is not None:
            servers.append(after - before)
        actions.close()
    posted = middle([bare_post(size, 2) for _ in range(5)])
    keys = middle([public_key_work(min(n, 300)) for _ in range(3)]) * n
    yield Figure(
        bench=BENCH,
        what=f"{n} waiting until filed, wall",
        value=middle(walls),
        unit="s",
        spread=(min(walls), max(walls)),
        against=keys,
        beside=f"opening and verifying {n}, nothing else",
        at_most=TARGET_S * n / 1000,
    )
    yield Figure(
        bench=BENCH,
        what="the same",
        value=middle(walls),
        unit="s",
        against=posted,
        beside=f"{size:,} bytes posted bare",
    )
    yield Figure(
        bench=BENCH, what="CPU of the device", value=middle(clients), unit="s", spread=(min(clients), max(clients))
    )
    if servers:
        yield Figure(
            bench=BENCH,
            what="CPU of the case system",
            value=middle(servers),
            unit="s",
            spread=(min(servers), max(servers)),
        )
    else:
        yield Left(bench=BENCH, why="this system does not tell the processor time of another process.")


def bare_post(size: int, pieces: int) -> float:
    """Seconds to post `size` random bytes in so many requests to a server on loopback that reads them and answers."""

    class Sink(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response_only(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    body = os.urandom(max(1, size // pieces))
    with HTTPServer(("127.0.0.1", 0), Sink) as server, requests.Session() as session:
        session.trust_env = False
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        lap = timed(
            lambda: [
                session.post(f"http://127.0.0.1:{server.server_port}/", data=body, timeout=30) for _ in range(pieces)
            ]
        )
        session.close()
        server.shutdown()
    return lap.wall


def public_key_work(n: int) -> float:
    """Seconds that verifying and opening one envelope takes, over `n` of them."""
    made = sealed(n)
    keys = {made.agency.key_id: made.agency}

    def work() -> None:
        for raw in made.envelopes:
            verify(raw, made.device)
            open_(raw, keys)

    return timed(work).wall / n
