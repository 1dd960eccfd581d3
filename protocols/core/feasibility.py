"""What in a study could not work, found before anybody is asked: kinds of outcomes, codes, names, numbers.

A study that parses is well formed. Here it is asked whether hospitals could have what it names. What is
certain works nowhere, as Cox regression of an age; the rest are names that nobody here knows, and most likely
slips: a hospital may have them all the same.
"""

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cdm.vocabulary.genes import gene_names
from cdm.vocabulary.names import ICD, SYSTEMS, ConceptCode
from protocols.core.ibsi_tags import is_feature
from protocols.core.protocol import specs_in
from protocols.core.roles import PredictsLevels, PredictsProbability
from protocols.core.spec import Spec, inner_specs
from protocols.core.study import Study
from protocols.core.variables import Scanner, Survival, VariableKind, kind_of
from protocols.core.variables.clinical import Age
from protocols.core.variables.genomic import (
    CancerCellFraction,
    CirculatingDna,
    CopyNumber,
    Expression,
    Methylation,
    MutationalBurden,
    PolygenicScore,
    Purity,
)
from protocols.core.variables.imaging import ImageFeature, Radiomic

SHIPPED_MIN_SITES = 3
"""Over how many sites a study runs at least, by the policy that sites are shipped with."""

EXAMPLE_WORDS = frozenset(
    {"Your name", "Your hospital or university", "Committee and number of the vote", "Who pays"}
)
"""What stands for whoever asks in the commented example of a study."""

VOCABULARIES = frozenset(SYSTEMS.values()) | {
    *("AIDS", "ATC", "CCAM", "CIEL", "CIM10", "DPD", "DRG", "GDM", "HemOnc", "ICD9Proc", "KCD7"),
    *("MedDRA", "MeSH", "Multum", "NAACCR", "NCIt", "NFC", "OPCS4", "OXMIS", "PPI", "Read", "SMQ", "SNODENT"),
    *("SPL", "UK", "VANDF", "dm+d"),
}
"""Vocabularies by OMOP's names. A hospital's own begins with `local`."""

DOMAINS = frozenset({"condition", "procedure", "drug", "measurement", "observation", "visit"})
_NEVER_ZERO_OR_ONE = (
    *(Age, CopyNumber, Expression, Methylation, MutationalBurden, CirculatingDna, Purity),
    *(CancerCellFraction, PolygenicScore, Radiomic),
)
_LOINC = re.compile(r"(\d{1,7})-(\d)")
_SHARE = re.compile(r"(^|_)(shares?|fractions?|proportions?|percent(age)?s?)(_|$)", re.IGNORECASE)
"""What the names of shares of a whole have in them."""
_VASARI = re.compile(r"vasari_f(\d+)", re.IGNORECASE)
VASARI_FEATURES = 30


@dataclass(frozen=True)
class Doubt:
    """Something in a study that could not work, or that nobody here knows.

    Attributes:
        where: the place in the study: `analyses.survival.outcome`.
        text: what is wrong.
        fix: what to write instead, where that can be said.
        is_certain: whether it works nowhere.
    """

    where: str
    text: str
    fix: str = ""
    is_certain: bool = False


def doubts(study: Study) -> tuple[Doubt, ...]:
    """What in a study could not work, in the order of the study; empty where nothing is in doubt."""
    of_analyses = (*_of_analyses(study), *_of_shares(study))
    return (*_of_cohort(study), *_of_variables(study), *of_analyses, *_of_numbers(study))


def _of_cohort(study: Study) -> Iterator[Doubt]:
    content = study.cohort.model_dump(mode="json", by_alias=True)
    if "circe" in content:
        return  # its concepts have OMOP's numbers
    yield from _of_concepts("cohort.index.concept", content["index"]["concept"])
    for rule in content["rules"]:
        where = f"cohort.rules.{rule['name']}"
        if rule["kind"] == "record":
            yield from _of_concepts(f"{where}.concept", rule["concept"])
        if rule["kind"] == "gene":
            yield from _of_gene(f"{where}.gene", rule["gene"])


