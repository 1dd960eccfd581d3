"""A query in a few words, as a study of one summary."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from cdm.cohorts.cohort import Cohort
from protocols.core.errors import Code, InputError
from protocols.core.study import Study, canonical_json, loaded_text, read_circe
from protocols.core.variables import VariableKind

AVAILABILITY = "Who has what"


def query_study(
    cohort: str,
    variables: list[str],
    *,
    by: str = "",
    per_site: bool = True,
    consortium: str = "the consortium",
    files: bool = True,
) -> Study:
    """The study that asks for counts, means and standard deviations of variables in a cohort.

    Args:
        cohort: a YAML file of a cohort definition, a JSON file of ATLAS, or DOMAIN:VOCABULARY:CODE.
        variables: `age`, `female`, `male`, `gene:SYMBOL` or `VOCABULARY:CODE` of a measurement.
        by: one of these that has two values, to make two groups.
        per_site: also each site's own numbers, where they are large enough.
        files: whether `cohort` may name a file; else it may be the text of a definition, of several lines.
        consortium: who asks, as the sites know it: whoever of its analysts asks the same asks it once.

    Raises:
        InputError: a word is not one of these.
    """
    of = {_name(word): _variable(word) for word in dict.fromkeys([*variables, *([by] if by else [])])}
    spec = {
        "protocol": "summary",
        "of": [_name(word) for word in variables],
        "by": _name(by) if by else None,
        "per_site": per_site,
    }
    title = f"Query: {', '.join(variables)}" + (f" by {by}" if by else "")
    return _named(title, consortium, _cohort(cohort, files), of, {"summary": spec})


def _named(
    title: str,
    consortium: str,
    cohort: Mapping[str, Any],
    variables: Mapping[str, Any],
    specs: Mapping[str, Mapping[str, Any]],
) -> Study:
    """The study of a question, which is named by its content: the same question is asked once."""
    content: dict[str, Any] = {
        "title": title,
        "requester": {
            "name": f"an analyst of {consortium}",
            "institution": consortium,
            "ethics": "the sites' standing approvals",
        },
        "cohort": dict(cohort),
        "variables": dict(variables),
        "analyses": [{"name": name, "spec": dict(spec)} for name, spec in specs.items()],
    }
    content["name"] = "query-" + hashlib.sha256(canonical_json(content)).hexdigest()[:8]
    try:
        return Study.model_validate(content)
    except ValidationError as error:
        where = ", ".join(sorted({".".join(map(str, e["loc"])) for e in error.errors()}))
        raise InputError(Code.INVALID_STUDY, f"the query is not valid: {where}") from None


def _cohort(words: str, files: bool) -> dict[str, Any]:
    """The cohort in full, so that two ways of writing it are one query."""
    content = _cohort_file(Path(words)) if files and Path(words).is_file() else _cohort_text(words)
    try:
        cohort = TypeAdapter[Any](Cohort).validate_python(content)
        return dict(cohort.model_dump(mode="json", by_alias=True))
    except ValidationError:
        raise InputError(
            Code.INVALID_INPUT,
            f"{words!r} is not a cohort: neither a file of one, nor DOMAIN:VOCABULARY:CODE",
            "for example: condition:ICD10CM:C71%",
        ) from None


def _cohort_text(words: str) -> object:
    if "\n" in words:
        content = loaded_text(words)
        return content["cohort"] if isinstance(content, dict) and "cohort" in content else content
    domain, _, concept = words.partition(":")
    return {"index": {"domain": domain, "concept": concept}}


def _cohort_file(path: Path) -> object:
    if path.suffix == ".json":
        content = read_circe(path)
        return {"circe": content} if isinstance(content, dict) and "PrimaryCriteria" in content else content
    try:
        content = yaml.safe_load(path.read_bytes())
    except yaml.YAMLError:
        return None
    return content["cohort"] if isinstance(content, dict) and "cohort" in content else content


_OF_PARTS = {
    "scanner": ("modality",),
    "radiomic": ("modality", "region", "feature"),
    "image_feature": ("feature",),
    "expression": ("gene",),
    "copy_number": ("gene",),
    "survival": ("endpoint",),
}
"""Kinds of variables that are written with their fields between colons: `radiomic:CT:GTV:TU9B`."""


def availability_query(cohort: str, words: list[str], *, consortium: str = "the consortium") -> Study:
    """The study that asks in bands how many people of a cohort have each variable.

    Args:
        cohort: DOMAIN:VOCABULARY:CODE, or the text of a cohort's definition.
        words: as of a query, or `scanner:CT`, `radiomic:CT:GTV:TU9B`, `image_feature:NAME`, ….

    Raises:
        InputError: it is not a cohort, or a word is not one of these.
    """
    of = {_name(word): _variable(word) for word in dict.fromkeys(words)}
    spec = {"protocol": "availability", "of": list(of)}
    content = _cohort(cohort, files=False)
    return _named(AVAILABILITY, consortium, content, of, {"availability": spec})


def _variable(word: str) -> dict[str, Any]:
    if word == "age":
        return {"kind": "age"}
    if word in ("female", "male"):
        return {"kind": "sex", "is": word}
    kind, _, code = word.partition(":")
    if kind == "gene" and code:
        return {"kind": "gene", "gene": code}
    if kind in _OF_PARTS and code:
        return {"kind": kind, **dict(zip(_OF_PARTS[kind], code.split(":"), strict=False))}
    if code:
        return {"kind": "measurement", "concept": word}
    raise InputError(
        Code.UNKNOWN_VARIABLE,
        f"{word!r} is not a variable of a query",
        "age, female, male, gene:SYMBOL, or VOCABULARY:CODE of a measurement",
    )


def _name(word: str) -> str:
    """The variable's name in the study: lower case, letters, digits and underscores."""
    name = re.sub(r"[^a-z0-9]+", "_", word.removeprefix("gene:").lower()).strip("_")[:39]
    return name if name[:1].isalpha() else f"v_{name}"


def attrition_study(cohort: str, *, consortium: str = "the consortium", files: bool = True) -> Study:
    """The study that asks how many people each rule of a cohort leaves, over all sites and at each.

    Raises:
        InputError: it is not a cohort.
    """
    content = _cohort(cohort, files)
    steps = TypeAdapter[Any](Cohort).validate_python(content).steps()
    spec = {"protocol": "attrition", "steps": steps, "per_site": True}
    return _named("Attrition of a cohort", consortium, content, {}, {"attrition": spec})


def availability_study(
    cohort: Cohort, variables: Mapping[str, VariableKind], *, consortium: str = "the consortium"
) -> Study:
    """The study that asks how many people have each variable of a cohort, in bands.

    Raises:
        InputError: there is no variable.
    """
    content = cohort.model_dump(mode="json", by_alias=True)
    kinds = {name: kind.model_dump(mode="json", by_alias=True) for name, kind in variables.items()}
    spec = {"protocol": "availability", "of": list(variables)}
    return _named(AVAILABILITY, consortium, content, kinds, {"availability": spec})
