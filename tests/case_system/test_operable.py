"""What watches the case system: settings, readiness, metrics, logs, live key rotation, and a stop that takes seconds."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import pytest
import uvicorn
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text
from sqlalchemy.pool import QueuePool

from case_system import settings
from case_system.app import assemble, readiness, serve, web
from case_system.cli import main
from case_system.keyfolder import KeyFolder
from case_system.service import CaseService
from case_system.settings import SETTINGS, BadSetting, setting
from case_system.store.engine import Engine, open_engine
from case_system.streams import Streams
from referral.envelope import AgencyPublicKey
from referral.lifecycle import Role
from referral.operations import Create, Op
from referral.port import Outcome, Refused
from referral.problems import ProblemCode
from tests.support.agency import Agency
from tests.support.device import Device, arrest
from tests.support.http_system import HttpSystem
from tests.support.loopback import loopback
from tests.support.repository import ROOT


# ------------------------------------------------------------------------------------------------ settings
def test_an_option_beats_the_environment_which_beats_the_default() -> None:
    environment = {"CASE_SYSTEM_PORT": "9000", "CASE_SYSTEM_HOST": ""}
    assert setting("port", "9001", environment) == 9001
    assert setting("port", None, environment) == 9000
    assert setting("port", None, {}) == 8700
    assert setting("host", None, environment) == "127.0.0.1"
    assert setting("push_contact", None, {}) is None, "a setting without a default is none, not a word"


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("CASE_SYSTEM_PORT", "many", "0 to 65535"),
        ("CASE_SYSTEM_WORKERS", "0", "1 to 64"),
        ("CASE_SYSTEM_LOG", "xml", "json or text"),
        ("CASE_SYSTEM_LOG_LEVEL", "LOUD", "WARNING"),
        (settings.PREFIX + "PROT", "1", "is no setting"),
    ],
)
def test_what_cannot_be_ends_the_start_with_one_sentence(
    variable: str, value: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    monkeypatch.setenv(variable, value)
    with pytest.raises(BadSetting, match=said):
        settings.check()
    assert main(["--db", str(tmp_path / "none.db"), "serve"]) == 1
    error = capsys.readouterr().err
    assert variable in error
    assert error.count("\n") == 1


def test_every_setting_is_in_the_table_of_the_documents() -> None:
    table = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    for row in SETTINGS.values():
        line = next(line for line in table.splitlines() if line.startswith(f"| `{row.variable}`"))
        assert row.may_be in line
        assert row.default is None or f"`{row.default}`" in line
        assert row.option is None or f"`{row.option}`" in line


# ------------------------------------------------------------------------------------------------ readiness and metrics
def figures(page: str) -> dict[tuple[str, tuple[str, ...]], float]:
    """Every sample of a metrics page, by name and the values of its labels in their names' order."""
    families = text_string_to_metric_families(page)
    return {
        (s.name, tuple(s.labels[name] for name in sorted(s.labels))): s.value
        for family in families
        for s in family.samples
    }


def test_the_metrics_say_what_a_programme_watches_and_name_nobody(agency: Agency) -> None:
    streams = Streams()
    with loopback(agency.service, streams) as url:
        system = HttpSystem(url)
        code = agency.accounts.new_code("o1", agency.device("o1").enrolment.role).code
        officer = Device.enrol(system, code, agency.clock)
        manager = agency.device("cm1")
        told, waits = arrest(), arrest()
        officer.send(officer.create(told), officer.create(waits))
        manager.pull()
        agency.clock.go(seconds=100)
        manager.send(manager.reason(Op.ACCEPT, told.referral_id))
        (refused,) = officer.send(officer.reason(Op.ACCEPT, waits.referral_id))
        assert refused.outcome is Outcome.REFUSED
        assert httpx.post(f"{url}/v1/sync", json={}).status_code == 401
        page = httpx.get(f"{url}/metrics").text
        system.client.close()
    found = figures(page)
    assert found["lead_accept_seconds_bucket", ("60.0",)] == 0
    assert found["lead_accept_seconds_bucket", ("120.0",)] == 1
    assert found["lead_accept_seconds_sum", ()] == 100
    assert found["lead_ladders_open", ("handoff",)] == 1
    assert found["lead_dispatcher_late_seconds", ()] >= 100  # nobody rings here
    assert found["lead_devices", ("active",)] == 3
    assert found["lead_operations_total", ("", "accepted")] == 2
    assert found["lead_operations_total", ("not_permitted", "refused")] == 1
    assert found["lead_refusals_total", ("not_signed_in",)] == 1
    assert found["lead_sync_seconds_count", ()] >= 2
    assert not [name for name in (told.referral_id, "cm1", "o1", officer.device_id) if re.search(rf"\b{name}\b", page)]


def test_it_is_ready_only_with_its_tables_and_its_keys(agency: Agency, tmp_path: Path) -> None:
    system = assemble(agency.url, tmp_path / "keys", clock=agency.clock)
    assert readiness(system) == {"database": "ok", "schema": "ok", "keys": "ok", "dispatcher": "ok"}
    officer = agency.device("o1")
    officer.send(officer.create(arrest()))
    agency.clock.go(seconds=61)
    assert readiness(system)["dispatcher"] == "late"
    key = tmp_path / "keys" / "storage.key"
    key.rename(tmp_path / "away")
    with agency.engine.begin() as db:
        db.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    assert (readiness(system)["keys"], readiness(system)["schema"]) == ("not readable", "not of this version")
    system.engine.dispose()


