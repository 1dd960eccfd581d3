"""Principal components over sites: the pooled ones, scores that stay, what is refused."""

import numpy as np
import pytest

from protocols.components.pca import Pca, PcaSpec
from protocols.core.errors import Code, StudyError
from protocols.core.table import EVERYBODY, AnalysisTable
from protocols.exchange.local import run_locally
from protocols.exchange.rounds import Outcome
from tests.lib.agreement import differences
from tests.lib.studies import a_study_of
from tests.reference.pooled import reference

FEATURES = tuple(f"f{j}" for j in range(8))


def tables(sizes: tuple[int, ...] = (60, 25, 90), shift: float = 0.0, seed: int = 0) -> list[AnalysisTable]:
    """Sites with eight features on three hidden ones, and an outcome on the first of these."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(3, 8)) * np.array([[3.0], [2.0], [1.0]])
    found = []
    for number, n in enumerate(sizes):
        hidden = rng.normal(number / 2, 1, (n, 3))
        x = shift + (hidden @ mixing + rng.normal(size=(n, 8))) * np.arange(1, 9)
        columns = {name: x[:, j].copy() for j, name in enumerate(FEATURES)}
        columns["y"] = hidden[:, 0] + rng.normal(size=n)
        found.append(AnalysisTable("abcd"[number], np.arange(n), columns))
    return found


def spec_of(**changes: object) -> PcaSpec:
    return PcaSpec.model_validate({"features": FEATURES, "components": 3, **changes})


def run(spec: PcaSpec, sites: list[AnalysisTable]) -> Outcome:
    return run_locally(a_study_of((*FEATURES, "y"), {"name": "components", "spec": spec.model_dump()}), sites)


@pytest.mark.parametrize("scale", [True, False])
def test_the_federated_components_are_the_pooled_ones_in_one_round_of_sums(scale: bool) -> None:
    """1e-8 of an entry: eigenvectors with gaps of order 1, against a decomposition of the rows."""
    spec = spec_of(scale=scale)
    outcome = run(spec, tables())
    assert outcome.rounds == 2
    apart = differences(outcome["components"], reference(spec, tables()))
    assert max(apart.values()) < 1e-8, apart


def test_columns_far_from_zero_cost_a_round_and_no_digits() -> None:
    outcome = run(spec_of(), tables(shift=2.0**24))
    assert outcome.rounds == 3
    plain = run(spec_of(), tables())["components"]
    np.testing.assert_allclose(outcome["components"].variance, plain.variance, rtol=1e-8)
    np.testing.assert_allclose(outcome["components"].loadings, plain.loadings, atol=1e-8)


def test_scores_stay_at_the_site_and_have_the_variance_of_their_component() -> None:
    spec, sites = spec_of(), tables()
    found = run(spec, sites)["components"]
    arrays = found.transform_arrays()
    scored = [Pca().transform(spec, t, EVERYBODY.mask(t), **arrays) for t in sites]
    scores = np.concatenate([t.matrix(("pc1", "pc2", "pc3")) for t in scored])
    np.testing.assert_allclose(np.cov(scores.T), np.diag(found.variance), atol=1e-9)
    assert not any(value.shape == (len(scores),) for value in vars(found).values() if hasattr(value, "shape"))


def test_a_later_analysis_reads_the_scores_as_variables() -> None:
    """Principal component regression: the second analysis sees pc1 and pc2, which only the sites know."""
    study = a_study_of(
        (*FEATURES, "y"),
        {"name": "components", "spec": spec_of(components=2).model_dump()},
        {
            "name": "regression",
            "spec": {"protocol": "linear", "outcome": "y", "covariates": ("pc1", "pc2")},
            "after": ("components",),
        },
    )
    outcome = run_locally(study, tables())
    assert outcome.rounds == 4  # people and sums, twice
    found, components = outcome["regression"], outcome["components"]
    x = np.concatenate([t.matrix(FEATURES) for t in tables()])
    y = np.concatenate([t.column("y") for t in tables()])
    scores = (x - components.mean) / components.scale @ components.loadings
    coef = np.linalg.lstsq(np.column_stack([np.ones(len(x)), scores]), y, rcond=None)[0]
    np.testing.assert_allclose(found.coef, coef, rtol=1e-9)


def test_scores_are_variables_only_after_their_analysis() -> None:
    with pytest.raises(ValueError, match="no such variable: pc1"):
        a_study_of(
            (*FEATURES, "y"),
            {"name": "components", "spec": spec_of().model_dump()},
            {"name": "fit", "spec": {"protocol": "linear", "outcome": "y", "covariates": ("pc1",)}},
        )
    with pytest.raises(ValueError, match="one column's name"):
        a_study_of(
            (*FEATURES, "y", "pc1"),
            {"name": "components", "spec": spec_of().model_dump()},
            {
                "name": "fit",
                "spec": {"protocol": "linear", "outcome": "y", "covariates": ("f1",)},
                "after": ("components",),
            },
        )


def test_more_than_a_third_as_many_columns_as_people_are_refused() -> None:
    """8 columns of 24 people are 0.33 a person; of 23 they are more."""
    with pytest.raises(StudyError) as failed:
        run(spec_of(), tables((8, 8, 8)))["components"]
    assert failed.value.code == Code.WITHHELD
    assert run(spec_of(), tables((8, 8, 9)))["components"].n == 25


def test_more_components_than_the_columns_span_are_refused() -> None:
    sites = [t.with_columns({"f7": t.columns["f0"] - t.columns["f1"]}) for t in tables()]
    with pytest.raises(StudyError, match="span 7 components"):
        run(spec_of(components=8), sites)["components"]
    assert run(spec_of(components=7), sites)["components"].explained.sum() == pytest.approx(1)


def test_a_constant_column_is_named() -> None:
    sites = [t.with_columns({"f3": np.full(len(t), 0.1)}) for t in tables()]
    with pytest.raises(StudyError, match="does not vary: f3"):
        run(spec_of(), sites)["components"]


def test_who_misses_a_feature_has_no_score() -> None:
    spec, sites = spec_of(), tables()
    sites[0].columns["f2"][:4] = np.nan
    found = run(spec, sites)["components"]
    assert found.n == 171
    scored = Pca().transform(spec, sites[0], EVERYBODY.mask(sites[0]), **found.transform_arrays())
    assert np.isnan(scored.column("pc1")).sum() == 4
