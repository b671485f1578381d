"""link: one referral to the case system over a link of 300 ms, on a connection that is open already, in round trips."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure, middle
from benchmarks.filling import deliver
from benchmarks.ground import Office, people, save
from benchmarks.relay import link
from benchmarks.watch import timed

BENCH = "link"
ONE_ROUND_TRIP = 1.5  # less than a second one could take


def run(office: Office, folder: Path, *, n: int = 7, rtt_s: float = 0.3) -> Iterator[Figure]:
    """Save and deliver `n` referrals one by one."""
    with link(office.url, delay_s=rtt_s / 2) as near:
        actions = office.device(folder / "link", "bench-link", through=near.url)
        deliver(actions, 0)
        near.traffic.clear()
        walls = []
        for wire in people(n, seed=500):
            save(actions, wire)
            walls.append(timed(lambda: deliver(actions, 1)).wall)
        requests, opened = len(near.traffic.requests), near.traffic.connections
        actions.close()
    yield Figure(
        bench=BENCH,
        what=f"sent, applied, receipt filed and view taken in; {requests / n:.2f} requests, {opened} connections opened",
        value=1e3 * middle(walls),
        unit="ms",
        spread=(1e3 * min(walls), 1e3 * max(walls)),
        against=1e3 * rtt_s,
        beside="one round trip",
        ratio_at_most=ONE_ROUND_TRIP,
    )
