"""Typing: missing values, few people, sets of classes, use as a model of a probability."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from protocols.applications.class_model import ABSENT, ClassModel
from protocols.applications.typing_fit import level_counts, thresholds
from protocols.applications.typing_result import TypingResult
from protocols.applications.typing_spec import TypingSpec
from protocols.core.errors import StudyError
from protocols.core.protocol import parse_spec
from protocols.core.table import AnalysisTable
from protocols.exchange.example import run_example
from protocols.exchange.local import run_locally
from protocols.validation.discrimination import DiscriminationResult
from tests.lib.drawn_sites import study_of

MODEL: dict[str, Any] = {
    "protocol": "typing",
    "outcome": "response",
    "classes": [0, 1, 2],
    "measured": ["f_one", "f_two"],
    "coded": {"sex": [0, 1]},
}


def drawn(n: int = 200, signs: tuple[float, ...] = (0.2, 0.5, 0.8), seed: int = 1) -> list[AnalysisTable]:
    """Three sites of three classes: two measured features that go together, and a sign."""
    found = []
    for k, site in enumerate("abc"):
        draw = np.random.default_rng([seed, k])
        of_class = draw.integers(0, 3, n)
        noise = draw.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], n)
        x = noise + np.array([[0, 0], [1.5, 0], [0, 2.0]])[of_class]
        columns = {
            "response": of_class.astype(float),
            "f_one": x[:, 0],
            "f_two": x[:, 1],
            "sex": (draw.uniform(size=n) < np.array(signs)[of_class]).astype(float),
        }
        found.append(AnalysisTable(site, 1000 * k + np.arange(n), columns))
    return found


def run(sites: list[AnalysisTable], cells: str = "coarse", **changes: Any) -> TypingResult:
    found = run_locally(study_of({**MODEL, **changes}, cells=cells), sites)["a0"]
    assert isinstance(found, TypingResult)
    return found


def two_classes() -> ClassModel:
    covariance = np.array([[[2.0, 0.5], [0.5, 1.0]], [[1.0, -0.3], [-0.3, 3.0]]])
    mean, shares = np.array([[0.0, 1.0], [2.0, 0.0]]), np.array([[0.3, 0.7], [0.9, 0.1]])
    return ClassModel(np.array([0.25, 0.75]), mean, covariance, shares, np.array([2]))


def test_what_is_missing_is_integrated_out() -> None:
    model = two_classes()
    x, nothing = np.array([[0.4, np.nan]]), np.array([[ABSENT]])
    grid = np.linspace(-30, 30, 20_001)
    every = np.column_stack([np.full(len(grid), 0.4), grid])
    density = np.exp(model.log_density(every, np.full((len(grid), 1), ABSENT)))
    integral = density.sum(axis=0) * (grid[1] - grid[0])
    np.testing.assert_allclose(np.exp(model.log_density(x, nothing))[0], integral, rtol=1e-10)
    both = sum(np.exp(model.log_density(x, np.array([[level]]))) for level in (0, 1))
    np.testing.assert_allclose(both, np.exp(model.log_density(x, nothing)), rtol=1e-12)


def test_densities_of_many_patterns_are_those_of_scipy() -> None:
    model, draw = two_classes(), np.random.default_rng(1)
    x, codes = draw.normal(0, 2, (40, 2)), draw.integers(-1, 2, (40, 1))
    x[draw.uniform(size=x.shape) < 0.3] = np.nan
    for person, code, found in zip(x, codes[:, 0], model.log_density(x, codes), strict=True):
        for c in (0, 1):
            expected = np.log(model.shares[c, code]) if code != ABSENT else 0.0
            known = ~np.isnan(person)
            if known.any():
                part = multivariate_normal(model.mean[c, known], model.covariance[c][np.ix_(known, known)])
                expected += part.logpdf(person[known])
            assert found[c] == pytest.approx(expected)


def test_of_a_person_of_whom_nothing_is_known_the_prior_is_said() -> None:
    p = two_classes().probabilities(np.full((1, 2), np.nan), np.array([[ABSENT]]))
    np.testing.assert_allclose(p, [[0.25, 0.75]])


def test_a_person_far_from_every_class_is_not_typical() -> None:
    model = two_classes()
    chance = model.typicality(np.array([[0.0, 1.0], [40.0, -40.0], [np.nan, np.nan], [np.nan, 1.0 + 1.96]]))
    np.testing.assert_allclose(chance[[0, 2]], 1.0)
    assert chance[1] < 1e-12
    assert chance[3] == pytest.approx(max(2 * norm.sf(1.96), 2 * norm.sf(2.96 / np.sqrt(3))), rel=1e-3)


def test_a_rare_sign_is_not_asked_for_and_speaks_less_loudly() -> None:
    sites = drawn(signs=(0.04, 0.5, 0.5))
    carriers = sum(int(((t.columns["response"] == 0) & (t.columns["sex"] == 1)).sum()) for t in sites)
    assert 0 < carriers < 10
    coarse, exact = run(sites), run(sites, cells="exact")
    assert coarse.guessed.tolist() == [[True, True], [False, False], [False, False]]
    assert not exact.guessed.any()
    assert coarse.shares[0, 1] == pytest.approx((5 + 1) / (coarse.n[0] + 2))
    assert exact.shares[0, 1] == pytest.approx((carriers + 1) / (exact.n[0] + 2))
    np.testing.assert_allclose(coarse.shares[1:], exact.shares[1:])
    np.testing.assert_allclose(coarse.mean, exact.mean)


def test_levels_that_are_hidden_hold_the_people_who_are_left() -> None:
    counts = np.array([[60, 0, 0, 0]])
    shown, enough = np.array([[1, 0, 0, 0]]), np.array([[True, True, False, False]])
    found = level_counts(counts, shown, enough, np.array([100]), 10)
    np.testing.assert_allclose(found, [[60, 30, 5, 5]])
    few = level_counts(
        np.zeros((1, 2), int), np.zeros((1, 2), int), np.array([[False, False]]), np.array([6]), 10
    )
    np.testing.assert_allclose(few, [[3, 3]])


def test_no_answer_has_a_level_that_few_people_of_a_class_have() -> None:
    found = run(drawn(signs=(0.01, 0.5, 0.5)))
    assert found.shares[0, 0] + found.shares[0, 1] == pytest.approx(1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda x: {**x, "response": np.where(x["response"] == 2, 3.0, x["response"])},
            "people have response 2",
        ),
        (
            lambda x: {**x, "f_one": (np.arange(len(x["f_one"])) % 97 == 0).astype(float)},
            "differ from the rest in f_one",
        ),
        (
            lambda x: {**x, "f_two": np.where(np.arange(len(x["f_two"])) == 3, 1e9, x["f_two"])},
            "nearly all of f_two",
        ),
    ],
)
def test_a_class_or_feature_of_few_people_is_refused(change: Any, words: str) -> None:
    sites = [replace(table, columns=change(table.columns)) for table in drawn()]
    with pytest.raises(StudyError, match=words):
        run(sites)


def test_a_class_that_two_sites_have_is_refused() -> None:
    first, second, third = drawn()
    column = third.columns["response"]
    third = replace(third, columns={**third.columns, "response": np.where(column == 2, 1.0, column)})
    with pytest.raises(StudyError, match="fewer than 3 sites have enough people of response 2"):
        run([first, second, third])


def test_features_that_follow_from_each_other_are_refused_by_class() -> None:
    sites = [replace(t, columns={**t.columns, "f_two": 2 * t.columns["f_one"]}) for t in drawn()]
    with pytest.raises(StudyError, match="response 0, 1, 2 do not vary, or follow"):
        run(sites, covariance="own")
    assert run(sites).mean.shape == (3, 2)


def test_a_value_beyond_the_levels_is_refused_without_it() -> None:
    sites = [replace(t, columns={**t.columns, "sex": t.columns["sex"] + 7}) for t in drawn()]
    with pytest.raises(Exception) as caught:
        run(sites)
    assert "7" not in str(caught.value)
    assert "8" not in str(caught.value)


@pytest.mark.parametrize("within", ["all", "class"])
def test_sets_hold_the_true_class_as_often_as_they_promise(within: str) -> None:
    """Of people whom neither the model nor the thresholds have seen."""
    found = run(drawn(2000), covariance="shared", conformal={"miss": 0.1, "within": within})
    assert found.sets is not None
    columns = [t.columns for t in drawn(4000, seed=2)]
    y, x, sign = (
        np.concatenate([np.atleast_2d(c[n]).T for c in columns]) for n in ("response", "f_one", "sex")
    )
    second = np.concatenate([c["f_two"] for c in columns])
    p = found.model().probabilities(np.column_stack([x, second]), sign.astype(int))
    holds = (1 - p <= found.sets.threshold)[np.arange(len(y)), y[:, 0].astype(int)]
    assert holds.mean() > 0.9 - 0.02  # 2,000 people calibrate: three standard errors of their quantile
    if within == "class":
        for c in range(3):
            assert holds[y[:, 0] == c].mean() > 0.9 - 0.035
    covered = found.sets.covered.sum() / found.sets.n
    assert 0.9 <= covered < 0.95
    assert 1 <= found.sets.size < 3


def test_thresholds_are_the_quantile_of_scores_and_one_where_people_are_too_few() -> None:
    spec = parse_spec({**MODEL, "conformal": {"miss": 0.1, "bins": 10, "within": "class"}})
    assert isinstance(spec, TypingSpec)
    scores = np.zeros((3, 10), dtype=np.int64)
    scores[0, :5], scores[1, 0], scores[2, 9] = 20, 12, 12
    found, covered = thresholds(spec, scores, 10)
    np.testing.assert_allclose(found, [0.5, 0.1, 1.0])  # the 91st of 100; the 12th of 12
    assert covered.tolist() == [100, 12, 12]
    rare = parse_spec({**MODEL, "conformal": {"miss": 0.01, "bins": 10, "within": "class"}})
    assert isinstance(rare, TypingSpec)
    np.testing.assert_allclose(
        thresholds(rare, scores, 10)[0], [0.5, 1, 1]
    )  # the 100th of 100; the 13th of 12
    with pytest.raises(StudyError, match="fewer than 10 people who calibrate have response 1"):
        thresholds(spec, np.maximum(scores - np.array([[0], [5], [0]]), 0), 10)


def test_coverage_by_site_is_shown_where_every_site_can_show_it() -> None:
    conformal = {"miss": 0.3, "folds": 2}
    found = run(drawn(400), conformal=conformal, per_site=True)
    assert found.sets is not None
    assert sorted(found.sets.by_site) == ["a", "b", "c"]
    assert sum(n for n, _ in found.sets.by_site.values()) == found.sets.n
    total = sum(n * covered for n, covered in found.sets.by_site.values())
    assert total == pytest.approx(found.sets.covered.sum())
    few = run(drawn(60), conformal=conformal | {"miss": 0.05}, per_site=True)
    assert few.sets is not None
    assert few.sets.by_site == {}


def test_the_prevalence_where_the_model_is_used_is_its_prior() -> None:
    found, there = run(drawn()), run(drawn(), prevalences=[0.8, 0.1, 0.1])
    np.testing.assert_allclose(found.mean, there.mean)
    x, codes = np.array([[0.7, 0.7]]), np.array([[1]])
    ours, moved = (f.model().probabilities(x, codes) for f in (found, there))
    odds = (moved[:, 0] / moved[:, 1]) / (ours[:, 0] / ours[:, 1])
    np.testing.assert_allclose(odds, 8 / (found.prior[0] / found.prior[1]))


def test_it_is_a_model_that_is_validated_like_others() -> None:
    model = {"protocol": "typing", "outcome": "idh1", "measured": ["age", "entropy"], "covariance": "own"}
    found = run_example(protocol="discrimination", model=model)
    logistic = {"protocol": "logistic", "outcome": "idh1", "covariates": ["age", "entropy"]}
    theirs = run_example(protocol="discrimination", model=logistic)
    assert isinstance(found, DiscriminationResult)
    assert isinstance(theirs, DiscriminationResult)
    assert found.auc == pytest.approx(theirs.auc, abs=0.02)
    with pytest.raises(ValueError, match="leave `conformal` out"):
        run_example(protocol="discrimination", model={**model, "conformal": {}})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"measured": [], "coded": {}}, "name features"),
        ({"measured": ["response"]}, "not the outcome among them"),
        ({"coded": {"sex": [1, 1]}}, "a level of sex is listed twice"),
        ({"classes": [1, 1]}, "a level of classes is listed twice"),
        ({"prevalences": [0.5, 0.5]}, "one for each class"),
        ({"per_site": True}, "needs `conformal`"),
    ],
)
def test_a_wrong_study_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_spec({**MODEL, **changes})


def test_the_figure_shows_means_shares_and_sets() -> None:
    found = run(drawn(), conformal={"miss": 0.2})
    figure = found.figure()
    assert [panel.title for panel in figure.panels] == [
        "Means about that of all, in standard deviations within a class",
        "Shares within the class",
        "Sets of classes",
    ]
    signs_alone = run(drawn(), measured=[]).figure()
    assert len(signs_alone.panels) == 1


def test_a_site_with_few_people_of_a_class_adds_nothing_of_it_and_is_not_one_of_the_three() -> None:
    sites = [*drawn(), replace(drawn(seed=2)[0], site="d", persons=np.arange(200) + 9000)]
    of_class = sites[3].column("response")
    few = np.flatnonzero(of_class == 2)[3:]
    kept = np.isin(np.arange(200), few, invert=True)
    huge = np.where(of_class == 2, 1e3, sites[3].column("f_one"))
    sites[3] = sites[3].with_columns({"f_one": huge}).select(kept)  # three of class 2, far out
    for covariance in ("diagonal", "own"):
        with_d, without = (run(some, covariance=covariance) for some in (sites, sites[:3]))
        assert with_d.n[2] == without.n[2]
        np.testing.assert_allclose(with_d.mean[2], without.mean[2], rtol=1e-9)
    with pytest.raises(StudyError, match="fewer than 3 sites have enough people of response 2"):
        run([sites[0], sites[1], sites[3]])


def test_under_a_matrix_nobody_is_in_a_sum_who_lacks_a_feature() -> None:
    whole = drawn()
    lacks = np.where(np.arange(200) == 7, np.nan, whole[0].column("f_two"))
    sites = [whole[0].with_columns({"f_two": lacks}), *whole[1:]]
    found = run(sites, covariance="own")
    without = run([whole[0].select(np.arange(200) != 7), *whole[1:]], covariance="own")
    assert found.known.T.tolist() == [without.known[:, 0].tolist()] * 2
    np.testing.assert_allclose(found.mean, without.mean, rtol=1e-9)
    np.testing.assert_allclose(found.covariance, without.covariance, rtol=1e-9)
