"""The reference of `associate`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np
from statsmodels.discrete.discrete_model import Logit

from protocols.core.axis import FromBlock
from protocols.core.table import AnalysisTable, Floats
from protocols.estimation.moments import complete_rows
from protocols.genomics.associate import AssociateResult, AssociateSpec, _split, result


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
    fit = _linear if spec.model == "linear" else _logistic
    fits = [fit(np.column_stack([base, (f - f.mean()) / f.std()]), y, df) for f in x.T]
    beta, se = (np.array([pair[part] for pair in fits]) / scale[:, None] for part in (0, 1))
    return result(
        spec,
        beta,
        se,
        df=df if spec.model == "linear" else 0,
        people=(len(rows), len(people)),
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


def _logistic(design: Floats, y: Floats, df: int) -> tuple[Floats, Floats]:
    models = [Logit(outcome, design) for outcome in y.T]
    coef = [model.fit(disp=0, tol=1e-12, maxiter=100).params for model in models]
    covariances = [np.linalg.inv(-model.hessian(b)) for model, b in zip(models, coef, strict=True)]
    return np.array([b[-1] for b in coef]), np.sqrt([v[-1, -1] for v in covariances])
