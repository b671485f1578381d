"""What the benches stand on: a real case system in a process of its own, and real devices enrolled with it.

The device's parts are those of the app (real files, clock, randomness, scrypt at its full cost, HTTP); only the keyring is replaced
by key files, so that a bench leaves nothing in anybody's keyring.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from case_system.app import System, assemble
from field_app.actions import Actions
from field_app.compose import open_device
from field_app.outcomes import Enrolled, Opened, Saved
from field_app.vault.keystores import FileKeys
from referral.lifecycle import Role
from tools.synthetic import referrals

ROOT = Path(__file__).resolve().parents[1]
PIN = "bench-Passphrase-2719"


class BenchFailed(RuntimeError):
    """A part did not do what a bench needs; there is nothing to measure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """A running `case-system serve`. url: its address; pid: its process; system: the same database from here, for adding people."""

    url: str
    pid: int
    system: System

    def device(self, folder: Path, name: str, *, through: str | None = None) -> Actions:
        """A new device of a new officer, enrolled and open, delivering only when asked. through: an address to use instead."""
        self.system.accounts.add_user(name, Role.OFFICER)
        code = self.system.accounts.new_code(name, Role.OFFICER).code
        folder.mkdir(parents=True)
        actions = open_again(folder)
        outcome = actions.enrol(through or self.url, code, PIN)
        if not isinstance(outcome, Enrolled):
            raise BenchFailed(f"the device could not be enrolled: {outcome}")
        unlock(actions)
        return actions


@contextmanager
def office(folder: Path, *, url: str | None = None, workers: int = 1) -> Iterator[Office]:
    """A case system on a free port of this machine while the block lasts: on SQLite, or on the empty database at `url`."""
    url, keys = url or f"sqlite:///{folder / 'case.db'}", folder / "case.keys"
    command = [sys.executable, "-m", "case_system.cli", "--db", url, "--keys", str(keys)]
    made = subprocess.run([*command, "init"], cwd=ROOT, env=_environment(), capture_output=True, text=True, check=False)
    if made.returncode != 0:
        raise BenchFailed(f"there is no case system: {made.stderr.strip()}")
    serve = [*command, "--json", "serve", "--port", "0", "--workers", str(workers)]
    with (
        (folder / "serve.log").open("wb") as log,
        subprocess.Popen(serve, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, env=_environment()) as process,
    ):
        system = assemble(url, keys)
        try:
            said = process.stdout.readline() if process.stdout is not None else b""
            if not said:
                raise BenchFailed("the case system did not start")
            yield Office(url=json.loads(said)["address"], pid=process.pid, system=system)
        finally:
            system.engine.dispose()
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def open_again(folder: Path, *, background: bool = False) -> Actions:
    """The device in `folder`, as after a start of the app: shut."""
    return open_device(folder, background=background, keystores=[FileKeys(folder / "keys")])


def unlock(actions: Actions) -> None:
    """Open the vault."""
    outcome = actions.unlock(PIN)
    if not isinstance(outcome, Opened):
        raise BenchFailed(f"the vault did not open: {outcome}")


def save(actions: Actions, wire: Mapping[str, Any]) -> Saved:
    """Save one referral."""
    outcome = actions.submit_referral(wire)
    if not isinstance(outcome, Saved):
        raise BenchFailed(f"a referral was not saved: {outcome}")
    return outcome


def people(n: int, seed: int) -> list[dict[str, Any]]:
    """`n` synthetic referrals in wire form, 6 in 10 social contacts."""
    return list(referrals(n, seed))


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("CASE_SYSTEM_", "FIELD_APP_"))}
