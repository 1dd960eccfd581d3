"""Three hospitals of synthetic people in this process, to try an analysis on in a notebook.

Everything is drawn from fixed seeds: a gene that goes with younger age, longer survival and other tumours.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from protocols.core.block import ArrayBlock, Block
from protocols.core.protocol import Result
from protocols.core.study import Study
from protocols.core.table import AnalysisTable, Floats
from protocols.exchange.local import run_locally

VARIABLES: dict[str, Mapping[str, str]] = {
    "age": {"kind": "age"},
    "female": {"kind": "sex", "is": "female"},
    "idh1": {"kind": "gene", "gene": "IDH1"},
    "os": {"kind": "survival", "endpoint": "overall"},
    "scanner": {"kind": "scanner", "modality": "MR"},
    "volume": {"kind": "image_feature", "feature": "volume"},
    "entropy": {"kind": "image_feature", "feature": "entropy"},
    "grade": {"kind": "measurement", "concept": "LOCAL:grade"},
    "seizures": {"kind": "measurement", "concept": "LOCAL:seizures"},
}
"""What is known of each person, as a study file writes it."""

OTHERS: dict[str, Mapping[str, str]] = {
    "pfs": {"kind": "survival", "endpoint": "progression_free"},
    "entropy_again": {"kind": "image_feature", "feature": "entropy_again"},
    "core": {"kind": "image_feature", "feature": "core_share"},
    "oedema": {"kind": "image_feature", "feature": "oedema_share"},
    "necrosis": {"kind": "image_feature", "feature": "necrosis_share"},
}
"""More variables, of which a study has those that it reads."""

VARIANTS = tuple(f"{1 + i // 3}:{(i + 1) * 50_000}:C:T" for i in range(12))

GENES = ("PDCD1", "CD274", "CTLA4", "MKI67", "TOP2A", "VEGFA", "KDR", "CA9", "GFAP", "OLIG2", "EGFR", "TERT")

BLOCKS: dict[str, Mapping[str, Any]] = {
    "snps": {"kind": "genotype", "variants": VARIANTS, "build": "GRCh38"},
    "rna": {"kind": "expression", "genes": GENES},
}
"""Wide data, of which a study has those that it reads; the eighth variant goes with `entropy`."""

SIZES = {"north": 150, "south": 110, "west": 80}
"""The hospitals, and how many people each has."""


def run_example(**spec: Any) -> Result:
    """What one analysis finds over the three hospitals; the arguments are its lines in a study file.

    Raises:
        SpecError: the protocol is unknown. pydantic's ValidationError: a field is wrong.
    """
    found: Result = run_locally(example_study(found=spec), example_tables())["found"]
    return found


def example_study(**analyses: Mapping[str, Any]) -> Study:
    """A study of these analyses, by their names, over all `VARIABLES`.

    Raises:
        SpecError: a protocol is unknown. pydantic's ValidationError: a field is wrong.
    """
    return Study.model_validate(
        {
            "name": "example",
            "title": "Synthetic people at three hospitals",
            "cohort": {"index": {"domain": "condition", "concept": "ICD10CM:C71%"}},
            "variables": VARIABLES | _read(OTHERS, "'{}'", analyses),
            "blocks": _read(BLOCKS, "'block': '{}'", analyses),
            "analyses": [{"name": name, "spec": dict(spec)} for name, spec in analyses.items()],
            "min_sites": len(SIZES),
        }
    )


def _read(kinds: Mapping[str, Any], written: str, analyses: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the kinds that stand, written so, in the analyses."""
    return {name: kind for name, kind in kinds.items() if written.format(name) in str(analyses)}


def example_tables() -> list[AnalysisTable]:
    """The table of each hospital: one row per person, about one value of `volume` in twenty missing."""
    return [_table(site, n, seed) for seed, (site, n) in enumerate(SIZES.items(), 1)]


def _table(site: str, n: int, seed: int) -> AnalysisTable:
    rng = np.random.default_rng(seed)
    age = rng.normal(52, 13, n).clip(18, 90).round(1)
    female = (rng.uniform(size=n) < 0.45).astype(float)
    idh1 = (rng.uniform(size=n) < 1 / (1 + np.exp(0.08 * (age - 50)))).astype(float)
    second = np.arange(n) % 2  # each hospital has two scanners, the second of which measures more
    volume = rng.normal(60 - 15 * idh1 + 8 * second, 20).round(1)
    entropy = (4 - 0.5 * idh1 + 0.01 * volume + rng.normal(0, 0.5, n) + 0.1 * seed).round(2)
    grade = np.clip(rng.poisson(0.5 + 0.015 * age * (1 - 0.6 * idh1)), 0, 2).astype(float)
    death = np.ceil(rng.exponential(700 * np.exp(0.8 * idh1 - 0.02 * (age - 52))))
    censored = np.ceil(rng.uniform(200, 2000, n))
    columns = {
        "age": age,
        "female": female,
        "idh1": idh1,
        "os.time": np.minimum(death, censored),
        "os.event": (death <= censored).astype(float),
        "volume": np.where(rng.uniform(size=n) < 0.05, np.nan, volume),
        "entropy": entropy,
        "grade": grade,
        "seizures": rng.poisson(np.exp(0.4 + 0.5 * idh1)).astype(float),
    }
    progression = np.ceil(np.random.default_rng(200 + seed).exponential(500 * np.exp(0.9 * idh1)))
    columns |= {
        "pfs.time": np.minimum(progression, columns["os.time"]),
        "pfs.event": np.where(progression <= columns["os.time"], 1.0, columns["os.event"]),
    }
    columns["entropy_again"] = entropy + np.random.default_rng(300 + seed).normal(0, 0.2, n).round(2)
    habitats = np.random.default_rng(400 + seed).dirichlet((5, 8, 2), n).round(2)
    columns |= dict(zip(("core", "oedema", "necrosis"), habitats.T, strict=True))
    scanner = np.array([f"{site}-{label + 1}" for label in second], dtype=object)
    people = seed * 1_000 + np.arange(n, dtype=np.int64)
    attrition = {"glioma": n + 20, "MRI": n}
    blocks: dict[str, Block] = {
        "snps": ArrayBlock(VARIANTS, _copies(seed, entropy)),
        "rna": ArrayBlock(GENES, _expression(seed, entropy)),
    }
    doubtful = {"volume": {"unit-missing": n // 10}}
    labels = {"scanner": scanner}
    return AnalysisTable(site, people, columns, labels, attrition=attrition, blocks=blocks, doubtful=doubtful)


def _expression(seed: int, entropy: Floats) -> Floats:
    """(n, genes) log2(1 + TPM); the fourth and the fifth gene go with each other, and with `entropy`."""
    rng = np.random.default_rng(300 + seed)
    found = rng.normal(5, 1, (len(entropy), len(GENES)))
    found[:, 3:5] += (entropy - entropy.mean())[:, None] + 0.5 * rng.normal(size=(len(entropy), 1))
    return found.round(3)


def _copies(seed: int, entropy: Floats) -> Floats:
    """(n, variants) copies of ALT."""
    rng = np.random.default_rng(100 + seed)
    copies = rng.binomial(2, np.linspace(0.1, 0.5, len(VARIANTS)), (len(entropy), len(VARIANTS)))
    copies[:, 7] = (rng.normal(size=(2, len(entropy))) < 0.8 * (entropy - entropy.mean())).sum(axis=0)
    return copies.astype(float)
