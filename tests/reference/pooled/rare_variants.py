"""The reference of `rare_variants`, with all rows in one place."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy.stats import beta, chi2
from statsmodels.discrete.discrete_model import Logit
from statsmodels.regression.linear_model import OLS

from protocols.core.table import AnalysisTable, Floats
from protocols.genomics.kernel_tests import SetTests, set_tests
from protocols.genomics.rare_variants import RareVariantsResult, RareVariantsSpec
from tests.reference.pooled.gwas import saddle_point
from tests.reference.pooled.rows import are_enough


def pooled(spec: RareVariantsSpec, tables: Sequence[AnalysisTable]) -> RareVariantsResult:
    """The same columns, their scores and covariance by a design of all rows."""
    parts = [part for part in (_rows(spec, table) for table in tables) if len(part[0])]
    copies, others = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    n = len(copies)
    alternate, reference = (
        are_enough([f(x).sum(axis=0) for x, _ in parts]) for f in (_alternate, _reference)
    )
    x = np.column_stack([np.ones(n), others[:, :-1]])
    y = others[:, -1]
    if spec.model == "logistic":
        mu = Logit(y, x).fit(disp=0, tol=1e-13, maxiter=100).predict()
        weight, variance = mu * (1 - mu), 1.0
    else:
        fit = OLS(y, x).fit()
        mu, weight, variance = fit.fittedvalues, np.ones(n), float(fit.scale)
    members, tests, widths, untested = spec.members(), {}, {}, {}
    for name, genes in spec.sets().items():
        own: list[Floats] = []
        together: list[Floats] = []
        for gene in genes:
            rare = []
            for j in members[gene]:
                g, known = copies[:, j], ~np.isnan(copies[:, j])
                if alternate[j] and reference[j]:
                    mean = np.nanmean(g)
                    filled = np.where(known, g, mean)
                    filled, mean = (2 - filled, 2 - mean) if mean > 1 else (filled, mean)
                    if known.mean() >= spec.min_call_rate and mean <= 2 * spec.max_frequency:
                        own.append(filled)
                elif alternate[j] or reference[j]:
                    rare.append(np.nan_to_num(2 - g if alternate[j] else g))
            most = np.max(rare, axis=0) if rare else np.zeros(n)
            sizes = np.cumsum([0, *(len(c) for c, _ in parts)])
            if are_enough([np.array((most >= 0.5)[a:b].sum()) for a, b in pairwise(sizes)]):
                together.append(most)
        widths[name] = (len(own), len(together))
        columns = own + together
        if len(columns) < 3:
            untested[name] = "fewer than 3 columns of variants"
        else:
            tests[name] = _tested(spec, np.column_stack(columns), x, (y - mu, weight, variance, mu))
    return RareVariantsResult.of(widths, tests, untested, (n, len(parts)))


def _tested(
    spec: RareVariantsSpec, g: Floats, x: Floats, null: tuple[Floats, Floats, float, Floats]
) -> SetTests:
    residual, weight, variance, mu = null
    z = g * beta.pdf(g.mean(axis=0) / 2, *spec.weights)
    root = np.sqrt(weight)[:, None]
    rest = root * z - (root * x) @ np.linalg.lstsq(root * x, root * z, rcond=None)[0]
    u, ones = z.T @ residual, np.ones(z.shape[1])
    plain = set_tests(u, rest.T @ rest, ones, variance)
    far = abs(plain.effect) >= 2 * plain.se
    if spec.model == "linear" or not far:
        return plain
    burden = z.sum(axis=1) / z.sum(axis=1).max()
    p = saddle_point(burden, x, residual + mu, mu)
    return set_tests(u, rest.T @ rest, ones, max((plain.effect / plain.se) ** 2 / chi2.isf(p, 1), 1.0))


def _alternate(x: Floats) -> np.ndarray:
    return x >= 0.5


def _reference(x: Floats) -> np.ndarray:
    return x <= 1.5


def _rows(spec: RareVariantsSpec, table: AnalysisTable) -> tuple[Floats, Floats]:
    """The genotypes, and the covariates and the outcome, of who has all of these and any genotype."""
    copies = table.block(spec.variants).columns(np.arange(spec.variants.size))
    others = table.matrix(spec.variables())
    kept = ~np.isnan(others).any(axis=1) & ~np.isnan(copies).all(axis=1)
    return copies[kept], others[kept]
