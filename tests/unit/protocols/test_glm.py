"""Generalized linear models over sites: rounds, offsets, errors that name the variable and the way out."""

import numpy as np
import pytest

from protocols.core.errors import Code
from protocols.core.lockstep import Failure
from protocols.core.table import AnalysisTable
from protocols.exchange.local import run_locally
from tests.lib.studies import a_study_of

COLUMNS = ("a", "b", "days", "y")


def tables(seed: int = 0, spread: float = 0.0, exposure: bool = False) -> list[AnalysisTable]:
    """Three sites with counts: `spread` is the variance of the gamma that mixes them."""
    rng = np.random.default_rng(seed)
    found = []
    for site, n in zip("abc", (90, 40, 70), strict=True):
        a, b = rng.normal(50, 10, n), (rng.random(n) < 0.3).astype(float)
        days = rng.uniform(10, 1000, n) if exposure else np.ones(n)
        mean = days * np.exp(1 + 0.05 * (a - 50) - b) / (100 if exposure else 1)
        if spread:
            mean = mean * rng.gamma(1 / spread, spread, n)
        y = rng.poisson(mean).astype(float)
        found.append(AnalysisTable(site, np.arange(n), {"a": a, "b": b, "days": days, "y": y}))
    return found


def fit(sites: list[AnalysisTable], **changes: object) -> tuple[object, int]:
    spec = {"protocol": "glm", "outcome": "y", "family": "poisson", "covariates": ["a", "b"], **changes}
    outcome = run_locally(a_study_of(COLUMNS, {"name": "fit", "spec": spec}), sites)
    return outcome.results["fit"], outcome.rounds


@pytest.mark.parametrize("family", ["poisson", "negative_binomial"])
@pytest.mark.parametrize("seed", range(5))
def test_at_most_ten_rounds(family: str, seed: int) -> None:
    found, rounds = fit(tables(seed, spread=0.5), family=family)
    assert not isinstance(found, Failure)
    assert rounds <= 10  # one where the search begins; the last is the end, at which the sites sign


def test_an_exposure_is_an_offset_in_logarithms() -> None:
    sites = tables(exposure=True)
    logs = [t.with_columns({"days": np.log(t.column("days"))}) for t in sites]
    one, _ = fit(sites, exposure="days")
    other, _ = fit(logs, offset="days")
    np.testing.assert_allclose(one.coef, other.coef, rtol=1e-12)  # type: ignore[attr-defined]
    np.testing.assert_allclose(one.coef[1:], [0.05, -1], atol=0.15)  # type: ignore[attr-defined]


def test_theta_is_near_that_of_the_draw() -> None:
    found, _ = fit(tables(3, spread=0.5), family="negative_binomial")
    assert abs(found.theta - 2) < 3 * found.theta_se  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("make", "changes", "code", "words"),
    [
        (lambda t: t.with_columns({"y": t.column("y") + 0.5}), {}, Code.INVALID_INPUT, "'moments'"),
        (lambda t: t.with_columns({"b": t.column("a") * 2}), {}, Code.RANK_DEFICIENT, "b"),
        (lambda t: t.with_columns({"b": np.ones(len(t))}), {}, Code.WITHHELD, "the rest in b"),
        (lambda t: t.with_columns({"b": np.full(len(t), 0.1)}), {}, Code.RANK_DEFICIENT, "b"),
        (
            lambda t: t.with_columns({"y": np.minimum(np.arange(len(t)) % 3, 2.0)}),
            {"family": "negative_binomial"},
            Code.NOT_CONVERGED,
            "y varies no more than Poisson",
        ),
    ],
    ids=["not a count", "aliased", "all carriers", "constant", "no overdispersion"],
)
def test_what_cannot_be_fitted_says_why(
    make: object, changes: dict[str, str], code: Code, words: str
) -> None:
    found, _ = fit([make(t) for t in tables()], **changes)  # type: ignore[operator]
    assert isinstance(found, Failure)
    assert found.code is code
    assert words in found.text
