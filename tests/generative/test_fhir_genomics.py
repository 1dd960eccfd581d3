"""Variants of genomics-reporting that are odd but legal: what each says of its gene is known as it is drawn.

fhir.resources says whether an Observation is legal; which gene, kind of change and fraction it states follows
from how it was put together.
"""

from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from fhir.resources.R4B.observation import Observation
from numpy.random import Generator
from sqlalchemy import Engine, select

from cdm.etl.identity import Identity
from cdm.etl.loader.load import load
from cdm.etl.record import SourceRecord
from cdm.schema import variant_occurrence
from cdm.vocabulary.concepts import Vocabulary
from site_node.study_table.genomic_records import copy_number_calls, fusion_states, gene_states
from site_node.study_table.people import People
from tests.generative.draws import DRAWS, chance, one
from tests.lib.fhir_resources import patient

IDENTITY = Identity(b"k" * 32)
LOINC, HGNC, NCBI = "http://loinc.org", "http://www.genenames.org", "http://www.ncbi.nlm.nih.gov/gene"
SO = "http://www.sequenceontology.org"
UCUM = "http://unitsofmeasure.org"
GENES = {  # symbol -> HGNC's number, NCBI's, names that mean it alone
    "EGFR": ("3236", "1956", ("EGFR", "ERBB1")),
    "TP53": ("11998", "7157", ("TP53", "P53")),
    "KMT2D": ("7133", "8085", ("KMT2D", "MLL2")),
    "ALK": ("427", "238", ("ALK",)),
    "PTEN": ("9588", "5728", ("PTEN",)),
}
MUTATED, NOT_MUTATED, OPEN = 1.0, 0.0, np.nan
SAYS = {  # molecular consequence: what it says of the gene
    ("SO:0001583", "missense_variant"): MUTATED,
    ("SO:0001587", "stop_gained"): MUTATED,
    ("SO:0001589", "frameshift_variant"): MUTATED,
    ("SO:0001819", "synonymous_variant"): NOT_MUTATED,
    ("SO:0001627", "intron_variant"): NOT_MUTATED,
    ("SO:9999999", "an effect of its own"): OPEN,
}
COUNTS = (("LA30100-4", (1, 0)), ("LA30101-2", (1, 1)), ("LA30102-0", (0, 0)))  # of LOINC 92822-6
GAINS = (("SO:0001742", "copy_number_gain"), ("", "amplification"))
LOSSES = (("SO:0001743", "copy_number_loss"), ("", "loss"))
FUSED = (("SO:0000199", "translocation"), ("SO:0001565", "gene_fusion"))
FRACTIONS = {  # what stands there: the fraction that it is, NaN where it is none
    (("value", 57.4), ("unit", "%"), ("code", "%"), ("system", UCUM)): 0.574,
    (("value", 0.574), ("code", "1"), ("system", UCUM)): 0.574,
    (("value", 0.3), ("unit", "{ratio}")): 0.3,
    (("value", 30), ("unit", "percent")): 0.3,
    (("value", 0.12),): 0.12,
    (("value", 57.4),): np.nan,
    (("value", 140), ("code", "%"), ("system", UCUM)): np.nan,
    (("value", -0.1),): np.nan,
    (("value", 0.4), ("code", "mg"), ("system", UCUM)): np.nan,
    (("value", 5), ("code", "%"), ("system", UCUM), ("comparator", "<")): np.nan,
}


def component(code: str, **value: Any) -> dict[str, Any]:
    return {"code": {"coding": [{"system": LOINC, "code": code}]}, **value}


def coded(system: str, code: str, display: str = "") -> dict[str, Any]:
    coding = {"system": system, "code": code} if code else {"display": display}
    return {"valueCodeableConcept": {"coding": [{**coding, **({"display": display} if display else {})}]}}


