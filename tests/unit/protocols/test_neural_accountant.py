"""The accountant of differential privacy against closed forms and two other accountants."""

import numpy as np
import pytest
from scipy.special import gammaln, log_ndtr, logsumexp

from protocols.core.accountant import divergence, noise_for, spent

PLANS = [
    (0.01, 1.1, 10_000, 1e-5),
    (256 / 60_000, 1.1, 14_062, 1e-5),
    (0.1, 1.5, 100, 1e-4),
    (0.3, 0.8, 50, 1e-3),
]


def test_without_sampling_it_is_the_gaussian_mechanism() -> None:
    """Mironov (2017), proposition 7: order / (2 sigma²)."""
    np.testing.assert_array_equal(divergence(2.0, 1.0, np.array([1.5, 10.0])), [1.5 / 8, 10 / 8])
    assert spent(4.0, 1.0, 20, 1e-5) == pytest.approx(5.377728336819822, rel=1e-12)  # dp-accounting 0.6.0


@pytest.mark.parametrize(("sampling", "noise"), [(0.01, 1.1), (0.3, 0.8), (0.1, 2.0), (0.9, 0.3)])
def test_whole_orders_have_the_closed_form(sampling: float, noise: float) -> None:
    """Mironov, Talwar & Zhang (2019), section 3.3: a binomial sum."""
    orders = np.array([2.0, 3.0, 17.0, 64.0])
    found = divergence(noise, sampling, orders)
    for order, ours in zip(orders, found, strict=True):
        k = np.arange(order + 1)
        choose = gammaln(order + 1) - gammaln(k + 1) - gammaln(order - k + 1)
        terms = (
            choose + k * np.log(sampling) + (order - k) * np.log1p(-sampling) + (k**2 - k) / (2 * noise**2)
        )
        assert ours == pytest.approx(logsumexp(terms) / (order - 1), rel=1e-9)


def test_broken_orders_are_those_of_another_accountant() -> None:
    """opacus 1.6.0: accountants.analysis.rdp.compute_rdp(q=, noise_multiplier=, steps=1, orders=[order])."""
    orders = np.array([1.5, 3.7])
    for sampling, noise, expected in (
        (0.01, 1.1, [9.554528557684942e-05, 0.0002452877227407896]),
        (0.3, 0.8, [0.17221959584508906, 1.300094333386399]),
        (0.1, 2.0, [0.0020989345958862746, 0.005504053024506143]),
    ):
        np.testing.assert_allclose(divergence(noise, sampling, orders), expected, rtol=1e-8)


@pytest.mark.parametrize(
    ("plan", "expected"),
    list(
        zip(
            PLANS, [5.63199236854841, 2.5965558689607486, 3.3753966537379565, 18.918052954769315], strict=True
        )
    ),
)
def test_the_epsilon_of_a_plan_is_that_of_another_accountant(
    plan: tuple[float, float, int, float], expected: float
) -> None:
    """opacus 1.6.0 get_privacy_spent; dp-accounting 0.6.0 says the first three to 4e-6 as well."""
    sampling, noise, steps, delta = plan
    assert spent(noise, sampling, steps, delta) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize(
    ("plan", "tight"),
    list(
        zip(
            PLANS, [5.192620123878041, 2.381686002234784, 2.9839488003457073, 16.527334282529406], strict=True
        )
    ),
)
def test_it_is_above_the_privacy_loss_distribution(
    plan: tuple[float, float, int, float], tight: float
) -> None:
    """dp-accounting 0.6.0 pld.PLDAccountant: nearly exact, so a sound bound lies above it, and not far."""
    sampling, noise, steps, delta = plan
    assert tight < spent(noise, sampling, steps, delta) < 1.2 * tight


@pytest.mark.parametrize(("noise", "steps"), [(4.0, 20), (1.0, 1), (30.0, 500)])
def test_without_sampling_it_is_above_the_exact_delta(noise: float, steps: int) -> None:
    """Balle & Wang, ICML 2018, theorem 8: the exact delta of a Gaussian at our epsilon is below it."""
    delta = 1e-5
    epsilon = spent(noise, 1.0, steps, delta)
    mu = np.sqrt(steps) / noise
    exact = np.exp(log_ndtr(mu / 2 - epsilon / mu)) - np.exp(epsilon + log_ndtr(-mu / 2 - epsilon / mu))
    assert delta / 30 < exact < delta


def test_one_sampled_step_is_above_its_exact_loss() -> None:
    """The hockey-stick divergence of one step, integrated: E max(0, P - e^epsilon Q), both ways."""
    sampling, noise, delta = 0.2, 1.0, 1e-4
    z = np.linspace(-30, 31, 2_000_001)
    absent = np.exp(-0.5 * (z / noise) ** 2) / (noise * np.sqrt(2 * np.pi))
    present = (1 - sampling) * absent + sampling * np.exp(-0.5 * ((z - 1) / noise) ** 2) / (
        noise * np.sqrt(2 * np.pi)
    )
    factor = np.exp(spent(noise, sampling, 1, delta))
    for p, q in ((present, absent), (absent, present)):
        assert np.maximum(p - factor * q, 0).sum() * (z[1] - z[0]) < delta


def test_more_noise_or_fewer_steps_spend_less() -> None:
    assert spent(2.0, 0.1, 100, 1e-5) < spent(1.0, 0.1, 100, 1e-5)
    assert spent(1.0, 0.1, 10, 1e-5) < spent(1.0, 0.1, 100, 1e-5)


def test_the_noise_that_it_advises_keeps_to_the_budget_and_hardly_more() -> None:
    noise = noise_for(3.0, 0.1, 100, 1e-5)
    assert noise is not None
    assert 2.98 < spent(noise, 0.1, 100, 1e-5) <= 3.0
