"""Composition root: the one place of the case system that names concrete classes, the real clock and real randomness.

system = assemble(url, keys_folder)      everything over one database and one key folder
web(system)                              the ASGI application: contract, stream, desk
serve(...)                               uvicorn, and a dispatcher's loop beside it (once, whatever the workers; or none)
dispatch(...)                            a dispatcher's loop alone, until it is asked to end
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors import Multiprocess

from case_system.auth import Sessions
from case_system.desk.pages import Desk
from case_system.desk.push import Push
from case_system.desk.rooms import rooms
from case_system.dispatcher import Dispatcher
from case_system.housekeeping import Housekeeping
from case_system.http import create_app
from case_system.keyfolder import KeyFolder, KeyFolderError
from case_system.logs import set_up
from case_system.loops import DispatcherLoop, Ear, side_by_side
from case_system.metrics import FOLDER_VARIABLE
from case_system.notice_book import NoticeBook
from case_system.notify.channels import AppriseChannels
from case_system.notify.webpush import PushServices, WebPush
from case_system.opening import open_office
from case_system.packs import Packs
from case_system.ports import Clock, RandomBytes
from case_system.service import CaseService
from case_system.settings import setting
from case_system.storage import StorageError
from case_system.store.accounts import Accounts
from case_system.store.channels import PUSH, Channels
from case_system.store.database import Database
from case_system.store.engine import Engine, open_engine
from case_system.store.migrate import Standing, standing
from case_system.store.notices import NoticeRows
from case_system.store.roster import Roster
from case_system.store.sign_ins import SignInRows
from case_system.store.upkeep import Upkeep, Upkept
from case_system.streams import Streams
from case_system.unreadable import Protocol
from referral.port import Refused
from referral.programme import Programme

log = logging.getLogger(__name__)

LONGEST_END_S = 30.0  # a dispatcher that ends waits so long for what it has in hand
LOOK_AT_KEYS_S = 5.0  # how soon a rotated key counts
DISPATCHER_LATE_S = 60.0
WORKER_START_S = 30  # a worker that says nothing for longer is replaced; on a busy machine starting takes a while
KEEP_ALIVE_S = 75  # a device that saves now and then meets an open connection
DATABASE_VARIABLE = "CASE_SYSTEM_DB"
KEYS_VARIABLE = "CASE_SYSTEM_KEYS"
PUSH_HOSTS_VARIABLE = "CASE_SYSTEM_PUSH_HOSTS"
PUSH_CONTACT_VARIABLE = "CASE_SYSTEM_PUSH_CONTACT"


def utc_now() -> datetime:
    """The present moment in UTC."""
    return datetime.now(UTC)


class NotReady(Exception):
    """There is no case system here, or one of another version; says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """The parts of a case system over one database and one key folder."""

    engine: Engine = field(repr=False)
    keys: KeyFolder
    database: Database
    service: CaseService
    accounts: Accounts
    channels: Channels
    roster: Roster
    sessions: Sessions
    streams: Streams
    push: WebPush
    dispatcher: Dispatcher
    changed: threading.Event
    packs: Packs
    clock: Clock
    rng: RandomBytes
    upkeep: Upkeep

    def keep_house(self) -> Upkept:
        """Judge what waited too long, forget what is due and clear away what nobody needs."""
        try:
            self.service.end_waiting()
        except Refused:  # the database was busy; what must be forgotten is forgotten all the same
            log.warning("what waited too long could not be judged; it is tried again in an hour", exc_info=True)
        return self.upkeep.run(self.clock(), self.programme())

    def programme(self) -> Programme:
        """The pack in force."""
        with self.database.read() as reading:
            return self.packs.programme(reading.agency().pack_digest)


