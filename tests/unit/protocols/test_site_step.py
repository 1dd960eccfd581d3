"""What a site step declares of its question and of its way out, and what the site does with it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from protocols.core.disclosure import Count, Thresholds
from protocols.core.errors import Code, SpecError
from protocols.core.protocol import Ask, ask, site_step
from protocols.core.table import AnalysisTable
from protocols.exchange.site_answer import answer
from tests.lib.drawn_sites import SPLITS, study_of

MODEL = {"protocol": "logistic", "outcome": "idh1", "covariates": ["age"]}


def refused(spec: Mapping[str, Any], question: Ask) -> str:
    """Why a site does not answer one question about a study of one analysis."""
    study = study_of(spec)
    question = Ask(question.step, question.arrays, per_site=question.per_site, analysis="a0")
    with pytest.raises(SpecError) as caught:
        answer(study, SPLITS["unequal sites"][0], question, Thresholds())
    assert caught.value.code == Code.INVALID_STUDY
    return caught.value.text


def test_a_step_leaves_in_a_sum_only_unless_it_declares_more() -> None:
    assert "in a sum only" in refused(MODEL, ask("moments", per_site=True))


def test_what_is_for_the_clear_does_not_leave_in_a_sum() -> None:
    spec = {"protocol": "discrimination", "model": MODEL, "scheme": {"kind": "sites"}}
    assert "of each site for itself" in refused(spec, ask("classes"))


def test_a_step_that_leaves_in_the_clear_does_so_only_where_the_spec_says_it() -> None:
    folds = {"protocol": "discrimination", "model": MODEL, "scheme": {"kind": "folds"}}
    assert "in a sum only" in refused(folds, ask("classes", per_site=True))


@pytest.mark.parametrize("numbers", [{}, {"coef": 0.0}, {"coef": 0, "shift": 0, "scale": 1, "more": 1}])
def test_a_question_with_other_arrays_than_the_step_has_is_refused(numbers: dict[str, float]) -> None:
    assert "other arrays" in refused(MODEL, ask("derivatives", **numbers))


def test_a_number_that_the_step_does_not_have_cannot_vary() -> None:
    with pytest.raises(TypeError, match="no argument coeff"):

        @site_step(varies=("coeff",), n=Count())
        def derivatives(spec: Any, table: AnalysisTable, coef: Any) -> dict[str, Any]:
            return {"n": np.array(0)}


def test_the_name_of_open_arguments_stands_for_each_of_them() -> None:
    @site_step(varies=("fits",), n=Count())
    def scores(spec: Any, table: AnalysisTable, folds: Any, **fits: Any) -> dict[str, Any]:
        return {"n": np.array(0)}

    assert scores.may_vary("model.coef")
    assert not scores.may_vary("folds")
    scores.check_question(["folds", "model.coef"])
