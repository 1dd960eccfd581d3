"""Gradient-boosted trees with federated histograms: of a 0/1 outcome, or of a number by least squares.

Each round is one level of one tree: a site sends, for each open node, column and bin between public cuts, how
many people there are and the sums of the gradient and hessian of the loss; the coordinator splits. The trees
are those of the same algorithm on all rows in one place, up to rounding. A child has at least `min_people`.
Missing values need no filling: each split learns where they go. Bins of a node in which few people are over
all sites are joined with their neighbours before anything is summed, so that no split lies between them.

Cuts are given, or taken from counts on a grid of 256 cells about the mean, joined likewise, so that about
equally many people, at least `min_people`, lie between two.

Reference: Chen & Guestrin, KDD 2016; xgboost `tree_method="hist"`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator
from scipy.special import expit, logit

from protocols.core.cells import last_of_runs, parts, parts_of
from protocols.core.disclosure import Array, Band, Count, Moment
from protocols.core.figure import Figure
from protocols.core.protocol import (
    Arrays,
    Ask,
    Coordination,
    FederatedProtocol,
    site_step,
)
from protocols.core.roles import Applicable, ProbabilityModel, Role
from protocols.core.site_step import Times
from protocols.core.table import AnalysisTable, Floats, Integers
from protocols.core.wording import listed
from protocols.estimation.outcome import same_outcome, zero_one
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
    remembered_sums,
    with_last,
)
from protocols.results.figures import importance


class BoostingSpec(TreeModelSpec):
    """An outcome on covariates, by trees.

    Attributes:
        loss: logistic, of a 0/1 outcome; or squared, of a number.
        trees, depth: how many, and how deep.
        learning_rate: by which each tree's values are shrunk.
        l2: penalty on the values of leaves; min_gain: least gain of a split.
        min_weight: least sum of hessians in a child.
        base_score: prediction before the first tree, a probability for 0/1; none takes the mean.
    """

    protocol: Literal["boosting"] = "boosting"
    loss: Literal["logistic", "squared"] = "logistic"
    trees: int = Field(default=50, ge=1, le=500)
    depth: int = Field(default=3, ge=1, le=6)
    learning_rate: float = Field(default=0.1, gt=0, le=1)
    l2: float = Field(default=1.0, ge=0)
    min_gain: float = Field(default=0.0, ge=0)
    min_weight: float = Field(default=1.0, ge=0)
    base_score: float | None = None

    @model_validator(mode="after")
    def _agree(self) -> "BoostingSpec":
        if self.loss == "logistic" and self.base_score is not None and not 0 < self.base_score < 1:
            raise ValueError("base_score is a probability")
        return self

    def shortfall(self, role: type[Role]) -> str:
        return "`loss: squared` gives no probability of a 0/1 outcome" if self.loss == "squared" else ""

    def rules(self) -> Rules:
        """What a split must satisfy."""
        return Rules(self.l2, self.min_gain, self.min_weight, self.min_people)


@dataclass(frozen=True)
class BoostingResult(Applicable):
    """Boosted trees.

    Attributes:
        covariates: (f,) names.
        base: prediction before the first tree, as log odds for a 0/1 outcome.
        feature, threshold, missing_left, value: (T, places), see `protocols.learning.trees`.
        gain: (f,) summed over splits; splits: (f,) how many.
        n: people with a known outcome.

    >>> from protocols.exchange.example import run_example
    >>> found = run_example(
    ...     protocol="boosting", outcome="idh1", covariates=["age", "entropy"], trees=4, depth=2, bins=8
    ... )
    >>> found.summary().round(1)
              gain  splits
    entropy  112.2     4.0
    age       58.9     8.0
    """

    covariates: tuple[str, ...]
    base: float
    feature: Floats
    threshold: Floats
    missing_left: Floats
    value: Floats
    gain: Floats
    splits: Floats
    n: int

    def summary(self) -> pd.DataFrame:
        """One row per covariate, the most useful first."""
        return importance_table(self.covariates, self.gain, self.splits)

    def figure(self) -> Figure:
        return importance(self.covariates, self.gain, self.splits, measure="gain, summed over splits")

    def transform_arrays(self) -> dict[str, Array]:
        names = ("feature", "threshold", "missing_left", "value")
        return {"base": np.array(self.base), **self.named(*names)}


class Boosting(FederatedProtocol[BoostingSpec, BoostingResult], ProbabilityModel[BoostingSpec]):
    """Gradient-boosted trees."""

    name = "boosting"
    version = "3"
    spec_type = BoostingSpec

    @site_step(
        {"n": Count(), "outcome": Moment(what="sum of the outcome"), **GRID_MOMENTS},
        times=SCALED,
        varies=("about",),
    )
    def moments(spec: BoostingSpec, table: AnalysisTable, **about: Array) -> Arrays:
        """The sum of the outcome, and of each covariate its known values, their sum and sum of squares."""
        outcome = of_known_outcome(spec, table).column(spec.outcome)
        if spec.loss == "logistic":
            zero_one(outcome, spec.outcome)
        return {"outcome": np.array(outcome.sum()), **known_moments(spec, table, about)}

    gridded = gridded
    cells = cells

    @site_step(
        times=lambda spec: Times(1, spec.trees * spec.depth),
        varies=("first", "trees"),
        refines=True,
        enough=Band("node", "covariate", "part", what="people in the bins, in whole floors"),
    )
    def populated(
        spec: BoostingSpec, table: AnalysisTable, cuts: Floats, base: Array, first: Array, **trees: Array
    ) -> Arrays:
        """In which bins enough people are, by open node of the last tree and covariate."""
        table = of_known_outcome(spec, table)
        people, _, _ = _sums(spec, table, cuts, base, first, trees)
        return {"enough": parts_of(people)}

    @site_step(
        times=lambda spec: Times(1, spec.trees * spec.depth),
        varies=("first", "last", "trees"),
        n=Count(),
        people=Count("node", "covariate", "bin", of="n", what="people in the run of bins"),
        gradient=Moment("node", "covariate", "bin", what="sums of first derivatives of the loss"),
        hessian=Moment("node", "covariate", "bin", what="sums of second derivatives of the loss"),
    )
    def level(
        spec: BoostingSpec,
        table: AnalysisTable,
        cuts: Floats,
        base: Array,
        first: Array,
        last: Integers,
        **trees: Array,
    ) -> Arrays:
        """People and sums of the loss's derivatives by open node of the last tree, covariate and run of bins.

        `last` (node, covariate, bin) is the last bin of the run of each.
        """
        table = of_known_outcome(spec, table)
        sums = _sums(spec, table, cuts, base, first, trees)
        people, gradient, hessian = (in_runs(one, last) for one in sums)
        return {"n": np.array(len(table)), "people": people, "gradient": gradient, "hessian": hessian}

    def axes(self, spec: BoostingSpec) -> dict[str, int]:
        f = len(spec.covariates)
        sizes = {"covariate": f, "cell": GRID_CELLS, "node": _nodes(spec), "bin": spec.bins + 1}
        return {**sizes, "part": parts(spec.bins + 1), "half": parts(GRID_CELLS)}

    def coordinate(self, spec: BoostingSpec) -> Coordination[BoostingResult]:
        (total,) = yield from fitting_sums(len(spec.covariates), step="moments", fine=True)
        n, mean = int(total["n"]), float(total["outcome"]) / int(total["n"])
        cuts = yield from chosen_cuts(spec.covariates, spec.cuts, spec.bins, spec.min_people, total.arrays)
        base = mean if spec.base_score is None else spec.base_score
        if spec.loss == "logistic":
            if mean in (0.0, 1.0):
                raise same_outcome(spec.outcome)
            base = float(logit(base))
        trees = Trees.blank(spec.trees, spec.depth)
        gain, splits = np.zeros(len(spec.covariates)), np.zeros(len(spec.covariates))
        of_roots: Integers | None = None
        for t in range(spec.trees):
            for level in range(spec.depth):
                at = {"base": np.array(base), "first": np.array(2**level - 1)}
                so_far = {"cuts": cuts, **at, **trees.first(t + 1).arrays()}
                if level or of_roots is None:  # the roots of all trees hold the same people
                    found_of = yield Ask("populated", so_far)
                    last = last_of_runs(found_of["enough"], found_of.over_all)
                    of_roots = last if of_roots is None else of_roots
                total = yield Ask("level", {**so_far, "last": last if level else of_roots})
                found = _grow(spec, trees, t, level, cuts, total.arrays)
                if not found:
                    break
                for column, worth in found:
                    gain[column] += worth
                    splits[column] += 1
        return BoostingResult(spec.covariates, base, *_plain(trees), gain, splits, n)

    def score(self, spec: BoostingSpec, table: AnalysisTable, **arrays: Array) -> Floats:
        """The (n,) probabilities that a 0/1 outcome is 1; nobody's is missing."""
        return predicted(spec, table, **arrays)

    def method(self, spec: BoostingSpec) -> str:
        return (
            f"{spec.trees} gradient-boosted trees of depth {spec.depth} (Chen & Guestrin 2016; learning "
            f"rate {spec.learning_rate:g}, L2 penalty {spec.l2:g}, {spec.bins} bins) predict "
            f"{spec.outcome} from {listed(spec.covariates)}. People without a value of a covariate follow "
            "the branch that fits better."
        )

    def about(self, spec: BoostingSpec) -> str:
        return f"{spec.trees} boosted trees of {spec.outcome} on {', '.join(spec.covariates)}."

    def notes(self, spec: BoostingSpec) -> Sequence[str]:
        return [f"No node has fewer than {spec.min_people} people over all sites."]


