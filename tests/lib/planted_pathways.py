"""Synthetic hospitals where one pathway goes with a functional map, and another only seems to."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from protocols.core.block import ArrayBlock
from protocols.core.gene_sets import read_gmt
from protocols.core.study import read_study
from protocols.core.table import AnalysisTable

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "pathways.yaml"
HOSPITALS: Mapping[str, int] = {"north": 130, "south": 110, "west": 90, "east": 120}


def genes() -> tuple[str, ...]:
    """The block of the example."""
    return read_study(EXAMPLE).blocks["rna"].names()


def hospitals(seed: int = 0) -> list[AnalysisTable]:
    """The table of each hospital of the example: R2* goes with hypoxia; scanners make the rest."""
    return [_hospital(site, n, seed + i) for i, (site, n) in enumerate(HOSPITALS.items())]


def _hospital(site: str, n: int, seed: int) -> AnalysisTable:
    rng = np.random.default_rng(seed + 11_000)
    names = genes()
    sets = read_gmt(EXAMPLE.with_suffix(".gmt"))
    high = np.arange(n) % 2  # of two scanners, the second reads higher
    age = rng.normal(55, 12, n).clip(18, 90)
    expression = rng.normal(rng.uniform(3, 9, len(names)), 1.0, (n, len(names)))
    hypoxia, vessels, division = rng.normal(size=(3, n))
    active = {"HYPOXIA": hypoxia, "ANGIOGENESIS": vessels + 1.5 * high, "CELL_CYCLE": division}
    for name, activity in active.items():
        expression[:, np.isin(names, sets[name])] += 0.8 * activity[:, None]
    maps = {
        "r2star": 0.6 * hypoxia + rng.normal(size=n),
        "rcbv": rng.normal(size=n),
    }
    maps = {name: x * (1 + 0.3 * high) + 2.0 * high + 0.02 * (age - 55) for name, x in maps.items()}
    scanner = np.array([f"{site}-{label + 1}" for label in high], dtype=object)
    persons = (seed + 1) * 1_000_000 + np.arange(n, dtype=np.int64)
    blocks = {"rna": ArrayBlock(names, expression.round(4))}
    return AnalysisTable(site, persons, {"age": age, **maps}, {"scanner": scanner}, blocks=blocks)
