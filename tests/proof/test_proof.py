"""The programme itself: cut into stretches, resumed, told, and honest about what was not shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.proof import __main__ as command
from tests.proof import results
from tests.proof.example import PART
from tests.proof.part import Tally, Violation, in_ci, require_clean, stretches
from tests.proof.parts import everything, load
from tests.proof.report import Finding, document
from tests.proof.results import Results, Stretch, digest, total
from tests.proof.running import Progress, run_part

MODULE = "tests.proof.example"


def run(results: Results, *, cases: int = 20, seconds: float = 60.0) -> tuple[Tally, list[Progress]]:
    told: list[Progress] = []
    tally = run_part(PART, MODULE, results, cases=cases, workers=2, seconds=seconds, told=told.append)
    return tally, told


def test_stretches_cover_all_cases_once() -> None:
    assert stretches(12, 5) == [(0, 5), (5, 5), (10, 2)]
    assert stretches(2, 5, first=7) == [(7, 2)]
    assert in_ci(PART, 3) == [(0, 2), (2, 2)]


def test_a_run_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    results = Results("T0", MODULE, tmp_path, tmp_path / "kept")
    nothing, _ = run(results, seconds=0.0)
    assert nothing.cases == 0
    run(results, cases=10)
    with results.path.open("a") as file:
        file.write('{"first": 10, "cou')  # a kill while the line was written
    tally, told = run(results)
    assert tally.cases == 20
    assert tally.counts == {"even": 10}
    assert [violation.case for violation in tally.violations] == [7]
    assert told[-1].here == 10, "what was finished before is not run again"
    assert told[-1].done == 20
    assert "20 of 20 numbers" in told[-1].line()
    again, told = run(results)
    assert (again, told) == (tally, [])


def test_what_was_published_is_gone_on_with_elsewhere(tmp_path: Path) -> None:
    here = Results("T0", MODULE, tmp_path / "here", tmp_path / "kept")
    run(here, cases=10)
    stale = here.kept.parent / "T0-0123456789ab.jsonl"
    stale.parent.mkdir()
    stale.write_text("of older code\n")
    here.publish(here.all())
    assert not stale.exists(), "one state of the code is kept"
    elsewhere = Results("T0", MODULE, tmp_path / "elsewhere", tmp_path / "kept")
    tally, told = run(elsewhere)
    assert tally.cases == 20
    assert told[-1].here == 10
    assert len(elsewhere.path.read_text().splitlines()) < len(elsewhere.all())


def test_results_speak_of_one_state_of_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert digest(MODULE) == digest(MODULE)
    assert digest("tests.support.example") != digest(MODULE)
    monkeypatch.setattr(results, "ROOT", tmp_path)
    (tmp_path / "tests/here").mkdir(parents=True)
    before = digest("tests.here.part")
    (tmp_path / "tests/here/test_here.py").write_text("# calls the part\n")
    assert digest("tests.here.part") == before
    (tmp_path / "tests/here/part.py").write_text("# is the part\n")
    assert digest("tests.here.part") != before


def test_the_document_says_what_was_not_shown() -> None:
    done = Stretch(first=0, count=5, tally=PART.run(0, 5), seconds=61.0, commit="abc1234")
    later = Stretch(first=5, count=5, tally=PART.run(5, 5), seconds=1.0, commit="abc1234")
    half = Finding(part=PART, stretches=[done, later])
    assert half.unmet == ("10 of 20 numbers were run", "1 violations", "fewer than ten even numbers")
    scored = {"mutants": 10, "killed": 7, "types": 1, "survived": 1, "timeout": 1, "ignored": 2, "open": 0}
    text = document(
        "1.2.3", [half], {"modules": {"referral/x": scored}, "packages": {"referral": scored}}, "2026-02-03"
    )
    assert "| T0 | an example | 10 numbers | 20 | 1 | 1.0 min | abc1234 | **no** |" in text
    assert "- Cases 0 to 9." in text
    assert "- Case 7: seven is not allowed" in text
    assert "| referral/x | 10 | 7 | 1 | 1 | 1 | 0 | 2 | 90.0 % |" in text
    whole = [
        Stretch(first=f, count=c, tally=Tally(cases=c, counts={"even": 5}), seconds=1.0) for f, c in stretches(20, 5)
    ]
    assert Finding(part=PART, stretches=whole).unmet == ()
    assert total(whole).cases == 20


def test_a_violation_fails_with_the_command_that_replays_it() -> None:
    require_clean(PART, Tally(cases=1))
    with pytest.raises(AssertionError, match=r"python -m tests\.proof replay T0 7"):
        require_clean(PART, Tally(cases=1, violations=(Violation(case=7, sentence="seven"),)))


def test_every_part_is_found_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    for name, module in everything().items():
        part = load(module)
        assert part.name == name
        assert part.unit
        assert part.holds_when
    assert command.main(["replay", "T0", "7"]) == 2
    assert "There is no part T0" in capsys.readouterr().err
