"""What a command gives back: an action's value for machines, and its words for people.

Actions return frozen dataclasses; `plain` makes them what `--json` prints. Words are made by the command line
alone, from the same value, so that a page or a notebook never has to read them.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Generic, TypeVar

from protocols.core.errors import ExitCode

T = TypeVar("T")


@dataclass(frozen=True)
class Output(Generic[T]):
    """A command's result.

    Attributes:
        value: what an action returned: a frozen dataclass.
        words: makes of it what people read: a mapping, a list of rows, or a line.
        exit_code: what the command returns to its shell.
    """

    value: T
    words: Callable[[T], object]
    exit_code: ExitCode = ExitCode.DONE


def plain(value: object) -> object:
    """The value as JSON's own types: dataclasses as objects, in the order of their fields; times in ISO 8601.

    Raises:
        TypeError: a type for which JSON has no word, so that none is written by its `str` unseen.
    """
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}  # its own fields
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    as_list = getattr(value, "tolist", None)  # of NumPy's arrays and numbers, without loading NumPy
    if as_list is not None:
        return plain(as_list())
    from pydantic import BaseModel  # here: the help of the command line loads it not

    if isinstance(value, BaseModel):  # which else would be iterated over, as pairs
        return value.model_dump(mode="json", by_alias=True)
    if isinstance(value, Iterable) and not isinstance(value, bytes):
        return [plain(one) for one in value]
    raise TypeError(f"a {type(value).__name__} has no form in JSON")
