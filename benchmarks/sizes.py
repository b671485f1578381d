"""size: what a referral weighs sealed, and what it adds to a request on the wire (headers, JSON, base64 and gzip included)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure, percentile, spread
from benchmarks.filling import deliver, fill
from benchmarks.ground import Office, people
from benchmarks.relay import link
from benchmarks.sealed import sealed

BENCH = "size"
TYPICAL, WIRE = 500, 1.05
SHARED = 15  # from so many on, the frame of a request is paid for by what the envelopes' headers share


def run(
    office: Office, folder: Path, *, n: int = 1000, lone: int = 41, batches: tuple[int, ...] = (1, 15, 200)
) -> Iterator[Figure]:
    """Seal `n` payloads, then watch requests of so many envelopes each."""
    lengths = [float(len(envelope)) for envelope in sealed(n).envelopes]
    yield Figure(
        bench=BENCH,
        what=f"envelope, p50 of {n}",
        value=percentile(lengths, 0.5),
        unit="B",
        spread=spread(lengths),
        at_most=TYPICAL,
    )
    yield Figure(bench=BENCH, what="envelope, largest", value=max(lengths), unit="B")
    with link(office.url) as near:
        actions = office.device(folder / "size", "bench-size", through=near.url)
        deliver(actions, 0)
        near.traffic.clear()
        deliver(actions, 0)
        empty = near.traffic.up
        yield Figure(bench=BENCH, what="a request with nothing to send", value=empty, unit="B")
        alone = []
        for wire in people(lone, seed=299):
            fill(actions, [wire])
            near.traffic.clear()
            deliver(actions, 1)
            alone.append(float(near.traffic.up - empty))
        yield Figure(
            bench=BENCH,
            what=f"one alone adds to a request, p50 of {lone}",
            value=percentile(alone, 0.5),
            unit="B",
            spread=spread(alone),
            at_most=TYPICAL * WIRE,
        )
        for seed, count in enumerate(batches):
            size = fill(actions, people(count, seed=300 + seed))
            near.traffic.clear()
            deliver(actions, count)
            requests = len(near.traffic.requests)
            for what, bytes_up in (
                ("headers and all", near.traffic.up),
                ("beyond empty ones", near.traffic.up - requests * empty),
            ):
                yield Figure(
                    bench=BENCH,
                    what=f"{count} sent, {requests} request(s), {what}",
                    value=bytes_up,
                    unit="B",
                    against=size,
                    beside="the sealed bytes",
                    ratio_at_most=WIRE if count >= SHARED else None,
                )
        actions.close()
