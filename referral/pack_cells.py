"""One value of a pack at a time: readers that note what is wrong, where, and go on.

A reader that cannot read returns a stand-in, so that all faults are found in one go; whoever uses these readers must call
`Faults.stop_if_any` before anything is built from the values. Knows JSON and CSV, and nothing of what a pack means.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import time
from enum import StrEnum
from itertools import pairwise
from typing import Any, TypeVar

from referral.programme import PackError, PackFault, Text

_E = TypeVar("_E", bound=StrEnum)
_LOCAL_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d\Z")


class Faults:
    """What was found wrong so far."""

    def __init__(self) -> None:
        self.found: list[PackFault] = []

    def add(self, file: str, row: int, field: str, message: str) -> None:
        self.found.append(PackFault(file=file, row=row, field=field, message=message))

    def stop_if_any(self) -> None:
        if self.found:
            raise PackError(tuple(self.found))


@dataclass(frozen=True, slots=True)
class Node:
    """A value of programme.json with its JSON pointer. A reader that cannot read notes a fault and returns a stand-in,
    which never leaves this module: `read_pack` raises before it builds a `Programme`."""

    value: Any
    pointer: str
    faults: Faults

    def fault(self, message: str) -> None:
        self.faults.add("programme.json", 0, self.pointer or "/", message)

    def __getitem__(self, key: str) -> Node:
        child = self.value.get(key) if isinstance(self.value, dict) else None
        return Node(child, f"{self.pointer}/{key}", self.faults)

    def has(self, key: str) -> bool:
        return isinstance(self.value, dict) and key in self.value

    def items(self) -> Iterator[tuple[str, Node]]:
        if not isinstance(self.value, dict) or not self.value:
            self.fault("is not an object with entries")
            return
        for key in self.value:
            yield key, self[key]

    def each(self) -> Iterator[Node]:
        if not isinstance(self.value, list):
            self.fault("is not a list")
            return
        for i, value in enumerate(self.value):
            yield Node(value, f"{self.pointer}/{i}", self.faults)

    def string(self, shape: re.Pattern[str] | None = None) -> str:
        if not isinstance(self.value, str) or not self.value.strip():
            self.fault("is not a text")
            return ""
        if shape is not None and not shape.match(self.value):
            self.fault(f"does not have the shape {shape.pattern.removesuffix(chr(92) + 'Z')}")
        return self.value

    def strings(self, shape: re.Pattern[str] | None = None) -> tuple[str, ...]:
        found = tuple(node.string(shape) for node in self.each())
        if len(set(found)) != len(found):
            self.fault("names something twice")
        return found

    def text(self) -> Text:
        return Text(en=self["en"].string(), es=self["es"].string())

    def flag(self) -> bool:
        if not isinstance(self.value, bool):
            self.fault("is not true or false")
        return bool(self.value)

    def whole(self, least: int = 0) -> int:
        if not isinstance(self.value, int) or isinstance(self.value, bool) or not least <= self.value <= 100_000:
            self.fault(f"is not a whole number from {least} to 100000")
            return least
        return self.value

    def number(self, low: float, high: float) -> float:
        if isinstance(self.value, bool) or not isinstance(self.value, int | float) or not low <= self.value <= high:
            self.fault(f"is not a number from {low:g} to {high:g}")
            return low
        return float(self.value)

    def rising(self) -> tuple[int, ...]:
        found = tuple(node.whole() for node in self.each())
        if not found or any(a >= b for a, b in pairwise(found)):
            self.fault("is not a list of rising numbers")
        return found

    def one_of(self, kind: type[_E]) -> _E:
        try:
            return kind(self.value)
        except ValueError:
            self.fault(f"is not one of {', '.join(kind)}")
            return next(iter(kind))

    def local_time(self) -> time:
        found = self.string(_LOCAL_TIME)
        return time.fromisoformat(found) if _LOCAL_TIME.match(found) else time()


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table with its place in the file."""

    file: str
    number: int
    cells: Mapping[str, str]
    faults: Faults

    def fault(self, column: str, message: str) -> None:
        self.faults.add(self.file, self.number, column, message)

    def string(self, column: str) -> str:
        found = self.cells[column].strip()
        if not found:
            self.fault(column, "is empty")
        return found

    def whole(self, column: str) -> int:
        found = self.cells[column].strip()
        if not (found.isascii() and found.isdigit() and len(found) <= 7):
            self.fault(column, "is not a whole number")
            return 0
        return int(found)

    def degrees(self, column: str, limit: float) -> float:
        try:
            found = float(self.cells[column])
        except ValueError:
            found = math.nan
        if not abs(found) <= limit:  # also refuses nan
            self.fault(column, f"is not degrees from -{limit:g} to {limit:g}")
            return 0.0
        return found

    def one_of(self, column: str, kind: type[_E], allowed: tuple[_E, ...] = ()) -> _E:
        choices = allowed or tuple(kind)
        for choice in choices:
            if self.cells[column] == choice.value:
                return choice
        self.fault(column, f"is not one of {', '.join(choices)}")
        return choices[0]


def read_json(name: str, texts: Mapping[str, str], faults: Faults) -> Any:
    def refuse_constant(word: str) -> None:
        raise ValueError(f"{word} is not JSON")

    try:
        found = json.loads(texts[name], parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:  # JSONDecodeError is a ValueError
        line = getattr(error, "lineno", 0)
        faults.add(name, line, "file", "is not JSON" + (f" (line {line})" if line else ""))
        return {}
    if not isinstance(found, dict):
        faults.add(name, 0, "file", "is not a JSON object")
        return {}
    return found


def read_table(name: str, text: str, columns: tuple[str, ...], faults: Faults) -> Iterator[Row]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        missing = [column for column in columns if column not in (reader.fieldnames or ())]
        if missing:
            faults.add(name, 0, ", ".join(missing), "column is missing")
            return
        count = 0
        for count, cells in enumerate(reader, start=1):
            if None in cells or None in cells.values():
                faults.add(name, count, "row", "does not have as many cells as the header")
                continue
            yield Row(name, count, cells, faults)
        if count == 0:
            faults.add(name, 0, "file", "has no rows")
    except csv.Error:
        faults.add(name, reader.line_num, "row", "is not CSV")
