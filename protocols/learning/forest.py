"""Random forest with federated histograms: the probability of a 0/1 outcome, by trees on resampled people.

All trees grow together, so each round is one level of the whole forest. How often a person is drawn into a
tree is a Poisson number of mean 1 that belongs to the person (the limit of the bootstrap), and the columns
that a node tries are drawn by the seed; so the forest is that of the same algorithm on all rows in one place,
up to rounding. A child has at least `min_people` drawn people. Bins of a node in which few people are over
all sites are joined with their neighbours before anything is summed. Missing values need no filling.

Reference: Breiman, Mach Learn 45 (2001) 5; Oza & Russell, AISTATS 2001, for Poisson resampling.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator
from scipy import stats

from protocols.core.cells import last_of_runs, parts, parts_of
from protocols.core.disclosure import Array, Band, Count, Moment
from protocols.core.figure import Figure
from protocols.core.protocol import Arrays, Ask, Coordination, FederatedProtocol, site_step
from protocols.core.roles import Applicable, ProbabilityModel
from protocols.core.site_step import Times
from protocols.core.table import AnalysisTable, Floats, Integers
from protocols.core.wording import listed
from protocols.estimation.draws import Draws
from protocols.estimation.outcome import same_outcome, zero_one
from protocols.estimation.person_draws import uniform
from protocols.estimation.roc import bin_of, delong, histogram_of
from protocols.estimation.standards import SCALED, fitting_sums
from protocols.learning.tree_model import (
    GRID_MOMENTS,
    TreeModelSpec,
    cells,
    gridded,
    importance_table,
    is_open,
    known_moments,
    of_known_outcome,
    set_split,
)
from protocols.learning.trees import (
    GRID_CELLS,
    BinnedPeople,
    Rules,
    Trees,
    best_split,
    chosen_cuts,
    in_runs,
    of_the_level,
    with_last,
)
from protocols.results.figures import importance

_MOST_NUMBERS = 20_000_000  # in one message: trees, nodes, tried columns and bins
_SCORE_BINS = 100
_POISSON = stats.poisson.cdf(np.arange(18), 1.0)  # the last is 1 in double precision


class ForestSpec(TreeModelSpec):
    """A 0/1 outcome on covariates, by a forest.

    Attributes:
        trees, depth: how many, and how deep; people in a child are those drawn.
        tried: columns that a node tries; None: the root of their number.
        seed: of what is drawn.
    """

    protocol: Literal["forest"] = "forest"
    trees: int = Field(default=100, ge=1, le=500)
    depth: int = Field(default=5, ge=1, le=8)
    tried: int | None = Field(default=None, ge=1)
    seed: int = Field(default=0, ge=0, lt=2**31)

    @model_validator(mode="after")
    def _agree(self) -> "ForestSpec":
        if self.trees * self.nodes() * self.columns_tried() * (self.bins + 1) > _MOST_NUMBERS:
            raise ValueError("too large for one message: use fewer trees, bins, tried columns or less depth")
        return self

    def columns_tried(self) -> int:
        """How many columns a node tries."""
        f = len(self.covariates)
        return min(self.tried or max(round(f**0.5), 1), f)

    def nodes(self) -> int:
        """Of the last level that may split."""
        return int(2 ** (self.depth - 1))


@dataclass(frozen=True)
class ForestResult(Applicable):
    """A random forest.

    Attributes:
        covariates: (f,) names.
        feature, threshold, missing_left, value: (T, places), see `protocols.learning.trees`.
        gain: (f,) decrease of impurity, summed over splits and a share of the whole; splits: (f,) how many.
        out_of_bag_auc, out_of_bag_se: of people's scores by the trees that did not draw them, in 100 bins.
        out_of_bag_brier: their mean squared error.
        n: people with a known outcome.

    >>> from protocols.exchange.example import run_example
    >>> found = run_example(
    ...     protocol="forest", outcome="idh1", covariates=["age", "entropy"], trees=4, depth=2, bins=8
    ... )
    >>> found.summary().round(2)
             gain  splits
    entropy  0.59     5.0
    age      0.41     6.0
    """

    covariates: tuple[str, ...]
    feature: Floats
    threshold: Floats
    missing_left: Floats
    value: Floats
    gain: Floats
    splits: Floats
    out_of_bag_auc: float
    out_of_bag_se: float
    out_of_bag_brier: float
    n: int

    def summary(self) -> pd.DataFrame:
        """One row per covariate, the most useful first."""
        return importance_table(self.covariates, self.gain, self.splits)

    def figure(self) -> Figure:
        return importance(
            self.covariates, self.gain, self.splits, measure="share of the decrease of impurity"
        )

    def transform_arrays(self) -> dict[str, Array]:
        return self.named("feature", "threshold", "missing_left", "value")


class Forest(FederatedProtocol[ForestSpec, ForestResult], ProbabilityModel[ForestSpec]):
    """Random forest."""

    name = "forest"
    version = "3"
    spec_type = ForestSpec

    @site_step({"n": Count(), **GRID_MOMENTS}, times=SCALED, varies=("about",))
    def moments(spec: ForestSpec, table: AnalysisTable, **about: Array) -> Arrays:
        """Of each covariate its known values, their sum and sum of squares."""
        return known_moments(spec, table, about)

    gridded = gridded
    cells = cells

    @site_step(
        times=lambda spec: Times(1, spec.depth),
        varies=("tried", "first", "trees"),
        refines=True,
        enough=Band("tree", "node", "tried", "part", what="drawn people in the bins, in whole floors"),
    )
    def populated(
        spec: ForestSpec, table: AnalysisTable, cuts: Floats, tried: Integers, first: Array, **trees: Array
    ) -> Arrays:
        """In which bins enough drawn people are, by tree, open node and tried column."""
        people, _, _ = _sums(spec, of_known_outcome(spec, table), cuts, tried, first, trees)
        return {"enough": parts_of(people)}

    @site_step(
        times=lambda spec: Times(1, spec.depth),
        varies=("tried", "first", "last", "trees"),
        n=Count(),
        people=Count("tree", "node", "tried", "bin", of="n", what="people in the run of bins"),
        weight=Moment("tree", "node", "tried", "bin", what="draws of them"),
        outcome=Moment("tree", "node", "tried", "bin", what="draws of those with the outcome"),
    )
    def level(
        spec: ForestSpec,
        table: AnalysisTable,
        cuts: Floats,
        tried: Integers,
        first: Array,
        last: Integers,
        **trees: Array,
    ) -> Arrays:
        """Drawn people, their draws and their outcomes by tree, open node, tried column and run of bins.

        `last` (tree, node, tried, bin) is the last bin of the run of each.
        """
        table = of_known_outcome(spec, table)
        sums = _sums(spec, table, cuts, tried, first, trees)
        people, weight, outcome = (in_runs(one, last) for one in sums)
        return {"n": np.array(len(table)), "people": people, "weight": weight, "outcome": outcome}

    @site_step(
        n=Count(),
        histogram=Count("class", "score", of="n", what="people with a score in the bin"),
        squares=Moment(at_most=1.0, what="sum of squared errors"),
    )
    def out_of_bag(spec: ForestSpec, table: AnalysisTable, **trees: Array) -> Arrays:
        """The histogram of scores by the trees that did not draw a person, and the sum of squared errors."""
        table = of_known_outcome(spec, table)
        x, y, grown = table.matrix(spec.covariates), table.column(spec.outcome), Trees.of(trees)
        total, votes = np.zeros(len(y)), np.zeros(len(y))
        for t in range(spec.trees):
            spared = _drawn(spec, table, t) == 0
            total += np.where(spared, grown.value[t][grown.places(x, t)], 0.0)
            votes += spared
        judged = votes > 0
        p, y = total[judged] / votes[judged], y[judged]
        return {
            "n": np.array(len(y)),
            "histogram": histogram_of(y, bin_of(p, _SCORE_BINS), _SCORE_BINS),
            "squares": np.array(((p - y) ** 2).sum()),
        }

    def axes(self, spec: ForestSpec) -> dict[str, int]:
        return {
            "covariate": len(spec.covariates),
            "cell": GRID_CELLS,
            "tree": spec.trees,
            "node": spec.nodes(),
            "tried": spec.columns_tried(),
            "bin": spec.bins + 1,
            "part": parts(spec.bins + 1),
            "half": parts(GRID_CELLS),
            "class": 2,
            "score": _SCORE_BINS,
        }

    def coordinate(self, spec: ForestSpec) -> Coordination[ForestResult]:
        (total,) = yield from fitting_sums(len(spec.covariates), step="moments", fine=True)
        n = int(total["n"])
        cuts = yield from chosen_cuts(spec.covariates, spec.cuts, spec.bins, spec.min_people, total.arrays)
        trees = Trees.blank(spec.trees, spec.depth)
        f = len(spec.covariates)
        gain, splits = np.zeros(f), np.zeros(f)
        for level in range(spec.depth):
            tried = _tried(spec, level, total.chance)
            arrays: dict[str, Array] = {"cuts": cuts, "tried": tried, **trees.arrays()}
            arrays["first"] = np.array(2**level - 1)
            found_of = yield Ask("populated", arrays)
            last = last_of_runs(found_of["enough"], found_of.over_all)
            total = yield Ask("level", {**arrays, "last": last})
            found = _grow(spec, trees, level, cuts, tried, total.arrays)
            if not found:
                break
            for column, worth in found:
                gain[column] += worth
                splits[column] += 1
        judged = yield Ask("out_of_bag", trees.arrays())
        histogram = np.asarray(judged["histogram"], dtype=np.int64)
        if 0 in histogram.sum(axis=1):
            raise same_outcome(spec.outcome)
        auc, se = delong(histogram)
        return ForestResult(
            covariates=spec.covariates,
            feature=trees.feature.astype(np.float64),
            threshold=trees.threshold,
            missing_left=trees.missing_left.astype(np.float64),
            value=trees.value,
            gain=gain / max(gain.sum(), 1e-300),
            splits=splits,
            out_of_bag_auc=auc,
            out_of_bag_se=se,
            out_of_bag_brier=float(judged["squares"]) / int(judged["n"]),
            n=n,
        )

    def score(self, spec: ForestSpec, table: AnalysisTable, **arrays: Array) -> Floats:
        """The (n,) probabilities that the outcome is 1, the mean over trees; nobody's is missing."""
        trees = Trees.of(arrays)
        mean: Floats = trees.sums(table.matrix(spec.covariates)) / len(trees.feature)
        return mean

    def method(self, spec: ForestSpec) -> str:
        return (
            f"A random forest (Breiman 2001) of {spec.trees} trees of depth {spec.depth}, people drawn by "
            f"Poisson resampling (Oza & Russell 2001), predicts {spec.outcome} from "
            f"{listed(spec.covariates)}."
        )

    def about(self, spec: ForestSpec) -> str:
        return f"Random forest of {spec.trees} trees of {spec.outcome} on {', '.join(spec.covariates)}."

    def notes(self, spec: ForestSpec) -> Sequence[str]:
        return [f"No node has fewer than {spec.min_people} people over all sites."]


