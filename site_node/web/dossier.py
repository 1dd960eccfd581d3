"""A study as its page shows it: each part in words, with what was counted of it here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from protocols.core.study_words import (
    Sentence,
    index_words,
    rule_words,
    variable_words,
    window_words,
)

Content = Mapping[str, Any]
INDEX = "index event"


@dataclass(frozen=True)
class Rule:
    """A rule of a cohort in words, and how many people it left here; None before anybody counted."""

    name: str
    words: Sentence
    people: int | None


@dataclass(frozen=True)
class Variable:
    """A variable in words; how many of the cohort's people have it here, how many records are in doubt."""

    name: str
    words: Sentence
    window: Sentence | None
    have: int | None
    people: int | None
    doubtful: int


@dataclass(frozen=True)
class Analysis:
    """What one analysis is, and what of it would leave, line by line."""

    name: str
    what: str
    lines: tuple[str, ...]


def cohort_rules(dossier: Content) -> list[Rule]:
    """The cohort, rule by rule, with its attrition here where it was counted."""
    counts = _attrition(dossier)
    cohort = dossier["study"]["cohort"]
    if "index" not in cohort:  # ATLAS: each rule has its own words
        return [Rule(name, Sentence(str(words)), counts.get(name)) for name, words in cohort.items()]
    named = [
        (INDEX, index_words(cohort["index"])),
        *((one["name"], rule_words(one)) for one in cohort["rules"]),
    ]
    return [Rule(name, words, counts.get(name)) for name, words in named]


def variables(dossier: Content) -> list[Variable]:
    """Each variable by its standard, with how many have it here where that was counted."""
    found = (dossier["simulated"] or {}).get("found")
    doubts = [(one["variable"], one["records"]) for one in found["doubts"]] if found else []
    return [
        Variable(
            name,
            variable_words(content),
            window_words(content),
            _have(found, dossier["columns"].get(name, ())),
            found["people"] if found else None,
            sum(records for variable, records in doubts if variable == name),
        )
        for name, content in dossier["study"]["variables"].items()
    ]


def leaves(dossier: Content) -> list[Analysis]:
    """What would leave, by analysis: what it is, and each line."""
    found: dict[str, list[str]] = {}
    for line in dossier["study"]["leaves"]:
        name, _, words = line.partition(": ")
        found.setdefault(name, []).append(words)
    return [Analysis(name, first, tuple(rest)) for name, (first, *rest) in found.items()]


def _attrition(dossier: Content) -> dict[str, int]:
    """The people whom each rule left: as sealed, or as simulated where nothing is sealed."""
    if sealing := dossier["study"]["sealing"]:
        return dict(sealing["attrition"])
    if kept := dossier["simulated"]:
        return {one["rule"]: one["people"] for one in kept["found"]["attrition"]}
    return {}


def _have(found: Content | None, columns: list[str]) -> int | None:
    """How many people have every number of a variable; None for one of labels, which nobody lacks."""
    missing = [found["missing"][one] for one in columns if one in found["missing"]] if found else []
    return found["people"] - max(missing) if found and missing else None
