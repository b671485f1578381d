"""Every fault of a pack in its words, which whoever writes one reads; and the last values that are still taken."""

from __future__ import annotations

import json
from typing import Any

import pytest

from referral.programme import PACK_FILES, PackError, PackFault, load
from tests.referral.test_programme import changed, table_with
from tests.support.packs import baltimore, baltimore_files

NOT_ONE = "coordinates: is not one polygon without holes"
NO_PAIRS = "coordinates: is not a GeoJSON polygon of [longitude, latitude] pairs"
TOO_FEW = "coordinates: does not have three or more corners, each once"
OFF = "coordinates: has a corner that is not on the map"


def found(files: dict[str, bytes]) -> tuple[PackFault, ...]:
    with pytest.raises(PackError) as told:
        load(files)
    return told.value.faults


def words(files: dict[str, bytes]) -> list[str]:
    return [f"{fault.field}: {fault.message}" for fault in found(files)]


@pytest.mark.parametrize(
    ("name", "column", "value", "faults"),
    [
        ("blocks.csv", "block", "150", ["block: is not a hundred"]),
        ("blocks.csv", "block", "x", ["block: is not a whole number"]),
        ("blocks.csv", "low", "99999", ["high: is below low"]),
        ("blocks.csv", "high", "-1", ["high: is not a whole number", "high: is below low"]),
        ("blocks.csv", "lat", "nan", ["lat: is not degrees from -85 to 85"]),
        ("blocks.csv", "lat", "91", ["lat: is not degrees from -85 to 85"]),
        ("blocks.csv", "lon", "east", ["lon: is not degrees from -180 to 180"]),
        ("blocks.csv", "zone", "unknown", ["zone: is not one of inside, boundary, outside"]),
        ("blocks.csv", "street", " ", ["street: is empty"]),
        ("corners.csv", "zone", "in", ["zone: is not one of inside, boundary, outside"]),
        ("corners.csv", "kind", "road", ["kind: is not street or alley"]),
        ("corners.csv", "lat", "", ["lat: is not degrees from -85 to 85"]),
        ("offences.csv", "code", "43550", ["code: is not a charge code like '4 3550' or '1A1111'"]),
        ("offences.csv", "category", "theft", ["category: is not in programme.json"]),
        ("offences.csv", "divertible", "maybe", ["divertible: is not one of yes, no, review"]),
        ("offences.csv", "basis", "guess", ["basis: is not source or judgement"]),
        ("offences.csv", "note", "no_such_note", ["note: is not in programme.json"]),
        ("offences.csv", "count", "-4", ["count: is not a whole number"]),
        ("offences.csv", "last_seen", "2018", ["last_seen: is not a date"]),
    ],
)
def test_a_bad_cell(name: str, column: str, value: str, faults: list[str]) -> None:
    files = table_with(baltimore_files(), name, 7, column, value)
    assert words(files) == faults
    assert {(fault.file, fault.row) for fault in found(files)} == {(name, 7)}