class Drawn:
    """The reports of one patient: of each gene the states as mutation, fusion and copy number call."""

    def __init__(self, rng: Generator, name: str) -> None:
        self.rng, self.name = rng, name
        self.mutation: defaultdict[str, list[float]] = defaultdict(list)
        self.fusion: dict[str, float] = {}
        self.call: dict[str, float] = {}
        self.fraction: dict[int, float] = {}  # the place of a variant
        self.observations: list[dict[str, Any]] = []
        for number, gene in enumerate(rng.permutation(list(GENES))[: int(rng.integers(1, 5))]):
            self.observe(number, str(gene))

    def of_gene(self, gene: str) -> dict[str, Any]:
        """The gene's component, as laboratories write it."""
        hgnc, ncbi, names = GENES[gene]
        name = str(one(self.rng, *names))
        ways = (
            coded(HGNC, f"HGNC:{hgnc}", name), coded(HGNC, hgnc, name), coded(HGNC, f"HGNC:{hgnc}"),
            coded(NCBI, ncbi, name), coded("", "", name), {"valueCodeableConcept": {"text": name}},
        )  # fmt: skip
        found = ways[int(self.rng.integers(len(ways)))]
        if self.rng.random() < 0.2 and "coding" in found["valueCodeableConcept"]:
            found["valueCodeableConcept"]["coding"].append({"system": NCBI, "code": ncbi, "display": gene})
        return component("48018-6", **found)

    def observe(self, number: int, gene: str) -> None:
        rng = self.rng
        parts = [self.of_gene(gene)]
        answer = str(rng.choice(["LA9633-4", "LA9634-2", "LA18198-4", ""], p=[0.6, 0.2, 0.1, 0.1]))
        kind = str(one(rng, "small", "small", "copies", "fused"))
        status = str(
            rng.choice(["final", "amended", "entered-in-error", "preliminary"], p=[0.7, 0.1, 0.1, 0.1])
        )
        is_told = status in ("final", "amended")
        germline = kind == "small" and rng.random() < 0.2
        present, absent = answer == "LA9633-4", answer == "LA9634-2"
        if kind == "small":
            state = self.small(parts, number, told=present and is_told)
            if is_told and (present or absent):
                self.mutation[gene].append(NOT_MUTATED if absent or germline else state)
        elif kind == "copies":
            call = self.copies(parts)
            if is_told and (present or absent):
                self.call[gene] = call if present else OPEN if self.is_counted else 0.0
        else:
            code, word = FUSED[int(rng.integers(len(FUSED)))]
            parts.append(component("48019-4", **coded(SO, code, word)))
            if is_told and (present or absent):
                self.fusion[gene] = float(present)
        parts.append(component("48002-0", **coded(LOINC, "LA6683-2" if germline else "LA6684-0")))
        said = {"valueCodeableConcept": {"coding": [{"system": LOINC, "code": answer}]}} if answer else {}
        self.observations.append(
            {
                "resourceType": "Observation", "id": f"{self.name}-{number}", "status": status,
                "code": {"coding": [{"system": LOINC, "code": "69548-6"}]},
                "subject": {"reference": f"Patient/{self.name}"}, "effectiveDateTime": "2020-02-01",
                "component": [parts[i] for i in rng.permutation(len(parts))], **said,
            }
        )  # fmt: skip

    def small(self, parts: list[dict[str, Any]], number: int, *, told: bool) -> float:
        """A small variant's components; what it says of its gene."""
        rng, state = self.rng, MUTATED
        at = 1000 + number
        code, shift = COUNTS[int(rng.integers(len(COUNTS)))]
        low, high = at - shift[0], at - shift[1]
        parts.append(component("81254-5", valueRange={"low": {"value": low}, "high": {"value": high}}))
        parts.append(component("92822-6", **coded(LOINC, code)))
        parts.append(
            component("48000-4", **coded("", "", str(one(rng, "Chromosome 7", "chr7", "7"))))
            if rng.random() < 0.5
            else component("48013-7", **coded("http://www.ncbi.nlm.nih.gov/nuccore", "NC_000007.14"))
        )
        if rng.random() < 0.6:
            (code, word), state = list(SAYS.items())[int(rng.integers(len(SAYS)))]
            effect = {"code": {"coding": [{"code": "molecular-consequence"}]}, **coded(SO, code, word)}
            effect["code"]["coding"][0]["system"] = (
                "http://hl7.org/fhir/uv/genomics-reporting/CodeSystem/tbd-codes-cs"
            )
            parts.append(effect)
        elif rng.random() < 0.3:
            state = NOT_MUTATED
            parts.append(component("48005-3", **coded("http://varnomen.hgvs.org", "NP_1.1:p.(Gln787=)")))
        if rng.random() < 0.7:
            written = list(FRACTIONS)[int(rng.integers(len(FRACTIONS)))]
            parts.append(component("81258-6", valueQuantity=dict(written)))
            if told:
                self.fraction[at] = FRACTIONS[written]
        return state

    def copies(self, parts: list[dict[str, Any]]) -> float:
        """A copy number's components; the call that it means."""
        rng = self.rng
        gains = rng.random() < 0.5
        options = GAINS if gains else LOSSES
        code, word = options[int(rng.integers(len(options)))]
        parts.append(component("48019-4", **coded(SO, code, word)))
        self.is_counted = rng.random() < 0.5
        if not self.is_counted:
            return 1.0 if gains else -1.0
        count = int(rng.integers(3, 13)) if gains else int(rng.integers(0, 2))
        unit = {"unit": "{copies}"} if rng.random() < 0.5 else {"code": "1", "system": UCUM}
        parts.append(component("82155-3", valueQuantity={"value": count, **unit}))
        return float(min(max(count - 2, -2), 2))

    def state_of(self, gene: str) -> float:
        """Of all that is said of the gene: one yes is enough, and what is open outweighs a no."""
        states = self.mutation.get(gene, [])
        if MUTATED in states:
            return MUTATED
        return OPEN if not states or any(np.isnan(states)) else NOT_MUTATED