def _of_variables(study: Study) -> Iterator[Doubt]:
    for name, kind in study.variables.items():
        content: Mapping[str, Any] = dict(kind)
        if "concept" in content:
            yield from _of_concepts(f"variables.{name}.concept", content["concept"])
        for place, event in enumerate(content.get("events", ())):
            yield from _of_concepts(f"variables.{name}.events.{place}.concept", event.concept)
        for key in ("gene", "partner"):
            if content.get(key):
                yield from _of_gene(f"variables.{name}.{key}", content[key])
        if isinstance(kind, Radiomic) and not is_feature(kind.feature):
            text = f"{kind.feature!r} is not a feature of IBSI, by tag, code or name"
            yield Doubt(f"variables.{name}.feature", text, "see docs/radiomics.md for the features")
        found = _VASARI.fullmatch(kind.feature) if isinstance(kind, ImageFeature) else None
        if found and not 1 <= int(found[1]) <= VASARI_FEATURES:
            text = f"VASARI has features f1 to f{VASARI_FEATURES}"
            yield Doubt(f"variables.{name}.feature", text, is_certain=True)


def _of_analyses(study: Study) -> Iterator[Doubt]:
    for analysis in study.analyses:
        made = {
            column
            for before in study.analyses
            if before.name in analysis.after
            for column in before.spec.makes()
        }
        for spec in specs_in(analysis.spec):
            yield from _of_spec(f"analyses.{analysis.name}", spec, study.variables, made)


def _of_spec(
    where: str, spec: Spec, variables: Mapping[str, VariableKind], made: set[str]
) -> Iterator[Doubt]:
    """Whether its variables are of the kinds that it takes."""
    wanted = spec.wanted()
    text = json.dumps(spec.model_dump(mode="json"))
    inner = {name for part in inner_specs(spec).values() for name in part.variables()}
    for name in dict.fromkeys(one for one in spec.variables() if one not in inner):
        kind = variables.get(name)
        if kind is None or name in made:
            continue
        word, want = kind_of(type(kind)), wanted.get(name)
        if want == "survival" and not isinstance(kind, Survival):
            yield Doubt(
                where, f"{spec.protocol} needs a survival variable as outcome, and {name} is of kind {word}",
                "use a variable {kind: survival, endpoint: overall}", is_certain=True,
            )  # fmt: skip
        elif want == "label" and not isinstance(kind, Scanner):
            yield Doubt(
                where, f"{spec.protocol} needs a label as its batch, and {name} is of kind {word}",
                "use a variable {kind: scanner, modality: CT}", is_certain=True,
            )  # fmt: skip
        elif want is None and isinstance(kind, Scanner):
            yield Doubt(
                where, f"{spec.protocol} needs numbers, and {name} is a label that never leaves a hospital",
                "use it as the `batch` of a combat", is_certain=True,
            )  # fmt: skip
        elif want is None and isinstance(kind, Survival) and not _names_a_column(text, name):
            yield Doubt(
                where, f"{spec.protocol} needs numbers, and {name} is a survival variable",
                f"use {name}.time or {name}.event, or another analysis", is_certain=True,
            )  # fmt: skip
    yield from _of_outcome(where, spec, variables)


def _of_shares(study: Study) -> Iterator[Doubt]:
    """Whether shares of one whole are read as they are, which correlate because they have one sum."""
    wholes = {a.name: a.spec.whole() for a in study.analyses if a.spec.whole()}
    named = {name for name, kind in study.variables.items() if _is_named_share(name, kind)}
    declared = {part for parts in wholes.values() for part in parts}
    for analysis in study.analyses:
        if analysis.name in wholes:
            continue
        where, needs = f"analyses.{analysis.name}", analysis.spec.needs()
        for whole, parts in wholes.items():
            if len(raw := [name for name in needs if name in parts]) > 1:
                text = f"{', '.join(raw)} are shares of one whole, and correlate because they have one sum"
                yield Doubt(where, text, f"come `after` {whole}, and read the columns that it makes")
        if len(raw := [name for name in needs if name in named - declared]) > 1:
            text = f"{', '.join(raw)} are named as shares, which correlate where they have one sum"
            yield Doubt(where, text, "if they are, come `after` a composition of them, and read its columns")


