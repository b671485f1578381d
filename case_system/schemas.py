"""JSON Schemas of the wire records, made from the records themselves: the published OpenAPI cannot differ from the code.

Every schema allows further properties: newer senders and readers keep what they do not know (S14).
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Any, NewType, Union, cast, get_args, get_origin, get_type_hints

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
            properties[field.name] = _schema(hints[field.name], components)
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
                required.append(field.name)
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
        arms = [arm for arm in get_args(hint) if arm is not type(None)]
        inner = _schema(arms[0], components)
        return {"anyOf": [inner, {"type": "null"}]} if len(arms) < len(get_args(hint)) else inner
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


_SCALARS: Mapping[Any, Schema] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bytes: {"type": "string", "contentEncoding": "base64"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
}
