"""Mass-univariate tests over sites: the pooled tests, what is not tested and why, adjusted p-values."""

import numpy as np
import pytest
from scipy.special import polygamma
from scipy.stats import false_discovery_control

from protocols.core.errors import Code, StudyError
from protocols.core.table import AnalysisTable
from protocols.exchange.envelope import unpack
from protocols.exchange.local import run_locally
from protocols.exchange.rounds import Outcome
from protocols.genomics.associate import Associate, AssociateSpec
from protocols.genomics.moderation import inverse_trigamma, moderated
from protocols.genomics.multiple_testing import benjamini_hochberg, benjamini_yekutieli, bonferroni
from tests.lib.agreement import differences
from tests.lib.studies import a_study_of
from tests.reference.pooled import reference

FEATURES = tuple(f"f{j}" for j in range(6))
OUTCOMES = ("o0", "o1", "o2")
COLUMNS = (*FEATURES, *OUTCOMES, "age", "sex")


def tables(sizes: tuple[int, ...] = (60, 30, 90), seed: int = 0) -> list[AnalysisTable]:
    """Sites with six features, three 0/1 outcomes, of which o0 follows f0, and two confounders."""
    rng = np.random.default_rng(seed)
    found = []
    for number, n in enumerate(sizes):
        age, sex = rng.normal(60, 9, n), (rng.random(n) < 0.5).astype(float)
        columns = {name: rng.normal(number, 1, n) + age / 20 for name in FEATURES}
        columns["f5"] = (rng.random(n) < 0.3).astype(float)
        o0 = columns["f0"] - columns["f0"].mean() + rng.normal(0, 1, n) > 0
        columns |= {"o0": o0.astype(float)} | {o: (rng.random(n) < 0.5).astype(float) for o in ("o1", "o2")}
        found.append(AnalysisTable("abcd"[number], np.arange(n), {**columns, "age": age, "sex": sex}))
    return found


def spec_of(**changes: object) -> AssociateSpec:
    content = {"features": FEATURES, "outcomes": OUTCOMES, "confounders": ("age", "sex")}
    return AssociateSpec.model_validate({**content, **changes})


def run(spec: AssociateSpec, sites: list[AnalysisTable], columns: tuple[str, ...] = COLUMNS) -> Outcome:
    return run_locally(a_study_of(columns, {"name": "scan", "spec": spec.model_dump()}), sites)


@pytest.mark.parametrize("intercepts", ["common", "site"])
@pytest.mark.parametrize("confounders", [(), ("age",), ("age", "sex")])
def test_linear_tests_are_the_pooled_tests_in_one_round_of_sums(
    intercepts: str, confounders: tuple[str, ...]
) -> None:
    spec = spec_of(intercepts=intercepts, confounders=confounders)
    outcome = run(spec, tables())
    assert outcome.rounds == 1 + bool(confounders)  # that of the people first
    apart = differences(outcome["scan"], reference(spec, tables()))
    assert max(apart.values()) < 1e-9, apart


def test_logistic_tests_are_the_pooled_tests_in_eight_rounds_of_sums() -> None:
    """1e-9: Newton stops at a step of 1e-10 standard deviations, at which the information is taken."""
    spec = spec_of(model="logistic")
    outcome = run(spec, tables())
    assert outcome.rounds <= 9
    apart = differences(outcome["scan"], reference(spec, tables()), ("evaluations",))
    assert max(apart.values()) < 1e-9, apart


def test_separated_models_are_named_and_the_others_are_fitted() -> None:
    sites = [t.with_columns({"f1": t.columns["o0"] + np.linspace(0, 0.5, len(t))}) for t in tables()]
    outcome = run(spec_of(model="logistic"), sites)
    found = outcome["scan"]
    assert outcome.rounds <= 9
    assert found.not_converged == (("f1", "o0"),)
    assert np.isnan(found.p[1, 0])
    assert found.tests == 17


