"""A seeded defect: a named change to the real code, for the length of a block, that the proof programme must notice.

`swap` puts another function in the place of one that is there. It refuses when the place is gone or takes other arguments, so that
a refactoring cannot blind the zoo: then the defect has to be written anew, and not to be forgotten.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.faults.simulation.faults import Fault


class DoesNotApply(AssertionError):
    """The code has changed: the defect is not what it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """One animal. seed: the change, as a block. breaks: the invariants that it breaks.

    likely: faults under which the simulator meets it soonest. own: its own test where the simulator cannot see it; it answers with
    what it saw, or None.
    """

    name: str
    breaks: str
    seed: Callable[[], AbstractContextManager[object]]
    likely: tuple[Fault, ...] = ()
    own: Callable[[], str | None] | None = field(default=None, repr=False)


@contextmanager
def swap(owner: Any, name: str, make: Callable[[Any], Any], *, reads: str = "") -> Iterator[None]:
    """`owner.name` is what `make` makes of it. reads: words that must stand in the original's source.

    Errors: DoesNotApply when there is no such function, or when it takes other arguments than its replacement.
    """
    if name not in vars(owner):
        raise DoesNotApply(f"{owner.__name__} has no {name} any more")
    kept = vars(owner)[name]
    original = getattr(owner, name)
    if reads and reads not in inspect.getsource(original):
        raise DoesNotApply(f"{name} does not read {reads!r} any more")
    replacement = make(original)
    if callable(original) and _takes(original) != _takes(replacement):
        raise DoesNotApply(f"{name} takes {_takes(original)}, its replacement {_takes(replacement)}")
    setattr(owner, name, staticmethod(replacement) if isinstance(kept, staticmethod) else replacement)
    try:
        yield
    finally:
        setattr(owner, name, kept)


def _takes(function: Any) -> list[str]:
    return [p.name for p in inspect.signature(function).parameters.values()]
