"""What a scan found: tests of every feature with every outcome, as a table, a volcano and a heat map."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from protocols.core.figure import Axis, Curve, Curves, Figure, HeatMap, NoFigure
from protocols.core.protocol import Result
from protocols.core.table import Floats, Mask
from protocols.genomics.enrichment import enrichment
from protocols.genomics.moderation import Moderated
from protocols.results.figures import MOST_OUTCOMES, MOST_POINTS, MOST_ROWS, floats


@dataclass(frozen=True)
class AssociateResult(Result):
    """Tests of f features with o outcomes; what was not tested is missing.

    Attributes:
        features: (f,) names; outcomes: (o,) names.
        beta, se, statistic, p: (f, o) coefficient of the feature (log odds ratio if logistic; if moderated
            that of the outcome, the log fold change of logarithmic expression), its standard error, t (z if
            logistic) and two-sided p-value.
        p_bonferroni, q_bh, q_by: (f, o) adjusted for all tests (Bonferroni, Benjamini-Hochberg, -Yekutieli).
        tests: how many there are.
        df: residual degrees of freedom of t; 0 if logistic; those of a moderated t are in `moderation`.
        aliased: confounders that are combinations of those before them.
        untested: feature or outcome -> why. not_converged: (feature, outcome) with no maximum in max_rounds,
            mostly since the outcome is separated.
        n: people with complete data; sites: that have any of them. evaluations: of the likelihoods.
        moderation: the variances of moderated t.

    >>> from protocols.exchange.example import run_example
    >>> found = run_example(protocol="associate", features=["volume", "entropy"], outcomes=["age"])
    >>> found.summary()[["beta", "se", "q_bh"]].round(3)
                      beta     se   q_bh
    feature outcome
    entropy age      4.642  0.989  0.000
    volume  age      0.074  0.031  0.018
    """

    features: tuple[str, ...]
    outcomes: tuple[str, ...]
    beta: Floats
    se: Floats
    statistic: Floats
    p: Floats
    p_bonferroni: Floats
    q_bh: Floats
    q_by: Floats
    tests: int
    df: int
    aliased: tuple[str, ...]
    untested: Mapping[str, str]
    not_converged: tuple[tuple[str, str], ...]
    n: int
    sites: int
    evaluations: int
    moderation: Moderated | None = None

    def summary(self) -> pd.DataFrame:
        """One row per test, the smallest p-value first."""
        columns = ("beta", "se", "statistic", "p", "p_bonferroni", "q_bh", "q_by")
        frame = pd.DataFrame(
            {name: np.ravel(x) for name, x in self.named(*columns).items()},
            pd.MultiIndex.from_product([self.features, self.outcomes], names=["feature", "outcome"]),
        )
        return frame.dropna(subset="p").sort_values("p", kind="stable")

    def enrichment(
        self,
        outcome: str,
        sets: Mapping[str, Collection[str]],
        *,
        permutations: int = 10_000,
        fewest: int = 5,
    ) -> pd.DataFrame:
        """Which sets of genes stand at the ends of an outcome's statistics: see `enrichment`.

        Args:
            sets: name -> features, without the name of their block; `read_gmt` reads a file of them.

        Raises:
            ValueError: there is no such outcome. SpecError: no set has `fewest` of the features.
        """
        names = [name.rpartition(":")[2] for name in self.features]
        statistic = self.statistic[:, self.outcomes.index(outcome)]
        return enrichment(names, statistic, sets, permutations=permutations, fewest=fewest)

    def figure(self) -> Figure | NoFigure:
        """A volcano of the `MOST_POINTS` smallest p-values; of several outcomes a heat map as well."""
        known = np.isfinite(self.beta) & np.isfinite(self.p)
        if not known.any():
            return NoFigure("nothing could be tested")
        p = np.where(known, self.p, np.inf)
        drawn = known & (p <= np.sort(p, axis=None)[min(known.sum(), MOST_POINTS) - 1])
        curves = [self._points(outcome, drawn[:, [j]], [j]) for j, outcome in enumerate(self.outcomes)]
        if len(curves) > MOST_OUTCOMES:  # more than colours that are told apart
            curves = [self._points("", drawn, list(range(len(self.outcomes))))]
        line = -np.log10(0.05 / self.tests)
        ends = (float(self.beta[drawn].min()), float(self.beta[drawn].max()))
        curves.append(Curve("", ends, (line, line), marks="guide"))
        rest = f" {len(self.untested)} features or outcomes could not be tested." if self.untested else ""
        few = f" The {MOST_POINTS} smallest p-values are drawn." if known.sum() > MOST_POINTS else ""
        volcano = Curves("", Axis("effect per unit"), Axis("−log10 p", low=0.0), tuple(curves))
        caption = f"{self.tests} tests; above the dashed line p is below 0.05 after Bonferroni's correction."
        if np.count_nonzero(known.any(axis=0)) < 2:
            return Figure((volcano,), f"{caption}{few}{rest}")
        cells = self._heat_map(p)
        most = (
            f" Below: {len(cells.rows)} features with the smallest p-values, {len(cells.columns)} outcomes."
        )
        return Figure((volcano, cells), f"{caption}{few}{most}{rest}")

    def _heat_map(self, p: Floats) -> HeatMap:
        """The statistics of the `MOST_ROWS` features, and outcomes, with the smallest of (f, o) p-values.

        Features stand in the order of evidence, outcomes in their own; p is infinite where there is no test.
        """
        of_features, of_outcomes = p.min(axis=1), p.min(axis=0)
        rows, columns = (
            order[np.isfinite(best[order])][:MOST_ROWS]
            for best in (of_features, of_outcomes)
            for order in [np.argsort(best, kind="stable")]
        )
        columns = np.sort(columns)
        shown = self.statistic[np.ix_(rows, columns)]
        finite = np.isfinite(shown)
        largest = float(np.abs(shown[finite]).max(initial=1.0))
        return HeatMap(
            "",
            tuple(self.features[i] for i in rows),
            tuple(self.outcomes[j] for j in columns),
            tuple(
                tuple(float(value) if seen else None for value, seen in zip(*pair, strict=True))
                for pair in zip(shown, finite, strict=True)
            ),
            "statistic (t or z)",
            -largest,
            largest,
        )

    def _points(self, label: str, drawn: Mask, outcomes: list[int]) -> Curve:
        """The tests of some outcomes that are drawn."""
        beta, p = self.beta[:, outcomes][drawn], self.p[:, outcomes][drawn]
        strength = -np.log10(np.maximum(p, np.finfo(float).tiny))
        return Curve(label, floats(beta), floats(strength), marks="points")
