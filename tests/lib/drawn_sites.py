"""Consortia drawn from a seed, whose tables hold what federated analyses trip over."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from protocols.core.block import ArrayBlock
from protocols.core.study import Study
from protocols.core.table import AnalysisTable, Episodes
from tests.lib.studies import REQUESTER

VARIABLES: dict[str, Any] = {
    "age": {"kind": "age"},
    "sex": {"kind": "sex", "is": "female"},
    "idh1": {"kind": "gene", "gene": "IDH1"},
    "os": {"kind": "survival", "endpoint": "overall"},
    "scanner": {"kind": "scanner", "modality": "MR"},
    "f_one": {"kind": "image_feature", "feature": "one"},
    "f_two": {"kind": "image_feature", "feature": "two"},
    "f_three": {"kind": "image_feature", "feature": "three"},
    "response": {"kind": "measurement", "concept": "LOCAL:response"},
    "relapses": {"kind": "measurement", "concept": "LOCAL:relapses"},
    "still": {"kind": "image_feature", "feature": "still"},
    "twice": {"kind": "image_feature", "feature": "twice"},
}

GENES = ("GENE0", "GENE1", "GENE2")
"""The axis of the block `rna`, whose numbers are those of the three features."""


VARIANTS = (*(f"{1 + i // 4}:{1000 * (i + 1)}:A:G" for i in range(11)), "X:5000000:C:T")
"""The axis of the block `snps`: the second variant goes with `f_one`, the last two are rare or at no site."""

BLOCKS: dict[str, Any] = {
    "rna": {"kind": "expression", "genes": GENES},
    "snps": {"kind": "genotype", "variants": VARIANTS, "build": "GRCh38"},
}


OUTCOMES: dict[str, Any] = {"pfs": {"kind": "survival", "endpoint": "progression_free"}}


def outcomes_for(*specs: Mapping[str, Any]) -> dict[str, Any]:
    """The outcomes beside overall survival that analyses read."""
    written = json.dumps([dict(spec) for spec in specs], default=str)
    return {name: kind for name, kind in OUTCOMES.items() if f'"{name}"' in written}


def blocks_for(*specs: Mapping[str, Any]) -> dict[str, Any]:
    """The blocks of a study that its analyses read."""
    written = [json.dumps(dict(spec), default=str) for spec in specs]
    read = {name: kind for name, kind in BLOCKS.items() if any(f'"block": "{name}"' in w for w in written)}
    return {"blocks": read} if read else {}


def _genotypes(seed: int, feature: np.ndarray, missing: float) -> np.ndarray:
    """(n, variants) copies: of common variants, of one that goes with the feature, of one that is rare."""
    rng = np.random.default_rng(seed + 2000)
    frequency = np.concatenate([np.linspace(0.15, 0.6, len(VARIANTS) - 2), [0.004, 0.3]])
    copies = rng.binomial(2, frequency, (len(feature), len(VARIANTS))).astype(float)
    order = np.argsort(np.argsort(np.nan_to_num(feature)))
    share = order / max(len(feature), 1)
    copies[:, 1] = (rng.uniform(size=len(feature)) < share) + (rng.uniform(size=len(feature)) < 0.3)
    copies[:, -1] = np.nan
    copies[rng.uniform(size=copies.shape) < missing / 2] = np.nan
    return copies


def study_of(*specs: Mapping[str, Any], min_sites: int = 1, **changes: Any) -> Study:
    """A study of these analyses, named a0, a1 and so on, over the variables of `a_site`."""
    return Study.model_validate(
        {
            "name": "conformance",
            "title": "Conformance",
            "requester": REQUESTER,
            "cohort": {"index": {"domain": "condition", "concept": "ICD10CM:C71%"}},
            "variables": VARIABLES | outcomes_for(*specs),
            "analyses": [{"name": f"a{i}", "spec": dict(spec)} for i, spec in enumerate(specs)],
            "min_sites": min_sites,
            "cells": "exact",  # what is compared is every number, of few people too
            **blocks_for(*specs),
            **changes,
        }
    )


def a_site(
    site: str,
    n: int,
    seed: int,
    *,
    ties: bool = False,
    missing: float = 0.0,
    constant: Sequence[str] = (),
    carriers: bool | None = None,
) -> AnalysisTable:
    """A site's table: age and a gene that matter for survival, features with a shift of this site's scanners.

    Args:
        ties: times, ages and features are rounded, so that many are equal.
        missing: share of each measured column.
        constant: columns that are the same for everybody at this site.
        carriers: whether all or none has the gene mutated; None draws it.
    """
    rng = np.random.default_rng(seed)
    age = rng.normal(50, 12, n)
    idh1 = (rng.uniform(size=n) < 1 / (1 + np.exp(0.06 * (age - 52)))).astype(float)
    if carriers is not None:
        idh1[:] = carriers
    scanner = np.array([f"{site}-{i % 2}" if n > 20 else f"{site}-0" for i in range(n)], dtype=object)
    shift = np.array([2.0 * (label[-1] == "1") for label in scanner]) + seed % 5
    features = rng.normal(size=(3, n)) * np.array([[1.0], [3.0], [1e-4]]) + 0.8 * idh1 * [
        [1.0],
        [0.5],
        [1e-4],
    ]
    features = features * (1 + shift / 4) + shift * np.array([[1.0], [10.0], [1e-3]])
    time = rng.exponential(600 * np.exp(0.7 * idh1 - 0.03 * (age - 50)), n)
    censored = rng.uniform(100, 1500, n)
    columns = {
        "age": age,
        "sex": (rng.uniform(size=n) < 0.5).astype(float),
        "idh1": idh1,
        "os.time": np.minimum(time, censored),
        "os.event": (time <= censored).astype(float),
        "f_one": features[0],
        "f_two": features[1],
        "f_three": features[2],
        "relapses": _counts(seed, age, idh1),
        "response": np.clip(_counts(seed + 1, age, idh1), 0, 2),
        "still": np.full(n, 0.1),
        "twice": 2 * features[0] + age,
    }
    progression = np.random.default_rng(seed + 3000).exponential(500 * np.exp(0.5 * idh1), n)
    columns["pfs.time"] = np.minimum(progression, columns["os.time"])
    columns["pfs.event"] = np.where(progression <= columns["os.time"], 1.0, columns["os.event"])
    if ties:
        columns["pfs.time"] = np.ceil(columns["pfs.time"] / 100) * 100
        columns["os.time"] = np.ceil(columns["os.time"] / 100) * 100
        columns |= {name: np.round(columns[name]) for name in ("age", "f_one", "f_two")}
    for name in constant:
        columns[name] = np.full(n, columns[name].mean() if n else 0.0)
    for name in ("age", "idh1", "f_one", "f_two", "f_three"):
        columns[name] = np.where(rng.uniform(size=n) < missing, np.nan, columns[name])
    return AnalysisTable(
        site,
        seed * 1_000_000 + np.arange(n, dtype=np.int64),
        columns,
        {"scanner": scanner},
        attrition={"index event": n + 30 if n else 0, "adults": n},
        doubtful={"age": {"unit-missing": n // 3, "comparator": min(n, 2)}},
        blocks={
            "rna": ArrayBlock(GENES, np.stack([columns[f] for f in ("f_one", "f_two", "f_three")], axis=1)),
            "snps": ArrayBlock(VARIANTS, _genotypes(seed, columns["f_one"], missing)),
        },
        episodes={"os": _episodes(columns)},
    )


def _episodes(columns: Mapping[str, np.ndarray]) -> Episodes:
    """Each follow-up with `f_two` as it is, and after half of it, in whole days, as it is with 2 more."""
    days, event, f_two = columns["os.time"], columns["os.event"], columns["f_two"]
    half = np.floor(days / 2)
    two = (half > 0) & (half < days)
    later = np.flatnonzero(two)
    owner = np.concatenate([np.flatnonzero(days > 0), later])
    first = len(owner) - len(later)
    start, stop, ends = np.zeros(len(owner)), days[owner], event[owner]
    start[first:] = half[later]
    cut = two[owner[:first]]
    stop[:first][cut], ends[:first][cut] = half[owner[:first][cut]], 0.0
    values = f_two[owner] + 2.0 * (np.arange(len(owner)) >= first)
    return Episodes(owner.astype(np.int64), start, stop, ends, {"f_two": values})


def _counts(seed: int, age: np.ndarray, idh1: np.ndarray) -> np.ndarray:
    """Counts that vary more than Poisson's, with the mean of age and gene."""
    rng = np.random.default_rng(seed + 1000)
    mean = np.exp(1 + 0.02 * (age - 50) - 0.4 * idh1) * rng.gamma(1.5, 1 / 1.5, len(age))
    return rng.poisson(mean).astype(float)


SIX = [a_site(site, 50, seed) for seed, site in enumerate("abcdef", 30)]

SPLITS: dict[str, list[AnalysisTable]] = {
    "unequal sites": [a_site("a", 150, 1), a_site("b", 60, 2), a_site("c", 30, 3)],
    "a site of nine": [a_site("a", 80, 4), a_site("b", 60, 5), a_site("c", 9, 6, carriers=True)],
    "an empty site": [a_site("a", 80, 7), a_site("b", 50, 8), a_site("c", 40, 9), a_site("d", 0, 10)],
    "ties": [a_site(s, 70, i, ties=True) for i, s in enumerate("abc", 11)],
    "missing values": [a_site(s, 90, i, missing=0.05) for i, s in enumerate("abc", 14)],
    "a column constant at a site": [
        a_site("a", 80, 17),
        a_site("b", 60, 18, constant=("age", "f_one")),
        a_site("c", 60, 19),
    ],
    "one site": [a_site("a", 200, 20)],
}
