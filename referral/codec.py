"""Records to wire JSON and back, by their type hints: one reader for every message, with the path of each fault.

Promise: `from_wire(T, to_wire(x)) == x` for every record of this package; an absent field means its default; a fault names
the wire path ("person.birth.age") and never the value. Unknown fields are refused, or kept in the record's `extra` field
when the caller asks for it (newer senders lose nothing).

Wire forms: enum -> its value, datetime -> "2026-02-03T01:02:03Z" (UTC, seconds), date -> "2026-02-03", bytes -> base64,
tuple -> list, nested record -> object. Canonical bytes: UTF-8, keys in declared order, no spaces.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import re
import types
from collections.abc import Hashable, Mapping
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import cache
from typing import Any, NewType, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from referral.problems import FieldError, ProblemCode

T = TypeVar("T")
Json = Any
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:?\d\d)\Z")
_DATE = re.compile(r"\d{4}-\d\d-\d\d\Z")


def canonical(wire: Json) -> bytes:
    """The bytes that are signed, sealed and hashed: compact JSON in UTF-8, key order as given."""
    return json.dumps(wire, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def sorted_canonical(wire: Json) -> bytes:
    """Like `canonical`, with sorted keys: for documents whose key order a transport may change."""
    return json.dumps(wire, ensure_ascii=False, separators=(",", ":"), allow_nan=False, sort_keys=True).encode()


def parse(data: bytes | str) -> Json:
    """The JSON document in `data`; raises FieldError(malformed). Duplicate keys and NaN are refused."""
    try:
        return json.loads(data, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        if isinstance(error, FieldError):
            raise
        raise FieldError("", ProblemCode.MALFORMED, "is not JSON") from None


def _no_duplicates(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise FieldError("", ProblemCode.MALFORMED, "names a field twice")
    return found


def _no_constant(name: str) -> Json:
    raise FieldError("", ProblemCode.MALFORMED, "holds a number that is not finite")


@cache
def _fields(cls: Hashable) -> tuple[tuple[str, Any, Any], ...]:
    kind = cast(Any, cls)
    hints = get_type_hints(kind)
    out = []
    for f in dataclasses.fields(kind):
        default = f.default if f.default_factory is dataclasses.MISSING else f.default_factory()
        out.append((f.name, hints[f.name], default))
    return tuple(out)


def to_wire(record: Any) -> Json:
    """The wire form of a record; fields that equal their default are left out, `extra` is merged back in."""
    match record:
        case StrEnum():
            return record.value
        case datetime():
            return record.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")
        case date():
            return record.isoformat()
        case bytes():
            return base64.b64encode(record).decode()
        case tuple() | list():
            return [to_wire(item) for item in record]
        case Mapping():
            return {key: to_wire(value) for key, value in record.items()}
        case _:
            pass
    if not dataclasses.is_dataclass(record):
        return record
    return _record_to_wire(record)


def _record_to_wire(record: Any) -> dict[str, Json]:
    out: dict[str, Json] = {}
    for name, _, default in _fields(cast(Hashable, type(record))):
        value = getattr(record, name)
        if name != "extra" and value != default:
            out[name] = to_wire(value)
    for key, value in (getattr(record, "extra", None) or {}).items():
        out.setdefault(key, value)
    return out


def from_wire(cls: type[T], wire: Json, path: str = "", *, keep_unknown: bool = False) -> T:
    """The record of type `cls` in `wire`; raises FieldError with the wire path of the first fault."""
    if not isinstance(wire, dict):
        raise FieldError(path, ProblemCode.MALFORMED, "is not an object")
    values: dict[str, Any] = {}
    names: set[str] = set()
    keeps = False
    for name, hint, default in _fields(cast(Hashable, cls)):
        if name == "extra":  # where unknown fields are kept, and no field of the wire
            keeps = True
            continue
        names.add(name)
        here = f"{path}.{name}" if path else name
        if wire.get(name) is None:
            if default is dataclasses.MISSING:
                raise FieldError(here, ProblemCode.MISSING_ANSWER, "is needed")
            continue
        values[name] = _read(hint, wire[name], here, keep_unknown)
    unknown = {key: value for key, value in wire.items() if key not in names}
    if unknown:
        if not keep_unknown:
            first = min(map(str, unknown))
            raise FieldError(
                f"{path}.{first[:60]}" if path else first[:60],
                ProblemCode.UNKNOWN_FIELD,
                "is not a field of this record",
            )
        if keeps:
            values["extra"] = unknown
    return cls(**values)


def _read(hint: Any, value: Json, path: str, keep: bool) -> Any:
    if isinstance(hint, NewType):
        hint = hint.__supertype__
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        inner = [arm for arm in get_args(hint) if arm is not type(None)]
        return _read(inner[0], value, path, keep)
    if origin is tuple:
        if not isinstance(value, list):
            raise FieldError(path, ProblemCode.INVALID_VALUE, "is not a list")
        return tuple(_read(get_args(hint)[0], item, f"{path}[{i}]", keep) for i, item in enumerate(value))
    if hint is Any:
        return value
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, dict):
            raise FieldError(path, ProblemCode.INVALID_VALUE, "is not an object")
        arm = get_args(hint)[1]
        return {key: _read(arm, item, f"{path}.{key}", keep) for key, item in value.items()}
    if dataclasses.is_dataclass(hint):
        return from_wire(cast(type, hint), value, path, keep_unknown=keep)
    return _scalar(hint, value, path)


def _scalar(hint: Any, value: Json, path: str) -> Any:
    def wrong(message: str) -> FieldError:
        return FieldError(path, ProblemCode.INVALID_VALUE, message)

    if hint is bool:
        if not isinstance(value, bool):
            raise wrong("is not true or false")
        return value
    if hint is int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong("is not a whole number")
        return value
    if hint is float:
        if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e15:
            raise wrong("is not a number")
        return float(value)
    if not isinstance(value, str):
        raise wrong("is not text")
    if hint is str:
        if any("\ud800" <= c <= "\udfff" for c in value):
            raise wrong("is not valid text")
        return value
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        if value not in {member.value for member in hint}:
            raise wrong("is not one of " + ", ".join(member.value for member in hint))
        return hint(value)
    try:
        if hint is datetime and _TIME.match(value):
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
        if hint is date and _DATE.match(value):
            return date.fromisoformat(value)
        if hint is bytes:
            return base64.b64decode(value, validate=True)
    except (ValueError, OverflowError, binascii.Error):
        pass
    kinds = {
        datetime: "is not a time in UTC like 2026-02-03T01:02:03Z",
        date: "is not a date like 1990-05-02",
        bytes: "is not base64",
    }
    raise wrong(kinds.get(hint, "is not readable"))
