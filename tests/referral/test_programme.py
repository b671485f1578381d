"""The pack: whole and right as shipped, rebuilt from its sources, and refused with the file, row and field when it is not."""

from __future__ import annotations

import csv
import importlib.util
import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from referral.model import Kind, Referral, ReferralId, Whereabouts, Willing, Zone
from referral.programme import PACK_FILES, PackError, Ruling, Text, load
from tests.support.packs import BALTIMORE, ROOT, baltimore, baltimore_files

SOURCES = ROOT / "tools" / "pack_sources"


def source(name: str) -> list[dict[str, str]]:
    with (SOURCES / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def changed(**edits: Any) -> dict[str, bytes]:
    """The pack with values of programme.json replaced; a key is a path with __ between its parts."""
    files = baltimore_files()
    root = json.loads(files["programme.json"])
    for path, value in edits.items():
        *parents, last = path.split("__")
        node = root
        for key in parents:
            node = node[key]
        if value is None:
            del node[last]
        else:
            node[last] = value
    return files | {"programme.json": json.dumps(root).encode()}


def faults(files: dict[str, bytes]) -> list[tuple[str, int, str]]:
    with pytest.raises(PackError) as caught:
        load(files)
    assert str(caught.value)
    return [(fault.file, fault.row, fault.field) for fault in caught.value.faults]


def test_holds_every_block_corner_offence_and_zone_corner_of_its_sources() -> None:
    pack = baltimore()
    assert (len(pack.blocks), len(pack.corners), len(pack.offences), len(pack.zone.ring)) == (400, 352, 142, 60)
    for block, row in zip(pack.blocks, source("zone_blocks.csv"), strict=True):
        assert (block.text, block.low, block.high, block.lat, block.lon, block.zone) == (
            row["block_text"],
            int(row["addr_low"]),
            int(row["addr_high"]),
            float(row["lat"]),
            float(row["lon"]),
            row["zone"],
        )
    for corner, row in zip(pack.corners, source("zone_intersections.csv"), strict=True):
        assert (corner.street_a, corner.street_b, corner.lat, corner.lon, corner.zone) == (
            row["street_a"],
            row["street_b"],
            float(row["lat"]),
            float(row["lon"]),
            row["zone"],
        )
    for row in source("offences.csv"):
        offence = pack.offences[row["code"]]
        assert (offence.description, offence.category.code, offence.divertible, offence.settled) == (
            row["description"],
            row["category"],
            row["divertible"],
            row["ruling_basis"] == "source",
        )
        assert (offence.note is None) == (row["note"] == "")
    assert Counter(offence.divertible for offence in pack.offences.values()) == {"yes": 5, "review": 61, "no": 76}


def test_every_offence_of_the_pack_can_be_recorded() -> None:
    for code in baltimore().offences:
        referral = Referral(
            referral_id=ReferralId("r1"),
            kind=Kind.ARREST,
            willing=Willing.YES,
            whereabouts=Whereabouts.BOOKED,
            offence_codes=(code,),
        )
        assert referral.offence_codes == (code,)


def test_is_what_its_sources_make_and_small_enough_for_a_phone() -> None:
    spec = importlib.util.spec_from_file_location("build_pack", ROOT / "tools" / "build_pack.py")
    assert spec is not None
    assert spec.loader is not None
    builder = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(builder)
    assert builder.build() == {name: content.replace(b"\r\n", b"\n") for name, content in baltimore_files().items()}
    assert builder.main(["--check"]) == 0
    assert sorted(path.name for path in BALTIMORE.iterdir()) == sorted(PACK_FILES)
    assert sum(map(len, baltimore_files().values())) < 250_000


def test_the_values_that_others_build_on() -> None:
    pack = baltimore()
    assert pack.stamp == "baltimore/1"
    assert pack.languages == ("en", "es")
    assert (pack.timers.duty_pair_rings_minutes, pack.timers.on_call_list_rings_minutes) == (0, 3)
    assert pack.timers.supervisor_rings_minutes == 6
    assert pack.timers.sao_reviewer_rings_minutes == (0, 5, 10)
    assert (pack.timers.shrink_hours, pack.timers.reoffer_days) == (24, 90)
    assert (pack.caps.caseload_hard, pack.caps.caseload_soft) == (28, 25)
    assert pack.rules.look_back_months == 24
    assert pack.destinations[0].code == "central_district"
    assert pack.zone.boundary_m == 30
    overdose = pack.choice("reason", "overdose_response")
    assert overdose is not None
    assert overdose.text.in_("es") == "Después de una sobredosis"
    assert pack.choice("reason", "no_such_code") is None
    assert pack.choice("no_such_list", "x") is None


def test_every_number_to_call_is_made_up_and_says_so() -> None:
    for contact in baltimore().contacts.values():
        assert contact.phone.startswith("410-555-01")
        assert contact.synthetic
        assert baltimore().is_unverified(f"/contacts/{contact.id}/phone")


def test_says_what_the_sources_do_not_settle() -> None:
    pack = baltimore()
    for pointer in (
        "/timers/intake_days",
        "/rules/quantity_limit_grams",
        "/caps/caseload_hard",
        "/partners",
        "/hours/open",
    ):
        assert pack.is_unverified(pointer)
    for pointer in ("/name", "/zone/bounds", "/landmarks", "/timers_of_another_kind", "", "/"):
        assert not pack.is_unverified(pointer)


def texts(value: Any) -> list[Text]:
    if isinstance(value, Text):
        return [value]
    if isinstance(value, str | int | float | None):
        return []
    if hasattr(value, "values"):
        value = list(value.values())
    if isinstance(value, list | tuple | frozenset):
        return [text for item in value for text in texts(item)]
    return [text for name in getattr(value, "__dataclass_fields__", {}) for text in texts(getattr(value, name))]


def test_every_text_is_there_in_both_languages_and_plain() -> None:
    found = texts(baltimore())
    assert len(found) > 300
    for text in found:
        assert text.en.strip() == text.en != ""
        assert text.es.strip() == text.es != ""
        for sentence in text.en.replace("?", ".").split(". "):
            assert len(sentence.split()) <= 20, text.en
    assert Text("yes", "sí").in_("es-MX") == "sí"
    assert Text("yes", "sí").in_("fr") == "yes"


def test_the_picker_begins_with_what_lead_may_divert() -> None:
    first = list(baltimore().offences.values())[:5]
    assert [offence.divertible for offence in first] == [Ruling.YES] * 5
    assert first[0].code == "4 3550"


def test_two_loads_of_the_same_files_are_equal_and_line_ends_do_not_count() -> None:
    files = baltimore_files()
    windows = {name: content.replace(b"\n", b"\r\n") for name, content in files.items()}
    assert load(windows) == load(files)
    assert len({load(windows), load(files)}) == 1
    assert load(changed(version="2")) != load(files)
    assert load(files) != "baltimore"


def test_an_older_reader_leaves_new_keys_and_columns_alone() -> None:
    files = changed(new_key={"a": 1})
    files["blocks.csv"] = b"\n".join(
        line + (b",more" if i else b",extra") for i, line in enumerate(files["blocks.csv"].splitlines())
    )
    assert len(load(files).blocks) == 400


def table_with(files: dict[str, bytes], name: str, row: int, column: str, value: str) -> dict[str, bytes]:
    lines = list(csv.DictReader(files[name].decode().splitlines()))
    lines[row - 1][column] = value
    text = [",".join(lines[0])]
    text += [",".join('"' + cell.replace('"', '""') + '"' for cell in line.values()) for line in lines]
    return files | {name: "\n".join(text).encode()}


@pytest.mark.parametrize(
    ("name", "column", "value"),
    [
        ("blocks.csv", "block", "150"),
        ("blocks.csv", "block", "x"),
        ("blocks.csv", "low", "99999"),
        ("blocks.csv", "high", "-1"),
        ("blocks.csv", "lat", "nan"),
        ("blocks.csv", "lat", "91"),
        ("blocks.csv", "lon", "east"),
        ("blocks.csv", "zone", "unknown"),
        ("blocks.csv", "street", " "),
        ("corners.csv", "zone", "in"),
        ("corners.csv", "kind", "road"),
        ("corners.csv", "lat", ""),
        ("offences.csv", "code", "43550"),
        ("offences.csv", "category", "theft"),
        ("offences.csv", "divertible", "maybe"),
        ("offences.csv", "basis", "guess"),
        ("offences.csv", "note", "no_such_note"),
        ("offences.csv", "count", "-4"),
        ("offences.csv", "last_seen", "2018"),
    ],
)
def test_a_bad_cell_is_refused_with_its_file_row_and_column(name: str, column: str, value: str) -> None:
    found = faults(table_with(baltimore_files(), name, 7, column, value))
    where = "high" if (column, value) == ("low", "99999") else column
    assert (name, 7, where) in found


def test_rows_listed_twice_are_refused() -> None:
    files = baltimore_files()
    for name in ("blocks.csv", "corners.csv", "offences.csv"):
        last = files[name].splitlines()[-1]
        rows = len(files[name].splitlines())
        assert faults(files | {name: files[name] + last + b"\n"})[0][:2] == (name, rows)


@pytest.mark.parametrize(
    ("edits", "pointer"),
    [
        ({"format": 2}, "/format"),
        ({"id": "Baltimore City"}, "/id"),
        ({"version": None}, "/version"),
        ({"languages": ["en"]}, "/languages"),
        ({"name": {"en": "LEAD"}}, "/name/es"),
        ({"agency__banner__es": "  "}, "/agency/banner/es"),
        ({"zone__boundary_m": -1}, "/zone/boundary_m"),
        ({"rules__minimum_age_years": 16}, "/rules/minimum_age_years"),
        ({"rules__exclusions": ["open_warrant", "hair_colour"]}, "/rules/exclusions"),
        ({"rules__look_back_needs_date": ["dream"]}, "/rules/look_back_needs_date"),
        ({"rules__quantity_limit_grams": None}, "/rules/quantity_limit_grams"),
        ({"rules__sao_no_answer": "guess"}, "/rules/sao_no_answer"),
        ({"rules__all_partners_vote": "yes"}, "/rules/all_partners_vote"),
        ({"timers__intake_days": True}, "/timers/intake_days"),
        ({"timers__intake_days": 20}, "/timers/intake_warning_days"),
        ({"timers__supervisor_rings_minutes": 2}, "/timers"),
        ({"timers__sao_reviewer_rings_minutes": [0, 5, 5]}, "/timers/sao_reviewer_rings_minutes"),
        ({"timers__idle_lock_minutes": 31}, "/timers/idle_lock_minutes"),
        ({"caps__caseload_soft": 29}, "/caps/caseload_soft"),
        ({"hours__digest_at": "25:00"}, "/hours/digest_at"),
        ({"hours__open": [{"days": ["noday"], "from": "09:00", "to": "17:00"}]}, "/hours/open/0/days"),
        ({"hours__open": [{"days": ["mon"], "from": "17:00", "to": "09:00"}]}, "/hours/open/0"),
        ({"contacts__juvenile": None}, "/contacts/juvenile"),
        ({"contacts__juvenile__phone": "call me"}, "/contacts/juvenile/phone"),
        ({"choices__reason": []}, "/choices/reason"),
        ({"choices__reason": None}, "/choices/reason"),
        (
            {"choices__not_completed_reason": [{"code": "left", "text": {"en": "a", "es": "b"}}]},
            "/choices/not_completed_reason",
        ),
        ({"choices__reason": [{"code": "Bad Code", "text": {"en": "a", "es": "b"}}]}, "/choices/reason/0/code"),
        ({"addresses__needs_direction": ["W Lexington"]}, "/addresses/needs_direction/0"),
        ({"landmarks": [{"text": "X", "names": [], "block": {"street": "No St", "block": 100}}]}, "/landmarks/0/block"),
        ({"unverified": ["/no/such/thing"]}, "/unverified/0"),
        ({"provenance": []}, "/provenance"),
    ],
)
def test_a_bad_value_is_refused_with_its_pointer(edits: dict[str, Any], pointer: str) -> None:
    assert ("programme.json", 0, pointer) in faults(changed(**edits))


@pytest.mark.parametrize(
    "geometry",
    [
        {"type": "Point", "coordinates": [-76.6, 39.3]},
        {"type": "Polygon", "coordinates": [[[-76.6, 39.3], [-76.5, 39.3], [-76.6, 39.3]]]},
        {"type": "Polygon", "coordinates": [[[-76.6, 39.3], [-76.5, 95], [-76.4, 39.2], [-76.6, 39.3]]]},
        {"type": "Polygon", "coordinates": [[[-76.6, 39.3], ["a", "b"], [-76.4, 39.2]]]},
        {"type": "FeatureCollection", "features": []},
        {},
    ],
)
def test_a_bad_zone_is_refused(geometry: dict[str, Any]) -> None:
    assert ("zone.geojson", 0, "coordinates") in faults(
        baltimore_files() | {"zone.geojson": json.dumps(geometry).encode()}
    )


def test_missing_and_broken_files_are_refused_by_name() -> None:
    files = baltimore_files()
    assert faults({}) == [(name, 0, "file") for name in PACK_FILES]
    assert faults(files | {"corners.csv": b"\xff\xfe"}) == [("corners.csv", 0, "file")]
    assert faults(files | {"programme.json": b'{"format":\n1,'})[0] == ("programme.json", 2, "file")
    assert faults(files | {"programme.json": b"[]"})[0] == ("programme.json", 0, "file")
    assert faults(files | {"programme.json": b'{"format": NaN}'})[0] == ("programme.json", 0, "file")
    assert ("blocks.csv", 0, "street, block, low, high, lat, lon, zone") in faults(files | {"blocks.csv": b""})
    assert ("offences.csv", 3, "row") in faults(
        files | {"offences.csv": b"\n".join([*files["offences.csv"].splitlines()[:3], b"4 0000,short"])}
    )


def test_all_faults_are_found_at_once() -> None:
    files = table_with(changed(id="X", caps__caseload_hard=0), "blocks.csv", 2, "zone", "in")
    found = faults(files)
    assert len(found) >= 3
    assert {file for file, _, _ in found} == {"programme.json", "blocks.csv"}


def test_boundary_zone_labels_agree_with_the_line() -> None:
    """A corner's label and the polygon may differ only where rounding moves a point across the 30 m."""
    from referral.zone import judge

    pack = baltimore()
    for corner in pack.corners:
        verdict = judge(corner.lat, corner.lon, pack.zone)
        assert verdict.zone is corner.zone or abs(verdict.edge_m - 30) < 1
    assert {block.zone for block in pack.blocks} == {Zone.INSIDE, Zone.BOUNDARY, Zone.OUTSIDE}


def test_the_sources_say_where_they_come_from() -> None:
    readme = (SOURCES / "README.md").read_text("utf-8")
    for path in SOURCES.iterdir():
        assert path.name == "README.md" or f"`{path.name}`" in readme
    assert {name for entry in baltimore().provenance for name in entry.files} == set(PACK_FILES)


def test_today_is_the_programmes_day_not_greenwichs() -> None:
    """At 21:30 in Baltimore it is already tomorrow in UTC: someone who turns 18 tomorrow is still 17."""
    evening = datetime(2026, 7, 2, 1, 30, tzinfo=UTC)
    assert baltimore().day(evening) == date(2026, 7, 1)
    assert baltimore().day(evening + timedelta(hours=3)) == date(2026, 7, 2)
