"""Principal components of genotypes over all sites' people, as columns that stay at the sites.

    round 1    which of an even choice of variants are carried by enough people, in whole floors
    round 2    their copies of ALT, whence the mean and the scale of each
    round 3    products of neighbours, by which variants in linkage are left out (`linkage`)
    round 4 on products Z'(Z V) of standardized copies with a few directions V, one number per variant

Z'Z itself does not leave: where variants are more than people it is their genotypes up to a rotation. The
directions are those of a block Krylov method: a first draw, then what is left over of the components so far,
rounded to eight bits, so that every site draws the same; at most 0.33 directions per person are asked in all.
Components are then as exact as `residual` says, not to rounding: 1e-5 of the eigenvalue where they settled.

The component of one person who is unlike all others is this person's genotypes. So each question bears the
components so far, and a site says no more where one of its people has a quarter of a component's variance.

A component that differs little from the next in its eigenvalue is no structure, and settles late or never.

Reference: Price et al., Nat Genet 38 (2006) 904; Musco & Musco, NeurIPS 28 (2015); plink2 --pca.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field
from scipy.linalg import eigh

from protocols.core.axis import FromBlock
from protocols.core.block import chunks
from protocols.core.disclosure import Array, Count, Moment
from protocols.core.errors import Code, SiteError, StudyError
from protocols.core.figure import Figure
from protocols.core.protocol import Arrays, Coordination, FederatedProtocol, ask, site_step
from protocols.core.roles import Applicable, ColumnTransform, Transforms
from protocols.core.site_step import Times
from protocols.core.table import AnalysisTable, Floats, Integers, Mask
from protocols.core.wording import listed
from protocols.estimation.draws import Draws
from protocols.estimation.vectors import Prefix, upright
from protocols.genomics import genotype_scan, linkage
from protocols.genomics.block_scan import Scan
from protocols.genomics.genotype_scan import CARRIERS, COPIES, centred
from protocols.genomics.gwas_figure import places_of
from protocols.results.figures import shares

CANDIDATES = 10_000
"""Variants of the list, evenly chosen, among which those without linkage are looked for."""

SETTLED = 1e-5
"""The share of an eigenvalue that may be left over of its component."""

MOST_ROUNDS = 12
DIRECTIONS_PER_PERSON = 0.33
LARGEST_SHARE = 0.25
"""Of the variance of a component, that one person may have."""

FEWEST_PER_COMPONENT = 3
_EXTRA = 4  # directions of the first draw beyond the components
_LINKAGE_NEIGHBOURS, _LINKAGE_BASES = 20, 500_000
_BITS, _LOADING_BITS = 8, 20


class AncestrySpec(Transforms):
    """Which variants, and how many components.

    Attributes:
        variants: a block of genotypes; of its autosomal variants an even choice of 10,000 is looked at.
        components: how many, the largest first.
        min_frequency: of the rarer allele, min_call_rate: of the people, for a variant to be used.
        max_r2: with any used variant before it, of the 20 nearest within 500,000 bases.
        most_variants: of those without linkage, evenly chosen.
        prefix: of the score columns' names.
    """

    protocol: Literal["ancestry"] = "ancestry"
    variants: FromBlock
    components: int = Field(default=4, ge=1, le=20)
    min_frequency: float = Field(default=0.05, ge=0.01, lt=0.5)
    min_call_rate: float = Field(default=0.95, ge=0.5, le=1.0)
    max_r2: float = Field(default=0.2, gt=0, le=1.0)
    most_variants: int = Field(default=4000, ge=10, le=10_000)
    prefix: Prefix = "ancestry"

    def variables(self) -> tuple[str, ...]:
        return ()

    def makes(self) -> tuple[str, ...]:
        return tuple(f"{self.prefix}{k + 1}" for k in range(self.components))


@dataclass(frozen=True)
class AncestryResult(Applicable):
    """Components of genotypes; no person's score is in here.

    Attributes:
        variants: (m,) names of those used; components: (k,) names of the score columns.
        loadings: (m, k) of unit length, the entry of largest size positive.
        eigenvalues: (k,) of Z Z' / m, which plink2 prints; explained: (k,) share of all.
        residual: (k,) what is left over of Z'Z v, as a share of its eigenvalue.
        at: (m,) positions on the list; mean, scale: (m,) of the copies.
        in_linkage, unusable: variants that were looked at and left out.
        n: people with genotypes.

    >>> from protocols.exchange.example import run_example
    >>> spec = {"variants": {"block": "snps"}, "components": 1, "max_r2": 1.0}
    >>> run_example(protocol="ancestry", **spec).summary()[["settled"]]
               settled
    ancestry1     True
    """

    variants: tuple[str, ...]
    components: tuple[str, ...]
    loadings: Floats
    eigenvalues: Floats
    explained: Floats
    residual: Floats
    at: Integers
    mean: Floats
    scale: Floats
    in_linkage: int
    unusable: int
    n: int

    def summary(self) -> pd.DataFrame:
        """One row per component."""
        columns = {
            "eigenvalues": self.eigenvalues,
            "explained": self.explained,
            "residual": self.residual,
            "settled": self.residual <= SETTLED,
        }
        return pd.DataFrame(columns, index=list(self.components))

    def figure(self) -> Figure:
        panel = shares(self.components, self.explained, measure="share of the variance", title="Ancestry")
        return Figure(
            (panel,), f"{len(self.variants):,} variants without linkage, {self.n:,} people with genotypes."
        )

    def transform_arrays(self) -> Arrays:
        """What a site scores by: columns of variance 1 over all people."""
        per_person = np.sqrt(self.n / (self.eigenvalues * len(self.at)))
        return {
            "at": self.at,
            "mean": self.mean,
            "scale": self.scale,
            "loadings": _in_bits(self.loadings * per_person, _LOADING_BITS),
        }


class Ancestry(FederatedProtocol[AncestrySpec, AncestryResult], ColumnTransform[AncestrySpec]):
    """Where people's genotypes differ most."""

    name = "ancestry"
    spec_type = AncestrySpec

    @site_step(CARRIERS, varies=("at",))
    def carriers(spec: AncestrySpec, table: AnalysisTable, at: Integers) -> Arrays:
        """How many people carry each allele of some variants, in whole floors."""
        return genotype_scan.carriers(_scan(spec, table, at), at)

    @site_step(COPIES, varies=("at",))
    def copies(spec: AncestrySpec, table: AnalysisTable, at: Integers) -> Arrays:
        """How many people have a genotype of some variants, and their copies of ALT."""
        return genotype_scan.copies(_scan(spec, table, at), at)

    @site_step(linkage.LINKED, varies=("at", "mean", "first", "second"))
    def linked(
        spec: AncestrySpec,
        table: AnalysisTable,
        at: Integers,
        mean: Floats,
        first: Integers,
        second: Integers,
    ) -> Arrays:
        """Products of the copies of neighbours, in steps of five people."""
        return linkage.linked(_scan(spec, table, at), at, mean, first, second)

    @site_step(
        times=Times(1, MOST_ROUNDS),
        varies=("at", "mean", "scale", "directions", "components", "values"),
        n=Count(),
        products=Moment(
            "variant", "direction", what="sums of products of copies and of a weighted sum of them"
        ),
    )
    def along(
        spec: AncestrySpec,
        table: AnalysisTable,
        at: Integers,
        mean: Floats,
        scale: Floats,
        directions: Floats,
        components: Floats,
        values: Floats,
    ) -> Arrays:
        """Z'(Z V) of the standardized copies of some variants with directions.

        Args:
            components: (m, k) those found so far, or none; values: (k,) their sums of squares over all sites.

        Raises:
            SiteError: withheld; one person here has too much of a component.
        """
        scan = _scan(spec, table, at)
        scores = _scores(scan, at, mean, scale, np.hstack([components, directions]))
        of_components, scores = np.hsplit(scores, [components.shape[1]])
        if (of_components**2 > LARGEST_SHARE * values).any():
            raise SiteError(
                Code.WITHHELD,
                "one person makes up too much of a component: leave relatives and strangers to the rest out",
            )
        products = np.zeros(directions.shape)
        for some, x in chunks(scan.block, at):
            products[some] = (centred(scan, x, mean[some]) / scale[some]).T @ scores
        return {"n": np.array(len(scan.block)), "products": products}

    def axes_asked(self, spec: AncestrySpec, arrays: Arrays) -> dict[str, int]:
        directions = arrays["directions"].shape[1] if "directions" in arrays else 0
        pairs = arrays["first"].size if "first" in arrays else 0
        return {"variant": arrays["at"].size if "at" in arrays else 0, "pair": pairs, "direction": directions}

    def axes(self, spec: AncestrySpec) -> dict[str, int]:
        variants = min(CANDIDATES, spec.variants.size)
        return {
            "variant": variants,
            "pair": variants * _LINKAGE_NEIGHBOURS,
            "direction": spec.components + _EXTRA,
        }

    def coordinate(self, spec: AncestrySpec) -> Coordination[AncestryResult]:
        names = tuple(name.removeprefix(f"{spec.variants.block}:") for name in spec.variants.names())
        candidates = _candidates(names)
        total = yield ask("carriers", at=candidates)
        usable = np.minimum(total["alternate"], total["reference"]) >= total.floors
        at = candidates[usable]
        _enough(spec, at)
        total = yield ask("copies", at=at)
        known, copies = np.maximum(total["known"], 1), np.nan_to_num(total["copies"])
        mean, n = copies / known, int(total["n"])
        usable = np.minimum(mean, 2 - mean) / 2 >= spec.min_frequency
        usable &= total["known"] >= spec.min_call_rate * n
        at, mean = at[usable], mean[usable]
        _enough(spec, at)
        kept, square = yield from _without_linkage(spec, names, at, mean)
        used = np.flatnonzero(kept)
        used = used[:: max(1, -(-len(used) // spec.most_variants))]
        scale = np.sqrt(mean[used] * (1 - mean[used] / 2))
        _enough(spec, used)
        values, vectors, residual = yield from _components(spec, at[used], mean[used], scale, n)
        return AncestryResult(
            variants=tuple(names[j] for j in at[used]),
            components=spec.makes(),
            loadings=vectors,
            eigenvalues=values / len(used),
            explained=values / float((square[used] / scale**2).sum()),
            residual=residual,
            at=at[used],
            mean=mean[used],
            scale=scale,
            in_linkage=int((~kept).sum()),
            unusable=len(candidates) - len(at),
            n=n,
        )

    def transform(
        self, spec: AncestrySpec, table: AnalysisTable, rows: Mask, **arrays: Array
    ) -> AnalysisTable:
        """The table with a column of scores for each component, missing for people without genotypes."""
        at = np.asarray(arrays["at"], dtype=np.int64)
        scan = _scan(spec, table, at)
        scores = np.full((len(table), spec.components), np.nan)
        here = table.block(spec.variants).present
        numbers = (np.asarray(arrays[name], dtype=np.float64) for name in ("mean", "scale", "loadings"))
        scores[here] = _scores(scan, at, *numbers)
        return table.with_columns(dict(zip(spec.makes(), scores.T, strict=True)))

    def method(self, spec: AncestrySpec) -> str:
        return (
            f"{spec.components} principal components of genotypes were computed over all hospitals' people "
            "from autosomal variants with a frequency of the rarer allele of at least "
            f"{spec.min_frequency:g} and r² of at most {spec.max_r2:g} with their neighbours; genotypes and "
            "scores stayed in the hospitals."
        )

    def about(self, spec: AncestrySpec) -> str:
        return f"{spec.components} principal components of the genotypes in {spec.variants.block}."

    def notes(self, spec: AncestrySpec) -> Sequence[str]:
        return [f"Scores stay here, as columns {listed(spec.makes())} for the analyses after this one."]


def _scan(spec: AncestrySpec, table: AnalysisTable, at: Integers) -> Scan:
    """The people here who have genotypes."""
    return Scan.of(table, spec.variants, at, ((), ()))


def _scores(scan: Scan, at: Integers, mean: Floats, scale: Floats, directions: Floats) -> Floats:
    """The (n, l) sums of standardized copies, weighted by (m, l) directions."""
    scores = np.zeros((len(scan.block), directions.shape[1]))
    for some, x in chunks(scan.block, at):
        scores += (centred(scan, x, mean[some]) / scale[some]) @ directions[some]
    return scores


def _candidates(names: Sequence[str]) -> Integers:
    """Ascending positions of an even choice of the variants on chromosomes with numbers."""
    on_autosome = np.flatnonzero([name.split(":", 1)[0].isdigit() for name in names])
    return on_autosome[:: max(1, -(-len(on_autosome) // CANDIDATES))]


def _enough(spec: AncestrySpec, variants: Integers) -> None:
    if len(variants) < FEWEST_PER_COMPONENT * spec.components:
        raise StudyError(
            Code.WITHHELD,
            "too few variants are carried by enough people, known and without linkage",
            "use fewer components, a longer list of variants, or include more people",
        )


def _without_linkage(
    spec: AncestrySpec, names: Sequence[str], at: Integers, mean: Floats
) -> Coordination[tuple[Mask, Floats]]:
    """(k,) whether a variant is in linkage with none before it that is used; (k,) sums of squares."""
    places = places_of([names[j] for j in at])
    order = places.order()
    everybody = np.arange(len(at))
    pairs = linkage.around(everybody, order, places, _LINKAGE_NEIGHBOURS, _LINKAGE_BASES)
    rank = np.empty(len(at), dtype=np.int64)
    rank[order] = everybody
    later, earlier = pairs[:, rank[pairs[0]] > rank[pairs[1]]]
    by_rank = np.argsort(rank[later], kind="stable")
    later, earlier = later[by_rank], earlier[by_rank]
    total = yield ask("linked", at=at, mean=mean, first=later, second=earlier)
    r2 = linkage.r_squared(total["square"], total["together"], later, earlier)
    kept = np.ones(len(at), dtype=bool)
    for a, b in zip(later[r2 > spec.max_r2], earlier[r2 > spec.max_r2], strict=True):
        kept[a] &= not kept[b]
    return kept, np.asarray(total["square"], dtype=np.float64)


def _components(
    spec: AncestrySpec, at: Integers, mean: Floats, scale: Floats, n: int
) -> Coordination[tuple[Floats, Floats, Floats]]:
    """The (k,) largest eigenvalues of Z'Z, their (m, k) vectors, and what is left over of each."""
    k, m = spec.components, len(at)
    first = min(k + _EXTRA, m)
    fresh = _in_bits(Draws(b"", m, first).normal(m, first), _BITS)
    directions, products, vectors, values = np.zeros((m, 0)), np.zeros((m, 0)), np.zeros((m, 0)), np.zeros(0)
    most = min(m, int(DIRECTIONS_PER_PERSON * n))
    for _ in range(MOST_ROUNDS):
        if directions.shape[1] + fresh.shape[1] > most:
            break
        total = yield ask(
            "along",
            at=at,
            mean=mean,
            scale=scale,
            directions=fresh,
            components=vectors,
            values=values,
        )
        directions = np.hstack([directions, fresh])
        products = np.hstack([products, total["products"]])
        inner = directions.T @ products
        values, weights = eigh((inner + inner.T) / 2, directions.T @ directions)
        values, weights = values[::-1][:k], weights[:, ::-1][:, :k]
        vectors = directions @ weights
        left = products @ weights - vectors * values
        residual = np.linalg.norm(left, axis=0) / values
        open_ones = residual > SETTLED
        if not open_ones.any():
            break
        fresh = _in_bits(left[:, open_ones], _BITS)
    if not directions.shape[1]:
        raise StudyError(
            Code.WITHHELD, "there are too few people for so many components", "use fewer components"
        )
    return values, upright(vectors), residual


def _in_bits(x: Floats, bits: int) -> Floats:
    """(m, l) numbers as whole multiples of 2 ** -bits of each column's largest power of two.

    The same at every site: two processors' numbers differ by far less than such a step.
    """
    largest = np.exp2(np.ceil(np.log2(np.maximum(np.abs(x).max(axis=0), np.finfo(float).tiny))))
    found: Floats = np.round(x / largest * 2.0**bits) / 2.0**bits
    return found * largest if bits > _BITS else found
