"""How much sites differ, compared with statsmodels and with the papers' own numbers."""

import numpy as np
from statsmodels.stats.meta_analysis import combine_effects

from protocols.estimation.heterogeneity import auc_se, heterogeneity

VALUE, SE = np.array([0.41, 0.93, 1.36, 0.20, 0.77]), np.array([0.12, 0.31, 0.22, 0.08, 0.40])


def test_it_is_that_of_statsmodels() -> None:
    """statsmodels 0.14, combine_effects(method_re="dl"): q, i2, tau2, common effect; exact formulas."""
    found, theirs = heterogeneity(VALUE, SE), combine_effects(VALUE, SE**2, method_re="dl")
    assert found is not None
    np.testing.assert_allclose(found.q, theirs.q, rtol=1e-12)
    np.testing.assert_allclose(found.i_squared, theirs.i2, rtol=1e-12)
    np.testing.assert_allclose(found.tau**2, theirs.tau2, rtol=1e-12)
    np.testing.assert_allclose(found.mean, theirs.mean_effect_fe, rtol=1e-12)
    np.testing.assert_allclose(found.p, theirs.test_homogeneity().pvalue, rtol=1e-9)


def test_sites_that_are_alike_have_none_between_them() -> None:
    found = heterogeneity([1.0, 1.0, 1.0], [0.1, 0.2, 0.3])
    assert found is not None
    assert (found.q, found.i_squared, found.tau, found.p) == (0.0, 0.0, 0.0, 1.0)


def test_one_site_with_an_estimate_is_not_compared() -> None:
    assert heterogeneity([1.0, np.nan], [0.1, 0.1]) is None
    assert heterogeneity([1.0, 2.0], [0.1, 0.0]) is None


def test_the_standard_error_of_an_area_is_exact_for_exponential_scores() -> None:
    """Hanley & McNeil's Q1 and Q2 are those of exponential scores: beside the spread over 5,000 draws.

    Events have mean 5 and others mean 1, so that the area is 5 / 6. The spread of 5,000 draws is known to
    1 %, so 3 % is three of its standard errors.
    """
    rng = np.random.default_rng(1)
    events, others = rng.exponential(5.0, (5000, 30, 1)), rng.exponential(1.0, (5000, 1, 40))
    drawn = (events > others).mean(axis=(1, 2))
    np.testing.assert_allclose(drawn.mean(), 5 / 6, atol=4e-3)
    np.testing.assert_allclose(auc_se(5 / 6, 70, 30), drawn.std(ddof=1), rtol=0.03)
    assert np.isnan(auc_se(0.8, 20, 0))
