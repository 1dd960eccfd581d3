"""Which variants of genes have columns of their own, and which are collapsed: what all sides find alike."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta

from protocols.core.block import MOST_SITES
from protocols.core.disclosure import Array
from protocols.core.protocol import Ask, Coordination
from protocols.core.table import Floats, Integers
from protocols.genomics.genotype_scan import CARRIERS
from protocols.genomics.gwas_rounds import by_parts, frequencies
from protocols.genomics.rare_spec import RareVariantsSpec


@dataclass(frozen=True)
class SetColumns:
    """What a question about one set says, see `rare_sums.columns`; and mean copies of very rare alleles."""

    at: Integers
    flip: Integers
    mean: Floats
    rare: Integers
    rare_flip: Integers
    of: Integers
    weight: Floats
    mean_rare: Floats

    def question(self) -> dict[str, Array]:
        """What a site has to know of it."""
        return {name: array for name, array in vars(self).items() if name != "mean_rare"}

    def burden_mean(self) -> float:
        """The mean of the sum of the weighted copies."""
        return float(self.weight @ np.concatenate([self.mean, self.mean_rare]))

    def two_of_burden(self) -> float:
        """The half of a burden that hardly anybody exceeds: of four alleles, or of four times the mean."""
        return 2 * max(float(self.weight.max()), self.burden_mean())


@dataclass(frozen=True)
class Variants:
    """What is known of the variants of all genes.

    Attributes:
        at, flip, mean: (j,) those of their own columns: positions, whether REF is rarer, mean copies of the
            rarer allele.
        rare, rare_flip, of: (m,) those of genes whose very rare alleles enough people carry.
        mean_rare: (genes,) mean copies of these.
        members: gene -> positions.
    """

    at: Integers
    flip: Integers
    mean: Floats
    rare: Integers
    rare_flip: Integers
    of: Integers
    mean_rare: Floats
    members: Mapping[str, Integers]

    def columns(self, spec: RareVariantsSpec, genes: tuple[str, ...]) -> SetColumns:
        """The question about the variants of some genes."""
        inside = np.sort(np.concatenate([self.members[gene] for gene in genes]))
        own, rare = np.isin(self.at, inside), np.isin(self.rare, inside)
        numbers, places = np.unique(self.of[rare], return_inverse=True)
        mean = np.concatenate([self.mean[own], self.mean_rare[numbers]])
        return SetColumns(
            self.at[own],
            self.flip[own],
            self.mean[own],
            self.rare[rare],
            self.rare_flip[rare],
            places.astype(np.int64),
            np.asarray(beta.pdf(mean / 2, *spec.weights), dtype=np.float64),
            self.mean_rare[numbers],
        )


def found_variants(spec: RareVariantsSpec) -> Coordination[Variants]:
    """Which variants have columns of their own, which are collapsed, and their frequencies."""
    members = spec.members()
    every = np.sort(np.concatenate(list(members.values())))
    alternate, reference = np.zeros(len(every), dtype=np.int64), np.zeros(len(every), dtype=np.int64)
    floors, sites = 0, MOST_SITES
    parts = yield from by_parts("carriers", every, len(CARRIERS))
    for some, total in parts:
        alternate[some], reference[some] = total["alternate"], total["reference"]
        floors, sites = total.floors, len(total.sites)
    carried = np.minimum(alternate, reference) >= floors
    rare = ~carried & (np.maximum(alternate, reference) >= floors)  # else no site has the variant
    found = yield from frequencies(every[carried], sites)
    mean, share = found.mean, found.share
    flip = mean > 1
    mean = np.where(flip, 2 - mean, mean)
    kept = (share >= spec.min_call_rate) & (mean <= 2 * spec.max_frequency) & (mean > 0)
    gene_of = np.zeros(int(every.max(initial=-1)) + 1, dtype=np.int64)
    for number, at in enumerate(members.values()):
        gene_of[at] = number
    at_rare, flip_rare = every[rare], (alternate[rare] >= floors).astype(np.int64)
    if len(at_rare):
        question = _collapsing(at_rare, flip_rare, gene_of)
        total = yield Ask("collapsed", question)
        enough = np.asarray(total["carriers"] >= total.floors)[question["of"]]
        at_rare, flip_rare = at_rare[enough], flip_rare[enough]
    mean_rare = np.zeros(len(members))
    if len(at_rare):
        total = yield Ask("collapsed_copies", _collapsing(at_rare, flip_rare, gene_of))
        mean_rare = np.asarray(total["copies"] / total["n"], dtype=np.float64)
    return Variants(
        every[carried][kept],
        flip[kept].astype(np.int64),
        mean[kept],
        at_rare,
        flip_rare,
        gene_of[at_rare],
        mean_rare,
        members,
    )


def _collapsing(rare: Integers, flip: Integers, gene_of: Integers) -> dict[str, Array]:
    return {"rare": rare, "flip": flip, "of": gene_of[rare]}
