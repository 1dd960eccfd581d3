"""The reference of `associate`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.optimize import brentq
from scipy.special import digamma, polygamma
from statsmodels.discrete.discrete_model import Logit

from protocols.core.axis import FromBlock
from protocols.core.table import AnalysisTable, Floats
from protocols.estimation.moments import complete_rows
from protocols.genomics.associate import AssociateResult, AssociateSpec, _split, result
from protocols.genomics.moderation import Moderated


def pooled(spec: AssociateSpec, tables: Sequence[AnalysisTable]) -> AssociateResult:
    """The same tests, one at a time, by numpy's least squares or statsmodels' Logit on all rows."""
    parts = [_rows(spec, table) for table in tables]
    people = [len(part) for part in parts if len(part)]
    rows = np.concatenate(parts)
    rows = np.where(np.isnan(rows), np.nanmean(rows, axis=0), rows)
    constants = np.ones((len(rows), 1))
    if spec.intercepts == "site":
        constants = np.repeat(np.eye(len(people)), people, axis=0)
    c, x, y = _split(spec, rows)
    base = np.hstack([constants, (c - c.mean(axis=0)) / c.std(axis=0)])
    scale = x.std(axis=0)
    df = len(rows) - base.shape[1] - 1
    people_sites = len(rows), len(people)
    if spec.model == "moderated":
        return _moderated(spec, base, x, y, df, people_sites)
    fit = _linear if spec.model == "linear" else _logistic
    fits = [fit(np.column_stack([base, (f - f.mean()) / f.std()]), y, df) for f in x.T]
    beta, se = (np.array([pair[part] for pair in fits]) / scale[:, None] for part in (0, 1))
    return result(
        spec,
        beta,
        se,
        df=df if spec.model == "linear" else 0,
        people=people_sites,
    )


def _rows(spec: AssociateSpec, table: AnalysisTable) -> Floats:
    """Who has all variables, in the columns of the variables; of a block, who has any of its numbers."""
    if not isinstance(spec.features, FromBlock):
        return complete_rows(table, spec.variables())
    values = table.block(spec.features).columns(np.arange(spec.features.size))
    c, o = table.matrix(spec.confounders), table.matrix(spec.outcomes)
    kept = ~np.isnan(np.hstack([c, o])).any(axis=1) & ~np.isnan(values).all(axis=1)
    return np.hstack([c, values, o])[kept]


def _linear(design: Floats, y: Floats, df: int) -> tuple[Floats, Floats]:
    """The (o,) coefficients of the last column and their standard errors."""
    q, r = np.linalg.qr(design)
    coef = np.linalg.solve(r, q.T @ y)
    rss = ((y - design @ coef) ** 2).sum(axis=0)
    return coef[-1], np.sqrt(rss / df) / abs(r[-1, -1])


def _moderated(
    spec: AssociateSpec, base: Floats, x: Floats, y: Floats, df: int, people: tuple[int, int]
) -> AssociateResult:
    """Least squares of each feature, and the formulas of Smyth (2004) by scipy's root finder and splines."""
    beta, variance, unscaled = [], [], []
    for outcome in y.T:
        design = np.column_stack([base, outcome - outcome.mean()])
        coef, *_ = np.linalg.lstsq(design, x, rcond=None)
        beta.append(coef[-1])
        variance.append(((x - design @ coef) ** 2).sum(axis=0) / df)
        unscaled.append(np.sqrt(np.linalg.inv(design.T @ design)[-1, -1]))
    basis = _natural_splines(x.mean(axis=0)) if spec.trend else np.ones((x.shape[1], 1))
    priors, worth = zip(*[_prior(one, df, basis, trend=spec.trend) for one in variance], strict=True)
    prior, prior_df, own = np.array(priors).T, np.array(worth), np.array(variance).T
    with np.errstate(invalid="ignore"):
        drawn = np.where(np.isinf(prior_df), prior, (df * own + prior_df * prior) / (df + prior_df))
    found = Moderated(prior, prior_df, drawn, np.minimum(df + prior_df, df * x.shape[1]))
    se = np.sqrt(drawn) * np.array(unscaled)
    return result(spec, np.array(beta).T, se, df=df, people=people, moderation=found)


def _prior(variance: Floats, df: int, basis: Floats, *, trend: bool) -> tuple[Floats, float]:
    floored = np.maximum(variance, 1e-5 * np.median(variance))
    logs = np.log(floored) - digamma(df / 2) + np.log(df / 2)
    expected = basis @ np.linalg.lstsq(basis, logs, rcond=None)[0]
    spread = ((logs - expected) ** 2).sum() / (len(logs) - basis.shape[1]) - polygamma(1, df / 2)
    if spread <= 0:
        return np.exp(expected) if trend else np.full(len(logs), floored.mean()), np.inf
    half = brentq(lambda y: polygamma(1, y) - spread, 1e-9, 1e12, xtol=1e-14, rtol=1e-14)
    return np.exp(expected + digamma(half) - np.log(half)), 2 * half


def _natural_splines(mean: Floats) -> Floats:
    """(f, k) natural cubic splines that are 1 at one of k knots each."""
    k = 1 + (len(mean) >= 3) + (len(mean) >= 6) + (len(mean) >= 30)
    knots = np.quantile(mean, np.linspace(0, 1, k))
    if k == 2:
        return np.column_stack([np.ones(len(mean)), mean - mean.mean()])
    return np.asarray(CubicSpline(knots, np.eye(k), bc_type="natural")(mean))


def _logistic(design: Floats, y: Floats, df: int) -> tuple[Floats, Floats]:
    models = [Logit(outcome, design) for outcome in y.T]
    coef = [model.fit(disp=0, tol=1e-12, maxiter=100).params for model in models]
    covariances = [np.linalg.inv(-model.hessian(b)) for model, b in zip(models, coef, strict=True)]
    return np.array([b[-1] for b in coef]), np.sqrt([v[-1, -1] for v in covariances])
