"""Histograms, quantiles, cross tables and correlations: what is hidden, and R's numbers of two data sets."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from scipy import stats

from protocols.core.errors import Code, StudyError
from protocols.core.suppression import suppressed
from protocols.core.table import AnalysisTable
from protocols.describe.quantiles import QuantilesSpec
from protocols.exchange.local import run_locally
from tests.lib.drawn_sites import SPLITS, study_of
from tests.lib.shared import shared
from tests.lib.ungated import estimated, tables_of
from tests.reference.statistics.numbers import _json

TABLES = SPLITS["unequal sites"]


def found(tables: list[AnalysisTable] = TABLES, **spec: Any) -> Any:
    return run_locally(study_of(spec), tables)["a0"]


def test_a_hidden_cell_is_not_alone_and_may_be_anything() -> None:
    """RT04: on 1,000 sparse tables every hidden cell may be 0 or at least the floor."""
    rng = np.random.default_rng(3)
    for _ in range(1000):
        counts = rng.poisson(rng.choice([2, 8, 30], size=(rng.integers(2, 6), rng.integers(2, 6))))
        shown = suppressed(counts, 10)
        hidden = shown == -1
        assert (shown[~hidden] == counts[~hidden]).all()
        assert (counts[~hidden] >= 10).all()
        if hidden.any() and not hidden.all():
            assert hidden.sum() >= 2
            assert counts[hidden].sum() >= 10


def test_a_bin_of_few_people_is_hidden_with_another() -> None:
    histogram = found(protocol="histogram", of="age", edges=[40, 50, 60, 75, 76])
    assert (histogram.counts[0] == -1).sum() >= 2
    assert histogram.counts[0][histogram.counts[0] >= 0].min() >= 10
    assert histogram.n[0] == sum(len(t) for t in TABLES)


def test_edges_that_do_not_ascend_are_refused() -> None:
    with pytest.raises(ValidationError, match="ascend"):
        study_of({"protocol": "histogram", "of": "age", "edges": [0, 5, 5]})


@pytest.mark.parametrize("share", [0.0, 0.01, 0.96, 1.0])
def test_extreme_quantiles_are_refused(share: float) -> None:
    """RT06."""
    scale = {"variable": "age", "low": 0, "high": 120, "resolution": 1}
    with pytest.raises(ValidationError, match=r"between 0\.05 and 0\.95"):
        QuantilesSpec.model_validate({"of": [scale], "shares": [share]})


def test_a_quantile_finer_than_ten_thousand_steps_is_refused() -> None:
    scale = {"variable": "age", "low": 0, "high": 120, "resolution": 1e-6}
    with pytest.raises(ValidationError, match="age: low to high holds 1 to 10,000 steps"):
        QuantilesSpec.model_validate({"of": [scale]})


def test_a_quantile_of_fewer_than_fifty_people_is_refused() -> None:
    few = [t.select(np.arange(len(t)) < 15) for t in TABLES]
    scale = {"variable": "age", "low": 0, "high": 120, "resolution": 1}
    with pytest.raises(StudyError, match="fewer than 50 people have age") as caught:
        found(few, protocol="quantiles", of=[scale])
    assert caught.value.code == Code.WITHHELD


def test_a_quantile_outside_the_public_range_is_missing() -> None:
    scale = {"variable": "age", "low": 45, "high": 55, "resolution": 0.5}
    quantiles = found(protocol="quantiles", of=[scale], shares=[0.05, 0.5, 0.95]).quantiles[0]
    assert np.isnan(quantiles[[0, 2]]).all()
    assert 45 < quantiles[1] < 55


def test_quantiles_are_those_of_r() -> None:
    """flchain, R's and numpy's type 7; the 2.5th percentile is beyond what a study may ask for."""
    data = pd.read_csv(shared("data/stats/survival_flchain.csv"))
    reference = _json("stats/descriptive_flchain_uci")["flchain"]
    grids = {
        "age": (0, 120, 1),
        "kappa": (0, 30, 0.01),
        "lambda": (0, 30, 0.005),
        "creatinine": (0, 15, 0.1),
        "futime": (0, 6000, 1),
    }
    of = [
        {"variable": name, "low": low, "high": high, "resolution": step}
        for name, (low, high, step) in grids.items()
    ]
    tables = tables_of(data[list(grids)], data["sample.yr"] % 3)
    shares = [0.25, 0.5, 0.75]
    quantiles: Any = estimated({"protocol": "quantiles", "of": of, "shares": shares}, tables)
    expected = [[reference[name]["q"][str(share)] for share in shares] for name in grids]
    np.testing.assert_allclose(quantiles.quantiles, expected, rtol=1e-9)
    assert quantiles.n.tolist() == [reference[name]["n"] for name in grids]


def test_a_table_with_a_cell_of_few_people_has_no_test() -> None:
    """One site of UCI heart has 45 of 46 people with the disease: cells like that are hidden."""
    data = pd.read_csv(shared("data/stats/uci_heart_4centers.csv"))
    frame = pd.DataFrame({"sex": data.sex, "idh1": data.disease})
    frame["f_one"] = (data.site == "switzerland") & (data.chol == 0)
    tables = tables_of(frame, data.site)
    hidden = found(tables, protocol="crosstab", rows="f_one", columns="idh1")
    if (hidden.counts == -1).any():
        assert np.isnan([hidden.chi_square, hidden.p, hidden.fisher_p]).all()
        assert "f_one=1" in hidden.withheld
        assert "merge levels" in hidden.withheld
    whole = found(tables, protocol="crosstab", rows="sex", columns="idh1")
    counts = pd.crosstab(frame.sex, frame.idh1).to_numpy()
    assert (whole.counts == counts).all()
    assert whole.p == pytest.approx(stats.chi2_contingency(counts, correction=False).pvalue, rel=1e-12)
    assert whole.fisher_p == pytest.approx(stats.fisher_exact(counts).pvalue, rel=1e-12)


def test_a_table_of_small_cells_alone_is_refused_by_name() -> None:
    few = [t.select(np.arange(len(t)) < 8) for t in TABLES]
    with pytest.raises(StudyError, match="cells of sex by idh1"):
        found(few, protocol="crosstab", rows="sex", columns="idh1")


def test_a_variable_that_does_not_vary_is_named() -> None:
    with pytest.raises(StudyError, match="still"):
        found(protocol="correlation", of=["age", "still"])


def test_carriers_too_few_to_hide_are_named() -> None:
    rare = [t.with_columns({"idh1": (np.arange(len(t)) == 0).astype(float)}) for t in TABLES]
    with pytest.raises(StudyError, match="idh1") as caught:
        found(rare, protocol="correlation", of=["age", "idh1"])
    assert caught.value.code == Code.WITHHELD
