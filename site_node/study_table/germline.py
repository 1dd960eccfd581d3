"""Single inherited variants and scores of many, from the filesets of genotypes that a site registered."""

from collections.abc import Sequence

import numpy as np

from protocols.core.axis import published
from protocols.core.block import chunks
from protocols.core.block_kinds import GenotypeBlock
from protocols.core.variables.genomic import PolygenicScore
from site_node.features.arrays import Floats
from site_node.study_table.block_readers.genotype import GenotypesOfFiles, genotypes
from site_node.study_table.people import People


def dosages(people: People, build: str, variants: Sequence[str]) -> Floats:
    """The (n, k) copies of ALT of some variants; NaN: missing.

    Raises:
        SiteError: site-failed; a fileset is gone, or has changed since it was loaded.
    """
    return _block(people, build, variants).columns(np.arange(len(variants)))


def score(people: People, variable: PolygenicScore) -> Floats:
    """The (n,) sums of weighted copies; NaN where fewer than `least_known` of the variants are known.

    Variants that nobody here has are noted as a doubt.

    Raises:
        SiteError: as `dosages`.
    """
    names, weights, frequencies = zip(*variable.weights, strict=True)
    weight = np.array(weights)
    expected = 2 * np.array([np.nan if one is None else one for one in frequencies])
    block, absent = _block(people, variable.build, names), 0
    total, known = np.zeros(len(people)), np.zeros(len(people), dtype=np.int64)
    for some, copies in chunks(block, np.arange(len(names))):
        is_missing = np.isnan(copies)
        here = (~is_missing).sum(axis=0)
        absent += int((here == 0).sum())
        mean = np.where(is_missing, 0.0, copies).sum(axis=0) / np.maximum(here, 1)
        filled = np.where(is_missing, np.where(np.isnan(expected[some]), mean, expected[some]), copies)
        total += filled @ weight[some]
        known += (~is_missing).sum(axis=1)
    if absent:
        people.doubts["score-variant-absent"] += absent
    total[known < variable.least_known * len(names)] = np.nan
    return total


def _block(people: People, build: str, variants: Sequence[str]) -> GenotypesOfFiles:
    kind = GenotypeBlock.model_validate(
        {"kind": "genotype", "variants": "listed", "axis": published(variants), "build": build}
    )
    return genotypes(kind, people, None)
