"""Keeps one private PostgreSQL cluster for as long as a test run lives, then stops it and removes its files.

Run as `python -m tests.support.postgres_keeper PROGRAMS FOLDER CONTROLLER`: makes a cluster in FOLDER with the programs
in PROGRAMS, prints its URL when it answers, and ends it when the process CONTROLLER is gone or on SIGTERM. It is a
process of its own so that the cluster ends even when the test run is killed. Data is thrown away: no fsync.
"""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FrameType

import psycopg

START_SECONDS = 60.0
LOOK_SECONDS = 0.25
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "128MB",
    "autovacuum": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "listen_addresses": "127.0.0.1",
    "log_min_messages": "warning",
}


class Stop(Exception):
    """SIGTERM arrived."""


def account() -> str | None:
    """The user to run as: PostgreSQL refuses root, so `postgres` there; None means the present user."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        sys.exit("root cannot run PostgreSQL and there is no user 'postgres' here")


def make_cluster(programs: Path, home: Path, user: str | None) -> str:
    """Initialise a cluster under `home`; returns the password of its superuser `lead`."""
    password = secrets.token_hex(16)
    secret = home / "password"
    secret.write_text(password, encoding="ascii")
    if user is not None:
        for path in (home, secret):
            shutil.chown(path, user)
    options = ["--username=lead", "--auth=scram-sha-256", f"--pwfile={secret}", "--encoding=UTF8", "--locale=C"]
    initdb = [str(programs / "initdb"), "--no-sync", "-D", str(home / "data"), *options]
    subprocess.run(initdb, check=True, stdout=sys.stderr, user=user, cwd=home)
    return password


def start(programs: Path, home: Path, user: str | None, port: int) -> subprocess.Popen[bytes]:
    """Start the server in the foreground of a child process."""
    settings = {**SETTINGS, "port": str(port), "unix_socket_directories": str(home)}
    given = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    command = [str(programs / "postgres"), "-D", str(home / "data"), *given]
    return subprocess.Popen(command, stdout=sys.stderr, user=user, cwd=home)


def wait_until_it_answers(server: subprocess.Popen[bytes], url: str) -> None:
    """Return when the server takes a connection; exit with a sentence when it does not."""
    for _ in range(int(START_SECONDS / LOOK_SECONDS)):
        try:
            psycopg.connect(url, connect_timeout=3).close()
            return
        except psycopg.OperationalError:
            if ended(server):
                break
    sys.exit("the server did not start")


def ended(server: subprocess.Popen[bytes]) -> bool:
    """Whether the server has ended, after looking for a moment."""
    try:
        server.wait(LOOK_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return True


def alive(process: int) -> bool:
    """Whether a process with this id exists."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def on_term(_signal: int, _frame: FrameType | None) -> None:
    """Turn SIGTERM into an exception, so that the cluster is always stopped on the way out."""
    raise Stop


def main(programs: Path, shared: Path, controller: int) -> None:
    """Make, announce, keep and remove the cluster."""
    signal.signal(signal.SIGTERM, on_term)
    (shared / "keeper.pid").write_text(str(os.getpid()), encoding="ascii")
    user = account()
    # Not inside `shared`: another user may have to reach it. A short path: a Unix socket lives in it.
    home = Path(tempfile.mkdtemp(prefix="lead-pg-"))
    server = None
    try:
        password = make_cluster(programs, home, user)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        server = start(programs, home, user, port)
        url = f"postgresql://lead:{password}@127.0.0.1:{port}/postgres"
        wait_until_it_answers(server, url)
        print(url, flush=True)
        while alive(controller) and not ended(server):
            pass
    except Stop:
        pass
    finally:
        if server is not None:
            server.send_signal(signal.SIGQUIT)  # at once: nothing in it is worth a clean shutdown
            server.wait(30)
        shutil.rmtree(home, ignore_errors=True)
        shutil.rmtree(shared, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
