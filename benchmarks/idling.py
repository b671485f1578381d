"""idle: an open app in which nobody does anything: what it asks of the case system, and what it costs.

Longer than the worker's look for what other processes saved, so that this is seen to make no request.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.ground import BenchFailed, Office, open_again, people, save, unlock
from benchmarks.relay import link
from benchmarks.watch import now, rest, timed

BENCH = "idle"


def run(office: Office, folder: Path, *, seconds: float = 35.0, settle: float = 2.0) -> Iterator[Figure]:
    """Leave an app alone for so long, once it has settled."""
    place = folder / "idle"
    with link(office.url) as near:
        office.device(place, "bench-idle", through=near.url).close()
        near.traffic.clear()
        actions = open_again(place, background=True)
        unlock(actions)
        save(actions, people(1, seed=800)[0])
        until = now() + 60
        while actions.snapshot().delivery.accepted < 1 or "/v1/stream" not in near.traffic.requests:
            if now() > until:
                raise BenchFailed("the app did not settle")
            rest(0.05)
        rest(settle)  # what the news of its own referral sets off
        near.traffic.clear()
        lap = timed(lambda: rest(seconds))
        requests, heard, connections = len(near.traffic.requests), near.traffic.down, near.traffic.connections
        actions.close()
    yield Figure(bench=BENCH, what=f"requests in {seconds:.0f} s", value=requests + connections, unit="", at_most=0)
    yield Figure(bench=BENCH, what="heard on the stream", value=heard, unit="B")
    yield Figure(bench=BENCH, what="CPU of the app", value=1e3 * lap.cpu / seconds, unit="ms/s")
