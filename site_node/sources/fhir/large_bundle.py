"""A large bundle, of which only the entry in hand is parsed: as a whole it takes six times its bytes."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, overload

from cdm.etl.record import Body

LARGE = 24 * 1024 * 1024  # smaller ones are parsed as a whole, which is faster
SPACE = re.compile(r"[ \t\r\n]*")


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


PARSE = json.JSONDecoder(parse_constant=_no_constant).raw_decode


class Entries(Sequence[Any]):
    """The elements of a JSON array inside `text`, each parsed whenever it is asked for."""

    def __init__(self, text: str, starts: list[int]) -> None:
        self._text = text
        self._starts = starts

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, place: int) -> Any: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Any]: ...
    def __getitem__(self, place: int | slice) -> Any:
        if isinstance(place, slice):
            return Entries(self._text, self._starts[place])
        return PARSE(self._text, self._starts[place])[0]


def read_large_bundle(content: bytes) -> Body | None:
    """The bundle with its entries unparsed; None where the content is not a bundle, or not JSON.

    Only the elements that tell what the bundle is are kept beside the entries.
    """
    try:
        text = content.decode()
        found = dict(_members(text))
    except (RecursionError, UnicodeDecodeError, ValueError):
        return None
    return found if found.get("resourceType") == "Bundle" else None


def _members(text: str) -> Iterator[tuple[str, Any]]:
    """The members of the JSON object that `text` is; an array named `entry` stays unparsed."""
    place = _after(text, 0, "{")
    while text[place : place + 1] != "}":
        name, place = PARSE(text, place)
        place = _after(text, place, ":")
        if name == "entry" and text[place : place + 1] == "[":
            starts, place = _elements(text, place)
            yield name, Entries(text, starts)
        else:
            value, place = PARSE(text, place)
            if isinstance(value, str):
                yield name, value
        place = _comma_or(text, place, "}")
    if _skip(text, place + 1) != len(text):
        raise ValueError("more than one value")


def _elements(text: str, place: int) -> tuple[list[int], int]:
    """Where the elements of an array begin, and the place behind it."""
    starts = []
    place = _after(text, place, "[")
    while text[place : place + 1] != "]":
        starts.append(place)
        place = _comma_or(text, PARSE(text, place)[1], "]")
    return starts, place + 1


def _comma_or(text: str, place: int, end: str) -> int:
    """The place of what follows a comma, or of the `end` of the object or array."""
    place = _skip(text, place)
    if text[place : place + 1] == end:
        return place
    place = _after(text, place, ",")
    if text[place : place + 1] == end:
        raise ValueError("a comma before the end")
    return place


def _after(text: str, place: int, sign: str) -> int:
    place = _skip(text, place)
    if text[place : place + 1] != sign:
        raise ValueError(f"no {sign}")
    return _skip(text, place + 1)


def _skip(text: str, place: int) -> int:
    found = SPACE.match(text, place)
    assert found
    return found.end()
