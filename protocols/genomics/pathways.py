"""Activities of gene sets in each person, as columns that stay at the sites.

    round 1    the mean and the spread of every gene of a block, over all sites
    round 2    plage: products of the genes of each set; gsva: how many people lie below places of a grid

`zscore` is the sum of a set's standardized genes over the root of their number, `plage` the first component
of them, of length 1 over all people: both exact. `ssgsea` ranks a person's genes among each other and needs
nobody else; it is not divided by its range, which would be the difference of two people. `gsva` ranks
places of a person's genes among all people's, by a kernel of a quarter of a gene's spread. These sums leave
on a grid, rounded by each site to whole steps of five people, so that the largest number is nobody's; a
place is off by at most 2.5 people a site, and 0.008 for the grid.

A gene that fewer than `min_known` of the people have, or that does not vary, is not used, and missing
numbers of the others are their mean. Who lacks more than that share of the genes has no activities.

Reference: Barbie et al., Nature 462 (2009) 108; Haenzelmann et al., BMC Bioinformatics 14 (2013) 7; Lee et
al., PLoS Comput Biol 4 (2008) e1000217; Tomfohr et al., BMC Bioinformatics 6 (2005) 225. Bioconductor GSVA
1.46.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator
from scipy.special import ndtr

from protocols.core.axis import FromBlock
from protocols.core.block import chunks, rounds_of
from protocols.core.disclosure import Array, Count, Moment
from protocols.core.errors import Code, StudyError
from protocols.core.figure import Axis, Bar, Bars, Figure
from protocols.core.lockstep import together
from protocols.core.protocol import Arrays, Coordination, FederatedProtocol, Total, ask, site_step
from protocols.core.roles import Applicable, ColumnTransform, Transforms
from protocols.core.site_step import Times
from protocols.core.table import AnalysisTable, Floats, Integers, Mask
from protocols.core.variables import Name
from protocols.core.variables.variable import GeneSymbol
from protocols.core.wording import listed
from protocols.estimation.vectors import upright
from protocols.genomics.block_scan import KNOWN_SUMS, MOST_SUMS, Scan, gather_known
from protocols.genomics.pathway_scores import gsva, interpolated, ssgsea

FEWEST_GENES = 2
STEP_PEOPLE = 5.0
"""To whole multiples of this a site rounds how many people lie below a place of a grid."""

GRID = np.linspace(-4.0, 4.0, 65)
"""The places, in standard deviations from the mean of a gene."""

_BANDWIDTHS = 4.0  # in a standard deviation

Method = Literal["zscore", "plage", "ssgsea", "gsva"]


class PathwaysSpec(Transforms):
    """Which sets of genes, and how their activity is measured.

    Attributes:
        features: a block of expression, all of whose genes are the background of ranks.
        sets: name -> genes; in a study's file `{file: sets.gmt, only: [...]}` as well.
        method: how.
        min_known: the share of the people who must have a gene, and of the genes that a person must have.
    """

    protocol: Literal["pathways"] = "pathways"
    features: FromBlock
    sets: Annotated[
        dict[Name, Annotated[tuple[GeneSymbol, ...], Field(min_length=1, max_length=2000)]],
        Field(min_length=1, max_length=500),
    ]
    method: Method = "ssgsea"
    min_known: float = Field(default=0.9, ge=0.5, le=1.0)

    @model_validator(mode="after")
    def _is_possible(self) -> "PathwaysSpec":
        if any(len(set(genes)) != len(genes) for genes in self.sets.values()):
            raise ValueError("a set lists a gene twice")
        return self

    def variables(self) -> tuple[str, ...]:
        return ()

    def makes(self) -> tuple[str, ...]:
        return tuple(self.sets)


@dataclass(frozen=True)
class PathwaysResult(Applicable):
    """What sites measure activities by; no person's activity is in here.

    Attributes:
        sets: (s,) names of the columns; found: (s,) how many of its genes are used; of: (s,) it has.
        genes: (m,) those that are used, of the sets or, for ranks, of the whole block.
        at: (m,) their positions on its list; mean, sd: (m,).
        weights: (m, s) of a standardized gene in the activity; 1 for members, where it is one of ranks.
        explained: (s,) for plage, the share of a set's variance along its first component; else missing.
        below: (m, g) for gsva, the share of the people below the places of a grid; else (0, 0).
        n: people with the block.

    >>> from protocols.exchange.example import run_example
    >>> sets = {"checkpoint": ["PDCD1", "CD274", "CTLA4"], "cycle": ["MKI67", "TOP2A"]}
    >>> spec = {"features": {"block": "rna"}, "sets": sets, "method": "plage"}
    >>> run_example(protocol="pathways", **spec).summary().round(2)
                genes  of  explained
    checkpoint      3   3       0.35
    cycle           2   2       0.69
    """

    sets: tuple[str, ...]
    found: Integers
    of: Integers
    genes: tuple[str, ...]
    at: Integers
    mean: Floats
    sd: Floats
    weights: Floats
    explained: Floats
    below: Floats
    n: int

    def summary(self) -> pd.DataFrame:
        """One row per set."""
        columns = {"genes": self.found, "of": self.of, "explained": self.explained}
        return pd.DataFrame(columns, index=list(self.sets))

    def figure(self) -> Figure:
        bars = tuple(Bar(name, float(found)) for name, found in zip(self.sets, self.found, strict=True))
        return Figure((Bars("Sets", Axis("genes used", low=0.0), bars),), f"Gene sets, over {self.n} people.")

    def transform_arrays(self) -> Arrays:
        return {
            "at": self.at,
            "mean": self.mean,
            "sd": self.sd,
            "weights": self.weights,
            "below": self.below,
        }


class Pathways(FederatedProtocol[PathwaysSpec, PathwaysResult], ColumnTransform[PathwaysSpec]):
    """How active sets of genes are."""

    name = "pathways"
    spec_type = PathwaysSpec

    @site_step(KNOWN_SUMS, times=Times(1, MOST_SUMS), varies=("at", "shift", "scale"))
    def block_sums(
        spec: PathwaysSpec, table: AnalysisTable, at: Integers, shift: Floats, scale: Floats
    ) -> Arrays:
        """Sums and squares of the known numbers of some genes."""
        return _scan(spec, table, at).known_sums(at, shift, scale)

    @site_step(
        times=lambda spec: Times.where(spec.method == "plage"),
        varies=("at", "mean", "sd"),
        n=Count(),
        products=Moment("gene", "gene", what="sums of products of the standardized genes of a set"),
    )
    def products(spec: PathwaysSpec, table: AnalysisTable, at: Integers, mean: Floats, sd: Floats) -> Arrays:
        """Products of the standardized genes of one set."""
        z = _standardized(_scan(spec, table, at), at, mean, sd)
        return {"n": np.array(len(z)), "products": z.T @ z}

    @site_step(
        times=lambda spec: Times.where(spec.method == "gsva"),
        varies=("at", "mean", "sd"),
        n=Count(),
        below=Moment(
            "gene",
            "place",
            at_most=1.0,
            what="people below places of a grid, smoothed, rounded to steps of 5",
        ),
    )
    def places(spec: PathwaysSpec, table: AnalysisTable, at: Integers, mean: Floats, sd: Floats) -> Arrays:
        """How many people lie below the places of a grid in each gene, smoothed by a kernel."""
        scan = _scan(spec, table, at)
        below = np.zeros((len(at), len(GRID)))
        z = _standardized(scan, at, mean, sd)
        for j, column in enumerate(z.T):
            below[j] = ndtr((GRID[:, None] - column) * _BANDWIDTHS).sum(axis=1)
        # the last place has everybody below, so that no rounding may lift a sum above the people
        rounded = STEP_PEOPLE * np.floor(below / STEP_PEOPLE + 0.5)
        return {"n": np.array(len(z)), "below": np.minimum(rounded, len(z))}

    def axes_asked(self, spec: PathwaysSpec, arrays: Arrays) -> dict[str, int]:
        asked = arrays["at"].size if "at" in arrays else spec.features.size
        return {"column": asked, "gene": asked, "place": len(GRID)}

    def axes(self, spec: PathwaysSpec) -> dict[str, int]:
        genes = max(map(len, spec.sets.values())) if spec.method == "plage" else spec.features.size
        return {"column": spec.features.size, "gene": genes, "place": len(GRID)}

    def coordinate(self, spec: PathwaysSpec) -> Coordination[PathwaysResult]:
        names = [name.removeprefix(f"{spec.features.block}:") for name in spec.features.names()]
        known = yield from gather_known(spec.features)
        people = known.total["known"]
        with np.errstate(divide="ignore", invalid="ignore"):
            sd = known.norm / np.sqrt(np.maximum(people - 1, 1))
        usable = (people >= np.maximum(spec.min_known * known.n, known.total.min_count)) & (sd > 0)
        usable &= known.total["not_zero"] >= known.total.min_count
        of_set = np.array([np.isin(names, genes) for genes in spec.sets.values()]).T & usable[:, None]
        _check(spec, of_set, usable)
        at = np.flatnonzero(usable if spec.method in ("ssgsea", "gsva") else of_set.any(axis=1))
        weights, mean, sd = of_set[at].astype(np.float64), known.mean[at], sd[at]
        explained, below = np.full(len(spec.sets), np.nan), np.zeros((0, 0))
        if spec.method == "zscore":
            weights /= np.sqrt(weights.sum(axis=0))
        elif spec.method == "plage":
            weights, explained = yield from _components(at, mean, sd, of_set[at])
        elif spec.method == "gsva":
            below = yield from _below(at, mean, sd)
        return PathwaysResult(
            sets=tuple(spec.sets),
            found=of_set.sum(axis=0),
            of=np.array([len(genes) for genes in spec.sets.values()]),
            genes=tuple(names[j] for j in at),
            at=at,
            mean=mean,
            sd=sd,
            weights=weights,
            explained=explained,
            below=below,
            n=known.n,
        )

    def transform(
        self, spec: PathwaysSpec, table: AnalysisTable, rows: Mask, **arrays: Array
    ) -> AnalysisTable:
        """The table with a column for each set, missing for people without enough of the genes."""
        at = np.asarray(arrays["at"], dtype=np.int64)
        mean, sd, weights, below = (
            np.asarray(arrays[name], dtype=np.float64) for name in ("mean", "sd", "weights", "below")
        )
        scan = _scan(spec, table, at)
        z = _standardized(scan, at, mean, sd)
        if spec.method == "ssgsea":
            x = scan.block.columns(at)  # as it is: equal numbers have one rank
            found = ssgsea(np.where(np.isnan(x), mean, x), weights > 0)
        elif spec.method == "gsva":
            found = gsva(interpolated(GRID, below, z), weights > 0)
        else:
            found = z @ weights
        found[_known(scan, at) < spec.min_known * len(at)] = np.nan
        scores = np.full((len(table), len(spec.sets)), np.nan)
        scores[table.block(spec.features).present] = found
        return table.with_columns(dict(zip(spec.makes(), scores.T, strict=True)))

    def method(self, spec: PathwaysSpec) -> str:
        how = {"zscore": "combined z-scores", "plage": "PLAGE", "ssgsea": "ssGSEA", "gsva": "GSVA"}
        return (
            f"Activities of {len(spec.sets)} gene set{'s' * (len(spec.sets) != 1)} were measured by "
            f"{how[spec.method]} in each person's expression; they stayed in the hospitals."
        )

    def about(self, spec: PathwaysSpec) -> str:
        return f"Activities of {listed(spec.makes())} by {spec.method}, from block {spec.features.block}."

    def notes(self, spec: PathwaysSpec) -> Sequence[str]:
        return [f"Activities stay here, as columns {listed(spec.makes())} for the analyses after this one."]


def _scan(spec: PathwaysSpec, table: AnalysisTable, at: Integers) -> Scan:
    """The people here who have the block."""
    return Scan.of(table, spec.features, at, ((), ()))


def _standardized(scan: Scan, at: Integers, mean: Floats, sd: Floats) -> Floats:
    """(n, k) genes about their mean in standard deviations; 0 for a missing number."""
    z = np.empty((len(scan.block), len(at)))
    for some, x in chunks(scan.block, at):
        z[:, some] = np.nan_to_num((x - mean[some]) / sd[some])
    return z


def _known(scan: Scan, at: Integers) -> Integers:
    """(n,) how many of the genes each person has."""
    known = np.zeros(len(scan.block), dtype=np.int64)
    for _, x in chunks(scan.block, at):
        known += np.count_nonzero(~np.isnan(x), axis=1)
    return known


def _check(spec: PathwaysSpec, of_set: Mask, usable: Mask) -> None:
    """Raises unless each set has genes that are known, and genes beside them.

    Raises:
        StudyError: withheld, or unknown-variable; names the sets.
    """
    if not usable.any():
        raise StudyError(
            Code.WITHHELD, "no gene is known of enough people and varies", "include more people or hospitals"
        )
    few = [name for name, genes in zip(spec.sets, of_set.T, strict=True) if genes.sum() < FEWEST_GENES]
    if few:
        raise StudyError(
            Code.UNKNOWN_VARIABLE,
            f"fewer than {FEWEST_GENES} genes are known here of {', '.join(few[:20])}",
            "leave these sets out, or write HGNC's symbols of today",
        )
    whole = [name for name, genes in zip(spec.sets, of_set.T, strict=True) if genes.sum() == usable.sum()]
    if whole and spec.method in ("ssgsea", "gsva"):
        raise StudyError(
            Code.RANK_DEFICIENT,
            f"no gene is outside of {', '.join(whole[:20])}",
            "use a block with all genes, which ranks are among",
        )


def _components(at: Integers, mean: Floats, sd: Floats, of_set: Mask) -> Coordination[tuple[Floats, Floats]]:
    """The (m, s) weights of genes in the first component of each set, and the (s,) shares of its variance."""
    rounds = [_asked(at[genes], mean[genes], sd[genes]) for genes in of_set.T]
    weights, explained = np.zeros(of_set.shape), np.zeros(of_set.shape[1])
    for j, total in enumerate((yield from together(rounds))):
        values, vectors = np.linalg.eigh(total["products"])
        weights[of_set[:, j], j] = upright(vectors[:, -1:])[:, 0] / np.sqrt(values[-1])
        explained[j] = values[-1] / values.sum()
    return weights, explained


def _asked(at: Integers, mean: Floats, sd: Floats) -> Coordination[Total]:
    total: Total = yield ask("products", at=at, mean=mean, sd=sd)
    return total


def _below(at: Integers, mean: Floats, sd: Floats) -> Coordination[Floats]:
    """(m, g) the shares of the people below the places of the grid."""
    below = np.zeros((len(at), len(GRID)))
    for some, asked in _parts(at):
        total = yield ask("places", at=asked, mean=mean[some], sd=sd[some])
        below[some] = np.maximum.accumulate(total["below"], axis=1) / total["n"]
    return below


def _parts(at: Integers) -> Iterator[tuple[slice, Integers]]:
    begin = 0
    for asked in rounds_of(at, len(GRID)):
        yield slice(begin, begin + len(asked)), asked
        begin += len(asked)
