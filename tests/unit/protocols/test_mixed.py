"""The linear mixed model over sites: a library's fit, no variance between sites, who is left out."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.regression.mixed_linear_model import MixedLM

from protocols.core.errors import Code
from protocols.core.lockstep import Failure
from protocols.core.table import AnalysisTable
from protocols.exchange.local import run_locally
from protocols.exchange.rounds import Outcome
from protocols.regression.mixed import MixedResult
from tests.lib.studies import a_study_of


def tables(sizes: tuple[int, ...], between: float, seed: int = 0, shift: float = 0.0) -> list[AnalysisTable]:
    """Sites whose levels vary with standard deviation `between`; residuals have 1."""
    rng = np.random.default_rng(seed)
    found = []
    for number, n in enumerate(sizes):
        a, b = rng.normal(size=n) + shift, (rng.random(n) < 0.4).astype(float)
        y = 3 + 0.5 * a - b + between * rng.normal() + rng.normal(size=n)
        found.append(AnalysisTable(f"s{number}", np.arange(n), {"a": a, "b": b, "y": y}))
    return found


def run(sites: list[AnalysisTable], **changes: object) -> Outcome:
    spec = {"protocol": "mixed", "outcome": "y", "covariates": ["a", "b"], **changes}
    return run_locally(a_study_of(("a", "b", "y"), {"name": "fit", "spec": spec}), sites)


@pytest.mark.parametrize("method", ["reml", "ml"])
def test_it_is_the_fit_of_statsmodels(method: str) -> None:
    """1e-4: MixedLM stops there; conformance holds the same to 1e-8 against dense matrices."""
    sites = tables((40, 45, 60, 50, 80, 55), 1.5)  # ten carriers of b at each
    found: MixedResult = run(sites, method=method)["fit"]
    frame = pd.concat([pd.DataFrame(dict(t.columns)).assign(site=t.site) for t in sites])
    fit = MixedLM(frame.y, np.column_stack([np.ones(len(frame)), frame[["a", "b"]]]), frame.site)
    theirs = fit.fit(reml=method == "reml")
    np.testing.assert_allclose(found.coef, theirs.fe_params, rtol=1e-4)
    np.testing.assert_allclose(found.se, theirs.bse_fe, rtol=1e-3)
    np.testing.assert_allclose(found.site_sd**2, float(theirs.cov_re.iloc[0, 0]), rtol=1e-3)
    np.testing.assert_allclose(found.loglik, theirs.llf, rtol=1e-6)
    for site, effect in theirs.random_effects.items():
        np.testing.assert_allclose(found.site_effects[site], effect.iloc[0], atol=1e-3)


def test_far_columns_keep_their_digits() -> None:
    near, far = (run(tables((40, 25, 60, 30), 1.0, shift=s))["fit"] for s in (0.0, 1e6))
    np.testing.assert_allclose(far.coef[1:], near.coef[1:], rtol=1e-8)
    np.testing.assert_allclose(far.se[1:], near.se[1:], rtol=1e-8)


def test_sites_that_do_not_differ_have_no_variance() -> None:
    sites = tables((50, 50, 50, 50), 0.0, seed=3)
    levelled = [t.with_columns({"y": t.column("y") - t.column("y").mean()}) for t in sites]
    found: MixedResult = run(levelled)["fit"]
    assert found.site_sd == 0
    assert found.icc == 0
    assert set(found.site_effects.values()) == {0.0}


def test_a_small_site_is_left_out_by_name() -> None:
    found: MixedResult = run(tables((40, 25, 60, 8), 1.0))["fit"]
    assert dict(found.withheld) == {"s3": Code.WITHHELD}
    assert found.n == 125


def test_two_sites_are_too_few() -> None:
    found = run(tables((40, 25, 5), 1.0)).results["fit"]
    assert isinstance(found, Failure)
    assert found.code is Code.TOO_FEW_SITES
    assert "needs 3" in found.text
