"""The wire form to the letter: what is written for each kind of value, the sentence of each fault, the limits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from hashlib import sha256
from typing import Any, NewType

import pytest

from referral.codec import DEPTH_LIMIT, WHOLE_LIMIT, canonical, from_wire, parse, sorted_canonical, to_wire
from referral.model import DeviceId, OpId
from referral.port import SyncResponse, enrol_proof, plain_code, receipt_digest, signed_bytes
from referral.problems import ProblemCode
from tests.referral.test_codec import Colour, Leaf, Tree
from tests.referral.test_refusals import INVALID, MISSING, NOON, refused

AT = "2026-01-02T00:00:00Z"
MALFORMED = ProblemCode.MALFORMED
Name = NewType("Name", str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """A record that keeps no unknown fields."""

    name: Name
    trees: tuple[Tree, ...] = ()
    words: Mapping[str, Colour] = field(default_factory=dict)
    either: int | None = None
    anything: Any = None


# ---------------------------------------------------------------------------------------------------- written
def test_each_kind_of_value_has_its_form() -> None:
    tree = Tree(
        at=datetime(2026, 1, 2, 5, 6, 7, 890, tzinfo=timezone(timedelta(hours=2))),
        day=date(2026, 5, 4),
        colour=Colour.BLUE,
        raw=b"\x00\xff",
        size=1.5,
        flag=True,
        leaves=(Leaf(text="a"), Leaf(text="b", n=0)),
        counts={"x": 1},
        extra={"newer": [1], "at": "not this one"},
    )
    assert to_wire(tree) == {
        "at": "2026-01-02T03:06:07Z",
        "day": "2026-05-04",
        "colour": "blue",
        "raw": "AP8=",
        "size": 1.5,
        "flag": True,
        "leaves": [{"text": "a"}, {"text": "b", "n": 0}],
        "counts": {"x": 1},
        "newer": [1],
    }
    plain = Plain(name=Name("n"), trees=(tree,), words={"a": Colour.RED}, anything={"b": [None]})
    wire = to_wire(plain)
    assert wire["trees"] == [to_wire(tree)]
    assert (wire["words"], wire["anything"]) == ({"a": "red"}, {"b": [None]})
    assert from_wire(Plain, {"name": "n", "words": {"a": "red"}}).words == {"a": Colour.RED}
    assert to_wire([tree, 1, "x", None]) == [to_wire(tree), 1, "x", None]


def test_bytes_are_compact_and_in_utf_8() -> None:
    assert canonical({"b": "ñ", "a": [1, 2]}) == '{"b":"ñ","a":[1,2]}'.encode()
    assert sorted_canonical({"b": "ñ", "a": [1, 2]}) == '{"a":[1,2],"b":"ñ"}'.encode()
    for write in (canonical, sorted_canonical):
        with pytest.raises(ValueError):
            write(float("nan"))


def test_unknown_fields_are_kept_only_where_there_is_a_place_for_them() -> None:
    wire = {"name": "n", "newer": 1, "trees": [{"at": AT, "newest": 2}]}
    read = from_wire(Plain, wire, keep_unknown=True)
    assert read.trees[0].extra == {"newest": 2}
    assert not hasattr(read, "extra")
    assert refused(lambda: from_wire(Tree, {"at": AT, "extra": {}})) == (
        "extra",
        ProblemCode.UNKNOWN_FIELD,
        "is not a field of this record",
    )


def test_an_absent_field_and_null_are_the_default() -> None:
    assert from_wire(Tree, {"at": AT, "leaves": None, "size": None}) == Tree(at=datetime(2026, 1, 2, tzinfo=UTC))


# ---------------------------------------------------------------------------------------------------- read
TIME = "is not a time in UTC like 2026-02-03T01:02:03Z"
DATE = "is not a date like 1990-05-02"


@pytest.mark.parametrize(
    ("wire", "path", "code", "sentence"),
    [
        ([], "", MALFORMED, "is not an object"),
        ({}, "at", MISSING, "is needed"),
        ({"at": None}, "at", MISSING, "is needed"),
        ({"at": 5}, "at", INVALID, "is not text"),
        ({"at": "2026-01-02T00:00:00"}, "at", INVALID, TIME),
        ({"at": "2026-13-02T00:00:00Z"}, "at", INVALID, TIME),
        ({"at": "0001-01-01T00:00:00+23:00"}, "at", INVALID, TIME),
        ({"at": f"{AT} "}, "at", INVALID, TIME),
        ({"at": AT, "day": "1990-02-30"}, "day", INVALID, DATE),
        ({"at": AT, "day": "19900230"}, "day", INVALID, DATE),
        ({"at": AT, "day": 7}, "day", INVALID, "is not text"),
        ({"at": AT, "colour": "green"}, "colour", INVALID, "is not one of red, blue"),
        ({"at": AT, "colour": ["red"]}, "colour", INVALID, "is not text"),
        ({"at": AT, "raw": "?"}, "raw", INVALID, "is not base64"),
        ({"at": AT, "raw": "AP8"}, "raw", INVALID, "is not base64"),
        ({"at": AT, "raw": 7}, "raw", INVALID, "is not text"),
        ({"at": AT, "size": "9"}, "size", INVALID, "is not a number"),
        ({"at": AT, "size": True}, "size", INVALID, "is not a number"),
        ({"at": AT, "size": 1.1e15}, "size", INVALID, "is not a number"),
        ({"at": AT, "size": -1.1e15}, "size", INVALID, "is not a number"),
        ({"at": AT, "flag": 1}, "flag", INVALID, "is not true or false"),
        ({"at": AT, "leaves": {}}, "leaves", INVALID, "is not a list"),
        ({"at": AT, "leaves": [[]]}, "leaves[0]", MALFORMED, "is not an object"),
        ({"at": AT, "leaves": [{"text": "a"}, {}]}, "leaves[1].text", MISSING, "is needed"),
        ({"at": AT, "leaves": [{"text": 1}]}, "leaves[0].text", INVALID, "is not text"),
        ({"at": AT, "leaves": [{"text": "é\udfff"}]}, "leaves[0].text", INVALID, "is not valid text"),
        ({"at": AT, "leaves": [{"text": "a", "n": True}]}, "leaves[0].n", INVALID, "is not a whole number"),
        ({"at": AT, "leaves": [{"text": "a", "n": 1.5}]}, "leaves[0].n", INVALID, "is not a whole number"),
        ({"at": AT, "leaves": [{"text": "a", "n": "1"}]}, "leaves[0].n", INVALID, "is not a whole number"),
        (
            {"at": AT, "leaves": [{"text": "a", "n": WHOLE_LIMIT + 1}]},
            "leaves[0].n",
            INVALID,
            "is larger than any number here",
        ),
        (
            {"at": AT, "leaves": [{"text": "a", "n": -WHOLE_LIMIT - 1}]},
            "leaves[0].n",
            INVALID,
            "is larger than any number here",
        ),
        ({"at": AT, "counts": []}, "counts", INVALID, "is not an object"),
        ({"at": AT, "counts": {"a": "x"}}, "counts.a", INVALID, "is not a whole number"),
        ({"at": AT, "newer": 1}, "newer", ProblemCode.UNKNOWN_FIELD, "is not a field of this record"),
        ({"at": AT, "b": 1, "a": 1}, "a", ProblemCode.UNKNOWN_FIELD, "is not a field of this record"),
        ({"at": AT, "x" * 70: 1}, "x" * 60, ProblemCode.UNKNOWN_FIELD, "is not a field of this record"),
        (
            {"at": AT, "leaves": [{"text": "a", "newer": 1}]},
            "leaves[0].newer",
            ProblemCode.UNKNOWN_FIELD,
            "is not a field of this record",
        ),
    ],
)
def test_a_fault(wire: Any, path: str, code: ProblemCode, sentence: str) -> None:
    assert refused(lambda: from_wire(Tree, wire)) == (path, code, sentence)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02t03:04:05z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02 03:04+02:00", datetime(2026, 1, 2, 1, 4, tzinfo=UTC)),
        ("2026-01-02T03:04:05.678Z", datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_in_its_forms(text: str, moment: datetime) -> None:
    read = from_wire(Tree, {"at": text}).at
    assert (read, read.tzinfo) == (moment, UTC)


def test_the_last_number_is_still_taken() -> None:
    def n(value: Any) -> int | None:
        return from_wire(Leaf, {"text": "", "n": value}).n

    assert [n(value) for value in (WHOLE_LIMIT, -WHOLE_LIMIT, 15.0)] == [WHOLE_LIMIT, -WHOLE_LIMIT, 15]
    assert type(n(15.0)) is int
    for size in (1e15, -1e15, 3):
        read = from_wire(Tree, {"at": AT, "size": size}).size
        assert (read, type(read)) == (size, float)


# ---------------------------------------------------------------------------------------------------- parsed
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is not JSON"),
        (b"\xff", "is not JSON"),
        ('{"a":1,"a":2}', "names a field twice"),
        ('{"a":NaN}', "holds a number that is not finite"),
        ('{"a":-Infinity}', "holds a number that is not finite"),
        ('{"a":1e999}', "holds a number that is not finite"),
        ("[" * 100_000, "is not JSON"),
        ("[" * 66 + "]" * 66, "is nested too deep"),
        ('{"a":' * 66 + "1" + "}" * 66, "is nested too deep"),
        ('{"a":[' * 33 + "1" + "]}" * 33, "is nested too deep"),
        (r'["\ud800"]', "holds text that is not Unicode"),
        ('["\ud800"]', "holds text that is not Unicode"),
        (b'["\xed\xa0\x80"]', "holds text that is not Unicode"),
    ],
)
def test_what_is_no_document(text: str | bytes, sentence: str) -> None:
    assert refused(lambda: parse(text)) == ("", MALFORMED, sentence)


@pytest.mark.parametrize(
    "document",
    [
        1,
        "x",
        None,
        [],
        [[]] * 100,
        [{}] * 100,
        {"a": [1.5, 2, True, None]},
        ["[" * 100, "{" * 100],
        ["\U0001f600", "ñ", "\ud55c"],
    ],
)
def test_what_is_one_comes_back(document: Any) -> None:
    for text in (json.dumps(document), json.dumps(document, ensure_ascii=False)):
        assert parse(text) == parse(text.encode()) == document


def test_the_deepest_document_is_still_read() -> None:
    for levels in (DEPTH_LIMIT - 1, DEPTH_LIMIT, DEPTH_LIMIT + 1):  # what holds no list or object is no level
        assert parse("[" * levels + "]" * levels) is not None
    mixed = '{"a":[' * (DEPTH_LIMIT // 2) + "1" + "]}" * (DEPTH_LIMIT // 2)
    assert parse(mixed)


# ---------------------------------------------------------------------------------------------------- signed
def test_what_a_server_signs_is_everything_but_the_signature() -> None:
    orders = {"state": "active", "lease_until": AT}
    wire = {"epoch": "e1", "nonce": "n", "device_id": "d", "device": orders, "server_time": AT, "signature": "AAAA"}
    response = from_wire(SyncResponse, wire)
    assert signed_bytes(response) == sorted_canonical({name: v for name, v in wire.items() if name != "signature"})


def test_what_a_device_signs_when_it_enrols() -> None:
    assert enrol_proof("ab1o-il", DeviceId("d0")) == b'{"code":"AB1011","device_id":"d0"}'
    assert plain_code("ab1o-il zz") == "AB1011ZZ"


def test_a_digest_counts_and_does_not_depend_on_the_order() -> None:
    one, other = OpId("aa" * 16), OpId("bb" * 16)
    told = receipt_digest([other, one], NOON)
    assert (told.n, told.since) == (2, NOON)
    assert told.hash == sha256((one + other).encode()).hexdigest()
    assert told == receipt_digest([one, other], NOON)
