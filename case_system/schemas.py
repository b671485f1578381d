"""JSON Schemas of the wire records, made from the records themselves: the published OpenAPI cannot differ from the code.

Every schema allows further properties: newer senders and readers keep what they do not know (S14). A property that may be
absent may be null as well, which is the same. Limits that a record checks in its own code stand in `_LIMITS` once more; the
proof programme (tests/faults/api) finds where the two differ.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Any, NewType, Union, cast, get_args, get_origin, get_type_hints

from referral.codec import WHOLE_LIMIT
from referral.port import BATCH_ITEMS, LABEL_LIMIT, NONCE_LIMIT

Schema = dict[str, Any]


def schema_of(root: type[Any], components: dict[str, Schema]) -> Schema:
    """A reference to the schema of a record; it and all that it holds are added to `components`."""
    name = root.__name__
    if name not in components:
        components[name] = {}  # a record may hold itself
        hints = get_type_hints(root)
        properties: dict[str, Schema] = {}
        required: list[str] = []
        for field in dataclasses.fields(root):
            if field.name == "extra":
                continue
            schema = _schema(hints[field.name], components) | _LIMITS.get((name, field.name), {})
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
                required.append(field.name)
            else:
                schema = {"anyOf": [schema, {"type": "null"}]}
            properties[field.name] = schema
        doc = (root.__doc__ or "").strip().split("\n\n")[0]
        described = {} if doc.startswith(f"{name}(") else {"description": " ".join(doc.split())}
        components[name] = {"type": "object", **described, "properties": properties} | (
            {"required": required} if required else {}
        )
    return {"$ref": f"#/components/schemas/{name}"}


def _schema(hint: Any, components: dict[str, Schema]) -> Schema:
    if isinstance(hint, NewType):
        return _schema(hint.__supertype__, components)
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _schema(next(arm for arm in get_args(hint) if arm is not type(None)), components)
    if origin is tuple:
        return {"type": "array", "items": _schema(get_args(hint)[0], components)}
    if origin is not None and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _schema(get_args(hint)[1], components)}
    if hint is Any:
        return {}
    if dataclasses.is_dataclass(hint):
        return schema_of(cast("type[Any]", hint), components)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        components.setdefault(hint.__name__, {"type": "string", "enum": [member.value for member in hint]})
        return {"$ref": f"#/components/schemas/{hint.__name__}"}
    return dict(_SCALARS[hint])


_NO_CONTROL = "^[^\\x00-\\x1f\\x7f]*$"
_LABEL: Schema = {"maxLength": LABEL_LIMIT, "pattern": _NO_CONTROL}
_LIMITS: Mapping[tuple[str, str], Schema] = {
    ("SyncRequest", "nonce"): {"minLength": 1, "maxLength": NONCE_LIMIT, "pattern": _NO_CONTROL},
    ("SyncRequest", "pack"): _LABEL,
    ("SyncRequest", "envelopes"): {"maxItems": BATCH_ITEMS},
    ("Heartbeat", "app"): _LABEL,
    ("EnrolRequest", "app"): _LABEL,
    ("EnrolRequest", "platform"): _LABEL,
}
_SCALARS: Mapping[Any, Schema] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer", "minimum": -WHOLE_LIMIT, "maximum": WHOLE_LIMIT},
    float: {"type": "number"},
    bytes: {
        "type": "string",
        "contentEncoding": "base64",
        "pattern": "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
    },
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
}
