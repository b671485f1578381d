"""A real case system and real devices, as processes and commands: what the journeys drive. Nothing here is a double."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from case_system.cli import main as case_system_main
from field_app.cli import main as field_app_main
from field_app.web import free_port
from tests.support.repository import ROOT

Command = Callable[[Sequence[str] | None], int]


def said(command: Command, *words: str) -> tuple[int, Any, str]:
    """Exit code, JSON answer and standard error of a command."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = command(["--json", *words])
    return code, json.loads(out.getvalue()) if out.getvalue().strip() else None, err.getvalue()


class Serving:
    """A server process: started, known by the address that it prints, ended by whoever started it."""

    def __init__(self, log: Path, *words: str) -> None:
        self._log = log.open("a", encoding="utf-8")
        self._process = subprocess.Popen(
            [sys.executable, "-m", *words], cwd=ROOT, env=os.environ | {"PYTHONUNBUFFERED": "1"}, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._log,
        )  # fmt: skip
        self.address = self._announced()

    def _announced(self) -> str:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            for word in line.replace('"', " ").split():
                if word.startswith("http://"):
                    return word.rstrip(".,")
        self.stop()
        raise AssertionError(f"the server ended before it could be reached; see {self._log.name}")

    def stop(self) -> None:
        """End it, asked first."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._log.close()


class Central:
    """A case system with an officer, a duty pair, a supervisor and a reviewer; its port stays the same across restarts."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self._where = ("--db", str(folder / "case.db"))
        self._serving: Serving | None = None
        self.say("init")
        for name, role, display, more in (
            ("officer.one", "officer", "Officer Sample", ()),
            ("casey", "case_manager", "Casey Example", ("--pair", "north")),
            ("petra", "peer", "Petra Example", ("--pair", "north")),
            ("sue", "supervisor", "Sue Synthetic", ()),
            ("rae", "sao_reviewer", "Rae Placeholt", ()),
        ):
            self.say("user", "add", name, "--role", role, "--display", display, "--no-totp", *more)
        self.say("duty", "set", "casey", "--peer", "petra")

    @property
    def address(self) -> str:
        """Where it is, or will be."""
        return f"http://127.0.0.1:{self.port}"

    def say(self, *words: str) -> Any:
        """The answer of an administrator's command."""
        code, answer, error = said(case_system_main, *self._where, *words)
        assert code == 0, error
        return answer

    def start(self) -> None:
        """Serve."""
        self._serving = Serving(
            self.folder / "serve.log", "case_system.cli", *self._where, "serve", "--port", str(self.port)
        )

    def stop(self) -> None:
        """Be away, as in a basement."""
        if self._serving is not None:
            self._serving.stop()
        self._serving = None

    def station(self, user: str, role: str) -> Station:
        """A newly enrolled device of this person."""
        return Station(
            self.folder / f"device-{user}", self.address, self.say("enrol-code", "--role", role, "--user", user)["code"]
        )

    def counts(self, referral_id: str) -> list[dict[str, Any]]:
        """The rows under this id: one, however often it was sent."""
        return [row for row in self.say("referrals") if row["referral_id"] == referral_id]


class Station:
    """A device in a data folder of its own, driven by commands and, when it runs, by a browser."""

    def __init__(self, folder: Path, server: str, code: str) -> None:
        self.folder, self.pin = folder, ""
        self._pin_file = folder.parent / f"{folder.name}.pin"
        self.pin = self.say("enrol", "--server", server, "--code", code)["pin"]
        self._pin_file.write_text(self.pin, encoding="utf-8")

    def try_(self, *words: str) -> tuple[int, Any, str]:
        """Exit code, answer and error of a command with the PIN."""
        pin = ("--pin-file", str(self._pin_file)) if self.pin else ()
        return said(field_app_main, "--data", str(self.folder), *pin, *words)

    def say(self, *words: str) -> Any:
        """The answer of a command that must be done."""
        code, answer, error = self.try_(*words)
        assert code == 0, error
        return answer

    @contextlib.contextmanager
    def running(self) -> Iterator[str]:
        """The app in web mode; gives its address."""
        app = Serving(self.folder.parent / "app.log", "field_app.cli", "--data", str(self.folder), "run", "--web")
        try:
            yield app.address
        finally:
            app.stop()
