"""Canonical correlations over sites: the pooled ones, variates that stay, what is refused."""

import numpy as np
import pytest

from protocols.components.cca import Cca, CcaSpec
from protocols.core.errors import Code, StudyError
from protocols.core.table import EVERYBODY, AnalysisTable
from protocols.exchange.local import run_locally
from protocols.exchange.rounds import Outcome
from tests.lib.agreement import differences
from tests.lib.studies import a_study_of
from tests.reference.pooled import reference

X, Y = tuple(f"x{j}" for j in range(5)), tuple(f"y{j}" for j in range(3))


def tables(sizes: tuple[int, ...] = (60, 25, 90), seed: int = 0) -> list[AnalysisTable]:
    """Sites with two blocks that share two hidden columns."""
    rng = np.random.default_rng(seed)
    to_x, to_y = rng.normal(size=(2, 5)), rng.normal(size=(2, 3))
    found = []
    for number, n in enumerate(sizes):
        hidden = rng.normal(number / 3, 1, (n, 2)) * np.array([2.0, 1.0])
        x, y = hidden @ to_x + rng.normal(size=(n, 5)), hidden @ to_y + rng.normal(size=(n, 3))
        columns = {name: x[:, j].copy() for j, name in enumerate(X)}
        found.append(
            AnalysisTable(
                "abcd"[number], np.arange(n), columns | {k: y[:, j].copy() for j, k in enumerate(Y)}
            )
        )
    return found


def spec_of(**changes: object) -> CcaSpec:
    return CcaSpec.model_validate({"x": X, "y": Y, **changes})


def run(spec: CcaSpec, sites: list[AnalysisTable]) -> Outcome:
    return run_locally(a_study_of((*X, *Y), {"name": "shared", "spec": spec.model_dump()}), sites)


@pytest.mark.parametrize("ridge", [(0.0, 0.0), (0.1, 0.3), (0.0, 0.5)])
def test_the_federated_correlations_are_the_pooled_ones_in_one_round_of_sums(
    ridge: tuple[float, float],
) -> None:
    """1e-8: against QR decompositions of the rows, which never form a moment."""
    spec = spec_of(ridge_x=ridge[0], ridge_y=ridge[1], components=3)
    outcome = run(spec, tables())
    assert outcome.rounds == 2
    apart = differences(outcome["shared"], reference(spec, tables()))
    assert max(apart.values()) < 1e-8, apart


def test_variates_have_unit_variance_and_the_canonical_correlation() -> None:
    spec, sites = spec_of(), tables()
    found = run(spec, sites)["shared"]
    scored = [Cca().transform(spec, t, EVERYBODY.mask(t), **found.transform_arrays()) for t in sites]
    variates = np.concatenate([t.matrix(spec.makes()) for t in scored])
    assert spec.makes() == ("ccx1", "ccx2", "ccy1", "ccy2")
    covariance = np.cov(variates.T)
    np.testing.assert_allclose(np.diag(covariance), 1, rtol=1e-9)
    np.testing.assert_allclose([covariance[0, 2], covariance[1, 3]], found.singular_values[:2], rtol=1e-9)
    np.testing.assert_allclose([covariance[0, 1], covariance[0, 3]], 0, atol=1e-9)


def test_the_tests_are_statsmodels_wilks_lambdas() -> None:
    """statsmodels 0.15, CanCorr(...).corr_test(): p by F there, close to chi-square here."""
    from statsmodels.multivariate.cancorr import CanCorr

    found = run(spec_of(), tables())["shared"]
    x, y = (np.concatenate([t.matrix(names) for t in tables()]) for names in (X, Y))
    stats = CanCorr(y, x).corr_test().stats
    np.testing.assert_allclose(found.wilks, float(stats["Wilks' lambda"].iloc[0]), rtol=1e-9)
    np.testing.assert_allclose(found.p[2], float(stats["Pr > F"].iloc[2]), atol=0.01)
    assert found.p[0] < 1e-20


def test_columns_that_follow_from_others_are_named_unless_there_is_ridge() -> None:
    sites = [t.with_columns({"x4": t.columns["x0"] + t.columns["x1"]}) for t in tables()]
    with pytest.raises(StudyError, match="combination of the terms before: x4"):
        run(spec_of(), sites)["shared"]
    assert run(spec_of(ridge_x=0.1), sites)["shared"].n == 175


def test_both_blocks_together_count_against_the_people() -> None:
    """5 + 3 columns of 24 people are more than 0.33 a person, though neither block is."""
    with pytest.raises(StudyError) as failed:
        run(spec_of(), tables((8, 8, 8)))["shared"]
    assert failed.value.code == Code.WITHHELD


def test_a_variable_in_both_blocks_is_refused() -> None:
    with pytest.raises(ValueError, match="listed twice"):
        spec_of(y=("y0", "x0"))
