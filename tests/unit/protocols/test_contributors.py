"""Which sites contribute to an analysis, and what of a sum stays here where too few do."""

import numpy as np
import pytest

from protocols.core.disclosure import Count, Moment, Thresholds, release
from protocols.core.errors import Code, SiteError
from protocols.core.protocol import Ask
from protocols.core.study import Study
from protocols.core.table import AnalysisTable
from protocols.exchange.site_answer import Shared, answer, people_of
from tests.lib.studies import a_study_of

SPEC = {"protocol": "logistic", "outcome": "y", "covariates": ["x"]}
IMPUTE = {"protocol": "impute", "mean": ["x"]}


def a_table(known_x: int) -> AnalysisTable:
    x = np.where(np.arange(40) < known_x, np.linspace(-1, 1, 40), np.nan)
    return AnalysisTable("a", np.arange(40), {"x": x, "y": (np.arange(40) % 2).astype(float)})


def the_study() -> Study:
    return a_study_of(
        ["x", "y"],
        {"name": "model", "spec": SPEC},
        {"name": "filled", "spec": IMPUTE},
        {"name": "after", "spec": SPEC, "after": ["filled"]},
        complete_cases="analysis",
    )


def test_an_analysis_is_about_those_with_all_its_variables() -> None:
    assert people_of(the_study(), "model", a_table(7)) == 7
    assert people_of(the_study(), "after", a_table(7)) == 40  # the imputation before it fills the others
    assert people_of(the_study(), "filled", a_table(7)) == 7
    assert people_of(the_study(), "filled", a_table(0)) == 0


def test_a_sum_of_too_few_sites_is_not_answered() -> None:
    ask, study, floors = Ask("moments", analysis="model"), the_study(), Thresholds()
    assert answer(study, a_table(40), ask, floors, Shared(contributors=("a", "b", "c"))).way == "sum"
    with pytest.raises(SiteError) as refused:
        answer(study, a_table(40), ask, floors, Shared(contributors=("a", "b")))
    assert refused.value.code == Code.WITHHELD


def test_a_sum_of_few_sites_that_may_leave_in_the_clear_is_judged_so() -> None:
    declared = {"n": Count(), "by": Count("level", of="n"), "sum": Moment("level", behind="by", what="sums")}
    arrays = {"n": np.array(40), "by": np.array([28, 7, 5]), "sum": np.array([1.0, 2.0, 3.0])}

    def released(few: bool, people: int = 40) -> dict[str, list[float]]:
        found = release(
            declared,
            arrays,
            axes={"level": 3},
            people=people,
            way="sum",
            thresholds=Thresholds(),
            few_contribute=few,
        )
        return {name: array.tolist() for name, array in found.arrays.items()}

    assert released(few=False) == {name: array.tolist() for name, array in arrays.items()}
    assert released(few=True) == {"n": 40, "by": [28, 0, 0], "sum": [1.0, 0.0, 0.0]}
    assert released(few=True, people=9) == {"n": 0, "by": [0, 0, 0], "sum": [0.0, 0.0, 0.0]}
