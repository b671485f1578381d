"""Places: every labelled example, every block and corner of the pack, every way of writing them, and the zone's line."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral.address import BlockAddress, Crossing, Street, plain, read, read_street
from referral.model import Place, PlaceSource, Zone
from referral.place import Ask, locate, locate_point, place_index, suggest, zone_of
from referral.zone import distance_m, judge
from tests.support.packs import baltimore

EXAMPLES = Path(__file__).resolve().parents[1] / "data" / "zone_examples.csv"
TWICE = "St Paul Pl & St Paul St"  # the two streets meet at both ends of Preston Gardens


def examples() -> list[dict[str, str]]:
    with EXAMPLES.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("row", examples(), ids=lambda row: row["id"])
def test_every_labelled_example_is_answered_right_by_point_and_by_text(row: dict[str, str]) -> None:
    by_point = locate_point(float(row["lat"]), float(row["lon"]), baltimore())
    assert by_point.zone == row["expected"]
    assert by_point.edge_m == pytest.approx(float(row["edge_m"]), abs=1)
    assert by_point.nearest is not None
    by_text = locate(row["place"], baltimore())
    assert by_text.zone == row["expected"]
    assert by_text.lat is not None
    assert by_text.lon is not None
    assert distance_m(by_text.lat, by_text.lon, float(row["lat"]), float(row["lon"])) < 120


def test_every_block_is_found_by_its_text_its_upper_case_and_its_house_numbers() -> None:
    pack = baltimore()
    for block in pack.blocks:
        for text in (block.text, block.text.upper(), f"{block.number} {block.street}".lower()):
            answer = locate(text, pack)
            assert (answer.text, answer.lat, answer.lon, answer.zone) == (
                block.text,
                block.lat,
                block.lon,
                block.zone,
            ), text
            assert [match.text for match in answer.matches] == [block.text]
        on_street = [other for other in pack.blocks if other.street == block.street]
        for number in {max(block.low, 1), (block.low + block.high) // 2, block.high - 1, block.high}:
            if number % 100 and sum(other.low <= number <= other.high for other in on_street) == 1:
                assert locate(f"{number} {block.street}", pack).text == block.text, number


def test_every_corner_is_found_either_way_round_and_without_directions() -> None:
    pack = baltimore()
    names: dict[frozenset[str], set[Zone]] = {}
    for corner in pack.corners:
        a, b = (read_street(name, {}) for name in (corner.street_a, corner.street_b))
        assert a is not None
        assert b is not None
        names.setdefault(frozenset((a.title, b.title)), set()).add(corner.zone)
    seen_twice = 0
    for corner in pack.corners:
        a, b = (read_street(name, {}) for name in (corner.street_a, corner.street_b))
        assert a is not None
        assert b is not None
        for text in (
            corner.text,
            f"{corner.street_b} and {corner.street_a}",
            f"{a.title}/{b.title}",
            f"{b.title.lower()} @ {a.title.lower()}",
        ):
            answer = locate(text, pack)
            if corner.text == TWICE:
                assert answer.zone is Zone.UNKNOWN
                assert answer.ask is Ask.PICK
                assert (corner.lat, corner.lon) in {(match.lat, match.lon) for match in answer.matches}
                assert len(answer.matches) == 2
            else:
                assert (answer.lat, answer.lon, answer.zone) == (corner.lat, corner.lon, corner.zone), text
        seen_twice += corner.text == TWICE
    assert seen_twice == 2


@pytest.mark.parametrize(
    "text",
    [
        "315 W Lexington St",
        "315 w lexington",
        "300 West Lexington Street",
        "300 block of W. Lexington St.",
        "300-399 W LEXINGTON ST",
        "300 BLK W LEXINGTON ST",
        "300-block W.Lexington St",
        "399 W Lexington St, Baltimore, MD 21201",
        "315 W Lexington St Apt 3",
        "315A W Lexington St",
        "315 1/2 W Lexington St #2",
        "W Lexington St, 300 block",
        "300 Lexington St W",
    ],
)
def test_ways_to_write_the_same_block(text: str) -> None:
    answer = locate(text, baltimore())
    assert answer.text == "300 block W Lexington St"
    assert answer.zone is Zone.INSIDE


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("UNIT W BALTIMORE ST", "Unit block W Baltimore St"),
        ("Unit blk E Lexington", "Unit block E Lexington St"),
        ("0 W Baltimore St", "Unit block W Baltimore St"),
        ("E Pratt St unit block", "Unit block E Pratt St"),
        ("12 Clay St", "Unit block Clay St"),
        ("100 SAINT PAUL ST", "100 block St Paul St"),
        ("100 St. Paul Street", "100 block St Paul St"),
        ("300 N MLK", "300 block N Martin Luther King Jr Blvd"),
        ("300 N M.L.K. Jr. Blvd", "300 block N Martin Luther King Jr Blvd"),
        ("310 North Martin Luther King Boulevard", "300 block N Martin Luther King Jr Blvd"),
        ("300 n martin luther king jr", "300 block N Martin Luther King Jr Blvd"),
        ("100 South St", "100 block South St"),
        ("500 Penn Ave", "500 block Pennsylvania Ave"),
        ("100 Penn St", "100 block Penn St"),
        ("Unit block Charles Plaza", "Unit block Charles Plza"),
        ("700 Dr Benjamin Quarles", "700 block Dr. Benjamin Quarles Pl"),
        ("Unit W Mt. Vernon Place", "Unit block W Mount Vernon Pl"),
        ("100 W Center St", "100 block W Centre St"),
        ("300 N Green St", "300 block N Greene St"),
        ("610 W Mulberry St", "500 block W Mulberry St"),
        ("640 W Mulberry St", "600 block W Mulberry St"),
        ("300 Diamond St", "200 block Diamond St"),
        ("200 Arch St", "200 block Arch St"),
        ("the lexington market", "Lexington Market"),
        ("LEXINGTON MARKET, BALTIMORE MD 21201", "Lexington Market"),
        ("charles center", "Charles Center Metro Station"),
        ("howard & lexington", "W Lexington St & N Howard St"),
        ("corner of Howard and Lexington", "W Lexington St & N Howard St"),
        ("esquina de Howard y Lexington", "W Lexington St & N Howard St"),
        ("W Saratoga St / N Howard St", "W Saratoga St & N Howard St"),
        ("E Baltimore and S Charles", "W Baltimore St & N Charles St"),
        ("mlk & franklin", "W Franklin St & N Martin Luther King Jr Blvd"),
        ("Saint Paul and Lexington", "E Lexington St & St Paul Pl"),
        ("39.289784, -76.616115", "39.289784, -76.616115"),
    ],
)
def test_what_people_write_and_what_it_means(text: str, meant: str) -> None:
    answer = locate(text, baltimore())
    assert answer.text == meant
    assert answer.zone is not Zone.UNKNOWN


def test_lexington_market_is_the_400_block_of_west_lexington() -> None:
    market, block = locate("Lexington Market", baltimore()), locate("400 W Lexington St", baltimore())
    assert (market.zone, market.lat, market.lon) == (Zone.INSIDE, block.lat, block.lon)


def test_a_missing_direction_is_asked_for_whichever_side_the_pack_lists() -> None:
    pack = baltimore()
    one_side = locate("400 Baltimore St", pack)
    assert (one_side.zone, one_side.lat, one_side.edge_m) == (Zone.UNKNOWN, None, None)
    assert (one_side.ask, one_side.directions) == (Ask.DIRECTION, ("E", "W"))
    assert [match.text for match in one_side.matches] == ["400 block W Baltimore St"]
    both = locate("300 Howard", pack)
    assert (both.ask, both.directions) == (Ask.DIRECTION, ("N", "S"))
    assert {match.text for match in both.matches} == {"300 block N Howard St", "300 block S Howard St"}
    neither = locate("4000 Baltimore St", pack)
    assert (neither.ask, neither.matches) == (Ask.DIRECTION, ())
    for block in pack.blocks:
        way, _, bare = block.street.partition(" ")
        if way in ("N", "S", "E", "W"):
            answer = locate(f"{block.number} {bare}", pack)
            assert answer.zone is Zone.UNKNOWN, block.text
            assert block.text in {match.text for match in answer.matches}


def test_without_type_and_direction_a_namesake_does_not_answer() -> None:
    for text, offered in (
        ("600 Washington", {"600 block Washington Blvd", "600 block N Washington Pl"}),
        ("Unit Charles", {"Unit block Charles Plza", "Unit block N Charles St", "Unit block S Charles St"}),
        ("500 Washington", {"500 block Washington Blvd"}),
    ):
        answer = locate(text, baltimore())
        assert (answer.zone, answer.ask) == (Zone.UNKNOWN, Ask.DIRECTION)
        assert {match.text for match in answer.matches} == offered


def test_the_list_of_streets_that_need_a_direction_is_what_the_city_writes() -> None:
    pack = baltimore()
    directed = set()
    for road in place_index(pack).roads:
        if road.street.direction is not None:
            directed.add(road.street.title)
    assert directed == pack.addresses.needs_direction


@pytest.mark.parametrize(
    "text",
    [
        "900 W Lexington St",
        "400 E Baltimore St",
        "400 E Lexington St",
        "100 N Broadway",
        "E Lexington St & Howard St",
        "Howard & Light",
        "Howard & Lexington & Charles",
        "garbage",
        "",
        "   ",
        "&",
        "300",
        "300 block",
        "W",
        "🚓",
        "9" * 500,
        "a, " * 5000,
        "95.0, -76.6",
    ],
)
def test_what_the_pack_does_not_list_is_unknown_and_never_outside(text: str) -> None:
    answer = locate(text, baltimore())
    assert answer.zone is Zone.UNKNOWN
    assert (answer.lat, answer.lon, answer.edge_m, answer.nearest, answer.matches) == (None, None, None, None, ())
    assert len(answer.text) <= 200


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("300 St Paul St", ["300 block St Paul Pl"]),
        ("100 N Park Ave", ["100 block Park Ave"]),
        ("200 W Baltimore Ave", ["200 block W Baltimore St"]),
        ("St Paul St & E Pleasant St", ["E Pleasant St & St Paul Pl"]),
        ("N Park Ave & W Lexington", ["W Lexington St & Park Ave"]),
    ],
)
def test_what_fits_only_loosely_is_offered_and_not_answered(text: str, offered: list[str]) -> None:
    answer = locate(text, baltimore())
    assert (answer.zone, answer.ask) == (Zone.UNKNOWN, Ask.PICK)
    assert [match.text for match in answer.matches] == offered


def test_a_street_alone_offers_its_blocks() -> None:
    answer = locate("N Howard St", baltimore())
    assert (answer.zone, answer.ask) == (Zone.UNKNOWN, Ask.BLOCK)
    assert answer.matches[0].text == "Unit block N Howard St"
    assert len(answer.matches) == 6


def test_the_answer_on_the_wire() -> None:
    assert locate("315 W Lexington St", baltimore()).to_wire() == {
        "zone": "inside",
        "edge_m": pytest.approx(379, abs=30),
        "lat": 39.291542,
        "lon": -76.620316,
        "text": "300 block W Lexington St",
        "nearest": "300 block W Lexington St",
        "matches": [{"text": "300 block W Lexington St", "lat": 39.291542, "lon": -76.620316, "zone": "inside"}],
        "ask": None,
        "directions": [],
    }
    wire = locate("400 Baltimore St", baltimore()).to_wire()
    assert wire["zone"] == "unknown"
    assert (wire["ask"], wire["directions"]) == ("direction", ["E", "W"])
    assert {wire["lat"], wire["lon"], wire["edge_m"], wire["nearest"]} == {None}


# --- the line ---------------------------------------------------------------------------------------------------------


def test_the_accuracy_of_a_fix_widens_the_doubt() -> None:
    pack = baltimore()
    lat, lon = 39.291542, -76.620316  # about 380 m inside
    edge = locate_point(lat, lon, pack).edge_m
    assert edge is not None
    assert locate_point(lat, lon, pack, accuracy_m=edge - 1).zone is Zone.INSIDE
    assert locate_point(lat, lon, pack, accuracy_m=edge + 1).zone is Zone.BOUNDARY
    assert locate_point(39.2870, -76.6298, pack, accuracy_m=200).zone is Zone.BOUNDARY
    assert locate_point(39.2870, -76.6298, pack, accuracy_m=0).zone is Zone.OUTSIDE


def test_far_away_is_outside_and_near_nothing() -> None:
    answer = locate_point(38.9072, -77.0369, baltimore())
    assert (answer.zone, answer.nearest) == (Zone.OUTSIDE, None)
    assert answer.edge_m is not None
    assert answer.edge_m == pytest.approx(54_950, rel=0.005)


@pytest.mark.parametrize(("lat", "lon", "accuracy"), [(91, 0, None), (0, 181, None), (math.nan, 0, None), (39, -76, -1), (39, -76, math.nan)])  # fmt: skip
def test_what_is_not_a_point_is_refused(lat: float, lon: float, accuracy: float | None) -> None:
    with pytest.raises(ValueError, match=r"degrees|accuracy"):
        locate_point(lat, lon, baltimore(), accuracy)


def test_every_corner_of_the_line_is_on_the_boundary_and_thirty_metres_is_where_it_ends() -> None:
    zone = baltimore().zone
    for lat, lon in zone.ring:
        assert judge(lat, lon, zone).zone is Zone.BOUNDARY
        assert judge(lat, lon, zone).edge_m == pytest.approx(0, abs=1e-6)
    metre = 1 / 111_000
    north = 39.294961  # W Franklin St at Howard
    assert judge(north + 29 * metre, -76.619787, zone).zone is Zone.BOUNDARY
    assert judge(north + 32 * metre, -76.619787, zone).zone is Zone.OUTSIDE
    assert judge(north - 32 * metre, -76.619787, zone).zone is Zone.INSIDE


def test_distances_are_those_of_the_ellipsoid() -> None:
    """One degree at 39.29 N is 111,022.6 m of latitude and 86,276 m of longitude (NGA length-of-a-degree tables)."""
    assert distance_m(39.29, -76.62, 39.30, -76.62) == pytest.approx(1110.2, abs=0.5)
    assert distance_m(39.29, -76.62, 39.29, -76.61) == pytest.approx(862.8, abs=0.5)


@given(
    lat=st.floats(39.27, 39.31, allow_nan=False),
    lon=st.floats(-76.65, -76.59, allow_nan=False),
    more=st.floats(0, 500, allow_nan=False),
)
def test_a_worse_fix_never_settles_a_doubt_and_nobody_crosses_the_line_unseen(
    lat: float, lon: float, more: float
) -> None:
    zone = baltimore().zone
    exact, worse = judge(lat, lon, zone), judge(lat, lon, zone, more)
    assert worse.zone in (exact.zone, Zone.BOUNDARY)
    assert worse.edge_m == exact.edge_m
    step = judge(lat, lon + 50 / 86_276, zone)  # 50 m east: to the other side only past a point near the line
    if {exact.zone, step.zone} == {Zone.INSIDE, Zone.OUTSIDE}:
        assert exact.edge_m + step.edge_m <= 50.5


# --- a referral's place -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "zone"),
    [
        (None, Zone.UNKNOWN),
        (Place(text="315 W Lexington St"), Zone.INSIDE),
        (Place(text="nowhere at all"), Zone.UNKNOWN),
        (Place(text="nowhere at all", lat=39.291542, lon=-76.620316), Zone.INSIDE),
        (Place(text="400 Baltimore St", zone=Zone.INSIDE), Zone.UNKNOWN),
        (Place(lat=39.291542, lon=-76.620316, accuracy_m=900, source=PlaceSource.GPS), Zone.BOUNDARY),
        (Place(text="315 W Lexington St", lat=38.9, lon=-77.0, source=PlaceSource.GPS), Zone.OUTSIDE),
        (Place(text="315 W Lexington St", lat=38.9, lon=-77.0, source=PlaceSource.PICKED), Zone.INSIDE),
        (Place(text="315 W Lexington St", source=PlaceSource.GPS), Zone.INSIDE),
    ],
)
def test_the_zone_of_a_referrals_place_is_found_again_from_its_facts(place: Place | None, zone: Zone) -> None:
    assert zone_of(place, baltimore()) is zone


# --- typing -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("300 w lex", "300 block W Lexington St"),
        ("315 w lex", "300 block W Lexington St"),
        ("3 w lex", "300 block W Lexington St"),
        ("300 block w lex", "300 block W Lexington St"),
        ("300 west lexington st", "300 block W Lexington St"),
        ("unit w balt", "Unit block W Baltimore St"),
        ("lexington m", "Lexington Market"),
        ("how lex", "W Lexington St & N Howard St"),
        ("how & lex", "W Lexington St & N Howard St"),
        ("lex and how", "W Lexington St & N Howard St"),
        ("n howard w sar", "W Saratoga St & N Howard St"),
        ("200 park", "200 block Park Ave"),
        ("300 n mlk", "300 block N Martin Luther King Jr Blvd"),
        ("300 n luther", "300 block N Martin Luther King Jr Blvd"),
        ("100 saint p", "100 block St Paul St"),
        ("st paul", "Unit block St Paul St"),
        ("100 sou", "100 block South St"),
        ("300 w lexington stre", "300 block W Lexington St"),
        ("300 n martin luther king bou", "300 block N Martin Luther King Jr Blvd"),
        ("lord", "Lord Baltimore Hotel"),
    ],
)
def test_a_few_letters_are_enough(typed: str, first: str) -> None:
    assert suggest(typed, baltimore())[0].text == first


def test_suggestions_are_limited_distinct_and_ready_to_use() -> None:
    pack = baltimore()
    assert suggest("street", pack) == suggest("ave", pack) == ()  # nobody begins with the type
    assert suggest("", pack) == suggest("  ,", pack) == suggest("qqq", pack) == ()
    for typed in ("3", "w", "howard &", "s", "unit", "& lex", "300"):
        found = suggest(typed, pack, limit=5)
        assert 1 <= len(found) <= 5 or typed == "& lex"
        assert len(set(found)) == len(found)
        assert all(match.zone in (Zone.INSIDE, Zone.BOUNDARY, Zone.OUTSIDE) for match in found)
    assert [match.text for match in suggest("how &", pack, limit=50) if "Howard" not in match.text] == []
    with pytest.raises(ValueError, match="limit"):
        suggest("x", pack, limit=0)


def test_each_block_is_suggested_first_when_typed_to_the_end() -> None:
    pack = baltimore()
    for block in pack.blocks:
        assert suggest(block.text, pack, limit=1)[0].text == block.text


def test_every_suggestion_can_be_located_again() -> None:
    pack = baltimore()
    for letter in "abcdefghijklmnopqrstuvwxyz":
        for match in suggest(letter, pack, limit=30):
            if match.text != TWICE:
                assert locate(match.text, pack).zone is match.zone


# --- reading ----------------------------------------------------------------------------------------------------------


def test_reading_guesses_nothing() -> None:
    assert read("300 Lexington", {}) == BlockAddress(
        number=300, street=Street(direction=None, name="LEXINGTON", type=None)
    )
    assert read("St Paul St", {}) == Street(direction=None, name="ST PAUL", type="ST")
    assert read("South St", {}) == Street(direction=None, name="SOUTH", type="ST")
    assert read("S South St", {}) == Street(direction="S", name="SOUTH", type="ST")
    assert read("N Howard & W Lexington St.", {}) == Crossing(
        first=Street(direction="N", name="HOWARD", type=None), second=Street(direction="W", name="LEXINGTON", type="ST")
    )
    assert plain("  Peña’s   St.,  Baltimore,  Md. 21201-1234 ") == "PENAS ST"


@given(st.text(max_size=120))
def test_any_text_is_answered_and_nothing_breaks(text: str) -> None:
    pack = baltimore()
    answer = locate(text, pack)
    assert (answer.zone is Zone.UNKNOWN) == (answer.lat is None) == (answer.lon is None)
    assert len(answer.matches) <= 1 or answer.zone is Zone.UNKNOWN
    for match in suggest(text, pack):
        assert match.text
    assert set(answer.to_wire()) >= {"zone", "edge_m", "lat", "lon", "text", "nearest", "matches"}
