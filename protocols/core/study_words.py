"""A study's cohort and variables in words: English sentences with their values, which pages translate."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Content = Mapping[str, Any]
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
    "measured": "whether there is a result of {concept}",
    "count": "days with a result of {concept}",
    "interval": "mean days between results of {concept}",
    "days_since_last": "days since the last result of {concept}",
    "finding": "finding {concept}",
    "occurrence": "record of {concept}",
    "gene": "mutation of {gene}",
    "fusion": "fusion of {gene}",
    "copy_number": "copy number of {gene}",
    "expression": "expression of {gene}",
    "methylation": "methylation at {probe}",
    "mutational_burden": "tumour mutational burden",
    "ctdna": "circulating tumour DNA",
    "dosage": "inherited copies of {variant}",
    "polygenic_score": "a polygenic score",
    "purity": "tumour purity",
    "cancer_cell_fraction": "cancer cell fraction of mutations of {gene}",
    "image_feature": "image feature {feature}",
    "radiomic": "radiomic feature {feature} of {region} in {modality}",
    "response": "response to treatment by RECIST 1.1 in {modality}: {says}",
    "scanner": "scanner that made the {modality} images",
    "survival": "survival, {endpoint}",
    "survival by events": "survival, {endpoint}, with records of {events}",
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


DAYS = {  # has a first day, has a last day
    (True, False): "from day {from_days}",
    (False, True): "to day {to_days}",
    (True, True): "from day {from_days} to day {to_days}",
}


@dataclass(frozen=True)
class Sentence:
    """English with `{names}`, and what belongs there.

    >>> print(Sentence("mutation of {gene}", {"gene": "IDH1"}))
    mutation of IDH1
    """

    text: str
    values: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.text.format(**self.values)


def index_words(event: Content) -> Sentence:
    """The event that gives each person an index date."""
    text = "the last of {what} {concept}" if event["pick"] == "last" else "the first of {what} {concept}"
    return Sentence(text, {"what": _domain(event), "concept": _concept(event)})


def rule_words(rule: Content) -> Sentence:
    """A rule of a cohort."""
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


def variable_words(variable: Content) -> Sentence:
    """What a variable is, by its standard."""
    kind = str(variable["kind"])
    events = ", ".join(_concept(event) for event in variable.get("events") or ())
    words = KINDS.get(f"{kind} by events" if events else kind, kind)
    return Sentence(words, {**variable, "concept": _concept(variable), "events": events})


def window_words(variable: Content) -> Sentence | None:
    """From which days its records are; None where it takes all, or has no records."""
    days = variable.get("window") or {}
    first, last = days.get("from_days"), days.get("to_days")
    if first is None and last is None:
        return None
    return Sentence(DAYS[first is not None, last is not None], {"from_days": first, "to_days": last})


def _domain(part: Content) -> str:
    return DOMAINS.get(part.get("domain", ""), "")


def _concept(part: Content) -> str:
    concept = part.get("concept", "")
    return concept if isinstance(concept, str) else ", ".join(concept)