@pytest.mark.parametrize(
    ("edits", "faults"),
    [
        ({"format": 2}, ["/format: is not 1, the format that this version reads"]),
        ({"id": "Baltimore City"}, ["/id: does not have the shape [a-z][a-z0-9-]{0,31}"]),
        ({"version": None}, ["/version: is not a text"]),
        ({"languages": ["en"]}, ["/languages: does not have both en and es"]),
        ({"name": {"en": "LEAD"}}, ["/name/es: is not a text"]),
        ({"agency__banner__es": "  "}, ["/agency/banner/es: is not a text"]),
        ({"zone__boundary_m": -1}, ["/zone/boundary_m: is not a number from 0 to 1000"]),
        ({"rules__minimum_age_years": 16}, ["/rules/minimum_age_years: is not a whole number from 18 to 100000"]),
        (
            {"rules__exclusions": ["open_warrant", "hair_colour"]},
            ["/rules/exclusions: names hair_colour, which the form does not ask"],
        ),
        (
            {"rules__look_back_needs_date": ["dream"]},
            ["/rules/look_back_needs_date: names dream, which is not a basis"],
        ),
        (
            {"rules__quantity_limit_grams": None},
            [
                "/rules/quantity_limit_grams: is missing; write null when it is not known",
                "/unverified/4: points at nothing in programme.json",
            ],
        ),
        ({"rules__sao_no_answer": "guess"}, ["/rules/sao_no_answer: is not one of meet_pending, book"]),
        ({"rules__all_partners_vote": "yes"}, ["/rules/all_partners_vote: is not true or false"]),
        (
            {"timers__intake_days": True},
            [
                "/timers/intake_days: is not a whole number from 0 to 100000",
                "/timers/intake_warning_days: warns after the intake is due",
            ],
        ),
        ({"timers__intake_days": 20}, ["/timers/intake_warning_days: warns after the intake is due"]),
        (
            {"timers__supervisor_rings_minutes": 2},
            ["/timers: does not ring the duty pair first, then the on-call list, then the supervisor"],
        ),
        (
            {"timers__sao_reviewer_rings_minutes": [0, 5, 5]},
            ["/timers/sao_reviewer_rings_minutes: is not a list of rising numbers"],
        ),
        ({"timers__idle_lock_minutes": 31}, ["/timers/idle_lock_minutes: is not from 1 minute to the longest allowed"]),
        ({"caps__caseload_soft": 29}, ["/caps/caseload_soft: is above the hard cap"]),
        ({"hours__digest_at": "25:00"}, ["/hours/digest_at: does not have the shape ([01]\\d|2[0-3]):[0-5]\\d"]),
        (
            {"hours__open": [{"days": ["noday"], "from": "09:00", "to": "17:00"}]},
            ["/hours/open/0/days: is not a list of mon, tue, wed, thu, fri, sat, sun"],
        ),
        (
            {"hours__open": [{"days": ["mon"], "from": "17:00", "to": "09:00"}]},
            ["/hours/open/0: does not close after it opens"],
        ),
        ({"contacts__juvenile": None}, ["/contacts/juvenile: is missing"]),
        (
            {"contacts__juvenile__phone": "call me"},
            ["/contacts/juvenile/phone: does not have the shape \\+?[0-9][0-9-]{5,18}"],
        ),
        ({"choices__reason": []}, ["/choices/reason: is empty or has a code twice"]),
        ({"choices__reason": None}, ["/choices/reason: is missing"]),
        (
            {"choices__not_completed_reason": [{"code": "left", "text": {"en": "a", "es": "b"}}]},
            ["/choices/not_completed_reason: does not have exactly hospital, left, booked, changed_mind"],
        ),
        (
            {"choices__reason": [{"code": "Bad Code", "text": {"en": "a", "es": "b"}}]},
            ["/choices/reason/0/code: does not have the shape [a-z][a-z0-9_]{0,39}"],
        ),
        (
            {"addresses__needs_direction": ["W Lexington"]},
            ["/addresses/needs_direction/0: does not have the shape [A-Z0-9][A-Z0-9 ]{0,60}"],
        ),
        (
            {"landmarks": [{"text": "X", "names": [], "block": {"street": "No St", "block": 100}}]},
            ["/landmarks/0/block: is not in blocks.csv"],
        ),
        ({"unverified": ["/no/such/thing"]}, ["/unverified/0: points at nothing in programme.json"]),
        ({"provenance": []}, ["/provenance: does not say where each file comes from"]),
        ({"languages": ["es"]}, ["/languages: does not have both en and es"]),
        ({"timers__idle_lock_minutes": 0}, ["/timers/idle_lock_minutes: is not from 1 minute to the longest allowed"]),
        ({"version": "one two"}, ["/version: does not have the shape [0-9][0-9A-Za-z.-]{0,15}"]),
        ({"agency__id": "No Id"}, ["/agency/id: does not have the shape [a-z][a-z0-9-]{0,31}"]),
        (
            {"hours__open": [{"days": [], "from": "09:00", "to": "17:00"}]},
            ["/hours/open/0/days: is not a list of mon, tue, wed, thu, fri, sat, sun"],
        ),
        (
            {"hours__open": [{"days": ["mon"], "from": "09:00", "to": "09:00"}]},
            ["/hours/open/0: does not close after it opens"],
        ),
        ({"zone__boundary_m": 1001}, ["/zone/boundary_m: is not a number from 0 to 1000"]),
        ({"rules__look_back_months": 0}, ["/rules/look_back_months: is not a whole number from 1 to 100000"]),
        (
            {"caps__caseload_hard": 0},
            [
                "/caps/caseload_hard: is not a whole number from 1 to 100000",
                "/caps/caseload_soft: is above the hard cap",
            ],
        ),
    ],
)
def test_a_bad_value(edits: dict[str, Any], faults: list[str]) -> None:
    assert words(changed(**edits)) == faults


