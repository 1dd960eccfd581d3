"""RT14: from a network's weights, who was among the people it was trained on."""

from typing import Any

import numpy as np
import pytest

from protocols.core.table import AnalysisTable, Rows
from protocols.learning.neural import Neural, NeuralSpec
from tests.lib.extras import NEEDS_TORCH
from tests.lib.ungated import estimated, tables_of
from tests.reference.statistics.numbers import _csv

NUMBERS = ["age", "sex", "cp", "trestbps", "chol", "thalach", "exang", "oldpeak"]
NETWORK: dict[str, Any] = {"protocol": "neural", "outcome": "disease", "covariates": NUMBERS, "hidden": [12]}


def losses(spec: NeuralSpec, found: Any, tables: list[AnalysisTable]) -> np.ndarray:
    p = np.concatenate([Neural().score(spec, t, **found.transform_arrays()) for t in tables])
    y = np.concatenate([t.column("disease") for t in tables])
    return -np.log(np.where(y == 1, p, 1 - p))


@pytest.mark.slow
@NEEDS_TORCH
def test_a_small_loss_hardly_tells_who_was_there() -> None:
    """Yeom et al., CSF 2018: members have the least loss. UCI heart disease, four halvings, 121 of the
    at most 151 parameters that 460 people may have, trained long: true positives at 1 % false positives."""
    data = _csv("uci_heart_4centers")
    hospitals = tables_of(data[[*NUMBERS, "disease"]].fillna(data[NUMBERS].mean()), data.site)
    raw = {**NETWORK, "rounds": 40, "epochs": 5, "strategy": "fedavg"}
    spec, hits = NeuralSpec.model_validate(raw), []
    for halving in (Rows(keep=k, fold=0, of=2, inner=i) for k in ("train", "test") for i in (False, True)):
        inside = [t.select(halving.mask(t)) for t in hospitals]
        outside = [t.select(~halving.mask(t)) for t in hospitals]
        found = estimated(raw, inside)
        edge = np.quantile(losses(spec, found, outside), 0.01)
        hits.append(float((losses(spec, found, inside) <= edge).mean()))
    print(f"\ntrue positives at 1 % false positives: {np.mean(hits):.4f}, of the halvings {hits}")
    assert np.mean(hits) <= 0.02