def assemble(url: str, keys_folder: Path, *, clock: Clock = utc_now, rng: RandomBytes = os.urandom) -> System:
    """The parts over a database that was laid by `init`; raises NotReady or KeyFolderError."""
    engine = open_engine(url)
    try:
        _must_be_current(engine)
        keys = KeyFolder(keys_folder)
    except Exception:
        engine.dispose()
        raise
    streams, changed = Streams(), threading.Event()

    def told(feeds: Mapping[str, int]) -> None:
        streams.grown(feeds)
        changed.set()

    def looked(users: frozenset[str]) -> None:
        streams.wake(users)
        changed.set()

    database = Database(engine, clock=clock, rng=rng, keys=keys, told=told)

    def files(digest: str) -> dict[str, str]:
        with database.read() as reading:
            return dict(reading.pack_files(digest))

    packs = Packs(files)
    service = CaseService(database, clock=clock, rng=rng, keys=keys, packs=packs)

    def time_zone() -> str:
        with database.read() as reading:
            return packs.programme(reading.agency().pack_digest).hours.time_zone

    book = NoticeBook(NoticeRows(engine, keys), service.climb, name=rng(16).hex(), time_zone=time_zone)
    push = WebPush(
        keys.push_key, PushServices(os.environ.get(PUSH_HOSTS_VARIABLE, "").split(",")),
        contact=os.environ.get(PUSH_CONTACT_VARIABLE) or "mailto:administrator@localhost",
    )  # fmt: skip
    return System(
        engine=engine,
        keys=keys,
        database=database,
        service=service,
        accounts=Accounts(engine=engine, clock=clock, rng=rng, keys=keys),
        channels=Channels(engine=engine, clock=clock, rng=rng, keys=keys),
        roster=Roster(engine=engine, clock=clock, rng=rng),
        sessions=Sessions(SignInRows(engine), clock=clock, rng=rng, keys=keys),
        streams=streams,
        push=push,
        dispatcher=Dispatcher(book=book, channels=AppriseChannels({PUSH: push}), clock=clock, carriers=side_by_side),
        changed=changed,
        clock=clock,
        rng=rng,
        packs=packs,
        upkeep=Upkeep(engine=engine, keys=keys, rng=rng, told=looked),
    )


def _must_be_current(engine: Engine) -> None:
    match standing(engine):
        case Standing.EMPTY:
            raise NotReady("there is no case system in the database; run `case-system init`")
        case Standing.OLDER:
            raise NotReady("the database is of an earlier version; make a backup, then run `case-system upgrade`")
        case Standing.NEWER:
            raise NotReady("the database is of a later version than this program; run that version")
        case Standing.MOVED:
            raise NotReady("this case system was moved to another database; use that one")
        case Standing.CURRENT:
            pass


def web(system: System, *, on_start: Callable[[], None] = lambda: None, on_stop: Callable[[], None] = lambda: None) -> FastAPI:  # fmt: skip
    """The ASGI application of one worker."""
    push = Push(system.push, system.push.services.subscription, system.channels)
    office = open_office(
        engine=system.engine, database=system.database, service=system.service, accounts=system.accounts, sessions=system.sessions,
        packs=system.packs, keys=system.keys, clock=system.clock, rng=system.rng,
    )  # fmt: skip
    desk = Desk(
        service=system.service, sessions=system.sessions, streams=system.streams, pack=system.programme, clock=system.clock,
        rng=system.rng, areas=(*rooms(office, system.service), push), code_first=setting("desk_code") == "required",
    )  # fmt: skip
    ear = _ear(system)
    looking = Housekeeping(lambda: _look_at_keys(system), LOOK_AT_KEYS_S)

    def start() -> None:
        ear.start()
        looking.start()
        on_start()

    def stop() -> None:
        looking.stop()
        ear.stop()
        on_stop()

    return create_app(
        system.service,
        system.streams,
        routers=(desk.router(),),
        on_start=start,
        on_stop=stop,
        checks=lambda: readiness(system),
    )


def _look_at_keys(system: System) -> None:
    """Keys that were rotated or retired while this process ran count from now on; what waited for one is read."""
    if system.keys.look():
        system.service.reread()


def readiness(system: System) -> Mapping[str, str]:
    """What /readyz asks: each check "ok", "late", or a word for what is wrong."""
    found = {"database": "ok", "schema": "ok", "keys": "ok", "dispatcher": "ok"}
    try:
        found["schema"] = "ok" if standing(system.engine) is Standing.CURRENT else "not of this version"
        late = system.service.measures().numbers["dispatcher_late_seconds"]
        found["dispatcher"] = "ok" if late < DISPATCHER_LATE_S else "late"
    except (StorageError, Refused):
        found |= {"database": "silent", "schema": "unknown", "dispatcher": "unknown"}
    try:
        KeyFolder(system.keys.folder)
    except (KeyFolderError, OSError):
        found["keys"] = "not readable"
    return found


