"""What pydantic finds wrong, in words: where, and what to write; never with the value that was given."""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

MOST = 8

_MACHINERY = re.compile(r"function-|constrained-|tuple\[|[a-z]+\[|literal\[", re.IGNORECASE)
"""Parts of a place that name how it was checked, and not where it stands."""

_PATTERNS = {
    r"^[a-z0-9][a-z0-9-]{0,59}$": "small letters, digits and -, up to 60",
    r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$": "letters, digits, - and _, up to 40, and no blank",
    r"^[a-z][a-z0-9_]{0,39}$": "small letters, digits and _, up to 40",
    r"^[A-Za-z0-9_.-]+:[^\s]{1,60}$": "VOCABULARY:CODE, for example LOINC:89243-0 or ICD10CM:C71%",
    r"^[A-Za-z0-9-]{1,20}$": "a gene's symbol, for example IDH1",
}
"""The pattern of a field -> how it is written."""


def in_words(errors: Iterable[Mapping[str, Any]], given: object = None) -> str:
    """The faults of one thing that was validated, each once, with its place.

    Args:
        errors: as pydantic lists them.
        given: what was validated; a place then has the keys that stand there, without the names of the
            models that were tried.

    >>> from pydantic import BaseModel, ConfigDict, ValidationError
    >>> class Spec(BaseModel):
    ...     model_config = ConfigDict(extra="forbid")
    ...     covariates: list[str]
    >>> try:
    ...     Spec.model_validate({"covariats": []})
    ... except ValidationError as error:
    ...     print(in_words(error.errors()))
    covariats: there is no such field; did you mean covariates?
    """
    every = [{**one, "loc": _keys(one["loc"], given)} for one in errors]
    missing = {_place(one["loc"]) for one in every if one["type"] == "missing"}
    said: dict[str, None] = {}
    explained: set[str] = set()
    other = {_place(one["loc"]) for one in every if one["type"] != "tuple_type"}
    every = [one for one in every if one["type"] != "tuple_type" or _place(one["loc"]) not in other]
    for one in sorted(every, key=lambda error: error["type"] != "extra_forbidden"):
        place = _place(one["loc"])
        if one["type"] == "extra_forbidden":
            near = difflib.get_close_matches(place, missing, n=1, cutoff=0.8)
            explained |= set(near)
            hint = f"; did you mean {near[0].rpartition('.')[2]}?" if near else ""
            said[f"{place}: there is no such field{hint}"] = None
        elif place not in explained:
            said[f"{place}: {_what(one)}" if place else _what(one)] = None
    return "; ".join(list(said)[:MOST])


def _keys(loc: tuple[object, ...], given: object) -> tuple[object, ...]:
    """The parts of a place that lead through what was given, as far as they can.

    >>> _keys(("cohort", "rules", "index", "concept"), {"cohort": {"index": {"concept": 1}, "rules": []}})
    ('cohort', 'index', 'concept')
    """
    return loc if given is None else _way(loc, given)[1]


def _way(loc: tuple[object, ...], given: object) -> tuple[int, tuple[object, ...]]:
    """How many parts of a place are keys of what was given, and these; at its end a key may be missing."""
    if not loc:
        return 0, ()
    head, rest = loc[0], loc[1:]
    without = _way(rest, given) if rest else (0, (head,))
    is_key = isinstance(given, Mapping) and head in given
    is_index = isinstance(given, list) and isinstance(head, int) and head < len(given)
    if not (is_key or is_index):
        return without
    found, way = _way(rest, given[head])  # type: ignore[index]
    return max((found + 1, (head, *way)), without, key=lambda one: one[0])


def _place(loc: Iterable[object]) -> str:
    parts = [str(part) for part in loc]
    return ".".join(part for part in parts if not _MACHINERY.match(part))


def _what(error: Mapping[str, Any]) -> str:
    kind, text = error["type"], str(error["msg"]).removeprefix("Value error, ")
    if kind == "missing":
        return "is missing"
    if kind == "string_pattern_mismatch":
        pattern = str(error.get("ctx", {}).get("pattern", ""))
        return f"is written with {_PATTERNS[pattern]}" if pattern in _PATTERNS else text
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        return "is not a group of fields with values"
    if kind == "tuple_type":
        return "is a list"
    if kind == "union_tag_invalid":
        return f"its kind has to be one of {error['ctx']['expected_tags']}"
    return text.replace("Input should be", "has to be")
