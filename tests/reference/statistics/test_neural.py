"""Networks over four hospitals beside the network on pooled rows; `pytest -s` prints the AUCs."""

from typing import Any

import numpy as np

from protocols.core.table import AnalysisTable, Rows
from protocols.estimation.roc import exact_auc
from protocols.learning.neural import Neural, NeuralSpec
from tests.lib.extras import NEEDS_TORCH
from tests.lib.ungated import estimated, tables_of
from tests.reference.pooled import reference
from tests.reference.statistics.numbers import _csv

NUMBERS = ["age", "sex", "cp", "trestbps", "chol", "fbs", "restecg", "thalach", "exang", "oldpeak"]


def hospitals(keep: Any) -> list[AnalysisTable]:
    """Half of the people of four hospitals, their missing values the mean of all."""
    data = _csv("uci_heart_4centers")
    frame = data[[*NUMBERS, "disease"]].fillna(data[NUMBERS].mean())
    tables = tables_of(frame, data.site)
    return [table.select(Rows(keep=keep, fold=0, of=2).mask(table)) for table in tables]


@NEEDS_TORCH
def test_every_strategy_comes_near_the_pooled_network() -> None:
    """UCI heart disease, AUC of the half that was not trained on.

    `fedsgd` beside full steps by scikit-learn, the others beside SGD on pooled rows: within 0.015, the
    standard error of an AUC of 460 people.
    """
    train, test = hospitals("train"), hospitals("test")
    y = np.concatenate([table.column("disease") for table in test])

    def auc(spec: NeuralSpec, found: Any) -> float:
        arrays = found.transform_arrays()
        return exact_auc(y, np.concatenate([Neural().score(spec, table, **arrays) for table in test]))

    aucs = {}
    for strategy in ("fedsgd", "fedavg", "fedprox", "scaffold"):
        raw = {"protocol": "neural", "outcome": "disease", "covariates": NUMBERS, "hidden": [5], "rounds": 12}
        raw |= {"strategy": strategy, "rate": 1.0 if strategy == "fedsgd" else 0.1, "epochs": 2, "l2": 0.01}
        spec = NeuralSpec.model_validate({**raw, "mu": 0.1})
        found: Any = estimated({**raw, "mu": 0.1}, train)
        aucs[strategy] = auc(spec, found), auc(spec, reference(spec, train))
        print(f"{strategy:9} {aucs[strategy][0]:.4f}, pooled {aucs[strategy][1]:.4f}", found.still.sum())
    for ours, pooled in aucs.values():
        assert abs(ours - pooled) < 0.015
        assert ours > 0.85
    ours, pooled = aucs["fedsgd"]
    assert abs(ours - pooled) < 0.001
