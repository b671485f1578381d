"""T12: every release's files, and that a change to them or to their reading is seen."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from field_app.config import APP
from tests.faults.golden import checks
from tests.faults.golden.part import CASES, PART, RELEASES, run
from tests.golden import make
from tests.proof.part import require_clean


@pytest.mark.parametrize("number", range(CASES))
def test_the_files_of_a_release_are_read_as_they_were(number: int) -> None:
    require_clean(PART, run(number, 1))


def test_there_are_files_of_this_release() -> None:
    assert APP.partition("/")[2] in RELEASES


def test_golden_files_are_never_written_over() -> None:
    with pytest.raises(FileExistsError):
        make.make(RELEASES[-1])


def test_a_changed_byte_an_added_and_a_missing_file_are_seen(tmp_path: Path) -> None:
    golden = tmp_path / "golden"
    shutil.copytree(make.ROOT / RELEASES[-1], golden)
    assert checks.unchanged(golden, tmp_path) == []
    (golden / "backup.gz").write_bytes(b"other")
    (golden / "new").write_bytes(b"")
    (golden / "device" / "attempts").unlink()
    assert len(checks.unchanged(golden, tmp_path)) == 3


def test_a_record_that_reads_otherwise_is_seen(tmp_path: Path) -> None:
    golden = tmp_path / "golden"
    shutil.copytree(make.ROOT / RELEASES[-1], golden)
    told = checks.expected(golden)
    name = next(iter(told["referrals"]))
    told["referrals"][name]["title"] = "Somebody Else"
    told["central"][0]["handoff"] = "nowhere"
    (golden / "expected.json").write_text(json.dumps(told), encoding="utf-8")
    assert checks.device_opens(golden, tmp_path)
    assert checks.central_opens(golden, tmp_path)


def test_an_answer_that_lacks_something_is_seen(tmp_path: Path) -> None:
    golden = tmp_path / "golden"
    shutil.copytree(make.ROOT / RELEASES[-1], golden)
    first = sorted((golden / "wire").iterdir())[0]
    pair = json.loads(first.read_text(encoding="utf-8"))
    pair["answer"]["promised"] = "and no longer given"
    pair["answer"]["results"][0]["outcome"] = "refused"
    first.write_text(json.dumps(pair), encoding="utf-8")
    assert sorted(checks.requests_are_answered(golden, tmp_path)) == [
        "answer 1.promised is gone",
        "answer 1.results[0].outcome differs",
    ]