def _sums(
    spec: ForestSpec, table: AnalysisTable, cuts: Floats, tried: Integers, first: Array, trees: Arrays
) -> tuple[Integers, Floats, Floats]:
    """Drawn people, their draws and outcomes, by tree, open node, tried column and bin."""

    def make() -> tuple[Integers, Floats, Floats]:
        y = zero_one(table.column(spec.outcome), spec.outcome)
        here, grown, found = BinnedPeople.of(table, spec.covariates, cuts), Trees.of(trees), []
        for t in range(spec.trees):
            drawn, node = _drawn_nodes(spec, table, here, grown, t, int(first))
            found.append(here.sums(tried[t], node, np.column_stack([drawn, drawn * y])))
        people, weight, outcome = (np.stack(sums) for sums in zip(*found, strict=True))
        return people, weight, outcome

    about = [cuts, tried, first, *(trees[name] for name in sorted(trees))]
    return of_the_level(table, spec, about, make)


def _drawn_nodes(
    spec: ForestSpec, table: AnalysisTable, here: BinnedPeople, trees: Trees, tree: int, first: int
) -> tuple[Floats, Integers]:
    """The (n,) times that people are drawn into a tree, and the open node of each who is, else -1."""
    drawn = _drawn(spec, table, tree)
    node = here.places(trees, tree) - first
    node[(drawn == 0) | (node < 0) | (node >= spec.nodes())] = -1
    return drawn, node


