"""Partial least squares over sites: the pooled components, sparse ones, scores that stay, what is refused."""

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.cross_decomposition import PLSRegression

from protocols.components.penalized_matrix import bounded, decompose
from protocols.components.pls import Pls, PlsSpec
from protocols.core.errors import Code, StudyError
from protocols.core.table import EVERYBODY, AnalysisTable, Floats
from protocols.exchange.local import run_locally
from protocols.exchange.rounds import Outcome
from tests.lib.agreement import differences
from tests.lib.studies import a_study_of
from tests.reference.pooled import reference

X, Y = tuple(f"x{j}" for j in range(12)), tuple(f"y{j}" for j in range(4))


def tables(sizes: tuple[int, ...] = (60, 25, 90), seed: int = 0) -> list[AnalysisTable]:
    """Sites with two blocks that share two hidden columns."""
    rng = np.random.default_rng(seed)
    to_x, to_y = rng.normal(size=(2, 12)), rng.normal(size=(2, 4))
    found = []
    for number, n in enumerate(sizes):
        hidden = rng.normal(number / 3, 1, (n, 2)) * np.array([2.0, 1.0])
        x, y = hidden @ to_x + rng.normal(size=(n, 12)), 10 + hidden @ to_y + rng.normal(size=(n, 4))
        block = {name: x[:, j].copy() for j, name in enumerate(X)}
        found.append(
            AnalysisTable("abcd"[number], np.arange(n), block | {k: y[:, j].copy() for j, k in enumerate(Y)})
        )
    return found


def spec_of(**changes: object) -> PlsSpec:
    return PlsSpec.model_validate({"x": X, "y": Y, **changes})


def run(spec: PlsSpec, sites: list[AnalysisTable]) -> Outcome:
    return run_locally(a_study_of((*X, *Y), {"name": "shared", "spec": spec.model_dump()}), sites)


@pytest.mark.parametrize(
    "changes",
    [
        {"components": 4},
        {"components": 3, "y": ("y1",)},
        {"components": 8, "y": ("y1",)},
        {"components": 3, "method": "svd"},
        {"components": 2, "method": "svd", "sparsity_x": 0.5},
        {"components": 3, "method": "svd", "sparsity_x": 0.4, "sparsity_y": 0.7},
    ],
)
def test_the_federated_components_are_the_pooled_ones_in_one_round_of_sums(
    changes: dict[str, object],
) -> None:
    """1e-8: against NIPALS that deflates the rows."""
    spec = spec_of(**changes)
    outcome = run(spec, tables())
    assert outcome.rounds == 2
    apart = differences(outcome["shared"], reference(spec, tables()))
    assert max(apart.values()) < 1e-8, apart


def test_predictions_are_scikit_learns() -> None:
    """scikit-learn 1.9, PLSRegression; its power iteration stops at 1e-7 where y has several columns."""
    x, y = (np.concatenate([t.matrix(names) for t in tables()]) for names in (X, Y))
    for names, tolerance in ((Y, 1e-5), (("y2",), 1e-9)):
        spec = spec_of(components=3, y=names)
        found = run(spec, tables())["shared"]
        target = y[:, [Y.index(name) for name in names]]
        fit = PLSRegression(3, tol=1e-14, max_iter=100_000).fit(x, target)
        theirs = fit.predict(x).reshape(len(x), -1)
        np.testing.assert_allclose(found.predict(x), theirs, rtol=tolerance)
        r_squared = 1 - ((target - theirs) ** 2).sum(axis=0) / ((target - target.mean(axis=0)) ** 2).sum(
            axis=0
        )
        np.testing.assert_allclose(found.r_squared[-1], r_squared, rtol=tolerance)


def test_all_components_are_least_squares() -> None:
    found = run(spec_of(components=12, y=("y1",)), tables())["shared"]
    x, y = (np.concatenate([t.matrix(names) for t in tables()]) for names in (X, ("y1",)))
    coef = np.linalg.lstsq(np.column_stack([np.ones(len(x)), x]), y, rcond=None)[0]
    np.testing.assert_allclose(found.coef[-1], coef[1:], rtol=1e-8)
    np.testing.assert_allclose(found.intercept[-1], coef[0], rtol=1e-8)


def test_scores_stay_at_the_site() -> None:
    for changes, made in (
        ({}, ("plsx1", "plsx2")),
        ({"method": "svd"}, ("plsx1", "plsx2", "plsy1", "plsy2")),
    ):
        spec, sites = spec_of(**changes), tables()
        found = run(spec, sites)["shared"]
        assert spec.makes() == made
        scored = [Pls().transform(spec, t, EVERYBODY.mask(t), **found.transform_arrays()) for t in sites]
        scores = np.concatenate([t.matrix(made) for t in scored])
        if spec.method == "regression":
            assert abs(np.corrcoef(scores.T)[0, 1]) < 1e-9
        else:
            np.testing.assert_allclose(np.cov(scores.T)[[0, 1], [2, 3]], found.covariance, rtol=1e-9)


def test_sparse_weights_obey_their_bound() -> None:
    found = run(spec_of(method="svd", sparsity_x=0.4, sparsity_y=0.6), tables())["shared"]
    np.testing.assert_allclose(np.linalg.norm(found.x_weights, axis=0), 1, rtol=1e-12)
    np.testing.assert_allclose(np.abs(found.x_weights).sum(axis=0), 0.4 * np.sqrt(12), rtol=1e-9)
    assert (found.x_weights == 0).any()