@DRAWS
def test_a_variant_says_of_its_gene_what_it_states(draws: range, sqlite_engine: Engine) -> None:
    drawn = [Drawn(chance("fhir genomics", draw), f"G{draw}") for draw in draws]
    resources = [patient(one.name) for one in drawn] + [o for one in drawn for o in one.observations]
    for resource in resources:
        if resource["resourceType"] == "Observation":
            Observation.model_validate(resource)
    records = [SourceRecord(one["resourceType"], one["id"], "f:1", one) for one in resources]
    assert load(sqlite_engine, records, "fhir", IDENTITY).quarantined == 0
    persons = {IDENTITY.person_id("fhir", one.name): one for one in drawn}
    keys = np.array(sorted(persons), dtype=np.int64)
    index = np.full(len(keys), np.datetime64("2024-01-01"), dtype="datetime64[D]")
    wrong: dict[tuple[str, str, str], tuple[float, float]] = {}
    with sqlite_engine.connect() as connection:
        people = People(connection, Vocabulary(sqlite_engine), keys, index)
        for gene in GENES:
            found = {
                "mutation": gene_states(people, gene),
                "fusion": fusion_states(people, gene, None, 0),
                "call": copy_number_calls(people, gene),
            }
            for row, key in enumerate(keys.tolist()):
                it = persons[key]
                right = {"mutation": it.state_of(gene)}
                right |= {"fusion": it.fusion.get(gene, OPEN), "call": it.call.get(gene, OPEN)}
                for kind, value in right.items():
                    if found[kind][row] != pytest.approx(value, nan_ok=True):
                        wrong[it.name, gene, kind] = (float(found[kind][row]), value)
        variant = variant_occurrence.c
        statement = select(variant.person_id, variant.position, variant.vaf)
        fractions = {(key, at): vaf for key, at, vaf in connection.execute(statement) if at}
    assert wrong == {}
    for key, it in persons.items():
        for at, value in it.fraction.items():
            found_vaf = np.nan if fractions[key, at] is None else fractions[key, at]
            assert found_vaf == pytest.approx(value, nan_ok=True), (it.name, at)
