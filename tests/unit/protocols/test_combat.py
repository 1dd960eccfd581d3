"""ComBat: the adjusted features against neuroCombat's algorithm, and what it refuses by name."""

from typing import Any

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import norm

from protocols.core.disclosure import Thresholds
from protocols.core.errors import Code, SiteError, SpecError, StudyError
from protocols.core.protocol import Ask
from protocols.core.study import Study
from protocols.core.table import AnalysisTable, Rows
from protocols.exchange.local import run_locally
from protocols.exchange.site_answer import answer
from protocols.preparation.combat import FEWEST, Combat, CombatSpec
from protocols.regression.logistic import LogisticSpec
from protocols.validation.discrimination import DiscriminationSpec
from tests.lib.drawn_sites import SPLITS, a_site, study_of
from tests.reference.pooled import reference

FEATURES = ["f_one", "f_two", "f_three"]
TABLES = SPLITS["unequal sites"]


def neurocombat(y: Any, batch: Any, x: Any, method: str) -> Any:
    """The (n, g) adjusted features by the algorithm of neuroCombat 0.2.12, from all rows at once."""
    codes = np.unique(batch)
    indicators = (batch[:, None] == codes).astype(float)
    design = np.hstack([indicators, x])
    coef = np.linalg.solve(design.T @ design, design.T @ y)
    grand = indicators.mean(axis=0) @ coef[: len(codes)]
    sd = np.sqrt(((y - design @ coef) ** 2).mean(axis=0))
    expected = grand + x @ coef[len(codes) :]
    z = (y - expected) / sd
    out = np.empty_like(y)
    for code in codes:
        rows = batch == code
        n, gamma, delta = rows.sum(), z[rows].mean(axis=0), z[rows].var(axis=0, ddof=1)
        g_bar, t2 = gamma.mean(), gamma.var(ddof=1)
        if method == "mean_only":
            gamma, delta = (t2 * gamma + g_bar) / (t2 + 1), np.ones_like(delta)
        elif method == "parametric":
            m, s2 = delta.mean(), delta.var(ddof=1)
            a, b = (2 * s2 + m**2) / s2, (m * s2 + m**3) / s2
            g_old, d_old = gamma, delta
            while True:
                g_new = (t2 * n * gamma + d_old * g_bar) / (t2 * n + d_old)
                d_new = (0.5 * ((z[rows] - g_new) ** 2).sum(axis=0) + b) / (n / 2 + a - 1)
                moved = [np.abs(g_new - g_old) / g_old, np.abs(d_new - d_old) / d_old]  # signed, as there
                g_old, d_old = g_new, d_new
                if np.max(moved) <= 1e-4:
                    break
            gamma, delta = g_old, d_old
        elif method == "non_parametric":
            gamma, delta = eprior(z[rows], gamma, delta)
        out[rows] = (z[rows] - gamma) / np.sqrt(delta) * sd + expected[rows]
    return out


def eprior(z: Any, gamma: Any, delta: Any) -> Any:
    """sva's `int.eprior`, feature by feature."""
    found = []
    for j in range(len(gamma)):
        g, d = np.delete(gamma, j), np.delete(delta, j)
        loglik = norm.logpdf(z[:, j, None], g, np.sqrt(d)).sum(axis=0)
        likelihood = np.exp(loglik - logsumexp(loglik))
        found.append([np.average(value, weights=likelihood) for value in (g, d)])
    return np.array(found).T


def harmonized(spec: dict[str, Any], tables: list[AnalysisTable]) -> list[AnalysisTable]:
    found = run_locally(study_of({"protocol": "combat", **spec}), tables)["a0"]
    parsed = CombatSpec.model_validate({"protocol": "combat", **spec})
    return [Combat().transform(parsed, t, np.ones(len(t), bool), **found.transform_arrays()) for t in tables]


@pytest.mark.parametrize("method", ["parametric", "non_parametric", "mean_only", "no_eb"])
@pytest.mark.parametrize("batch", [None, "scanner"])
@pytest.mark.parametrize("covariates", [[], ["age", "idh1"]])
def test_the_sites_adjust_as_neurocombat_does_with_all_rows(
    method: str, batch: str | None, covariates: list[str]
) -> None:
    spec = {"features": FEATURES, "covariates": covariates, "method": method, "batch": batch}
    ours = np.concatenate([t.matrix(FEATURES) for t in harmonized(spec, TABLES)])
    label = np.concatenate([t.label("scanner") if batch else np.full(len(t), t.site) for t in TABLES])
    y, x = (np.concatenate([t.matrix(names) for t in TABLES]) for names in (FEATURES, covariates))
    expected = neurocombat(y, label.astype(str), x, method)
    largest = np.abs(expected).max(axis=0)
    np.testing.assert_allclose(ours / largest, expected / largest, rtol=1e-8, atol=1e-10)


