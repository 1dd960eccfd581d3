"""The reference of `gwas`, with all rows in one place."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm
from statsmodels.discrete.discrete_model import Logit
from statsmodels.regression.linear_model import OLS

from protocols.core.table import AnalysisTable, Floats
from protocols.genomics import linkage
from protocols.genomics.gwas import GwasResult, GwasSpec
from protocols.genomics.gwas_figure import GENOME_WIDE, places_of
from protocols.genomics.gwas_result import NOTED
from protocols.genomics.gwas_spec import variant_names
from tests.reference.pooled.rows import are_enough


def pooled(spec: GwasSpec, tables: Sequence[AnalysisTable]) -> GwasResult:
    """The same tests one at a time, by least squares, or Logit and the saddle point, on all rows."""
    parts = [part for part in (_rows(spec, table) for table in tables) if len(part[0])]
    people = [len(x) for x, _ in parts]
    copies, others = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    n, size = copies.shape
    carry = [[(x >= 0.5).sum(axis=0) for x, _ in parts], [(x < 1.5).sum(axis=0) for x, _ in parts]]
    carried = are_enough(carry[0]) & are_enough(carry[1])
    known = ~np.isnan(copies)
    mean = np.nansum(copies, axis=0) / np.maximum(known.sum(axis=0), 1)
    minor = np.minimum(np.nansum(copies, axis=0), np.nansum(2 - copies, axis=0))
    reasons = np.full(size, "", dtype=object)
    reasons[minor < spec.min_minor_alleles] = "the rarer allele has too few copies"
    reasons[known.mean(axis=0) < spec.min_call_rate] = "the call rate is too low"
    reasons[~carried] = "too few people carry both alleles, or none has the variant"
    fills = [mean] * len(parts)
    if spec.intercepts == "site":
        fills = [np.nansum(x, axis=0) / np.maximum((~np.isnan(x)).sum(axis=0), 1) for x, _ in parts]
    here = [np.where(np.isnan(x), fill, x) for (x, _), fill in zip(parts, fills, strict=True)]
    copies = np.concatenate(here)
    ones = np.ones((n, 1)) if spec.intercepts == "common" else np.repeat(np.eye(len(people)), people, axis=0)
    c, y = np.hsplit(others, [len(spec.covariates)])
    beside = np.hstack([ones, c])
    tested = np.flatnonzero(reasons == "")
    told: dict[str, Any] = {
        "aliased": (),
        "untested": {reason: int((reasons == reason).sum()) for reason in dict.fromkeys(reasons) if reason},
        "n": n,
        "sites": len(people),
    }
    if spec.model == "logistic":
        numbers = np.full((3, size, 1), np.nan)
        mu = Logit(y[:, 0], beside).fit(disp=0, tol=1e-13, maxiter=100).predict()
        for j in tested:
            numbers[:, j, 0] = _score_test(copies[:, j], beside, y[:, 0], mu)
        return GwasResult.of(variant_names(spec.variants), spec.outcomes, *numbers, df=0, **told)
    beta, se = np.full((size, y.shape[1]), np.nan), np.full((size, y.shape[1]), np.nan)
    for j in tested:
        for k in range(y.shape[1]):
            fit = OLS(y[:, k], np.column_stack([beside, copies[:, j]])).fit()
            beta[j, k], se[j, k] = fit.params[-1], fit.bse[-1]
    found = GwasResult.of(
        variant_names(spec.variants),
        spec.outcomes,
        beta,
        se,
        df=n - beside.shape[1] - 1,
        **told,
    )
    if not spec.linkage:
        return found
    return _with_linkage(found, [x[:, tested] - copies[:, tested].mean(axis=0) for x in here], tested)


def _with_linkage(found: GwasResult, centred: Sequence[Floats], tested: np.ndarray) -> GwasResult:
    """The result with r2 of the pairs that a scan asks about; each site's products in steps of five."""
    together = sum(5 * np.round(z.T @ z / 5) for z in centred)
    square = np.diag(sum(z.T @ z for z in centred))
    pairs = linkage.wanted(
        found.p[tested], places_of([found.variants[j] for j in tested]), GENOME_WIDE, NOTED
    )
    a, b = pairs.first, pairs.second
    r2 = np.minimum(together[a, b] ** 2 / (square[a] * square[b]), 1.0)
    called = (found.p[tested][a] < GENOME_WIDE).any(axis=1) | (found.p[tested][b] < GENOME_WIDE).any(axis=1)
    none = np.full(len(found.outcomes), np.nan)  # of an LD score intercept, over fewer than 50 variants
    return found.with_linkage(tested, linkage.Linkage(a[called], b[called], r2[called], none, none))


def _score_test(g: Floats, x: Floats, y: Floats, mu: Floats) -> tuple[float, float, float]:
    """One Newton step from the null model, its standard error, and the p-value of the score."""
    rest = _taken_out(g, x, mu)
    score, variance = rest @ (y - mu), (rest**2 * mu * (1 - mu)).sum()
    z = score / np.sqrt(variance)
    p = saddle_point(g, x, y, mu) if abs(z) >= 2 else 2 * norm.sf(abs(z))
    return score / variance, 1 / np.sqrt(variance), float(p)


def filled(g: Floats) -> Floats:
    """(n,) copies, a missing one the mean."""
    return np.where(np.isnan(g), np.nanmean(g), g)


def _taken_out(g: Floats, x: Floats, mu: Floats) -> Floats:
    weighted = x * (mu * (1 - mu))[:, None]
    rest: Floats = g - x @ np.linalg.solve(weighted.T @ x, weighted.T @ g)
    return rest


def saddle_point(g: Floats, x: Floats, y: Floats, mu: Floats) -> float:
    """The two-sided p-value of the score of (n,) copies by the saddle point, from everybody's rows."""
    g = _taken_out(g, x, mu)
    p = 0.0
    for score in (abs(g @ (y - mu)), -abs(g @ (y - mu))):
        if abs(score) >= abs(g @ ((g * score > 0) - mu)):
            continue

        def tilted(t: float) -> Floats:
            share: Floats = mu / (mu + (1 - mu) * np.exp(-g * t))
            return share

        def off(t: float, score: float = score) -> float:
            return float(g @ (tilted(t) - mu)) - score

        t = brentq(off, -60, 60, xtol=1e-13)
        cumulant = np.log(1 - mu + mu * np.exp(g * t)).sum() - t * (g @ mu)
        w = np.sign(t) * np.sqrt(2 * (t * score - cumulant))
        v = t * np.sqrt((g**2 * tilted(t) * (1 - tilted(t))).sum())
        p += norm.sf(abs(w + np.log(v / w) / w))
    return float(p)


def _rows(spec: GwasSpec, table: AnalysisTable) -> tuple[Floats, Floats]:
    """The genotypes, and the covariates and outcomes, of who has all of these and any genotype."""
    copies = table.block(spec.variants).columns(np.arange(spec.variants.size))
    others = table.matrix(spec.variables())
    kept = ~np.isnan(others).any(axis=1) & ~np.isnan(copies).all(axis=1)
    return copies[kept], others[kept]
