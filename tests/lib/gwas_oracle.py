"""Four hospitals' genotypes and people, as the oracles hold them, and where other software's numbers lie."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from protocols.core.block import ArrayBlock
from protocols.core.study import Study
from protocols.core.table import AnalysisTable
from protocols.genomics.alignment import Strand, aligned, axis_table
from site_node.features.arrays import Floats
from site_node.sources.genotypes.fileset import Fileset
from tests.lib.shared import shared
from tests.lib.studies import REQUESTER

NAME = "gwas_four_sites"


def data(ending: str) -> Path:
    return shared(f"oracles/data/gwas/{NAME}{ending}")


def reference(ending: str) -> Path:
    return shared(f"oracles/reference/{NAME}{ending}")


@dataclass(frozen=True)
class Pooled:
    """The truth: all people's (n, v) copies of ALT, and what else is known of them."""

    ids: tuple[str, ...]
    axis: tuple[str, ...]
    copies: Floats
    people: pd.DataFrame


def copies_in(fileset: Fileset, axis: tuple[str, ...], strand: Strand) -> Floats:
    """The (n, v) copies of ALT of a fileset's people, by the variants of an axis; NaN: missing."""
    found, samples = fileset.read_variants(), fileset.read_samples()
    on_axis = aligned(axis_table(axis), found, strand)
    copies = np.full((len(axis), len(samples)), np.nan)
    with fileset.opened(len(samples), len(found)) as genotypes:
        read = genotypes.copies(on_axis.variants)
    copies[on_axis.at] = on_axis.counted(read, np.arange(len(read)))
    return copies.T


@cache
def pooled() -> Pooled:
    bim = pd.read_csv(data(".bim"), sep=r"\s+", header=None, dtype=str)
    chromosomes = bim[0].replace("23", "X")
    axis = tuple(f"{c}:{p}:{r}:{a}" for c, p, a, r in zip(chromosomes, bim[3], bim[4], bim[5], strict=True))
    copies = copies_in(Fileset(data(".bed")), axis, "forward")
    covariates = pd.read_csv(data("_covariates.csv")).iloc[:, 3:].rename(columns=str.lower)
    people = pd.read_csv(data("_people.csv")).join(covariates)
    men_on_x = np.ix_(people["sex"] == 1, chromosomes == "X")
    assert not (copies[men_on_x] == 1).any()
    return Pooled(tuple(bim[1]), axis, copies, people)


def tables(values: Floats | None = None) -> list[AnalysisTable]:
    """The table of each hospital; with other (n, v) numbers in the place of the genotypes."""
    whole = pooled()
    numbers = whole.copies if values is None else values
    names = ["age", "sexcov", "pc1", "pc2", "pc3", "pc4", "site2", "site3", "site4", "qt", "cc", "cc_rare"]
    found = []
    for site, rows in whole.people.groupby("site").indices.items():
        columns = {name: whole.people[name].to_numpy(float)[rows] for name in names}
        block = ArrayBlock(whole.axis, numbers[rows])
        found.append(AnalysisTable(f"site{site}", np.asarray(rows), columns, blocks={"snps": block}))
    return found


def study(*specs: dict[str, object], **changes: object) -> Study:
    """A study of these analyses over those tables."""
    first = tables()[0]
    axis = first.blocks["snps"].axis.model_dump()
    return Study.model_validate(
        {
            "name": "oracle",
            "title": "Genotypes of four hospitals",
            "requester": REQUESTER,
            "cohort": {"index": {"domain": "condition", "concept": "ICD10CM:C71%"}},
            "variables": {name: {"kind": "measurement", "concept": "LOCAL:x"} for name in first.columns},
            "blocks": {"snps": {"kind": "genotype", "variants": "listed", "axis": axis, "build": "GRCh38"}},
            "analyses": [{"name": f"a{i}", "spec": spec} for i, spec in enumerate(specs)],
            **changes,
        }
    )
