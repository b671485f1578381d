"""kill -9 while a device saves and delivers: nothing that was called saved is lost, nothing is applied twice."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from field_app.sync.machine import State
from referral.envelope import DeviceSigningKey
from referral.model import DeviceId
from tests.field_app.sync.killed_device import open_rig
from tests.field_app.sync.rig import NOON
from tests.support.http_front import serve
from tests.support.memory_case_system import MemoryCaseSystem

ROOT = Path(__file__).resolve().parents[3]


def run_until(folder: Path, seed: int, lines: int) -> list[str]:
    """Run the device, kill it after so many lines, and return what it called saved."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.field_app.sync.killed_device", str(folder), str(seed)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(lines)]
        process.kill()
        told += process.stdout.readlines()
    assert all(told[:lines]), "the device ended by itself"
    return [line.split()[1] for line in told if line.startswith("saved ") and line.endswith("\n")]


@pytest.mark.parametrize("lines", [1, 3, 6, 11])
def test_what_was_called_saved_arrives_once(tmp_path: Path, lines: int) -> None:
    server = MemoryCaseSystem(now=NOON)
    key, device_id = DeviceSigningKey.generate(), DeviceId("d0" * 16)
    known = server.add_device(device_id, key.public())
    with serve(server) as front:
        card = {
            "url": front.url,
            "server_key": server.server_key.public().to_bytes().hex(),
            "key_id": server.agency_key.key_id,
            "agency_key": server.agency_key.public_key.hex(),
            "device_key": key.to_bytes().hex(),
            "device_id": device_id,
            "append_token": known.append_token,
            "read_token": known.read_token,
        }
        (tmp_path / "card.json").write_text(json.dumps(card))
        saved: list[str] = []
        for turn in range(3):
            saved += run_until(tmp_path, turn + 1, lines)
        rig = open_rig(tmp_path, 99)
        rig.verify()
        assert set(saved) <= rig.states().keys()
        with rig.store.write() as tx:
            rig.outbox.tidy(tx, device=key.public())
        report = rig.sync()
        assert (report.waiting, report.problem) == (0, None)
        assert set(rig.states().values()) == {State.ACCEPTED}
        applied = Counter(operation.referral_id for operation in server.applied)
        assert set(applied.values()) == {1}
        assert len(applied) == len(rig.states())
        assert rig.files.present() == frozenset()
        with rig.store.read() as tx:
            seqs = [entry.device_seq for entry in rig.outbox.entries(tx, accepted=True)]
        assert sorted(seqs) == list(range(1, len(seqs) + 1))
        rig.verify()
        rig.store.close()
