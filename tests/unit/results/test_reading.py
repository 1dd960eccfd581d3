"""A result that crossed HTTP as JSON is the object that it was, for every protocol."""

import json

import pytest

from protocols import CATALOGUE
from protocols.core.errors import InputError
from protocols.core.protocol import Result, parse_spec
from protocols.exchange.example import example_study, example_tables
from protocols.exchange.local import run_locally
from protocols.results.prediction import Fitted
from protocols.results.reading import read_result, result_type
from tests.lib.everything import examples, hospitals, study_with


def again(name: str, found: Result) -> Result:
    return read_result(name, json.loads(json.dumps(found.as_dict(), allow_nan=False)))


def test_a_table_of_counts_and_a_model_come_back() -> None:
    spec = {"protocol": "cox", "outcome": "os", "covariates": ["age", "idh1"], "grid": {"step_days": 90}}
    study = example_study(model=spec, ages={"protocol": "summary", "of": ["age"], "per_site": True})
    outcome = run_locally(study, example_tables())
    for name, protocol in (("model", "cox"), ("ages", "summary")):
        assert again(protocol, outcome[name]).summary().equals(outcome[name].summary())
    fitter = Fitted(parse_spec(spec), again("cox", outcome["model"])).fitter()
    assert fitter.summary.equals(Fitted(parse_spec(spec), outcome["model"]).fitter().summary)


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_every_protocol_says_what_it_finds(name: str) -> None:
    assert issubclass(result_type(name), Result)


def test_what_is_not_the_result_is_refused() -> None:
    with pytest.raises(InputError, match="not the result of a cox"):
        read_result("cox", {"terms": ["age"]})


@pytest.mark.slow
def test_every_example_comes_back_as_it_was() -> None:
    study = study_with(examples())
    outcome = run_locally(study, hospitals())
    came_back = 0
    for analysis in study.analyses:
        found = outcome.results[analysis.name]
        if isinstance(found, Result):
            back = again(analysis.spec.protocol, found)
            assert type(back) is type(found)
            assert back.as_dict() == found.as_dict(), analysis.name
            assert back.summary().equals(found.summary()), analysis.name
            came_back += 1
    assert came_back > 80