@pytest.mark.parametrize(("share", "effect"), [(0.05, 1.5), (0.5, 4.0), (0.3, 2.0)])
def test_strong_associations_are_not_lost(share: float, effect: float) -> None:
    """The discriminant starts near: skewed and normal features, odds ratios of up to 55 for a unit."""
    rng = np.random.default_rng(3)
    sites = []
    for site, n in zip("abc", (400, 200, 300), strict=True):
        x = np.column_stack([rng.normal(size=(n, 3)), np.exp(0.7 * rng.normal(size=(n, 3)))])
        logit = np.log(share / (1 - share)) + effect * (x[:, [0, 3, 4]] - [0.0, 1.0, 1.0])
        y = (rng.random((n, 3)) < 1 / (1 + np.exp(-logit))).astype(float)
        columns = {k: x[:, j].copy() for j, k in enumerate(FEATURES)}
        columns |= {k: y[:, j].copy() for j, k in enumerate(OUTCOMES)}
        columns |= {"age": rng.normal(size=n), "sex": rng.normal(size=n)}
        sites.append(AnalysisTable(site, np.arange(n), columns))
    outcome = run(spec_of(model="logistic"), sites)
    assert outcome.rounds <= 9
    assert outcome["scan"].not_converged == ()


def test_what_cannot_be_tested_is_named_with_its_reason() -> None:
    sites = [
        t.with_columns(
            {
                "f1": np.full(len(t), 0.3),
                "f2": (np.arange(len(t)) < 2).astype(float),
                "f3": 2 * t.columns["age"] - 5.0,
            }
        )
        for t in tables()
    ]
    for model in ("linear", "moderated", "logistic"):
        found = run(spec_of(model=model), sites)["scan"]
        assert all(np.isnan(x[1:4]).all() for x in (found.beta, found.se, found.p))
        assert found.untested == {
            "f1": "does not vary",
            "f2": "fewer than 10 people differ from the rest in it",
            "f3": "follows from the confounders",
        }
        assert found.tests == 9
        assert len(found.summary()) == 9
        assert found.summary().index[0] == ("f0", "o0")


def test_an_aliased_confounder_is_named_and_changes_nothing() -> None:
    sites = [t.with_columns({"months": 12 * t.columns["age"]}) for t in tables()]
    columns = (*COLUMNS, "months")
    for model in ("linear", "logistic"):
        found = run(spec_of(model=model, confounders=("age", "sex", "months")), sites, columns)["scan"]
        plain = run(spec_of(model=model), sites, columns)["scan"]
        assert found.aliased == ("months",)
        np.testing.assert_allclose(found.p, plain.p, rtol=1e-9)


def test_a_constant_confounder_is_an_error_that_names_it() -> None:
    sites = [t.with_columns({"sex": np.ones(len(t))}) for t in tables()]
    with pytest.raises(StudyError, match="10 people differ from the rest in sex"):
        run(spec_of(), sites)["scan"]


def test_a_scan_too_large_for_a_message_is_refused() -> None:
    many = tuple(f"g{j}" for j in range(3000))
    assert spec_of(features=many).model == "linear"
    with pytest.raises(ValueError, match="fewer models"):
        spec_of(features=many, outcomes=tuple(f"h{j}" for j in range(200)), model="logistic")


def test_logistic_outcomes_must_be_zero_or_one() -> None:
    sites = [t.with_columns({"o1": t.columns["f0"]}) for t in tables()]
    with pytest.raises(StudyError, match="other than 0 and 1") as failed:
        run(spec_of(model="logistic"), sites)["scan"]
    assert failed.value.code == Code.INVALID_STUDY


def test_products_of_two_features_never_leave() -> None:
    declared = {d.axes for step in Associate.steps.values() for d in step.declares.values()}
    assert not any(axes.count("feature") > 1 or axes.count("outcome") > 1 for axes in declared)
    with pytest.raises(ValueError, match="listed twice"):
        spec_of(outcomes=("f0", "o0"))


def test_adjusted_p_values_are_those_of_scipy_and_skip_missing_ones() -> None:
    """scipy.stats.false_discovery_control (1.11), methods bh and by."""
    p = np.random.default_rng(0).random(200) ** 3
    with_gaps = np.insert(p, [0, 50, 200], np.nan).reshape(-1, 7)
    for ours, method in ((benjamini_hochberg, "bh"), (benjamini_yekutieli, "by")):
        adjusted = ours(with_gaps)
        assert adjusted.shape == with_gaps.shape
        known = ~np.isnan(with_gaps)
        np.testing.assert_allclose(adjusted[known], false_discovery_control(p, method=method), rtol=1e-12)
        assert np.isnan(adjusted[~known]).all()
    np.testing.assert_allclose(bonferroni(p), np.minimum(p * 200, 1))


