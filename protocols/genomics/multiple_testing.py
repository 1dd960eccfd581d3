"""p-values adjusted for how many tests there were; a missing p-value counts as no test and stays missing.

References: Benjamini & Hochberg, J R Stat Soc B 57 (1995) 289; Benjamini & Yekutieli, Ann Stat 29 (2001)
1165; R `p.adjust`.
"""

import numpy as np

from protocols.core.table import Floats


def bonferroni(p: Floats) -> Floats:
    """p times the number of tests, at most 1: the chance of any false discovery; any shape."""
    adjusted: Floats = np.minimum(p * np.count_nonzero(~np.isnan(p)), 1.0)
    return adjusted


def benjamini_hochberg(p: Floats) -> Floats:
    """The least false discovery rate to find each; tests depend positively or not at all; any shape."""
    return _step_up(p, 1.0)


def benjamini_yekutieli(p: Floats) -> Floats:
    """The least false discovery rate at which each is found, however the tests depend; any shape."""
    return _step_up(p, float((1 / np.arange(1, np.count_nonzero(~np.isnan(p)) + 1)).sum()))


def _step_up(p: Floats, factor: float) -> Floats:
    adjusted = np.full(p.shape, np.nan)
    known = ~np.isnan(p)
    values = p[known]
    order = np.argsort(values)[::-1]
    m = len(values)
    ranked = factor * m / np.arange(m, 0, -1) * values[order]
    back = np.empty(m)
    back[order] = np.minimum(np.minimum.accumulate(ranked), 1.0)
    adjusted[known] = back
    return adjusted