@pytest.mark.parametrize(
    ("name", "field", "message"),
    [
        ("blocks.csv", "block", "is listed twice"),
        ("corners.csv", "street_b", "is listed twice"),
        ("offences.csv", "code", "is listed twice"),
    ],
)
def test_a_row_that_stands_there_twice(name: str, field: str, message: str) -> None:
    files = baltimore_files()
    rows = files[name].splitlines()
    doubled = files | {name: files[name] + rows[-1] + b"\n"}
    assert found(doubled) == (PackFault(file=name, row=len(rows), field=field, message=message),)


def test_a_corner_of_one_street_is_none() -> None:
    files = baltimore_files()
    header, *rows = (line.split(",") for line in files["corners.csv"].decode().splitlines())
    same = rows[6][header.index("street_a")]
    assert "street_b: is the same street" in words(table_with(files, "corners.csv", 7, "street_b", same))


def test_files_that_are_missing_or_no_text() -> None:
    assert words({}) == ["file: is missing"] * len(PACK_FILES)
    files = baltimore_files() | {"corners.csv": b"\xff\xfe"}
    assert words(files) == ["file: is not UTF-8 text"]
    assert load({name: b"\xef\xbb\xbf" + content for name, content in baltimore_files().items()}).blocks


# ---------------------------------------------------------------------------------------------------- the zone
SQUARE: list[Any] = [[-76.6, 39.3], [-76.5, 39.3], [-76.5, 39.2], [-76.6, 39.2]]


def zoned(geometry: Any) -> dict[str, bytes]:
    return baltimore_files() | {"zone.geojson": json.dumps(geometry).encode()}


def polygon(*rings: list[Any]) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": [*rings]}


@pytest.mark.parametrize(
    ("geometry", "faults"),
    [
        ({"type": "Point", "coordinates": [-76.6, 39.3]}, [NOT_ONE, NO_PAIRS, TOO_FEW]),
        ({"type": "MultiPoint", "coordinates": [SQUARE]}, [NOT_ONE]),
        (polygon(SQUARE, SQUARE), [NOT_ONE]),
        (polygon(SQUARE[:2]), [TOO_FEW]),
        (polygon([*SQUARE, SQUARE[1]]), [TOO_FEW]),
        (polygon([[0, 85.1], *SQUARE[1:]]), [OFF]),
        (polygon([[0, -85.1], *SQUARE[1:]]), [OFF]),
        (polygon([[180.1, 0], *SQUARE[1:]]), [OFF]),
        (polygon([["a", "b"], *SQUARE[1:]]), [NO_PAIRS, TOO_FEW]),
        ({"type": "FeatureCollection", "features": []}, [NO_PAIRS, TOO_FEW]),
        ({}, [NO_PAIRS, TOO_FEW]),
    ],
)
def test_a_zone_that_is_none(geometry: Any, faults: list[str]) -> None:
    told = words(zoned(geometry))
    assert [fault for fault in told if fault.startswith("coordinates: ")] == faults