def test_too_few_residual_degrees_of_freedom_are_refused() -> None:
    rng = np.random.default_rng(0)
    names = ("x", "y", *(f"c{i}" for i in range(4)))
    sites = [AnalysisTable(s, np.arange(5), {n: rng.normal(size=5) for n in names}) for s in "abc"]
    spec = spec_of(features=("x",), outcomes=("y",), confounders=("c0", "c1"), intercepts="site")
    with pytest.raises(StudyError, match="degrees of freedom"):
        run(spec, sites, names)["scan"]


def test_a_feature_or_outcome_of_one_person_is_named_and_not_summed() -> None:
    """RT05: one value is nearly all of a sum at a site; the others' sums are as before."""
    draw, sites = np.random.default_rng(5), []
    for at, site in enumerate("abc"):
        x, z, y = draw.normal(size=(3, 60))
        columns = {"x": x, "z": z, "y": y + x, "cost": draw.normal(size=60)}
        sites.append(AnalysisTable(site, 100 * at + np.arange(60), columns))
    huge = {name: np.where(np.arange(60) == 7, 1e7, sites[1].column(name)) for name in ("z", "cost")}
    sites[1] = sites[1].with_columns(huge)
    spec = {"protocol": "associate", "features": ["x", "z"], "outcomes": ["y", "cost"]}
    study = a_study_of(["x", "z", "y", "cost"], {"name": "a", "spec": spec})
    memory: dict[int, bytes] = {}
    found = run_locally(study, sites, memory=memory)["a"]
    assert {name: "one or two people" in why for name, why in found.untested.items()} == {
        "z": True,
        "cost": True,
    }
    assert np.isfinite(found.beta[0, 0])
    assert np.isnan(found.beta[1]).all()
    sums = [j["sum"] for r in memory for j in unpack(memory[r])["joined"] if "products" in j.get("sum", {})]
    assert all(np.abs(said["sum"]).max() < 1e3 for said in sums)


def test_moderated_tests_are_refused_where_variances_are_too_few_or_means_are_not_asked_for() -> None:
    with pytest.raises(ValueError, match="at least 3 features"):
        spec_of(features=("f0", "f1"), model="moderated")
    for changes in ({"model": "moderated", "intercepts": "site"}, {"model": "linear"}):
        with pytest.raises(ValueError, match="a trend is of a moderated model"):
            spec_of(trend=True, **changes)
    sites = [
        t.with_columns({f"f{j}": np.full(len(t), 0.3) for j in (1, 2, 3, 4)}) for t in tables((60, 30, 90))
    ]
    with pytest.raises(StudyError, match="2 features can be tested"):
        run(spec_of(model="moderated"), sites)["scan"]


def test_variances_that_differ_by_chance_alone_become_one() -> None:
    """Of limma's two cases the one where the prior has all the weight, and t the freedom of all features."""
    rng = np.random.default_rng(5)
    variance = (rng.normal(size=(50, 400)) ** 2).mean(axis=0)[:, None]
    alike = 1 + (variance - variance.mean()) / 100
    found = moderated(alike, 50)
    assert np.isinf(found.prior_df[0])
    assert found.df[0] == 50 * 400
    np.testing.assert_allclose(found.variance, alike.mean(), rtol=1e-12)
    assert moderated(variance, 50).prior_df[0] > 100


@pytest.mark.parametrize("y", [1e-9, 1e-3, 0.7, 40.0, 3e5, 1e8])
def test_the_inverse_of_trigamma_is_its_inverse(y: float) -> None:
    assert inverse_trigamma(float(polygamma(1, y))) == pytest.approx(y, rel=2e-7 if y > 1e5 else 1e-12)


@pytest.mark.parametrize("model", ["linear", "moderated"])
def test_an_outcome_that_cannot_be_tested_has_no_number_at_all(model: str) -> None:
    """A coefficient beside a missing error would be that of the few people who have the outcome."""
    sites = [t.with_columns({"o1": (np.arange(len(t)) < 2).astype(float)}) for t in tables()]
    found = run(spec_of(model=model), sites)["scan"]
    assert [*found.untested] == ["o1"]
    for x in (found.beta, found.se, found.statistic, found.p):
        assert np.isnan(x[:, 1]).all()
        assert not np.isnan(x[:, [0, 2]]).any()
