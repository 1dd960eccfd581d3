"""A result from its plain data again: what crossed HTTP, or lay in a file, is the object that it was."""

import dataclasses
import types
from collections.abc import Mapping
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

import numpy as np

from protocols.core.errors import Code, InputError
from protocols.core.protocol import FederatedProtocol, Result, protocol


def result_type(name: str) -> type[Result]:
    """The class of what a protocol finds, as its declaration says it.

    Raises:
        SpecError: there is no such protocol.
    """
    for kind in type(protocol(name)).__mro__:
        for base in getattr(kind, "__orig_bases__", ()):  # where typing keeps what a class was made of
            found = get_args(base)
            if isinstance(get_origin(base), type) and issubclass(get_origin(base), FederatedProtocol):
                return cast("type[Result]", found[-1])
    raise TypeError(f"{name} does not say what it finds")


def read_result(name: str, data: Mapping[str, Any]) -> Result:
    """The result of a protocol whose `as_dict` gave this data; a number that is None is missing.

    Raises:
        InputError: it is not the data of such a result. SpecError: there is no such protocol.

    >>> from protocols.exchange.example import run_example
    >>> found = run_example(protocol="summary", of=["age"])
    >>> read_result("summary", found.as_dict()).summary().equals(found.summary())
    True
    """
    try:
        return cast("Result", _read(result_type(name), data))
    except (KeyError, TypeError, ValueError):
        raise InputError(
            Code.INVALID_INPUT,
            f"this is not the result of a {name} as this version knows it",
            "use the version of Shadowgraph that the center has",
        ) from None


def _read(kind: Any, value: Any) -> Any:
    """The value as a field of that type holds it."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is np.ndarray or origin is np.ndarray:
        return _array(value, np.dtype(get_args(arguments[1])[0]) if arguments else np.dtype(np.float64))
    if origin in (Union, types.UnionType):
        return _of_several(arguments, value)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        return kind(**{f.name: _read(hints[f.name], value[f.name]) for f in dataclasses.fields(kind)})
    if origin is tuple:
        ends = arguments[-1] is Ellipsis
        kinds = [arguments[0]] * len(value) if ends else arguments
        return tuple(_read(one, part) for one, part in zip(kinds, value, strict=True))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {key: _read(arguments[1], one) for key, one in value.items()}
    if kind is float:
        return np.nan if value is None else float(value)
    return value if origin is Literal else kind(value)


def _of_several(kinds: tuple[Any, ...], value: Any) -> Any:
    """A value that may be None, or an array of numbers or of whole numbers."""
    if value is None and type(None) in kinds:
        return None
    known = [one for one in kinds if one is not type(None)]
    if len(known) == 1:
        return _read(known[0], value)
    whole = np.array(value, dtype=object).size > 0 and all(
        isinstance(one, int) for one in np.array(value, dtype=object).ravel()
    )
    return _array(value, np.dtype(np.int64 if whole else np.float64))


def _array(value: Any, dtype: np.dtype[Any]) -> Any:
    return np.array(value, dtype=dtype)  # numpy makes NaN of None