def predicted(spec: BoostingSpec, table: AnalysisTable, **arrays: Array) -> Floats:
    """The (n,) predictions by the arrays of a result: probabilities of a 0/1 outcome, or numbers."""
    margin = float(arrays["base"]) + Trees.of(arrays).sums(table.matrix(spec.covariates))
    probability: Floats = expit(margin) if spec.loss == "logistic" else margin
    return probability


def _nodes(spec: BoostingSpec) -> int:
    return int(2 ** (spec.depth - 1))


def _columns(spec: BoostingSpec) -> Integers:
    """(nodes, f) that a node looks at: all."""
    return np.tile(np.arange(len(spec.covariates)), (_nodes(spec), 1))


def _sums(
    spec: BoostingSpec, table: AnalysisTable, cuts: Floats, base: Array, first: Array, trees: Arrays
) -> tuple[Integers, Floats, Floats]:
    """People and sums of both derivatives, by open node of the last tree, covariate and bin."""

    def make() -> tuple[Integers, Floats, Floats]:
        grown = Trees.of(trees)
        here, node = _open_nodes(spec, table, cuts, grown, int(first))
        weights = _weights(spec, table, here, float(base), grown.first(len(grown.feature) - 1))
        return here.sums(_columns(spec), node, weights)

    about = [cuts, base, first, *(trees[name] for name in sorted(trees))]
    return of_the_level(table, spec, about, make)


