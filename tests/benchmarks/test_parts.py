"""The parts of the benches: what is read out of strace's log, and the link that delays and counts."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import requests

from benchmarks.flushes import between_marks
from benchmarks.relay import link
from tests.support.http_front import serve
from tests.support.memory_case_system import MemoryCaseSystem

LOG = """\
11 fsync(5</d/dev/field.db-wal>) = 0
11 mkdir("/d/bench-begin", 0777) = 0
11 fdatasync(5</d/dev/field.db-wal>) = 0
12 fsync(7</d/dev/outbox/.0a.env.x.tmp>) = 0
12 fsync(8</d/dev/outbox>) = 0
11 fdatasync(5</d/dev/field.db-wal>) = 0
11 mkdir("/d/bench-end", 0777) = 0
11 fsync(5</d/dev/field.db>) = 0
"""


def test_only_flushes_between_the_marks_count() -> None:
    assert between_marks(LOG, Path("/d/dev")) == {"field.db-wal": 2, "outbox/file": 1, "outbox": 1}


def test_the_link_delays_each_way_and_counts() -> None:
    with (
        serve(MemoryCaseSystem(now=datetime(2026, 3, 3, tzinfo=UTC))) as front,
        link(front.url, delay_s=0.02) as near,
        requests.Session() as session,
    ):
        session.trust_env = False
        began = time.monotonic()
        answer = session.post(near.url + "/v1/sync", data=b"{}", timeout=10)
        took = time.monotonic() - began
        session.post(near.url + "/v1/enrol", data=b"{}", timeout=10)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert took >= 0.04
    assert near.traffic.requests == ["/v1/sync", "/v1/enrol"]
    assert near.traffic.connections == 1
    assert near.traffic.up > 100
    assert near.traffic.down > 100
