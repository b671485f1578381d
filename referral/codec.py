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
import math
import operator
import re
import types
from collections.abc import Callable, Hashable, Mapping
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import cache
from typing import Any, Final, NewType, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from referral.problems import FieldError, ProblemCode

T = TypeVar("T")
Json = Any
_Reader = Callable[[Json, str, bool], Any]  # value, its wire path, whether unknown fields are kept
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:?\d\d)\Z")
_DATE = re.compile(r"\d{4}-\d\d-\d\d\Z")
WHOLE_LIMIT = 2**53 - 1  # what every JSON reader keeps exactly
DEPTH_LIMIT = 64  # of lists and objects in each other: far below what any reader's stack holds
_COMPACT: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_SORTED: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, sort_keys=True).encode


def canonical(wire: Json) -> bytes:
    """The bytes that are signed, sealed and hashed: compact JSON in UTF-8, key order as given."""
    return _COMPACT(wire).encode()


def sorted_canonical(wire: Json) -> bytes:
    """Like `canonical`, with sorted keys: for documents whose key order a transport may change."""
    return _SORTED(wire).encode()


def parse(data: bytes | str) -> Json:
    """The JSON document in `data`; raises FieldError(malformed).

    What it gives can always be written again: names that come twice, numbers that are not finite, halves of surrogate pairs
    and more than DEPTH_LIMIT levels are refused.
    """
    try:
        document = json.loads(
            data, object_pairs_hook=_no_duplicates, parse_constant=_no_constant, parse_float=_finite
        )  # fmt: skip
    except (ValueError, RecursionError) as error:
        if isinstance(error, FieldError):
            raise
        raise FieldError("", ProblemCode.MALFORMED, "is not JSON") from None
    raw = data.encode(errors="surrogatepass") if isinstance(data, str) else data
    if raw.count(b"[") + raw.count(b"{") > DEPTH_LIMIT and _too_deep(document):
        raise FieldError("", ProblemCode.MALFORMED, "is nested too deep")
    if b"\\u" in raw or b"\xed" in raw:  # where half of a surrogate pair may be
        _writable(document)
    return document


def _too_deep(document: Json) -> bool:
    level = [document] if isinstance(document, dict | list) else []
    for _ in range(DEPTH_LIMIT + 1):
        inside = (outer.values() if isinstance(outer, dict) else outer for outer in level)
        level = [inner for one in inside for inner in one if isinstance(inner, dict | list)]
        if not level:
            return False
    return True


def _writable(document: Json) -> None:
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise FieldError("", ProblemCode.MALFORMED, "holds text that is not Unicode") from None


