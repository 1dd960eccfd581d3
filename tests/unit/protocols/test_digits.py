"""Digits are earned: what is published of a design that can be enumerated tells no more than guessing."""

from typing import Any

import numpy as np
import pytest

from protocols.core.study import Study, parse_study
from protocols.core.table import AnalysisTable
from protocols.estimation.rounded import rounded, to_unit, two_digits
from protocols.exchange.local import LocalSites, run_locally
from protocols.exchange.rounds import conduct
from protocols.exchange.sides import InOneProcess
from tests.lib.studies import a_study, a_study_of

MODELS: dict[str, dict[str, Any]] = {
    "logistic": {"protocol": "logistic", "outcome": "y", "covariates": ["g", "h"]},
    "poisson": {"protocol": "glm", "family": "poisson", "outcome": "y", "covariates": ["g", "h"]},
    "levels": {"protocol": "multinomial", "outcome": "y", "covariates": ["g", "h"], "levels": [0, 1]},
    "ordered": {"protocol": "ordinal", "outcome": "y", "covariates": ["g", "h"], "levels": [0, 1]},
}


def a_site(name: str, seed: int, *, fine: bool = False) -> AnalysisTable:
    draw, people = np.random.default_rng(seed), 120
    g = (draw.uniform(size=people) < 0.4).astype(float)
    h = draw.normal(size=people) if fine else np.rint(draw.normal(60, 9, people))
    odds = g - 0.8 + (h - h.mean()) / h.std() / 2
    y = (draw.uniform(size=people) < 1 / (1 + np.exp(-odds))).astype(float)
    columns = {"g": g, "h": h, "y": y}
    return AnalysisTable(name, people * seed + np.arange(people), columns, secret=name.encode())


def found(spec: dict[str, Any], *, full: bool, fine: bool = False) -> Any:
    study = a_study_of(["g", "h", "y"], {"name": "model", "spec": spec})
    tables = [a_site(name, seed, fine=fine) for seed, name in enumerate("abc")]
    return run_locally(study, tables, full=full)["model"]


@pytest.mark.parametrize("name", MODELS)
def test_whole_years_and_a_gene_earn_a_hundredth_of_a_standard_error(name: str) -> None:
    full, earned = found(MODELS[name], full=True), found(MODELS[name], full=False)
    coef, se = np.ravel(full.coef), np.ravel(full.se)
    # Dithers of 0.01 by center and sites, half a unit of at most 0.025: six of the one, and the other.
    assert np.all(np.abs(np.ravel(earned.coef) - coef) < 0.12 * se)
    assert not np.any(np.ravel(earned.coef) == coef)
    np.testing.assert_allclose(np.ravel(earned.se), se, rtol=0.15)
    np.testing.assert_array_equal(two_digits(np.diag(earned.covariance)), np.diag(earned.covariance))
    assert np.linalg.eigvalsh(earned.covariance).min() > 0
    assert earned.loglik == round(earned.loglik, 2)
    assert earned.loglik == pytest.approx(full.loglik, abs=0.05)


@pytest.mark.parametrize("name", MODELS)
def test_people_whom_a_fine_covariate_tells_apart_earn_all_digits(name: str) -> None:
    full, earned = (found(MODELS[name], full=full, fine=True) for full in (True, False))
    np.testing.assert_array_equal(earned.coef, full.coef)


def test_a_path_of_ridges_earns_as_much_and_no_more() -> None:
    spec = {**MODELS["logistic"], "protocol": "penalized_logistic", "l1_ratio": 0, "lambdas": [1, 0.01]}
    full, earned = (found(spec, full=digits) for digits in (True, False))
    assert not np.any(earned.coef == full.coef)
    plain = found(MODELS["logistic"], full=True)
    assert np.all(np.abs(earned.coef - full.coef) < 0.12 * plain.se[1:])
    np.testing.assert_allclose(earned.df, full.df, rtol=0.1)
    fine = [found(spec, full=digits, fine=True).coef for digits in (True, False)]
    np.testing.assert_array_equal(*fine)


def test_a_run_that_is_computed_again_has_its_dither_again() -> None:
    first, again = (found(MODELS["logistic"], full=False) for _ in range(2))
    np.testing.assert_array_equal(first.coef, again.coef)


def test_runs_that_are_averaged_come_no_nearer_than_one() -> None:
    study = a_study_of(["g", "h", "y"], {"name": "model", "spec": MODELS["logistic"]})
    tables = {name: a_site(name, seed) for seed, name in enumerate("abc")}
    sites = LocalSites(study, tables, full=False)
    runs = [
        conduct(study, sites, run=str(k), roster=tuple(tables), side=InOneProcess(bytes([k]) * 32))["model"]
        for k in range(24)
    ]
    full = run_locally(study, list(tables.values()))["model"]
    errors = np.array([run.coef - full.coef for run in runs]) / full.se
    assert len(np.unique(errors[:, 1])) >= 3  # the center's dither is another one in each
    mean, noise = np.abs(errors.mean(axis=0)), errors.std(axis=0) / np.sqrt(len(runs))
    assert np.all(noise < 0.005)
    assert mean.max() > 0.006


def test_a_rounded_covariance_stays_positive_definite() -> None:
    draw = np.random.default_rng(0)
    for _ in range(50):
        p = int(draw.integers(2, 12))
        factor = draw.normal(size=(p, p)) * 10.0 ** draw.integers(-6, 6, size=(p, 1))
        covariance = factor @ factor.T
        coef, kept = rounded(draw.normal(size=p), covariance)
        assert np.linalg.eigvalsh(kept / np.sqrt(np.outer(np.diag(kept), np.diag(kept)))).min() > 0
        np.testing.assert_allclose(np.diag(kept), np.diag(covariance), rtol=0.051)
        assert coef.shape == (p,)


def test_a_unit_is_one_two_or_five_and_not_below_what_is_asked() -> None:
    least = np.array([0.01, 0.011, 0.02, 0.03, 0.05, 0.051, 3.0])
    found = to_unit(np.full(7, 7.123456), least)
    assert found.tolist() == [7.12, 7.12, 7.12, 7.1, 7.1, 7.1, 5.0]  # units .01 .02 .02 .05 .05 .1 5
    assert two_digits(np.array([0.0, 0.001234, -98765.0])).tolist() == [0.0, 0.0012, -99000.0]


def test_a_study_that_wishes_for_no_digits_has_the_hash_that_it_had() -> None:
    plain, full = a_study(), a_study(digits="full")
    assert b"digits" not in plain.canonical()
    assert plain.hash() != full.hash()
    assert parse_study(full.canonical()) == full
    assert Study.model_validate(plain.model_dump(by_alias=True)).hash() == plain.hash()