def test_a_bounded_vector_is_what_a_general_optimizer_finds() -> None:
    """scipy's SLSQP on u = a+ - a-, both at least 0; to its own tolerance."""
    rng = np.random.default_rng(1)
    for c in (1.0, 1.4, 2.0, 2.5):
        a = rng.normal(size=7)
        constraints = [
            {"type": "ineq", "fun": lambda v: 1 - ((v[:7] - v[7:]) ** 2).sum()},
            {"type": "ineq", "fun": lambda v, c=c: c - v.sum()},
        ]
        both = np.concatenate([a, -a])
        start = np.maximum(both, 0) / np.abs(a).sum()
        found = minimize(
            lambda v, w=both: -w @ v,
            start,
            bounds=[(0, None)] * 14,
            constraints=constraints,
            options={"ftol": 1e-14, "maxiter": 500},
        )
        np.testing.assert_allclose(bounded(a, c) @ a, -found.fun, rtol=1e-6)
        assert np.abs(bounded(a, c)).sum() <= c * (1 + 1e-12)


def test_equal_entries_stay_together() -> None:
    np.testing.assert_allclose(bounded(np.array([2.0, -2.0, 2.0, 2.0]), 1.5), [0.5, -0.5, 0.5, 0.5])


def test_a_loose_bound_gives_singular_vectors() -> None:
    K = np.random.default_rng(0).normal(size=(6, 4))
    layers = decompose(K, 3, np.sqrt(6), np.sqrt(4))
    np.testing.assert_allclose(layers.values, np.linalg.svd(K)[1][:3], rtol=1e-9)


def test_regression_refuses_more_columns_than_a_third_of_the_people_and_svd_does_not() -> None:
    """Products of x with x give rows back up to a rotation; products of x with y alone do not."""
    sites = tables((12, 12, 12))
    with pytest.raises(StudyError) as failed:
        run(spec_of(), sites)["shared"]
    assert failed.value.code == Code.WITHHELD
    assert run(spec_of(method="svd"), sites)["shared"].n == 36


def test_more_components_than_there_are_are_refused() -> None:
    sites = [t.with_columns({name: t.columns["x0"] for name in X[1:]}) for t in tables()]
    with pytest.raises(StudyError, match="after 1 components"):
        run(spec_of(), sites)["shared"]


def test_sparsity_belongs_to_svd_and_leaves_a_column() -> None:
    with pytest.raises(ValueError, match="method: svd"):
        spec_of(sparsity_x=0.5)
    with pytest.raises(ValueError, match="leaves no column"):
        spec_of(method="svd", sparsity_x=0.2)


def test_with_several_outcomes_the_components_are_nipals_and_not_simpls() -> None:
    """SIMPLS (de Jong 1993) deflates the covariances by the loadings, which orthogonalizes other scores."""
    rng = np.random.default_rng(8)
    x = rng.normal(size=(90, 4))
    y = np.column_stack([x @ rng.normal(size=4), x[:, 0] ** 2 + x[:, 1]]) + rng.normal(size=(90, 2))
    columns = {f"x{j}": x[:, j] for j in range(4)} | {f"y{j}": y[:, j] for j in range(2)}
    tables = [
        AnalysisTable(site, np.arange(30) + 30 * i, {k: v[30 * i : 30 * i + 30] for k, v in columns.items()})
        for i, site in enumerate("abc")
    ]
    spec = {"protocol": "pls", "x": [f"x{j}" for j in range(4)], "y": ["y0", "y1"], "components": 2}
    ours = run_locally(a_study_of(tuple(columns), {"name": "it", "spec": spec}), tables)["it"].coef[-1]
    z = (x - x.mean(axis=0)) / x.std(axis=0, ddof=1)
    v = (y - y.mean(axis=0)) / y.std(axis=0, ddof=1)
    assert np.allclose(ours, nipals(z, v, 2) / x.std(axis=0, ddof=1)[:, None] * y.std(axis=0, ddof=1))
    assert not np.allclose(ours, simpls(z, v, 2) / x.std(axis=0, ddof=1)[:, None] * y.std(axis=0, ddof=1))


def nipals(x: Floats, y: Floats, components: int) -> Floats:
    """(p, q) coefficients of PLS2: x and y are deflated by each score (Wold et al. 2001)."""
    W, P, Q = [], [], []
    e, f = x.copy(), y.copy()
    for _ in range(components):
        w = np.linalg.svd(e.T @ f, full_matrices=False)[0][:, 0]
        t = e @ w
        W, P, Q = [*W, w], [*P, e.T @ t / (t @ t)], [*Q, f.T @ t / (t @ t)]
        e, f = e - np.outer(t, P[-1]), f - np.outer(t, Q[-1])
    w, p, q = (np.column_stack(found) for found in (W, P, Q))
    coef: Floats = w @ np.linalg.solve(p.T @ w, q.T)
    return coef


def simpls(x: Floats, y: Floats, components: int) -> Floats:
    """(p, q) coefficients of SIMPLS (de Jong 1993, table 1)."""
    s, R, Q, V = x.T @ y, [], [], []
    for _ in range(components):
        r = np.linalg.svd(s, full_matrices=False)[0][:, 0]
        t = x @ r
        t, r = t / np.linalg.norm(t), r / np.linalg.norm(t)
        v = x.T @ t
        for before in V:
            v = v - before * (before @ v)
        v = v / np.linalg.norm(v)
        R, Q, V = [*R, r], [*Q, y.T @ t], [*V, v]
        s = s - np.outer(v, v @ s)
    coef: Floats = np.column_stack(R) @ np.column_stack(Q).T
    return coef
