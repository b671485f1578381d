"""kill -9 on a dispatcher at work, while another goes on: no notice is forgotten, and none goes out twice but where it may.

The first dispatcher is a process forked for it; the receiver is a hook over HTTP on the loopback. It dies at one of its steps with a
message, or at a call to the disk. The second goes on at once with what nobody has, and with the rest when the lease is over.
"""

from __future__ import annotations

import json
import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Final

from sqlalchemy import select

from case_system.assignment import Post
from case_system.dispatcher import LEASE, Dispatcher, DueNotice
from case_system.handoff import NoticeState
from case_system.loops import side_by_side
from case_system.notice_book import NoticeBook
from case_system.notify.channels import NOTICE_FIELD, AppriseChannels, check
from case_system.store import schema
from case_system.ways import Tried, WakeUp, Way
from tests.faults.disk.control import CHANGING, Control
from tests.faults.disk.judge import Broken
from tests.faults.disk.scenes import Stage
from tests.faults.kills.server import DEATHS, require_sound
from tests.support.agency import Agency
from tests.support.device import arrest

RUNG: Final = ("cm1", "p1", "cm2", "p2")
CALLS: Final = 120  # so many calls to the disk and a few more a pass makes


class Point(StrEnum):
    """Where a dispatcher stands with a message when it dies."""

    CALL = "at a call"
    CLAIMED = "claimed, not sent"
    REACHED = "at the receiver, not answered"
    SENT = "sent, not recorded"
    BETWEEN = "recorded, before the next"


@dataclass(slots=True)
class Hook:
    """What reached each person: (recipient, notice) -> times. `reached` is told of each message before it is answered."""

    url: str = ""
    got: Counter[tuple[str, str]] = field(default_factory=Counter)
    reached: Callable[[], None] = lambda: None

    def settle(self) -> None:
        """Wait until everything is counted that was sent before: it takes one message after the other."""
        asking = HTTPConnection(self.url.removeprefix("json://"), timeout=30)
        asking.request("GET", "/")
        asking.getresponse()
        asking.close()


