"""A random forest over sites: rounds, the out-of-bag estimate, draws that belong to people."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from protocols.core.table import AnalysisTable, fold_hashes
from protocols.estimation.person_draws import normal, uniform
from protocols.exchange.local import run_locally
from protocols.exchange.rounds import Outcome
from protocols.learning.forest import ForestResult
from tests.lib.shared import shared
from tests.lib.studies import a_study_of
from tests.lib.ungated import tables_of

COVARIATES = ["age", "sex", "cp", "trestbps", "chol", "thalach", "exang", "oldpeak", "ca", "thal"]


def heart(*specs: dict[str, object]) -> Outcome:
    data = pd.read_csv(shared("data/stats/uci_heart_4centers.csv"))
    frame = data.drop(columns=["row", "site", "num"])
    named = [{"name": f"a{i}", "spec": spec} for i, spec in enumerate(specs)]
    return run_locally(a_study_of(list(frame.columns), *named), tables_of(frame, data.site))


def forest(**changes: object) -> dict[str, object]:
    return {"protocol": "forest", "outcome": "disease", "covariates": COVARIATES, "trees": 40, **changes}


@pytest.mark.slow
def test_a_level_of_the_forest_is_two_rounds_and_out_of_bag_is_like_other_folds() -> None:
    outcome = heart(forest(), {"protocol": "discrimination", "model": forest()})
    found: ForestResult = outcome["a0"]
    assert outcome.rounds == 1 + 3 + 2 * 5 + 1 + 1 + 1
    assert found.out_of_bag_auc > 0.85
    assert abs(found.out_of_bag_auc - outcome["a1"].auc) < 0.02
    assert found.n == outcome["a1"].n == 920


def test_another_seed_is_another_forest_and_one_seed_one() -> None:
    one, same, other = (heart(forest(trees=5, seed=s))["a0"] for s in (1, 1, 2))
    assert (one.value == same.value).all()
    assert (one.feature != other.feature).any()


def test_draws_are_uniform_normal_and_of_the_person() -> None:
    persons = np.arange(20_000)
    table = AnalysisTable("a", persons, {}, fold_hashes=fold_hashes(persons, b"study"))
    one, other = uniform(table, 1, 2), uniform(table, 1, 3)
    assert stats.kstest(one, "uniform").pvalue > 0.01
    assert stats.kstest(normal(table, 7), "norm").pvalue > 0.01
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.03
    order = np.random.default_rng(0).permutation(len(persons))[:500]
    part = AnalysisTable("b", persons[order], {}, fold_hashes=table.fold_hashes[order])
    assert (uniform(part, 1, 2) == one[order]).all()
