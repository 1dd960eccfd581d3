"""Missing values filled and marked: four real hospitals, whose missing values differ by hospital."""

import numpy as np
import pandas as pd
import pytest

from protocols.core.errors import Code
from protocols.core.lockstep import Failure
from protocols.core.table import AnalysisTable
from protocols.exchange.local import run_locally
from protocols.exchange.rounds import Outcome
from tests.lib.shared import shared
from tests.lib.studies import a_study_of
from tests.lib.ungated import tables_of


def heart() -> tuple[pd.DataFrame, list[AnalysisTable]]:
    """920 people of four hospitals; cholesterol 0 means missing, ca and thal are known at one alone."""
    data = pd.read_csv(shared("data/stats/uci_heart_4centers.csv"))
    frame = data.drop(columns=["row", "site", "num"])
    return frame, tables_of(frame, data.site)


def run(*analyses: dict[str, object]) -> tuple[pd.DataFrame, Outcome]:
    frame, tables = heart()
    return frame, run_locally(a_study_of(list(frame.columns), *analyses), tables)


def test_a_cholesterol_of_zero_is_missing() -> None:
    spec = {"protocol": "impute", "mean": ["chol"], "zero_is_missing": ["chol"]}
    frame, outcome = run({"name": "fill", "spec": spec})
    known = frame.chol[frame.chol > 0]
    found = outcome["fill"]
    np.testing.assert_allclose(found.values, [known.mean()], rtol=1e-12)
    assert found.n.tolist() == [len(known)]
    assert found.missing.tolist() == [len(frame) - len(known)]


@pytest.mark.parametrize("name", ["age", "trestbps", "thalach", "oldpeak", "ca"])
def test_a_median_is_within_its_bound(name: str) -> None:
    frame, outcome = run({"name": "fill", "spec": {"protocol": "impute", "median": [name]}})
    found = outcome["fill"]
    assert abs(found.values[0] - frame[name].median()) <= found.bound[0]
    assert found.bound[0] < 0.1 * frame[name].std()
    assert outcome.rounds <= 5


def test_a_model_after_it_uses_everybody_and_the_indicator() -> None:
    fill = {"protocol": "impute", "mean": ["chol", "oldpeak"], "indicators": ["chol"]}
    fill["zero_is_missing"] = ["chol"]
    covariates = ["age", "sex", "chol", "chol_missing", "oldpeak"]
    model = {"protocol": "logistic", "outcome": "disease", "covariates": covariates}
    frame, outcome = run({"name": "fill", "spec": fill}, {"name": "fit", "spec": model, "after": ["fill"]})
    found = outcome["fit"]
    assert found.n == len(frame)
    assert found.coef[found.terms.index("chol_missing")] > 0.5  # who was not measured is ill more often


def test_a_column_known_of_few_is_not_filled() -> None:
    frame, tables = heart()
    few = [t.with_columns({"ca": np.where(np.arange(len(t)) < 2, t.column("age"), np.nan)}) for t in tables]
    study = a_study_of(
        list(frame.columns), {"name": "fill", "spec": {"protocol": "impute", "mean": ["ca", "age"]}}
    )
    found = run_locally(study, few).results["fill"]
    assert isinstance(found, Failure)
    assert found.code is Code.WITHHELD
    assert "ca" in found.text
