"""Analyses on which the product gave a wrong answer, by the name of the case's folder.

Each runs over three sites, with masked sums and with plain ones.
"""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from statsmodels.discrete.discrete_model import Logit

from protocols.core.errors import Code, SiteError
from protocols.core.lockstep import Failure
from protocols.core.study import Study
from protocols.core.table import AnalysisTable
from protocols.exchange.local import run_locally
from protocols.preparation.combat import Combat, CombatSpec
from tests.lib.shared import shared
from tests.lib.studies import a_study

SECURE = pytest.mark.parametrize("secure", [True, False], ids=["masked", "plain"])


def frame_of(case: str) -> pd.DataFrame:
    """The rows of the case's table, of all sites."""
    return pd.read_csv(shared(f"cases/{case}/table.csv"))


def tables_of(frame: pd.DataFrame) -> list[AnalysisTable]:
    """One table per site; columns of words are labels."""
    found = []
    for number, (site, rows) in enumerate(frame.groupby("site")):
        columns = rows.drop(columns="site")
        numbers = {name: columns[name].to_numpy(np.float64) for name in columns.select_dtypes("number")}
        labels = {name: columns[name].to_numpy(object) for name in columns.select_dtypes(exclude="number")}
        persons = np.arange(len(rows), dtype=np.int64) + 1000 * number
        found.append(AnalysisTable(str(site), persons, numbers, labels))
    return found


def study_of(frame: pd.DataFrame, *analyses: dict[str, Any]) -> Study:
    """A study of the table's columns, with these analyses."""
    names = [name for name in frame.columns if name != "site" and "." not in name]
    numeric = set(frame.select_dtypes("number"))
    variables: dict[str, Any] = {
        name: {"kind": "measurement", "concept": f"LOCAL:{name}"}
        if name in numeric
        else {"kind": "scanner", "modality": "CT"}
        for name in names
    }
    if "os.time" in frame:
        variables["os"] = {"kind": "survival", "endpoint": "overall"}
    return a_study(variables=variables, analyses=list(analyses))


def found_in(case: str, *, secure: bool, **changes: Any) -> Any:
    """The result or failure of the case's analysis."""
    spec = {**json.loads(shared(f"cases/{case}/analysis.json").read_text()), **changes}
    frame = frame_of(case)
    study = study_of(frame, {"name": "it", "spec": spec})
    return run_locally(study, tables_of(frame), secure=secure).results["it"]


@SECURE
def test_60_logistic_separation_not_seen(secure: bool) -> None:
    """Everybody with x = 1 has y = 1; z is innocent."""
    found = found_in("60_logistic_separation_not_seen", secure=secure)
    assert isinstance(found, Failure)
    assert found.code is Code.SEPARATION
    assert found.text.endswith(" x")


@SECURE
@pytest.mark.parametrize("spec", [{"protocol": "glm", "family": "probit"}, {"protocol": "multinomial"}])
def test_60_separation_is_seen_by_the_kin_of_logistic(secure: bool, spec: dict[str, Any]) -> None:
    changes: dict[str, Any] = {**spec, "outcome": "y"}
    if spec["protocol"] == "multinomial":
        changes["levels"] = [0, 1]
    frame = frame_of("60_logistic_separation_not_seen")
    study = study_of(frame, {"name": "it", "spec": {"covariates": ["x", "z"], **changes}})
    found = run_locally(study, tables_of(frame), secure=secure).results["it"]
    assert isinstance(found, Failure)
    assert found.code is Code.SEPARATION


@SECURE
def test_61_logistic_scan_without_confounders(secure: bool) -> None:
    """statsmodels 0.14: Logit(yb, add_constant(x)).fit().params[1] of each feature alone."""
    frame = frame_of("61_logistic_scan_without_confounders")
    found = found_in("61_logistic_scan_without_confounders", secure=secure)
    alone = [
        Logit(frame.yb, np.column_stack([np.ones(len(frame)), frame[name]]))
        .fit(disp=0, tol=1e-12)
        .params.iloc[1]
        for name in ("z", "x")
    ]
    assert found.beta[:, 0] == pytest.approx(alone, rel=1e-8)
    assert found.beta[1, 0] == pytest.approx(0.942659, abs=1e-6)


@SECURE
def test_62_combat_feature_constant_in_a_batch(secure: bool) -> None:
    """No value is made up of a feature without a spread of its own; empirical Bayes borrows one."""
    case = "62_combat_feature_constant_in_a_batch"
    content = json.loads(shared(f"cases/{case}/analysis.json").read_text())
    spec, frame = CombatSpec.model_validate(content), frame_of(case)
    arrays = found_in(case, secure=secure).transform_arrays()
    refused = {}
    for table in tables_of(frame):
        try:
            Combat().transform(spec, table, np.ones(len(table), dtype=bool), **arrays)
        except SiteError as error:
            refused[table.site] = error.code, error.text
    at = frame[frame.sc == "b0"].site.unique()
    assert refused == dict.fromkeys(at, (Code.RANK_DEFICIENT, "does not vary within a batch: f2"))


@SECURE
def test_62_combat_fails_the_analysis_that_comes_after_it(secure: bool) -> None:
    case = "62_combat_feature_constant_in_a_batch"
    spec = json.loads(shared(f"cases/{case}/analysis.json").read_text())
    frame = frame_of(case)
    summary = {"protocol": "summary", "of": ["f2"]}
    study = study_of(frame, {"name": "it", "spec": spec}, {"name": "after", "spec": summary, "after": ["it"]})
    failed = run_locally(study, tables_of(frame), secure=secure).results["after"]
    assert isinstance(failed, Failure)
    assert failed.code is Code.RANK_DEFICIENT
