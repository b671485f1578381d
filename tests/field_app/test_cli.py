"""`field-app`: documents, exit codes and one line on standard error. In this process, with a cheap vault; and a few in their own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from field_app import compose
from field_app.cli import build_parser, main
from field_app.vault.keys import StoreName
from field_app.vault.keystores import MemoryKeys
from tests.support.agency import STAFF, Agency
from tests.support.http_front import serve
from tests.support.repository import ROOT
from tests.support.station import ARREST, PIN, SOCIAL


@dataclass
class Answer:
    """What one command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Answer]


@pytest.fixture
def url(agency: Agency) -> Iterator[str]:
    """The case system over HTTP on loopback."""
    with serve(agency.service) as front:
        yield front.url


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command over one data folder, with a vault that costs little and keys in memory."""
    keys = MemoryKeys(StoreName.KEYRING)
    monkeypatch.setattr(compose, "desktop_keys", lambda folder: (keys,))
    monkeypatch.setattr(compose, "SCRYPT_N", 2)
    monkeypatch.setattr(compose, "SCRYPT_FLOOR", 2)
    monkeypatch.setenv("FIELD_APP_PIN", PIN)

    def command(*words: str, data: str = "device", stdin: str = "") -> Answer:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode("utf-8", "surrogateescape"))))
        code = main(["--data", str(tmp_path / data), *words])
        out, err = capsys.readouterr()
        return Answer(code, out, err)

    return command


def enrol(run: Run, agency: Agency, url: str, user: str = "o1", data: str = "device") -> Answer:
    role = next(role for name, role, _ in STAFF if name == user)
    return run("enrol", "--server", url, "--code", agency.accounts.new_code(user, role).code, "--json", data=data)


def lines(*wires: Any) -> str:
    return "".join((wire if isinstance(wire, str) else json.dumps(wire)) + "\n" for wire in wires)


def one_line(text: str) -> bool:
    return text.startswith("field-app: ") and text.count("\n") == 1


def test_the_whole_day(run: Run, agency: Agency, url: str, tmp_path: Path) -> None:
    enrolled = enrol(run, agency, url)
    assert (enrolled.code, enrolled.json["user"], enrolled.json["role"]) == (0, "o1", "officer")
    assert "pin" not in enrolled.json
    assert enrol(run, agency, url, "cm1", "desk").code == 0
    file = tmp_path / "in.jsonl"
    file.write_text(lines(ARREST | {"referral_id": "a-1"}, "", '{"bad', SOCIAL, ARREST | {"place": {"text": " "}}))
    answer = run("record", str(file), "--json")
    assert answer.code == 1
    assert one_line(answer.err)
    saved, malformed, second, refused = answer.json
    assert (saved["line"], saved["referral_id"], len(saved["op_id"])) == (1, "a-1", 32)
    assert (malformed["line"], malformed["error"]["code"]) == (3, "malformed")
    assert (second["line"], len(second["referral_id"])) == (4, 32)
    assert (refused["line"], refused["error"]["code"], refused["error"]["field"]) == (5, "invalid_value", "place.text")
    again = run("record", str(file), "--json").json
    assert again[0] == saved
    outbox = run("outbox", "--json").json
    assert {(row["operation"], row["state"], row["attempts"]) for row in outbox} == {("create", "waiting", 0)}
    assert set(outbox[0]) >= {"op_id", "referral_id", "operation", "state", "attempts", "age_s", "reason"}
    synced = run("sync", "--json")
    assert synced.code == 0
    assert synced.json == {
        "sent": 3,
        "stored": 0,
        "accepted": 3,
        "needs_attention": 0,
        "waiting": 0,
        "pulled": synced.json["pulled"],
    }
    listed = {row["referral_id"]: row for row in run("list", "--json").json}
    assert (listed["a-1"]["kind"], listed["a-1"]["state"], listed["a-1"]["delivery"]) == (
        "arrest_diversion",
        "offered",
        "accepted",
    )
    run("sync", data="desk")
    assert [offer["referral_id"] for offer in run("inbox", "--json", data="desk").json["offers"]] == ["a-1"]
    assert run("accept", "a-1", "--json", data="desk").json["referral_id"] == "a-1"
    run("sync", data="desk")
    run("sync")
    shown = run("show", "a-1", "--json").json
    assert (shown["state"], shown["case_manager"], shown["referral"]["person"]["name"]) == (
        "accepted",
        "CM1",
        "Ann Example",
    )
    assert "met" in shown["steps"]
    for words in (
        ("met", "a-1"),
        ("sao-call", "a-1", "--answer", "no_answer"),
        ("amend", "a-1", '{"incident_number": "26C01"}'),
    ):
        assert run(*words).code == 0, words
    assert run("withdraw", "a-1", "--json").json["error"]["code"] == "not_possible_now"
    assert run("sync", "--json").json["waiting"] == 0
    assert run("doctor").code == 0


def test_plain_answers_are_lines(run: Run, agency: Agency, url: str) -> None:
    enrol(run, agency, url)
    answer = run("record", "-", stdin=lines(ARREST | {"referral_id": "a-1"}, ARREST | {"shoe": 1}))
    assert answer.out.splitlines() == ["saved 1 a-1", "refused 2 unknown_field shoe: is not a field of this record"]
    assert run("outbox").out.split()[1:3] == ["create", "waiting"]
    assert run("list").out.split()[1:] == ["a-1", "arrest_diversion", "recorded", "waiting"]
    assert "sent 1, stored 0, accepted 1" in run("sync").out
    assert "waiting: 0" in run("status").out


def test_what_needs_no_pin(run: Run, agency: Agency, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    enrol(run, agency, url)
    run("record", "-", stdin=lines(ARREST))
    monkeypatch.setenv("FIELD_APP_PIN", "")
    for words in (("status",), ("outbox",), ("doctor",), ("sync",), ("pause",), ("resume",)):
        assert run(*words).code == 0, words
    status = run("status", "--json").json
    assert set(status) >= {
        "waiting",
        "stored",
        "accepted",
        "needs_attention",
        "oldest_unsent_s",
        "locked",
        "server",
        "last_sync",
    }
    assert (status["accepted"], status["locked"], status["server"]) == (1, False, url)
    answer = run("list")
    assert (answer.code, answer.err) == (2, "field-app: a PIN is needed: use --pin-file or FIELD_APP_PIN\n")


def test_a_pin_file_wins_over_the_environment(run: Run, agency: Agency, url: str, tmp_path: Path) -> None:
    enrol(run, agency, url)
    (tmp_path / "pin").write_text("999999\n")
    wrong = run("list", "--pin-file", str(tmp_path / "pin"), "--json")
    assert (wrong.code, wrong.json["error"]["code"]) == (1, "wrong_pin")
    assert one_line(wrong.err)
    (tmp_path / "pin").write_text(PIN + "\n")
    assert run("--pin-file", str(tmp_path / "pin"), "list").code == 0
    assert run("list", "--pin-file", str(tmp_path / "none")).code == 2


def test_the_app_makes_a_pin_and_says_it_once(
    run: Run, agency: Agency, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIELD_APP_PIN", "")
    answer = enrol(run, agency, url)
    assert len(answer.json["pin"]) == 6
    monkeypatch.setenv("FIELD_APP_PIN", answer.json["pin"])
    assert run("list").code == 0


def test_a_link_enrols(run: Run, agency: Agency, url: str) -> None:
    from urllib.parse import quote

    from referral.lifecycle import Role

    code = agency.accounts.new_code("o1", Role.OFFICER).code
    assert run("enrol", "--code", f"lead://enrol?server={quote(url, safe='')}&code={code}").code == 0
    assert run("enrol", "--code", code).code == 2


def test_what_is_refused_says_so(run: Run, agency: Agency, url: str) -> None:
    for words in (("status",), ("outbox",), ("sync",), ("list",), ("doctor",)):
        answer = run(*words, "--json")
        assert (answer.code, answer.json["error"]["code"]) == (1, "not_enrolled"), words
        assert one_line(answer.err)
    used = agency.accounts.new_code("o1", next(role for name, role, _ in STAFF if name == "o1")).code
    assert run("enrol", "--server", url, "--code", used, data="first").code == 0
    answer = run("enrol", "--server", url, "--code", used, "--json")
    assert (answer.code, answer.json["error"]["code"]) == (1, "code_not_valid")
    enrol(run, agency, url)
    assert enrol(run, agency, url).json["error"]["code"] == "already_enrolled"
    assert run("show", "nobody", "--json").json["error"]["code"] == "not_found"
    assert run("accept", "nobody", "--json").json["error"]["code"] == "not_permitted"


def test_an_unreachable_case_system(run: Run, agency: Agency) -> None:
    with serve(agency.service) as front:
        enrol(run, agency, front.url)
    run("record", "-", stdin=lines(ARREST))
    answer = run("sync", "--json")
    assert answer.code == 1
    assert (answer.json["sent"], answer.json["waiting"]) == (0, 1)
    assert one_line(answer.err)
    assert "no connection" in answer.err


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("nonsense",),
        ("record",),
        ("record", "/no/such/file"),
        ("place",),
        ("place", "x", "--lat", "1", "--lon", "2"),
        ("place", "--lat", "39.29"),
        ("place", "--lat", "999", "--lon", "2"),
        ("export", "xyz", "folder"),
        ("amend", "r", "[1]"),
        ("amend", "r", "{"),
        ("on-the-way", "r", "--eta", "soon"),
        ("intake", "r", "--on", "never"),
        ("sao-call", "r", "--answer", "maybe"),
    ],
)
def test_wrong_usage(run: Run, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code = run(*words).code
    except SystemExit as left:
        code = left.code  # type: ignore[assignment]
    assert code == 2


def test_places_without_a_data_folder(run: Run, tmp_path: Path) -> None:
    inside = run("place", "300 W Lexington St", "--json").json
    assert inside["zone"] == "inside"
    assert set(inside) >= {"zone", "edge_m", "lat", "lon", "text", "nearest", "matches"}
    assert run("place", "400 Baltimore St", "--json").json["zone"] == "unknown"
    assert run("place", "--lat", "39.35", "--lon", "-76.62", "--json").json["zone"] == "outside"
    assert run("place", "--lat", "39.2915", "--lon", "-76.6203").out.startswith("inside: ")
    assert not (tmp_path / "device").exists()


def test_checking_lines(run: Run, tmp_path: Path) -> None:
    facts = ARREST | {
        "exclusions": dict.fromkeys(
            ("open_warrant", "safety_threat", "under_supervision", "disqualifying_record", "open_case"), "no"
        )
    }
    bare = {"kind": "arrest", "offence_codes": ["43550"]}
    answer = run("check", "-", "--json", stdin=lines(facts, bare, {"kind": "arrest", "shoe": 1}, {"place": 1}, "["))
    assert answer.code == 1
    eligible, open_, unknown, no_kind, malformed = answer.json
    assert (eligible["line"], eligible["outlook"], eligible["pack"]) == (1, "presumptively_eligible", "baltimore/1")
    assert {reason["answer"] for reason in eligible["reasons"]} == {"pass"}
    assert set(eligible["reasons"][0]) >= {"rule", "answer", "text"}
    assert open_["outlook"] == "cannot_tell_yet"
    assert (unknown["error"]["code"], unknown["error"]["field"]) == ("unknown_field", "shoe")
    assert no_kind["error"]["field"] == "kind"
    assert malformed["error"]["code"] == "malformed"
    assert run("check", "-", stdin=lines(facts)).code == 0
    assert not (tmp_path / "device").exists()


def test_no_lines_are_an_empty_list(run: Run, agency: Agency, url: str) -> None:
    enrol(run, agency, url)
    answer = run("record", "-", "--json", stdin="\n\n")
    assert (answer.code, answer.json) == (0, [])


def test_bytes_that_are_no_text_are_refused_by_their_line(run: Run, agency: Agency, url: str) -> None:
    enrol(run, agency, url)
    text = (
        "\ufeff"
        + json.dumps(ARREST | {"referral_id": "a-1"})
        + "\n"
        + '{"kind": "\udcff"}\n'
        + "x" * 70_000
        + "\n"
        + json.dumps(SOCIAL)
    )
    answer = run("record", "-", "--json", stdin=text).json
    assert answer[0]["referral_id"] == "a-1"
    assert [entry["error"]["code"] for entry in answer[1:3]] == ["malformed", "too_large"]
    assert answer[3]["line"] == 4


def test_export_and_retry(run: Run, agency: Agency, url: str, tmp_path: Path) -> None:
    enrol(run, agency, url)
    (saved,) = run("record", "-", "--json", stdin=lines(ARREST)).json
    answer = run("export", saved["op_id"], str(tmp_path / "usb"), "--json")
    assert (
        Path(answer.json["path"]).read_bytes()
        == (tmp_path / "device" / "outbox" / f"{saved['op_id']}.env").read_bytes()
    )
    assert run("retry", saved["op_id"]).code == 0
    assert run("retry", "0" * 32, "--json").json["error"]["code"] == "not_possible_now"


def test_every_command_has_a_handler() -> None:
    from field_app import commands

    parser = build_parser()
    (subparsers,) = (
        action for action in parser._actions if hasattr(action, "choices") and isinstance(action.choices, dict)
    )
    handlers = {name: child.get_default("handler") for name, child in subparsers.choices.items()}  # type: ignore[union-attr]
    assert {
        "enrol",
        "record",
        "list",
        "show",
        "outbox",
        "sync",
        "status",
        "doctor",
        "run",
        "place",
        "check",
    } <= handlers.keys()
    assert [name for name, handler in handlers.items() if not callable(getattr(commands, handler, None))] == []


def test_nothing_here_loads_flet() -> None:
    code = "import sys; import field_app.actions, field_app.cli, field_app.commands, field_app.compose; print([m for m in sys.modules if m.split('.')[0] in ('flet', 'keyring')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_a_process_that_is_killed_keeps_what_it_said_was_saved(agency: Agency, url: str, tmp_path: Path) -> None:
    environment = os.environ | {"FIELD_APP_PIN": PIN, "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
    role = next(role for name, role, _ in STAFF if name == "o1")
    command = [sys.executable, "-m", "field_app.cli", "--data", str(tmp_path / "device")]

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *words], capture_output=True, text=True, cwd=ROOT, env=environment, check=False
        )

    enrolled = call("enrol", "--server", url, "--code", agency.accounts.new_code("o1", role).code)
    assert enrolled.returncode == 0, enrolled.stderr
    assert "a file" in enrolled.stderr  # the warning of a machine without a keyring
    process = subprocess.Popen(
        [*command, "record", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, env=environment
    )
    assert process.stdin is not None
    assert process.stdout is not None
    said = []
    for n in range(8):
        process.stdin.write((json.dumps(ARREST | {"referral_id": f"k-{n}"}) + "\n").encode())
        process.stdin.flush()
        said.append(process.stdout.readline().decode().split()[2])
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()
    kept = [row["referral_id"] for row in json.loads(call("list", "--json").stdout)]
    assert sorted(kept) == sorted(said)
    assert json.loads(call("sync", "--json").stdout)["accepted"] == 8


def test_the_doctor_looks_at_a_folder_that_does_not_open(run: Run, agency: Agency, url: str, tmp_path: Path) -> None:
    enrol(run, agency, url)
    for name in ("field.db", "binding"):
        (tmp_path / "device" / name).unlink()
    answer = run("doctor", "--json")
    assert answer.code == 1
    found = {finding["check"]: finding for finding in answer.json["findings"]}
    assert (found["device"]["health"], found["database"]["health"]) == ("broken", "broken")
    assert found["device"]["advice"]
    assert one_line(answer.err)
    assert one_line(run("status").err)


def test_what_happened_to_the_records_is_said(run: Run, agency: Agency, url: str, tmp_path: Path) -> None:
    enrol(run, agency, url)
    assert run("status", "--json").json["alarms"] == []
    (tmp_path / "device" / "field.db").write_bytes(b"\xa5" * 8192)
    (alarm,) = run("status", "--json").json["alarms"]
    assert alarm["kind"] == "database_rebuilt"
    assert "alarm: The file with this device's records was damaged: 0 entries" in run("status").out
    doctor = {finding["check"]: finding for finding in run("doctor", "--json").json["findings"]}
    assert (doctor["incidents"]["health"], doctor["copies"]["health"]) == ("warning", "warning")
