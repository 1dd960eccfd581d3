"""Burden, SKAT and SKAT-O of a set of variants, from their weighted scores u and the covariance K of these.

With u of k columns under a null model, divided by the residual standard deviation where there is one,

    burden   (1'u)^2 / 1'K1, chi-square with one degree of freedom
    SKAT     u'u / 2, a sum of chi-square numbers whose weights are the eigenvalues of K / 2
    SKAT-O   the smallest p-value of (1 - rho) SKAT + rho burden over a grid of rho, and how likely one as
             small is; at most as many times that p-value as there are rho
    ACAT     burden and SKAT joined by Cauchy's distribution

All of them are the same in any turned basis, in which the vector of ones is turned too.

Reference: Wu et al., Am J Hum Genet 89 (2011) 82 (SKAT); Lee et al., Biostatistics 13 (2012) 762 (SKAT-O);
Liu et al., Am J Hum Genet 104 (2019) 410 (ACAT); R SKAT 2.2.5, `method = "SKATO"`.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.stats import chi2, norm

from protocols.core.table import Floats
from protocols.genomics.quadratic_forms import Matched, positive, upper_tail

RHO = np.array([0.0, 0.01, 0.04, 0.09, 0.25, 0.5, 1.0])
"""SKAT-O's grid: the share of the burden test."""

_LAST = 0.999  # R's: a rho of 1 leaves nothing beside the burden
_FEWEST_TIMES = 3  # R's bound of SKAT-O's p-value by the smallest of its grid
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(10)


@dataclass(frozen=True)
class SetTests:
    """What a set of variants comes to.

    Attributes:
        effect, se: of the burden: the change of the outcome, or of its log odds, for a weighted copy.
        q: SKAT's statistic.
        p_burden, p_skat, p_skato, p_acat: p-values.
        rho: the share of the burden in the test that is strongest, of SKAT-O's grid.
    """

    effect: float
    se: float
    q: float
    p_burden: float
    p_skat: float
    p_skato: float
    p_acat: float
    rho: float


def set_tests(u: Floats, kernel: Floats, ones: Floats, variance: float = 1.0) -> SetTests:
    """The tests of k columns.

    Args:
        u: (k,) weighted scores; kernel: (k, k) their covariance, both of a residual variance of 1.
        ones: (k,) the vector of ones in the same basis.
        variance: that of the residuals.
    """
    scaled = u / np.sqrt(variance)
    along = float(ones @ kernel @ ones)
    total = float(ones @ u)
    p_burden = float(chi2.sf(total**2 / variance / along, 1))
    each, p_each = _by_rho(scaled, kernel, ones)
    p_skat = p_each[0]
    return SetTests(
        effect=total / along,
        se=float(np.sqrt(variance / along)),
        q=float(scaled @ scaled) / 2,
        p_burden=p_burden,
        p_skat=float(p_skat),
        p_skato=_skato(p_each, each, kernel, ones),
        p_acat=acat(np.array([p_burden, p_skat])),
        rho=float(RHO[int(np.argmin(p_each))]),
    )


def acat(p: Floats) -> float:
    """One p-value of (k,) p-values, however they depend on each other; of small ones by 1 / (p pi)."""
    known = np.clip(p[np.isfinite(p)], 1e-320, 1 - 1e-16)
    if not len(known):
        return float("nan")
    small = known < 1e-15
    t = np.where(small, 1 / known / np.pi, np.tan((0.5 - known) * np.pi)).mean()
    return float(1 / t / np.pi if t > 1e15 else 0.5 - np.arctan(t) / np.pi)


def _by_rho(u: Floats, kernel: Floats, ones: Floats) -> tuple[list[Floats], Floats]:
    """The weights of each rho's sum, and (r,) its p-value."""
    k = len(u)
    away = np.outer(ones, ones) / k  # onto the vector of ones, in its basis
    weights, p = [], np.zeros(len(RHO))
    for i, rho in enumerate(np.minimum(RHO, _LAST)):
        root = np.sqrt(1 - rho) * (np.eye(k) - away) + np.sqrt(1 - rho + rho * k) * away
        lam = positive(np.linalg.eigvalsh(root @ kernel @ root) / 2)
        q = ((1 - rho) * u @ u + rho * (ones @ u) ** 2) / 2
        weights.append(lam)
        p[i] = upper_tail(float(q), lam)
    return weights, p


def _skato(p_each: Floats, weights: list[Floats], kernel: Floats, ones: Floats) -> float:
    """How likely a smallest p-value as small as the (r,) ones is, if nothing is associated."""
    least = float(p_each.min())
    rho = np.minimum(RHO, _LAST)
    limits = np.array([Matched.of(lam).quantile(least) for lam in weights])
    half = kernel / 2
    size = float(ones @ half @ ones)
    along = half @ ones
    rest = half - np.outer(along, along) / size
    lam = positive(np.asarray(np.linalg.eigvalsh(rest), dtype=np.float64))
    between = 4 * float(along @ rest @ along) / size
    mean, variance = float(lam.sum()), 2 * float((lam**2).sum()) + between
    tau = rho * size + (1 - rho) * float(along @ along) / size
    narrower = np.sqrt((variance - between) / variance)

    height, slope = limits / (1 - rho), tau / (1 - rho)
    lowest = mean * (1 - 1 / narrower)  # below it every value of the rest is enough

    def beyond(z: Floats) -> Floats:
        """(m,) the tail beside a burden of (m,) standard deviations."""
        left = (height - slope * (z**2)[:, None]).min(axis=1)
        return np.array([upper_tail(float((one - mean) * narrower + mean), lam) for one in left])

    end = float(np.sqrt(max(0.0, ((height - lowest) / slope).min())))
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = np.subtract.outer(height, height) / np.subtract.outer(slope, slope)
    bends = np.sqrt(crossing[np.isfinite(crossing) & (crossing > 0) & (crossing < end**2)])
    cuts = np.unique(np.concatenate([np.linspace(0.0, end, 3), bends[_on_envelope(bends, height, slope)]]))
    p = 2 * float(norm.sf(end))
    for low, high in pairwise(cuts):
        z = (low + high) / 2 + (high - low) / 2 * _NODES
        p += float(_WEIGHTS @ (beyond(z) * 2 * norm.pdf(z))) * (high - low) / 2
    return float(min(p, len(RHO) * least, 1.0)) if p > 0 else _FEWEST_TIMES * least


def _on_envelope(z: Floats, height: Floats, slope: Floats) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """(m,) at which of some crossings of the (r,) falling lines in z^2 another line is the least."""
    lines = np.sort(height - slope * (z**2)[:, None], axis=1)
    size = np.abs(lines).max(axis=1, initial=1e-300)
    found: np.ndarray = lines[:, 1] - lines[:, 0] <= 1e-9 * size
    return found