def _no_duplicates(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise FieldError("", ProblemCode.MALFORMED, "names a field twice")
    return found


def _no_constant(name: str) -> Json:
    raise FieldError("", ProblemCode.MALFORMED, "holds a number that is not finite")


def _finite(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _no_constant(digits)


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
    cls = type(record)
    write = _WRITERS.get(cls)
    if write is None:
        write = _WRITERS[cls] = _writer(cls)
    return write(record)


_WRITERS: dict[type, Callable[[Any], Json]] = {}  # how values of each class are written, made once


def _writer(cls: type) -> Callable[[Any], Json]:
    if issubclass(cls, StrEnum):
        return operator.attrgetter("_value_")
    if issubclass(cls, datetime):
        return lambda moment: f"{moment.astimezone(UTC).isoformat()[:19]}Z"
    if issubclass(cls, date):
        return date.isoformat
    if issubclass(cls, bytes):
        return lambda data: base64.b64encode(data).decode()
    if issubclass(cls, tuple | list):
        return lambda items: [to_wire(item) for item in items]
    if issubclass(cls, Mapping):
        return lambda items: {key: to_wire(value) for key, value in items.items()}
    return _record_writer(cls) if dataclasses.is_dataclass(cls) else lambda value: value


def _record_writer(cls: type) -> Callable[[Any], dict[str, Json]]:
    fields = [(name, default) for name, _, default in _fields(cast(Hashable, cls)) if name != "extra"]
    keeps = len(fields) < len(dataclasses.fields(cast(Any, cls)))

    def write(record: Any) -> dict[str, Json]:
        out = {
            name: value if type(value) is str else to_wire(value)
            for name, default in fields
            if (value := getattr(record, name)) is not default and value != default
        }
        if keeps and record.extra:
            for key, value in record.extra.items():
                out.setdefault(key, value)
        return out

    return write


def from_wire(cls: type[T], wire: Json, path: str = "", *, keep_unknown: bool = False) -> T:
    """The record of type `cls` in `wire`; raises FieldError with the wire path of the first fault."""
    if not isinstance(wire, dict):
        raise FieldError(path, ProblemCode.MALFORMED, "is not an object")
    values: dict[str, Any] = {}
    seen = 0
    fields, keeps = _readers(cast(Hashable, cls))
    for name, read, needed in fields:
        value = wire.get(name)
        if value is None:
            if needed:
                raise FieldError(_below(path, name), ProblemCode.MISSING_ANSWER, "is needed")
            seen += name in wire
            continue
        seen += 1
        values[name] = read(value, f"{path}.{name}" if path else name, keep_unknown)
    if seen != len(wire):
        known = {name for name, _, _ in fields}
        unknown = {key: value for key, value in wire.items() if key not in known}
        if not keep_unknown:
            first = min(map(str, unknown))[:60]
            raise FieldError(_below(path, first), ProblemCode.UNKNOWN_FIELD, "is not a field of this record")
        if keeps:
            values["extra"] = unknown
    return cls(**values)


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


@cache
def _readers(cls: Hashable) -> tuple[tuple[tuple[str, _Reader, bool], ...], bool]:
    """How each field of a record is read, made once: name, reader, whether it is needed; and whether unknown ones are kept."""
    fields = _fields(cls)
    readers = tuple(
        (name, _reader(hint), default is dataclasses.MISSING)
        for name, hint, default in fields
        if name != "extra"  # where unknown fields are kept, and no field of the wire
    )
    return readers, any(name == "extra" for name, _, _ in fields)


def _reader(hint: Any) -> _Reader:
    """The reader of one type hint."""
    if isinstance(hint, NewType):
        hint = hint.__supertype__
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _reader(next(arm for arm in get_args(hint) if arm is not type(None)))
    if origin is tuple:
        return _list_reader(_reader(get_args(hint)[0]))
    if hint is Any:
        return lambda value, path, keep: value
    if origin is not None and issubclass(origin, Mapping):
        return _object_reader(_reader(get_args(hint)[1]))
    if dataclasses.is_dataclass(hint):
        record = cast(type, hint)
        return lambda value, path, keep: from_wire(record, value, path, keep_unknown=keep)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return _word_reader(hint)
    return _SCALARS[hint]


def _list_reader(item: _Reader) -> _Reader:
    def read(value: Json, path: str, keep: bool) -> Any:
        if not isinstance(value, list):
            raise _wrong(path, "is not a list")
        return tuple(item(one, f"{path}[{i}]", keep) for i, one in enumerate(value))

    return read


def _object_reader(item: _Reader) -> _Reader:
    def read(value: Json, path: str, keep: bool) -> Any:
        if not isinstance(value, dict):
            raise _wrong(path, "is not an object")
        return {key: item(one, f"{path}.{key}", keep) for key, one in value.items()}

    return read


def _word_reader(words: type[StrEnum]) -> _Reader:
    members: Mapping[str, StrEnum] = {member.value: member for member in words}

    def read(value: Json, path: str, keep: bool) -> Any:
        member = members.get(value if type(value) is str else _text(value, path))
        if member is None:
            raise _wrong(path, "is not one of " + ", ".join(members))
        return member

    return read


def _wrong(path: str, message: str) -> FieldError:
    return FieldError(path, ProblemCode.INVALID_VALUE, message)


def _text(value: Json, path: str) -> str:
    if not isinstance(value, str):
        raise _wrong(path, "is not text")
    return value


def _read_bool(value: Json, path: str, keep: bool) -> bool:
    if not isinstance(value, bool):
        raise _wrong(path, "is not true or false")
    return value


def _read_int(value: Json, path: str, keep: bool) -> int:
    if isinstance(value, float) and value.is_integer():  # 15.0: JSON has one kind of number
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(path, "is not a whole number")
    if not -WHOLE_LIMIT <= value <= WHOLE_LIMIT:
        raise _wrong(path, "is larger than any number here")
    return value


def _read_float(value: Json, path: str, keep: bool) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e15:
        raise _wrong(path, "is not a number")
    return float(value)


def _read_str(value: Json, path: str, keep: bool) -> str:
    text = value if type(value) is str else _text(value, path)
    if not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text):
        raise _wrong(path, "is not valid text")
    return text


def _read_time(value: Json, path: str, keep: bool) -> datetime:
    text = _text(value, path)
    if _TIME.match(text):
        try:
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise _wrong(path, "is not a time in UTC like 2026-02-03T01:02:03Z")


def _read_date(value: Json, path: str, keep: bool) -> date:
    text = _text(value, path)
    if _DATE.match(text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
    raise _wrong(path, "is not a date like 1990-05-02")


def _read_bytes(value: Json, path: str, keep: bool) -> bytes:
    text = _text(value, path)
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise _wrong(path, "is not base64") from None


_SCALARS: Mapping[Any, _Reader] = {
    bool: _read_bool,
    int: _read_int,
    float: _read_float,
    str: _read_str,
    datetime: _read_time,
    date: _read_date,
    bytes: _read_bytes,
}
