"""The reference of `linear`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import ElasticNet, Ridge
from statsmodels.regression.linear_model import OLS

from protocols.core.table import AnalysisTable, Floats
from protocols.estimation import elastic_net
from protocols.estimation.moments import Intercepts, complete_rows
from protocols.regression.linear import LinearResult, LinearSpec, result
from protocols.regression.penalized_linear import PenalizedPath, Penalty, penalized_path, penalties


def pooled(spec: LinearSpec, tables: Sequence[AnalysisTable]) -> LinearResult:
    """The fit of statsmodels' OLS on all rows, and of scikit-learn's ElasticNet at each penalty."""
    parts = [complete_rows(table, spec.variables()) for table in tables]
    rows = np.concatenate(parts)
    people = [len(part) for part in parts if len(part)]
    if spec.intercepts == "common":
        constants = np.ones((len(rows), 1))
    else:
        constants = np.repeat(np.eye(len(people)), people, axis=0)
    x, y = rows[:, :-1], rows[:, -1]
    scale = x.std(axis=0)
    fit = OLS(y, np.hstack([constants, (x - x.mean(axis=0)) / scale])).fit()
    k = constants.shape[1]
    basis = np.vstack([-x.mean(axis=0) / scale, np.diag(1 / scale)])
    basis = np.hstack([np.eye(len(basis), 1), basis])
    take = slice(0, None) if spec.intercepts == "common" else slice(k, None)
    if spec.intercepts == "site":
        basis = basis[1:, 1:]
    centred = rows - constants @ np.linalg.lstsq(constants, rows, rcond=None)[0]
    return result(
        spec,
        basis @ fit.params[take],
        basis @ fit.cov_params()[take, take] @ basis.T,
        rss=float(fit.ssr),
        tss=float(centred[:, -1] @ centred[:, -1]),
        df=int(fit.df_resid),
        people=(len(rows), len(people)),
        path=path_of_rows(spec.penalty, spec.intercepts, rows, centred) if spec.penalty else None,
    )


def path_of_rows(penalty: Penalty, intercepts: Intercepts, rows: Floats, centred: Floats) -> PenalizedPath:
    """The same by scikit-learn, from rows about their site's means where it has an intercept of its own."""
    n, ratio = len(rows), penalty.l1_ratio
    scale = centred[:, :-1].std(axis=0)
    x, y = centred[:, :-1] / scale, centred[:, -1]
    lambdas = penalties(penalty, x.T @ y / n)
    coef = np.array(
        [
            (
                Ridge(alpha=n * lam, fit_intercept=False)
                if ratio == 0
                else ElasticNet(alpha=lam, l1_ratio=ratio, fit_intercept=False, tol=1e-15, max_iter=1_000_000)
            )
            .fit(x, y)
            .coef_
            for lam in lambdas
        ]
    )
    rss = ((y[:, None] - x @ coef.T) ** 2).mean(axis=0)
    mean = rows.mean(axis=0)
    return penalized_path(
        intercepts,
        elastic_net.Path(lambdas, coef, 0.0),
        coef / scale,
        mean[-1] - (coef / scale) @ mean[:-1],
        (y.var() - rss, float(y.var())),
        n,
        elastic_net.degrees_of_freedom(x.T @ x / n, coef, lambdas * (1 - ratio)),
    )
