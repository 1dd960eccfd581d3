"""Zero-shot learning over three hospitals, compared with the closed form on all rows."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from protocols.applications.zero_shot_result import ZeroShotResult
from protocols.core.table import AnalysisTable, Floats
from protocols.exchange.local import run_locally
from tests.lib.shared import shared
from tests.lib.studies import a_study_of
from tests.reference.oracles.conftest import Holds

FEATURES = [f"x{i}" for i in range(20)]


def people(name: str) -> pd.DataFrame:
    return pd.read_csv(shared(f"oracles/data/zero_shot_{name}.csv"))


def learned(coding: str, gamma: float, ridge: float) -> ZeroShotResult:
    rows, described = people("train"), people("signatures")
    # Three hospitals with as many of each disease: of the file's own, some have fewer than five of one.
    hospital = rows.groupby("label").cumcount() % 3
    tables = [
        AnalysisTable(str(site), part.index.to_numpy(), {c: part[c].to_numpy(float) for c in rows.columns})
        for site, part in rows.groupby(hospital)
    ]
    seen = {f"d{i}": i for i in described.index[described.seen == 1]}
    spec = {
        "protocol": "zero_shot",
        "model": {
            "outcome": "label",
            "classes": [*seen.values()],
            "measured": FEATURES,
            "covariance": "shared",
        },
        "descriptions": {f"d{i}": list(row) for i, row in described.filter(like="a").iterrows()},
        "seen": seen,
        "standardized": False,
        "coding": coding,
        "ridge": gamma,
        "ridge_of_descriptions": ridge,
    }
    found = run_locally(
        a_study_of([*FEATURES, "label"], {"name": "a0", "spec": spec}, cells="exact"), tables
    )["a0"]
    assert isinstance(found, ZeroShotResult)
    return found


@pytest.mark.parametrize("coding", ["0_1", "minus1_1"])
def test_the_map_and_what_it_ranks_are_those_of_the_closed_form(coding: str, holds: Holds) -> None:
    oracle: dict[str, Any] = json.loads(shared("oracles/reference/zero_shot_give.json").read_text())
    truth = oracle["eszsl"][coding]
    found = learned(coding, oracle["gamma"], oracle["lambda"])
    holds("the map", found.weights[:3], truth["V_first3_rows"], rtol=1e-9)
    holds("the map", np.linalg.norm(found.weights), truth["V_frobenius"], rtol=1e-9)
    test = people("test")
    x, y = test[FEATURES].to_numpy(), test["label"].to_numpy()
    scores = found.scores(x)
    holds("scores", scores[:3], truth["scores_first3"], rtol=1e-9)
    unseen = np.flatnonzero(~found.seen)
    guessed = unseen[scores[:, unseen].argmax(axis=1)]
    rare = np.isin(y, unseen)
    holds("zero-shot accuracy", (guessed == y)[rare].mean(), truth["zero_shot_top1_micro"], rtol=1e-12)
    holds("zero-shot accuracy", by_disease(guessed, y, unseen), truth["zero_shot_top1_macro"], rtol=1e-12)
    for allowance, expected in truth["calibrated_stacking"].items():
        guessed = (scores - float(allowance) * found.seen).argmax(axis=1)
        ours = [by_disease(guessed, y, np.flatnonzero(found.seen == seen)) for seen in (False, True)]
        holds("an allowance", ours, [expected["unseen"], expected["seen"]], rtol=1e-12)


def by_disease(guessed: Floats, y: Floats, diseases: Floats) -> float:
    """The mean over diseases of the share of their people who are taken for them."""
    return float(np.mean([(guessed[y == d] == d).mean() for d in diseases if (y == d).any()]))
