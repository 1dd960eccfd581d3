"""Landmark models of 467 people whose CD4 count is measured again and again, against R's coxph."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from protocols.core.table import AnalysisTable, Episodes
from protocols.exchange.local import run_locally
from protocols.survival.landmarking import LandmarkingResult
from tests.lib.shared import shared
from tests.lib.studies import a_study_of
from tests.reference.oracles.conftest import Holds

pytestmark = pytest.mark.slow

MONTH = 100
"""Days, as the study has them: a landmark is a whole number of them, and so is a step of the grid."""


@pytest.fixture(scope="module")
def oracle() -> dict[str, Any]:
    found = json.loads(shared("oracles/reference/survival_give.json").read_text())
    return dict(found["landmark_aids"])


def people() -> AnalysisTable:
    """One hospital: the marker holds from the day on which it was measured."""
    base = pd.read_csv(shared("oracles/data/aids_people.csv"))
    marker = pd.read_csv(shared("oracles/data/aids_cd4.csv")).dropna().sort_values(["id", "at"])
    rows = marker.merge(base[["id", "time", "event"]], on="id")
    rows = rows[rows["at"] < rows["time"]]
    later = rows.groupby("id")["at"].shift(-1)
    owner = np.searchsorted(base["id"].to_numpy(), rows["id"].to_numpy())
    episodes = Episodes(
        owner,
        rows["at"].to_numpy(float) * MONTH,
        later.fillna(rows["time"]).to_numpy(float) * MONTH,
        np.where(later.isna(), rows["event"], 0).astype(float),
        {"m": rows["cd4"].to_numpy(float)},
    )
    first = marker.groupby("id")["cd4"].first().reindex(base["id"])
    columns = {
        "os.time": base["time"].to_numpy(float) * MONTH,
        "os.event": base["event"].to_numpy(float),
        "ddi": base["ddI"].to_numpy(float),
        "prev_oi": base["prevOI"].to_numpy(float),
        "m": first.to_numpy(float),
    }
    return AnalysisTable("one", base["id"].to_numpy(np.int64), columns, episodes={"os": episodes})


def found(**changes: Any) -> LandmarkingResult:
    spec: dict[str, Any] = {
        "protocol": "landmarking",
        "outcome": "os",
        "covariates": ["ddi", "prev_oi", "m"],
        "landmarks": [2 * MONTH, 6 * MONTH, 12 * MONTH],
        "window_days": 12 * MONTH,
        "step_days": MONTH,
        "folds": 2,
        **changes,
    }
    names = ["ddi", "prev_oi", "m"]
    study = a_study_of(names, {"name": "a0", "spec": spec}, survival=["os"], min_sites=1, cells="exact")
    result = run_locally(study, [people()])["a0"]
    assert isinstance(result, LandmarkingResult)
    return result


def test_the_model_of_all_landmarks_is_that_of_r(oracle: dict[str, Any], holds: Holds) -> None:
    truth, ours = oracle["supermodel_stratified"], found(with_time=["m"], ties="breslow")
    holds("landmark supermodel, coxph", ours.coef, truth["coef"], rtol=1e-8)
    holds("landmark supermodel, errors of people", ours.se, truth["se"], rtol=1e-8)
    holds("landmark supermodel, errors of rows", ours.model_se, truth["naive_se"], rtol=1e-8)
    windows = oracle["windows"].values()
    holds("landmarks, people", ours.at_risk, [one["n"] for one in windows], rtol=0)
    holds("landmarks, events in the window", ours.events, [one["events"] for one in windows], rtol=0)


@pytest.mark.parametrize("month", [2, 6, 12])
def test_the_model_of_one_landmark_is_that_of_r(oracle: dict[str, Any], holds: Holds, month: int) -> None:
    truth, ours = oracle["windows"][str(month)], found(landmarks=[month * MONTH])
    holds("landmark windows, coxph", ours.coef, truth["coef"], rtol=1e-8)
    holds("landmark windows, errors", ours.model_se, truth["se"], rtol=1e-8)
