"""The JSON schema of what a command prints with `--json`, made of the types of its actions.

It mirrors `protocols.runtime.output.plain`, type by type. An object may get more fields in a later release;
none forbids them (docs/contract.md).
"""

import importlib
import types
import typing
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

from protocols.core.errors import Code
from protocols.runtime.events import Progress

Schema = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SIMPLE: Mapping[object, Schema] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    type(None): {"type": "null"},
    Path: {"type": "string"},
    datetime: {"type": "string", "format": "date-time"},
    np.ndarray: {"type": ["array", "number"]},  # one of no dimension is its number
    Any: {},
    object: {},
}


def schema_of(package: str, actions: Sequence[str], title: str) -> Schema:
    """The schema of a command's value.

    Args:
        package: in which the modules of actions are.
        actions: MODULE.FUNCTION of each action whose value the command may print.
        title: what the schema is called.
    """
    known: dict[str, Schema] = {}
    kinds = list(dict.fromkeys(kind for action in actions for kind in _kinds(package, action)))
    found = [_schema(kind, known) for kind in kinds]
    whole = found[0] if len(found) == 1 else {"anyOf": found}
    return {"$schema": DIALECT, "title": title, **whole, "$defs": known}


def error_schema() -> Schema:
    """The schema of a failure: a code (`usage` for wrong words), a text, a way out."""
    said = {
        "error": {"enum": ["usage", *(str(code) for code in Code)]},
        "text": {"type": "string"},
        "fix": {"type": "string"},
    }
    about = {"$schema": DIALECT, "title": "error", "type": "object"}
    return {**about, "properties": said, "required": sorted(said)}


def _kinds(package: str, action: str) -> Iterator[object]:
    """The types of an action's value; of one that yields events, without those that say how far it is."""
    module, _, name = action.partition(".")
    function = vars(importlib.import_module(f"{package}.{module}"))[name]
    returned = typing.get_type_hints(function)["return"]
    if typing.get_origin(returned) is Iterator:
        (returned,) = typing.get_args(returned)
    is_union = isinstance(returned, types.UnionType) or typing.get_origin(returned) is typing.Union
    yield from (
        kind for kind in (typing.get_args(returned) if is_union else (returned,)) if kind is not Progress
    )


def _schema(kind: Any, known: dict[str, Schema]) -> Schema:
    """The schema of one type; those of its dataclasses go into `known` by name.

    Raises:
        TypeError: a type that `plain` does not write.
    """
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if kind in _SIMPLE or origin in _SIMPLE:
        return dict(_SIMPLE[kind if kind in _SIMPLE else origin])
    if origin is typing.Annotated:
        return _schema(inner[0], known)
    if origin is typing.Literal:
        return {"enum": list(inner)}
    if isinstance(kind, types.UnionType) or origin is typing.Union:
        return {"anyOf": [_schema(one, known) for one in inner]}
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _schema(inner[1], known)}
    if isinstance(origin, type) and issubclass(origin, Iterable):
        return {"type": "array", "items": _items(origin, inner, known)}
    if isinstance(kind, typing.TypeVar | typing.NewType):
        return {}
    return _of_class(kind, known)


def _items(origin: type, inner: Sequence[Any], known: dict[str, Schema]) -> Schema:
    """What the elements of a list may be; of a tuple of several types, any of these."""
    kinds = [one for one in inner if one is not Ellipsis]
    if not issubclass(origin, Collection) or not kinds:
        return {}
    found = [_schema(one, known) for one in kinds]
    return found[0] if len(found) == 1 else {"anyOf": found}


def _of_class(kind: Any, known: dict[str, Schema]) -> Schema:
    if not isinstance(kind, type):
        raise TypeError(f"no schema of {kind}")
    if issubclass(kind, Enum):
        return {"enum": [one.value for one in kind]}
    if issubclass(kind, BaseModel):
        return {"type": "object", "description": (kind.__doc__ or "").partition("\n")[0]}
    if not is_dataclass(kind):
        bases = [base for base in (str, int, float, Mapping, Iterable) if issubclass(kind, base)]
        if not bases:
            raise TypeError(f"no schema of {kind.__name__}")
        kinds: Mapping[type, Schema] = {Mapping: {"type": "object"}, Iterable: {"type": "array"}}
        return dict(kinds.get(bases[0], _SIMPLE.get(bases[0], {})))
    name = kind.__name__
    if name not in known:
        known[name] = {}
        hints = typing.get_type_hints(kind)
        known[name] = {
            "type": "object",
            "description": (kind.__doc__ or "").partition("\n")[0],
            "properties": {one.name: _schema(hints[one.name], known) for one in fields(kind)},
            "required": [one.name for one in fields(kind)],
        }
    return {"$ref": f"#/$defs/{name}"}
