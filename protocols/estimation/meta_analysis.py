"""One number from the estimates of several sites: a common effect, or random effects with their variance.

With estimates y, variances v and weights w = 1 / v, Cochran's Q is the weighted sum of squares about the
common effect. Random effects add tau^2 to every v: that of DerSimonian & Laird, max(0, (Q - (k - 1)) / (sum w
- sum w^2 / sum w)), or that of restricted maximum likelihood, where y'PPy = tr P with P = W - W11'W / sum w.

Of few sites the normal interval is too short. Hartung and Knapp's has the variance that the sites show, by t
with k - 1 degrees of freedom; it may be shorter than without tau^2, which `never_narrower` does not let it.

I^2 is tau^2 / (tau^2 + s^2), with s^2 the typical variance within a site; of a common effect (Q - (k - 1)) /
Q.

Reference: DerSimonian & Laird, Control Clin Trials 7 (1986) 177; Viechtbauer, J Educ Behav Stat 30 (2005)
261; Knapp & Hartung, Stat Med 22 (2003) 2693; Higgins & Thompson, Stat Med 21 (2002) 1539; R `metafor::rma`.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats
from scipy.optimize import brentq

from protocols.core.table import Floats
from protocols.estimation.wald import two_sided

Method = Literal["common", "dl", "reml"]
Interval = Literal["normal", "hartung_knapp", "never_narrower"]


@dataclass(frozen=True)
class Synthesis:
    """An effect over k sites.

    Attributes:
        effect, se, statistic, p: the effect, its standard error, z or t, and two-sided p-value.
        lower, upper: its confidence interval.
        tau2: the variance between sites; 0 of a common effect.
        i_squared: the share of the variance that is between sites, 0 to 1.
        q, q_p: Cochran's Q, and its p-value if all sites were alike.
        low, high: where the effect at another hospital is to be expected, with the interval's confidence.
        k: sites.
    """

    effect: float
    se: float
    statistic: float
    p: float
    lower: float
    upper: float
    tau2: float
    i_squared: float
    q: float
    q_p: float
    low: float
    high: float
    k: int


def synthesis(
    y: Floats, se: Floats, method: Method = "reml", interval: Interval = "normal", level: float = 0.95
) -> Synthesis | None:
    """The effect over the (k,) sites that have an estimate; None of none."""
    known = np.isfinite(y) & np.isfinite(se) & (se > 0)
    y, v = y[known], se[known] ** 2
    k = len(y)
    if not k:
        return None
    q = _squares(y, 1 / v)
    tau2 = 0.0 if method == "common" or k < 2 else _dl(y, v, q) if method == "dl" else _reml(y, v)
    weight = 1 / (v + tau2)
    effect = float(weight @ y / weight.sum())
    variance = 1 / float(weight.sum())
    df = k - 1 if interval != "normal" else 0
    if df:
        shown = _squares(y, weight) / df
        variance *= max(shown, 1.0) if interval == "never_narrower" else shown
    of: Literal["normal", "t"] = "t" if interval != "normal" else "normal"
    half = _quantile(of, df, level)
    error = float(np.sqrt(variance))
    statistic = effect / error if error > 0 else np.nan
    apart = half * float(np.sqrt(variance + tau2))
    return Synthesis(
        effect=effect,
        se=error,
        statistic=float(statistic),
        p=float(two_sided(np.array(statistic), (df or np.nan) if of == "t" else None)),
        lower=effect - half * error,
        upper=effect + half * error,
        tau2=tau2,
        i_squared=_i_squared(v, tau2, q, common=method == "common"),
        q=q,
        q_p=float(stats.chi2.sf(q, k - 1)) if k > 1 else float("nan"),
        low=effect - apart,
        high=effect + apart,
        k=k,
    )


def leave_one_out(
    y: Floats, se: Floats, method: Method = "reml", interval: Interval = "normal", level: float = 0.95
) -> list[Synthesis | None]:
    """(k,) the effect over the other sites, each of the (k,) left out in turn."""
    others = ~np.eye(len(y), dtype=bool)
    return [synthesis(y[kept], se[kept], method, interval, level) for kept in others]


def _quantile(of: Literal["normal", "t"], df: int, level: float) -> float:
    if of == "normal":
        return float(stats.norm.ppf((1 + level) / 2))
    return float(stats.t.ppf((1 + level) / 2, df)) if df else float("inf")


def _squares(y: Floats, weight: Floats) -> float:
    """The weighted sum of squares of (k,) estimates about their weighted mean."""
    return float(weight @ (y - weight @ y / weight.sum()) ** 2)


def _dl(y: Floats, v: Floats, q: float) -> float:
    w = 1 / v
    return max(0.0, (q - (len(y) - 1)) / float(w.sum() - (w**2).sum() / w.sum()))


def _reml(y: Floats, v: Floats) -> float:
    """Where the restricted likelihood of tau^2 is largest; 0 where it falls from there on."""

    def score(tau2: float) -> float:
        w = 1 / (v + tau2)
        about = y - w @ y / w.sum()
        return float((w**2) @ about**2 - w.sum() + (w**2).sum() / w.sum())

    if score(0.0) <= 0:
        return 0.0
    upper = float(np.ptp(y) ** 2) or 1.0
    while score(upper) > 0:  # it falls as -(k - 1) / tau^2
        upper *= 4
    return float(brentq(score, 0.0, upper, xtol=1e-15, rtol=1e-14))


def _i_squared(v: Floats, tau2: float, q: float, *, common: bool) -> float:
    df = len(v) - 1
    if not df:
        return 0.0
    if common:
        return max(0.0, (q - df) / q) if q > 0 else 0.0
    w = 1 / v
    typical = df * w.sum() / (w.sum() ** 2 - (w**2).sum())
    return float(tau2 / (tau2 + typical))
