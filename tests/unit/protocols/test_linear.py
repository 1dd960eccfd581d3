"""Linear regression over sites: the pooled fit, what is aliased, what the digits need, what is refused."""

import numpy as np
import pytest

from protocols.core.disclosure import Thresholds
from protocols.core.errors import Code, SiteError, StudyError
from protocols.core.table import AnalysisTable
from protocols.exchange.local import run_locally
from protocols.exchange.rounds import Outcome
from protocols.regression.linear import Linear, LinearResult, LinearSpec
from protocols.regression.penalized_linear import Penalty
from tests.lib.agreement import differences
from tests.lib.studies import a_study_of
from tests.reference.pooled import reference

COLUMNS = ("a", "b", "c", "y")


def tables(
    sizes: tuple[int, ...] = (60, 25, 90), shift: float = 0.0, scale: float = 1.0, seed: int = 0
) -> list[AnalysisTable]:
    """Sites with three correlated covariates, one of them 0/1, and an outcome."""
    rng = np.random.default_rng(seed)
    found = []
    for number, n in enumerate(sizes):
        a = rng.normal(number, 1, n)
        b = (rng.random(n) < 0.4).astype(float)
        c = shift + scale * (0.7 * a + rng.normal(0, 1, n))
        y = 1 + 2 * a - b + (c - shift) / scale / 3 + rng.normal(0, 1 + number, n)
        found.append(AnalysisTable("abcdefgh"[number], np.arange(n), {"a": a, "b": b, "c": c, "y": y}))
    return found


def spec_of(**changes: object) -> LinearSpec:
    return LinearSpec.model_validate({"outcome": "y", "covariates": ("a", "b", "c"), **changes})


def run(spec: LinearSpec, sites: list[AnalysisTable], columns: tuple[str, ...] = COLUMNS) -> Outcome:
    study = a_study_of(columns, {"name": "fit", "spec": spec.model_dump()})
    return run_locally(study, sites)


@pytest.mark.parametrize("intercepts", ["common", "site"])
@pytest.mark.parametrize("ratio", [None, 0.0, 0.5, 1.0])
def test_the_federated_fit_is_the_pooled_fit_in_one_round_of_sums(
    intercepts: str, ratio: float | None
) -> None:
    """1e-9: normal equations of correlations of order 1; statsmodels solves by pseudo-inverse."""
    penalty = None if ratio is None else Penalty(l1_ratio=ratio, number=20)
    spec = spec_of(intercepts=intercepts, penalty=penalty)
    outcome = run(spec, tables())
    assert outcome.rounds == 2
    apart = differences(outcome["fit"], reference(spec, tables()))
    assert max(apart.values()) < 1e-9, apart


def test_penalized_fits_are_optimal_to_rounding() -> None:
    found: LinearResult = run(spec_of(penalty=Penalty(l1_ratio=0.9)), tables())["fit"]
    assert found.path is not None
    assert found.path.violation == 0
    assert found.path.nonzero[0] == 0
    assert (np.diff(found.path.nonzero) >= 0).all()
    np.testing.assert_allclose(found.path.df[-1], 3, atol=0.01)


def test_a_covariate_far_from_zero_costs_a_round_and_no_digits() -> None:
    """A mean of 1e6 spreads: sums of squares about 0 would lose twelve of sixteen digits."""
    plain = run(spec_of(), tables())["fit"]
    outcome = run(spec_of(), tables(shift=2.0**20))
    assert outcome.rounds == 3
    np.testing.assert_allclose(outcome["fit"].coef[1:], plain.coef[1:], rtol=1e-9)
    np.testing.assert_allclose(outcome["fit"].se[1:], plain.se[1:], rtol=1e-9)


def test_a_tiny_covariate_is_summed_on_a_scale_of_its_own() -> None:
    outcome = run(spec_of(), tables(scale=2.0**-25))
    assert outcome.rounds == 3
    np.testing.assert_allclose(outcome["fit"].t, run(spec_of(), tables())["fit"].t, rtol=1e-9)