def _drawn(spec: ForestSpec, table: AnalysisTable, tree: int) -> Floats:
    """The (n,) times that people are drawn into a tree."""
    return np.searchsorted(_POISSON, uniform(table, spec.seed, tree)).astype(np.float64)


def _tried(spec: ForestSpec, level: int, chance: bytes) -> Integers:
    """The (tree, node, tried) columns that the nodes of a level try, ascending, drawn by chance."""
    drawn = Draws(chance, spec.seed, level).uniform(spec.trees, spec.nodes(), len(spec.covariates))
    order = drawn.argsort(axis=-1, kind="stable")
    return np.sort(order[:, :, : spec.columns_tried()], axis=-1).astype(np.int64)


def _grow(
    spec: ForestSpec, trees: Trees, level: int, cuts: Floats, tried: Integers, total: Arrays
) -> list[tuple[int, float]]:
    """Splits the open nodes of a level of all trees in place; the columns that split, with their gains."""
    rules = Rules(l2=0.0, least_gain=0.0, least_weight=0.0, least_people=spec.min_people)
    thresholds, first, found = with_last(cuts), 2**level - 1, []
    for t in range(spec.trees):
        for node in range(2**level):
            place = first + node
            if not is_open(trees, t, place):
                continue
            outcome, weight, people = (total[name][t, node] for name in ("outcome", "weight", "people"))
            if level == 0:
                trees.value[t, 0] = outcome[0].sum() / max(weight[0].sum(), 1.0)
            split = best_split(outcome, weight, people, rules)
            if split is None:
                continue
            column = int(tried[t, node, split.column])
            values = [ones / drawn for ones, drawn in (split.left, split.right)]
            set_split(trees, t, place, column, thresholds[column, split.cut], split, values)
            found.append((column, split.gain))
    return found
