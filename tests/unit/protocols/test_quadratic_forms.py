"""Tails of sums of weighted chi-square numbers against closed forms and another quadrature."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import chi2, norm

from protocols.genomics.quadratic_forms import Matched, upper_tail


@pytest.mark.parametrize("weights", [(1.0, 0.5), (1.0, 0.01), (3.0, 2.9), (1e-6, 7e-7), (5e5, 3.0)])
@pytest.mark.parametrize("times", [1e-3, 0.1, 1.0, 5.0, 40.0, 600.0])
def test_two_pairs_are_two_exponential_numbers(weights: tuple[float, float], times: float) -> None:
    a, b = weights
    q = times * a
    exact = (a * np.exp(-q / 2 / a) - b * np.exp(-q / 2 / b)) / (a - b)
    # the closed form itself loses digits where a is near b
    assert upper_tail(q, np.array([a, a, b, b])) == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize("q", [0.01, 1.0, 5.0, 30.0, 200.0])
def test_two_numbers_are_their_convolution(q: float) -> None:
    a, b = 1.0, 0.3
    end = np.sqrt(q / a)
    inside = quad(  # the end is smooth in the angle
        lambda angle: (
            chi2.sf((end * np.cos(angle)) ** 2 / b, 1)
            * 2
            * norm.pdf(end * np.sin(angle))
            * end
            * np.cos(angle)
        ),
        0,
        np.pi / 2,
        epsabs=0,
        epsrel=1e-10,
    )[0]
    assert upper_tail(q, np.array([a, b])) == pytest.approx(inside + 2 * norm.sf(end), rel=1e-9)


def test_equal_weights_are_chi_square_and_nothing_is_below_zero() -> None:
    assert upper_tail(12.0, np.full(5, 2.0)) == pytest.approx(chi2.sf(6.0, 5))
    assert upper_tail(0.0, np.array([1.0])) == 1.0
    assert upper_tail(4.0, np.array([1.0])) == pytest.approx(chi2.sf(4.0, 1))


def test_moments_of_equal_weights_match_chi_square_itself() -> None:
    matched = Matched.of(np.full(7, 0.5))
    assert matched.df == pytest.approx(7)
    assert matched.quantile(0.01) == pytest.approx(0.5 * chi2.isf(0.01, 7))