def test_batches_differ_before_and_not_after() -> None:
    spec = {"features": FEATURES, "batch": "scanner", "method": "no_eb"}
    labels = np.concatenate([t.label("scanner") for t in TABLES]).astype(str)
    for tables, harmonizes in ((TABLES, False), (harmonized(spec, TABLES), True)):
        y = np.concatenate([t.matrix(FEATURES) for t in tables])
        y = y / y.std(axis=0)
        batches = [y[labels == label] for label in np.unique(labels)]
        for statistic in ([b.mean(axis=0) for b in batches], [b.var(axis=0, ddof=1) for b in batches]):
            assert (np.ptp(statistic, axis=0) < 1e-9).all() == harmonizes


def failure(spec: dict[str, Any], tables: list[AnalysisTable]) -> StudyError:
    with pytest.raises(StudyError) as caught:
        run_locally(study_of({"protocol": "combat", **spec}), tables)["a0"]
    return caught.value


def test_a_feature_that_does_not_vary_is_named() -> None:
    error = failure({"features": ["f_one", "still"]}, TABLES)
    assert error.code == Code.RANK_DEFICIENT
    assert "still" in error.text
    assert "f_one" not in error.text


def test_a_feature_that_only_repeats_its_covariates_is_named() -> None:
    error = failure({"features": ["f_two", "twice"], "covariates": ["age", "f_one"]}, TABLES)
    assert error.code == Code.RANK_DEFICIENT
    assert "twice" in error.text


def test_a_covariate_that_is_constant_within_every_batch_is_named() -> None:
    tables = [t.with_columns({"age": np.full(len(t), 40.0 + i)}) for i, t in enumerate(TABLES)]
    error = failure({"features": FEATURES, "covariates": ["idh1", "age"]}, tables)
    assert error.code == Code.RANK_DEFICIENT
    assert "age" in error.text


def a_scanner_of(few: int) -> AnalysisTable:
    table = a_site("a", 60, 40)
    labels = table.labels["scanner"].copy()
    labels[:few] = "rare"
    return AnalysisTable("a", table.persons, table.columns, {"scanner": labels})


@pytest.mark.parametrize("few", [1, FEWEST - 1])
def test_a_batch_of_few_people_is_left_out_and_counted(few: int) -> None:
    spec = {"features": FEATURES, "batch": "scanner"}
    tables = [a_scanner_of(few), *TABLES[1:]]
    found = run_locally(study_of({"protocol": "combat", **spec}), tables)["a0"]
    assert found.left_out == few
    assert found.n == sum(len(t) for t in tables) - few
    assert found.batches == 6
    adjusted = harmonized(spec, tables)[0].matrix(FEATURES)
    assert np.isnan(adjusted[:few]).all()
    assert not np.isnan(adjusted[few:]).any()


def test_a_batch_of_one_can_be_refused() -> None:
    spec = {"features": FEATURES, "batch": "scanner", "small_batches": "refuse"}
    assert failure(spec, [a_scanner_of(1), *TABLES[1:]]).code == Code.WITHHELD
    step = Combat.steps["moments"]
    with pytest.raises(SiteError, match="scanner"):
        step(CombatSpec.model_validate(spec), a_scanner_of(1), x_scale=np.ones(0), y_scale=np.ones(3))


def test_without_empirical_bayes_a_feature_that_is_still_within_a_batch_is_named() -> None:
    tables = [*TABLES[:2], TABLES[2].with_columns({"f_two": np.full(len(TABLES[2]), 3.0)})]
    with pytest.raises(SiteError, match="f_two"):
        harmonized({"features": FEATURES, "method": "no_eb"}, tables)


def test_tiny_features_keep_their_digits() -> None:
    spec = {"protocol": "combat", "features": FEATURES, "covariates": ["age"]}
    plain = run_locally(study_of(spec), TABLES)["a0"]
    tiny = [t.with_columns({"f_two": t.column("f_two") * 2.0**-30}) for t in TABLES]
    found = run_locally(study_of(spec), tiny)["a0"]
    np.testing.assert_allclose(found.variance[1] * 2.0**60, plain.variance[1], rtol=1e-12)
    np.testing.assert_allclose(found.effects[0, 1] * 2.0**30, plain.effects[0, 1], rtol=1e-10)


