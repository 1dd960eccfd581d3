"""Zero-shot learning, compared with the closed form on all rows."""

import json
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest

from protocols.applications.typing_spec import TypingSpec
from protocols.applications.zero_shot import ZeroShotSpec, learned
from protocols.applications.zero_shot_result import ZeroShotResult
from protocols.core.table import AnalysisTable, Floats
from tests.lib.shared import shared
from tests.reference.oracles.conftest import Holds
from tests.reference.pooled.typing import pooled

FEATURES = [f"x{i}" for i in range(20)]


def people(name: str) -> pd.DataFrame:
    return pd.read_csv(shared(f"oracles/data/zero_shot_{name}.csv"))


def learned_from(coding: Literal["0_1", "minus1_1"], gamma: float, ridge: float) -> ZeroShotResult:
    """The map by the class-conditional model of all rows: of 25 people a disease no site shows 20 features.

    That hospitals come to the same model, and to the same map, is in the conformance suite.
    """
    rows, described = people("train"), people("signatures")
    seen = {f"d{i}": float(i) for i in described.index[described.seen == 1]}
    model = TypingSpec(
        outcome="label", classes=tuple(seen.values()), measured=tuple(FEATURES), covariance="shared"
    )
    spec = ZeroShotSpec(
        model=model,
        descriptions={f"d{i}": tuple(row) for i, row in described.filter(like="a").iterrows()},
        seen=seen,
        standardized=False,
        coding=coding,
        ridge=gamma,
        ridge_of_descriptions=ridge,
    )
    columns = {name: rows[name].to_numpy(float) for name in (*FEATURES, "label")}
    return learned(spec, pooled(model, [AnalysisTable("all", rows.index.to_numpy(), columns)]))


@pytest.mark.parametrize("coding", ["0_1", "minus1_1"])
def test_the_map_and_what_it_ranks_are_those_of_the_closed_form(
    coding: Literal["0_1", "minus1_1"], holds: Holds
) -> None:
    oracle: dict[str, Any] = json.loads(shared("oracles/reference/zero_shot_give.json").read_text())
    truth = oracle["eszsl"][coding]
    found = learned_from(coding, oracle["gamma"], oracle["lambda"])
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
