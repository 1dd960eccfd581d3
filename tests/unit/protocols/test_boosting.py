"""Boosted trees over sites: the pooled trees, floors on people, missing values, folds."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from protocols.core.errors import Code
from protocols.core.lockstep import Failure
from protocols.core.table import AnalysisTable
from protocols.exchange.local import run_locally
from protocols.exchange.rounds import Outcome
from protocols.learning.boosting import BoostingResult, BoostingSpec, predicted
from protocols.learning.trees import Trees
from tests.lib.shared import shared
from tests.lib.studies import a_study_of
from tests.lib.ungated import tables_of


def heart(*specs: dict[str, object]) -> tuple[list[AnalysisTable], Outcome]:
    data = pd.read_csv(shared("data/stats/uci_heart_4centers.csv"))
    frame = data.drop(columns=["row", "site", "num"])
    named = [{"name": f"a{i}", "spec": spec} for i, spec in enumerate(specs)]
    tables = tables_of(frame, data.site)
    return tables, run_locally(a_study_of(list(frame.columns), *named), tables)


def boosted(**changes: object) -> dict[str, object]:
    covariates = ["age", "sex", "cp", "trestbps", "chol", "thalach", "exang", "oldpeak", "ca", "thal"]
    spec = {"protocol": "boosting", "outcome": "disease", "covariates": covariates, "trees": 20}
    return {**spec, **changes}


def test_a_level_of_a_tree_is_a_round_and_one_whether_its_bins_hold_enough_people() -> None:
    """The grid and the roots of all trees are looked at once."""
    _, outcome = heart(boosted(trees=5, depth=2))
    assert outcome.rounds == 1 + 3 + 1 + 5 + 5 * 2


def test_no_leaf_has_fewer_people_than_the_floor() -> None:
    tables, outcome = heart(boosted(min_people=25, depth=4))
    trees = Trees.of(outcome["a0"].transform_arrays())
    x = np.concatenate([t.matrix(outcome["a0"].covariates) for t in tables])
    for tree in range(20):
        _, people = np.unique(trees.places(x, tree), return_counts=True)
        assert people.min() >= 25


def test_who_misses_a_value_is_scored_and_tells_something() -> None:
    """ca and thal are known at one hospital alone: nobody is left out for that."""
    tables, outcome = heart(boosted())
    found: BoostingResult = outcome["a0"]
    assert found.n == sum(len(t) for t in tables) == 920
    spec = BoostingSpec.model_validate(boosted())
    for table in tables:
        assert not np.isnan(predicted(spec, table, **found.transform_arrays())).any()


@pytest.mark.slow
def test_five_folds_cost_the_rounds_of_one_fit_and_beat_chance() -> None:
    model = boosted(trees=10)
    _, alone = heart(model)
    _, outcome = heart({"protocol": "discrimination", "model": model})
    assert outcome.rounds == alone.rounds + 2
    assert outcome["a0"].auc > 0.8
    assert outcome["a0"].n == 920


def test_the_most_useful_covariate_comes_first() -> None:
    _, outcome = heart(boosted())
    frame = outcome["a0"].summary()
    assert frame.index[0] == "cp"
    assert (frame.gain.diff().dropna() <= 0).all()


@pytest.mark.parametrize("protocol", ["boosting", "forest"])
def test_a_covariate_of_one_person_among_those_who_lack_others_is_named(protocol: str) -> None:
    """Whoever lacks another covariate is not among those judged before, but is in the sums of a grid."""
    sites = []
    for at, site in enumerate("abc"):
        draw = np.random.default_rng(at)
        x, z = draw.normal(size=(2, 80))
        columns = {"x": x, "z": z, "y": (draw.uniform(size=80) < 0.4).astype(float)}
        if site == "b":
            columns["x"] = np.where(np.arange(80) == 3, 1e7, x)
            columns["z"] = np.where(np.arange(80) == 3, np.nan, z)
        sites.append(AnalysisTable(site, 100 * at + np.arange(80), columns))

    def found(**cuts: list[float]) -> Any:
        spec = {
            "protocol": protocol,
            "outcome": "y",
            "covariates": ["x", "z"],
            "trees": 2,
            "depth": 1,
            "cuts": cuts,
        }
        study = a_study_of(["x", "z", "y"], {"name": "a", "spec": spec})
        return run_locally(study, sites).results["a"]

    refused = found()
    assert isinstance(refused, Failure)
    assert (refused.code, "nearly all of x" in refused.text) == (Code.WITHHELD, True)
    assert not isinstance(found(x=[-1.0, 0.0, 1.0]), Failure)
