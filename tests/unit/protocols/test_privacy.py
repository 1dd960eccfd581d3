"""Analyses with differential privacy: the noise and its law, what a person adds, results without bias."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import stats
from scipy.sparse import csr_array

from protocols.core.disclosure import Thresholds
from protocols.core.errors import Code, SpecError, StudyError
from protocols.core.privacy import Privacy, summed
from protocols.core.protocol import ask
from protocols.core.study import Study, parse_study
from protocols.core.table import AnalysisTable
from protocols.describe.histogram import HistogramSpec
from protocols.estimation.noisy import products, products_of
from protocols.exchange.local import run_locally
from protocols.exchange.site_answer import answer
from protocols.regression import noisy_models
from protocols.survival.kaplan_meier import KaplanMeierSpec, noisy_result
from server.report.methods import methods
from tests.lib.studies import a_study_of

RANGES = {"age": [20, 90], "x": [-4, 4], "w": [-20, 80], "g": [0, 1]}
BUDGET: dict[str, Any] = {"epsilon": 3.0, "delta": 1e-5, "ranges": RANGES}
MODEL = ["age", "x", "g"]
SPECS: dict[str, dict[str, Any]] = {
    "crosstab": {"rows": "g", "columns": "y"},
    "histogram": {"of": "age", "edges": [30, 40, 50, 60, 70, 80], "by": "g"},
    "quantiles": {"of": [{"variable": "age", "low": 0, "high": 120, "resolution": 0.1}]},
    "summary": {"of": ["age", "x"], "by": "g", "cross": [["g", "y"]]},
    "linear": {"outcome": "w", "covariates": MODEL},
    "logistic": {"outcome": "y", "covariates": MODEL},
    "kaplan_meier": {"outcome": "os", "by": "g", "quantiles": [0.5]},
}


def a_hospital(site: str, seed: int, n: int = 1000, secret: int = 0) -> AnalysisTable:
    draw = np.random.default_rng(seed)
    age, x = draw.normal(55, 10, n), draw.normal(size=n)
    g = (draw.uniform(size=n) < 0.4).astype(float)
    chance = 1 / (1 + np.exp(-(0.05 * (age - 55) + 0.8 * x - 0.5 * g - 0.3)))
    columns = {
        "age": age,
        "x": x,
        "g": g,
        "y": (draw.uniform(size=n) < chance).astype(float),
        "w": 0.5 * age + 3 * x + draw.normal(0, 2, n),
        "os.time": np.ceil(draw.exponential(500, n)),
        "os.event": (draw.uniform(size=n) < 0.7).astype(float),
    }
    key = (1000 * secret + seed).to_bytes(32, "big")
    return AnalysisTable(site, np.arange(n) + 100_000 * seed, columns, secret=key)


def hospitals(secret: int = 0, n: int = 1000) -> list[AnalysisTable]:
    return [a_hospital(site, seed + 1, n, secret) for seed, site in enumerate("abc")]


def a_study(name: str, privacy: dict[str, Any] | None = BUDGET, **changes: Any) -> Study:
    spec = {"protocol": name, **SPECS[name], **changes} | ({"privacy": privacy} if privacy else {})
    return a_study_of(["age", "x", "g", "y", "w"], {"name": "a", "spec": spec}, survival=["os"])


@pytest.mark.parametrize(
    ("budget", "noise", "tight"),
    [
        ((1.0, 1e-5, 1), 4.045877947405883, 0.91482762276873),
        ((3.0, 1e-5, 14), 5.587898637341119, 2.767083362694435),
        ((0.5, 1e-6, 1), 8.680692352707954, 0.46169345496798087),
        ((8.0, 1e-4, 14), 2.1770055266439163, 7.340383694450281),
    ],
)
def test_the_noise_is_that_of_other_accountants(
    budget: tuple[float, float, int], noise: float, tight: float
) -> None:
    """dp-accounting 0.6.0: rdp.RdpAccountant gives these noises the epsilon to 4e-4; pld says `tight`."""
    epsilon, delta, rounds = budget
    found = Privacy(epsilon=epsilon, delta=delta).deviation(rounds)
    assert found == pytest.approx(noise, rel=1e-12)
    assert tight < epsilon


def test_the_noise_of_two_sites_is_the_whole_and_normal() -> None:
    """Of 4,040 cells that nobody is in; all three sites add a share, of which two are enough."""
    edges = [float(e) for e in range(201)]
    spec = {"of": "age", "edges": edges, "by": "g", "levels": [float(v) for v in range(20)]}
    study = a_study("histogram", **spec)
    nobody = [t.with_columns({"age": np.full(len(t), np.nan)}) for t in hospitals(n=30)]
    shares = []
    for table in nobody:
        question = replace(ask("private_sums", round=0), analysis="a")
        shares.append(answer(study, table, question, Thresholds()).arrays["sums"])
    whole = Privacy.model_validate(BUDGET).deviation(1)
    two = (shares[0] + shares[1]) / whole
    assert len(two) == 4040
    assert stats.kstest(two, "norm").pvalue > 1e-3
    assert abs(two.std() - 1) < 4 / np.sqrt(2 * len(two))
    assert abs(np.corrcoef(shares[0], shares[1])[0, 1]) < 4 / np.sqrt(len(two))
    noised = run_locally(study, hospitals(n=30))["a"].noised
    assert np.sum(shares, axis=0).std() == pytest.approx(noised.deviation, rel=4 / np.sqrt(2 * 4040))


def test_the_same_question_has_the_same_noise_and_other_values_have_other_noise() -> None:
    first, again = (run_locally(a_study("crosstab"), hospitals())["a"].counts for _ in range(2))
    assert first.tolist() == again.tolist()
    table = hospitals()[0]
    question = replace(ask("private_sums", round=0), analysis="a")
    moved = table.with_columns({"y": np.append(1 - table.column("y")[0], table.column("y")[1:])})
    said = [answer(a_study("crosstab"), t, question, Thresholds()).arrays["sums"] for t in (table, moved)]
    assert np.abs(said[0] - said[1] - np.rint(said[0] - said[1])).max() > 1e-6


@pytest.mark.parametrize("name", SPECS)
def test_no_person_changes_the_sums_by_more_than_a_length_of_1(name: str) -> None:
    spec = a_study(name).spec("a")
    table = a_hospital("a", 1, 60)
    far = {
        c: np.where(np.arange(60) == 3, 1e9, v) for c, v in table.columns.items() if c in ("age", "x", "w")
    }
    table = table.with_columns(far)
    asked = [{}]
    if name == "logistic":
        asked += [{"coef": np.full(4, 9.0)}, {"coef": np.full(4, -9.0), "weighted": np.array(1.0)}]
    for arrays in asked:
        whole = summed(spec.private_rows(table, **arrays))
        assert whole.shape == (spec.private_size(arrays),)
        for person in range(60):
            without = table.select(np.arange(60) != person)
            rest = summed(spec.private_rows(without, **arrays))
            assert np.linalg.norm(whole - rest) <= 1 + 1e-9


def test_longer_rows_are_shortened_whatever_an_analysis_says() -> None:
    rows = np.array([[3.0, 4.0], [0.0, 0.5]])
    assert summed(rows) == pytest.approx([0.6, 1.3])
    assert summed(csr_array(rows)) == pytest.approx([0.6, 1.3])


def test_products_of_columns_are_those_of_the_columns() -> None:
    x = np.random.default_rng(1).uniform(-1, 1, (50, 4))
    assert products_of(summed(products(x)), 4) == pytest.approx(x.T @ x)
    assert np.linalg.norm(products(np.ones((1, 4)))) == pytest.approx(1)


def draws(name: str, count: int) -> list[Any]:
    return [run_locally(a_study(name), hospitals(secret))["a"] for secret in range(1, count + 1)]


def centred(found: np.ndarray, exact: np.ndarray, bias: float = 0.0) -> bool:
    """Whether the mean of (draws, ...) is within four of its errors, and `bias` of a draw's, of the exact."""
    error = found.std(axis=0, ddof=1)
    return bool((np.abs(found.mean(axis=0) - exact) <= (4 / np.sqrt(len(found)) + bias) * error).all())


