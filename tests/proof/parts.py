"""Which parts the programme has: every `tests/faults/NAME/part.py` with a `PART`, in the order of their names.

A part is known by its name (T1, T1b, T2, ...) and found by its module, so that another process can import it.
"""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

from tests.proof.part import Part

ROOT = Path(__file__).resolve().parents[2]


def modules() -> tuple[str, ...]:
    """The modules that hold a part."""
    return tuple(
        f"tests.faults.{found.parent.name}.part" for found in sorted((ROOT / "tests/faults").glob("*/part.py"))
    )


def load(module: str) -> Part:
    """The part of a module. Errors: TypeError where its `PART` is none."""
    part = import_module(module).PART
    if not isinstance(part, Part):
        raise TypeError(f"{module}.PART is not a part")
    return part


def everything() -> dict[str, str]:
    """The module of every part by the part's name, T2 before T10. Errors: ValueError for a name that is taken twice."""
    found: dict[str, str] = {}
    for module in modules():
        name = load(module).name
        if name in found:
            raise ValueError(f"{name} is the name of two parts")
        found[name] = module
    return dict(sorted(found.items(), key=lambda item: _order(item[0])))


def _order(name: str) -> tuple[int, str]:
    number = re.search(r"\d+", name)
    return (int(number[0]) if number else 0, name)
