"""Breast cancer in six regions, 200 messenger RNAs and 142 proteins: TCGA, as mixOmics selected it."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from protocols.core.table import AnalysisTable
from tests.lib.shared import shared


@dataclass(frozen=True)
class Multiomics:
    """One table a region, and short column names (`m0`, `p0`, …) with the long ones behind them."""

    tables: list[AnalysisTable]
    mrna: dict[str, str]
    proteins: dict[str, str]


def multiomics(people: str = "train") -> Multiomics:
    """The people of a split (`all` for both) whose region is known, by region; age is a column too."""
    frame = pd.read_csv(shared("data/stats/tcga_brca_multiomics_sites.csv"))
    frame = frame[frame["region"].notna() & ((frame["split"] == people) | (people == "all"))]
    mrna = {f"m{i}": c for i, c in enumerate(c for c in frame if c.startswith("mrna_"))}
    proteins = {f"p{i}": c for i, c in enumerate(c for c in frame if c.startswith("prot_"))}
    names = {**mrna, **proteins, "age": "age_at_index"}
    tables = []
    for code, (region, rows) in enumerate(frame.groupby("tss_region", sort=False)):
        columns = {short: rows[long].to_numpy(dtype=np.float64) for short, long in names.items()}
        regions = {f"region{k}": (rows["region"] == k).to_numpy(dtype=np.float64) for k in range(6)}
        persons = np.arange(len(rows), dtype=np.int64) + 1000 * code
        tables.append(AnalysisTable(str(region).lower(), persons, {**columns, **regions}))
    return Multiomics(tables, mrna, proteins)
