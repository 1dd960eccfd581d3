"""Cox and logistic: their likelihoods against the definition, and what they refuse by name."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.core.errors import Code, StudyError
from protocols.core.table import AnalysisTable
from protocols.exchange.local import run_locally
from protocols.survival.partial_likelihood import Stratum
from tests.lib.drawn_sites import SPLITS, a_site, study_of
from tests.lib.ungated import estimated

COX = {"protocol": "cox", "outcome": "os"}
LOGISTIC = {"protocol": "logistic", "outcome": "idh1"}


def by_definition(x: Any, time: Any, event: Any, coef: Any, ties: str) -> tuple[float, Any, Any]:
    """Efron's and Breslow's partial likelihood, one death after the other (Therneau & Grambsch, ch. 3)."""
    p, w = x.shape[1], np.exp(x @ coef)
    loglik, score, information = 0.0, np.zeros(p), np.zeros((p, p))
    for t in np.unique(time[event]):
        dead, risk = event & (time == t), time >= t
        for rank in range(int(dead.sum())):
            share = rank / dead.sum() if ties == "efron" else 0.0
            weight = w * risk - share * w * dead
            mean = weight @ x / weight.sum()
            loglik -= np.log(weight.sum())
            score -= mean
            information += (x * weight[:, None]).T @ x / weight.sum() - np.outer(mean, mean)
        loglik += (x[dead] @ coef).sum()
        score += x[dead].sum(axis=0)
    return loglik, score, information


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 3), st.integers(1, 30))
@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_the_partial_likelihood_is_its_definition(ties: str, seed: int, n: int, p: int, times: int) -> None:
    rng = np.random.default_rng(seed)
    x, coef = rng.normal(size=(n, p)), rng.normal(size=p)
    time, event = rng.integers(1, times + 1, n).astype(float), rng.uniform(size=n) < 0.6
    ours = Stratum(x, None, time, event).derivatives(coef, ties)
    for found, expected in zip(ours, by_definition(x, time, event, coef, ties), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_far_coefficients_stay_finite() -> None:
    table = a_site("a", 50, 1)
    x = table.matrix(["age", "f_one"])
    event = table.column("os.event") == 1
    found = Stratum(x, None, table.column("os.time"), event).derivatives(np.array([1e3, -1e3]), "efron")
    assert all(np.isfinite(part).all() for part in found)


def failure(spec: dict[str, Any], tables: list[AnalysisTable] | None = None) -> StudyError:
    outcome = run_locally(study_of(spec), tables or SPLITS["unequal sites"])
    with pytest.raises(StudyError) as caught:
        outcome["a0"]
    return caught.value


@pytest.mark.parametrize("spec", [COX, LOGISTIC])
def test_a_constant_covariate_is_named(spec: dict[str, Any]) -> None:
    error = failure({**spec, "covariates": ["age", "still"]})
    assert error.code == Code.RANK_DEFICIENT
    assert "still" in error.text
    assert "age" not in error.text


@pytest.mark.parametrize("spec", [COX, LOGISTIC])
def test_an_aliased_covariate_is_named(spec: dict[str, Any]) -> None:
    error = failure({**spec, "covariates": ["age", "f_one", "twice", "f_two"]})
    assert error.code == Code.RANK_DEFICIENT
    assert "twice" in error.text
    assert "f_two" not in error.text


def with_columns(**make: Any) -> list[AnalysisTable]:
    return [
        table.with_columns({name: f(table) for name, f in make.items()}) for table in SPLITS["unequal sites"]
    ]


def test_separation_is_named() -> None:
    tables = with_columns(f_two=lambda t: t.column("idh1") * 2 + np.arange(len(t)) % 3 / 10)
    error = failure({**LOGISTIC, "covariates": ["age", "f_two"]}, tables)
    assert error.code == Code.SEPARATION
    assert "f_two" in error.text


def test_a_monotone_partial_likelihood_is_named() -> None:
    tables = with_columns(f_two=lambda t: t.column("os.event") * 1.0 - t.column("os.time") / 1e5)
    error = failure({**COX, "covariates": ["age", "f_two"]}, tables)
    assert error.code == Code.SEPARATION
    assert "f_two" in error.text


def test_an_outcome_that_nobody_or_everybody_has_is_refused() -> None:
    for value in (0.0, 1.0):
        tables = with_columns(idh1=lambda t, v=value: np.full(len(t), v))
        assert failure({**LOGISTIC, "covariates": ["age"]}, tables).code == Code.WITHHELD
    tables = with_columns(**{"os.event": lambda t: np.zeros(len(t))})
    assert failure({**COX, "covariates": ["age"]}, tables).code == Code.WITHHELD


def test_too_many_covariates_for_the_people_are_refused() -> None:
    names = ["age", "sex", "f_one", "f_two", "f_three"]
    tables = [a_site(s, 5, i) for i, s in enumerate("abc", 30)]
    assert failure({**LOGISTIC, "covariates": names}, tables).code == Code.WITHHELD


@pytest.mark.parametrize("spec", [COX, LOGISTIC])
@pytest.mark.parametrize(("factor", "shift"), [(1e6, 0.0), (1e-6, 0.0), (1.0, 1e6)])
def test_units_do_not_matter(spec: dict[str, Any], factor: float, shift: float) -> None:
    changed = with_columns(age=lambda t: t.column("age") * factor + shift)
    spec = {**spec, "covariates": ["age", "f_one"]}
    ours: Any = run_locally(study_of(spec), changed)["a0"]
    plain: Any = run_locally(study_of(spec), SPLITS["unequal sites"])["a0"]
    at = ours.terms.index("age")
    # A shift of 1e6 leaves 10 of a double's 16 digits of an age.
    np.testing.assert_allclose(ours.coef[at] * factor, plain.coef[at], rtol=1e-8 if shift == 0 else 1e-7)
    np.testing.assert_allclose(ours.se[at] * factor, plain.se[at], rtol=1e-8 if shift == 0 else 1e-7)
    np.testing.assert_allclose(ours.z[at], plain.z[at], rtol=1e-7)


def test_halving_finds_the_maximum_where_plain_newton_diverges() -> None:
    # Notes on statistics, 7b: uncapped, skewed covariates throw Newton's first step far out.
    rng = np.random.default_rng(5)
    x = np.exp(rng.normal(size=300) * 2.0)
    y = (rng.uniform(size=300) < 1 / (1 + np.exp(2 - 0.8 * x))).astype(float)
    columns = {"f_one": x, "idh1": y, "age": rng.normal(size=300)}
    tables = [
        AnalysisTable(
            s, np.arange(i * 100, i * 100 + 100), {k: v[i * 100 : i * 100 + 100] for k, v in columns.items()}
        )
        for i, s in enumerate("abc")
    ]
    spec = {**LOGISTIC, "covariates": ["f_one", "age"]}
    found: Any = estimated(spec, tables)
    eta = found.coef[0] + np.column_stack([x, columns["age"]]) @ found.coef[1:]
    residual = y - 1 / (1 + np.exp(-eta))
    np.testing.assert_allclose([residual.sum(), residual @ np.minimum(x, 1e9)], 0, atol=1e-6)