def test_what_is_due_is_forgotten_though_what_waits_cannot_be_judged(
    agency: Agency, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = assemble(agency.url, tmp_path / "keys", clock=agency.clock)
    agency.accounts.new_code("o1", Role.OFFICER)
    agency.clock.go(days=40)

    def busy(service: CaseService) -> int:
        raise Refused(ProblemCode.BUSY)

    monkeypatch.setattr(CaseService, "end_waiting", busy)
    assert system.keep_house().codes == 1
    system.engine.dispose()


async def _ask(app: Any, path: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://case") as client:
        return await client.get(path)


async def test_readyz_is_503_with_the_reason_and_every_answer_has_its_number(agency: Agency, tmp_path: Path) -> None:
    system = assemble(agency.url, tmp_path / "keys", clock=agency.clock)
    app = web(system)
    well = await _ask(app, "/readyz")
    assert (well.status_code, well.json()["checks"]["keys"]) == (200, "ok")
    (tmp_path / "keys" / "server.key").unlink()
    ill = await _ask(app, "/readyz")
    assert ill.status_code == 503
    assert "keys is not readable" in ill.json()["detail"]
    numbers = {well.headers["x-request-id"], ill.headers["x-request-id"]}
    assert len(numbers) == 2
    system.engine.dispose()


def test_keys_rotated_beside_a_running_system_count_at_once(agency: Agency) -> None:
    officer = agency.device("o1")
    beside = KeyFolder(agency.keys.folder)  # another process
    made = beside.rotate()
    assert agency.keys.look()
    assert not agency.keys.look()
    answer = officer.sync()
    assert answer.agency_key is not None
    assert answer.agency_key.key_id == made
    newer = AgencyPublicKey.from_bytes(answer.agency_key.public_key)
    told = arrest()
    operation = officer.operation(Op.CREATE, told.referral_id, Create(referral=told))
    assert officer.send(officer.seal(operation, agency=newer))[0].outcome is Outcome.ACCEPTED


def test_counts_of_several_processes_are_added_up(tmp_path: Path) -> None:
    script = (
        "from case_system.metrics import Metrics; from case_system.measures import Measures; m = Metrics(); m.refused('busy');"
        "print(m.page({}, Measures(numbers={}, by_word={}, accepted=(0,) * 13, accepted_s=0.0)).decode())"
    )
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    pages = [
        subprocess.run([sys.executable, "-c", script], env=environment, check=True, capture_output=True, text=True).stdout
        for _ in range(2)
    ]  # fmt: skip
    assert [figures(page)["lead_refusals_total", ("busy",)] for page in pages] == [1, 2]


# ------------------------------------------------------------------------------------------------ logs and stopping
def test_a_stop_ends_open_streams_within_seconds_and_is_no_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    db = str(tmp_path / "case.db")
    for words in (("init",), ("user", "add", "o1", "--role", "officer")):
        assert main(["--db", db, *words]) == 0
    capsys.readouterr()
    assert main(["--db", db, "enrol-code", "--role", "officer", "--user", "o1", "--json"]) == 0
    code = json.loads(capsys.readouterr().out)["code"]
    command = [sys.executable, "-m", "case_system.cli", "--db", db, "serve", "--port", "0", "--json"]
    environment = os.environ | {"CASE_SYSTEM_LOG": "text"}
    server = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=ROOT
    )
    try:
        assert server.stdout is not None
        address = json.loads(server.stdout.readline())["address"]
        system = HttpSystem(address)
        device = Device.enrol(system, code)
        system.client.close()
        token = {"Authorization": f"Bearer {device.enrolment.read_token}"}
        assert httpx.get(f"{address}/readyz", timeout=30).json()["status"] == "ok"
        with httpx.Client(timeout=30) as client, client.stream("GET", f"{address}/v1/stream", headers=token) as stream:
            lines = stream.iter_lines()
            assert next(lines).startswith("event:")
            server.send_signal(signal.SIGTERM)
            assert server.wait(timeout=20) == 0
        said = server.stderr.read() if server.stderr else ""
        assert "Traceback" not in said
    finally:
        server.kill()
        server.communicate()


def test_workers_that_start_slowly_are_given_the_time(agency: Agency, tmp_path: Path) -> None:
    """The supervisor replaces a worker that does not answer; five seconds are too few where importing takes longer."""
    seen: list[uvicorn.Config] = []

    class Supervisor:
        def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]) -> None:
            seen.append(config)
            self.sockets = sockets

        def run(self) -> None:
            for one in self.sockets:
                one.close()

    engines: list[Engine] = []

    def opened(url: str) -> Engine:
        engines.append(open_engine(url))
        return engines[-1]

    before = signal.getsignal(signal.SIGTERM)
    with (
        patch.dict(os.environ),
        patch("case_system.app.Multiprocess", Supervisor),
        patch("case_system.app.set_up"),
        patch("case_system.app.open_engine", opened),
    ):
        serve(
            agency.url, tmp_path / "keys", host="127.0.0.1", port=0, workers=2, said=lambda _: None, dispatching=False
        )
    signal.signal(signal.SIGTERM, before)
    assert seen[0].timeout_worker_healthcheck >= 30
    assert [pool.checkedin() for engine in engines if isinstance(pool := engine.pool, QueuePool)] == [0], "left open"
