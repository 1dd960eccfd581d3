"""The reference of `mediation`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np
import statsmodels.api as sm

from protocols.core.table import AnalysisTable
from protocols.estimation.moments import complete_rows
from protocols.evidence.mediation import MediationResult, MediationSpec, result


def pooled(spec: MediationSpec, tables: Sequence[AnalysisTable]) -> MediationResult:
    """statsmodels' least squares of mediator and outcome, with indicators of sites where each has a mean."""
    parts = [complete_rows(table, spec.variables()) for table in tables]
    x = np.concatenate(parts)
    at = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    means = np.eye(len(parts))[at] if spec.intercepts == "site" else np.ones((len(x), 1))
    means = means[:, means.any(axis=0)]
    centred = x - means @ np.linalg.lstsq(means, x, rcond=None)[0]
    norm = np.sqrt((centred**2).sum(axis=0))
    z = centred / norm
    found = result(spec, z.T @ z, norm, len(x), means.shape[1])
    k = x.shape[1]
    of_mediator = sm.OLS(x[:, k - 2], np.hstack([x[:, : k - 2], means])).fit()
    of_outcome = sm.OLS(x[:, k - 1], np.hstack([x[:, : k - 1], means])).fit()
    total = sm.OLS(x[:, k - 1], np.hstack([x[:, : k - 2], means])).fit()
    a, b, direct, whole = k - 3, k - 2, k - 3, k - 3
    own = [found.a, found.a_se, found.b, found.b_se, *found.effect[1:], *found.se[1:]]
    theirs = [
        *(of_mediator.params[a], of_mediator.bse[a], of_outcome.params[b], of_outcome.bse[b]),
        *(of_outcome.params[direct], total.params[whole], of_outcome.bse[direct], total.bse[whole]),
    ]
    np.testing.assert_allclose(own, theirs, rtol=1e-8)
    np.testing.assert_allclose(
        found.rho_at_zero, np.corrcoef(of_mediator.resid, total.resid)[0, 1], rtol=1e-8
    )
    np.testing.assert_allclose(found.effect[0] + found.effect[1], found.effect[2], rtol=1e-8)
    return found
