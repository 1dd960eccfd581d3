"""Synthetic hospitals with planted rare variants: carriers in EGFR have higher perfusion."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from protocols.core.block import ArrayBlock
from protocols.core.table import AnalysisTable, Floats

LIST = Path(__file__).parents[2] / "docs" / "examples" / "rare_variants.txt"
HOSPITALS: Mapping[str, int] = {"north": 420, "south": 380, "west": 300, "east": 360}


def variants() -> tuple[str, ...]:
    """The list of `docs/examples/rare_variants.yaml`: 30 variants of each of three genes."""
    return tuple(LIST.read_text().split())


def hospitals(seed: int = 0, *, effect: float = 0.9) -> list[AnalysisTable]:
    """The table of each hospital; `effect`: of a copy of a rare EGFR allele, in deviations."""
    return [_hospital(site, n, seed + i, effect) for i, (site, n) in enumerate(HOSPITALS.items())]


def frequencies() -> Floats:
    """(90,) of ALT: of each gene ten nearly nobody carries, 18 rare, one common, one of REF."""
    gene = np.concatenate([np.full(10, 0.0006), np.linspace(0.004, 0.02, 18), [0.3, 0.99]])
    return np.tile(gene, 3)


def _hospital(site: str, n: int, seed: int, effect: float) -> AnalysisTable:
    rng = np.random.default_rng(seed + 9_000)
    copies = rng.binomial(2, frequencies(), (n, 90)).astype(float)
    age = rng.normal(55, 12, n).clip(18, 90)
    female = (rng.uniform(size=n) < 0.45).astype(float)
    burden = copies[:, :28].sum(axis=1)
    rcbv = 2 + 0.02 * (age - 55) + effect * burden + rng.normal(size=n)
    risk = 1 / (1 + np.exp(1.5 - 0.02 * (age - 55) - effect * burden))
    copies[rng.uniform(size=copies.shape) < 0.01] = np.nan
    columns = {
        "age": age,
        "female": female,
        "rcbv": rcbv,
        "necrosis": (rng.uniform(size=n) < risk).astype(float),
    }
    persons = (seed + 1) * 1_000_000 + np.arange(n, dtype=np.int64)
    return AnalysisTable(site, persons, columns, blocks={"exome": ArrayBlock(variants(), copies)})