def _is_named_share(name: str, kind: VariableKind) -> bool:
    return _SHARE.search(kind.feature if isinstance(kind, ImageFeature) else name) is not None


def _names_a_column(spec: str, survival: str) -> bool:
    return f'"{survival}.time"' in spec or f'"{survival}.event"' in spec


def _of_outcome(where: str, spec: Spec, variables: Mapping[str, VariableKind]) -> Iterator[Doubt]:
    """Whether a model of 0 and 1 is one of what can be 0 or 1."""
    if isinstance(spec, PredictsLevels) or not isinstance(spec, PredictsProbability):
        return
    if spec.shortfall(PredictsProbability):
        return
    kind = variables.get(spec.outcome_name())
    if isinstance(kind, _NEVER_ZERO_OR_ONE):
        name, word = spec.outcome_name(), kind_of(type(kind))
        text = f"{spec.protocol} needs an outcome of 0 and 1, and {name} is of kind {word}"
        yield Doubt(where, text, "use a gene, a finding or an occurrence, or a linear model", is_certain=True)


def _of_numbers(study: Study) -> Iterator[Doubt]:
    if study.min_sites < SHIPPED_MIN_SITES:
        yield Doubt(
            "min_sites",
            f"sites are shipped with a policy that needs {SHIPPED_MIN_SITES} sites, and would refuse",
            f"write min_sites: {SHIPPED_MIN_SITES}",
        )
    if study.requester is None:
        yield Doubt(
            "requester", "the study does not say who asks, and no site would answer",
            "add `requester:` with `name`, `institution` and `ethics`",
        )  # fmt: skip
    elif EXAMPLE_WORDS & set(study.requester.model_dump().values()):
        yield Doubt(
            "requester", "the words are still those of the example",
            "write who asks, for which institution, by which vote of a committee",
        )  # fmt: skip


def _of_concepts(where: str, concepts: str | Iterable[str]) -> Iterator[Doubt]:
    for text in (concepts,) if isinstance(concepts, str) else concepts:
        yield from _of_concept(where, ConceptCode.parse(text))


def _of_concept(where: str, concept: ConceptCode) -> Iterator[Doubt]:
    name = concept.vocabulary_id
    if name.lower() in DOMAINS:
        yield Doubt(
            where, f"{name!r} is a domain and not a vocabulary",
            f"write {concept.code!r} here; a query alone begins with the domain", is_certain=True,
        )  # fmt: skip
    elif name not in VOCABULARIES and not name.lower().startswith("local"):
        near = difflib.get_close_matches(name, VOCABULARIES, n=1)
        yield Doubt(where, f"no vocabulary is known as {name!r}", f"did you mean {near[0]}?" if near else "")
    elif name == "LOINC" and not _has_its_check_digit(concept.code):
        yield Doubt(
            where, f"{concept.code!r} is not a LOINC code: its last digit is not the others' check digit",
            "look it up at loinc.org",
        )  # fmt: skip
    elif name in ICD and not concept.is_prefix and ICD[name].fullmatch(concept.code.upper()) is None:
        yield Doubt(where, f"{concept.code!r} is not written as a code of {name} is")


def _has_its_check_digit(code: str) -> bool:
    """Whether a LOINC code ends in its number's check digit (modulus 10; LOINC users' guide, appendix C)."""
    found = _LOINC.fullmatch(code)
    if found is None:
        return code.endswith("%") or not code[:1].isdigit()  # the beginning of codes, or an answer's
    digits = [int(one) for one in reversed(found[1])]
    doubled = [2 * one if place % 2 == 0 else one for place, one in enumerate(digits)]
    return (10 - sum(one // 10 + one % 10 for one in doubled) % 10) % 10 == int(found[2])


def _of_gene(where: str, gene: str) -> Iterator[Doubt]:
    names = gene_names()
    if names.is_known(gene):
        return
    near = difflib.get_close_matches(gene.upper(), names.symbols(), n=2, cutoff=0.75)
    yield Doubt(where, f"HGNC knows no gene {gene!r}", f"did you mean {' or '.join(near)}?" if near else "")
