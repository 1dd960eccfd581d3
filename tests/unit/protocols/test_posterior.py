"""What a finding says of a gene: where few people are, at single sites, for a probability, in figures."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from protocols.applications.posterior_result import PosteriorResult
from protocols.core.errors import StudyError
from protocols.core.figure import Curves, Estimates
from protocols.core.protocol import parse_spec
from protocols.core.table import AnalysisTable, Floats
from protocols.estimation.roc import exact_auc
from protocols.estimation.two_by_two import at_prevalence, isotonic, likelihood_ratio, shifted
from protocols.exchange.local import run_locally
from tests.lib.drawn_sites import study_of

SITES = "abc"


def tables(**columns: Floats) -> list[AnalysisTable]:
    """Three equal parts of these columns, as three sites."""
    parts = {name: np.array_split(column.astype(float), 3) for name, column in columns.items()}
    people = np.array_split(np.arange(len(next(iter(columns.values())))), 3)
    return [
        AnalysisTable(site, people[k], {name: part[k] for name, part in parts.items()})
        for k, site in enumerate(SITES)
    ]


def run(sites: list[AnalysisTable], cells: str = "coarse", **spec: Any) -> PosteriorResult:
    study = study_of({"protocol": "posterior", "gene": "idh1", **spec}, cells=cells)
    found = run_locally(study, sites)["a0"]
    assert isinstance(found, PosteriorResult)
    return found


def signs(tp: int, fn: int, fp: int, tn: int) -> list[AnalysisTable]:
    """Three sites over which people with and without a sign and a gene are spread evenly."""
    both = np.repeat([[1, 1], [0, 1], [1, 0], [0, 0]], [tp, fn, fp, tn], axis=0)
    order = np.argsort(np.arange(len(both)) % 3, kind="stable")
    return tables(sex=both[order, 0], idh1=both[order, 1])


def drawn(seed: int = 1, n: int = 600) -> tuple[Floats, Floats]:
    draw = np.random.default_rng(seed)
    gene = (draw.uniform(size=n) < 0.4).astype(float)
    return gene, draw.normal(50 - 10 * gene, 10)


def test_a_specific_sign_of_few_false_positives_shows_its_sensitivity_alone() -> None:
    found = run(signs(tp=30, fn=40, fp=3, tn=120), finding="sex")
    assert found.sensitivity[0, 0] == pytest.approx(30 / 70)
    assert np.isnan(found.specificity).all()
    assert np.isnan(found.ppv).all()
    assert found.positive.tolist() == [[-1], [30]]
    assert "cells: exact" in found.why


def test_where_cells_may_be_exact_every_number_is_shown() -> None:
    found = run(signs(tp=30, fn=40, fp=3, tn=120), finding="sex", cells="exact", prevalences=[0.1])
    assert found.positive.tolist() == [[3], [30]]
    assert found.ppv[0, 0] == pytest.approx(30 / 33)
    assert found.why == ""


def test_nothing_is_said_of_a_gene_that_few_people_have() -> None:
    with pytest.raises(StudyError, match="fewer than 10 people with or without idh1"):
        run(signs(tp=3, fn=3, fp=60, tn=60), finding="sex")


def test_a_low_measurement_is_the_mirror_of_a_high_one() -> None:
    gene, age = drawn()
    low = run(tables(idh1=gene, age=age), finding="age", cuts=[42.5, 50], low_is_positive=True)
    high = run(tables(idh1=gene, age=-age), finding="age", cuts=[-50, -42.5])
    for name in ("sensitivity", "ppv", "npv", "lr_positive", "positive"):
        np.testing.assert_allclose(
            getattr(low, name), np.flip(getattr(high, name), axis=-1 if name == "positive" else 0)
        )
    np.testing.assert_allclose(low.monotone, high.monotone[::-1])
    assert low.auc == pytest.approx(high.auc)


def test_p_of_the_gene_by_interval_never_falls_where_it_is_smoothed() -> None:
    gene, age = drawn(3)
    found = run(tables(idh1=gene, age=age), finding="age", cuts=[30, 40, 45, 50, 60], low_is_positive=True)
    assert (np.diff(found.monotone) <= 0).all()
    assert found.by_interval.sum() == 600
    bins = np.digitize(age, [40, 45, 50, 60]) if len(found.intervals) == 5 else None
    if bins is not None:
        assert found.auc == pytest.approx(exact_auc(gene, -bins.astype(float)))


def test_a_sites_own_numbers_are_shown_where_every_site_has_enough_people() -> None:
    gene, age = drawn(2, 900)
    sites = tables(idh1=gene, age=age)
    found = run(sites, finding="age", cuts=[42, 50], low_is_positive=True, per_site=True)
    assert sorted(found.by_site) == list(SITES)
    for table in sites:
        with_gene = table.columns["age"][table.columns["idh1"] == 1]
        ours = found.by_site[table.site].sensitivity[:, 0]
        np.testing.assert_allclose(ours, [(with_gene < 42).mean(), (with_gene < 50).mean()])
    assert all(differ is not None for differ in found.differ_sensitivity)


def test_no_site_is_shown_where_one_of_them_would_follow_from_the_others() -> None:
    """The total less what two sites show is the third: its few people with the gene."""
    gene, age = drawn(4, 900)
    first, second, third = tables(idh1=gene, age=age)
    few = third.columns["idh1"].copy()
    few[np.flatnonzero(few == 1)[6:]] = 0
    third = replace(third, columns={**third.columns, "idh1": few})
    found = run([first, second, third], finding="age", cuts=[42, 50], low_is_positive=True, per_site=True)
    assert found.by_site == {}
    narrow = run(
        tables(idh1=gene, age=age), finding="age", cuts=[30, 42], low_is_positive=True, per_site=True
    )
    for there in narrow.by_site.values():
        assert np.isnan(there.specificity[0]).all()


def test_a_probability_is_recalibrated() -> None:
    draw = np.random.default_rng(5)
    log_odds = draw.normal(0, 1.5, 6000)
    gene = (draw.uniform(size=6000) < 1 / (1 + np.exp(-(0.5 + 0.7 * log_odds)))).astype(float)
    risk = 1 / (1 + np.exp(-log_odds))
    cuts = [round(0.05 * k, 2) for k in range(1, 20)]
    found = run(tables(idh1=gene, age=risk), finding="age", cuts=cuts, is_probability=True)
    assert found.calibration_intercept == pytest.approx(0.5, abs=0.1)
    assert found.calibration_slope == pytest.approx(0.7, abs=0.06)
    assert np.isnan(run(tables(idh1=gene, age=risk), finding="age", cuts=cuts).calibration_slope)


def test_a_probability_beyond_one_is_refused_without_its_value() -> None:
    gene, age = drawn()
    with pytest.raises(Exception) as caught:
        run(tables(idh1=gene, age=age), finding="age", cuts=[0.5], is_probability=True)
    assert not any(f"{value:g}" in str(caught.value) for value in age)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"cuts": [2, 1]}, "cuts ascend"),
        ({"finding": "idh1"}, "the gene itself"),
        ({"is_probability": True, "low_is_positive": True}, "leave low_is_positive out"),
        ({"prevalences": [1.0]}, "less than 1"),
    ],
)
def test_a_wrong_study_is_refused(spec: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_spec({"protocol": "posterior", "gene": "idh1", "finding": "age", **spec})


def test_a_sign_that_is_never_wrong_has_an_end_of_its_intervals() -> None:
    found = likelihood_ratio(20, 40, 0, 50, 0.95)
    assert found[0] == np.inf
    assert 2 < found[1] < 41
    ppv, npv = at_prevalence(20, 20, 0, 50, 0.2, 0.95)
    assert ppv[0] == 1
    assert 0.4 < ppv[1] < ppv[2] <= 1
    assert npv[1] < npv[0] < npv[2]


def test_odds_move_with_the_prior_odds() -> None:
    assert shifted(0.5, 0.5, 0.2) == pytest.approx(0.2)
    assert shifted([0.0, 1.0], 0.3, 0.6).tolist() == [0.0, 1.0]


def test_violators_are_pooled() -> None:
    np.testing.assert_allclose(isotonic(np.array([1.0, 4, 2, 9]), np.full(4, 10.0)), [0.1, 0.3, 0.3, 0.9])


def test_the_figure_shows_what_is_known() -> None:
    gene, age = drawn(2, 900)
    sites = tables(idh1=gene, age=age)
    one = run(sites, finding="age", cuts=[45], low_is_positive=True, per_site=True).figure()
    assert [type(panel) for panel in one.panels] == [
        Estimates,
        Estimates,
        Curves,
        Estimates,
        Estimates,
        Curves,
    ]
    several = run(sites, finding="age", cuts=[42, 50], low_is_positive=True).figure()
    assert isinstance(several.panels[0], Curves)
    hidden = run(signs(tp=30, fn=40, fp=3, tn=120), finding="sex").figure()
    assert len(hidden.panels) == 2
    assert "cells: exact" in hidden.caption
