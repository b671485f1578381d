"""T2 in continuous integration, and that it sees: the control run, the model of the disk, the lots."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from tests.faults.disk.log import Close, MakeFolder, Open, Rename, Step, Sync, Write
from tests.faults.disk.needs import need_compiler
from tests.faults.powercut.cut import Cut
from tests.faults.powercut.disk import Disk
from tests.faults.powercut.part import PART, run
from tests.faults.powercut.workload import CARELESS
from tests.proof.part import in_ci, require_clean

ROOT = PurePosixPath("/disk")


@pytest.fixture(autouse=True)
def compiler() -> None:
    need_compiler()


@pytest.mark.parametrize(("first", "count"), in_ci(PART, 4))
def test_no_power_cut_breaks_a_promise(first: int, count: int) -> None:
    require_clean(PART, run(first, count))


def test_a_device_that_does_not_wait_for_its_disk_is_found() -> None:
    """The control run: SQLite at synchronous=NORMAL, which loses what it has committed; the device says so, because the files are there."""
    tally = run(0, 400, CARELESS)
    assert any("happened to the records: operations_returned" in violation.sentence for violation in tally.violations)


def after(*steps: Step) -> Disk:
    disk = Disk(ROOT)
    for step in steps:
        disk.do(step)
    return disk


def left(disk: Disk, way: int, seed: str = "") -> dict[str, bytes | None]:
    return Cut(way=way, seed=seed).files(disk.top)


WRITTEN = (Open(3, ROOT / "a", 0o101), Write(3, 0, b"new"))
NAMED = (Open(4, ROOT, 0), Sync(4), Close(4))


def test_bytes_are_sure_after_a_sync_of_the_file_and_names_after_one_of_the_folder() -> None:
    assert left(after(*WRITTEN), 0) == {}
    assert left(after(*WRITTEN, Sync(3)), 0) == {}
    assert left(after(*WRITTEN, *NAMED), 0) == {"a": b""}
    assert left(after(*WRITTEN, Sync(3), *NAMED), 0) == {"a": b"new"}
    assert left(after(*WRITTEN), 1) == {"a": b"new"}


def test_a_new_folder_goes_with_what_is_in_it() -> None:
    inside = (MakeFolder(ROOT / "f"), Open(3, ROOT / "f" / "a", 0o101), Sync(3), Open(4, ROOT / "f", 0), Sync(4))
    assert left(after(*inside), 0) == {}
    assert left(after(*inside, *NAMED), 0) == {"f": None, "f/a": b""}


def test_a_rename_leaves_the_old_content_or_the_new() -> None:
    first = (*WRITTEN, Sync(3), Close(3), *NAMED)
    second = (Open(5, ROOT / "b", 0o101), Write(5, 0, b"newer"), Sync(5), Rename(ROOT / "b", ROOT / "a"))
    found = {left(after(*first, *second), way, str(way)).get("a") for way in range(30)}
    assert found == {b"new", b"newer"}


def test_lots_leave_sectors_lost_kept_and_garbage() -> None:
    old, new = b"o" * 8192, b"n" * 8192
    before = (Open(3, ROOT / "a", 0o101), Write(3, 0, old), Sync(3), *NAMED)
    disk = after(*before, Write(3, 0, new))
    sectors: set[bytes] = set()
    for way in range(4, 60):
        content = left(disk, way, str(way))["a"]
        assert content is not None
        sectors |= {content[n : n + 512] for n in range(0, 8192, 512)}
    assert {b"o" * 512, b"n" * 512} < sectors


def test_garbage_spares_the_neighbours_in_its_sector() -> None:
    before = (Open(3, ROOT / "a", 0o101), Write(3, 0, b"o" * 512), Sync(3), *NAMED)
    disk = after(*before, Write(3, 100, b"n" * 10))
    for way in range(4, 200):
        content = left(disk, way, str(way))["a"]
        assert content is not None
        assert content[:100] + content[110:] == b"o" * 502