@pytest.mark.parametrize("intercepts", ["common", "site"])
@pytest.mark.parametrize("scale", [1e13, 1e-13])
def test_a_covariate_beyond_the_range_of_a_secure_sum_is_asked_again(intercepts: str, scale: float) -> None:
    """The energy of a region (IBSI N8CA) is a sum of squares: 1e13 squared is more than 2^80."""
    outcome = run(spec_of(intercepts=intercepts), tables(scale=scale))
    assert outcome.rounds <= 5
    plain = run(spec_of(intercepts=intercepts), tables())["fit"]
    np.testing.assert_allclose(outcome["fit"].t[-3:], plain.t[-3:], rtol=1e-9)
    np.testing.assert_allclose(outcome["fit"].coef[-1] * scale, plain.coef[-1], rtol=1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_units_and_origins_of_the_columns_change_nothing(seed: int) -> None:
    """Units of 1e-8 to 1e8 and means of up to 1,000 spreads, which round a column to 1e-13 of its spread."""
    rng = np.random.default_rng(seed)
    unit = 10 ** rng.uniform(-8, 8, 4)
    origin = 10 ** rng.uniform(-1, 3, 4) * rng.choice([-1, 1], 4)
    moved = [
        t.with_columns({k: unit[j] * (t.columns[k] + origin[j]) for j, k in enumerate(COLUMNS) if k != "b"})
        for t in tables(seed=seed)
    ]
    plain, outcome = run(spec_of(), tables(seed=seed))["fit"], run(spec_of(), moved)
    assert outcome.rounds <= 4
    np.testing.assert_allclose(outcome["fit"].t[1:], plain.t[1:], rtol=1e-8)
    np.testing.assert_allclose(outcome["fit"].r_squared, plain.r_squared, rtol=1e-9)


def test_a_scale_that_is_no_power_of_two_is_not_answered() -> None:
    """Else a site's own sum of squares could be found by asking where it leaves the range."""
    step = Linear().steps["moments"]
    with pytest.raises(SiteError, match="power of two"):
        step(spec_of(), tables()[0], shift=np.zeros(4), scale=np.full(4, 3.0))


def test_expected_outcomes_have_the_residuals_of_the_fit() -> None:
    found = run(spec_of(), tables())["fit"]
    x, y = (np.concatenate([t.matrix(names) for t in tables()]) for names in (("a", "b", "c"), ("y",)))
    rest = y[:, 0] - found.predict(x)
    np.testing.assert_allclose(np.sqrt(rest @ rest / found.df), found.sigma, rtol=1e-9)


def test_aliased_covariates_are_named_and_the_rest_is_fitted() -> None:
    """R: lm(y ~ a + b + d + c) with d = a - 2 b + 3 gives NA for d and the rest as without it."""
    sites = [t.with_columns({"d": t.columns["a"] - 2 * t.columns["b"] + 3.0}) for t in tables()]
    found = run(spec_of(covariates=("a", "b", "d", "c")), sites, (*COLUMNS, "d"))["fit"]
    assert found.aliased == ("d",)
    assert np.isnan(found.coef[3])
    without = run(spec_of(), tables())["fit"]
    np.testing.assert_allclose(found.coef[[0, 1, 2, 4]], without.coef, rtol=1e-9)
    np.testing.assert_allclose(found.se[[0, 1, 2, 4]], without.se, rtol=1e-9)
    assert found.df == without.df


def test_what_is_constant_at_every_site_is_named_with_site_intercepts() -> None:
    sites = [t.with_columns({"a": np.full(len(t), 0.1 + i)}) for i, t in enumerate(tables())]
    with pytest.raises(StudyError, match=r"does not vary: a \[rank-deficient\]"):
        run(spec_of(intercepts="site"), sites)["fit"]
    assert run(spec_of(), sites)["fit"].aliased == ()


def test_a_constant_covariate_is_named() -> None:
    sites = [t.with_columns({"c": np.full(len(t), 0.1)}) for t in tables()]
    outcome = run(spec_of(), sites)
    assert outcome.rounds == 3
    with pytest.raises(StudyError, match="does not vary: c"):
        outcome["fit"]


def test_a_gene_that_fewer_than_ten_people_carry_is_refused_by_name() -> None:
    """The product of such a column with another is the sum over its carriers."""
    sites = [t.with_columns({"b": (np.arange(len(t)) < 3).astype(float)}) for t in tables()]
    with pytest.raises(StudyError, match=r"fewer than 10 people differ from the rest in b") as failed:
        run(spec_of(), sites)["fit"]
    assert failed.value.code == Code.WITHHELD


def test_a_study_may_raise_the_floor_for_carriers() -> None:
    sites = [t.with_columns({"b": (np.arange(len(t)) < 5).astype(float)}) for t in tables()]
    assert run(spec_of(), sites)["fit"].n == 175
    study = a_study_of(
        COLUMNS,
        {"name": "fit", "spec": spec_of().model_dump()},
        thresholds=Thresholds(min_count=20).model_dump(),
    )
    with pytest.raises(StudyError, match="fewer than 20 people"):
        run_locally(study, sites)["fit"]


def test_too_many_covariates_for_the_people_are_refused() -> None:
    """0.33 columns per person over all sites: the outcome counts, since its products leave too."""
    names = tuple(f"x{j}" for j in range(20))
    rng = np.random.default_rng(1)
    sites = [
        AnalysisTable(s, np.arange(20), {name: rng.normal(size=20) for name in (*names, "y")}) for s in "abc"
    ]
    with pytest.raises(StudyError) as failed:
        run(spec_of(covariates=names), sites, (*names, "y"))["fit"]
    assert failed.value.code == Code.WITHHELD


def test_a_site_of_four_people_takes_no_part_and_one_of_none_is_harmless() -> None:
    sites = tables((60, 4, 90, 0))
    found = run(spec_of(), sites)["fit"]
    assert (found.n, found.sites) == (150, 2)


def test_incomplete_people_are_left_out() -> None:
    sites = tables()
    sites[2].columns["c"][:10] = np.nan
    sites[0].columns["y"][:3] = np.nan
    spec = spec_of(intercepts="site")
    found = run(spec, sites)["fit"]
    assert found.n == 162
    assert max(differences(found, reference(spec, sites)).values()) < 1e-9


def test_one_covariate_is_enough() -> None:
    spec = spec_of(covariates=("a",))
    found = run(spec, tables())["fit"]
    assert max(differences(found, reference(spec, tables())).values()) < 1e-9


def test_a_variable_that_stands_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="listed twice"):
        spec_of(covariates=("a", "y"))
