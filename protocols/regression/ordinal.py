"""Ordinal logistic regression: proportional odds, and odds that differ by cut where a study says so. Exact.

P(Y <= j) = expit(t_j - b x): the log odds of lying above a cut between two levels grow by b with each unit of
x, at every cut alike. For covariates under `varying` each cut has a b of its own (partial proportional odds).
Log-likelihood, score and observed information are sums over people; each round is one Newton step in a secret
basis. The likelihood is concave where the cuts are in order (Pratt, JASA 76 (1981) 103). A step that puts a
cut before the one below it, for anybody at a site, is answered by a likelihood so small that it is halved.

References: McCullagh, JRSS B 42 (1980) 109; Peterson & Harrell, Appl Stat 39 (1990) 205; R `MASS::polr`,
`ordinal::clm`, whose signs these are.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import model_validator
from scipy.special import expit, log_expit, logit, xlogy

from protocols.core.disclosure import Count, Moment
from protocols.core.errors import Code, StudyError
from protocols.core.figure import Figure
from protocols.core.protocol import Arrays, Coordination, FederatedProtocol, site_step
from protocols.core.roles import Classification
from protocols.core.table import AnalysisTable, Floats, Integers, Mask
from protocols.core.variables import Name
from protocols.core.wording import listed
from protocols.estimation.climb import Climb, climbed
from protocols.estimation.newton import CLIMB
from protocols.estimation.standards import (
    plainly,
    refined,
)
from protocols.estimation.wald import wald
from protocols.regression.families import blocks
from protocols.regression.levels import LevelsSpec, level_moments, people_of_levels
from protocols.results.figures import estimates, interval_caption, term_rows

OUT_OF_ORDER = -1e12
"""The log-likelihood of a site where a person's cuts are out of order: less than any that people have."""


class OrdinalSpec(LevelsSpec):
    """An outcome of levels in order, from the lowest to the highest, on covariates.

    Attributes:
        varying: the covariates whose odds differ by cut.
    """

    protocol: Literal["ordinal"] = "ordinal"
    varying: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _varying_is_listed_once(self) -> "OrdinalSpec":
        if len(set(self.varying)) != len(self.varying) or not set(self.varying) <= set(self.covariates):
            raise ValueError("`varying` names covariates, each once")
        return self

    def cuts(self) -> tuple[str, ...]:
        """The names of the places between two levels, as R writes them."""
        return tuple(f"{a:g}|{b:g}" for a, b in zip(self.levels, self.levels[1:], strict=False))

    def common(self) -> tuple[str, ...]:
        """The covariates whose odds are the same at every cut."""
        return tuple(name for name in self.covariates if name not in self.varying)

    def terms(self) -> tuple[str, ...]:
        """The names of all coefficients: each cut's threshold and varying covariates, then the common."""
        of_cuts = [
            term for cut in self.cuts() for term in (cut, *(f"{name} at {cut}" for name in self.varying))
        ]
        return (*of_cuts, *self.common())


@dataclass(frozen=True)
class OrdinalResult(Classification):
    """Log odds ratios of a higher level, and the thresholds between levels.

    Attributes:
        cuts: (k,) the places between two levels.
        terms: (q,) per cut its threshold and the covariates that vary there, then those common to all cuts.
        covariates, varying: as the study names them.
        coef, se, z, p: (q,) of a covariate the log odds ratio of lying above the cut; of a threshold the log
            odds of lying below it where all covariates are 0; standard error, Wald statistic and p-value.
        odds_ratio, lower, upper: (q,) exp(coef) and its confidence interval at `level`.
        covariance: (q, q) of coef, from the observed information.
        loglik, deviance, null_deviance: at coef; minus twice it; that of the thresholds alone. Twice the
            difference of two log-likelihoods, one with `varying`, tests proportional odds.
        n: people with complete data; counts: (k + 1,) of each level.
        evaluations: of the likelihood, one per round.

    >>> from protocols.exchange.example import run_example
    >>> found = run_example(protocol="ordinal", outcome="grade", levels=[0, 1, 2], covariates=["age"])
    >>> found.summary()[["coef", "se", "odds_ratio"]].round(2)
          coef    se  odds_ratio
    term
    0|1   0.63  0.43        1.87
    1|2   2.07  0.44        7.92
    age   0.03  0.01        1.03
    """

    cuts: tuple[str, ...]
    terms: tuple[str, ...]
    covariates: tuple[str, ...]
    varying: tuple[str, ...]
    coef: Floats
    se: Floats
    z: Floats
    p: Floats
    odds_ratio: Floats
    lower: Floats
    upper: Floats
    covariance: Floats
    loglik: float
    deviance: float
    null_deviance: float
    n: int
    counts: Integers
    level: float
    evaluations: int

    def summary(self) -> pd.DataFrame:
        """One row per term."""
        columns = ("coef", "se", "z", "p", "odds_ratio", "lower", "upper")
        return pd.DataFrame(self.named(*columns), index=pd.Index(self.terms, name="term"))

    def figure(self) -> Figure:
        slopes = [i for i, term in enumerate(self.terms) if term not in self.cuts]
        labels = [self.terms[i] for i in slopes]
        numbers = (self.odds_ratio[slopes], self.lower[slopes], self.upper[slopes])
        rows = term_rows(labels, [label.split(" at ")[0] for label in labels], *numbers)
        caption = interval_caption(
            f"Odds ratios of a higher level, of {self.n} people,", self.level, self.lower[slopes]
        )
        return Figure((estimates(rows, "odds ratio", ratio=True),), caption)

    def predict_proba(self, x: Floats) -> Floats:
        """The (n, k + 1) probabilities of the levels, the lowest first, of (n, p) covariates."""
        layout = _Layout(len(self.cuts), self.covariates, self.varying)
        design = np.vstack([np.ones(len(x)), x.T])
        below = [expit(self.coef @ layout.at(np.full(len(x), cut), design)) for cut in range(len(self.cuts))]
        edges = np.vstack([np.zeros(len(x)), *below, np.ones(len(x))])
        return np.asarray(np.diff(edges, axis=0).T)


