"""Forms of a study's parts, made from the models that read them: what a model takes, the form asks for.

The text of the study is the draft: a form adds to it, the person may edit it, and both are one file.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import yaml
from pydantic import BaseModel

from cdm.cohorts.cohort import CohortDefinition, Rule
from protocols import CATALOGUE
from protocols.core.errors import Code, InputError
from protocols.core.protocol import protocol
from protocols.core.study import loaded_text
from protocols.core.variables import KINDS

Kind = Literal["text", "number", "choice", "check", "list", "yaml"]
PREFIX = "f_"
"""Before the names of a part's fields in a form, so that none is another's."""

RULES: Mapping[str, type[BaseModel]] = {
    str(get_args(one.model_fields["kind"].annotation)[0]): one for one in get_args(get_args(Rule)[0])
}
"""Kind of a cohort's rule -> its model."""

_ATTRIBUTE = re.compile(r"^ {4,12}([a-z_, ]+): (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Asked:
    """One field of a form.

    Attributes:
        name: as the study's file writes it.
        kind: how it is asked for; a list is written with commas, what has parts as YAML.
        choices: of a choice.
        hint: what the model says of it.
    """

    name: str
    kind: Kind
    required: bool
    value: str
    choices: tuple[str, ...]
    hint: str


def model_of(part: str, word: str) -> type[BaseModel]:
    """The model of a variable's kind, a protocol's spec or a cohort's rule.

    Raises:
        InputError: there is none of that name.
    """
    known: Mapping[str, type[BaseModel]] = RULES if part == "rule" else KINDS
    if part == "analysis" and word in CATALOGUE:
        return protocol(word).spec_type
    if part == "analysis" or word not in known:
        raise InputError(Code.INVALID_INPUT, f"there is no {part} of the kind {word!r}")
    return known[word]


def fields_of(model: type[BaseModel]) -> tuple[Asked, ...]:
    """The fields that a form asks for: those that must be given first, else in the model's order.

    >>> [(one.name, one.kind) for one in fields_of(KINDS["gene"])]
    [('gene', 'text'), ('state', 'choice'), ('origin', 'choice')]
    """
    schema = model.model_json_schema(by_alias=True)
    said = {
        name.strip(): words
        for names, words in _ATTRIBUTE.findall(model.__doc__ or "")
        for name in names.split(",")
    }
    required = schema.get("required", ())
    asked = [
        _asked(name, _resolved(one, schema), name in required, said)
        for name, one in schema["properties"].items()
        if name not in ("kind", "protocol", "name")
    ]
    return tuple(sorted(asked, key=lambda one: (one.name not in required, one.name == "privacy")))


def filled(model: type[BaseModel], given: Mapping[str, object]) -> dict[str, Any]:
    """What a form sent, as a study's file writes it; what was left empty is left out.

    Raises:
        InputError: a field is not of its kind.
    """
    found: dict[str, Any] = {}
    for asked in fields_of(model):
        sent = given.get(PREFIX + asked.name)
        text = sent.strip() if isinstance(sent, str) else ""
        if asked.kind == "check":
            if text:
                found[asked.name] = True
        elif text and text != asked.value:
            found[asked.name] = _read(asked, text)
    return found


def with_part(text: str, part: str, word: str, name: str, given: Mapping[str, object]) -> str:
    """The draft with a variable, an analysis or a rule more; one of the same name is replaced.

    Raises:
        InputError: the draft is not YAML, the part has no name, or a field is not of its kind.
    """
    if not name.strip():
        raise InputError(Code.INVALID_STUDY, "this part needs a name", "fill its name in, and add it again")
    content = loaded_text(text) if text.strip() else {}
    if not isinstance(content, dict):
        raise InputError(Code.INVALID_STUDY, "the draft is not a study")
    more = filled(model_of(part, word), given)
    if part == "variable":
        content["variables"] = {**(content.get("variables") or {}), name: {"kind": word, **more}}
    elif part == "analysis":
        others = [one for one in content.get("analyses") or () if one.get("name") != name]
        content["analyses"] = [*others, {"name": name, "spec": {"protocol": word, **more}}]
    else:
        inside = content.get("cohort", content)
        others = [one for one in inside.get("rules") or () if one.get("name") != name]
        inside["rules"] = [*others, {"name": name, "kind": word, **more}]
    return as_yaml(content)


def again(study: Mapping[str, Any]) -> str:
    """The draft of another study like one that was signed, under a name of its own.

    >>> print(again({"name": "os-2", "title": "T", "schema_version": 1}), end="")
    name: os-3
    title: T
    schema_version: 1
    """
    stem, _, number = study["name"].rpartition("-")
    name = f"{stem}-{int(number) + 1}" if stem and number.isdigit() else f"{study['name']}-2"
    return as_yaml({**study, "name": name})


def as_yaml(content: object) -> str:
    """Plain data as a study's file writes it."""
    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def with_index(domain: str, concept: str, pick: str) -> str:
    """The draft of a cohort that begins with an event."""
    content = {"index": {"domain": domain, "concept": concept, "pick": pick}}
    CohortDefinition.model_validate(content)
    return yaml.safe_dump(content, sort_keys=False)


def _asked(name: str, one: Mapping[str, Any], required: bool, said: Mapping[str, str]) -> Asked:
    kind, choices = _kind(one)
    default = one.get("default")
    shown = ", ".join(map(str, default)) if kind == "list" and isinstance(default, list) else default
    value = "" if default is None or kind in ("check", "yaml") else str(shown)
    return Asked(name, kind, required and kind != "check", value, choices, said.get(name, ""))


def _kind(one: Mapping[str, Any]) -> tuple[Kind, tuple[str, ...]]:
    if "enum" in one or "const" in one:
        return "choice", tuple(map(str, one.get("enum", [one.get("const")])))
    simple: dict[str, Kind] = {"boolean": "check", "integer": "number", "number": "number", "string": "text"}
    word = one.get("type")
    if word == "array" and _is_simple(one.get("items", {})):
        return "list", ()
    return simple.get(str(word), "yaml"), ()


def _is_simple(items: Mapping[str, Any]) -> bool:
    return items.get("type") in ("string", "number", "integer") or "enum" in items


def _resolved(one: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of one field, without references and without the choice to leave it out."""
    rest = {key: value for key, value in one.items() if key not in ("$ref", "anyOf")}
    if "$ref" in one:
        return {**schema["$defs"][one["$ref"].rpartition("/")[2]], **rest}
    others = [part for part in one.get("anyOf", ()) if part.get("type") != "null"]
    return {**_resolved(others[0], schema), **rest} if len(others) == 1 else rest


def _read(asked: Asked, text: str) -> Any:
    try:
        if asked.kind == "number":
            return float(text) if "." in text else int(text)
        if asked.kind == "list":
            return [yaml.safe_load(one) for one in text.split(",") if one.strip()]
        return loaded_text(text) if asked.kind == "yaml" else text
    except (ValueError, yaml.YAMLError):
        raise InputError(Code.INVALID_INPUT, f"{asked.name} is not what is asked for") from None
