"""Operations as a device could seal them, from their own records: mostly well formed, about referrals that exist, sometimes odd.

Random bytes get no further than the door; these get past it, so that the rules behind it are met with everything that the language
allows, and with some that it does not.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Hashable, Mapping
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from typing import Any, Final, NewType, Union, cast, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from referral.lifecycle import Role
from referral.model import Referral
from referral.operations import OPERATIONS, Op

Wire = st.SearchStrategy[Any]
ODD: Final[Wire] = st.sampled_from(
    [
        None,
        True,
        -1,
        2**53,
        1.5,
        "",
        " ",
        "\0",
        "\u202e",
        "x" * 300,
        [],
        {},
        [[]],
        {"a": {"b": None}},
        "2026-02-30",
        "9" * 40,
    ]
)
WORDS: Final[Wire] = st.sampled_from(
    [
        "hospital",
        "left",
        "police",
        "clinic",
        "status",
        "west",
        "east",
        "sao",
        "bpd",
        "o1",
        "o2",
        "phone",
        "Testa Sample",
        "4 3550",
        "es",
    ]
)
TIMES: Final[Wire] = st.sampled_from(
    [
        "2026-03-03T07:10:00Z",
        "2026-03-03T07:10:00-05:00",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "2031-01-01T00:00:00Z",
    ]
)
DAYS: Final[Wire] = st.sampled_from(
    ["1990-05-02", "2026-03-03", "2009-01-01", "2027-12-31", "0001-01-01", "9999-12-31"]
)
REFERRALS: Final = ("own", "waits", "talk", "foreign", "unknown", "new-1", "new-2")


@cache
def acts(made_by: str, role: Role) -> Wire:
    """The wire form of an operation's payload, as this person's app would make it, or nearly; half are what the role may do."""
    own = [op for op, rule in OPERATIONS.items() if role in rule.roles and rule.from_device]
    chosen = (
        st.sampled_from(Op) if not own else st.booleans().flatmap(lambda may: st.sampled_from(own if may else list(Op)))
    )
    return chosen.flatmap(lambda op: _act(op, made_by))


def _act(op: Op, made_by: str) -> Wire:
    body = wire_of(cast(Hashable, OPERATIONS[op].body))
    if op in (Op.CREATE, Op.INCOMPLETE):
        body = st.fixed_dictionaries({"referral": _answers(needed=True)})
    elif op is Op.AMEND:
        body = st.fixed_dictionaries({"changes": _answers(needed=False)})
    return st.fixed_dictionaries(
        {
            "op": st.just(op.value),
            "referral_id": st.sampled_from(REFERRALS),
            "nonce": st.text("abcdef0123456789", min_size=1, max_size=8),
            "made_at": _mostly(st.just("2026-03-03T07:10:00Z"), TIMES | ODD),
            "made_by": _mostly(st.just(made_by), st.sampled_from(["o2", "cm1", "sup", "system", "desk"])),
            "body": _mostly(body, ODD),
        },
        optional={"base": _mostly(st.integers(0, 3), ODD), "offset_ms": st.integers(-(2**40), 2**40), "new": ODD},
    )


@cache
def _answers(*, needed: bool) -> Wire:
    """A referral without its id: what every one has (where that is needed), and a few of the other answers."""
    hints = get_type_hints(Referral)
    rest = {
        f.name: _mostly(wire_of(hints[f.name]), ODD)
        for f in dataclasses.fields(Referral)
        if f.name not in ("referral_id", "kind", "willing", "extra")
    }
    kind = st.sampled_from(["arrest_diversion", "social_contact"])
    willing = st.sampled_from(["yes", "yes", "no", "not_asked"])
    always = {"kind": kind, "willing": willing} if needed else {}
    few = st.lists(st.sampled_from(sorted(rest)), min_size=0 if needed else 1, max_size=4, unique=True)
    return few.flatmap(lambda names: st.fixed_dictionaries(always | {name: rest[name] for name in names}))


def _mostly(usual: Wire, odd: Wire) -> Wire:
    return st.integers(0, 63).flatmap(lambda n: odd if n == 0 else usual)


@cache
def wire_of(hint: Any) -> Wire:
    """Values of a type hint in their wire form."""
    if isinstance(hint, NewType):
        return wire_of(hint.__supertype__)
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return wire_of(next(arm for arm in get_args(hint) if arm is not type(None)))
    if origin is tuple:
        return st.lists(wire_of(get_args(hint)[0]), max_size=3)
    if hint is Any or (origin is not None and issubclass(origin, Mapping)):
        return st.dictionaries(WORDS, WORDS | ODD, max_size=3)
    if dataclasses.is_dataclass(hint):
        hints = get_type_hints(hint)
        named = {f.name: _mostly(wire_of(hints[f.name]), ODD) for f in dataclasses.fields(hint) if f.name != "extra"}
        needed = {f.name for f in dataclasses.fields(hint) if f.default is f.default_factory is dataclasses.MISSING}
        return st.fixed_dictionaries(
            {name: named[name] for name in named if name in needed},
            optional={name: named[name] for name in named if name not in needed},
        )
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return st.sampled_from([member.value for member in hint])
    return _SCALARS[hint]


_SCALARS: Final[Mapping[Any, Wire]] = {
    str: WORDS,
    bool: st.booleans(),
    int: st.integers(-3, 120),
    float: st.floats(-180, 180),
    datetime: TIMES,
    date: DAYS,
    bytes: st.just("AAEC"),
}
