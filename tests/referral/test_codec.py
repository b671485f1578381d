"""One reader for every message: what it promises for every record, and what it refuses."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral.codec import canonical, from_wire, parse, sorted_canonical, to_wire
from referral.problems import FieldError, ProblemCode


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    text: str
    n: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    at: datetime
    day: date | None = None
    colour: Colour = Colour.RED
    raw: bytes = b""
    size: float | None = None
    flag: bool = False
    leaves: tuple[Leaf, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)


trees = st.builds(
    Tree,
    at=st.integers(-(2**31), 2**33).map(lambda s: datetime.fromtimestamp(s, UTC)),
    day=st.none() | st.dates(),
    colour=st.sampled_from(Colour),
    raw=st.binary(max_size=40),
    size=st.none() | st.floats(-1e9, 1e9, allow_nan=False),
    flag=st.booleans(),
    leaves=st.lists(
        st.builds(Leaf, text=st.text(st.characters(exclude_categories=["Cs"])), n=st.none() | st.integers(-9, 9))
    ).map(tuple),
    counts=st.dictionaries(st.text("abc", min_size=1), st.integers(0, 5), max_size=3),
    extra=st.dictionaries(st.sampled_from(["new_a", "new_b"]), st.integers() | st.text("xyz"), max_size=2),
)


@given(trees)
def test_every_record_comes_back_with_its_unknown_fields(tree: Tree) -> None:
    data = canonical(to_wire(tree))
    assert from_wire(Tree, parse(data), keep_unknown=True) == tree


def test_defaults_do_not_travel() -> None:
    assert to_wire(Tree(at=datetime(2026, 1, 2, tzinfo=UTC))) == {"at": "2026-01-02T00:00:00Z"}


@pytest.mark.parametrize(
    ("wire", "path"),
    [
        ({}, "at"),
        ({"at": "2026-01-02T00:00:00"}, "at"),
        ({"at": "2026-13-02T00:00:00Z"}, "at"),
        ({"at": 5}, "at"),
        ({"at": "2026-01-02T00:00:00Z", "leaves": [{"text": "a"}, {}]}, "leaves[1].text"),
        ({"at": "2026-01-02T00:00:00Z", "leaves": [{"text": "a", "n": True}]}, "leaves[0].n"),
        ({"at": "2026-01-02T00:00:00Z", "raw": "?"}, "raw"),
        ({"at": "2026-01-02T00:00:00Z", "counts": {"a": "x"}}, "counts.a"),
        ({"at": "2026-01-02T00:00:00Z", "size": "9"}, "size"),
        ({"at": "2026-01-02T00:00:00Z", "flag": 1}, "flag"),
        ({"at": "2026-01-02T00:00:00Z", "leaves": [{"text": "\ud800"}]}, "leaves[0].text"),
        ([], ""),
    ],
)
def test_a_fault_names_its_path(wire: Any, path: str) -> None:
    with pytest.raises(FieldError) as caught:
        from_wire(Tree, wire)
    assert caught.value.field == path


def test_unknown_fields_are_refused_unless_kept() -> None:
    wire = {"at": "2026-01-02T00:00:00Z", "newer": 1}
    with pytest.raises(FieldError) as caught:
        from_wire(Tree, wire)
    assert (caught.value.field, caught.value.code) == ("newer", ProblemCode.UNKNOWN_FIELD)
    assert from_wire(Tree, wire, keep_unknown=True).extra == {"newer": 1}


@pytest.mark.parametrize("text", ["", "{", '{"a":1,"a":2}', '{"a":NaN}', "[" * 100_000])
def test_what_is_not_json_is_malformed(text: str) -> None:
    with pytest.raises(FieldError) as caught:
        parse(text)
    assert caught.value.code is ProblemCode.MALFORMED


def test_sorted_bytes_do_not_depend_on_key_order() -> None:
    assert sorted_canonical({"b": 1, "a": {"d": 1, "c": 2}}) == sorted_canonical({"a": {"c": 2, "d": 1}, "b": 1})