@pytest.mark.parametrize(
    ("geometry", "corners"),
    [
        (polygon(SQUARE), 4),
        (polygon([*SQUARE, SQUARE[0]]), 4),
        (polygon(SQUARE[:3]), 3),
        (polygon([[180, 85], [-180, -85], [0, 0]]), 3),
        ({"type": "FeatureCollection", "features": [{"geometry": polygon(SQUARE)}, {"geometry": {}}]}, 4),
    ],
)
def test_a_zone_in_its_forms(geometry: Any, corners: int) -> None:
    ring = load(zoned(geometry)).zone.ring
    assert len(ring) == corners
    lon, lat = (geometry if "coordinates" in geometry else geometry["features"][0]["geometry"])["coordinates"][0][0]
    assert ring[0] == (lat, lon)


# ---------------------------------------------------------------------------------------------------- the last values
def test_the_last_values_are_still_taken() -> None:
    pack = load(changed(
        zone__boundary_m=0, rules__look_back_months=1, rules__quantity_limit_grams=10_000, caps__caseload_hard=1, caps__caseload_soft=1,
        timers__idle_lock_minutes=1, timers__idle_lock_longest_minutes=1, hours__open=[
            {"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "from": "09:00", "to": "09:01"},
        ],
    ))  # fmt: skip
    assert (pack.zone.boundary_m, pack.rules.look_back_months, pack.rules.quantity_limit_grams) == (0, 1, 10_000)
    assert (pack.caps.caseload_hard, pack.caps.caseload_soft) == (1, 1)
    assert pack.timers.idle_lock_minutes == pack.timers.idle_lock_longest_minutes == 1
    assert load(changed(zone__boundary_m=1000, rules__quantity_limit_grams=0)).rules.quantity_limit_grams == 0
    assert load(changed(timers__intake_warning_days=[baltimore().timers.intake_days])).timers.intake_warning_days
    for beyond in ({"rules__quantity_limit_grams": 10_001}, {"rules__quantity_limit_grams": -1}):
        assert words(changed(**beyond)) == ["/rules/quantity_limit_grams: is not a number from 0 to 10000"]


def test_alleys_and_settled_offences_are_told_from_the_others() -> None:
    files, pack = baltimore_files(), baltimore()
    table = [line.split(",") for line in files["corners.csv"].decode().splitlines()]
    kinds = [row[table[0].index("kind")] for row in table[1:]]
    assert [corner.alley for corner in pack.corners] == [kind == "alley" for kind in kinds]
    assert {True, False} == {corner.alley for corner in pack.corners}
    assert {True, False} == {offence.settled for offence in pack.offences.values()}
    assert any(offence.note for offence in pack.offences.values())
    assert any(offence.note is None for offence in pack.offences.values())


def test_a_landmark_stands_in_its_block_or_on_its_own_point() -> None:
    point = {"text": "X", "names": [], "lat": -85, "lon": 180}
    alone = load(changed(landmarks=[point])).landmarks[0]
    assert (alone.lat, alone.lon, alone.block) == (-85, 180, None)
    assert load(changed(landmarks=[{**point, "lat": 85, "lon": -180}])).landmarks[0].lat == 85
    for change, fault in (
        ({"lat": 85.5}, "/landmarks/0/lat: is not a number from -85 to 85"),
        ({"lat": -85.5}, "/landmarks/0/lat: is not a number from -85 to 85"),
        ({"lon": 180.5}, "/landmarks/0/lon: is not a number from -180 to 180"),
        ({"lon": -180.5}, "/landmarks/0/lon: is not a number from -180 to 180"),
    ):
        assert words(changed(landmarks=[{**point, **change}])) == [fault]
    placed = next(mark for mark in baltimore().landmarks if mark.block is not None)
    assert placed.block is not None
    assert (placed.lat, placed.lon) == (placed.block.lat, placed.block.lon)