def _open_nodes(
    spec: BoostingSpec, table: AnalysisTable, cuts: Floats, trees: Trees, first: int
) -> tuple[BinnedPeople, Integers]:
    """People by their bins, and the (n,) open node of the last tree in which each is, -1 in none."""
    here = BinnedPeople.of(table, spec.covariates, cuts)
    node = here.places(trees, len(trees.feature) - 1) - first
    node[(node < 0) | (node >= _nodes(spec))] = -1
    return here, node


def _plain(trees: Trees) -> tuple[Floats, Floats, Floats, Floats]:
    feature, missing_left = (a.astype(np.float64) for a in (trees.feature, trees.missing_left))
    return feature, trees.threshold, missing_left, trees.value


def _weights(
    spec: BoostingSpec, table: AnalysisTable, here: BinnedPeople, base: float, trees: Trees
) -> Floats:
    """The (n, 2) derivatives of the loss after these trees, kept while the next one grows."""
    memory: dict[object, Floats] = table.derived(("derivatives", spec.loss, spec.covariates), dict)
    key = (base, trees.key())
    if key not in memory:
        margin = base + remembered_sums(table, spec.covariates, here, trees)
        memory.clear()
        memory[key] = _derivatives(spec.loss, table.column(spec.outcome), margin)
    return memory[key]


def _derivatives(loss: str, y: Floats, margin: Floats) -> Floats:
    """The (n, 2) first and second derivatives of the loss by the margin."""
    if loss == "squared":
        return np.column_stack([margin - y, np.ones(len(y))])
    probability = expit(margin)
    return np.column_stack([probability - y, probability * (1 - probability)])


def _grow(
    spec: BoostingSpec, trees: Trees, t: int, level: int, cuts: Floats, total: Arrays
) -> list[tuple[int, float]]:
    """Splits the open nodes of a level of tree t in place; the columns that split, with their gains."""
    found = []
    first = 2**level - 1
    for node in range(2**level):
        place = first + node
        if not is_open(trees, t, place):
            continue
        gradient, hessian, people = (total[name][node] for name in ("gradient", "hessian", "people"))
        if level == 0:
            trees.value[t, 0] = _value(spec, gradient[0].sum(), hessian[0].sum())
        split = best_split(gradient, hessian, people, spec.rules())
        if split is None:
            continue
        values = (_value(spec, *split.left), _value(spec, *split.right))
        set_split(trees, t, place, split.column, with_last(cuts)[split.column, split.cut], split, values)
        found.append((split.column, split.gain))
    return found


def _value(spec: BoostingSpec, gradient: float, hessian: float) -> float:
    return float(-spec.learning_rate * gradient / (hessian + spec.l2)) if hessian + spec.l2 > 0 else 0.0
