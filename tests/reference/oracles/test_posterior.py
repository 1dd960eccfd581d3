"""What a finding says of a gene over three hospitals, against statsmodels' intervals and exact fractions."""

import json
from typing import Any

import numpy as np
import pytest

from protocols.applications.posterior_result import PosteriorResult
from protocols.core.table import AnalysisTable
from protocols.estimation.two_by_two import shifted
from protocols.exchange.local import run_locally
from tests.lib.drawn_sites import study_of
from tests.lib.shared import shared
from tests.reference.oracles.conftest import Holds

INTERVALS = {"wilson": "wilson", "clopper-pearson": "beta", "jeffreys": "jeffreys"}


@pytest.fixture(scope="module")
def oracle() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(shared("oracles/reference/bayes_give.json").read_text())
    return found


def hospitals(tables: dict[str, list[int]]) -> list[AnalysisTable]:
    """A table of people for each site's F+G+, F+G-, F-G+ and F-G-."""
    signs = np.array([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    rows = {site: np.repeat(signs, people, axis=0) for site, people in tables.items()}
    return [
        AnalysisTable(site, 1000 * k + np.arange(len(x)), {"sex": x[:, 0], "idh1": x[:, 1]})
        for k, (site, x) in enumerate(rows.items())
    ]


def found_in(oracle: dict[str, Any], **changes: Any) -> PosteriorResult:
    truth = oracle["gene_given_feature"]
    prevalences = [at["prevalence"] for at in truth["at_prevalence"]]
    spec = {"protocol": "posterior", "gene": "idh1", "finding": "sex", "prevalences": prevalences, **changes}
    sites = hospitals(truth["tables_F+G+,F+G-,F-G+,F-G-"])
    found = run_locally(study_of(spec, min_sites=3), sites)["a0"]
    assert isinstance(found, PosteriorResult)
    return found


def test_rates_and_ratios_are_exact_fractions(oracle: dict[str, Any], holds: Holds) -> None:
    truth, found = oracle["gene_given_feature"], found_in(oracle)
    names = {
        "P_F_given_G": found.sensitivity,
        "P_notF_given_notG": found.specificity,
        "P_G_given_F": found.ppv,
        "P_notG_given_notF": found.npv,
        "lr_positive": found.lr_positive,
        "lr_negative": found.lr_negative,
        "diagnostic_odds_ratio": found.odds_ratio,
    }
    for name, estimate in names.items():
        holds("P(G|F), exact fractions", estimate[0, 0], truth[name], rtol=1e-12)
    holds("P(G|F), exact fractions", found.prevalence[0], truth["prevalence"], rtol=1e-12)
    tp, fp, _, _ = truth["pooled"]
    holds("P(G|F), exact fractions", found.positive[:, 0], [fp, tp], rtol=0)


@pytest.mark.parametrize("interval", INTERVALS)
def test_intervals_of_shares_are_those_of_statsmodels(
    oracle: dict[str, Any], holds: Holds, interval: str
) -> None:
    truth = oracle["gene_given_feature"]["intervals95"][INTERVALS[interval]]
    found = found_in(oracle, interval=interval)
    for name, estimate in {"ppv": found.ppv, "sens": found.sensitivity, "spec": found.specificity}.items():
        holds(f"P(G|F), {interval} intervals", estimate[0, 1:], truth[name], rtol=1e-8)


def test_predictive_values_elsewhere(oracle: dict[str, Any], holds: Holds) -> None:
    truth, found = oracle["gene_given_feature"], found_in(oracle)
    for p, at in enumerate(truth["at_prevalence"]):
        holds("P(G|F) at another prevalence", found.ppv_there[p, 0, 0], at["ppv"], rtol=1e-10)
        holds("P(G|F) at another prevalence", found.npv_there[p, 0, 0], at["npv"], rtol=1e-10)
        holds("logit intervals (Mercaldo)", found.ppv_there[p, 0, 1:], at["ppv_logit_interval95"], rtol=1e-8)
        posterior = [at["ppv_beta_posterior"]["median"], *at["ppv_beta_posterior"]["interval95"]]
        holds("posterior quantiles", found.ppv_credible[p, 0], posterior, rtol=1e-6)
    drawn = truth["posterior_monte_carlo_1e6_at_first_prevalence"]
    holds("posterior quantiles, drawn", found.ppv_credible[0, 0][[1, 0, 2]], drawn, rtol=3e-3)


def test_a_probability_moves_with_the_prevalence(oracle: dict[str, Any], holds: Holds) -> None:
    cases = oracle["prevalence_shift_scores"]
    score, train, target, adjusted = np.array([list(case.values()) for case in cases]).T
    holds("scores at another prevalence", shifted(score, train, target), adjusted, rtol=1e-12)
