"""Circulating tumour DNA: how the variant fraction in blood changes, and what that says of progression."""

from typing import Literal

import numpy as np

from site_node.features.arrays import Floats

Zone = Literal["no progression", "indeterminate", "progression"]


def log2_change(first: Floats, later: Floats, detectable: float) -> Floats:
    """(n,) log2(later / first), both at least the smallest fraction that the assay detects."""
    return np.log2(np.maximum(later, detectable) / np.maximum(first, detectable))


def cleared(first: Floats, later: Floats, detectable: float) -> Floats:
    """(n,) 1 where a detectable fraction is no longer so, 0 where it still is, NaN where it never was."""
    return np.where(first >= detectable, (later < detectable) * 1.0, np.nan) + 0.0 * later


def progression_probability(prior: Floats, *likelihood_ratios: Floats) -> Floats:
    """(n,) posterior of progression: prior odds times P(finding | progression) / P(finding | none) of each.

    The findings (RECIST category, ctDNA result) are taken as independent given progression or none.
    """
    odds = prior / (1.0 - prior)
    for ratio in likelihood_ratios:
        odds = odds * ratio
    return odds / (1.0 + odds)


def zone(posterior: float, low: float = 0.2, high: float = 0.8) -> Zone:
    """Which of three decisions the probability supports: below `low` and above `high` one, else none."""
    if posterior < low:
        return "no progression"
    return "progression" if posterior > high else "indeterminate"
