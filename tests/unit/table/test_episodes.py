"""Covariates that change over time, from the rows of a CDM to the coefficients of R's coxph."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from cdm.database import connect, migrate
from cdm.etl.identity import Identity
from cdm.etl.loader.load import load
from cdm.etl.record import SourceRecord
from protocols.core.study import Study
from protocols.core.table import Episodes
from protocols.exchange.local import run_locally
from site_node.features.clinical import Events, spells
from site_node.study_table.build import build_table
from tests.lib.patients import condition, observation, patient, procedure, visit
from tests.lib.shared import shared

ACCEPTED = date(1970, 1, 1)
TERMS = ["age", "year", "surgery", "transplant"]
PROCEDURE = {"kind": "occurrence", "domain": "procedure"}
VARIABLES: dict[str, dict[str, Any]] = {
    "age": {"kind": "measurement", "concept": "local:age"},
    "year": {"kind": "measurement", "concept": "local:year"},
    "surgery": {
        "kind": "occurrence",
        "domain": "procedure",
        "concept": "local:surgery",
        "window": {"to_days": 0},
    },
    "transplant": {"kind": "occurrence", "domain": "procedure", "concept": "local:transplant"},
    "os": {"kind": "survival", "endpoint": "overall", "changing": ["transplant"]},
}


def study_of(variables: dict[str, Any], **cox: Any) -> Study:
    spec = {"protocol": "cox", "outcome": "os", "covariates": TERMS, "episodes": True, **cox}
    return Study.model_validate(
        {
            "name": "hearts",
            "title": "Hearts",
            "cohort": {"index": {"domain": "condition", "concept": "ICD10CM:I50.9"}},
            "variables": variables,
            "analyses": [{"name": "fit", "spec": spec}],
            "min_sites": 1,
        }
    )


def hospital(data: pd.DataFrame) -> Iterator[SourceRecord]:
    """The FHIR resources of R's `heart`: days are doubled, since some of them are halves."""

    def day(number: float) -> str:
        return str(ACCEPTED + timedelta(days=int(2 * number)))

    for number, rows in data.groupby("id"):
        name, last, first = f"p{number}", rows.iloc[-1], rows.iloc[0]
        ended = {"deceasedDateTime": day(last.stop)} if last.event else {"deceasedBoolean": False}
        yield patient(name, **ended)
        yield condition(name, "ICD10CM:I50.9", day(0))
        yield visit(name, day(last.stop))
        yield observation(name, "local:age", day(0), float(first.age))
        yield observation(name, "local:year", day(0), float(first.year))
        if first.surgery:
            yield procedure(name, "local:surgery", day(-10))
        if last.transplant:
            yield procedure(name, "local:transplant", day(last.start))


@pytest.fixture(scope="module")
def hearts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A CDM of the 103 patients."""
    data = pd.read_csv(shared("data/stats/survival_heart_startstop.csv"))
    engine = connect(f"sqlite:///{tmp_path_factory.mktemp('hearts') / 'cdm.sqlite'}")
    migrate(engine)
    load(engine, list(hospital(data)), "fhir", Identity(b"k" * 32))
    yield engine
    engine.dispose()


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_a_transplant_that_comes_with_time_has_the_coefficients_of_r(hearts: Any, ties: str) -> None:
    """R 4.2.2, `coxph(Surv(start, stop, event) ~ age + year + surgery + transplant)`."""
    study = study_of(VARIABLES, ties=ties)
    table = build_table(hearts, study, "stanford").table
    assert len(table.episodes["os"].owner) == 172
    expected = json.loads(shared("reference/stats/cox_heart_timedep.json").read_text())[f"main_{ties}"]
    found = run_locally(study, [table])["fit"]
    np.testing.assert_allclose(found.coef, expected["coef"], rtol=1e-9)
    np.testing.assert_allclose(found.se, expected["se"], rtol=1e-9)
    assert found.loglik == pytest.approx(expected["loglik"], rel=1e-12)
    assert (found.n, found.n_events) == (103, 75)


def test_switched_on_from_the_beginning_it_would_look_better_than_it_is(hearts: Any) -> None:
    plain = run_locally(
        study := study_of(VARIABLES, episodes=False), [build_table(hearts, study, "stanford").table]
    )["fit"]
    assert plain.coef[3] < -1  # who lives long enough gets a heart: immortal time


def test_a_value_holds_from_the_day_after_it_was_recorded() -> None:
    """Three people: a number twice before and twice after the index date; none; one on the last day."""
    number = Events(
        np.array([0, 0, 0, 0, 2]), np.array([-9, 0, 10, 10, 30]), np.array([1.0, 2.0, 5.0, 4.0, 7.0])
    )
    switch = Events(np.array([0, 1]), np.array([20, 0]), np.array([1.0, 1.0]))
    cut = spells(
        {"number": number, "switch": switch},
        {"switch": 0.0},
        np.array([40.0, 15.0, 30.0, np.nan]),
        np.array([1.0, 0.0, 1.0, np.nan]),
    )
    assert cut.rows.tolist() == [0, 0, 0, 1, 2]
    assert cut.start.tolist() == [-1, 10, 20, -1, -1]
    assert cut.stop.tolist() == [10, 20, 40, 15, 30]
    assert cut.event.tolist() == [0, 0, 1, 0, 1]
    np.testing.assert_array_equal(cut.columns["number"], [2, 5, 5, np.nan, np.nan])
    assert cut.columns["switch"].tolist() == [0, 0, 1, 1, 0]
    Episodes(cut.rows, cut.start, cut.stop, cut.event, cut.columns)


def test_nobody_followed_has_no_spell() -> None:
    nothing = Events(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0))
    cut = spells({"x": nothing}, {}, np.array([np.nan]), np.array([np.nan]))
    assert cut.rows.tolist() == cut.columns["x"].tolist() == []


@pytest.mark.parametrize(
    ("changing", "word"),
    [
        (["nothing"], "nothing is not a variable of dated records"),
        (["gene"], "gene is not a variable of dated records"),
        (["age"], "age changes, so its `pick` is last"),
    ],
)
def test_what_can_not_change_is_named(changing: list[str], word: str) -> None:
    variables = {**VARIABLES, "gene": {"kind": "gene", "gene": "IDH1"}}
    variables["os"] = {**VARIABLES["os"], "changing": changing}
    with pytest.raises(ValidationError, match=word):
        study_of(variables)
