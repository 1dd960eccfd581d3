"""How many numbers about variables that can be listed an analysis publishes."""

from typing import Any

import numpy as np
import pytest

from protocols.core.numbers_published import (
    are_shown_by_site,
    most_published,
    numbers_published,
    people_needed,
)
from protocols.core.protocol import parse_spec
from protocols.core.table import AnalysisTable
from tests.conformance.examples import EXAMPLES
from tests.lib.drawn_sites import SIX


def a_table(n: int = 100) -> AnalysisTable:
    """Two 0/1 columns, whole years, two textures, and a scanner of three names."""
    draw = np.random.default_rng(0)
    columns = {
        "sex": (draw.random(n) < 0.5).astype(float),
        "idh1": (draw.random(n) < 0.5).astype(float),
        "age": np.rint(draw.normal(60, 9, n)),
        "f_one": draw.normal(size=n),
        "f_two": draw.normal(size=n),
        "os.time": np.ceil(draw.exponential(700, n)),
        "os.event": (draw.random(n) < 0.5).astype(float),
    }
    scanner = np.array(["x", "y", "z", None] * (n // 4), dtype=object)
    return AnalysisTable("a", np.arange(n, dtype=np.int64), columns, {"scanner": scanner})


def counted(people: int = 300, **spec: Any) -> int:
    return numbers_published(parse_spec(spec), a_table(), people, 10)


@pytest.mark.parametrize(
    ("numbers", "spec"),
    [
        (9, {"protocol": "logistic", "outcome": "idh1", "covariates": ["sex", "age", "f_one"]}),
        (9, {"protocol": "cox", "outcome": "os", "covariates": ["sex", "age", "f_two"]}),
        (14, {"protocol": "linear", "outcome": "age", "covariates": ["sex", "idh1", "f_one"]}),
        (0, {"protocol": "linear", "outcome": "f_two", "covariates": ["f_one"]}),
        (
            27,
            {"protocol": "multinomial", "outcome": "idh1", "levels": [0, 1, 2], "covariates": ["sex", "age"]},
        ),
        (
            15,
            {"protocol": "penalized_logistic", "outcome": "idh1", "covariates": ["sex", "age"], "number": 5},
        ),
        (4, {"protocol": "crosstab", "rows": "sex", "columns": "idh1"}),
        (0, {"protocol": "kaplan_meier", "outcome": "os"}),
        (30, {"protocol": "kaplan_meier", "outcome": "os", "by": "sex"}),
        (0, {"protocol": "summary", "of": ["sex", "age", "idh1"]}),
        (
            0,
            {
                "protocol": "crosstab",
                "rows": "sex",
                "columns": "idh1",
                "privacy": {"epsilon": 1.0, "delta": 1e-6},
            },
        ),
    ],
    ids=lambda value: value["protocol"] if isinstance(value, dict) else "",
)
def test_what_crosses_variables_that_can_be_listed_counts(numbers: int, spec: dict[str, Any]) -> None:
    assert counted(**spec) == numbers


def test_a_label_is_a_column_for_each_of_its_names_but_one() -> None:
    combat = {"protocol": "combat", "features": ["f_one", "f_two"], "batch": "scanner"}
    assert counted(**combat) == of_columns(2)
    assert counted(**combat, covariates=["sex"]) == of_columns(3)


def of_columns(columns: int) -> int:
    """Coefficients, an intercept among them, and their covariance."""
    return (columns + 1) + (columns + 1) * (columns + 2) // 2


def test_a_model_inside_another_analysis_counts() -> None:
    model = {"protocol": "logistic", "outcome": "idh1", "covariates": ["sex", "age"]}
    assert counted(protocol="discrimination", model=model) == counted(**model) == 9


def test_a_scan_counts_its_covariates_and_not_the_names_of_its_axis() -> None:
    scan = {"protocol": "gwas", **EXAMPLES["gwas"].specs[0]}
    assert counted(**scan) <= of_columns(3)
    features = [f"f{j}" for j in range(900)]
    assert counted(protocol="associate", features=features, outcomes=["idh1"], confounders=["sex"]) <= 5


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_no_example_publishes_more_than_its_study_says(name: str) -> None:
    for spec in EXAMPLES[name].specs:
        parsed = parse_spec({"protocol": name, **spec})
        assert 0 <= numbers_published(parsed, SIX[0], 300, 10) <= most_published(parsed, 300, 10) + 5


def test_a_study_says_how_many_people_each_site_needs() -> None:
    """A model of five columns is 27 numbers: 0.33 a person of 82, which are 28 at each of three sites."""
    spec = parse_spec({"protocol": "linear", "outcome": "f_one", "covariates": ["a", "b", "c", "d"]})
    assert most_published(spec, 82, 10) == 27
    assert people_needed([spec], 3, 10, 0.33) == 28
    assert people_needed([spec, spec], 3, 10, 0.33) == 55
    assert people_needed([], 3, 10, 0.33) == 1


def test_products_that_leave_each_site_in_the_clear_are_of_its_own_people() -> None:
    mixed = {"protocol": "mixed", "outcome": "f_one", "covariates": ["sex"]}
    linear = {"protocol": "linear", "outcome": "f_one", "covariates": ["sex"]}
    assert are_shown_by_site(parse_spec(mixed))
    assert not are_shown_by_site(parse_spec(linear))
