"""Programme packs: what is taken, what is refused and with which code, what is shown before it is in force, and going back."""

from __future__ import annotations

import io
import json
import random
import stat
import zipfile
from collections.abc import Mapping

import pytest

from case_system.office.building import Office
from case_system.office.comparison import compare
from case_system.office.upload import FILE_LIMIT, UPLOAD_LIMIT, PackCode, PackRefused, unpack
from referral.model import UserId
from referral.problems import ProblemCode
from referral.programme import PACK_FILES, load
from tests.case_system.office.test_people import ADM, SUP, refused, trail
from tests.support.agency import Agency
from tests.support.packs import baltimore, baltimore_files


def zipped(files: Mapping[str, bytes], folder: str = "pack/", compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(f"{folder}{name}", content)
    return out.getvalue()


def edition(version: str, **values: object) -> dict[str, bytes]:
    """Baltimore's pack with another version and other values, by JSON pointer with dots."""
    files = dict(baltimore_files())
    root = json.loads(files["programme.json"])
    root["version"] = version
    for path, value in values.items():
        *where, last = path.split("__")
        node = root
        for step in where:
            node = node[step]
        node[last] = value
    return files | {"programme.json": json.dumps(root).encode()}


def code_of(data: bytes) -> PackCode:
    with pytest.raises(PackRefused) as caught:
        unpack(data)
    return caught.value.code


@pytest.mark.parametrize("folder", ["", "baltimore/"])
def test_a_zip_of_the_folder_or_of_its_files_is_opened(folder: str) -> None:
    more = baltimore_files() | {"README.txt": b"not a part of it"}
    assert unpack(zipped(more, folder)) == baltimore_files()


def link() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        entry = zipfile.ZipInfo("programme.json")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")
    return out.getvalue()


def twice() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for folder in ("a/", "b/"):
            archive.writestr(f"{folder}programme.json", b"{}")
    return out.getvalue()


def locked() -> bytes:
    data = bytearray(zipped(baltimore_files(), "", zipfile.ZIP_STORED))
    at = data.find(b"PK\x01\x02")
    while at >= 0:
        data[at + 8] |= 1  # the central directory says: encrypted
        at = data.find(b"PK\x01\x02", at + 4)
    return bytes(data)


BOMB = baltimore_files() | {"blocks.csv": b"0" * (FILE_LIMIT * 20)}


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", PackCode.NO_FILE),
        (b"hello", PackCode.NOT_A_ZIP),
        (b"PK\x03\x04 cut off", PackCode.DAMAGED),
        (b"\0" * (UPLOAD_LIMIT + 1), PackCode.TOO_LARGE),
        (zipped(BOMB), PackCode.TOO_LARGE),
        (zipped(baltimore_files() | {f"x{n}": b"" for n in range(64)}), PackCode.TOO_LARGE),
        (zipped(baltimore_files(), "../"), PackCode.UNSAFE_PATH),
        (zipped(baltimore_files(), "/etc/"), PackCode.UNSAFE_PATH),
        (zipped(baltimore_files(), "C:/"), PackCode.UNSAFE_PATH),
        (zipped(baltimore_files(), "..\\"), PackCode.UNSAFE_PATH),
        (zipped({"x/../../y": b""}), PackCode.UNSAFE_PATH),
        (link(), PackCode.UNSAFE_PATH),
        (twice(), PackCode.TWICE),
        (locked(), PackCode.LOCKED),
        (zipped({"programme.json": b"{}"}), PackCode.FILES_MISSING),
        (zipped(baltimore_files(), "deep/er/"), PackCode.FILES_MISSING),
    ],
)
def test_what_no_pack_can_be_is_refused_with_its_code(data: bytes, code: PackCode) -> None:
    assert code_of(data) is code


def test_no_damage_of_a_zip_is_more_than_a_refusal() -> None:
    whole, dice = zipped(baltimore_files()), random.Random(8)
    for _ in range(600):
        harmed = bytearray(whole)
        for _ in range(dice.randint(1, 4)):
            harmed[dice.choice([dice.randrange(len(harmed)), -1 - dice.randrange(600)])] = dice.randrange(256)
        cut = bytes(harmed[: dice.choice([len(harmed), dice.randrange(len(harmed))])])
        try:
            files = unpack(cut)
        except PackRefused:
            continue
        assert set(files) == set(PACK_FILES)