def from_environment() -> FastAPI:
    """The application of one of several workers; `serve` says by environment where its database and keys are."""
    set_up(setting("log_level"), setting("log"))
    return web(assemble(os.environ[DATABASE_VARIABLE], Path(os.environ[KEYS_VARIABLE])))


def serve(
    url: str,
    keys_folder: Path,
    *,
    host: str,
    port: int,
    workers: int,
    said: Callable[[str], None],
    dispatching: bool = True,
) -> None:
    """Serve until interrupted. `said` is told the real address before the first request (port 0 picks a free one).
    dispatching: a dispatcher runs beside it; without, `dispatch` runs elsewhere."""
    system = assemble(url, keys_folder)
    try:
        _serve(
            system,
            url,
            _listen(host, port),
            lambda sock: said(_address(host, sock)),
            workers=workers,
            dispatching=dispatching,
        )
    finally:
        system.engine.dispose()


def _serve(
    system: System,
    url: str,
    sock: socket.socket,
    said: Callable[[socket.socket], None],
    *,
    workers: int,
    dispatching: bool,
) -> None:
    set_up(setting("log_level"), setting("log"))
    system.service.reread()
    loop = _loop(system) if dispatching else None
    housework = Housekeeping(system.keep_house)
    shared = {
        "http": Protocol,
        "access_log": False,
        "log_config": None,
        "server_header": False,
        "timeout_keep_alive": KEEP_ALIVE_S,
        "timeout_graceful_shutdown": 3,
        "timeout_worker_healthcheck": WORKER_START_S,
    }
    # uvicorn stops on it and then raises it again: asked to end is no failure
    signal.signal(signal.SIGTERM, lambda *_: None)
    housework.start()
    try:
        if workers == 1:
            app = web(system) if loop is None else web(system, on_start=loop.start, on_stop=loop.stop)
            said(sock)
            uvicorn.Server(uvicorn.Config(app, **shared)).run(sockets=[sock])  # type: ignore[arg-type]
            return
        os.environ[DATABASE_VARIABLE], os.environ[KEYS_VARIABLE] = url, str(system.keys.folder.resolve())
        config = uvicorn.Config("case_system.app:from_environment", factory=True, workers=workers, **shared)  # type: ignore[arg-type]
        _supervise(system, config, sock, said, loop)
    finally:
        housework.stop()


def _supervise(
    system: System,
    config: uvicorn.Config,
    sock: socket.socket,
    said: Callable[[socket.socket], None],
    loop: DispatcherLoop | None,
) -> None:
    """Several workers, with the dispatcher beside them in this process."""
    ear = _ear(system)
    if loop is not None:
        ear.start()
        loop.start()
    said(sock)
    try:
        with tempfile.TemporaryDirectory(prefix="lead-metrics-") as counts:
            os.environ[FOLDER_VARIABLE] = counts  # each worker counts into files of its own there
            Multiprocess(config, sockets=[sock]).run()
    finally:
        ear.stop()
        if loop is not None:
            loop.stop()


def dispatch(url: str, keys_folder: Path, *, said: Callable[[], None]) -> None:
    """Run a dispatcher until SIGINT or SIGTERM, which end it after what is in hand. `said` is told when it begins."""
    system = assemble(url, keys_folder)
    set_up(setting("log_level"), setting("log"))
    loop, ear = _loop(system), _ear(system)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    ear.start()
    loop.start()
    said()
    try:
        loop.join()
    except KeyboardInterrupt:
        pass
    finally:
        loop.stop(within_s=LONGEST_END_S)
        ear.stop()
        system.engine.dispose()


def _loop(system: System) -> DispatcherLoop:
    return DispatcherLoop(system.dispatcher, changed=system.changed, clock=system.clock)


def _ear(system: System) -> Ear:
    def heard() -> None:
        system.streams.look()
        system.changed.set()

    return Ear(system.engine, heard)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family)
    if sys.platform != "win32":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    sock.listen(2048)  # connections wait from the moment the address is told
    sock.set_inheritable(True)
    return sock


def _address(host: str, sock: socket.socket) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{sock.getsockname()[1]}"
