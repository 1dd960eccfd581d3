"""What four real hospitals trip over: a site of one class, columns missing by site, a code for missing."""

from typing import Any

import numpy as np
import pandas as pd

from protocols.core.errors import Code
from protocols.core.lockstep import Failure
from protocols.exchange.local import run_locally
from protocols.exchange.rounds import Outcome
from tests.lib.shared import shared
from tests.lib.studies import a_study_of
from tests.lib.ungated import tables_of

COVARIATES = ["age", "sex", "thalach", "exang", "oldpeak"]
MODEL = {"protocol": "logistic", "outcome": "disease", "covariates": COVARIATES}


def heart(*specs: dict[str, Any], complete: bool = True, only: str | None = None) -> Outcome:
    """740 complete rows, or all 920 with what is missing; Switzerland has 45 of 46, or 115 of 123, ill."""
    name = "uci_heart_4centers_flamby740" if complete else "uci_heart_4centers"
    data = pd.read_csv(shared(f"data/stats/{name}.csv"))
    data = data[data.site == only] if only else data
    frame = data.drop(columns=["row", "site", "num"])
    named = [{"name": f"a{i}", "spec": spec} for i, spec in enumerate(specs)]
    study = a_study_of(list(frame.columns), *named, min_sites=1, complete_cases="analysis")
    return run_locally(study, tables_of(frame, data.site))


def test_a_site_of_one_class_trains_but_is_not_judged() -> None:
    outcome = heart({"protocol": "discrimination", "model": MODEL, "scheme": {"kind": "sites"}})
    found = outcome["a0"]
    assert found.not_judged["switzerland"] is Code.WITHHELD
    assert "switzerland" not in found.by_site
    assert set(found.folds) == {"cleveland", "hungarian", "va"}


def test_that_site_alone_has_no_model() -> None:
    found = heart(MODEL, only="switzerland").results["a0"]
    assert isinstance(found, Failure)
    assert found.code in {Code.SEPARATION, Code.RANK_DEFICIENT, Code.WITHHELD}


def test_columns_known_at_one_site_leave_complete_cases_there_or_trees_with_everybody() -> None:
    with_ca = [*COVARIATES, "ca", "thal"]
    trees = {"protocol": "boosting", "outcome": "disease", "covariates": with_ca, "trees": 5}
    outcome = heart({**MODEL, "covariates": with_ca}, trees, complete=False)
    assert outcome["a0"].n < 320
    assert outcome["a1"].n == 920


def test_missing_by_site_is_imputed_within_folds_and_everybody_is_scored() -> None:
    fill = {"protocol": "impute", "mean": [*COVARIATES, "chol", "ca", "thal"], "zero_is_missing": ["chol"]}
    fill["indicators"] = ["chol", "ca", "thal"]
    covariates = [*COVARIATES, "chol", "ca", "thal", "chol_missing", "ca_missing", "thal_missing"]
    spec = {"protocol": "discrimination", "model": {**MODEL, "covariates": covariates}, "prepare": [fill]}
    found = heart(spec, complete=False)["a0"]
    assert found.n == 920
    assert found.auc > 0.85


def test_multiple_imputation_uses_everybody() -> None:
    spec = {
        "protocol": "multiple_imputation",
        "model": MODEL,
        "norm": ["thalach", "oldpeak"],
        "logreg": ["exang"],
        "predictors": ["age", "sex", "disease"],
        "imputations": 5,
        "iterations": 2,
    }
    outcome = heart(spec, MODEL, complete=False)
    assert outcome["a0"].n == 920
    assert outcome["a1"].n < 870
    assert np.abs(outcome["a0"].coef - outcome["a1"].coef).max() < 0.5
    assert (outcome["a0"].fmi > 0).all()
