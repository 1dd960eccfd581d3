"""A study in words: English sentences with their values, which templates put into the page's language."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Content = Mapping[str, Any]
INDEX = "index event"
DOMAINS = {
    "condition": "a diagnosis",
    "procedure": "a procedure",
    "drug": "a drug",
    "measurement": "a measurement",
    "observation": "an observation",
    "visit": "a visit",
}
KINDS = {
    "age": "age at the index date, in years",
    "sex": "recorded sex",
    "measurement": "measurement {concept}",
    "finding": "finding {concept}",
    "occurrence": "record of {concept}",
    "gene": "mutation of {gene}",
    "fusion": "fusion of {gene}",
    "copy_number": "copy number of {gene}",
    "expression": "expression of {gene}",
    "methylation": "methylation at {probe}",
    "mutational_burden": "tumour mutational burden",
    "ctdna": "circulating tumour DNA",
    "purity": "tumour purity",
    "cancer_cell_fraction": "cancer cell fraction of mutations of {gene}",
    "image_feature": "image feature {feature}",
    "radiomic": "radiomic feature {feature} of {region} in {modality}",
    "scanner": "scanner that made the {modality} images",
    "survival": "survival, {endpoint}",
}

TESTED = {True: "a mutation of {gene}", False: "{gene} tested, no mutation", None: "{gene} tested"}
WINDOWS = {  # is absent, has a first day, has a last day
    (False, False, False): "a record of {concept}",
    (False, True, False): "a record of {concept}, from day {from_days}",
    (False, False, True): "a record of {concept}, to day {to_days}",
    (False, True, True): "a record of {concept}, from day {from_days} to day {to_days}",
    (True, False, False): "no record of {concept}",
    (True, True, False): "no record of {concept}, from day {from_days}",
    (True, False, True): "no record of {concept}, to day {to_days}",
    (True, True, True): "no record of {concept}, from day {from_days} to day {to_days}",
}


@dataclass(frozen=True)
class Sentence:
    """English with `{names}`, and what belongs there."""

    text: str
    values: Mapping[str, object] = field(default_factory=dict)


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
    named = [(INDEX, _index(cohort["index"])), *((one["name"], _rule(one)) for one in cohort["rules"])]
    return [Rule(name, words, counts.get(name)) for name, words in named]


def variables(dossier: Content) -> list[Variable]:
    """Each variable by its standard, with how many have it here where that was counted."""
    found = (dossier["simulated"] or {}).get("found")
    doubts = [(one["variable"], one["records"]) for one in found["doubts"]] if found else []
    return [
        Variable(
            name,
            _kind(content),
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


def _index(event: Content) -> Sentence:
    text = "the last of {what} {concept}" if event["pick"] == "last" else "the first of {what} {concept}"
    return Sentence(text, {"what": _domain(event), "concept": _concept(event)})


def _rule(rule: Content) -> Sentence:
    return Sentence(_words_of_rule(rule), {**rule, "concept": _concept(rule)})


def _words_of_rule(rule: Content) -> str:
    match rule["kind"]:
        case "age" if rule["at_least"] is not None and rule["at_most"] is not None:
            return "at least {at_least} years old, at most {at_most}"
        case "age":
            return (
                "at most {at_most} years old" if rule["at_least"] is None else "at least {at_least} years old"
            )
        case "sex":
            return "recorded as {is}"
        case "record":
            return WINDOWS[rule["absent"], rule["from_days"] is not None, rule["to_days"] is not None]
        case "imaging":
            return "{modality} images with features" if rule["features"] else "{modality} images"
        case "gene":
            return TESTED[rule["mutated"]]
        case "follow_up":
            return "followed for at least {at_least_days} days"
    return str(rule["kind"])


def _kind(variable: Content) -> Sentence:
    kind = str(variable["kind"])
    return Sentence(KINDS.get(kind, kind), {**variable, "concept": _concept(variable)})


def _domain(part: Content) -> str:
    return DOMAINS.get(part.get("domain", ""), "")


def _concept(part: Content) -> str:
    concept = part.get("concept", "")
    return concept if isinstance(concept, str) else ", ".join(concept)
