"""Score tests of many variants under one logistic null model, and their saddle-point p-values.

The null model has the covariates alone. With mu its probabilities, w = mu (1 - mu), X its design and g the
copies of a variant, the score is U = g'(y - mu) and its variance V = g'Pg, the covariates' part taken out.
Where cases are few U is not normal: its distribution follows from the cumulant function of
g* = g - X (X'WX)^-1 X'Wg,

    K(t) = sum log(1 - mu + mu exp(g* t)) - t sum g* mu,

of which sites sum K and its two derivatives at the t where K'(t) = U, found by Newton's method in rounds that
all variants share.

Reference: Dey et al., Am J Hum Genet 101 (2017) 37 (SPAtest); Barndorff-Nielsen, Biometrika 73 (1986) 307.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import expit
from scipy.stats import norm

from protocols.core.block import chunks
from protocols.core.disclosure import Array, Count, Declaration, Moment
from protocols.core.dominance import refuse_dominance
from protocols.core.protocol import Arrays, Coordination
from protocols.core.table import Floats, Integers, Mask
from protocols.estimation.outcome import zero_one
from protocols.genomics.block_scan import Scan
from protocols.genomics.genotype_scan import MOST_COPIES, centred

FAR = 2.0
"""Standard deviations of a score from which its saddle-point p-value is asked (SPAtest's Cutoff)."""

FEWEST = 5
"""People in effect behind the sums of the model without variants."""

MOST_TILTS = 12
_STEEPEST = 14.0  # of t g: exp(t g) stays below 1e6, beyond which the largest carrier is all of a sum
_SETTLED = 1e-9  # standard deviations that K'(t) may be off
_NEGLIGIBLE = 1e-6  # the share of a p-value that the other side may be, where only a bound of it is known

SCORES: Mapping[str, Declaration] = {
    "n": Count(),
    "score": Moment("variant", at_most=MOST_COPIES, what="sums of copies about their mean times residuals"),
    "square": Moment("variant", at_most=1.0, what="sums of weighted squares of copies about their mean"),
    "with_terms": Moment("variant", "term", what="weighted sums of products of copies and a covariate"),
    "residual": Moment("term", what="sums of products of residuals and a covariate"),
}

TILTED: Mapping[str, Declaration] = {
    "n": Count(),
    "cumulant": Moment("variant", "side", what="cumulant functions of the scores"),
    "first": Moment("variant", "side", what="their first derivatives"),
    "second": Moment("variant", "side", what="their second derivatives"),
    "reach": Moment("variant", "side", what="the largest and the smallest score that there can be"),
}


@dataclass(frozen=True)
class Null:
    """The null model, as all sides know it: (t,) coefficients of the intercept and the changed covariates.

    Attributes:
        coef: (t,); covariance: (t, t).
        shift, scale: (c,) what is taken from covariates, and what they are multiplied with.
    """

    coef: Floats
    covariance: Floats
    shift: Floats
    scale: Floats

    def question(self) -> dict[str, Floats]:
        """What a site has to know of it."""
        return {"coef": self.coef, "shift": self.shift, "scale": self.scale}


def _design(scan: Scan, shift: Floats, scale: Floats) -> Floats:
    return np.column_stack([np.ones(len(scan.confounders)), (scan.confounders - shift) * scale])


def null_derivatives(scan: Scan, outcome: str, coef: Floats, shift: Floats, scale: Floats) -> Arrays:
    """The people of a scan, those with the outcome, the null model's log-likelihood, and its derivatives.

    Args:
        coef: (t,) at which; shift, scale: (c,) of the covariates.

    Raises:
        SiteError: invalid-input; the outcome is not 0/1. separation; a few people carry the sums.
    """
    x, y = _design(scan, shift, scale), scan.outcomes[:, 0]
    zero_one(y, outcome)
    eta = x @ coef
    mu = expit(eta)
    weight = mu * (1 - mu)
    refuse_dominance(weight, FEWEST)
    return {
        "n": np.array(len(y)),
        "n_events": np.array(int(y.sum())),
        "loglik": np.array(y @ eta - np.logaddexp(0.0, eta).sum()),
        "score": x.T @ (y - mu),
        "information": (x * weight[:, None]).T @ x,
    }


def scores(scan: Scan, at: Integers, mean: Floats, coef: Floats, shift: Floats, scale: Floats) -> Arrays:
    """The arrays of SCORES of the variants at (k,) positions under a null model."""
    x = _design(scan, shift, scale)
    mu = expit(x @ coef)
    residual, weight = scan.outcomes[:, 0] - mu, mu * (1 - mu)
    found = {
        "score": np.zeros(len(at)),
        "square": np.zeros(len(at)),
        "with_terms": np.zeros((len(at), len(coef))),
    }
    for some, copies in chunks(scan.block, at):
        z = centred(scan, copies, mean[some])
        found["score"][some] = residual @ z
        found["square"][some] = weight @ z**2
        found["with_terms"][some] = z.T @ (weight[:, None] * x)
    return {"n": np.array(len(scan.block)), **found, "residual": x.T @ residual}


def tilted(
    scan: Scan,
    at: Integers,
    mean: Floats,
    along: Floats,
    tilt: Floats,
    coef: Floats,
    shift: Floats,
    scale: Floats,
) -> Arrays:
    """The arrays of TILTED of the variants at (k,) positions.

    Args:
        along: (k, t) what is taken from a variant's copies along the design.
        tilt: (k, 2) the t at which the cumulant functions are asked, for both sides.
    """
    x = _design(scan, shift, scale)
    mu = expit(x @ coef)[:, None, None]
    found = {name: np.zeros(tilt.shape) for name in ("cumulant", "first", "second", "reach")}
    for some, copies in chunks(scan.block, at):
        g = (centred(scan, copies, mean[some]) - x @ along[some].T)[:, :, None]
        power = g * tilt[some]
        tilted_mu = mu / (mu + (1 - mu) * np.exp(-power))
        found["cumulant"][some] = (np.log1p(mu * np.expm1(power)) - power * mu).sum(axis=0)
        found["first"][some] = (g * (tilted_mu - mu)).sum(axis=0)
        found["second"][some] = (g**2 * tilted_mu * (1 - tilted_mu)).sum(axis=0)
        ends = np.where([True, False], g > 0, g < 0)
        found["reach"][some] = (g * (ends - mu)).sum(axis=0)
    return {"n": np.array(len(scan.block)), **found}


@dataclass(frozen=True)
class Scores:
    """Scores of (v,) variants with the covariates' part taken out, and their variances.

    Attributes:
        along: (v, t) what a variant's copies have along the design, in the metric of the null model.
    """

    score: Floats
    variance: Floats
    along: Floats

    @classmethod
    def of(cls, null: Null, score: Floats, square: Floats, with_terms: Floats, residual: Floats) -> "Scores":
        """From joined sums; where the null model is rounded, its residuals' part is taken out too."""
        along = with_terms @ null.covariance
        return cls(score - along @ residual, square - (along * with_terms).sum(axis=1), along)

    @property
    def z(self) -> Floats:
        """(v,) in standard deviations; missing where nothing of a variant is left."""
        z: Floats = self.score / np.sqrt(np.where(self.variance > 0, self.variance, np.nan))
        return z


Evaluate = Callable[[Integers, Floats], Coordination[Mapping[str, Array]]]
"""TILTED of some of the variants, by their (k,) places among those that were scored, at (k, 2) tilts."""


def saddle_points(found: Scores, mean: Floats, evaluate: Evaluate) -> Coordination[tuple[Floats, Mask]]:
    """The (v,) two-sided p-values, by the saddle point where far out; and (v,) where none was found.

    No score lies beyond the largest that there can be. A side that is steeper than is asked is left out where
    Chernoff's bound says that it does not matter; else the normal p-value stands.

    Args:
        mean: (v,) copies, which say how steep each side may be.
    """
    z = found.z
    p = 2 * norm.sf(np.abs(z))
    far = np.flatnonzero(np.abs(z) >= FAR)
    target = np.abs(found.score[far])[:, None] * np.array([1.0, -1.0])
    variance = found.variance[far][:, None]
    low = np.repeat(-_STEEPEST / mean[far][:, None], 2, axis=1)
    high = np.repeat(_STEEPEST / (MOST_COPIES - mean[far])[:, None], 2, axis=1)
    first, last = low.copy(), high.copy()
    tilt = np.clip(target / variance, first, last)
    tails, bounds = np.full(tilt.shape, np.nan), np.full(tilt.shape, np.inf)
    for _ in range(MOST_TILTS):
        some = np.flatnonzero(np.isnan(tails).any(axis=1))
        if not len(some):
            break
        here, wanted = tilt[some], target[some]
        total = yield from evaluate(far[some], here)
        off = total["first"] - wanted
        is_found = np.abs(off) <= _SETTLED * np.sqrt(variance[some])
        is_beyond = np.abs(wanted) >= np.abs(total["reach"])
        tail = np.where(is_beyond, 0.0, np.where(is_found, _tail(here, wanted, total), np.nan))
        tail = np.where(np.isnan(tails[some]), tail, tails[some])
        bounds[some] = np.minimum(bounds[some], np.exp(total["cumulant"] - here * wanted))
        does_not_matter = np.isnan(tail) & (bounds[some] <= _NEGLIGIBLE * tail[:, ::-1])
        tails[some] = np.where(does_not_matter, 0.0, tail)
        low[some] = np.where(off < 0, here, low[some])
        high[some] = np.where(off > 0, here, high[some])
        newton = np.clip(
            here - off / np.maximum(total["second"], np.finfo(float).tiny), first[some], last[some]
        )
        inside = (newton > low[some]) & (newton < high[some])
        inside |= (newton == last[some]) & (high[some] == last[some])  # an end that was not looked at yet
        inside |= (newton == first[some]) & (low[some] == first[some])
        tilt[some] = np.where(inside, newton, (low[some] + high[some]) / 2)
    both = tails.sum(axis=1)
    lost = np.zeros(len(z), dtype=bool)
    lost[far] = np.isnan(both)
    p[far] = np.where(np.isnan(both), p[far], both)
    return p, lost


def _tail(tilt: Floats, target: Floats, total: Mapping[str, Array]) -> Floats:
    """The (k, 2) probability of a score beyond the target, on its side (Barndorff-Nielsen)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        w = np.sign(tilt) * np.sqrt(np.maximum(2 * (tilt * target - total["cumulant"]), 0.0))
        v = tilt * np.sqrt(total["second"])
        tail: Floats = norm.sf(np.abs(w + np.log(v / w) / w))
    return tail