class _Layout:
    """Where each coefficient stands: per cut its threshold and varying covariates, then the common ones."""

    def __init__(self, cuts: int, covariates: tuple[str, ...], varying: tuple[str, ...]) -> None:
        self.cuts, self.each = cuts, 1 + len(varying)
        self.varying = [1 + covariates.index(name) for name in varying]
        self.common = [1 + i for i, name in enumerate(covariates) if name not in varying]

    @property
    def size(self) -> int:
        return self.cuts * self.each + len(self.common)

    def at(self, cut: Integers, x: Floats) -> Floats:
        """(q, n) by which coefficients make the log odds of lying below the cut (n,); 0 where there is none.

        x is (1 + p, n), ones first.
        """
        design = np.zeros((self.size, x.shape[1]))
        is_cut = (cut >= 0) & (cut < self.cuts)
        for j in range(self.cuts):
            here = cut == j
            design[j * self.each, here] = 1.0
            design[j * self.each + 1 : (j + 1) * self.each, here] = -x[self.varying][:, here]
        design[self.cuts * self.each :, is_cut] = -x[self.common][:, is_cut]
        return design

    def original_scale(self, shift: Floats, scale: Floats) -> Floats:
        """(q, q) that takes coefficients of covariates less a shift, over a scale, to the original scale."""
        basis = np.eye(self.size)
        first = self.cuts * self.each
        for j in range(self.cuts):
            threshold = j * self.each
            places = [(threshold + 1 + i, of) for i, of in enumerate(self.varying)]
            places += [(first + i, of) for i, of in enumerate(self.common)]
            for place, of in places:
                basis[threshold, place] = shift[of - 1] / scale[of - 1]
                basis[place, place] = 1 / scale[of - 1]
        return basis


