"""Every bench runs, on very little, over a real case system in its own process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import delivering, desk_load, idling, keystrokes, linking, package, saving, sizes, unlocking
from benchmarks.__main__ import NAMES, main
from benchmarks.figures import Figure, Left
from benchmarks.ground import Office, office


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with office(tmp_path_factory.mktemp("office")) as system:
        yield system


def figures(found: Iterator[Figure] | Iterator[Figure | Left], bench: str) -> dict[str, Figure]:
    every = list(found)
    assert {one.bench for one in every} == {bench}
    return {one.what: one for one in every if isinstance(one, Figure)}


def test_save(running: Office, tmp_path: Path) -> None:
    found = figures(saving.run(running, tmp_path, n=5), "save")
    assert {"wall, p50", "wall, p99", "CPU beyond the bare steps, p50"} <= set(found)
    assert found["wall, p50"].against is not None
    counted = [figure for what, figure in found.items() if what.startswith("flushes")]
    assert all(3 <= figure.value <= 4 for figure in counted)


def test_size(running: Office, tmp_path: Path) -> None:
    found = figures(sizes.run(running, tmp_path, n=40, batches=(1, 3)), "size")
    assert found["envelope, p50 of 40"].holds
    sent = found["3 sent, 1 request(s), headers and all"]
    assert sent.against is not None
    assert sent.value > sent.against


def test_deliver(running: Office, tmp_path: Path) -> None:
    found = figures(delivering.run(running, tmp_path, n=4, runs=1), "deliver")
    assert found["4 waiting until filed, wall"].value > 0
    assert (tmp_path / "deliver" / "field.db").exists()


def test_link(running: Office, tmp_path: Path) -> None:
    (figure,) = figures(linking.run(running, tmp_path, n=1, rtt_s=0.1), "link").values()
    assert "1.00 requests" in figure.what
    assert figure.value >= 100


def test_unlock(running: Office, tmp_path: Path) -> None:
    found = figures(unlocking.run(running, tmp_path, sizes=(6,), runs=1), "unlock")
    assert any("6 referrals (14 rows)" in what and what.endswith("6 shown") for what in found)


def test_idle(running: Office, tmp_path: Path) -> None:
    found = figures(idling.run(running, tmp_path, seconds=0.1, settle=0.0), "idle")
    assert found["requests in 0 s"].at_most == 0


def test_devices_push_while_pages_watch_and_nothing_fails(postgres_url: str, tmp_path: Path) -> None:
    load = desk_load.measured(postgres_url, tmp_path, devices=4, desks=3, rounds=2, beat_s=0.2)
    assert load.errors == []
    assert (len(load.syncs), len(load.at_once)) == (8, 4)
    assert load.looks > 0
    assert load.boards


def test_what_needs_no_case_system_and_the_results_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(list(keystrokes.run(n=2))) == 3
    (size,) = package.run()
    assert size.holds
    monkeypatch.chdir(tmp_path)
    assert main(["package", "--out", str(tmp_path / "results")]) == 0
    assert "| package |" in capsys.readouterr().out
    assert len(list((tmp_path / "results").iterdir())) == 1
    assert set(NAMES) == {
        "save", "size", "deliver", "link", "unlock", "idle", "package", "suggest", "arrive", "desk_load",
    }  # fmt: skip