def test_faults_of_a_pack_are_all_told_in_sentences(office: Office) -> None:
    bad = edition("2", caps__caseload_hard=-1, timers__intake_days="soon")
    with pytest.raises(PackRefused) as caught:
        office.pack.take(ADM, zipped(bad))
    assert caught.value.code is PackCode.FAULTS
    assert any("/caps/caseload_hard" in line for line in caught.value.lines)
    assert any("/timers/intake_days" in line for line in caught.value.lines)
    assert len(office.pack.listed(ADM)[0]) == 1


def test_a_pack_is_kept_looked_at_put_in_force_and_taken_back(office: Office, agency: Agency) -> None:
    before = baltimore().digest
    new = edition("2", caps__caseload_hard=20, caps__caseload_soft=15)
    digest = office.pack.take(ADM, zipped(new))
    assert office.pack.take(ADM, zipped(new)) == digest  # once more is no harm
    assert office.caseloads.board(SUP).cap == 28  # nothing changed yet
    shown = office.pack.preview(ADM, digest)
    assert {c.where: (c.before, c.after) for c in shown.changes.values} == {
        "/caps/caseload_hard": ("28", "20"), "/caps/caseload_soft": ("25", "15"),
    }  # fmt: skip
    office.pack.put_in_force(ADM, digest, before)
    assert office.caseloads.board(SUP).cap == 20
    with pytest.raises(PackRefused, match="pack_in_force"):  # the page was older than the change
        office.pack.put_in_force(ADM, digest, before)
    office.pack.put_in_force(ADM, before, digest)
    assert office.caseloads.board(SUP).cap == 28
    assert [(e.stamp, e.in_force, e.by) for e in sorted(office.pack.listed(ADM)[0], key=lambda e: e.stamp)] == [
        ("baltimore/1", True, "adm"), ("baltimore/2", False, "adm"),
    ]  # fmt: skip
    assert trail(agency, "pack_keep") == [("adm", digest, "done")]
    assert trail(agency, "pack")[-2:] == [("adm", digest, "done"), ("adm", before, "done")]


def test_one_version_is_one_content_and_only_an_administrator_changes_it(office: Office) -> None:
    with pytest.raises(PackRefused, match="pack_same_version"):
        office.pack.take(ADM, zipped(edition("1", caps__caseload_soft=20)))
    assert refused(lambda: office.pack.take(SUP, zipped(baltimore_files()))) == ProblemCode.NOT_PERMITTED
    assert refused(lambda: office.pack.put_in_force(SUP, "0" * 64, baltimore().digest)) == ProblemCode.NOT_PERMITTED
    assert refused(lambda: office.pack.listed(UserId("cm1"))) == ProblemCode.NOT_PERMITTED
    with pytest.raises(PackRefused, match="pack_unknown"):
        office.pack.preview(SUP, "0" * 64)
    with pytest.raises(PackRefused, match="pack_unknown"):
        office.pack.put_in_force(ADM, "0" * 64, baltimore().digest)


def test_a_comparison_counts_rows_and_names_what_is_unsettled_or_made_up() -> None:
    files = edition("2", contacts__lead_desk__phone="410-555-0199", id="elsewhere")
    rows = files["blocks.csv"].decode().splitlines()
    files["blocks.csv"] = "\n".join(rows[:-2]).encode()
    found = compare(baltimore(), load(files))
    blocks = next(c for c in found.counts if c.what == "blocks")
    assert (blocks.before - blocks.after, blocks.added, blocks.removed, blocks.changed) == (2, 0, 2, 0)
    assert ("/contacts/lead_desk/phone", "410-555-0103", "410-555-0199") in {(c.where, c.before, c.after) for c in found.values}  # fmt: skip
    assert found.other_programme
    assert not found.zone
    assert "/rules/quantity_limit_grams" in found.unverified
    assert "lead_desk" in found.synthetic
