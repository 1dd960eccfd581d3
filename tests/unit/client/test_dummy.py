"""Dummy people meet a study's cohort, and what fails among them fails as it would in hospitals."""

import numpy as np
import pandas as pd
import pytest

import shadowgraph as sg
from protocols.core.errors import Code, InputError, StudyError
from protocols.core.study import Study
from protocols.exchange.dummy import dummy_tables
from protocols.exchange.local import run_locally
from tests.lib.everything import examples, study_with
from tests.unit.client.test_builders import lgg

COHORT = (
    sg.cohort("condition:ICD10CM:C71%").aged(40, 60).sex("female").tested("IDH1", mutated=True).followed(365)
)
VARIABLES = {
    "age": sg.age(),
    "female": sg.sex("female"),
    "idh1": sg.gene("IDH1"),
    "tp53": sg.gene("TP53"),
    "os": sg.survival("overall"),
    "purity": sg.purity(),
    "scanner": sg.scanner("MR"),
}


def narrow() -> Study:
    return sg.study("narrow", cohort=COHORT, variables=VARIABLES).summary("ages", ["age"]).study


def test_people_meet_the_rules_of_the_cohort() -> None:
    for table in dummy_tables(narrow()):
        assert table.columns["age"].min() >= 40
        assert table.columns["age"].max() <= 60
        assert set(table.columns["female"]) == set(table.columns["idh1"]) == {1.0}
        assert table.columns["os.time"].min() >= 365
        assert 0 <= np.nanmin(table.columns["purity"]) <= np.nanmax(table.columns["purity"]) <= 1
        assert len(set(table.labels["scanner"])) == 2
        assert list(table.attrition.values())[-1] == len(table)


def test_every_variable_has_cases_and_controls_and_people_without_a_value() -> None:
    for table in dummy_tables(narrow()):
        tp53 = table.columns["tp53"]
        assert min((tp53 == 1).sum(), (tp53 == 0).sum()) >= 10
        assert 0 < np.isnan(tp53).sum() < len(table) / 10


def test_the_same_seed_draws_the_same_people_and_one_variable_more_changes_no_other() -> None:
    study = narrow()
    wider = study.model_copy(update={"variables": {**study.variables, "volume": sg.image_feature("volume")}})
    first, second = dummy_tables(study)[0], dummy_tables(wider)[0]
    for name, column in first.columns.items():
        np.testing.assert_array_equal(column, second.columns[name])
    assert (dummy_tables(study, seed=2)[0].columns["age"] != first.columns["age"]).any()


def test_a_study_runs_on_dummy_people_and_gives_what_a_notebook_wants() -> None:
    result = sg.dummy().submit(lgg()).wait()
    table = result["cox_os_strata"].summary()
    assert list(table.index) == ["age", "g3", "idh1_mutated", "vasari_f5"]
    assert not result.failures
    fitter = result["cox_os_strata"].fitted().fitter()
    assert fitter.summary["coef"].tolist() == pytest.approx(table["coef"].astype(float).tolist())
    estimator = result["logit_idh1"].fitted().estimator()
    people = pd.DataFrame({"age": [30.0], "vasari_f9": [50.0], "vasari_f14": [50.0]})
    assert estimator.predict_proba(people).shape == (1, 2)
    assert "cox_os_strata" in result._repr_html_()


def test_what_is_too_few_is_withheld_and_is_missing_and_not_zero() -> None:
    study = sg.study("few", cohort=COHORT, variables=VARIABLES).summary("genes", ["tp53"], per_site=True)
    found = sg.dummy(people=11).run(study)["genes"]  # 13, 11 and 9 people
    table = found.summary()
    west = table[table["site"] == "south"]
    assert west["mean"].isna().all()
    assert west["mean"].iloc[0] is pd.NA
    assert found.not_told().to_numpy().any()
    assert "not told" in found._repr_html_()
    with pytest.raises(StudyError) as raised:
        _ = sg.dummy(people=3).run(study)["genes"]
    assert raised.value.code is Code.WITHHELD


def test_queries_and_attrition_have_the_same_calls_as_over_the_network() -> None:
    net = sg.dummy()
    table = net.query("condition:ICD10CM:C71%", ["age", "gene:IDH1"], by="female")
    assert set(table["site"]) == {"all sites"} | set(net.sites().index)
    assert table["people"].dtype == "Int64"
    funnel = net.attrition(COHORT)
    assert next(iter(funnel.index)) == "index event"
    assert funnel["all sites"].is_monotonic_decreasing
    assert net.check(lgg())["doubts"] == []


def test_three_to_eight_hospitals() -> None:
    with pytest.raises(InputError, match="3 to 8"):
        sg.dummy(2)


@pytest.mark.slow
def test_every_example_of_every_protocol_runs_on_dummy_people() -> None:
    """But for those that name what no dummy hospital has: a rule, the site `a`, and six hospitals."""
    study = study_with(examples())
    outcome = run_locally(study, dummy_tables(study))
    failed = {name for name, found in outcome.results.items() if not hasattr(found, "as_dict")}
    assert failed <= {"attrition_1", "attrition_2", "combat_3", "influence_1", "influence_2"}
