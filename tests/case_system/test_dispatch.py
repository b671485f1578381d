"""Several dispatchers at once, as processes of their own: one is killed in the middle, and nothing is lost or doubled.

The hook that they send to is real too; it answers nobody until the first dispatcher is dead.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from sqlalchemy import select

from benchmarks.arriving import arrivals, pair
from case_system.assignment import Post
from case_system.loops import CARRIERS
from case_system.store import exports, schema
from case_system.store.bell import listen
from case_system.store.engine import open_engine
from referral.lifecycle import Role
from tests.support.agency import Agency, StillClock
from tests.support.device import arrest
from tests.support.repository import ROOT
from tests.support.waiting import until

PEOPLE = 24
pytestmark = pytest.mark.postgres


@dataclass
class Hook:
    """What arrived for each person: the dedup ids, in order."""

    got: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    asked: int = 0
    go: threading.Event = field(default_factory=threading.Event)


@contextmanager
def hooked() -> Iterator[tuple[str, Hook]]:
    hook, lock = Hook(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                hook.asked += 1
            hook.go.wait(30)
            with lock:
                hook.got[self.path].append(body["notice"])
            try:
                self.send_response(200)
                self.end_headers()
            except OSError:
                pass  # who asked is dead

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"json://127.0.0.1:{server.server_address[1]}", hook
    finally:
        hook.go.set()
        server.shutdown()
        thread.join()
        server.server_close()


def start(*command: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-m", *command], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_a_dispatcher_killed_in_the_middle_loses_nothing_and_doubles_nothing(postgres_url: str, tmp_path: Path) -> None:
    agency = Agency.found(postgres_url, tmp_path, StillClock(datetime.now(UTC)))
    crowd = [f"cm-{n:02}" for n in range(PEOPLE)]
    for name in crowd:
        agency.accounts.add_user(name, Role.CASE_MANAGER)
    agency.accounts.set_post(Post.DUTY, crowd)
    officer = agency.device("o1")
    keys = str(agency.keys.folder)
    with hooked() as (address, hook):
        for name in crowd:
            agency.channels.add(name, f"{address}/{name}?rto=60")
        officer.send(officer.create(arrest()))
        first = start("tests.case_system.short_lease", postgres_url, keys)
        until(lambda: hook.asked >= CARRIERS, what="the first dispatcher at work")
        second = start("case_system.cli", "--db", postgres_url, "--keys", keys, "dispatch")
        assert second.stdout is not None
        assert "sends notices" in second.stdout.readline()
        first.kill()
        first.wait(10)
        hook.go.set()
        until(lambda: _staged(agency) == 0, within=60, what="the second dispatcher's end")
        second.send_signal(signal.SIGTERM)
        assert second.wait(30) == 0
    for process in (first, second):
        assert process.stdout is not None
        process.stdout.close()
    assert sorted(hook.got) == [f"/{name}" for name in crowd]  # nobody forgotten
    for ids in hook.got.values():
        assert len(set(ids)) == 1  # the same dedup id, however often
    assert sum(len(ids) - 1 for ids in hook.got.values()) <= CARRIERS
    inbox = [(n["recipient"], n["kind"], n["round"]) for n in exports.notices(agency.engine)]
    assert len(set(inbox)) == len(inbox)
    told = [d["object_id"] for d in agency.rows(select(schema.audit)) if d["action"] == "notice"]
    assert len(set(told)) == len(told) == len(inbox)
    agency.engine.dispose()


def _staged(agency: Agency) -> int:
    return sum(n["state"] == "staged" for n in exports.notices(agency.engine))


def test_a_commit_rings_the_bell_of_another_connection(postgres_url: str, tmp_path: Path) -> None:
    agency = Agency.found(postgres_url, tmp_path)
    officer = agency.device("o1")
    heard, stop, other = threading.Semaphore(0), threading.Event(), open_engine(postgres_url)
    ear = threading.Thread(target=listen, args=(other, heard.release, stop), daemon=True)
    ear.start()
    try:
        assert heard.acquire(timeout=20)  # once when it is there
        officer.send(officer.create(arrest()))
        assert heard.acquire(timeout=20)
        with agency.engine.connect() as db:  # its connection is lost, and it comes back
            db.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE starts_with(query, 'LISTEN')"
            )
        assert heard.acquire(timeout=20)
        officer.send(officer.create(arrest()))
        assert heard.acquire(timeout=20)
    finally:
        stop.set()
        ear.join(10)
    other.dispose()
    agency.engine.dispose()


def test_what_one_server_takes_is_told_by_the_other(postgres_url: str, tmp_path: Path) -> None:
    with pair(postgres_url, tmp_path / "pair") as (system, first, second):
        assert len(arrivals(system, first, second, 3)) == 3
