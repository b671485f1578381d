"""A case system's answer from its wire form, read so that a newer server does not break an older app (S14).

What this version does not know is left out, never guessed: a result with an unknown outcome is no result (its item is offered
again), an unknown code is no code, a change that cannot be read is skipped and counted in `unread`. The signature is checked over
what was heard, not over what was understood.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from referral.codec import from_wire, sorted_canonical
from referral.port import Change, Receipt, SyncResponse
from referral.problems import FieldError, ProblemCode


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardResponse(SyncResponse):
    """An answer with the signed bytes as they came, and how many changes this version could not read."""

    heard: bytes = field(repr=False)
    unread: int = 0


def read_response(wire: Any) -> HeardResponse:
    """The answer in a JSON document; raises FieldError when it is no answer of any version."""
    if not isinstance(wire, dict):
        raise FieldError("", ProblemCode.MALFORMED, "is not an object")
    heard = sorted_canonical({name: value for name, value in wire.items() if name != "signature"})
    results, changes = _items(wire, "results"), _items(wire, "changes")
    rest = {name: value for name, value in wire.items() if name not in ("results", "changes")}
    response = from_wire(SyncResponse, rest, keep_unknown=True)
    known = {part.name: getattr(response, part.name) for part in fields(SyncResponse)}
    understood = tuple(change for item in changes if (change := _change(item)) is not None)
    known |= {"results": tuple(r for item in results if (r := _receipt(item)) is not None), "changes": understood}
    return HeardResponse(**known, heard=heard, unread=len(changes) - len(understood))


def _items(wire: Mapping[str, Any], name: str) -> list[Any]:
    found = wire.get(name) or []
    if not isinstance(found, list):
        raise FieldError(name, ProblemCode.INVALID_VALUE, "is not a list")
    return found


def _receipt(item: Any) -> Receipt | None:
    if isinstance(item, dict) and str(item.get("code")) not in set(ProblemCode):
        item = {name: value for name, value in item.items() if name != "code"}
    try:
        return from_wire(Receipt, item, keep_unknown=True)
    except FieldError:
        return None


def _change(item: Any) -> Change | None:
    try:
        return from_wire(Change, item, keep_unknown=True)
    except FieldError:
        return None
