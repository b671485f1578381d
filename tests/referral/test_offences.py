"""Charges are found by what officers really wrote: 3,595 wordings of 33,636 drug and prostitution arrests, 2013-2015."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from referral.offences import find_offences, plain_code
from tests.support.packs import baltimore

WORDINGS = Path(__file__).parents[1] / "data" / "charge_descriptions_2013_2015.csv"


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("4 3550", "4 3550"),
        ("43550", "4 3550"),
        ("2a3550", "2A3550"),
        ("cds poss", "4 3550"),
        ("possess not mari", "4 3550"),
        ("Cds: Possession-Marihuana", "1 0573"),
        ("pros", "1 1093"),
        ("prostitución", "1 1093"),
        ("p w/i dist narc", "3 0233"),
        ("att cds manuf dist narc", "2A0696"),
    ],
)
def test_what_officers_write_finds_the_charge_first(typed: str, code: str) -> None:
    assert find_offences(typed, baltimore())[0].code == code


@pytest.mark.parametrize(
    ("typed", "codes"),
    [
        ("attempt cds possess", ["4A3550", "1A0573", "1A1111", "1A1635"]),
        ("conspiracy", ["4C3550", "1C0573", "1C1635"]),
        ("cds", ["4 3550", "1 1635", "1 0573", "5 3550"]),
        ("drug", ["4 3550", "1 1635", "1 0573", "5 3550"]),
        ("marihuana", ["1 1635", "1 0573", "1 1564", "1C0573"]),
        ("not marihuana", ["4 3550", "1 1111", "1 0247", "4A3550"]),
        ("possess weed", ["1 1635", "1 0573", "1 1564", "1C0573"]),
        ("dist narc", ["3 0233", "1 1119", "1 1118", "2 0231"]),
        ("p/w/i narc", ["3 0233", "1 1119", "2 0231", "3C0233"]),
        ("pwid", ["1 0233", "1 1119", "1 0692", "1 0881"]),
        ("poss w/i dist", ["1 0233", "1 1119", "1 0692", "1 0881"]),
        ("l/t 10", ["1 1635", "1 0521", "1A1635", "1C1635"]),
        ("manufacture", ["1 0257", "2 0696", "2 3550", "1 0696"]),
        ("0573", ["1 0573", "1C0573", "1A0573"]),
        ("05 73", ["1 0573", "1C0573", "1A0573"]),
        ("57", ["1 0573", "1C0573", "1A0573", "1 0257"]),
        ("1", ["1 0621", "1 0622", "1 1635", "1 0521"]),
    ],
)
def test_the_likeliest_charges_stand_in_this_order(typed: str, codes: list[str]) -> None:
    assert [offence.code for offence in find_offences(typed, baltimore(), len(codes))] == codes


def test_eight_are_offered_unless_it_is_said_otherwise() -> None:
    assert len(find_offences("cds", baltimore())) == 8
    assert len(find_offences("35", baltimore())) == 8


def test_nothing_typed_gives_the_most_frequent_and_the_limit_holds() -> None:
    found = find_offences("", baltimore(), 5)
    assert len(found) == 5
    assert [o.count for o in found] == sorted((o.count for o in found), reverse=True)


def test_digits_find_codes_that_hold_them() -> None:
    assert all("355" in o.code.replace(" ", "") for o in find_offences("355", baltimore()))


def test_nonsense_finds_nothing() -> None:
    assert find_offences("zzzz qqqq", baltimore()) == ()


@pytest.mark.parametrize(
    ("typed", "code"),
    [("4 3550", "4 3550"), (" 43550 ", "4 3550"), ("1a1111", "1A1111"), ("cds", None), ("123456", None)],
)
def test_codes_are_read_however_typed(typed: str, code: str | None) -> None:
    assert plain_code(typed) == code


def test_real_wordings_find_their_charge() -> None:
    """Weighted by arrests. No look-up can do much better on the first place: "Cds" alone stands for many charges, and
    the best fixed answer to each wording is right for 60 % of arrests."""
    rows = list(csv.DictReader(WORDINGS.read_text(encoding="utf-8").splitlines()))
    first = eighth = total = official = 0
    for row in rows:
        n = int(row["n"])
        found = [o.code for o in find_offences(row["officer_text"], baltimore())]
        total += n
        first += n * (found[:1] == [row["code"]])
        eighth += n * (row["code"] in found)
    pairs = {(row["code"], row["official"]) for row in rows if row["official"]}
    for code, text in pairs:
        official += code in [o.code for o in find_offences(text, baltimore())]
    assert first / total > 0.36
    assert eighth / total > 0.74
    assert official / len(pairs) > 0.9
