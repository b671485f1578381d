"""One command shows the main job: a case system, an officer's app and a case manager's app, on loopback, all synthetic.

Everything is made anew in `.demo/` (keys, database, people, referrals), three servers are started, the addresses and PINs are
printed, and Ctrl-C (or the end of any of them) stops all. `--seconds N` stops by itself, for a test. The set-up goes through
the same commands that an administrator and a station use.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from case_system.cli import main as case_system  # noqa: E402
from field_app.cli import main as field_app  # noqa: E402
from tools.synthetic import referrals  # noqa: E402

FOLDER = ROOT / ".demo"
TERMINAL = sys.stdout
PEOPLE = (
    ("officer.sample", "officer", "Officer Sample", ("--unit", "Central District")),
    ("casey", "case_manager", "Casey Example", ("--pair", "north", "--channel", "console://casey")),
    ("petra", "peer", "Petra Example", ("--pair", "north", "--channel", "console://petra")),
    ("quinn", "case_manager", "Quinn Sample", ("--pair", "south", "--language", "es", "--channel", "console://quinn")),
    ("pat", "peer", "Pat Specimen", ("--pair", "south", "--channel", "console://pat")),
    ("sergeant", "supervisor", "Sergeant Synthetic", ()),
    ("reviewer", "sao_reviewer", "Reviewer Placeholt", ()),
    ("defender", "defender", "Defender Fictional", ()),
    ("evaluator", "evaluator", "Evaluator Madeup", ()),
    ("admin", "administrator", "Admin Invented", ()),
)
DESK = tuple(name for name, role, *_ in PEOPLE if role != "officer")
OFFERED = {"CASE_SYSTEM_DESK_CODE": "offered"}  # who looks around needs no code app
PASSWORD = "demonstration only, never in service"  # a demo's people are made up, and so is their secret


def free_port() -> int:
    """A port of this machine that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def said(command: Callable[[Sequence[str] | None], int], *words: str) -> Any:
    """What a command answers with --json; ends the demo with its own sentence when it refuses."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = command(["--json", *words])
    if code:
        raise SystemExit(f"The demo could not be set up: {err.getvalue().strip()}")
    return json.loads(out.getvalue()) if out.getvalue().strip() else None


class Servers:
    """The processes of the demo: started by it, ended by it."""

    def __init__(self) -> None:
        self._running: list[tuple[str, subprocess.Popen[str]]] = []

    def start(self, name: str, *words: str, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
        """Start one in a session of its own, so that Ctrl-C reaches this process first."""
        log = (FOLDER / f"{name}.log").open("w", encoding="utf-8")
        process = subprocess.Popen(
            [sys.executable, "-m", *words], cwd=ROOT, env=os.environ | (env or {}), text=True, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
        )  # fmt: skip
        log.close()
        self._running.append((name, process))
        return process

    def ended(self) -> str | None:
        """The name of one that has ended, or None."""
        return next((name for name, process in self._running if process.poll() is not None), None)

    def stop(self) -> None:
        """End all of them: asked first, then forced. Who asks twice changes nothing: it takes five seconds at most."""
        for asked in (signal.SIGINT, signal.SIGTERM):
            signal.signal(asked, signal.SIG_IGN)
        for _, process in self._running:
            if process.poll() is None:
                process.terminate()
        for _, process in self._running:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def address_of(process: subprocess.Popen[str]) -> str:
    """The address that a server prints when it can be reached; the rest of its output goes on to this terminal."""
    assert process.stdout is not None
    for line in process.stdout:
        words = [word for word in line.replace('"', " ").split() if word.startswith("http://")]
        if words:
            threading.Thread(target=_pass_on, args=(process,), daemon=True).start()
            return words[0].rstrip(".,")
    raise SystemExit("The demo could not be set up: a server ended before it could be reached; see .demo/*.log")


def _pass_on(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        print(f"  {line.rstrip()}", file=TERMINAL, flush=True)  # not into a redirected answer of a command


class Station:
    """A device of the demo, driven by its command line."""

    def __init__(self, name: str) -> None:
        self.folder, self.pin = FOLDER / name, ""

    def say(self, *words: str) -> Any:
        """A command with the PIN from a file beside the folder."""
        pin_file = self.folder.with_suffix(".pin")
        return said(field_app, "--data", str(self.folder), *(["--pin-file", str(pin_file)] if self.pin else []), *words)

    def enrol(self, server: str, code: str) -> None:
        """Enrol; the app makes the PIN."""
        self.pin = said(field_app, "--data", str(self.folder), "enrol", "--server", server, "--code", code)["pin"]
        pin_file = self.folder.with_suffix(".pin")
        pin_file.touch(0o600)
        pin_file.write_text(self.pin, encoding="utf-8")


def lay_case_system() -> Sequence[str]:
    """The case system's database, keys, people and duty; returns the options that name it."""
    where = ("--db", str(FOLDER / "case.db"), "--as", "demo")
    said(case_system, *where, "init")
    password = FOLDER / "desk.password"
    password.touch(0o600)
    password.write_text(PASSWORD + "\n", encoding="utf-8")
    for name, role, display, more in PEOPLE:
        desk = () if name not in DESK else ("--password-file", str(password), "--no-totp")
        said(case_system, *where, "user", "add", name, "--role", role, "--display", display, *more, *desk)
    said(case_system, *where, "duty", "set", "casey", "--peer", "petra")
    return where