@dataclass(slots=True)
class Countdown:
    """Ends this process, or the one of `pid`, when it is struck for the n-th time."""

    left: int
    pid: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def strike(self) -> None:
        """Once more."""
        with self.lock:
            self.left -= 1
            if self.left == 0:
                with suppress(ProcessLookupError):
                    os.kill(self.pid or os.getpid(), signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class MarkedChannels:
    """The real channels, with the moments before and after a message pointed out."""

    before: Callable[[], None]
    after: Callable[[], None]

    def send(self, ways: Iterable[Way], message: WakeUp) -> Sequence[Tried]:
        """See AppriseChannels."""
        self.before()
        tried = AppriseChannels().send(ways, message)
        self.after()
        return tried


class MarkedBook(NoticeBook):
    """The real book, with the moment after an entry pointed out."""

    entered: Callable[[], None]

    def sent(self, notice: DueNotice, now: Any, tried: Sequence[Tried]) -> None:
        """See NoticeBook."""
        super().sent(notice, now, tried)
        self.entered()


def kill_dispatcher(stage: Stage, control: Control, number: int, point: Point) -> str:
    """Do the case; how it ended, in a word. Errors: Broken."""
    lot = random.Random(f"dispatcher {number}")
    check("json://127.0.0.1:1")  # whatever is imported for it, is imported before the fork
    stage.begin("unlock", seed=1000 + number)
    agency = stage.town.agency
    with hooked() as (hook, serve):
        _stage_notices(agency, hook, lot)
        at, companion = lot.randint(1, len(RUNG)), lot.random() < 0.5
        stage.rest()
        child = os.fork()
        if not child:
            _dispatch(agency, control, point, at, lot)
        serve()
        countdown = Countdown(at, child)
        hook.reached = countdown.strike if point is Point.REACHED else hook.reached
        second = _dispatcher(agency, "second")
        if companion:  # both want the same notices at the same time
            second.run_once()
        _, status = os.waitpid(child, 0)
        hook.settle()
        hook.reached = lambda: None
        control.calm()
        if os.WIFEXITED(status) and os.WEXITSTATUS(status):
            raise Broken("the dispatcher ended by itself")
        _go_on(agency, hook, second)
    require_sound(agency)
    return f"killed {point.value}" if os.WIFSIGNALED(status) else "too late"


def _stage_notices(agency: Agency, hook: Hook, lot: random.Random) -> None:
    for name in RUNG:
        agency.channels.add(name, f"{hook.url}/{name}")
    agency.accounts.set_post(Post.DUTY, RUNG)
    officer = agency.device("o1")
    officer.send(*(officer.create(arrest()) for _ in range(lot.randint(1, 3))))


def _dispatch(agency: Agency, control: Control, point: Point, at: int, lot: random.Random) -> None:
    """What the first dispatcher's process does; it does not come back."""
    try:
        countdown = Countdown(at)
        if point is Point.CALL:
            control.arm(lot.choice(DEATHS), at=1 + int(lot.random() * CALLS), calls=CHANGING)
        _dispatcher(agency, "first", point, countdown.strike).run_once()
        os._exit(0)
    except BaseException:  # noqa: BLE001 - it ends here
        os._exit(1)


def _dispatcher(
    agency: Agency, name: str, point: Point | None = None, strike: Callable[[], None] = lambda: None
) -> Dispatcher:
    def at(here: Point) -> Callable[[], None]:
        return strike if point is here else lambda: None

    plain = agency.book(name)
    book = MarkedBook(plain._rows, plain._climb, name=name, time_zone=plain._time_zone)
    book.entered = at(Point.BETWEEN)
    channels = MarkedChannels(at(Point.CLAIMED), at(Point.SENT))
    return Dispatcher(book=book, channels=channels, clock=agency.clock, carriers=side_by_side)


def _go_on(agency: Agency, hook: Hook, second: Dispatcher) -> None:
    """The second dispatcher now and after the lease, and what must be true then. Errors: Broken."""
    open_ = {n.wake_id or n.notice_id for n in _notices(agency) if n.state == NoticeState.STAGED.value}
    held = {n.wake_id for n in _notices(agency) if n.claimed_by == "first" and n.state == NoticeState.STAGED.value}
    before = hook.got.copy()
    second.run_once()
    if any(wake_id in held for _, wake_id in hook.got - before):
        raise Broken("a notice was sent while another dispatcher's lease on it ran")
    agency.clock.at += LEASE
    second.run_once()
    for notice in _notices(agency):
        times, earlier = hook.got[notice.recipient, notice.wake_id], before[notice.recipient, notice.wake_id]
        if not times:
            raise Broken(f"a notice ({notice.kind}) was forgotten")
        if times > 2 or (times == 2 and not (earlier == 1 and notice.wake_id in open_)):
            raise Broken(f"a notice that was recorded went out {times} times")
        if notice.state != NoticeState.SENT.value or notice.attempts != 1:
            raise Broken(f"a notice that went out is {notice.state} after {notice.attempts} attempts")
    a = schema.audit
    with agency.engine.connect() as db:
        told = Counter(
            db.execute(select(a.c.object_id).where(a.c.action == "notice", a.c.outcome == "delivered")).scalars()
        )
    if told != Counter(notice.notice_id for notice in _notices(agency)):
        raise Broken("a delivery is not recorded once")


def _notices(agency: Agency) -> Sequence[Any]:
    n = schema.notices
    with agency.engine.connect() as db:
        return db.execute(select(n).where(n.c.rings, n.c.recipient.in_(RUNG))).all()


@contextmanager
def hooked() -> Iterator[tuple[Hook, Callable[[], None]]]:
    """A hook that listens, and what lets it answer: called after the fork, so that no thread is forked with it."""
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            try:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            except (TypeError, ValueError):
                return  # half a message, of one who died
            hook.got[self.path.strip("/"), body[NOTICE_FIELD]] += 1
            hook.reached()
            with suppress(OSError):  # who asked may be dead
                self.send_response(200)
                self.end_headers()

        def do_GET(self) -> None:
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    hook.url = f"json://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    try:
        yield hook, thread.start
    finally:
        if thread.is_alive():
            server.shutdown()
            thread.join()
        server.server_close()
