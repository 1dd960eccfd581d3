"""Tables with a block, and the same numbers as variables: what an analysis of either says must agree."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from protocols.core.block import ArrayBlock
from protocols.core.study import Study
from protocols.core.table import AnalysisTable
from tests.lib.studies import a_study_of


def genes(number: int) -> tuple[str, ...]:
    """So many names of an axis."""
    return tuple(f"GENE{j}" for j in range(number))


def listed(number: int) -> tuple[str, ...]:
    """The variables of the same numbers."""
    return tuple(f"gene{j}" for j in range(number))


def with_block(table: AnalysisTable, names: Sequence[str], block: str = "rna") -> AnalysisTable:
    """The table with its columns of these names as a block, in their order, and without them as columns."""
    values = table.matrix(names)
    columns = {name: column for name, column in table.columns.items() if name not in names}
    bare = AnalysisTable(table.site, table.persons, columns, table.labels, table.fold_hashes)
    return bare.with_block(block, ArrayBlock(genes(len(names)), values))


def study_of_block(number: int, columns: Sequence[str], *specs: dict[str, Any], **changes: Any) -> Study:
    """A study of these columns and of a block `rna` of so many genes; analyses are a0, a1, ..."""
    analyses = [spec if "spec" in spec else {"name": f"a{i}", "spec": spec} for i, spec in enumerate(specs)]
    return a_study_of(
        columns, *analyses, blocks={"rna": {"kind": "expression", "genes": genes(number)}}, **changes
    )


def expression(
    sizes: Sequence[int], number: int, seed: int = 0, *, missing: float = 0.0
) -> list[AnalysisTable]:
    """Sites with genes as columns, which differ by scanner; with age, a 0/1 and a plain outcome."""
    rng = np.random.default_rng(seed)
    sizes_of_genes = 10.0 ** rng.integers(-3, 4, number)
    tables = []
    for at, n in enumerate(sizes):
        age = rng.normal(60, 9, n)
        scanner = np.array([f"{at}-{i % 2}" for i in range(n)], dtype=object)
        shift = np.array([2.0 * (label[-1] == "1") for label in scanner])[:, None] + at
        x = rng.normal(size=(n, number)) * (1 + shift / 4) + shift + 0.02 * age[:, None]
        x *= sizes_of_genes
        mutated = (x[:, 0] / x[:, 0].std() + rng.normal(size=n) > np.median(x[:, 0]) / x[:, 0].std()).astype(
            float
        )
        volume = x[:, 1] / x[:, 1].std() + age / 9 + rng.normal(size=n)
        x = np.where(rng.random(x.shape) < missing, np.nan, x)
        columns = {name: x[:, j].copy() for j, name in enumerate(listed(number))}
        columns |= {"age": age, "mutated": mutated, "volume": volume}
        tables.append(AnalysisTable("abcd"[at], np.arange(n) + 1000 * at, columns, {"scanner": scanner}))
    return tables