def record_some(officer: Station, manager: Station) -> None:
    """A few referrals in different states: received, offered, accepted, met, and one that is still on the phone."""
    arrests = [r for r in referrals(60, 7) if r["kind"] == "arrest_diversion" and r["whereabouts"] == "coming_in" and r["willing"] == "yes"]  # fmt: skip
    contacts = [r for r in referrals(60, 7) if r["kind"] == "social_contact" and r["willing"] != "no"]
    lines = FOLDER / "referrals.jsonl"
    lines.write_text("".join(json.dumps(r) + "\n" for r in [*contacts[:2], *arrests[:3]]), encoding="utf-8")
    officer.say("record", str(lines))
    officer.say("sync")
    manager.say("sync")
    for made in arrests[:2]:
        manager.say("accept", made["referral_id"])
    manager.say("met", arrests[0]["referral_id"])
    manager.say("sync")
    officer.say("met", arrests[0]["referral_id"])
    officer.say("sync")
    lines.write_text(json.dumps(contacts[2]) + "\n", encoding="utf-8")
    officer.say("record", str(lines))


def show(rows: Sequence[tuple[str, str, str]]) -> None:
    """The table of addresses and PINs."""
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    print()
    for row in rows:
        print("  " + "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print("\n  Everyone here is made up. Ctrl-C stops everything and leaves nothing running.\n", flush=True)


def run(seconds: float | None) -> int:
    """Set up, show, and stay until interrupted, until `seconds` are over, or until a part ends."""
    began = time.monotonic()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(mode=0o700)
    servers = Servers()
    try:
        where = lay_case_system()
        port = free_port()
        central = address_of(
            servers.start("case-system", "case_system.cli", *where, "serve", "--port", str(port), env=OFFERED)
        )
        stations = {}
        for name, role in (("officer.sample", "officer"), ("casey", "case_manager")):
            code = said(case_system, *where, "enrol-code", "--role", role, "--user", name)["code"]
            stations[name] = Station(name)
            stations[name].enrol(central, code)
        record_some(stations["officer.sample"], stations["casey"])
        started = {
            name: servers.start(name, "field_app.cli", "--data", str(station.folder), "run", "--web")
            for name, station in stations.items()
        }
        pages = {name: address_of(process) for name, process in started.items()}
        for page in pages.values():
            urllib.request.urlopen(page, timeout=10).close()
        show([
            ("WHO", "ADDRESS", "TO SIGN IN"),
            ("Officer Sample (field app)", pages["officer.sample"], f"PIN {stations['officer.sample'].pin}"),
            ("Casey Example, case manager (field app)", pages["casey"], f"PIN {stations['casey'].pin}"),
            ("The desk's pages", f"{central}/desk", f"{', '.join(DESK)}; password: {PASSWORD}"),
            ("Interface description", f"{central}/openapi.json", ""),
        ])  # fmt: skip
        print(f"  Ready in {time.monotonic() - began:.1f} s.", flush=True)
        until = None if seconds is None else time.monotonic() + seconds
        while until is None or time.monotonic() < until:
            if (gone := servers.ended()) is not None:
                print(f"{gone} has ended; see .demo/{gone}.log", file=sys.stderr)
                return 1
            time.sleep(0.2)
    except KeyboardInterrupt:
        print("\n  Stopping.", flush=True)
    finally:
        servers.stop()
    return 0


def main() -> int:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description="Show LEAD Field on this machine, with synthetic people.")
    parser.add_argument("--seconds", type=float, help="stop by itself after so many seconds")

    def stop(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    return run(parser.parse_args().seconds)


if __name__ == "__main__":
    sys.exit(main())
