"""Multiple imputation over sites: repeatable by person, unbiased where complete cases are not."""

import numpy as np
import pytest

from protocols.core.table import AnalysisTable, fold_hashes
from protocols.exchange.local import run_locally
from protocols.preparation.multiple_imputation import MultipleImputationResult
from tests.lib.studies import a_study_of

COLUMNS = ("a", "b", "c", "y")
MODEL = {"protocol": "linear", "outcome": "y", "covariates": ["a", "b"]}


def everybody(n: int = 600, seed: int = 0) -> dict[str, np.ndarray]:
    """y = 1 + 2a - b + noise; b is often missing where a and y are high, so that complete cases mislead."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=n)
    b = (rng.random(n) < 1 / (1 + np.exp(-a))).astype(float)
    y = 1 + 2 * a - b + rng.normal(size=n)
    c = 0.7 * b + rng.normal(size=n)
    b = np.where(rng.random(n) < 1 / (1 + np.exp(-(y - 1.5))), np.nan, b)
    return {"a": a, "b": b, "c": c, "y": y}


def tables(columns: dict[str, np.ndarray], parts: list[np.ndarray]) -> list[AnalysisTable]:
    hashes = fold_hashes(np.arange(len(columns["a"])), b"study")
    return [
        AnalysisTable(site, rows, {k: v[rows] for k, v in columns.items()}, fold_hashes=hashes[rows])
        for site, rows in zip("abc", parts, strict=True)
    ]


def run(sites: list[AnalysisTable], **changes: object) -> MultipleImputationResult:
    spec = {"protocol": "multiple_imputation", "model": MODEL, "logreg": ["b"], "predictors": ["a", "c", "y"]}
    study = a_study_of(COLUMNS, {"name": "fit", "spec": {**spec, **changes}})
    found: MultipleImputationResult = run_locally(study, sites)["fit"]
    return found


def thirds(n: int) -> list[np.ndarray]:
    return np.array_split(np.arange(n), 3)


def test_the_same_people_are_imputed_alike_however_they_are_split() -> None:
    columns = everybody()
    order = np.random.default_rng(1).permutation(600)
    one = run(tables(columns, thirds(600)), imputations=3)
    other = run(tables(columns, [order[:100], order[100:180], order[180:]]), imputations=3)
    np.testing.assert_allclose(one.coefs, other.coefs, rtol=1e-9)


def test_another_seed_gives_other_draws() -> None:
    sites = tables(everybody(), thirds(600))
    assert (run(sites, seed=1).coefs != run(sites, seed=2).coefs).all()


def test_it_finds_the_effects_where_complete_cases_do_not() -> None:
    """The truth is (1, 2, -1); missing values depend on the outcome, so complete cases are biased."""
    sites = tables(everybody(3000), thirds(3000))
    imputed = run(sites, imputations=20, iterations=3)
    fit = a_study_of(COLUMNS, {"name": "fit", "spec": MODEL})
    complete = run_locally(fit, sites)["fit"]
    assert (np.abs(imputed.coef - [1, 2, -1]) < 3 * imputed.se).all()
    assert np.abs(complete.coef - [1, 2, -1]).max() > 5 * complete.se.max()
    assert (imputed.fmi[2] > 0.1) & (imputed.fmi < 1).all()
    assert imputed.n == 3000


def test_a_model_without_missing_values_is_the_model() -> None:
    columns = everybody()
    columns["b"] = np.where(np.isnan(columns["b"]), 0.0, columns["b"])
    sites = tables(columns, thirds(600))
    found = run(sites)
    alone = run_locally(a_study_of(COLUMNS, {"name": "fit", "spec": MODEL}), sites)["fit"]
    np.testing.assert_allclose(found.coef, alone.coef, rtol=1e-12)
    np.testing.assert_allclose(found.se, alone.se, rtol=1e-12)
    assert (found.between == 0).all()


@pytest.mark.parametrize("method", ["norm", "logreg"])
def test_coefficient_draws_have_the_posterior_spread(method: str) -> None:
    """One visit, 60 imputations of a column that half of the people miss: estimates scatter."""
    columns = everybody()
    rng = np.random.default_rng(5)
    if method == "norm":
        columns["b"] = columns["a"] + rng.normal(size=600)
        columns["b"][rng.random(600) < 0.5] = np.nan
    changes = {"norm": ["b"] if method == "norm" else [], "logreg": ["b"] if method == "logreg" else []}
    found = run(tables(columns, thirds(600)), imputations=60, iterations=1, **changes)
    assert 0.1 < (found.between / found.within)[2] < 3