class Ordinal(FederatedProtocol[OrdinalSpec, OrdinalResult]):
    """Odds ratios of covariates on a higher level of an outcome."""

    name = "ordinal"
    spec_type = OrdinalSpec

    moments = level_moments

    @site_step(
        climbs=True,
        times=CLIMB,
        varies=("coef", "shift", "scale"),
        n=Count(),
        loglik=Moment(what="log-likelihood"),
        score=Moment("term", what="first derivatives of the log-likelihood"),
        information=Moment("term", "term", what="second derivatives of the log-likelihood"),
    )
    def derivatives(
        spec: OrdinalSpec, table: AnalysisTable, coef: Floats, shift: Floats, scale: Floats
    ) -> Arrays:
        """This hospital's log-likelihood and its derivatives at `coef`, covariates less shift over scale."""
        table = table.complete(spec.variables())
        layout = _layout(spec)
        place = people_of_levels(table, spec.outcome, spec.levels).argmax(axis=0)
        loglik, score, information = 0.0, np.zeros(layout.size), np.zeros((layout.size, layout.size))
        for rows, x in blocks(table, spec.covariates, shift, scale):
            upper, lower = layout.at(place[rows], x), layout.at(place[rows] - 1, x)
            part = _pieces(coef @ upper, coef @ lower, place[rows] == layout.cuts, place[rows] == 0)
            loglik += part.loglik
            score += upper @ part.by_upper + lower @ part.by_lower
            crossed = (upper * part.crossed) @ lower.T
            information += (upper * part.of_upper) @ upper.T + (lower * part.of_lower) @ lower.T
            information -= crossed + crossed.T
        return {
            "n": np.array(len(table)),
            "loglik": np.array(max(loglik, OUT_OF_ORDER)),
            "score": score,
            "information": information,
        }

    def axes(self, spec: OrdinalSpec) -> dict[str, int]:
        return {"covariate": len(spec.covariates), "level": len(spec.levels), "term": len(spec.terms())}

    def coordinate(self, spec: OrdinalSpec) -> Coordination[OrdinalResult]:
        first = yield plainly("moments")
        known = yield from refined(first, spec.covariates, step="moments")
        moments, shift, scale = known.total, known.location, known.scale
        counts = np.asarray(moments["counts"], dtype=np.int64)
        few = [f"{v:g}" for v, count in zip(spec.levels, counts, strict=True) if count < moments.min_count]
        if few:
            raise StudyError(
                Code.WITHHELD,
                f"fewer than {moments.min_count} people have level {', '.join(few)} of {spec.outcome}",
                "merge these levels",
            )
        layout = _layout(spec)
        start = np.zeros(layout.size)
        start[: layout.cuts * layout.each : layout.each] = logit(np.cumsum(counts)[:-1] / counts.sum())
        common = {"shift": shift, "scale": scale}
        climb = Climb("derivatives", start, common, columns=spec.covariates)
        basis = layout.original_scale(shift, scale)
        found = yield from climbed(climb, (yield climb.ask()), spec.terms(), basis)
        return result(spec, found.coef, found.covariance, found.loglik, counts, found.evaluations)

    def method(self, spec: OrdinalSpec) -> str:
        apart = f", those of {listed(spec.varying)} at each cut of their own," if spec.varying else ""
        return (
            f"Proportional odds regression of {spec.outcome}, {spec.levels[0]:g} to {spec.levels[-1]:g}, "
            f"on {listed(spec.covariates)}{apart} over people with complete data."
        )

    def about(self, spec: OrdinalSpec) -> str:
        return f"Ordinal regression of {spec.outcome} on {', '.join(spec.covariates)}."


@dataclass(frozen=True)
class _Pieces:
    """What people add: the sum of loglik, and (n,) derivatives by their log odds at both cuts.

    Minus the second derivatives are [[of_upper, -crossed], [-crossed, of_lower]].
    """

    loglik: float
    by_upper: Floats
    by_lower: Floats
    of_upper: Floats
    of_lower: Floats
    crossed: Floats


def _pieces(upper: Floats, lower: Floats, is_highest: Mask, is_lowest: Mask) -> _Pieces:
    """Of log P = log(expit(upper) - expit(lower)); nobody lies above the highest level's upper cut.

    P = expit(upper) expit(-lower) (1 - exp(lower - upper)), which loses no digits in either tail.
    """
    a, b = np.where(is_highest, np.inf, upper), np.where(is_lowest, -np.inf, lower)
    if not (a > b).all():
        zero = np.zeros(len(a))
        return _Pieces(OUT_OF_ORDER, zero, zero, zero, zero, zero)
    with np.errstate(over="ignore"):
        between = 1 / np.expm1(a - b)  # 0 beside an infinite cut
    loglik = log_expit(a) + log_expit(-b) + np.log(-np.expm1(b - a))
    above, below = expit(-a), expit(b)
    crossed = between * (1 + between)
    return _Pieces(
        float(loglik.sum()),
        above + between,
        -below - between,
        above * (1 - above) + crossed,
        below * (1 - below) + crossed,
        crossed,
    )


def _layout(spec: OrdinalSpec) -> _Layout:
    return _Layout(len(spec.levels) - 1, spec.covariates, spec.varying)


def result(
    spec: OrdinalSpec, coef: Floats, covariance: Floats, loglik: float, counts: Integers, evaluations: int
) -> OrdinalResult:
    """The result of coefficients and their covariance, with Wald statistics and intervals."""
    tested = wald(coef, covariance, spec.level)
    ratio, lower, upper = tested.ratios()
    n = int(counts.sum())
    return OrdinalResult(
        cuts=spec.cuts(),
        terms=spec.terms(),
        covariates=spec.covariates,
        varying=spec.varying,
        coef=coef,
        se=tested.se,
        z=tested.z,
        p=tested.p,
        odds_ratio=ratio,
        lower=lower,
        upper=upper,
        covariance=covariance,
        loglik=loglik,
        deviance=-2 * loglik,
        null_deviance=float(-2 * xlogy(counts, counts / n).sum()),
        n=n,
        counts=counts,
        level=spec.level,
        evaluations=evaluations,
    )