def test_who_misses_a_feature_or_a_covariate_keeps_the_rest() -> None:
    table = TABLES[0]
    f_one, age = table.column("f_one").copy(), table.column("age").copy()
    f_one[0], age[1] = np.nan, np.nan
    spec = {"features": FEATURES, "covariates": ["age"]}
    after = harmonized(spec, [table.with_columns({"f_one": f_one, "age": age}), *TABLES[1:]])[0]
    assert np.isnan(after.matrix(FEATURES)[0]).tolist() == [True, False, False]
    assert np.isnan(after.matrix(FEATURES)[1]).all()
    assert not np.isnan(after.matrix(FEATURES)[2:]).any()


def test_empirical_bayes_needs_two_features() -> None:
    with pytest.raises(ValueError, match="two features"):
        CombatSpec(features=("f_one",))


@pytest.mark.parametrize("batch", [None, "scanner"])
def test_an_analysis_after_it_reads_the_harmonized_features(batch: str | None) -> None:
    combat = {"protocol": "combat", "features": FEATURES, "covariates": ["age", "idh1"], "batch": batch}
    logistic = {"protocol": "logistic", "outcome": "idh1", "covariates": ["age", "f_one", "f_two"]}
    study = study_of(combat)
    content = study.model_dump(mode="json", by_alias=True)
    content["analyses"].append({"name": "after", "spec": logistic, "after": ["a0"]})
    outcome = run_locally(Study.model_validate(content), TABLES)
    adjusted = harmonized({k: v for k, v in combat.items() if k != "protocol"}, TABLES)
    pooled = reference(LogisticSpec.model_validate(logistic), adjusted)
    np.testing.assert_allclose(outcome["after"].coef, pooled.coef, rtol=1e-8)
    np.testing.assert_allclose(outcome["after"].se, pooled.se, rtol=1e-8)


def test_a_reference_batch_stays_as_it_is_and_the_others_come_to_it() -> None:
    spec = {"features": FEATURES, "batch": "scanner", "method": "no_eb"}
    spec |= {"reference_site": "a", "reference_batch": "a-0"}
    adjusted = harmonized(spec, TABLES)
    stays = TABLES[0].label("scanner") == "a-0"
    reference = TABLES[0].matrix(FEATURES)[stays]
    np.testing.assert_array_equal(adjusted[0].matrix(FEATURES)[stays], reference)
    for table in adjusted:
        for label in set(table.label("scanner")):
            batch = table.matrix(FEATURES)[table.label("scanner") == label]
            if label != "a-0":
                np.testing.assert_allclose(batch.mean(axis=0), reference.mean(axis=0), rtol=1e-9, atol=1e-12)
                np.testing.assert_allclose(batch.std(axis=0, ddof=1), reference.std(axis=0), rtol=1e-9)


@pytest.mark.parametrize("reference", [{"reference_site": "c"}, {"reference_site": "nowhere"}])
def test_a_reference_batch_that_is_small_or_not_there_is_named(reference: dict[str, str]) -> None:
    spec = {"protocol": "combat", "features": FEATURES, **reference}
    with pytest.raises(StudyError, match=f"{reference['reference_site']} has no reference batch") as caught:
        run_locally(study_of(spec), SPLITS["a site of nine"])["a0"]
    assert caught.value.code == Code.WITHHELD


def test_a_reference_batch_wants_its_site_and_its_label() -> None:
    for wrong in ({"reference_batch": "a-0"}, {"batch": "scanner", "reference_site": "a"}):
        with pytest.raises(ValueError, match="reference_batch"):
            CombatSpec.model_validate({"protocol": "combat", "features": FEATURES, **wrong})


def test_no_fold_of_a_reference_batch_is_shown() -> None:
    combat = {"protocol": "combat", "features": FEATURES, "reference_site": "a"}
    model = {"protocol": "logistic", "outcome": "idh1", "covariates": FEATURES}
    with pytest.raises(ValueError, match="name it in `after`"):
        DiscriminationSpec.model_validate({"model": model, "harmonize": combat})
    effects = np.zeros((0, 3))
    fold = Rows(keep="train", fold=1, of=5)
    question = Ask("reference", {"effects": effects}, rows=fold, per_site=True, analysis="a0")
    with pytest.raises(SpecError, match="everybody only"):
        answer(study_of(combat), TABLES[0], question, Thresholds())