@pytest.mark.slow
@pytest.mark.parametrize("name", SPECS)
def test_results_over_many_draws_of_noise_are_without_bias(name: str) -> None:
    exact = run_locally(a_study(name, None).model_copy(update={"cells": "exact"}), hospitals())["a"]
    found = draws(name, 60)
    if name == "crosstab":
        assert centred(np.array([f.counts for f in found]), exact.counts, 0.1)  # they are whole numbers
    elif name == "histogram":
        many = exact.counts > 40
        assert centred(np.array([f.counts[many] for f in found]), exact.counts[many], 0.1)
    elif name == "quantiles":
        assert np.abs(np.mean([f.quantiles for f in found], axis=0) - exact.quantiles).max() < 0.5
    elif name == "summary":
        assert centred(np.array([f.total.mean for f in found]), exact.total.mean)
        assert np.abs(np.mean([f.total.sd for f in found], axis=0) / exact.total.sd - 1).max() < 0.02
    elif name == "kaplan_meier":
        days = np.searchsorted(exact.days, [180, 360, 720])
        survival = np.array([f.survival[:, days] for f in found])
        assert np.abs(survival.mean(axis=0) - exact.survival[:, days]).max() < 0.02
    else:  # noise in the products makes the inverse a little too steep
        assert centred(np.array([f.coef for f in found]), exact.coef, 0.35)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["linear", "logistic"])
