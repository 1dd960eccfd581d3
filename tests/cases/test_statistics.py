"""Analyses on which the product gave a wrong answer, by the name of the case's folder.

Each runs over three sites, with masked sums and with plain ones.
"""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from statsmodels.discrete.discrete_model import Logit

from protocols.core.errors import Code, SiteError, StudyError
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
    """No value is made up of a feature that does not vary; empirical Bayes borrows one."""
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


@SECURE
@pytest.mark.parametrize("features", [["f1", "f2", "energy"], ["f1", "energy"]])
def test_63_features_of_very_large_numbers(secure: bool, features: list[str]) -> None:
    """Energy of 1e11, as IBSI's of an MR region: the same as that of energy in another unit."""
    case = "63_features_of_very_large_numbers"
    found = found_in(case, secure=secure, features=features)
    small = frame_of(case).assign(energy=lambda frame: frame.energy * 2.0**-36)
    spec = {"protocol": "combat", "features": features}
    same = run_locally(study_of(small, {"name": "it", "spec": spec}), tables_of(small), secure=False)["it"]
    units = np.where(np.array(features) == "energy", 2.0**36, 1.0)
    np.testing.assert_allclose(found.grand_mean, same.grand_mean * units, rtol=1e-9)
    np.testing.assert_allclose(found.variance, same.variance * units**2, rtol=1e-9)


GRID = {"step_days": 7, "until_days": 700}
# spec of an analysis of `s`, and which of its numbers do not depend on the unit
OF_ANY_UNIT: dict[str, tuple[dict[str, Any], str]] = {
    "logistic": ({"outcome": "y", "covariates": ["f1", "s"]}, "z"),
    "multinomial": ({"outcome": "y", "covariates": ["f1", "s"], "levels": [0, 1]}, "z"),
    "penalized_logistic": ({"outcome": "y", "covariates": ["f1", "s"], "lambdas": [0.02]}, "loglik"),
    "linear": ({"outcome": "f1", "covariates": ["s"]}, "t"),
    "associate": ({"features": ["s"], "outcomes": ["f1"]}, "statistic"),
    "cox": ({"outcome": "os", "covariates": ["f1", "s"]}, "z"),
    "cox_shared": (
        {
            "outcome": "os",
            "covariates": ["f1", "s"],
            "stratify": "none",
            "grid": {"step_days": 7, "until_days": 700},
        },
        "z",
    ),
    "boosting": ({"outcome": "y", "covariates": ["f1", "s"], "trees": 3}, "value"),
    "glm": ({"outcome": "y", "covariates": ["f1", "s"], "family": "probit"}, "z"),
}


@SECURE
@pytest.mark.parametrize("size", [1e-9, 1e-6, 1e11, 1e15])
@pytest.mark.parametrize("protocol", OF_ANY_UNIT)
def test_64_covariate_of_very_small_numbers_and_very_large_ones(
    secure: bool, size: float, protocol: str
) -> None:
    """A test statistic does not depend on a covariate's unit."""
    spec, number = OF_ANY_UNIT[protocol]
    frame = frame_of("64_covariate_of_very_small_numbers")
    found = []
    for factor in (1e9, size * 1e9):
        scaled = frame.assign(s=frame.s * factor)
        analysis = {"name": "it", "spec": {"protocol": protocol.removesuffix("_shared"), **spec}}
        result = run_locally(study_of(scaled, analysis), tables_of(scaled), secure=secure)["it"]
        found.append(np.asarray(getattr(result, number), dtype=np.float64))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-6)


@SECURE
def test_64_covariate_of_very_small_numbers(secure: bool) -> None:
    """statsmodels 0.14: Logit on s in nanomoles; the coefficient is per mole."""
    case = "64_covariate_of_very_small_numbers"
    frame = frame_of(case)
    design = np.column_stack([np.ones(len(frame)), frame.f1, frame.s * 1e9])
    theirs = Logit(frame.y, design).fit(disp=0, tol=1e-12).params.to_numpy()
    np.testing.assert_allclose(
        found_in(case, secure=secure).coef, theirs * np.array([1.0, 1.0, 1e9]), rtol=1e-7
    )


@SECURE
def test_a_summary_of_numbers_of_any_size(secure: bool) -> None:
    frame = frame_of("63_features_of_very_large_numbers").assign(
        small=lambda f: f.f1 * 1e-9, large=lambda f: f.energy * 1e4, still=3e-9
    )
    names = ["f1", "small", "energy", "large"]
    study = study_of(frame, {"name": "it", "spec": {"protocol": "summary", "of": names}})
    total = run_locally(study, tables_of(frame), secure=secure)["it"].total
    np.testing.assert_allclose(total.mean[0], frame[names].mean(), rtol=1e-9)
    np.testing.assert_allclose(total.sd[0], frame[names].std(), rtol=1e-9)


@SECURE
@pytest.mark.parametrize("offset", [500.0, -500.0])
def test_a_poisson_offset_of_500_only_moves_the_intercept(secure: bool, offset: float) -> None:
    frame = frame_of("61_logistic_scan_without_confounders").assign(none=0.0, far=offset)
    fits = []
    for name in ("none", "far"):
        spec = {"protocol": "glm", "family": "poisson", "outcome": "yb", "covariates": ["x"], "offset": name}
        study = study_of(frame, {"name": "it", "spec": spec})
        fits.append(run_locally(study, tables_of(frame), secure=secure)["it"])
    np.testing.assert_allclose(fits[1].coef, fits[0].coef - [offset, 0.0], rtol=1e-9)
    np.testing.assert_allclose(fits[1].se, fits[0].se, rtol=1e-9)
    np.testing.assert_allclose(fits[1].null_deviance, fits[0].null_deviance, rtol=1e-9)


@SECURE
@pytest.mark.parametrize("protocol", ["linear", "logistic"])
def test_an_infinite_number_is_not_said_not_to_vary(secure: bool, protocol: str) -> None:
    """Two covariates, of which one is sound: it is the other that is named."""
    frame = frame_of("61_logistic_scan_without_confounders").assign(z=lambda f: f.x)
    frame.loc[3, "z"] = np.inf
    spec = {"protocol": protocol, "outcome": "yb", "covariates": ["x", "z"]}
    study = study_of(frame, {"name": "it", "spec": spec})
    with pytest.raises(StudyError, match=r"infinite|not finite"):
        assert run_locally(study, tables_of(frame), secure=secure)["it"].coef
