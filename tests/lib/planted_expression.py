"""Synthetic hospitals where a mutation changes a few genes, and laboratories measure on their own scales."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from protocols.core.block import ArrayBlock
from protocols.core.study import read_study
from protocols.core.table import AnalysisTable

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "expression.yaml"
HOSPITALS: Mapping[str, tuple[int, float]] = {
    "north": (34, 0.75),
    "south": (30, 0.3),
    "west": (26, 0.55),
    "east": (38, 0.35),
}
"""People, and the share of them with the mutation: it is largest where the first laboratory measures."""
CHANGED: Mapping[str, float] = {"CA9": -2.0, "VEGFA": -1.6, "LDHA": -1.8, "PDGFRA": 1.5, "OLIG2": 1.7}
"""Log2 fold changes with the mutation."""


def genes() -> tuple[str, ...]:
    """The block of the example."""
    return read_study(EXAMPLE).blocks["rna"].names()


def hospitals(seed: int = 0) -> list[AnalysisTable]:
    """The table of each hospital of the example."""
    return [_hospital(site, seed + i) for i, site in enumerate(HOSPITALS)]


def _hospital(site: str, seed: int) -> AnalysisTable:
    rng, names = np.random.default_rng(seed + 12_000), genes()
    n, share = HOSPITALS[site]
    of_all = np.random.default_rng(12)  # what genes are like is the same everywhere
    level, spread = of_all.uniform(3, 9, len(names)), np.sqrt(4 * 0.5 / of_all.chisquare(4, len(names)))
    odd = np.arange(len(names)) % 2 == 1
    age = rng.normal(50, 12, n).clip(18, 90)
    idh1 = (np.arange(n) < round(share * n)).astype(float)
    x = level + rng.normal(size=(n, len(names))) * spread + 6 * (share - 0.5) * odd
    x += np.outer(idh1, [CHANGED.get(name, 0.0) for name in names])
    persons = (seed + 1) * 1_000_000 + np.arange(n, dtype=np.int64)
    return AnalysisTable(
        site, persons, {"age": age, "idh1": idh1}, blocks={"rna": ArrayBlock(names, x.round(4))}
    )