def test_standard_errors_hold_the_noise(name: str) -> None:
    exact = run_locally(a_study(name, None), hospitals())["a"]
    found = draws(name, 60)
    spread = np.std([f.coef for f in found], axis=0)
    claimed = np.sqrt(np.maximum(np.median([f.se for f in found], axis=0) ** 2 - exact.se**2, 0.0))
    assert (spread < 1.5 * claimed).all()


def test_a_model_of_noise_alone_is_withheld() -> None:
    with pytest.raises(StudyError, match="the noise is larger") as caught:
        run_locally(a_study("linear", {**BUDGET, "epsilon": 0.05}), hospitals(n=40))["a"]
    assert caught.value.code is Code.WITHHELD


def test_coefficients_come_back_to_the_original_scale() -> None:
    low, high = np.array([20.0, -4.0]), np.array([90.0, 4.0])
    x = np.random.default_rng(2).uniform(low, high, (30, 2))
    z = np.column_stack([np.ones(30), 2 * (x - low) / (high - low) - 1])
    coef = np.array([1.0, 2.0, -3.0])
    assert np.column_stack([np.ones(30), x]) @ noisy_models.original(low, high) @ coef == pytest.approx(
        z @ coef
    )


def test_intervals_of_a_noisy_curve_are_joined_until_people_outnumber_the_noise() -> None:
    spec = KaplanMeierSpec.model_validate(
        {"protocol": "kaplan_meier", "outcome": "os", "grid": {"step_days": 30, "until_days": 300}}
    )
    sums = np.zeros((2, 11))
    sums[1, :10], sums[0, 10] = 2.0, 80.0
    noised = run_locally(a_study("kaplan_meier"), hospitals(n=60))["a"].noised
    found = noisy_result(spec, sums.ravel(), replace(noised, deviation=2.0))
    assert (found.events[0] > 0).sum() < 10
    assert found.events[0].sum() == 20
    assert found.n.tolist() == [100]


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("summary", {"per_site": True}, "leave `per_site` out"),
        ("linear", {"intercepts": "site"}, "one intercept and no penalty"),
        ("kaplan_meier", {"entry": "age"}, "leave `entry` out"),
    ],
)
def test_what_has_no_form_with_noise_is_no_study(name: str, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        a_study(name, **changes)


def test_a_range_that_nobody_knows_before_is_asked_for() -> None:
    with pytest.raises(ValidationError, match="value of w must be known before"):
        a_study("linear", {**BUDGET, "ranges": {k: v for k, v in RANGES.items() if k != "w"}})
    with pytest.raises(ValidationError, match="no lowest value below its highest"):
        a_study("linear", {**BUDGET, "ranges": {**RANGES, "w": [5, 5]}})


def test_the_ranges_of_the_study_hold_where_an_analysis_names_none() -> None:
    spec = {"protocol": "linear", **SPECS["linear"], "privacy": {**BUDGET, "ranges": {"age": RANGES["age"]}}}
    of_study = {**RANGES, "age": [0, 120]}
    found = a_study_of(["age", "x", "g", "w"], {"name": "a", "spec": spec}, ranges=of_study)
    expected = {name: tuple(limits) for name, limits in RANGES.items()}
    assert found.model_dump()["analyses"][0]["spec"]["privacy"]["ranges"] == expected
    assert parse_study(found.canonical()).hash() == found.hash()


def test_a_study_runs_over_the_sites_whose_noise_it_rests_on() -> None:
    with pytest.raises(ValidationError, match="rests on 4 sites"):
        a_study("crosstab", {**BUDGET, "honest_sites": 4})


def test_a_study_without_privacy_keeps_its_hash() -> None:
    spec = HistogramSpec.model_validate({"of": "age", "edges": [1, 2]})
    assert "privacy" not in spec.model_dump(mode="json")


def test_sums_with_noise_and_without_cannot_be_asked_for_each_other() -> None:
    table = hospitals()[0]
    for study, step in ((a_study("crosstab"), "cells"), (a_study("crosstab", None), "private_sums")):
        with pytest.raises(SpecError, match="not how its study asks"):
            answer(study, table, replace(ask(step), analysis="a"), Thresholds())


def test_who_approves_and_who_reads_are_told_epsilon_delta_and_the_noise() -> None:
    study = a_study("logistic")
    text = " ".join(study.describe())
    assert "epsilon 3 at delta 1e-05" in text
    assert "has a standard deviation of 5.59" in text
    assert "14 times" in text
    outcome = run_locally(study, hospitals())
    words = outcome["a"].noised.words()
    assert "standard deviation 6.84" in words
    assert outcome["a"].as_dict()["noised"]["epsilon"] == 3.0
    assert words in str(methods(study, outcome).blocks)
